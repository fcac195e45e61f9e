//! Settings that are the client's own: kept as text under Kafka's names, checked by the client when
//! the configuration is built.

use super::settings::Setting;

/// Which of the client's configurations a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Client,
    Producer,
    /// Of a producer too, but only of one that is transactional.
    Transaction,
    Consumer,
}

/// A row of the table.
pub(crate) struct ClientSetting {
    pub(crate) setting: Setting,
    pub(crate) part: Part,
}

macro_rules! client {
    ($part:ident, $name:literal, $default:expr) => {
        ClientSetting {
            setting: Setting {
                name: $name,
                allowed: "a text that is not empty",
                apply: |config, text| {
                    if text.is_empty() {
                        return None;
                    }
                    config.client_properties.insert($name, text.to_owned());
                    Some(())
                },
                read: |config| {
                    let default: Option<&str> = $default;
                    let set = config.client_properties.get($name).map(String::as_str);
                    set.or(default).map(str::to_owned)
                },
                is_secret: false,
            },
            part: Part::$part,
        }
    };
}

/// Names and the client's defaults; a test holds the two together.
pub(crate) static CLIENT_SETTINGS: &[ClientSetting] = &[
    client!(Client, "metadata.max.age.ms", Some("300000")),
    client!(Client, "reconnect.backoff.ms", Some("50")),
    client!(Client, "reconnect.backoff.max.ms", Some("10000")),
    client!(Client, "retry.backoff.ms", Some("100")),
    client!(Client, "retry.backoff.max.ms", Some("1000")),
    client!(Client, "connections.max.idle.ms", Some("540000")),
    client!(Client, "receive.message.max.bytes", Some("104857600")),
    client!(Client, "allow.auto.create.topics", Some("true")),
    client!(Producer, "acks", Some("all")),
    // Without a value it follows from the others.
    client!(Producer, "enable.idempotence", None),
    client!(Producer, "batch.size", Some("131072")),
    client!(Producer, "max.request.size", Some("1048576")),
    client!(Producer, "buffer.memory", Some("33554432")),
    client!(Producer, "max.block.ms", Some("60000")),
    client!(Producer, "max.in.flight.requests.per.connection", Some("5")),
    client!(Producer, "partitioner", Some("murmur2_random")),
    client!(Producer, "partitioner.class", None),
    client!(Producer, "partitioner.ignore.keys", Some("false")),
    client!(
        Producer,
        "partitioner.adaptive.partitioning.enable",
        Some("true")
    ),
    client!(Producer, "partitioner.availability.timeout.ms", Some("0")),
    client!(Producer, "compression.level", None),
    client!(Producer, "compression.gzip.level", None),
    client!(Producer, "compression.lz4.level", None),
    client!(Producer, "compression.zstd.level", None),
    client!(Transaction, "transactional.id", None),
    client!(Transaction, "transaction.timeout.ms", Some("60000")),
    client!(Consumer, "group.instance.id", None),
    client!(Consumer, "heartbeat.interval.ms", Some("3000")),
    client!(
        Consumer,
        "partition.assignment.strategy",
        Some("cooperative-sticky,range")
    ),
    client!(Consumer, "group.protocol", Some("classic")),
    client!(Consumer, "group.remote.assignor", None),
    client!(Consumer, "exclude.internal.topics", Some("true")),
    client!(Consumer, "fetch.min.bytes", Some("1")),
    client!(Consumer, "fetch.max.wait.ms", Some("500")),
    client!(Consumer, "fetch.max.bytes", Some("52428800")),
    client!(Consumer, "max.partition.fetch.bytes", Some("1048576")),
    client!(Consumer, "prefetch.max.bytes", Some("67108864")),
    client!(Consumer, "max.poll.records", Some("500")),
    client!(Consumer, "isolation.level", Some("read_uncommitted")),
    client!(Consumer, "enable.partition.eof", Some("false")),
    client!(Consumer, "client.rack", None),
    client!(Consumer, "check.crcs", Some("true")),
];

/// Other spellings: Kafka's where ours differs, and librdkafka's.
pub(crate) static ALIASES: &[(&str, &str)] = &[
    ("sasl.username", "username"),
    ("sasl.password", "password"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.plain.username", "username"),
    ("sasl.plain.password", "password"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("socket.timeout.ms", "request.timeout.ms"),
    ("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"),
    ("request.required.acks", "acks"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("message.max.bytes", "max.request.size"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("compression.codec", "compression.type"),
    ("message.send.max.retries", "retries"),
    ("auto.commit.interval.ms", "commit.interval.ms"),
    ("fetch.wait.max.ms", "fetch.max.wait.ms"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("ssl.ca.pem", "ssl.truststore.certificates"),
    ("ssl.certificate.pem", "ssl.keystore.certificate.chain"),
    ("ssl.key.pem", "ssl.keystore.key"),
    (
        "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.client.credentials.client.id",
    ),
    (
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
    ),
];

/// Names whose values are in units of so many of another's.
pub(crate) static SCALED: &[(&str, &str, u64)] =
    &[("queue.buffering.max.kbytes", "buffer.memory", 1024)];
