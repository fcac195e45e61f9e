//! One error code for a whole request, in the places its response has for it.
//!
//! Owns how an injected fault looks on the wire: a produce request that is
//! refused names the code for each of its partitions, as a real broker would.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{
    self, add_partitions_to_txn_request, add_partitions_to_txn_response,
    alter_client_quotas_response, alter_replica_log_dirs_response,
    alter_user_scram_credentials_response, create_acls_response, create_topics_response,
    delete_acls_response, delete_topics_response, fetch_response, find_coordinator_response,
    list_offsets_response, metadata_response, offset_commit_response, offset_fetch_response,
    offset_for_leader_epoch_response, produce_response, txn_offset_commit_response,
    write_txn_markers_response,
};

/// Builds the response that says `code` wherever this request's response can.
pub(crate) trait Refuse {
    type Response;
    fn refuse(&self, code: ErrorCode) -> Self::Response;
}

impl Refuse for messages::ProduceRequest {
    type Response = messages::ProduceResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let topics = self.topic_data.iter().map(|topic| {
            let partitions = topic.partition_data.iter().map(|partition| {
                produce_response::PartitionProduceResponse::default()
                    .with_index(partition.index)
                    .with_error_code(code.code())
                    .with_base_offset(-1)
            });
            produce_response::TopicProduceResponse::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partition_responses(partitions.collect())
        });
        messages::ProduceResponse::default().with_responses(topics.collect())
    }
}

impl Refuse for messages::FetchRequest {
    type Response = messages::FetchResponse;

    /// Codes about the whole request or its session stand at the top, others
    /// with each partition that the request names.
    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let top_level = matches!(
            code,
            ErrorCode::FetchSessionIdNotFound
                | ErrorCode::InvalidFetchSessionEpoch
                | ErrorCode::FetchSessionTopicIdError
        ) || self.topics.is_empty();
        if top_level {
            return messages::FetchResponse::default().with_error_code(code.code());
        }
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                fetch_response::PartitionData::default()
                    .with_partition_index(partition.partition)
                    .with_error_code(code.code())
                    .with_high_watermark(-1)
                    .with_records(Some(bytes::Bytes::new()))
            });
            fetch_response::FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions.collect())
        });
        messages::FetchResponse::default().with_responses(topics.collect())
    }
}

impl Refuse for messages::ListOffsetsRequest {
    type Response = messages::ListOffsetsResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                list_offsets_response::ListOffsetsPartitionResponse::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code.code())
            });
            list_offsets_response::ListOffsetsTopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        messages::ListOffsetsResponse::default().with_topics(topics.collect())
    }
}

impl Refuse for messages::OffsetForLeaderEpochRequest {
    type Response = messages::OffsetForLeaderEpochResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                offset_for_leader_epoch_response::EpochEndOffset::default()
                    .with_partition(partition.partition)
                    .with_error_code(code.code())
            });
            offset_for_leader_epoch_response::OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic.clone())
                .with_partitions(partitions.collect())
        });
        messages::OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
    }
}

impl Refuse for messages::MetadataRequest {
    type Response = messages::MetadataResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let topics = self.topics.iter().flatten().map(|topic| {
            metadata_response::MetadataResponseTopic::default()
                .with_error_code(code.code())
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
        });
        messages::MetadataResponse::default().with_topics(topics.collect())
    }
}

impl Refuse for messages::CreateTopicsRequest {
    type Response = messages::CreateTopicsResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            create_topics_response::CreatableTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_code(code.code())
        });
        messages::CreateTopicsResponse::default().with_topics(topics.collect())
    }
}

impl Refuse for messages::DeleteTopicsRequest {
    type Response = messages::DeleteTopicsResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let result =
            || delete_topics_response::DeletableTopicResult::default().with_error_code(code.code());
        let by_name = self
            .topic_names
            .iter()
            .map(|name| result().with_name(Some(name.clone())));
        let by_state = self.topics.iter().map(|topic| {
            result()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
        });
        messages::DeleteTopicsResponse::default().with_responses(by_name.chain(by_state).collect())
    }
}

impl Refuse for messages::OffsetCommitRequest {
    type Response = messages::OffsetCommitResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                offset_commit_response::OffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code.code())
            });
            offset_commit_response::OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        messages::OffsetCommitResponse::default().with_topics(topics.collect())
    }
}

impl Refuse for messages::TxnOffsetCommitRequest {
    type Response = messages::TxnOffsetCommitResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                txn_offset_commit_response::TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code.code())
            });
            txn_offset_commit_response::TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        messages::TxnOffsetCommitResponse::default().with_topics(topics.collect())
    }
}

impl Refuse for messages::AddPartitionsToTxnRequest {
    type Response = messages::AddPartitionsToTxnResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let rows = |topics: &[add_partitions_to_txn_request::AddPartitionsToTxnTopic]| {
            let row = |topic: &add_partitions_to_txn_request::AddPartitionsToTxnTopic| {
                let partitions = topic.partitions.iter().map(|index| {
                    add_partitions_to_txn_response::AddPartitionsToTxnPartitionResult::default()
                        .with_partition_index(*index)
                        .with_partition_error_code(code.code())
                });
                add_partitions_to_txn_response::AddPartitionsToTxnTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_results_by_partition(partitions.collect())
            };
            topics.iter().map(row).collect::<Vec<_>>()
        };
        let results = self.transactions.iter().map(|transaction| {
            add_partitions_to_txn_response::AddPartitionsToTxnResult::default()
                .with_transactional_id(transaction.transactional_id.clone())
                .with_topic_results(rows(&transaction.topics))
        });
        messages::AddPartitionsToTxnResponse::default()
            .with_results_by_topic_v3_and_below(rows(&self.v3_and_below_topics))
            .with_results_by_transaction(results.collect())
    }
}

