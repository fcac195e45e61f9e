//! What goes wrong in a run, as a plain function of its seed.
//!
//! Owns the numbers of a schedule: how large the load is, what happens to each connection, which
//! requests the broker is told to fail, who joins and leaves the group. Opens no socket, reads no
//! clock: the same seed gives the same schedule, always.

use fastrand::Rng;
use milena_broker::{ApiKey, ErrorCode, Fault};
use std::time::Duration;

/// Everything that one seed decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What it was made of.
    pub seed: u64,
    /// What the producers do.
    pub load: LoadPlan,
    /// The members of the group, in the order they join.
    pub members: Vec<MemberPlan>,
    /// Whether the coordinator assigns (KIP-848) instead of a member.
    pub is_coordinator_assigning: bool,
    /// Whether producers are transactional, and readers read what is committed.
    pub is_transactional: bool,
    /// The cluster's `transaction.version`: 1 (KIP-98) or 2 (KIP-890).
    pub transaction_version: u32,
    /// Requests the broker fails: the n-th of its kind, counted from 1.
    pub faults: Vec<FaultPlan>,
    /// Times at which nothing gets through, from the start of the run; in order, none overlaps.
    pub outages: Vec<Outage>,
    /// Leaders that take over with all records, in the order of their times.
    pub elections: Vec<Election>,
    /// When the last trouble ends and everything has to come right.
    pub rough: Duration,
    /// Of a hundred connections, so many are disturbed.
    disturbed_percent: u32,
}

/// The load of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadPlan {
    /// Partitions of the only topic.
    pub partitions: i32,
    /// Producers, each with a client of its own.
    pub producers: u32,
    /// Records of each producer, over all partitions in turn.
    pub records: u64,
    /// A producer pauses after each so many records, so that there are many batches.
    pub burst: u64,
    /// Bytes of a full batch.
    pub batch_bytes: usize,
    /// How long a batch waits for more.
    pub linger: Duration,
    /// When a record is given up. Short ones leave records in doubt.
    pub delivery_timeout: Duration,
}

/// One member of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPlan {
    /// When it joins.
    pub joins_after: Duration,
    /// How long it stays; the last one stays to the end, whatever this says.
    pub stays: Duration,
    /// Whether it goes without a word: it is dropped, not closed.
    pub is_dropped: bool,
}

/// A request that the broker fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// Of which kind.
    pub api: ApiKey,
    /// The how manieth of this kind, from 1.
    pub nth: u64,
    /// What happens to it.
    pub fault: Fault,
}

/// A time without any connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// From the start of the run.
    pub after: Duration,
    /// How long it lasts.
    pub lasts: Duration,
}

/// A leader that takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Election {
    /// From the start of the run.
    pub after: Duration,
    /// Of which partition.
    pub partition: i32,
}

/// What happens to one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionPlan {
    /// Cut before anything passed.
    pub is_refused: bool,
    /// On the way to the broker, in the order of their places.
    pub up: Vec<Disturbance>,
    /// On the way from the broker, in the order of their places.
    pub down: Vec<Disturbance>,
}

/// Something that happens behind so many bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// Bytes that pass before it.
    pub after_bytes: u64,
    /// What happens.
    pub trouble: Trouble,
}

/// What happens to a direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Everything behind it comes this much later, piece by piece.
    Delay(Duration),
    /// Nothing passes for this long, then it goes on.
    Stall(Duration),
    /// The connection ends with a FIN: the reader finds a truncated frame.
    Close,
    /// The connection ends with a reset: what is not read yet is lost.
    Reset,
    /// What follows is read and thrown away, and nobody learns of it.
    Swallow,
}

/// Something that happens to a node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeTrouble {
    /// Which node, counted from 1.
    pub node: u16,
    /// It stands still with its connections open, instead of being killed.
    pub is_paused: bool,
    /// How long at least.
    pub lasts: Duration,
}

/// `count` troubles for a cluster of `nodes`, one after another: both kinds come, and no node is hit
/// twice in a row.
#[must_use]
pub fn node_troubles(seed: u64, nodes: u16, count: usize) -> Vec<NodeTrouble> {
    let mut random = Rng::with_seed(seed);
    let mut node = random.u16(1..=nodes);
    let mut is_paused = random.bool();
    let trouble = |_| {
        node = (node - 1 + random.u16(1..nodes.max(2))) % nodes + 1;
        is_paused = !is_paused;
        NodeTrouble {
            node,
            is_paused,
            lasts: milliseconds(&mut random, 0, 4_000),
        }
    };
    (0..count).map(trouble).collect()
}

