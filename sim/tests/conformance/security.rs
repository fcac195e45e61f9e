//! Security: each protocol with each mechanism carries records; what does not fit is refused at
//! once, by producer, consumer and administration, with a reason.

use anyhow::{Context, Result};
use milena_client::admin::{NewTopic, ScramChange, ScramMechanism};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{ProduceErrorKind, Producer, ProducerConfig, Record};
use milena_client::security::{SaslConfig, TokenFuture, TokenProvider, UnsecuredTokens};
use milena_client::{Admin, Client, ClientConfig, Error, ErrorClass};
use milena_sim::secured::Secured;
use milena_sim::secured::setup::{CLIENT_FILE, PASSWORD, SESSION_MS, STRANGER_FILE, USER};
use milena_sim::target::{eventually, take, unique};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const RECORDS: usize = 20;
/// A refusal must not wait for a timeout, the shortest of which is 30 s.
const AT_ONCE: Duration = Duration::from_secs(10);

fn mechanisms(password: &str) -> [SaslConfig; 4] {
    [
        SaslConfig::plain(USER, password),
        SaslConfig::scram_sha_256(USER, password),
        SaslConfig::scram_sha_512(USER, password),
        SaslConfig::oauth_bearer(UnsecuredTokens::new(USER)),
    ]
}

/// Writes to a topic of its own and reads it back as a member of a group.
async fn check_use(config: ClientConfig) -> Result<()> {
    let client = Client::new(config)?;
    client.check_connection().await?;
    let topic = unique("secured");
    let new = NewTopic::new(&topic).partitions(2);
    Admin::new(&client).create_topic(new).await?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    for number in 0..RECORDS {
        let value = number.to_string();
        producer.send(Record::to(&topic).value(&value)).await?;
    }
    let config = ConsumerConfig::group(unique("secured")).auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(&client, config)?;
    consumer.subscribe([topic.as_str()]).await?;
    take(&consumer, RECORDS).await?;
    consumer.close().await?;
    producer.close().await?;
    client.close().await;
    Ok(())
}

