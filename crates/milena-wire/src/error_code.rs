//! The one table of Kafka's error codes: number, name, class, meaning. Knows nothing of requests.
//!
//! Numbers, names and retryability are those of Kafka 4.3.1; which of the others are terminal is
//! our own reading of what a client can do about them.

use std::fmt;

#[cfg(test)]
mod tests;

/// What a client can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The same request may succeed later, perhaps after looking up the leader or coordinator.
    Retriable,
    /// This request, record or membership failed; the client goes on with others.
    NonRetriable,
    /// The client cannot go on as it is: fenced, without permission, or configured wrongly.
    Terminal,
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Retriable => "retriable",
            Self::NonRetriable => "non-retriable",
            Self::Terminal => "terminal",
        })
    }
}

/// A row's class, finer than the public one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Retriable,
    RetriableStaleMetadata,
    NonRetriable,
    Terminal,
}

macro_rules! error_codes {
    ($($variant:ident = $code:literal, $name:literal, $kind:ident, $message:literal;)*) => {
        /// An error code of Kafka's protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $name, "` (", $code, "): ", $message, ".")] $variant,)*
            /// A code this table does not have; newer brokers may send some.
            Unknown(i16),
        }

        impl From<i16> for ErrorCode {
            #[inline]
            fn from(code: i16) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }
        }

        impl ErrorCode {
            /// Every code of the table, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number on the wire.
            #[inline]
            #[must_use]
            pub const fn code(self) -> i16 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Unknown(code) => code,
                }
            }

            /// Kafka's name, such as `NOT_LEADER_OR_FOLLOWER`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(_) => "UNKNOWN_ERROR_CODE",
                }
            }

            /// What the code means, as a sentence without its full stop.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)*
                    Self::Unknown(_) => "the broker sent an error code this client does not know",
                }
            }

            const fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)*
                    Self::Unknown(_) => Kind::NonRetriable,
                }
            }
        }
    };
}

