//! Listeners that ask who is there: the order of requests, error codes, sessions, credentials.

use std::time::Duration;

use milena_broker::{Broker, BrokerBuilder, ErrorCode, Storage};
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use milena_wire::rpc::messages::describe_user_scram_credentials_request::UserName;
use milena_wire::rpc::messages::{
    AlterUserScramCredentialsRequest, ApiVersionsRequest, DescribeUserScramCredentialsRequest,
    MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};
use milena_wire::sasl::scram::ScramMechanism;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Client, broker, start};

const PLAIN_USERS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                           user_alice=\"secret\" user_bob=\"other\";";
const ALICE: &[u8] = b"\0alice\0secret";

fn secured(mechanisms: &str) -> BrokerBuilder {
    Broker::builder()
        .listen("SASL_PLAINTEXT://127.0.0.1:0")
        .property("sasl.enabled.mechanisms", mechanisms)
        .and_then(|b| {
            b.property(
                "listener.name.sasl_plaintext.plain.sasl.jaas.config",
                PLAIN_USERS,
            )
        })
        .and_then(|b| b.property("connection.failed.authentication.delay.ms", "1"))
        .expect("the properties are known")
}

fn code(response: &SaslAuthenticateResponse) -> ErrorCode {
    ErrorCode::from(response.error_code)
}

impl Client {
    async fn shake_hands(&mut self, mechanism: &'static str) -> (ErrorCode, Vec<String>) {
        let request =
            SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        let response = self.call(1, &request).await;
        let offered = response.mechanisms.iter().map(ToString::to_string);
        (ErrorCode::from(response.error_code), offered.collect())
    }

    async fn authenticate(&mut self, message: &'static [u8]) -> SaslAuthenticateResponse {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
        self.call(2, &request).await
    }

    async fn log_in(&mut self, message: &'static [u8]) -> SaslAuthenticateResponse {
        let (code, _) = self.shake_hands("PLAIN").await;
        assert_eq!(code, ErrorCode::None);
        self.authenticate(message).await
    }

    /// Whether the broker answers a request that only an authenticated client may send.
    async fn is_served(&mut self) -> bool {
        self.send(9, &MetadataRequest::default()).await;
        self.receive_frame().await.is_some()
    }
}

#[tokio::test]
async fn nothing_is_served_before_authentication() {
    let broker = start(secured("PLAIN")).await;
    let mut client = Client::connect(&broker).await;
    let versions = client.call(3, &ApiVersionsRequest::default()).await;
    assert_eq!(versions.error_code, 0);
    assert!(!client.is_served().await, "it must hang up");

    let mut client = Client::connect(&broker).await;
    assert_eq!(client.shake_hands("PLAIN").await.0, ErrorCode::None);
    assert!(!client.is_served().await, "it must hang up");

    let mut client = Client::connect(&broker).await;
    assert_eq!(code(&client.log_in(ALICE).await), ErrorCode::None);
    assert!(client.is_served().await);
    broker.stop().await;
}

