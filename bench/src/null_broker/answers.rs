//! The answer to each request, decoded and encoded by the kafka-protocol crate.
//!
//! Answers what a producer and a consumer without a group need, and UNSUPPORTED_VERSION to a
//! version of ApiVersions that it does not know. Owns no socket.

use super::batches::EndlessBatch;
use crate::load::{TOPIC, TOPIC_REFUSED};
use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, FetchRequest, FetchResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, ProducerId, RequestKind,
    ResponseHeader, ResponseKind, TopicName, api_versions_response, fetch_response,
    find_coordinator_response, list_offsets_response, metadata_response, produce_response,
};
use kafka_protocol::protocol::{Encodable, StrBytes, decode_request_header_from_buffer};
use std::net::SocketAddr;
use std::sync::Mutex;

/// What is answered, with the versions that are neither too old for any client nor need topic ids.
const APIS: [(ApiKey, i16, i16); 7] = [
    (ApiKey::Produce, 3, 9),
    (ApiKey::Fetch, 4, 12),
    (ApiKey::ListOffsets, 1, 6),
    (ApiKey::Metadata, 1, 9),
    (ApiKey::FindCoordinator, 0, 3),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::InitProducerId, 0, 4),
];
const UNSUPPORTED_VERSION: i16 = 35;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const NODE: BrokerId = BrokerId(1);
/// The log never ends: its end is further away than anybody reads.
const END_OFFSET: i64 = i64::MAX / 2;
const EARLIEST: i64 = -2;
const RECORDS_COUNT_AT: usize = 57;
const BATCH_LENGTH_AT: usize = 8;
const BATCH_OVERHEAD_BYTES: usize = 12;

/// Answers requests of all connections.
#[derive(Debug)]
pub(super) struct Answers {
    host: StrBytes,
    port: i32,
    partitions: i32,
    /// The next offset of each partition of the one topic.
    next_offsets: Mutex<Vec<i64>>,
    batch: EndlessBatch,
}

impl Answers {
    pub(super) fn new(address: SocketAddr, partitions: i32) -> Result<Self> {
        let count = usize::try_from(partitions).context("a negative number of partitions")?;
        Ok(Self {
            host: StrBytes::from_string(address.ip().to_string()),
            port: address.port().into(),
            partitions,
            next_offsets: Mutex::new(vec![0; count]),
            batch: EndlessBatch::encode()?,
        })
    }

    /// The response with its header, without a length; `None` where the client expects none.
    pub(super) fn answer(&self, mut request: Bytes) -> Result<Option<Bytes>> {
        let header = decode_request_header_from_buffer(&mut request)?;
        let api = ApiKey::try_from(header.request_api_key)
            .map_err(|()| anyhow::anyhow!("unknown request {}", header.request_api_key))?;
        let (mut version, mut error_code) = (header.request_api_version, 0);
        let supported = APIS.iter().find(|(known, _, _)| *known == api);
        let (_, version_min, version_max) =
            supported.with_context(|| format!("{api:?} is not answered here"))?;
        if !(*version_min..=*version_max).contains(&version) {
            if api != ApiKey::ApiVersions {
                bail!("{api:?} version {version} is not answered here");
            }
            (version, error_code) = (0, UNSUPPORTED_VERSION);
        }
        let response = match api {
            ApiKey::ApiVersions => ResponseKind::ApiVersions(api_versions(error_code)),
            _ => match self.respond(RequestKind::decode(api, &mut request, version)?)? {
                Some(response) => response,
                None => return Ok(None),
            },
        };
        let mut buffer = BytesMut::new();
        ResponseHeader::default()
            .with_correlation_id(header.correlation_id)
            .encode(&mut buffer, api.response_header_version(version))?;
        response.encode(&mut buffer, version)?;
        Ok(Some(buffer.freeze()))
    }

    fn respond(&self, request: RequestKind) -> Result<Option<ResponseKind>> {
        Ok(Some(match request {
            RequestKind::Produce(request) if request.acks == 0 => return Ok(None),
            RequestKind::Produce(request) => ResponseKind::Produce(self.produce(&request)),
            RequestKind::Fetch(request) => ResponseKind::Fetch(self.fetch(&request)),
            RequestKind::ListOffsets(request) => ResponseKind::ListOffsets(list_offsets(&request)),
            RequestKind::Metadata(request) => ResponseKind::Metadata(self.metadata(&request)),
            RequestKind::FindCoordinator(request) => {
                ResponseKind::FindCoordinator(self.find_coordinator(&request))
            }
            RequestKind::InitProducerId(_) => ResponseKind::InitProducerId(
                InitProducerIdResponse::default()
                    .with_producer_id(ProducerId(1))
                    .with_producer_epoch(0),
            ),
            _ => bail!("a request of a kind that is not answered here"),
        }))
    }