error_codes! {
UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", NonRetriable, "the broker failed in a way it did not expect";
None = 0, "NONE", None, "no error";
OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", NonRetriable, "the offset is outside what the partition holds";
CorruptMessage = 2, "CORRUPT_MESSAGE", Retriable, "the record batch is corrupt: bad checksum, bad size, or no key on a compacted topic";
UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", RetriableStaleMetadata, "the broker does not know this topic or partition";
InvalidFetchSize = 4, "INVALID_FETCH_SIZE", NonRetriable, "the fetch size is not valid";
LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", RetriableStaleMetadata, "the partition has no leader at the moment";
NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", RetriableStaleMetadata, "the broker is not the leader, or not a replica, of this partition";
RequestTimedOut = 7, "REQUEST_TIMED_OUT", Retriable, "the request was not completed in time";
BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", NonRetriable, "the broker is not available";
ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", RetriableStaleMetadata, "the replica is not available";
MessageTooLarge = 10, "MESSAGE_TOO_LARGE", NonRetriable, "the record batch is larger than the broker accepts";
StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", NonRetriable, "the controller has moved to another broker";
OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE", NonRetriable, "the metadata string of the committed offset is too long";
NetworkException = 13, "NETWORK_EXCEPTION", RetriableStaleMetadata, "the connection was lost before the response came";
CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", Retriable, "the coordinator is still loading its state";
CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", Retriable, "the coordinator is not available";
NotCoordinator = 16, "NOT_COORDINATOR", Retriable, "the broker is not the coordinator for this group or transaction";
InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", NonRetriable, "the topic name is not valid";
RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", NonRetriable, "the record batch is larger than a log segment";
NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", Retriable, "too few replicas are in sync to accept the records";
NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", Retriable, "the records were written, but to too few in-sync replicas";
InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", Terminal, "the value of acks is not valid";
IllegalGeneration = 22, "ILLEGAL_GENERATION", NonRetriable, "the generation of the group is not the current one";
InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL", Terminal, "the member's protocols do not match those of the group";
InvalidGroupId = 24, "INVALID_GROUP_ID", Terminal, "the group id is not valid";
UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", NonRetriable, "the coordinator does not know this member";
InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT", Terminal, "the session timeout is outside the range the broker allows";
RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", NonRetriable, "the group is rebalancing: join it again";
InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", NonRetriable, "the data of the committed offsets is too large";
TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", NonRetriable, "no permission for this topic";
GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", Terminal, "no permission for this group";
ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", Terminal, "no permission for this operation on the cluster";
InvalidTimestamp = 32, "INVALID_TIMESTAMP", NonRetriable, "the record's timestamp is outside the accepted range";
UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", Terminal, "the broker does not offer this SASL mechanism";
IllegalSaslState = 34, "ILLEGAL_SASL_STATE", Terminal, "the SASL handshake is not in a state for this request";
UnsupportedVersion = 35, "UNSUPPORTED_VERSION", Terminal, "the broker does not support this version of the request";
TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", NonRetriable, "a topic of this name exists already";
InvalidPartitions = 37, "INVALID_PARTITIONS", NonRetriable, "the number of partitions is not valid";
InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", NonRetriable, "the replication factor is below 1 or above the number of brokers";
InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", NonRetriable, "the assignment of replicas is not valid";
InvalidConfig = 40, "INVALID_CONFIG", NonRetriable, "a configuration value is not valid";
NotController = 41, "NOT_CONTROLLER", RetriableStaleMetadata, "the broker is not the controller";
InvalidRequest = 42, "INVALID_REQUEST", NonRetriable, "the request is malformed or not possible in this form";
UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", Terminal, "the message format of the log does not support the request";
PolicyViolation = 44, "POLICY_VIOLATION", NonRetriable, "a policy of the cluster forbids the request";
OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", Terminal, "a sequence number was skipped: earlier records of the producer are missing";
DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", NonRetriable, "the records were written already under this sequence number";
InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", Terminal, "the producer's epoch is older than the current one";
InvalidTxnState = 48, "INVALID_TXN_STATE", Terminal, "the transaction is not in a state that allows this";
InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING", Terminal, "the producer id does not belong to this transactional id";
InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT", Terminal, "the transaction timeout is above the broker's maximum";
ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS", Retriable, "another operation of the same transaction is still going on";
TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", Terminal, "the transaction coordinator has been replaced by a newer one";
TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", Terminal, "no permission for this transactional id";
SecurityDisabled = 54, "SECURITY_DISABLED", Terminal, "security features are switched off";
OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED", NonRetriable, "the operation was not tried, because another of the same request failed";
KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", RetriableStaleMetadata, "the broker could not use its disk";
LogDirNotFound = 57, "LOG_DIR_NOT_FOUND", NonRetriable, "the log directory does not exist";
SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", Terminal, "authentication failed: check the credentials";
UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", NonRetriable, "the broker has no state for this producer id";
ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS", NonRetriable, "a reassignment of the partition is going on";
DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED", Terminal, "delegation tokens are switched off";
DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND", NonRetriable, "the delegation token does not exist";
DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH", NonRetriable, "the delegation token belongs to somebody else";
DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", NonRetriable, "delegation tokens cannot be requested over this connection";
DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", Terminal, "no permission for this delegation token";
DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED", Terminal, "the delegation token has expired";
InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE", NonRetriable, "the type of the principal is not supported";
NonEmptyGroup = 68, "NON_EMPTY_GROUP", NonRetriable, "the group is not empty";
GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", NonRetriable, "the group does not exist";
FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", Retriable, "the broker does not know this fetch session";
InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", Retriable, "the epoch of the fetch session is not the expected one";
ListenerNotFound = 72, "LISTENER_NOT_FOUND", RetriableStaleMetadata, "the leader has no listener of the name this request came in on";
TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", NonRetriable, "topic deletion is switched off";
FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", RetriableStaleMetadata, "the leader epoch of the request is older than the broker's";
UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", Retriable, "the leader epoch of the request is newer than the broker's";
UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE", Terminal, "the client's request is too old for the compression of this topic";
StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", NonRetriable, "the epoch of the broker has changed";
OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", Retriable, "the offset is not known yet, right after a leader election";
MemberIdRequired = 79, "MEMBER_ID_REQUIRED", NonRetriable, "join again with the member id that was given";
PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", RetriableStaleMetadata, "the preferred leader is not available";
GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", Terminal, "the group has as many members as it may have";
FencedInstanceId = 82, "FENCED_INSTANCE_ID", Terminal, "another member with the same group instance id has taken over";
EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", RetriableStaleMetadata, "no replica is eligible as leader";
ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", RetriableStaleMetadata, "no leader election is needed";
NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", NonRetriable, "no reassignment is going on";
GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", NonRetriable, "the group still reads this topic";
InvalidRecord = 87, "INVALID_RECORD", NonRetriable, "the broker refused a record as not valid";
UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", Retriable, "offsets of an unfinished transaction are pending";
ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", Retriable, "a quota was exceeded";
ProducerFenced = 90, "PRODUCER_FENCED", Terminal, "a newer producer with the same transactional id has taken over";
ResourceNotFound = 91, "RESOURCE_NOT_FOUND", NonRetriable, "the resource does not exist";
DuplicateResource = 92, "DUPLICATE_RESOURCE", NonRetriable, "the request names a resource twice";
UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", NonRetriable, "the credential does not meet the requirements";
InconsistentVoterSet = 94, "INCONSISTENT_VOTER_SET", NonRetriable, "the broker is not among the expected voters";
InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", NonRetriable, "the version to update to is not valid";
FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", NonRetriable, "the features could not be updated";
PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE", NonRetriable, "the principal of a forwarded request could not be read";
SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", NonRetriable, "the snapshot does not exist";
PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", NonRetriable, "the position is outside the snapshot";
UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", RetriableStaleMetadata, "the broker does not know this topic id";
DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", NonRetriable, "the broker id is in use already";
BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", NonRetriable, "the broker id is not registered";
InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", RetriableStaleMetadata, "the topic id is not the one of the log";
InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", Terminal, "the cluster id is not the one of this cluster";
TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND", NonRetriable, "the transactional id does not exist";
FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR", Retriable, "the fetch session mixes topic ids with topic names";
IneligibleReplica = 107, "INELIGIBLE_REPLICA", NonRetriable, "the new in-sync replicas contain one that is not eligible";
NewLeaderElected = 108, "NEW_LEADER_ELECTED", NonRetriable, "the partition was changed, but has a new leader";
OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", NonRetriable, "the offset has moved to tiered storage";
FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH", NonRetriable, "the member epoch is fenced: give up all partitions and join again";
UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", Terminal, "the group instance id is still in use by another member";
UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR", Terminal, "the group does not support the assignor";
StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", NonRetriable, "the member epoch is behind: retry with the one of the next heartbeat";
MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE", NonRetriable, "the request went to the wrong kind of endpoint";
UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", NonRetriable, "the kind of endpoint is not supported";
UnknownControllerId = 116, "UNKNOWN_CONTROLLER_ID", NonRetriable, "the controller id is not known";
UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID", NonRetriable, "the telemetry subscription is outdated";
TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE", NonRetriable, "the telemetry is larger than the broker accepts";
InvalidRegistration = 119, "INVALID_REGISTRATION", NonRetriable, "the controller refuses the registration of the broker";
TransactionAbortable = 120, "TRANSACTION_ABORTABLE", NonRetriable, "the transaction failed and can be aborted";
InvalidRecordState = 121, "INVALID_RECORD_STATE", NonRetriable, "the record is not in a state that can be acknowledged";
ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND", Retriable, "the broker does not know this share session";
InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH", Retriable, "the epoch of the share session is not the expected one";
FencedStateEpoch = 124, "FENCED_STATE_EPOCH", NonRetriable, "the epoch of the share group's state is not the current one";
InvalidVoterKey = 125, "INVALID_VOTER_KEY", NonRetriable, "the voter's key is not the receiver's";
DuplicateVoter = 126, "DUPLICATE_VOTER", NonRetriable, "the voter is a voter already";
VoterNotFound = 127, "VOTER_NOT_FOUND", NonRetriable, "the voter is not one of the voters";
InvalidRegularExpression = 128, "INVALID_REGULAR_EXPRESSION", Terminal, "the regular expression is not valid";
RebootstrapRequired = 129, "REBOOTSTRAP_REQUIRED", NonRetriable, "the client's view of the cluster is outdated: bootstrap again";
StreamsInvalidTopology = 130, "STREAMS_INVALID_TOPOLOGY", NonRetriable, "the topology is not valid";
StreamsInvalidTopologyEpoch = 131, "STREAMS_INVALID_TOPOLOGY_EPOCH", NonRetriable, "the epoch of the topology is not valid";
StreamsTopologyFenced = 132, "STREAMS_TOPOLOGY_FENCED", NonRetriable, "the epoch of the topology is outdated";
ShareSessionLimitReached = 133, "SHARE_SESSION_LIMIT_REACHED", Retriable, "as many share sessions are open as may be";}

