mod documented;
mod security;
mod sources;

use super::*;

fn check_error(builder: ConfigBuilder, expected: &str) {
    let error = builder
        .build()
        .expect_err("the configuration should be refused");
    assert_eq!(error.to_string(), expected);
}

fn variables(pairs: &[(&str, &str)]) -> ConfigBuilder {
    Config::builder().variables(pairs.iter().copied())
}

#[test]
fn nothing_configured_is_localhost() {
    let config = Config::builder().build().unwrap();
    assert_eq!(config.bootstrap_servers(), ["localhost:9092"]);
    assert_eq!(config.get("auto.offset.reset").as_deref(), Some("earliest"));
    assert_eq!(config.get("group.id"), None);
}

#[test]
fn consumers_of_a_group_are_told_apart_by_a_number() {
    let config = variables(&[
        ("MILENA_CLIENT_ID", "billing"),
        ("MILENA_GROUP_INSTANCE_ID", "host-1"),
        ("MILENA_GROUP_ID", "group"),
        ("MILENA_CONSUMER_ID", "2"),
    ]);
    let config = config.bootstrap_servers("h").build().unwrap();
    let of_client = |config: &Config| {
        let client = format!("{:?}", config.client_config().unwrap());
        client + &format!("{:?}", config.consumer_config().unwrap())
    };
    let second = of_client(&config);
    assert!(
        second.contains("billing-2\"") && second.contains("host-1-2\""),
        "{second}"
    );
    assert!(second.contains("\"group\""), "{second}");
    // What was set is what is read back.
    assert_eq!(config.get("client.id").as_deref(), Some("billing"));
    assert_eq!(config.get("consumer.id").as_deref(), Some("2"));
    assert_eq!(
        config.source("consumer.id").unwrap().to_string(),
        "MILENA_CONSUMER_ID"
    );
    let third = config.with_consumer_id(3);
    assert!(of_client(&third).contains("billing-3\""));
    assert_eq!(third.source("consumer.id"), Some(Source::Builder));
    check_error(
        Config::builder().set("consumer.id", "first"),
        "consumer.id (builder): \"first\" is not allowed; it must be a whole number from 0 to 4294967295",
    );
}