#[tokio::test]
async fn clients_of_the_first_handshake_send_bare_messages() {
    let broker = start(secured("PLAIN")).await;
    for (message, is_right) in [(ALICE, true), (&b"\0alice\0wrong"[..], false)] {
        let mut client = Client::connect(&broker).await;
        let plain = SaslHandshakeRequest::default().with_mechanism("PLAIN".to_owned().into());
        assert_eq!(client.call(0, &plain).await.error_code, 0);
        client.send_frame(message).await;
        let answer = client.receive_frame().await;
        assert_eq!(answer.is_some_and(|answer| answer.is_empty()), is_right);
        if is_right {
            assert!(client.is_served().await);
        }
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_stranger_may_not_send_much() {
    let broker = start(secured("PLAIN")).await;
    for (frame_bytes, is_refused) in [(600 * 1024_i32, true), (400 * 1024, false)] {
        let mut stream = TcpStream::connect(broker.address())
            .await
            .expect("it listens");
        let sent = stream.write_all(&frame_bytes.to_be_bytes()).await;
        sent.expect("it reads");
        let answer = timeout(Duration::from_millis(300), stream.read_u8()).await;
        assert_eq!(answer.is_ok(), is_refused, "{answer:?}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_listener_without_sasl_says_so() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    let (answer, _) = client.shake_hands("PLAIN").await;
    assert_eq!(answer, ErrorCode::IllegalSaslState);
    let answer = client.authenticate(ALICE).await;
    assert_eq!(code(&answer), ErrorCode::IllegalSaslState);
    assert!(client.is_served().await);
    broker.stop().await;
}

#[tokio::test]
async fn mechanisms_that_are_not_offered_are_refused() {
    let broker = start(secured("PLAIN,SCRAM-SHA-256")).await;
    let mut client = Client::connect(&broker).await;
    let (answer, offered) = client.shake_hands("OAUTHBEARER").await;
    assert_eq!(answer, ErrorCode::UnsupportedSaslMechanism);
    assert_eq!(offered, ["PLAIN", "SCRAM-SHA-256"]);
    assert!(client.receive_frame().await.is_none(), "it must hang up");
    broker.stop().await;
}

#[tokio::test]
async fn wrong_credentials_are_told_and_end_the_connection() {
    let broker = start(secured("PLAIN,SCRAM-SHA-256,OAUTHBEARER")).await;
    for (mechanism, messages) in [
        ("PLAIN", &[b"\0alice\0wrong" as &[u8]][..]),
        ("PLAIN", &[b"\0nobody\0secret"]),
        ("PLAIN", &[b"bob\0alice\0secret"]),
        ("PLAIN", &[b"nonsense"]),
        ("SCRAM-SHA-256", &[b"n,,n=nobody,r=x"]),
        ("SCRAM-SHA-256", &[b"nonsense"]),
        (
            "OAUTHBEARER",
            &[b"n,,\x01auth=Bearer x.y.z\x01\x01", b"\x01"],
        ),
        ("OAUTHBEARER", &[b"nonsense", b"\x01"]),
    ] {
        let mut client = Client::connect(&broker).await;
        assert_eq!(client.shake_hands(mechanism).await.0, ErrorCode::None);
        let mut answer = SaslAuthenticateResponse::default();
        for message in messages {
            assert_eq!(code(&answer), ErrorCode::None);
            answer = client.authenticate(message).await;
        }
        assert_eq!(code(&answer), ErrorCode::SaslAuthenticationFailed);
        let told = answer.error_message.expect("a reason");
        assert!(!told.contains("secret"), "{told}");
        assert!(client.receive_frame().await.is_none(), "it must hang up");
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_session_ends_unless_it_is_renewed_by_the_same_client() {
    const SESSION: Duration = Duration::from_millis(1200);
    let session_ms = SESSION.as_millis().to_string();
    let builder = secured("PLAIN").property("connections.max.reauth.ms", &session_ms);
    let broker = start(builder.expect("the property is known")).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(&broker).await;
        let answer = client.log_in(ALICE).await;
        assert_eq!(answer.session_lifetime_ms, 1200);
        clients.push(client);
    }
    let [mut idle, mut renewing, mut changing] =
        <[Client; 3]>::try_from(clients).ok().expect("three");
    // At once is too soon, as with Apache Kafka.
    let (answer, _) = renewing.shake_hands("PLAIN").await;
    assert_eq!(answer, ErrorCode::IllegalSaslState);
    tokio::time::sleep(SESSION).await;
    assert!(!idle.is_served().await, "it must hang up");
    assert_eq!(code(&renewing.log_in(ALICE).await), ErrorCode::None);
    assert!(renewing.is_served().await);
    let answer = changing.log_in(b"\0bob\0other").await;
    assert_eq!(code(&answer), ErrorCode::SaslAuthenticationFailed);
    assert!(
        answer
            .error_message
            .is_some_and(|told| told.contains("Cannot change principals"))
    );
    broker.stop().await;
}

fn upsertion(user: &'static str, iterations: i32) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion::default()
        .with_name(StrBytes::from_static_str(user))
        .with_mechanism(ScramMechanism::Sha256.number())
        .with_iterations(iterations)
        .with_salt("salt".into())
        .with_salted_password("salted".into())
}

fn deletion(user: &'static str) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default()
        .with_name(StrBytes::from_static_str(user))
        .with_mechanism(ScramMechanism::Sha256.number())
}

async fn alter(
    client: &mut Client,
    upsertions: Vec<ScramCredentialUpsertion>,
    deletions: Vec<ScramCredentialDeletion>,
) -> Vec<(String, ErrorCode)> {
    let request = AlterUserScramCredentialsRequest::default()
        .with_upsertions(upsertions)
        .with_deletions(deletions);
    let response = client.call(0, &request).await;
    let results = response.results.iter();
    results
        .map(|result| (result.user.to_string(), ErrorCode::from(result.error_code)))
        .collect()
}

async fn describe(
    client: &mut Client,
    users: Option<&[&'static str]>,
) -> Vec<(String, ErrorCode, Vec<i32>)> {
    let name = |user: &&'static str| UserName::default().with_name(StrBytes::from_static_str(user));
    let request = DescribeUserScramCredentialsRequest::default()
        .with_users(users.map(|users| users.iter().map(name).collect()));
    let response = client.call(0, &request).await;
    let results = response.results.iter().map(|result| {
        let infos = result.credential_infos.iter().map(|info| info.iterations);
        let code = ErrorCode::from(result.error_code);
        (result.user.to_string(), code, infos.collect())
    });
    results.collect()
}

fn named(results: &[(&str, ErrorCode)]) -> Vec<(String, ErrorCode)> {
    let results = results.iter();
    results
        .map(|(user, code)| ((*user).to_owned(), *code))
        .collect()
}

#[tokio::test]
async fn scram_credentials_are_altered_described_and_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = Storage::Directory(directory.path().to_owned());
    let broker = start(Broker::builder().storage(storage.clone())).await;
    let mut client = Client::connect(&broker).await;
    let upsertions = ["alice", "bob", "carol"].map(|user| upsertion(user, 4096));
    let outcome = alter(&mut client, upsertions.to_vec(), Vec::new()).await;
    let none = ErrorCode::None;
    assert_eq!(
        outcome,
        named(&[("alice", none), ("bob", none), ("carol", none)])
    );

    let refused = alter(
        &mut client,
        vec![
            upsertion("", 4096),
            upsertion("few", 10),
            upsertion("many", 16_385),
            upsertion("bob", 4096),
        ],
        vec![deletion("nobody"), deletion("bob"), deletion("carol")],
    );
    let expected = [
        ("", ErrorCode::UnacceptableCredential),
        ("bob", ErrorCode::DuplicateResource),
        ("carol", none),
        ("few", ErrorCode::UnacceptableCredential),
        ("many", ErrorCode::UnacceptableCredential),
        ("nobody", ErrorCode::ResourceNotFound),
    ];
    assert_eq!(refused.await, named(&expected));
    let described = describe(&mut client, Some(&["carol", "bob", "bob", "alice"])).await;
    let of = |user: &str, code, infos: &[i32]| (user.to_owned(), code, infos.to_vec());
    let expected = [
        of("alice", none, &[4096]),
        of("bob", ErrorCode::DuplicateResource, &[]),
        of("carol", ErrorCode::ResourceNotFound, &[]),
    ];
    assert_eq!(described, expected);
    broker.stop().await;

    let broker = start(Broker::builder().storage(storage)).await;
    let mut client = Client::connect(&broker).await;
    let described = describe(&mut client, None).await;
    assert_eq!(
        described,
        [of("alice", none, &[4096]), of("bob", none, &[4096])]
    );
    broker.stop().await;
}

#[tokio::test]
async fn what_a_listener_lacks_is_named_at_the_start() {
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let cases: [Case; 6] = [
        ("SSL://127.0.0.1:0", &[], "ssl.keystore.location"),
        (
            "SSL://127.0.0.1:0",
            &[("ssl.keystore.location", "/nonexistent.pem")],
            "cannot read it",
        ),
        (
            "SASL_PLAINTEXT://127.0.0.1:0",
            &[],
            "sasl.enabled.mechanisms",
        ),
        (
            "SASL_PLAINTEXT://127.0.0.1:0",
            &[("sasl.enabled.mechanisms", "GSSAPI")],
            "PLAIN, SCRAM-SHA-256",
        ),
        (
            "INTERNAL://127.0.0.1:0",
            &[],
            "listener.security.protocol.map",
        ),
        ("A://127.0.0.1:0,A://127.0.0.1:0", &[], "a name of its own"),
    ];
    for (listen, properties, expected) in cases {
        let mut builder = Broker::builder().listen(listen);
        for (name, value) in properties {
            builder = builder.property(name, value).expect("it is known");
        }
        let error = builder.start().await.err().expect(listen).to_string();
        assert!(error.contains(expected), "{listen}: {error}");
    }
    let secret = Broker::builder().add_scram("SCRAM-SHA-256=[name=,password=hunter2]");
    let error = secret.expect_err("it has no name").to_string();
    assert!(!error.contains("hunter2"), "{error}");
}