impl ErrorCode {
    /// Whether this is code 0: no error.
    #[inline]
    #[must_use]
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    /// `Ok` for code 0, the code as the error otherwise.
    ///
    /// # Errors
    /// The code itself, unless it is 0.
    #[inline]
    pub const fn into_result(self) -> Result<(), Self> {
        match self {
            Self::None => Ok(()),
            error => Err(error),
        }
    }

    /// What a client can do about it. A code the table does not have is non-retriable, and so is
    /// code 0, since there is nothing to retry.
    #[must_use]
    pub const fn class(self) -> ErrorClass {
        match self.kind() {
            Kind::Retriable | Kind::RetriableStaleMetadata => ErrorClass::Retriable,
            Kind::None | Kind::NonRetriable => ErrorClass::NonRetriable,
            Kind::Terminal => ErrorClass::Terminal,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retriable(self) -> bool {
        matches!(self.class(), ErrorClass::Retriable)
    }

    /// Whether the error shows that the client's metadata (leaders, topics, controller) is stale.
    #[must_use]
    pub const fn refreshes_metadata(self) -> bool {
        matches!(self.kind(), Kind::RetriableStaleMetadata)
    }

    /// Whether the error shows that the coordinator must be looked up again.
    #[must_use]
    pub const fn refreshes_coordinator(self) -> bool {
        matches!(self, Self::CoordinatorNotAvailable | Self::NotCoordinator)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} ({}): {}",
            self.name(),
            self.code(),
            self.message()
        )
    }
}

impl std::error::Error for ErrorCode {}
