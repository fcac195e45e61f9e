//! Asking about many things at once: what can be answered is kept, what is worth another try is asked
//! again, until the time is up. Knows no subject.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::future::Future;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use super::{Admin, PerItem};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::spans::{self, ErrorType};
use crate::wire::ErrorCode;

impl Admin {
    /// Calls `attempt` with the items that are still open until each has a result that trying again
    /// cannot mend, or the time is up. An attempt that fails as a whole is the result of all its items.
    /// The results come in the order of `items`.
    pub(super) async fn each<K, T, F>(
        &self,
        what: &str,
        items: &[K],
        attempt: impl FnMut(Vec<K>) -> F,
    ) -> PerItem<T, K>
    where
        K: Ord + Clone + Debug,
        F: Future<Output = Result<PerItem<T, K>, Error>>,
    {
        let span = self.span(what);
        let asking = self.ask_each(what, items, attempt).instrument(span.clone());
        let results = asking.await;
        let failure = results.iter().find_map(|(_, result)| result.as_ref().err());
        if let Some(error) = failure {
            spans::failed(&span, error.error_type());
        }
        results
    }

    async fn ask_each<K, T, F>(
        &self,
        what: &str,
        items: &[K],
        mut attempt: impl FnMut(Vec<K>) -> F,
    ) -> PerItem<T, K>
    where
        K: Ord + Clone + Debug,
        F: Future<Output = Result<PerItem<T, K>, Error>>,
    {
        let started = Instant::now();
        let deadline = started + self.timeout;
        let config = self.client.config();
        let mut backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
        let mut results: BTreeMap<K, Result<T, Error>> = BTreeMap::new();
        let mut open: BTreeSet<K> = items.iter().cloned().collect();
        while !open.is_empty() {
            let asked: Vec<K> = open.iter().cloned().collect();
            let answers = match timeout_at(deadline, attempt(asked.clone())).await {
                Ok(Ok(answers)) => answers,
                Ok(Err(error)) => failed(asked, &error),
                Err(_) => {
                    let what = what.to_owned();
                    let after = deadline - started;
                    let news = asked.into_iter().filter(|key| !results.contains_key(key));
                    failed(news.collect(), &Error::Timeout { what, after })
                }
            };
            for (key, result) in answers {
                if open.contains(&key) {
                    results.insert(key, result);
                }
            }
            open.retain(|key| match results.get(key) {
                Some(Err(error)) => is_worth_another_try(error),
                answer => answer.is_none(),
            });
            let pause = backoff.next_delay();
            if open.is_empty() || Instant::now() + pause >= deadline {
                break;
            }
            tracing::debug!(event = "retry", what, open = open.len());
            sleep(pause).await;
        }
        let result = |key: &K| {
            let silence = || Error::protocol(format!("the broker said nothing about {key:?}"));
            let result = results.remove(key);
            (key.clone(), result.unwrap_or_else(|| Err(silence())))
        };
        items.iter().map(result).collect()
    }
}

/// That a topic is not there is an answer, although it may be created later.
fn is_worth_another_try(error: &Error) -> bool {
    let is_absent = matches!(
        error.code(),
        Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId)
    );
    error.is_retriable() && !is_absent
}

/// The same failure for all of them.
pub(super) fn failed<T, K>(items: Vec<K>, error: &Error) -> PerItem<T, K> {
    let all = items.into_iter();
    all.map(|key| (key, Err(error.clone()))).collect()
}
