//! A receiver of webhooks that takes everything, and remembers by which key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::webhook::{answer, request};

const KEY: &str = "idempotency-key: ";

type Keys = Arc<Mutex<BTreeMap<String, usize>>>;

/// Dropping it ends it.
pub(crate) struct Receiver {
    url: String,
    keys: Keys,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let keys = Keys::default();
        let kept = keys.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a client");
                tokio::spawn(serve(stream, kept.clone()));
            }
        });
        Receiver { url, keys, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How often each key came.
    pub(crate) fn keys(&self) -> BTreeMap<String, usize> {
        self.keys.lock().expect("no panic").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, keys: Keys) {
    let request = request(&mut stream).await;
    if request.is_empty() {
        return; // a connection that was not needed
    }
    let key = request.lines().find_map(|line| line.strip_prefix(KEY));
    let key = key.expect("a key").to_owned();
    *keys.lock().expect("no panic").entry(key).or_default() += 1;
    answer(stream, "204 Taken").await;
}