/// Sees that each kind of client is refused, soon and with a reason that contains `expected`.
async fn check_refusal(config: ClientConfig, expected: &str) -> Result<()> {
    let started = Instant::now();
    let client = Client::new(config)?;
    let connecting = client.check_connection().await;
    let listing = Admin::new(&client).list_topics().await.map(drop);
    let producer = Producer::new(&client, ProducerConfig::default())?;
    let sending = producer.send(Record::to("refused").value("x")).await;
    let sending = sending.expect_err("it must be refused");
    let sending = match sending.kind() {
        ProduceErrorKind::Client(error) => Err(error.clone()),
        other => panic!("{other:?}"),
    };
    let config = ConsumerConfig::group(unique("refused"));
    let member = Consumer::new(&client, config)?;
    member.subscribe(["refused"]).await?;
    let joining = member.consume_next(AT_ONCE).await.map(drop);
    let reader = Consumer::new(&client, ConsumerConfig::new())?;
    let partition = milena_client::TopicPartition::new("refused", 0);
    reader.assign(vec![partition]).await?;
    let reading = reader.consume_next(AT_ONCE).await.map(drop);
    for (who, outcome) in [
        ("client", connecting),
        ("admin", listing),
        ("producer", sending),
        ("member", joining),
        ("reader", reading),
    ] {
        let error = outcome
            .err()
            .with_context(|| format!("{who} was not refused"))?;
        let is_named = matches!(error, Error::Authentication { .. } | Error::Tls { .. });
        let text = error.to_string();
        assert!(is_named && text.contains(expected), "{who}: {error:?}");
        assert!(!text.contains(PASSWORD), "{text}");
        assert_eq!(error.class(), ErrorClass::Terminal);
    }
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_carries_records() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    check_use(secured.config("SSL")?).await?;
    let identity = secured.file(CLIENT_FILE);
    let tls = secured.trust().identity_files(&identity, &identity);
    check_use(secured.config("MTLS")?.tls(tls)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mechanism_carries_records() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    for listener in ["SASL_PLAINTEXT", "SASL_SSL"] {
        for sasl in mechanisms(PASSWORD) {
            let name = sasl.name();
            let used = check_use(secured.config(listener)?.sasl(sasl)).await;
            used.with_context(|| format!("{name} on {listener}"))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_refused_at_once() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    let expired = UnsecuredTokens::new(USER).lifetime(Duration::ZERO);
    let [plain, short, long, _] = mechanisms("not the password");
    for sasl in [plain, short, long, SaslConfig::oauth_bearer(expired)] {
        let name = sasl.name();
        let expected = format!("{name} authentication at 127.0.0.1");
        let refused = check_refusal(secured.config("SASL_PLAINTEXT")?.sasl(sasl), &expected).await;
        refused.with_context(|| name.to_owned())?;
    }
    let nobody = SaslConfig::scram_sha_256("nobody", PASSWORD);
    let config = secured.config("SASL_SSL")?.sasl(nobody);
    check_refusal(config, "SCRAM-SHA-256 authentication at").await
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_cannot_be_trusted_are_refused_at_once() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    let stranger = milena_client::security::TlsConfig::new().ca_file(secured.file(STRANGER_FILE));
    let config = secured.config("SSL")?.tls(stranger);
    check_refusal(config, "authority that is not trusted").await?;

    let tls = secured.trust().server_name("kafka.example.org");
    let config = secured.config("SSL")?.tls(tls.clone());
    check_refusal(config, "kafka.example.org").await?;
    // The name may be left out of what is verified, and so may all.
    check_use(secured.config("SSL")?.tls(tls.verify_server_name(false))).await?;
    let anyone = milena_client::security::TlsConfig::new().dangerously_trust_anyone();
    check_use(secured.config("SSL")?.tls(anyone)).await
}

/// Connects once; what the client says.
async fn connection_error(config: ClientConfig) -> Result<String> {
    let client = Client::new(config)?;
    let outcome = tokio::time::timeout(AT_ONCE, client.check_connection()).await?;
    Ok(outcome.err().context("it connected")?.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn protocols_that_do_not_fit_the_listener_are_named() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    let at = |listener| anyhow::Ok(ClientConfig::new(secured.bootstrap(listener)?));
    let plain = || SaslConfig::plain(USER, PASSWORD);
    for (config, expected) in [
        (
            at("PLAINTEXT")?.tls(secured.trust()),
            "is it a TLS listener?",
        ),
        (at("PLAINTEXT")?.sasl(plain()), "does not authenticate"),
        (
            at("SSL")?.tls(secured.trust()).sasl(plain()),
            "does not authenticate",
        ),
        (at("MTLS")?.tls(secured.trust()), "client certificate"),
    ] {
        let text = connection_error(config).await?;
        assert!(text.contains(expected), "expected {expected:?}: {text}");
    }
    Ok(())
}

/// Counts the tokens it gives.
pub(crate) struct Counting {
    tokens: UnsecuredTokens,
    given: Arc<AtomicUsize>,
}

impl Counting {
    /// Also where the count is.
    pub(crate) fn new() -> (Counting, Arc<AtomicUsize>) {
        let given = Arc::new(AtomicUsize::new(0));
        let counting = Counting {
            tokens: UnsecuredTokens::new(USER),
            given: Arc::clone(&given),
        };
        (counting, given)
    }
}

impl TokenProvider for Counting {
    fn token(&self) -> TokenFuture<'_> {
        self.given.fetch_add(1, Ordering::Relaxed);
        self.tokens.token()
    }
}

/// Produces for several sessions on connections that must not be replaced.
async fn check_renewal(secured: &Secured, listener: &str, sasl: SaslConfig) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let config = secured
        .config(listener)?
        .reconnect_backoff(PATIENCE, PATIENCE)
        .sasl(sasl);
    let client = Client::new(config)?;
    let topic = unique("renewed");
    let new = NewTopic::new(&topic).partitions(1);
    Admin::new(&client).create_topic(new).await?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    let ends = Instant::now() + Duration::from_millis(SESSION_MS * 5 / 2);
    let mut sent = 0;
    while Instant::now() < ends {
        let record = producer.send(Record::to(&topic).value("x"));
        tokio::time::timeout(PATIENCE / 6, record).await??;
        sent += 1;
    }
    let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(&client, config)?;
    let partition = milena_client::TopicPartition::new(topic.as_str(), 0);
    consumer.assign(vec![partition]).await?;
    take(&consumer, sent).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_renewed_without_losing_the_connection() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    let (counting, given) = Counting::new();
    // Here the token, there the broker limits the session.
    let short = UnsecuredTokens::new(USER).lifetime(Duration::from_millis(SESSION_MS));
    tokio::try_join!(
        check_renewal(&secured, "RENEWED", SaslConfig::oauth_bearer(counting)),
        check_renewal(
            &secured,
            "RENEWED",
            SaslConfig::scram_sha_256(USER, PASSWORD)
        ),
        check_renewal(&secured, "SASL_SSL", SaslConfig::oauth_bearer(short)),
    )?;
    assert!(given.load(Ordering::Relaxed) > 4, "{given:?} tokens");
    Ok(())
}

/// A producer at work whose password is taken away: the session is not renewed, and what is sent fails
/// with the reason, long before its delivery timeout. With the password back the same producer goes on.
#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_credentials_are_told_to_a_running_producer() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    let owner = Client::new(secured.config("PLAINTEXT")?)?;
    let admin = Admin::new(&owner);
    let topic = unique("withdrawn");
    admin.create_topic(NewTopic::new(&topic)).await?;
    let user = unique("withdrawn");
    let mechanism = ScramMechanism::Sha256;
    let give = ScramChange::set(&user, mechanism, PASSWORD);
    let take_away = ScramChange::delete(&user, mechanism);
    let change = async |change: &ScramChange| -> Result<()> {
        let mut results = admin
            .alter_scram_credentials(std::slice::from_ref(change))
            .await?;
        Ok(results.remove(0).1?)
    };

    change(&give).await?;
    let sasl = SaslConfig::scram_sha_256(&user, PASSWORD);
    let client = Client::new(secured.config("RENEWED")?.sasl(sasl))?;
    // Brokers hear of a new user a moment later.
    eventually("the user may in", async || {
        Ok(client.check_connection().await.ok())
    })
    .await?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    let send = async |value: &str| producer.send(Record::to(&topic).value(value)).await;
    send("first").await?;

    change(&take_away).await?;
    let started = Instant::now();
    let error = eventually("the producer is refused", async || {
        Ok(send("more").await.err())
    })
    .await?;
    let told_after = started.elapsed();
    let ProduceErrorKind::Client(error @ Error::Authentication { .. }) = error.kind() else {
        anyhow::bail!("another error: {error}");
    };
    assert_eq!(error.class(), ErrorClass::Terminal, "{error}");
    assert!(told_after < AT_ONCE, "{told_after:?}");
    // All that waits is told, not only what is awaited.
    let waiting = producer
        .enqueue(Record::to(&topic).value("waiting"))
        .await?;
    let error = waiting.await.expect_err("it is refused as well");
    assert!(
        matches!(error.kind(), ProduceErrorKind::Client(_)),
        "{error}"
    );

    change(&give).await?;
    eventually("the producer goes on", async || Ok(send("last").await.ok())).await?;
    producer.close().await?;
    client.close().await;
    owner.close().await;
    Ok(())
}
