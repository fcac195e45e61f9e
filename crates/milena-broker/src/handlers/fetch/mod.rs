//! Fetch: batches out of logs, waiting for them if need be.
//!
//! A fetch that has too little to return is parked with the logs it reads; the
//! produce that brings records wakes it.

mod encode;

use std::sync::Arc;
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{FetchRequest, FetchResponse};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::authorizer::acl::resource;
use crate::clock;
use crate::fetch_sessions::{Begun, PartitionKey, Seen, SessionRequest, TopicKey, Wanted};
use crate::handlers::code_of;
use crate::log::ReadLimit;
use crate::log::partition::Fetched;
use crate::log::view::{Isolation, ReadFrom};
use crate::node::Node;
use crate::server::RequestContext;
use crate::server::reply::{self, Reply, ResponseFrame};
use crate::topics::Partition;

/// Topics go by id instead of by name from here on (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;
/// Sessions, and with them an error code at the top, exist from here on (KIP-227).
const SESSIONS_SINCE: i16 = 7;

pub(crate) fn handle(node: &Arc<Node>, context: &RequestContext, request: FetchRequest) -> Reply {
    let deadline = deadline(&request);
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0);
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0);
    let isolation = Isolation::of(request.isolation_level);
    let by_id = context.api_version >= TOPIC_IDS_SINCE;
    let begun = node
        .fetch_sessions
        .begin(session_request(context, request), clock::now());
    let begun = match begun {
        Ok(begun) => begun,
        Err(code) => {
            let response = FetchResponse::default().with_error_code(code.code());
            return Reply::Ready(reply::encode(context, &response));
        }
    };
    let targets = begun
        .wanted
        .iter()
        .map(|wanted| find(node, context, wanted, by_id))
        .collect();
    let fetch = Fetch {
        node: node.clone(),
        context: context.clone(),
        bytes_max: bytes_max.min(node.config.fetch_bytes_max),
        bytes_min,
        isolation,
        begun,
        targets,
    };
    let collected = fetch.collect();
    if deadline <= clock::now() || fetch.is_enough(&collected) {
        return Reply::Ready(fetch.answer(collected));
    }
    drop(collected);
    Reply::Later(Box::pin(fetch.wait(deadline)))
}

/// What one partition contributes to the response.
type Target = Result<Arc<Partition>, ErrorCode>;
type Contribution = Result<Fetched, Refused>;

/// Why there is nothing, and who leads where the client was wrong about it (KIP-951).
#[derive(Debug, Clone, Copy)]
struct Refused {
    code: ErrorCode,
    leader_epoch: Option<i32>,
}

/// A fetch in progress.
struct Fetch {
    node: Arc<Node>,
    context: RequestContext,
    begun: Begun,
    /// One for each partition that [`Begun::wanted`] lists.
    targets: Vec<Target>,
    bytes_max: usize,
    bytes_min: usize,
    isolation: Isolation,
}

impl Fetch {
    /// Waits for enough records, an error, or the deadline.
    async fn wait(self, deadline: Instant) -> ResponseFrame {
        let woken = Arc::new(Notify::new());
        loop {
            // First in line, then look: an append in between is not missed.
            for partition in self.targets.iter().flatten() {
                partition.log.wait(&woken);
            }
            let collected = self.collect();
            if self.is_enough(&collected) {
                return self.answer(collected);
            }
            drop(collected);
            if tokio::time::timeout_at(deadline, woken.notified())
                .await
                .is_err()
            {
                return self.answer(self.collect());
            }
        }
    }

    /// Reads every partition once, within the limits of the request.
    fn collect(&self) -> Vec<Contribution> {
        let mut bytes = 0;
        let mut collected = Vec::with_capacity(self.targets.len());
        for (wanted, target) in self.begun.wanted.iter().zip(&self.targets) {
            let left = self.bytes_max.saturating_sub(bytes);
            let contribution = match target {
                Ok(partition) => self.read(partition, wanted, left, bytes == 0),
                Err(code) => Err(Refused {
                    code: *code,
                    leader_epoch: None,
                }),
            };
            bytes += contribution.as_ref().map_or(0, |fetched| fetched.bytes);
            collected.push(contribution);
        }
        collected
    }

