use super::*;
use crate::config::{BrokerAddress, ClientConfig};
use crate::net::dial::{Dialler, dial};
use crate::net::fake_broker::{FakeBroker, FakeConnection};

const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> ClientConfig {
    ClientConfig::new("localhost:9092").receive_frame_bytes_max(1024 * 1024)
}

/// A connection that has shaken hands, and its other side.
async fn connect(config: ClientConfig) -> (Connection, FakeConnection) {
    let broker = FakeBroker::start().await;
    let address = BrokerAddress::parse(&broker.address.to_string()).expect("an address");
    let dialler = Dialler::plaintext(config);
    let (connection, server) = tokio::join!(dial(&address, &dialler), broker.accept());
    (connection.expect("the handshake succeeds"), server)
}

/// Sends a request whose response has a plain header.
fn send(connection: &Connection, body: &'static [u8], timeout: Duration) -> ResponseFuture {
    connection.request(ApiKey::Metadata, 8, vec![Bytes::from_static(body)], timeout)
}

/// Sends a request that gets no answer; resolves when it is written.
fn send_unanswered(
    connection: &Connection,
    body: impl Into<Bytes>,
    timeout: Duration,
) -> oneshot::Receiver<Result<Bytes, Error>> {
    let (told, written) = oneshot::channel();
    let body = vec![body.into()];
    let answer = move |answer| told.send(answer).expect("the test waits");
    connection.request_then(ApiKey::Produce, 3, body, Reply::None, timeout, answer);
    written
}

#[tokio::test]
async fn requests_go_out_in_call_order_and_answers_come_back() {
    let (connection, mut server) = connect(config()).await;
    let responses: Vec<ResponseFuture> = [&b"a"[..], b"bb", b"ccc"]
        .map(|body| send(&connection, body, PATIENCE))
        .into();
    for expected in [&b"a"[..], b"bb", b"ccc"] {
        let request = server.receive().await.expect("a request");
        assert_eq!(request.body, expected);
        assert_eq!(request.header.client_id.as_deref(), Some("milena"));
        server
            .respond(request.header.correlation_id, expected)
            .await;
    }
    for (response, expected) in responses.into_iter().zip([&b"a"[..], b"bb", b"ccc"]) {
        assert_eq!(response.await.expect("an answer"), expected);
    }
}

#[tokio::test]
async fn pieces_of_a_body_arrive_as_one() {
    let (connection, mut server) = connect(config()).await;
    let body = (0..200)
        .map(|piece| Bytes::from(vec![piece as u8; 1000]))
        .collect();
    let response = connection.request(ApiKey::Metadata, 8, body, PATIENCE);
    let request = server.receive().await.expect("a request");
    assert_eq!(request.body.len(), 200_000);
    assert_eq!(request.body[199_999], 199);
    server.respond(request.header.correlation_id, &[]).await;
    assert_eq!(response.await.expect("an answer").len(), 0);
}

/// The task that waits for the socket is woken although others queue requests meanwhile.
#[tokio::test]
async fn requests_queued_while_the_socket_is_full_are_written() {
    const BODY_BYTES: usize = 100_000;
    let (near, mut far) = tokio::io::duplex(1_000);
    let (read, write) = tokio::io::split(near);
    let limits = Limits {
        idle_max: PATIENCE,
        frame_bytes_max: 1_000,
    };
    let connection = Connection::start("broker:9092".into(), "test".into(), limits, read, write);
    let mut written = Vec::new();
    for _ in 0..3 {
        written.push(send_unanswered(&connection, vec![0; BODY_BYTES], PATIENCE));
        // The task is told of what is left, tries, and waits.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    let arriving = tokio::spawn(async move {
        let mut arrived = vec![0; 3 * BODY_BYTES];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut arrived).await?;
        // The headers of the frames stand between: what is left is theirs.
        tokio::io::copy(&mut far, &mut tokio::io::sink()).await
    });
    for written in written {
        let written = tokio::time::timeout(PATIENCE / 2, written).await;
        let written = written.expect("the task is woken").expect("it is told");
        written.expect("the connection is open");
    }
    drop(connection);
    let rest = arriving.await.expect("the task ends");
    assert!(rest.expect("the stream ends") > 0);
}

