//! What is measured of one connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use crate::metrics::{
    CONNECTIONS, REQUEST_BYTES, REQUEST_DURATION, RESPONSE_BYTES, address_labels,
};
use crate::wire::ApiKey;

/// The metrics of a connection; counts it as open until dropped.
pub(super) struct ConnectionMetrics {
    address: Arc<str>,
    open: Gauge,
    by_api: Mutex<HashMap<ApiKey, Arc<ApiMetrics>>>,
}

/// The metrics of one kind of request.
struct ApiMetrics {
    duration: Histogram,
    request_bytes: Counter,
    response_bytes: Counter,
}

impl ConnectionMetrics {
    pub(super) fn new(address: Arc<str>) -> Self {
        let open = gauge!(CONNECTIONS, address_labels(&address));
        open.increment(1.0);
        Self {
            address,
            open,
            by_api: Mutex::default(),
        }
    }

    /// A request was queued.
    pub(super) fn requested(&self, api: ApiKey, bytes: usize) {
        self.of(api).request_bytes.increment(bytes as u64);
    }

    /// A request was answered.
    pub(super) fn answered(&self, api: ApiKey, bytes: usize, duration: Duration) {
        let metrics = self.of(api);
        metrics.response_bytes.increment(bytes as u64);
        metrics.duration.record(duration);
    }

    fn of(&self, api: ApiKey) -> Arc<ApiMetrics> {
        let mut by_api = self.by_api.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = by_api.entry(api).or_insert_with(|| {
            let mut labels = address_labels(&self.address);
            labels.push(Label::new("kafka.api", format!("{api:?}")));
            Arc::new(ApiMetrics {
                duration: histogram!(REQUEST_DURATION, labels.clone()),
                request_bytes: counter!(REQUEST_BYTES, labels.clone()),
                response_bytes: counter!(RESPONSE_BYTES, labels),
            })
        });
        metrics.clone()
    }
}

impl Drop for ConnectionMetrics {
    fn drop(&mut self) {
        self.open.decrement(1.0);
    }
}
