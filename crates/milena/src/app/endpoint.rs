//! What the health endpoints of an application are told, from before it is connected until
//! its process ends.

use std::sync::OnceLock;

use super::running::WeakHandle;
use crate::health::{HealthProblem, HealthReport, HealthSource};

/// An application that may not have come to be yet, or be gone already.
#[derive(Default)]
pub(super) struct Endpoint {
    app: OnceLock<WeakHandle>,
}

impl Endpoint {
    /// The application is connected.
    pub(super) fn set_app(&self, app: WeakHandle) {
        // There is one application for each endpoint.
        let _ = self.app.set(app);
    }
}

impl HealthSource for Endpoint {
    fn health(&self) -> HealthReport {
        let Some(app) = self.app.get() else {
            return HealthReport::of(HealthProblem::Starting);
        };
        match app.upgrade() {
            Some(app) => app.health(),
            None => HealthReport::of(HealthProblem::Ended { failure: None }),
        }
    }
}