#[tokio::test]
async fn requests_without_answer_do_not_disturb_the_others() {
    let (connection, mut server) = connect(config()).await;
    let written = send_unanswered(&connection, &b"fire and forget"[..], PATIENCE);
    let written = written.await.expect("it is told");
    assert_eq!(written.expect("the connection is open").len(), 0);
    let response = send(&connection, b"asked", PATIENCE);
    assert_eq!(
        server.receive().await.expect("a request").body,
        &b"fire and forget"[..]
    );
    let request = server.receive().await.expect("a request");
    server
        .respond(request.header.correlation_id, b"answered")
        .await;
    assert_eq!(response.await.expect("an answer"), &b"answered"[..]);
}

#[tokio::test]
async fn an_answer_to_another_request_closes_the_connection() {
    let (connection, mut server) = connect(config()).await;
    let first = send(&connection, b"first", PATIENCE);
    let second = send(&connection, b"second", PATIENCE);
    server.receive().await.expect("the first");
    let request = server.receive().await.expect("the second");
    server.respond(request.header.correlation_id, b"").await;
    for response in [first, second] {
        let error = response.await.expect_err("the wrong answer came");
        assert!(matches!(error, Error::Disconnected { .. }), "{error}");
        assert!(error.is_retriable() && error.to_string().contains("was expected"));
    }
    assert!(connection.is_closed());
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_closes_the_connection() {
    let (connection, mut server) = connect(config()).await;
    server.respond(99, b"").await;
    assert!(server.receive().await.is_none(), "the client closed");
    let error = send(&connection, b"late", PATIENCE)
        .await
        .expect_err("it is closed");
    assert!(error.to_string().contains("nobody asked for"), "{error}");
}

#[tokio::test]
async fn pitfall_23_an_unanswered_request_does_not_wedge_the_connection() {
    let (connection, mut server) = connect(config()).await;
    let patient = send(&connection, b"patient", PATIENCE);
    let impatient = send(&connection, b"impatient", Duration::from_millis(50));
    let error = impatient.await.expect_err("there is no answer");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("Metadata request"), "{error}");
    let error = patient.await.expect_err("the connection is given up");
    assert!(matches!(error, Error::Disconnected { .. }), "{error}");
    assert!(connection.is_closed());
    while server.receive().await.is_some() {}
}

#[tokio::test]
async fn pitfall_23_a_broker_that_does_not_read_does_not_wedge_the_writer() {
    let (connection, _server) = connect(config()).await;
    let megabyte = Bytes::from(vec![0; 1024 * 1024]);
    let body = vec![megabyte; 64];
    let response = connection.request(ApiKey::Metadata, 8, body, Duration::from_millis(100));
    let error = response.await.expect_err("nobody reads");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(connection.is_closed());
}