/// What is logged while `work` runs on this thread.
fn logged(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    // With one subscriber alone, `tracing` may keep for all threads what another one answered.
    let several = [(); 2].map(|()| tracing::Dispatch::new(tracing_subscriber::registry()));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    drop(several);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_changes_nothing_or_is_guessed_is_said() {
    let servers = |servers: &'static str| Config::builder().bootstrap_servers(servers);
    for (builder, expected) in [
        (
            Config::builder(),
            "WARN milena::config::builder: no server is configured; set MILENA_BOOTSTRAP_SERVERS or MILENA_URL event=\"config_default_server\" server=\"localhost:9092\"",
        ),
        (
            servers("h").set("retries", "3"),
            "INFO milena::config::builder: a producer tries until delivery.timeout.ms is over event=\"config_setting_without_effect\" setting=\"retries\" value=\"3\"",
        ),
        (servers("h"), ""),
    ] {
        let lines = logged(|| drop(builder.build().unwrap()));
        assert!(lines.trim_end().ends_with(expected), "{lines}");
        assert_eq!(lines.is_empty(), expected.is_empty(), "{lines}");
    }
}

#[test]
fn servers_get_their_port() {
    let config = Config::builder()
        .bootstrap_servers("a, b:1, [::1]:9093,[::2]")
        .build()
        .unwrap();
    assert_eq!(
        config.bootstrap_servers(),
        ["a:9092", "b:1", "[::1]:9093", "[::2]:9092"]
    );
}

#[test]
fn servers_are_one_text_or_a_list() {
    fn check<Form>(servers: impl IntoServers<Form>) {
        let config = Config::builder().bootstrap_servers(servers).build();
        assert_eq!(config.unwrap().bootstrap_servers(), ["a:1", "b:9092"]);
    }
    let text = "a:1,b".to_owned();
    check(text.as_str());
    check(&text);
    check(text);
    let list = ["a:1", "b"];
    check(list);
    check(list.as_slice());
    check(list.map(std::sync::Arc::<str>::from));
    let list = list.map(str::to_owned).to_vec();
    check(&list);
    check(list.iter().map(|server| server.as_str()));
    check(list);
    check_error(
        Config::builder().bootstrap_servers(Vec::<String>::new()),
        "bootstrap.servers (builder): \"[]\" is not allowed; it must be at least one server: \
         host:port pairs separated by commas, such as kafka-1:9092,kafka-2:9092",
    );
    check_error(
        Config::builder().bootstrap_servers(["a:1", ""]),
        "bootstrap.servers (builder): \"a:1,\" is not allowed; it must be host:port pairs \
         separated by commas, such as kafka-1:9092,kafka-2:9092",
    );
}

#[test]
fn errors_name_field_value_and_what_is_allowed() {
    let servers =
        "it must be host:port pairs separated by commas, such as kafka-1:9092,kafka-2:9092";
    for bad in [
        "", "a:", "a:0", "a:99999", ":9092", "a b", "[::1", "[x]:1", "a,,b",
    ] {
        check_error(
            Config::builder().bootstrap_servers(bad),
            &format!("bootstrap.servers (builder): {bad:?} is not allowed; {servers}"),
        );
    }
    check_error(
        Config::builder().set("linger_ms", "-1"),
        "linger.ms (builder): \"-1\" is not allowed; it must be a whole number of milliseconds from 0 to 86400000",
    );
    check_error(
        Config::builder().set("auto.offset.reset", "newest"),
        "auto.offset.reset (builder): \"newest\" is not allowed; it must be earliest, latest, none or by_duration: with an ISO 8601 duration",
    );
    check_error(
        Config::builder().set("group.idd", "x"),
        "there is no setting \"group.idd\" (builder); did you mean \"group.id\"?",
    );
    check_error(
        Config::builder().set("zzz", "x"),
        "there is no setting \"zzz\" (builder)",
    );
    check_error(
        variables(&[("MILENA_COMPRESSION_TYPE", "rar")]),
        "compression.type (MILENA_COMPRESSION_TYPE): \"rar\" is not allowed; it must be none, gzip, snappy, lz4 or zstd",
    );
    check_error(
        Config::builder().set("revocation.timeout.ms", "400000"),
        "revocation.timeout.ms: it must not exceed max.poll.interval.ms, after which the group goes on without us",
    );
    check_error(
        Config::builder().set("username", "u"),
        "password: a username is set, so a password is needed",
    );
}

#[test]
fn a_url_overrides_servers_and_credentials() {
    let config = variables(&[
        (
            "MILENA_URL",
            "kafka://us%40er:p%3Aw@h1:1,h2?group_id=g&linger.ms=7",
        ),
        ("MILENA_BOOTSTRAP_SERVERS", "other:9092"),
        ("MILENA_USERNAME", "someone"),
        ("MILENA_CLIENT_ID", "me"),
        ("MILENA_REQUIRE_KAFKA", "1"),
    ])
    .build()
    .unwrap();
    assert_eq!(config.bootstrap_servers(), ["h1:1", "h2:9092"]);
    assert_eq!(config.username.as_deref(), Some("us@er"));
    assert_eq!(config.password.as_ref().map(Secret::expose), Some("p:w"));
    assert_eq!(config.group_id(), Some("g"));
    assert_eq!(config.get("linger_ms").as_deref(), Some("7"));
    assert_eq!(config.get("client.id").as_deref(), Some("me"));
}

#[test]
fn malformed_urls_are_refused_without_showing_credentials() {
    let allowed = "it must be kafka://[user:password@]host[:port][,host[:port]…][?setting=value&…]";
    for (bad, shown) in [
        ("http://h", "http://h"),
        ("kafka://", "kafka://"),
        ("kafka://h/path", "kafka://h/path"),
        ("kafka://secret@h", "kafka://***@h"),
        ("kafka://u:%zz@h", "kafka://***@h"),
        ("u:secret@h", "***@h"),
    ] {
        check_error(
            Config::builder().url(bad),
            &format!("url (builder): {shown:?} is not allowed; {allowed}"),
        );
    }
}

#[test]
fn every_setting_reads_back_what_was_set() {
    for (name, value) in [
        ("bootstrap.servers", "h:1,i:2"),
        ("username", "u"),
        ("client.id", "c"),
        ("group.id", "g"),
        ("topic.prefix", "p."),
        ("auto.offset.reset", "latest"),
        ("auto.offset.reset", "by_duration:PT90.500S"),
        ("enable.auto.commit", "false"),
        ("acks", "all"),
        ("batch.size", "65536"),
        ("max.block.ms", "19"),
        ("fetch.min.bytes", "20"),
        ("group.instance.id", "i"),
        ("compression.type", "zstd"),
        ("linger.ms", "0"),
        ("socket.connection.setup.timeout.ms", "11"),
        ("request.timeout.ms", "12"),
        ("delivery.timeout.ms", "13000"),
        ("session.timeout.ms", "14000"),
        ("max.poll.interval.ms", "150000"),
        ("commit.interval.ms", "16"),
        ("revocation.timeout.ms", "17"),
        ("shutdown.timeout.ms", "18"),
        ("partition.buffer.bytes", "5000"),
        ("dead.letter.record.bytes", "6000"),
        ("dead.letter.create.topic", "false"),
    ] {
        let config = Config::builder()
            .set("password", "p")
            .set("username", "u")
            .set("request.timeout.ms", "1000")
            .set("group.id", "group")
            .set(name, value)
            .build()
            .unwrap();
        assert_eq!(config.get(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn the_prefix_goes_on() {
    let config = Config::builder().topic_prefix("dev.").build().unwrap();
    assert_eq!(config.topic_name("orders"), "dev.orders");
    assert!(topic_problem("orders").is_none());
    assert!(topic_problem("a b").is_some() && topic_problem("..").is_some());
    assert!(topic_problem(&"x".repeat(250)).is_some());
}

fn source_of(config: &Config, name: &str) -> String {
    config
        .source(name)
        .map_or_else(String::new, |source| source.to_string())
}

/// The defaults that are shown are those that the client has.
#[test]
fn defaults_of_the_client_are_the_client_s() {
    let plain = Config::builder().build().unwrap();
    let said = |config: &Config| {
        (
            config.client_config().unwrap(),
            format!("{:?}", config.producer_config().unwrap()),
            format!("{:?}", config.consumer_config().unwrap()),
        )
    };
    for row in client_settings::CLIENT_SETTINGS {
        let name = row.setting.name;
        if let Some(default) = plain.get(name) {
            let config = Config::builder().set(name, &default).build().unwrap();
            assert_eq!(said(&config), said(&plain), "{name}");
            assert_eq!(source_of(&config, name), "builder");
        }
    }
}

#[test]
fn profiles_are_those_of_the_client() {
    use milena_client::consumer::ConsumerConfig;
    use milena_client::producer::ProducerConfig;
    for (profile, producer, consumer) in [
        (
            Profile::HighThroughput,
            ProducerConfig::high_throughput(),
            ConsumerConfig::high_throughput(),
        ),
        (
            Profile::HighReliability,
            ProducerConfig::high_reliability(),
            ConsumerConfig::high_reliability(),
        ),
        (
            Profile::LowLatency,
            ProducerConfig::low_latency(),
            ConsumerConfig::low_latency(),
        ),
    ] {
        let config = Config::builder().profile(profile).build().unwrap();
        assert_eq!(
            format!("{:?}", config.producer_config().unwrap()),
            format!("{producer:?}")
        );
        let consumer = consumer.auto_offset_reset(OffsetReset::Earliest);
        assert_eq!(
            format!("{:?}", config.consumer_config().unwrap()),
            format!("{consumer:?}")
        );
    }
}

#[test]
fn a_map_of_kafka_s_and_librdkafka_s_names_works() {
    let config = Config::builder()
        .properties([
            ("metadata.broker.list", "h"),
            ("acks", "1"),
            ("queue.buffering.max.ms", "9"),
            ("batch.size", "1000"),
            ("compression.codec", "lz4"),
            ("max.in.flight.requests.per.connection", "3"),
            ("partitioner", "murmur2"),
            ("group.id", "g"),
            ("enable.auto.commit", "false"),
            ("auto.commit.interval.ms", "700"),
            ("fetch.wait.max.ms", "70"),
            ("isolation.level", "read_committed"),
        ])
        .build()
        .unwrap();
    assert_eq!(config.bootstrap_servers(), ["h:9092"]);
    for (name, value) in [
        ("linger.ms", "9"),
        ("commit.interval.ms", "700"),
        ("fetch.max.wait.ms", "70"),
        ("fetch.wait.max.ms", "70"),
        ("acks", "1"),
    ] {
        assert_eq!(config.get(name).as_deref(), Some(value), "{name}");
    }
    let producer = format!("{:?}", config.producer_config().unwrap());
    assert!(producer.contains("acks: Leader"), "{producer}");
    let consumer = format!("{:?}", config.consumer_config().unwrap());
    assert!(consumer.contains("ReadCommitted"), "{consumer}");
}

#[test]
fn what_others_paste_is_taken_or_explained() {
    let config = Config::builder()
        .properties([
            ("queue.buffering.max.kbytes", "65536"),
            ("retries", "3"),
            (
                "key.serializer",
                "org.apache.kafka.common.serialization.StringSerializer",
            ),
            (
                "value.serializer",
                "io.confluent.kafka.serializers.KafkaJsonSerializer",
            ),
            ("key.deserializer", "LongDeserializer"),
            ("value.deserializer", "bytes"),
            ("enable.partition.eof", "true"),
            ("transactional.id", "billing-1"),
            ("transaction.timeout.ms", "20000"),
            ("compression.type", "zstd"),
            ("compression.zstd.level", "9"),
            ("compression.gzip.level", "1"),
            ("partitioner.availability.timeout.ms", "1000"),
        ])
        .build()
        .unwrap();
    for (name, value) in [
        ("buffer.memory", "67108864"),
        ("message.send.max.retries", "3"),
        ("value.deserializer", "bytes"),
        ("transactional.id", "billing-1"),
        ("compression.gzip.level", "1"),
        ("enable.partition.eof", "true"),
    ] {
        assert_eq!(config.get(name).as_deref(), Some(value), "{name}");
    }
    let plain = format!("{:?}", config.producer_config().unwrap());
    for part in [
        "buffer_bytes_max: 67108864",
        "compression_level: Some(9)",
        "availability_timeout: Some(1s)",
        "transactional_id: None",
    ] {
        assert!(plain.contains(part), "{part} in {plain}");
    }
    let transactional = format!("{:?}", config.transactional_config().unwrap());
    assert!(
        transactional.contains("transactional_id: Some(\"billing-1\"), transaction_timeout: 20s")
    );
    let password = "it must be no password: only PEM that is not encrypted can be read; decrypt a key with `openssl pkey -in KEY -out PLAIN_KEY`";
    for (name, value, expected) in [
        (
            "retries",
            "0",
            "retries (builder): \"0\" is not allowed; it must be a whole number from 1 to 2147483647; a producer without retries would lose messages, and delivery.timeout.ms says how long it tries".to_owned(),
        ),
        (
            "value.serializer",
            "KafkaAvroSerializer",
            "value.serializer (builder): \"KafkaAvroSerializer\" is not allowed; it must be a class of Kafka's for texts, bytes, integers, floats or UUIDs, or one for JSON; types decide here: implement ToBytes to write other formats, FromMessage to read them".to_owned(),
        ),
        (
            "queue.buffering.max.kbytes",
            "many",
            "queue.buffering.max.kbytes (builder): \"many\" is not allowed; it must be a whole number of 1024 bytes each".to_owned(),
        ),
        (
            "ssl.key.password",
            "secret",
            format!("ssl.key.password (builder): \"***\" is not allowed; {password}"),
        ),
        (
            "ssl.keystore.password",
            "secret",
            format!("ssl.keystore.password (builder): \"***\" is not allowed; {password}"),
        ),
        (
            "ssl.truststore.password",
            "secret",
            format!("ssl.truststore.password (builder): \"***\" is not allowed; {password}"),
        ),
        (
            "trace.context",
            "on",
            "trace.context (builder): \"on\" is not allowed; it must be off, continue or generate".to_owned(),
        ),
    ] {
        check_error(Config::builder().set(name, value), &expected);
    }
    check_error(
        Config::builder()
            .set("transactional.id", "a")
            .set("acks", "1"),
        "transactional.id (builder): \"a\" is not allowed; it must be not empty, and enable.idempotence=true",
    );
}

#[test]
fn publishers_are_configured_as_well() {
    let config = variables(&[
        ("MILENA_PUBLISHER_SPOOL_DIRECTORY", "/var/spool/orders"),
        ("MILENA_PUBLISHER_SPOOL_SYNC", "always"),
        ("MILENA_PUBLISHER_RETRY_ATTEMPTS", "7"),
    ])
    .set("milena.publisher.breaker.failures", "3")
    .build()
    .unwrap();
    let shown = |name| config.get(name).unwrap_or_default();
    assert_eq!(
        shown("milena.publisher.spool.directory"),
        "/var/spool/orders"
    );
    assert_eq!(shown("milena_publisher_spool_sync"), "always");
    assert_eq!(shown("publisher.breaker.failures"), "3");
    assert_eq!(shown("milena.publisher.retry.attempts"), "7");
    assert_eq!(shown("milena.publisher.retry.delay.ms"), "1000");
    let source = config.source("milena.publisher.retry.attempts").unwrap();
    assert_eq!(source.to_string(), "MILENA_PUBLISHER_RETRY_ATTEMPTS");
    assert_eq!(config.get("milena.publisher.dead.letter.topic"), None);
    check_error(
        Config::builder().set("milena.publisher.spool.sync", "sometimes"),
        "milena.publisher.spool.sync (builder): \"sometimes\" is not allowed; it must be always, never, or a whole number of milliseconds from 1 to 86400000",
    );
    check_error(
        Config::builder().set("milena.publisher.spool.directry", "x"),
        "there is no setting \"milena.publisher.spool.directry\" (builder); did you mean \"milena.publisher.spool.directory\"?",
    );
    check_error(
        Config::builder().set("milena.publisher.retry.delay.ms", "60000"),
        "milena.publisher.retry.delay.max.ms: it must be at least milena.publisher.retry.delay.ms",
    );
    check_error(
        Config::builder()
            .set("milena.publisher.dead.letters", "false")
            .set("milena.publisher.dead.letter.topic", "x"),
        "milena.publisher.dead.letter.topic: there are no dead letters with milena.publisher.dead.letters=false; leave one of them out",
    );
}
