//! A classic member that subscribes to a pattern.
//!
//! Owns the listing of the cluster's topics from time to time, and which of them
//! fit. The coordinator knows nothing of patterns: it is told the topics.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use regex::Regex;
use tokio::time::Instant;

use super::Driver;
use crate::client::Client;
use crate::error::Error;
use crate::group::action::Subscribed;
use crate::group::member::Member;
use crate::metadata::ask;

/// A topic, and whether it is one of Kafka's own.
type Listed = (Arc<str>, bool);

/// Finds the topics that fit a pattern.
pub(super) struct PatternWatch {
    client: Client,
    regex: Regex,
    excludes_internal: bool,
    list_at: Instant,
    /// The listing under way.
    listing: Option<BoxFuture<'static, Result<Vec<Listed>, Error>>>,
}

impl PatternWatch {
    fn postpone(&mut self, failed: bool) {
        let config = self.client.config();
        let pause = match failed {
            true => config.retry_backoff_max,
            false => config.metadata_max_age,
        };
        self.list_at = Instant::now() + pause;
    }
}

/// Waits until it is time, then lists all topics; for ever without a pattern. Safe
/// to drop and call again.
pub(super) async fn next_listing(watch: &mut Option<PatternWatch>) -> Result<Vec<Listed>, Error> {
    let Some(watch) = watch else {
        return std::future::pending().await;
    };
    if watch.listing.is_none() {
        tokio::time::sleep_until(watch.list_at).await;
    }
    let client = watch.client.clone();
    let new = || -> BoxFuture<'static, _> { Box::pin(async move { list_topics(&client).await }) };
    let listing = watch.listing.get_or_insert_with(new).await;
    watch.listing = None;
    watch.postpone(listing.is_err());
    listing
}

async fn list_topics(client: &Client) -> Result<Vec<Listed>, Error> {
    let connection = client.any_connection().await?;
    let timeout = client.config().request_timeout;
    let response = ask(&connection, None, false, timeout).await?;
    let topics = response.topics.iter();
    let present = topics
        .filter(|topic| topic.error_code == 0)
        .filter_map(|topic| {
            let name = topic.name.as_ref()?;
            Some((Arc::from(name.as_str()), topic.is_internal))
        });
    Ok(present.collect())
}

impl Driver {
    pub(super) fn subscribe(&mut self, subscribed: Subscribed, now: Instant) {
        self.pattern = None;
        let regex = match (&self.member, &subscribed.pattern) {
            (Member::Classic(_), Some(pattern)) => Regex::new(&format!("^(?:{pattern})$")).ok(),
            _ => None,
        };
        let Some(regex) = regex else {
            self.member.subscribe(subscribed, now);
            return;
        };
        self.pattern = Some(PatternWatch {
            client: self.shared.client.clone(),
            regex,
            excludes_internal: self.shared.config.exclude_internal_topics,
            list_at: now,
            listing: None,
        });
    }

    /// Subscribes to the topics that fit now: to new ones, and no longer to those
    /// that are gone.
    pub(super) fn on_listing(&mut self, listing: Result<Vec<Listed>, Error>) {
        let Some(watch) = &self.pattern else {
            return;
        };
        match listing {
            Ok(topics) => {
                let fits = |(topic, is_internal): &Listed| {
                    watch.regex.is_match(topic) && !(*is_internal && watch.excludes_internal)
                };
                let fitting = topics.into_iter().filter(fits);
                let topics: BTreeSet<Arc<str>> = fitting.map(|(topic, _)| topic).collect();
                let subscribed = Subscribed {
                    topics,
                    pattern: None,
                };
                self.member.subscribe(subscribed, Instant::now());
            }
            Err(error) => tracing::warn!(event = "topics_not_listed", %error),
        }
    }
}
