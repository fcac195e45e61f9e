//! Delivery by HTTP.

use milena_notifications::{Delivery, Notification, Store, WebhookDelivery, deliver_due};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::setup::within;

/// Answers each request in turn with one of these; tells what was asked.
async fn receiver(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook?a=1", listener.local_addr().expect("bound"));
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = String::new();
            // The object's end is the last thing in it.
            while !request.ends_with('}') {
                let mut bytes = [0; 4096];
                let count = stream.read(&mut bytes).await.expect("a request");
                request.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
            asked.push(request);
            let answer =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream
                .write_all(answer.as_bytes())
                .await
                .expect("it listens");
        }
        asked
    });
    (url, serving)
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
    let (url, serving) = receiver(&["503 Not Now", "204 Taken"]).await;
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
