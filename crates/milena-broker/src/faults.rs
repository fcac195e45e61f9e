//! Faults that tests order: the n-th request of a kind fails, waits, or is lost.
//!
//! Owns the list of ordered faults and the counting of requests. Knows no
//! handler; [`crate::server`] asks before it handles a request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::ApiKey;

/// What happens to a request that a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request has no effect and is answered with this code, wherever its
    /// response has room for one (each partition of a produce, for example).
    Fail(ErrorCode),
    /// The request takes effect at once; its response is held back this long.
    Delay(Duration),
    /// The request takes effect; its response is never sent.
    DropResponse,
    /// The request has no effect and the connection is closed.
    Disconnect,
    /// The request takes effect and the connection is closed without a response.
    DisconnectAfter,
}

/// Orders faults on a running broker. Cheap to clone; all clones share one list.
///
/// ```
/// # use milena_broker::{Broker, Fault, ApiKey, ErrorCode};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), milena_broker::BrokerError> {
/// let broker = Broker::builder().start().await?;
/// // The next produce request fails, the one after it is served.
/// broker.faults().next(ApiKey::Produce, Fault::Fail(ErrorCode::NotLeaderOrFollower));
/// # broker.stop().await;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    ordered: Vec<Ordered>,
    seen: Vec<(i16, u64)>,
}

#[derive(Debug)]
struct Ordered {
    api_key: i16,
    /// Matching requests that still pass before the fault strikes.
    skip: u64,
    /// Requests that it strikes.
    times: u64,
    fault: Fault,
}

impl Faults {
    /// Strikes the next request of the api.
    pub fn next(&self, api: ApiKey, fault: Fault) {
        self.nth(api, 1, fault);
    }

    /// Strikes the n-th request of the api from now on; 1 is the next one.
    pub fn nth(&self, api: ApiKey, n: u64, fault: Fault) {
        self.order(api, n.saturating_sub(1), 1, fault);
    }

    /// Strikes each of the next `times` requests of the api.
    pub fn times(&self, api: ApiKey, times: u64, fault: Fault) {
        self.order(api, 0, times, fault);
    }

    /// Strikes every request of the api until [`Faults::clear`].
    pub fn always(&self, api: ApiKey, fault: Fault) {
        self.order(api, 0, u64::MAX, fault);
    }

    /// Withdraws every fault that has not struck yet.
    pub fn clear(&self) {
        self.lock().ordered.clear();
    }

    /// How many requests of the api the broker has received.
    #[must_use]
    pub fn requests_seen(&self, api: ApiKey) -> u64 {
        let state = self.lock();
        let row = state.seen.iter().find(|(key, _)| *key == api as i16);
        row.map_or(0, |(_, count)| *count)
    }

    fn order(&self, api: ApiKey, skip: u64, times: u64, fault: Fault) {
        let ordered = Ordered {
            api_key: api as i16,
            skip,
            times,
            fault,
        };
        self.lock().ordered.push(ordered);
    }

    /// Counts a request and says which fault strikes it: the first ordered that is due.
    pub(crate) fn strike(&self, api_key: i16) -> Option<Fault> {
        let mut state = self.lock();
        state.count(api_key);
        let mut struck = None;
        for ordered in &mut state.ordered {
            if ordered.api_key != api_key {
                continue;
            }
            if ordered.skip > 0 {
                ordered.skip -= 1;
            } else if struck.is_none() {
                ordered.times -= 1;
                struck = Some(ordered.fault);
            }
        }
        if struck.is_some() {
            state.ordered.retain(|ordered| ordered.times > 0);
        }
        struck
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A poisoned list is still a list: nothing in here can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts served kinds only; a client cannot make the list grow.
    fn count(&mut self, api_key: i16) {
        if let Some((_, count)) = self.seen.iter_mut().find(|(key, _)| *key == api_key) {
            *count += 1;
        } else if ApiKey::try_from(api_key).is_ok() {
            self.seen.push((api_key, 1));
        }
    }
}

#[cfg(test)]
mod tests;