    fn read(
        &self,
        partition: &Partition,
        wanted: &Wanted,
        bytes_left: usize,
        is_first: bool,
    ) -> Contribution {
        if self.node.topics.by_id(partition.topic_id).is_none() {
            // Deleted while this fetch was waiting.
            return Err(Refused {
                code: ErrorCode::UnknownTopicOrPartition,
                leader_epoch: None,
            });
        }
        let limit = ReadLimit {
            bytes_max: usize::try_from(wanted.bytes_max)
                .unwrap_or(0)
                .min(bytes_left),
            // However small the limits, a consumer must get on (KIP-74).
            first_batch_bytes_max: if is_first { usize::MAX } else { bytes_left },
            before: i64::MAX,
        };
        let from = ReadFrom {
            offset: wanted.offset,
            leader_epoch: wanted.leader_epoch,
            last_fetched_epoch: wanted.last_fetched_epoch,
        };
        let read = partition.log.read(from, limit, self.isolation);
        read.map_err(|error| {
            let code = code_of(partition, &error);
            let is_fenced = code == ErrorCode::FencedLeaderEpoch;
            let leader_epoch = is_fenced.then(|| partition.leader_epoch());
            Refused { code, leader_epoch }
        })
    }

    fn is_enough(&self, collected: &[Contribution]) -> bool {
        let bytes: usize = collected
            .iter()
            .flatten()
            .map(|fetched| fetched.bytes)
            .sum();
        let is_urgent =
            |one: &Contribution| one.as_ref().map_or(true, |one| one.diverging.is_some());
        bytes >= self.bytes_min || collected.iter().any(is_urgent) || collected.is_empty()
    }

    fn answer(&self, collected: Vec<Contribution>) -> ResponseFrame {
        let seen: Vec<Seen> = collected.iter().map(seen).collect();
        let news = self.node.fetch_sessions.finish(&self.begun, &seen);
        let rows = self.begun.wanted.iter().zip(&collected).zip(news);
        let rows: Vec<_> = rows.filter(|(_, news)| *news).map(|(row, _)| row).collect();
        encode::response(&self.node, &self.context, self.begun.session_id, rows)
    }
}

fn seen(contribution: &Contribution) -> Seen {
    match contribution {
        Ok(fetched) => Seen {
            bytes: fetched.bytes,
            // Not what was asked for, either.
            failed: fetched.diverging.is_some(),
            high_watermark: fetched.high_watermark,
            last_stable_offset: fetched.last_stable_offset,
            start_offset: fetched.start_offset,
        },
        Err(_) => Seen {
            bytes: 0,
            failed: true,
            high_watermark: -1,
            last_stable_offset: -1,
            start_offset: -1,
        },
    }
}

fn deadline(request: &FetchRequest) -> Instant {
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
    clock::now() + Duration::from_millis(wait_ms)
}

fn session_request(context: &RequestContext, request: FetchRequest) -> SessionRequest {
    let by_id = context.api_version >= TOPIC_IDS_SINCE;
    let key = |name: &milena_wire::rpc::messages::TopicName, id| {
        if by_id {
            TopicKey::Id(id)
        } else {
            TopicKey::Name(name.0.clone())
        }
    };
    let mut wanted = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            wanted.push(Wanted {
                key: PartitionKey {
                    topic: key(&topic.topic, topic.topic_id),
                    partition: partition.partition,
                },
                offset: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes,
                leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
            });
        }
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        for partition in &topic.partitions {
            let topic = key(&topic.topic, topic.topic_id);
            forgotten.push(PartitionKey {
                topic,
                partition: *partition,
            });
        }
    }
    let has_session = context.api_version >= SESSIONS_SINCE;
    SessionRequest {
        id: if has_session { request.session_id } else { 0 },
        epoch: if has_session {
            request.session_epoch
        } else {
            -1
        },
        wanted,
        forgotten,
    }
}

fn find(node: &Node, context: &RequestContext, wanted: &Wanted, by_id: bool) -> Target {
    let topic = match &wanted.key.topic {
        TopicKey::Id(id) => node.topics.by_id(*id),
        TopicKey::Name(name) => node.topics.by_name(name),
    };
    let missing = if by_id {
        ErrorCode::UnknownTopicId
    } else {
        ErrorCode::UnknownTopicOrPartition
    };
    let name = match (&topic, &wanted.key.topic) {
        (Some(topic), _) => &*topic.name,
        (None, TopicKey::Name(name)) => name.as_str(),
        (None, TopicKey::Id(_)) => return Err(missing),
    };
    node.authorizer.check(context, resource::TOPIC, name)?;
    let topic = topic.ok_or(missing)?;
    topic
        .partition(wanted.key.partition)
        .ok_or(ErrorCode::UnknownTopicOrPartition)
}