impl Refuse for messages::OffsetFetchRequest {
    type Response = messages::OffsetFetchResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let groups = self.groups.iter().map(|group| {
            offset_fetch_response::OffsetFetchResponseGroup::default()
                .with_group_id(group.group_id.clone())
                .with_error_code(code.code())
        });
        let groups: Vec<_> = groups.collect();
        let top_level = if groups.is_empty() { code.code() } else { 0 };
        messages::OffsetFetchResponse::default()
            .with_error_code(top_level)
            .with_groups(groups)
    }
}

impl Refuse for messages::FindCoordinatorRequest {
    type Response = messages::FindCoordinatorResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let coordinators = self.coordinator_keys.iter().map(|key| {
            find_coordinator_response::Coordinator::default()
                .with_key(key.clone())
                .with_node_id((-1).into())
                .with_port(-1)
                .with_error_code(code.code())
        });
        let coordinators: Vec<_> = coordinators.collect();
        let response = messages::FindCoordinatorResponse::default();
        if coordinators.is_empty() {
            return response
                .with_error_code(code.code())
                .with_node_id((-1).into())
                .with_port(-1);
        }
        response.with_coordinators(coordinators)
    }
}

impl Refuse for messages::CreateAclsRequest {
    type Response = messages::CreateAclsResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let result =
            |_| create_acls_response::AclCreationResult::default().with_error_code(code.code());
        let results = self.creations.iter().map(result);
        messages::CreateAclsResponse::default().with_results(results.collect())
    }
}

impl Refuse for messages::DeleteAclsRequest {
    type Response = messages::DeleteAclsResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let result = |_| {
            delete_acls_response::DeleteAclsFilterResult::default().with_error_code(code.code())
        };
        let results = self.filters.iter().map(result);
        messages::DeleteAclsResponse::default().with_filter_results(results.collect())
    }
}

impl Refuse for messages::AlterClientQuotasRequest {
    type Response = messages::AlterClientQuotasResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let entries = self.entries.iter().map(|entry| {
            let entity = entry.entity.iter().map(|part| {
                alter_client_quotas_response::EntityData::default()
                    .with_entity_type(part.entity_type.clone())
                    .with_entity_name(part.entity_name.clone())
            });
            alter_client_quotas_response::EntryData::default()
                .with_error_code(code.code())
                .with_entity(entity.collect())
        });
        messages::AlterClientQuotasResponse::default().with_entries(entries.collect())
    }
}

impl Refuse for messages::AlterUserScramCredentialsRequest {
    type Response = messages::AlterUserScramCredentialsResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let deleted = self.deletions.iter().map(|deletion| &deletion.name);
        let set = self.upsertions.iter().map(|upsertion| &upsertion.name);
        let results = deleted.chain(set).map(|user| {
            alter_user_scram_credentials_response::AlterUserScramCredentialsResult::default()
                .with_user(user.clone())
                .with_error_code(code.code())
        });
        messages::AlterUserScramCredentialsResponse::default().with_results(results.collect())
    }
}

impl Refuse for messages::AlterReplicaLogDirsRequest {
    type Response = messages::AlterReplicaLogDirsResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let topics = self.dirs.iter().flat_map(|dir| &dir.topics).map(|topic| {
            let partitions = topic.partitions.iter().map(|index| {
                alter_replica_log_dirs_response::AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(code.code())
            });
            alter_replica_log_dirs_response::AlterReplicaLogDirTopicResult::default()
                .with_topic_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        messages::AlterReplicaLogDirsResponse::default().with_results(topics.collect())
    }
}

impl Refuse for messages::WriteTxnMarkersRequest {
    type Response = messages::WriteTxnMarkersResponse;

    fn refuse(&self, code: ErrorCode) -> Self::Response {
        let markers = self.markers.iter().map(|marker| {
            let topics = marker.topics.iter().map(|topic| {
                let partitions = topic.partition_indexes.iter().map(|index| {
                    write_txn_markers_response::WritableTxnMarkerPartitionResult::default()
                        .with_partition_index(*index)
                        .with_error_code(code.code())
                });
                write_txn_markers_response::WritableTxnMarkerTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions.collect())
            });
            write_txn_markers_response::WritableTxnMarkerResult::default()
                .with_producer_id(marker.producer_id)
                .with_topics(topics.collect())
        });
        messages::WriteTxnMarkersResponse::default().with_markers(markers.collect())
    }
}

macro_rules! refuse_at_the_top {
    ($($request:ident => $response:ident),* $(,)?) => {
        $(impl Refuse for messages::$request {
            type Response = messages::$response;

            fn refuse(&self, code: ErrorCode) -> Self::Response {
                messages::$response::default().with_error_code(code.code())
            }
        })*
    };
}

refuse_at_the_top! {
    AddOffsetsToTxnRequest => AddOffsetsToTxnResponse,
    EndTxnRequest => EndTxnResponse,
    ApiVersionsRequest => ApiVersionsResponse,
    InitProducerIdRequest => InitProducerIdResponse,
    JoinGroupRequest => JoinGroupResponse,
    SyncGroupRequest => SyncGroupResponse,
    HeartbeatRequest => HeartbeatResponse,
    LeaveGroupRequest => LeaveGroupResponse,
    ListGroupsRequest => ListGroupsResponse,
    DescribeClusterRequest => DescribeClusterResponse,
    UnregisterBrokerRequest => UnregisterBrokerResponse,
}
