//! The same tests on each database.

use std::path::Path;

use milena_notifications::Store;

use crate::certificates;
use crate::postgres::{Postgres, SECURED};
use crate::{crash, end_to_end, jobs, points};

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    end_to_end::check(&url("end-to-end.db")).await;
    jobs::check(&url("jobs.db")).await;
    jobs::check_statements(&url("statements.db")).await;
    crash::check(&url("crash.db")).await;
    points::check(url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    end_to_end::check(&postgres.database("end_to_end")).await;
    end_to_end::check_two_at_once(&postgres.database("two")).await;
    end_to_end::check_refused(&postgres.database("refused")).await;
    jobs::check(&postgres.database("jobs")).await;
    jobs::check_statements(&postgres.database("statements")).await;
    crash::check(&postgres.database("crash")).await;
    points::check(|name| postgres.database(name)).await;
    check_certificates(&postgres).await;
}

/// A server that vouches for itself is trusted where its certificate is, by the name in it.
async fn check_certificates(postgres: &Postgres) {
    let url = postgres.database(SECURED);
    let by_name = url.replace("127.0.0.1", "localhost");
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other.crt");
    std::fs::write(&other, certificates::self_signed("other").0).expect("written");
    let verified = |url: &str, root: &Path| {
        let root = root.display();
        format!("{url}?sslmode=verify-full&sslrootcert={root}")
    };
    let own = postgres.certificate();
    for (url, problem) in [
        (verified(&url, &own), None),
        (format!("{url}?sslmode=disable"), Some("no encryption")),
        (verified(&url, &other), Some("UnknownIssuer")),
        (verified(&by_name, &own), Some("not valid for name")),
    ] {
        match (Store::connect(&url).await, problem) {
            (Ok(store), None) => store.close().await,
            (Err(error), Some(problem)) => {
                assert!(error.to_string().contains(problem), "{url}: {error}");
            }
            (connected, _) => panic!("{url}: {connected:?}"),
        }
    }
}
