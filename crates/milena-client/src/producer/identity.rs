//! The producer id, from the cluster (InitProducerId, KIP-98).

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::ErrorCode;
use milena_wire::rpc::messages::InitProducerIdRequest;

use super::sequence::ProducerIdentity;
use crate::Error;
use crate::backoff::Backoff;
use crate::client::Client;

/// The producer's id, once it has one.
#[derive(Debug, Default)]
pub(super) struct Identity {
    current: Mutex<Option<ProducerIdentity>>,
    /// Held while asking, so that the cluster is asked once.
    asking: tokio::sync::Mutex<()>,
}

impl Identity {
    /// The id that new partitions start with.
    pub(super) fn current(&self) -> Option<ProducerIdentity> {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets an id unless there is one.
    pub(super) async fn ensure(&self, client: &Client, deadline: Instant) -> Result<(), Error> {
        let _asking = self.asking.lock().await;
        if self.current().is_none() {
            self.set(init_producer_id(client, deadline).await?);
        }
        Ok(())
    }

    /// Gets another id, for a partition that used up the epochs of its own.
    pub(super) async fn renew(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<ProducerIdentity, Error> {
        let _asking = self.asking.lock().await;
        let identity = init_producer_id(client, deadline).await?;
        self.set(identity);
        Ok(identity)
    }

    fn set(&self, identity: ProducerIdentity) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }
}

/// Asks any broker for a producer id, again on failures that pass.
async fn init_producer_id(client: &Client, deadline: Instant) -> Result<ProducerIdentity, Error> {
    let config = client.config();
    let mut backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
    loop {
        let error = match ask_once(client).await {
            Ok(identity) => return Ok(identity),
            Err(error) => error,
        };
        let pause = backoff.next_delay();
        if !error.is_retriable() || Instant::now() + pause >= deadline {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
    }
}

async fn ask_once(client: &Client) -> Result<ProducerIdentity, Error> {
    let connection = client.any_connection().await?;
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(i32::MAX);
    let response = connection
        .call(&request, client.config().request_timeout)
        .await?;
    match ErrorCode::from(response.error_code) {
        ErrorCode::None => Ok(ProducerIdentity {
            id: response.producer_id.0,
            epoch: response.producer_epoch,
        }),
        code => Err(Error::broker(code, "InitProducerId")),
    }
}
