//! At most one connection per address, dialled when first needed and again, with growing pauses, when
//! it was lost. Knows addresses, not nodes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::dial::{Dialler, dial};
use super::reconnect::Reconnect;
use crate::config::{BrokerAddress, ClientConfig};
use crate::error::Error;
use crate::metrics::{CONNECTION_FAILURES, address_labels};

/// The connections of one lane.
pub(crate) struct Pool {
    dialler: Arc<Dialler>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    slots: HashMap<Arc<BrokerAddress>, Arc<Slot>>,
}

/// One address.
struct Slot {
    address: Arc<BrokerAddress>,
    /// Held by the one caller that dials.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<SlotState>,
}

struct SlotState {
    connection: Option<Connection>,
    reconnect: Reconnect,
    /// How many attempts have failed, and how the last one did.
    failures: u64,
    last_error: Option<Error>,
}

impl Pool {
    /// No connections yet.
    pub(crate) fn new(dialler: Arc<Dialler>) -> Self {
        Self {
            dialler,
            state: Mutex::default(),
        }
    }

    /// The open connection to `address`, or a new one. Waits out the pause after a failure; of several
    /// callers one dials, and all share the outcome.
    pub(crate) async fn connection(
        &self,
        address: &Arc<BrokerAddress>,
    ) -> Result<Connection, Error> {
        let slot = self.slot(address)?;
        let failures_seen = {
            let mut state = slot.lock();
            if let Some(connection) = state.open_connection() {
                return Ok(connection);
            }
            state.failures
        };
        let _turn = slot.turn.lock().await;
        let not_before = {
            let mut state = slot.lock();
            if let Some(connection) = state.open_connection() {
                return Ok(connection);
            }
            match &state.last_error {
                Some(error) if state.failures != failures_seen => return Err(error.clone()),
                _ => state.reconnect.not_before(),
            }
        };
        if let Some(not_before) = not_before {
            sleep_until(not_before).await;
        }
        let result = dial(&slot.address, &self.dialler).await;
        self.settle(&slot, result)
    }

    /// The open connection with the fewest requests on it.
    pub(crate) fn least_loaded(&self) -> Option<Connection> {
        let slots: Vec<Arc<Slot>> = self.lock().slots.values().cloned().collect();
        let open = slots
            .iter()
            .filter_map(|slot| slot.lock().open_connection());
        open.min_by_key(Connection::load)
    }

    /// When `address` may be dialled; `None` means at once.
    pub(crate) fn not_before(&self, address: &Arc<BrokerAddress>) -> Option<Instant> {
        let slot = self.lock().slots.get(address).cloned()?;
        let mut state = slot.lock();
        // Notices the loss of a connection, which may start a pause.
        let _ = state.open_connection();
        state.reconnect.not_before()
    }

    /// Closes all connections; there will be no new ones.
    pub(crate) fn close(&self) {
        let slots = {
            let mut state = self.lock();
            state.is_closed = true;
            std::mem::take(&mut state.slots)
        };
        for slot in slots.values() {
            if let Some(connection) = slot.lock().connection.take() {
                connection.close(Error::Closed);
            }
        }
    }

    /// Notes how an attempt ended.
    fn settle(&self, slot: &Slot, result: Result<Connection, Error>) -> Result<Connection, Error> {
        let pool_state = self.lock();
        let mut state = slot.lock();
        match result {
            Ok(connection) if pool_state.is_closed => {
                connection.close(Error::Closed);
                Err(Error::Closed)
            }
            Ok(connection) => {
                state.reconnect.connected(Instant::now());
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                counter!(
                    CONNECTION_FAILURES,
                    address_labels(&slot.address.to_string())
                )
                .increment(1);
                tracing::debug!(event = "connect_failed", address = %slot.address, error = %error);
                state.reconnect.failed(Instant::now());
                state.failures += 1;
                state.last_error = Some(error.clone());
                Err(error)
            }
        }
    }

    fn slot(&self, address: &Arc<BrokerAddress>) -> Result<Arc<Slot>, Error> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        if let Some(slot) = state.slots.get(address) {
            return Ok(Arc::clone(slot));
        }
        // Addresses come and go with the cluster. Only what has a connection or was tried of late is
        // worth remembering.
        let now = Instant::now();
        let old = now
            .checked_sub(self.dialler.config.reconnect_backoff_max)
            .unwrap_or(now);
        state
            .slots
            .retain(|_, slot| Arc::strong_count(slot) > 1 || slot.lock().is_of_use(old));
        let slot = Arc::new(Slot::new(Arc::clone(address), &self.dialler.config));
        state.slots.insert(Arc::clone(address), Arc::clone(&slot));
        Ok(slot)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let addresses: Vec<String> = state.slots.keys().map(ToString::to_string).collect();
        formatter
            .debug_struct("Pool")
            .field("addresses", &addresses)
            .finish_non_exhaustive()
    }
}

impl Slot {
    fn new(address: Arc<BrokerAddress>, config: &ClientConfig) -> Self {
        let state = SlotState {
            connection: None,
            reconnect: Reconnect::new(config.reconnect_backoff, config.reconnect_backoff_max),
            failures: 0,
            last_error: None,
        };
        Self {
            address,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotState {
    /// Whether there is a connection, or a pause that ended after `old`.
    fn is_of_use(&mut self, old: Instant) -> bool {
        self.open_connection().is_some()
            || self
                .reconnect
                .not_before()
                .is_some_and(|not_before| not_before > old)
    }

    /// The connection, if it is open. One that was lost is forgotten.
    fn open_connection(&mut self) -> Option<Connection> {
        let connection = self.connection.as_ref()?;
        let Some(closed_at) = connection.closed_at() else {
            return Some(connection.clone());
        };
        self.reconnect.lost(closed_at);
        self.connection = None;
        None
    }
}

#[cfg(test)]
mod tests;
