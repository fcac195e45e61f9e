//! The same tests on each database.

use crate::postgres::Postgres;
use crate::{crash, end_to_end};

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    end_to_end::check(&url("end-to-end.db")).await;
    crash::check(&url("crash.db")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    end_to_end::check(&postgres.database("end_to_end")).await;
    end_to_end::check_two_at_once(&postgres.database("two")).await;
    crash::check(&postgres.database("crash")).await;
}