#[tokio::test]
async fn pitfall_23_requests_without_answer_do_not_pile_up_behind_a_broker_that_does_not_read() {
    let (connection, _server) = connect(config()).await;
    let timeout = Duration::from_millis(100);
    let written = send_unanswered(&connection, vec![0; 64 * 1024 * 1024], timeout);
    let written = written.await.expect("it is told");
    let error = written.expect_err("nobody reads");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_timeout_after_answered_requests_still_fires() {
    let (connection, mut server) = connect(config()).await;
    for _ in 0..3 {
        let response = send(&connection, b"asked", Duration::from_millis(200));
        let request = server.receive().await.expect("a request");
        server.respond(request.header.correlation_id, b"").await;
        response.await.expect("an answer");
    }
    let error = send(&connection, b"asked", Duration::from_millis(50)).await;
    assert!(matches!(error, Err(Error::Timeout { .. })), "{error:?}");
}

#[tokio::test]
async fn a_disconnect_in_the_middle_of_a_response_is_told() {
    let (connection, mut server) = connect(config()).await;
    let response = send(&connection, b"asked", PATIENCE);
    server.receive().await.expect("a request");
    server.send(&[0, 0, 0, 100, 0, 0]).await;
    drop(server);
    let error = response.await.expect_err("only half of it came");
    assert!(
        error.to_string().contains("in the middle of a response"),
        "{error}"
    );
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_told_with_the_setting_to_change() {
    let (connection, mut server) = connect(config()).await;
    let response = send(&connection, b"asked", PATIENCE);
    server.receive().await.expect("a request");
    server.send(&(2 * 1024 * 1024i32).to_be_bytes()).await;
    let error = response.await.expect_err("it is too large");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(
        error.to_string().contains("receive.message.max.bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let config = config().connections_idle_max(Duration::from_millis(50));
    let (connection, mut server) = connect(config).await;
    assert!(server.receive().await.is_none(), "the client closed");
    assert!(connection.is_closed());
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_connection() {
    let (connection, mut server) = connect(config()).await;
    let response = send(&connection, b"asked", PATIENCE);
    drop(connection);
    let request = server
        .receive()
        .await
        .expect("somebody waits, so it is still open");
    server
        .respond(request.header.correlation_id, b"answered")
        .await;
    assert_eq!(response.await.expect("an answer"), &b"answered"[..]);
    assert!(server.receive().await.is_none(), "the client closed");
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused_at_once() {
    let (connection, _server) = connect(config()).await;
    let responses: Vec<ResponseFuture> = (0..super::super::pipeline::REQUESTS_MAX)
        .map(|_| send(&connection, b"", PATIENCE))
        .collect();
    let error = send(&connection, b"", PATIENCE)
        .await
        .expect_err("it is full");
    assert!(matches!(error, Error::Overloaded { .. }), "{error}");
    drop(responses);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_queues_at_the_same_time_has_its_request_written() {
    const TASKS: u8 = 8;
    const REQUESTS: usize = 100;
    let (connection, mut server) = connect(config()).await;
    let ask = |number: u8| {
        let connection = connection.clone();
        tokio::spawn(async move {
            for _ in 0..REQUESTS {
                let body = vec![Bytes::copy_from_slice(&[number; 1000])];
                let response = connection.request(ApiKey::Metadata, 8, body, PATIENCE);
                assert_eq!(response.await.expect("an answer"), [number].as_slice());
            }
        })
    };
    let tasks: Vec<_> = (0..TASKS).map(ask).collect();
    for _ in 0..usize::from(TASKS) * REQUESTS {
        let request = server.receive().await.expect("a request");
        assert_eq!(request.body.len(), 1000);
        let number = request.body.slice(..1);
        server.respond(request.header.correlation_id, &number).await;
    }
    for task in tasks {
        task.await.expect("all were answered");
    }
}

/// With TLS 1.3 a broker refuses a client's certificate after the client has shaken hands: whoever
/// uses the stream first hears of it, and that may be the writer.
#[cfg(feature = "tls")]
#[tokio::test]
async fn a_late_refusal_of_the_handshake_is_named_whoever_hears_of_it() {
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio_rustls::rustls::{self, AlertDescription};

    struct Refused;

    impl AsyncWrite for Refused {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            let refusal = rustls::Error::AlertReceived(AlertDescription::BadCertificate);
            Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    let (near, _far) = tokio::io::duplex(1_000);
    let limits = Limits {
        idle_max: PATIENCE,
        frame_bytes_max: 1_000,
    };
    let connection = Connection::start("broker:9093".into(), "test".into(), limits, near, Refused);
    let error = send(&connection, b"hello", PATIENCE)
        .await
        .expect_err("a refusal");
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    assert!(error.to_string().contains("client certificate"), "{error}");
}