    fn produce(&self, request: &ProduceRequest) -> ProduceResponse {
        let mut next_offsets = self
            .next_offsets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut acknowledge = |partition: i32, records: Option<&Bytes>| {
            let count = records.map_or(0, |records| records_count(records));
            let next = usize::try_from(partition)
                .ok()
                .and_then(|index| next_offsets.get_mut(index));
            next.map_or(0, |next| {
                let base_offset = *next;
                *next += count;
                base_offset
            })
        };
        let topics = request.topic_data.iter().map(|topic| {
            let error_code = match topic.name.as_str() {
                TOPIC_REFUSED => NOT_ENOUGH_REPLICAS,
                _ => 0,
            };
            let partitions = topic.partition_data.iter().map(|partition| {
                produce_response::PartitionProduceResponse::default()
                    .with_index(partition.index)
                    .with_error_code(error_code)
                    .with_base_offset(acknowledge(partition.index, partition.records.as_ref()))
                    .with_log_append_time_ms(-1)
                    .with_log_start_offset(0)
            });
            produce_response::TopicProduceResponse::default()
                .with_name(topic.name.clone())
                .with_partition_responses(partitions.collect())
        });
        ProduceResponse::default().with_responses(topics.collect())
    }

    fn fetch(&self, request: &FetchRequest) -> FetchResponse {
        let mut bytes_left = usize::try_from(request.max_bytes).unwrap_or(0);
        let mut fetch_partition =
            |partition: &kafka_protocol::messages::fetch_request::FetchPartition| {
                let partition_max = usize::try_from(partition.partition_max_bytes).unwrap_or(0);
                let records = if bytes_left == 0 {
                    Bytes::new()
                } else {
                    let bytes_max = partition_max.min(bytes_left);
                    self.batch.serve(partition.fetch_offset, bytes_max)
                };
                bytes_left = bytes_left.saturating_sub(records.len());
                fetch_response::PartitionData::default()
                    .with_partition_index(partition.partition)
                    .with_high_watermark(END_OFFSET)
                    .with_last_stable_offset(END_OFFSET)
                    .with_log_start_offset(0)
                    .with_records(Some(records))
            };
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(&mut fetch_partition).collect();
            fetch_response::FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_partitions(partitions)
        });
        FetchResponse::default().with_responses(topics.collect())
    }

    fn metadata(&self, request: &MetadataRequest) -> MetadataResponse {
        let only_topic = || vec![TopicName(StrBytes::from_static_str(TOPIC))];
        let names = request.topics.as_ref().map_or_else(only_topic, |topics| {
            topics
                .iter()
                .filter_map(|topic| topic.name.clone())
                .collect()
        });
        let topics = names.into_iter().map(|name| {
            let partitions = (0..self.partitions).map(|index| {
                metadata_response::MetadataResponsePartition::default()
                    .with_partition_index(index)
                    .with_leader_id(NODE)
                    .with_leader_epoch(0)
                    .with_replica_nodes(vec![NODE])
                    .with_isr_nodes(vec![NODE])
            });
            metadata_response::MetadataResponseTopic::default()
                .with_name(Some(name))
                .with_partitions(partitions.collect())
        });
        let broker = metadata_response::MetadataResponseBroker::default()
            .with_node_id(NODE)
            .with_host(self.host.clone())
            .with_port(self.port);
        MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_cluster_id(Some(StrBytes::from_static_str("null")))
            .with_controller_id(NODE)
            .with_topics(topics.collect())
    }

    fn find_coordinator(&self, request: &FindCoordinatorRequest) -> FindCoordinatorResponse {
        let coordinators = request.coordinator_keys.iter().map(|key| {
            find_coordinator_response::Coordinator::default()
                .with_key(key.clone())
                .with_node_id(NODE)
                .with_host(self.host.clone())
                .with_port(self.port)
        });
        FindCoordinatorResponse::default()
            .with_node_id(NODE)
            .with_host(self.host.clone())
            .with_port(self.port)
            .with_coordinators(coordinators.collect())
    }
}

fn api_versions(error_code: i16) -> ApiVersionsResponse {
    let apis = APIS.iter().map(|(api, version_min, version_max)| {
        api_versions_response::ApiVersion::default()
            .with_api_key(*api as i16)
            .with_min_version(*version_min)
            .with_max_version(*version_max)
    });
    ApiVersionsResponse::default()
        .with_error_code(error_code)
        .with_api_keys(apis.collect())
}

fn list_offsets(request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let offset = if partition.timestamp == EARLIEST {
                0
            } else {
                END_OFFSET
            };
            list_offsets_response::ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_timestamp(-1)
                .with_offset(offset)
                .with_leader_epoch(0)
        });
        list_offsets_response::ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// How many records the batches hold, by their headers.
fn records_count(mut batches: &[u8]) -> i64 {
    let number_at = |bytes: &[u8], at: usize| -> Option<i32> {
        bytes
            .get(at..)?
            .first_chunk()
            .copied()
            .map(i32::from_be_bytes)
    };
    let mut count = 0;
    while let (Some(length), Some(records)) = (
        number_at(batches, BATCH_LENGTH_AT),
        number_at(batches, RECORDS_COUNT_AT),
    ) {
        count += i64::from(records);
        let total = usize::try_from(length).map_or(usize::MAX, |length| {
            length.saturating_add(BATCH_OVERHEAD_BYTES)
        });
        batches = batches.get(total..).unwrap_or_default();
    }
    count
}