/// A connection carries about this much before the run is over.
const CONNECTION_BYTES: u64 = 20_000;

impl Schedule {
    /// The schedule of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let rough = milliseconds(&mut random, 150, 700);
        let load = load(&mut random);
        Self {
            seed,
            elections: elections(seed, load.partitions, rough),
            load,
            members: members(&mut random, rough),
            faults: faults(&mut random),
            outages: outages(&mut random, rough),
            rough,
            disturbed_percent: random.u32(20..90),
            is_coordinator_assigning: random.bool(),
            is_transactional: random.u32(0..3) == 0,
            transaction_version: random.u32(1..3),
        }
    }

    /// What happens to the connection `number`, counted from 0.
    #[must_use]
    pub fn connection(&self, number: u64) -> ConnectionPlan {
        // A generator of its own: the order in which connections come is not the seed's to say.
        let mut random =
            Rng::with_seed(self.seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9));
        if random.u32(0..100) >= self.disturbed_percent {
            return ConnectionPlan::default();
        }
        ConnectionPlan {
            is_refused: random.u32(0..8) == 0,
            up: disturbances(&mut random),
            down: disturbances(&mut random),
        }
    }
}

fn load(random: &mut Rng) -> LoadPlan {
    LoadPlan {
        partitions: random.i32(1..5),
        producers: random.u32(1..4),
        records: random.u64(50..300),
        burst: random.u64(5..60),
        batch_bytes: random.usize(300..3_000),
        linger: Duration::from_millis(random.u64(0..4)),
        // One in five gives up while the trouble lasts.
        delivery_timeout: match random.u32(0..5) {
            0 => milliseconds(random, 450, 900),
            _ => Duration::from_secs(60),
        },
    }
}

fn elections(seed: u64, partitions: i32, rough: Duration) -> Vec<Election> {
    // A generator of its own, so that the rest of a schedule stays what it was without elections.
    let mut random = Rng::with_seed(seed ^ 0x1ead_e85e);
    let rough_ms = u64::try_from(rough.as_millis()).unwrap_or(u64::MAX);
    let election = |_| Election {
        after: Duration::from_millis(random.u64(0..rough_ms)),
        partition: random.i32(0..partitions),
    };
    let count = seed % 5;
    let mut elections: Vec<Election> = (0..count).map(election).collect();
    elections.sort_by_key(|election| election.after);
    elections
}

fn members(random: &mut Rng, rough: Duration) -> Vec<MemberPlan> {
    let count = random.u32(1..4);
    let rough_ms = u64::try_from(rough.as_millis()).unwrap_or(u64::MAX);
    let member = |_| MemberPlan {
        joins_after: Duration::from_millis(random.u64(0..rough_ms)),
        stays: Duration::from_millis(random.u64(50..rough_ms + 100)),
        is_dropped: random.bool(),
    };
    let mut members: Vec<MemberPlan> = (0..count).map(member).collect();
    members.sort_by_key(|member| member.joins_after);
    members
}

fn faults(random: &mut Rng) -> Vec<FaultPlan> {
    let count = random.usize(0..12);
    let fault = |_| {
        let (api, codes) = random.choice(FAILURES).copied().unwrap_or(FAILURES[0]);
        // No broker leaves out a single answer, but a client must not take the next one for it. The
        // proxy swallows an answer with all that follow.
        let fault = match random.u32(0..9) {
            0 => Fault::Disconnect,
            1 | 2 => Fault::DisconnectAfter,
            3 => Fault::Delay(milliseconds(random, 1, 60)),
            4 => Fault::DropResponse,
            _ => Fault::Fail(random.choice(codes).copied().unwrap_or(codes[0])),
        };
        FaultPlan {
            api,
            nth: random.u64(1..15),
            fault,
        }
    };
    (0..count).map(fault).collect()
}

