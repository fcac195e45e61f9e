//! Delivery by HTTP.

use std::process::Stdio;

use milena_notifications::{Delivery, Notification, Store, WebhookDelivery, deliver_due};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Authority;
use crate::setup::{Process, Stage, command, within};

/// Answers each request in turn with one of these; tells what was asked, or why nothing was.
async fn receiver(
    answers: &'static [&'static str],
    tls: Option<TlsAcceptor>,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = listener.local_addr().expect("bound");
    let url = format!("{scheme}://{address}/hook?a=1");
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().await.expect("a client");
            asked.push(match &tls {
                None => exchange(stream, answer).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => exchange(stream, answer).await,
                    Err(error) => error.to_string(),
                },
            });
        }
        asked
    });
    (url, serving)
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: &str) -> String {
    let request = request(&mut stream).await;
    assert!(!request.is_empty(), "nothing was asked");
    answer(stream, status).await;
    request
}

/// What is asked; nothing on a connection that is closed before that.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = String::new();
    // The object's end is the last thing in it.
    while !request.ends_with('}') {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.expect("a request");
        if count == 0 {
            assert!(request.is_empty(), "it ends in the middle: {request}");
            break;
        }
        request.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    request
}

pub(crate) async fn answer(mut stream: impl AsyncWrite + Unpin, status: &str) {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let written = stream.write_all(answer.as_bytes()).await;
    written.expect("it listens");
    stream.shutdown().await.expect("it listens");
}

#[tokio::test]
async fn notifications_are_posted_until_they_are_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("n.db").display());
    let store = Store::connect(&database).await.expect("a database");
    let notification = Notification {
        user_id: "u".to_owned(),
        event: "e".to_owned(),
        content: "é".to_owned(),
    };
    store.insert("id-1", &notification, 0).await.expect("kept");
    let (url, serving) = receiver(&["503 Not Now", "204 Taken"], None).await;
    let webhook = WebhookDelivery::new(&url).expect("a webhook");
    let mut rounds = Vec::new();
    for now in [0, 30_000] {
        let round = deliver_due(&store, &webhook, || now)
            .await
            .expect("a round");
        rounds.push((round.sent, round.failed));
    }
    assert_eq!(rounds, [(0, 1), (1, 0)]);
    let asked = within("two requests", serving).await.expect("no panic");
    for request in &asked {
        let request = request.to_ascii_lowercase();
        for part in [
            "post /hook?a=1 http/1.1\r\n",
            "idempotency-key: id-1\r\n",
            "content-type: application/json\r\n",
        ] {
            assert!(request.contains(part), "{part}: {request}");
        }
        assert!(
            request.ends_with(r#"{"user_id":"u","event":"e","content":"é"}"#),
            "{request}"
        );
    }
    store.close().await;
}

#[tokio::test]
async fn a_webhook_that_is_not_there_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("n.db").display());
    let store = Store::connect(&database).await.expect("a database");
    store
        .insert("id-1", &Notification::default(), 0)
        .await
        .expect("kept");
    let unsent = store.due(0, 1).await.expect("rows").remove(0);
    let webhook = WebhookDelivery::new(&url).expect("a webhook");
    let error = webhook.deliver(&unsent).await.expect_err("nobody listens");
    assert!(error.to_string().contains("onnect"), "{error}");
    for wrong in ["ftp://host/", "host", "", "http:///x"] {
        assert!(WebhookDelivery::new(wrong).is_err(), "{wrong}");
    }
    store.close().await;
}

/// The service posts to whom the file in `SSL_CERT_FILE` vouches for. Without https it needs none.
#[tokio::test(flavor = "multi_thread")]
async fn https_wants_an_authority_that_is_trusted() {
    let authority = Authority::new("known");
    let folder = tempfile::tempdir().expect("a folder");
    for (name, trusted, tls, expected) in [
        ("known", Some(&authority), true, "POST /hook?a=1 HTTP/1.1"),
        ("other", Some(&Authority::new("other")), true, "UnknownCA"),
        ("plain", None, false, "POST /hook?a=1 HTTP/1.1"),
    ] {
        let certificates = folder.path().join(format!("{name}.pem"));
        if let Some(trusted) = trusted {
            std::fs::write(&certificates, &trusted.pem).expect("written");
        }
        let (url, serving) = receiver(&["204 Taken"], tls.then(|| authority.acceptor())).await;
        let stage = Stage::new().await;
        stage.publish(1).await;
        let database = format!("sqlite://{}", folder.path().join(name).display());
        let service = Process::start(
            command(&stage, &database)
                .args(["--webhook", &url])
                .env("SSL_CERT_FILE", &certificates),
        );
        let asked = within("a delivery", serving).await.expect("no panic");
        assert!(asked[0].contains(expected), "{name}: {asked:?}");
        drop(service);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_without_certificates_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::new().await;
    let database = format!("sqlite://{}", folder.path().join("n.db").display());
    let mut command = command(&stage, &database);
    command
        .args(["--webhook", "https://127.0.0.1/secret"])
        .env("SSL_CERT_FILE", folder.path().join("missing.pem"))
        .stderr(Stdio::piped());
    let running = tokio::task::spawn_blocking(move || command.output());
    let ended = within("it ends", running).await.expect("no panic");
    let ended = ended.expect("it starts");
    let text = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "{text}");
    assert!(text.contains("SSL_CERT_FILE"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