/// What a broker may answer although the request is all right, by request.
const FAILURES: &[(ApiKey, &[ErrorCode])] = &[
    (
        ApiKey::Produce,
        &[
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::NotEnoughReplicas,
            ErrorCode::RequestTimedOut,
            ErrorCode::KafkaStorageError,
            ErrorCode::UnknownTopicOrPartition,
        ],
    ),
    (
        ApiKey::Fetch,
        &[
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::FetchSessionIdNotFound,
            ErrorCode::InvalidFetchSessionEpoch,
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::KafkaStorageError,
            ErrorCode::UnknownLeaderEpoch,
        ],
    ),
    (
        ApiKey::OffsetForLeaderEpoch,
        &[
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::FencedLeaderEpoch,
            ErrorCode::UnknownLeaderEpoch,
            ErrorCode::OffsetNotAvailable,
        ],
    ),
    (
        ApiKey::Metadata,
        &[
            ErrorCode::LeaderNotAvailable,
            ErrorCode::UnknownTopicOrPartition,
        ],
    ),
    (
        ApiKey::InitProducerId,
        &[
            ErrorCode::CoordinatorLoadInProgress,
            ErrorCode::CoordinatorNotAvailable,
        ],
    ),
    (
        ApiKey::FindCoordinator,
        &[
            ErrorCode::CoordinatorNotAvailable,
            ErrorCode::CoordinatorLoadInProgress,
        ],
    ),
    (
        ApiKey::JoinGroup,
        &[
            ErrorCode::CoordinatorLoadInProgress,
            ErrorCode::NotCoordinator,
            ErrorCode::UnknownMemberId,
        ],
    ),
    (
        ApiKey::SyncGroup,
        &[
            ErrorCode::RebalanceInProgress,
            ErrorCode::NotCoordinator,
            ErrorCode::UnknownMemberId,
        ],
    ),
    (
        ApiKey::Heartbeat,
        &[
            ErrorCode::RebalanceInProgress,
            ErrorCode::NotCoordinator,
            ErrorCode::IllegalGeneration,
            ErrorCode::UnknownMemberId,
        ],
    ),
    (
        ApiKey::ConsumerGroupHeartbeat,
        &[
            ErrorCode::CoordinatorLoadInProgress,
            ErrorCode::NotCoordinator,
            ErrorCode::UnknownMemberId,
            ErrorCode::FencedMemberEpoch,
        ],
    ),
    (
        ApiKey::OffsetCommit,
        &[
            ErrorCode::RebalanceInProgress,
            ErrorCode::NotCoordinator,
            ErrorCode::CoordinatorLoadInProgress,
            ErrorCode::RequestTimedOut,
        ],
    ),
    (
        ApiKey::OffsetFetch,
        &[
            ErrorCode::NotCoordinator,
            ErrorCode::CoordinatorLoadInProgress,
        ],
    ),
    (
        ApiKey::ListOffsets,
        &[
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::LeaderNotAvailable,
        ],
    ),
    (
        ApiKey::AddPartitionsToTxn,
        &[
            ErrorCode::CoordinatorLoadInProgress,
            ErrorCode::NotCoordinator,
            ErrorCode::ConcurrentTransactions,
        ],
    ),
    (
        ApiKey::EndTxn,
        &[
            ErrorCode::CoordinatorLoadInProgress,
            ErrorCode::CoordinatorNotAvailable,
            ErrorCode::NotCoordinator,
        ],
    ),
    (ApiKey::ApiVersions, &[ErrorCode::RequestTimedOut]),
];

fn outages(random: &mut Rng, rough: Duration) -> Vec<Outage> {
    let mut outages = Vec::new();
    let mut from = Duration::ZERO;
    for _ in 0..random.u32(0..3) {
        let outage = Outage {
            after: from + milliseconds(random, 20, 300),
            lasts: milliseconds(random, 5, 150),
        };
        from = outage.after + outage.lasts;
        if from < rough {
            outages.push(outage);
        }
    }
    outages
}

fn disturbances(random: &mut Rng) -> Vec<Disturbance> {
    let mut after_bytes = 0;
    let mut disturbances = Vec::new();
    for _ in 0..random.u32(0..4) {
        // Short distances are as likely as long ones: handshakes are short.
        let distance = random.u64(1..=CONNECTION_BYTES) >> random.u32(0..10);
        after_bytes += distance;
        disturbances.push(Disturbance {
            after_bytes,
            trouble: trouble(random),
        });
    }
    disturbances
}

fn trouble(random: &mut Rng) -> Trouble {
    match random.u32(0..10) {
        0 | 1 => Trouble::Delay(milliseconds(random, 1, 25)),
        2..=4 => Trouble::Stall(milliseconds(random, 5, 500)),
        5 | 6 => Trouble::Close,
        7 | 8 => Trouble::Reset,
        _ => Trouble::Swallow,
    }
}

fn milliseconds(random: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.u64(from..to))
}

#[cfg(test)]
mod tests;
