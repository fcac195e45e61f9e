//! Carries transactions through: from `begin` to a known outcome.
//!
//! Owns the order of steps and their time limits; what may be done is `state`'s to say. Steps
//! that end a transaction take turns, so that the background and the application never end
//! the same one twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::coordinator::{Coordinator, Offsets};
use super::error::TransactionError;
use super::gate::Gate;
use super::group::ConsumerGroupMetadata;
use super::not_transactional;
use super::state::{End, EndCall, Machine, Unfinished, Version};
use crate::client::Client;
use crate::error::Error;
use crate::producer::{ProduceError, Producer, ProducerConfig};
use crate::topology::TopicPartition;

/// The transactions of one producer.
pub(super) struct Driver {
    producer: Producer,
    gate: Arc<Gate>,
    link: Arc<Link>,
    /// Held by whoever begins or ends a transaction.
    turn: tokio::sync::Mutex<()>,
    delivery_timeout: Duration,
    max_block: Duration,
    runtime: Handle,
    registrar: AbortHandle,
}

/// The way to the coordinators.
struct Link {
    coordinator: Coordinator,
    /// Held while something is being added to the transaction: it must not end before the
    /// answer, or what was asked could begin another one.
    adding: tokio::sync::Mutex<()>,
}

impl Driver {
    pub(super) async fn connect(
        client: &Client,
        config: ProducerConfig,
    ) -> Result<Arc<Self>, TransactionError> {
        let id = config.transactional_id.as_deref();
        let id: Arc<str> = id
            .ok_or_else(|| TransactionError::fatal(not_transactional()))?
            .into();
        config.validate().map_err(TransactionError::fatal)?;
        let runtime = Handle::try_current().map_err(|error| {
            TransactionError::fatal(Error::InvalidState {
                what: format!("a producer needs a tokio runtime: {error}"),
            })
        })?;
        let coordinator = Coordinator::new(client.clone(), id.clone(), config.transaction_timeout);
        let (delivery_timeout, max_block) = (config.delivery_timeout, config.max_block);
        let identity = coordinator.init(None, Instant::now() + max_block).await?;
        tracing::info!(
            event = "transactional_producer_started",
            transactional_id = %id,
            producer_id = identity.id,
            epoch = identity.epoch,
        );
        let gate = Arc::new(Gate::new(id, Machine::new(identity)));
        let producer = Producer::start(client, config, Some(gate.clone()));
        let producer = producer.map_err(TransactionError::fatal)?;
        let link = Arc::new(Link {
            coordinator,
            adding: tokio::sync::Mutex::default(),
        });
        let registering = register(producer.clone(), gate.clone(), link.clone(), max_block);
        let registrar = runtime.spawn(registering).abort_handle();
        Ok(Arc::new(Self {
            producer,
            gate,
            link,
            turn: tokio::sync::Mutex::default(),
            delivery_timeout,
            max_block,
            runtime,
            registrar,
        }))
    }

    pub(super) fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Of the client, and of the transactional producer.
    pub(super) fn names(&self) -> (&str, &str) {
        (
            self.link.coordinator.client_id(),
            self.gate.transactional_id(),
        )
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Fails at once what could only fail later.
    pub(super) fn check_open(&self) -> Result<(), ProduceError> {
        let failure = self.gate.failure();
        failure.map_or(Ok(()), |failure| Err(failure.as_produce_error()))
    }

    pub(super) fn on_record_failed(&self, error: &ProduceError) {
        self.gate.on_record_failed(error);
    }

    pub(super) async fn begin(&self) -> Result<(), TransactionError> {
        let _turn = self.turn.lock().await;
        let deadline = self.deadline();
        self.settle(deadline).await?;
        // Asked anew each time: the cluster may have been upgraded meanwhile.
        let version = self.link.coordinator.version(deadline).await;
        let version = version.inspect_err(|error| self.take_in(error))?;
        if self.gate.begin(version) {
            Ok(())
        } else {
            Err(TransactionError::not_open())
        }
    }

    pub(super) async fn resolve(&self) -> Result<Option<End>, TransactionError> {
        let _turn = self.turn.lock().await;
        self.settle(self.deadline()).await?;
        Ok(self.gate.machine().last_end())
    }

    pub(super) async fn commit(&self) -> Result<(), TransactionError> {
        let _turn = self.turn.lock().await;
        self.flush().await?;
        let _adding = self.link.adding.lock().await;
        match self.gate.update(|machine| machine.end(End::Commit))? {
            Some(call) => self.send_end(call, self.deadline()).await,
            None => Ok(()),
        }
    }

    pub(super) async fn abort(&self) -> Result<(), TransactionError> {
        let _turn = self.turn.lock().await;
        self.settle(self.deadline()).await
    }

    pub(super) async fn close(&self) -> Result<(), TransactionError> {
        let settled = {
            let _turn = self.turn.lock().await;
            self.settle(self.deadline()).await
        };
        self.registrar.abort();
        let closed = self.producer.close().await;
        settled.and(closed.map_err(TransactionError::aborted))
    }

    /// Ends what a dropped transaction left open, without keeping anybody waiting.
    pub(super) fn settle_in_background(self: &Arc<Self>) {
        let (unfinished, serial) = {
            let machine = self.gate.machine();
            (machine.unfinished(), machine.serial())
        };
        if !matches!(unfinished, Ok(Unfinished::Open | Unfinished::Ending(_))) {
            return;
        }
        // From here on nothing of it leaves.
        self.gate.fail(dropped());
        let driver = Arc::clone(self);
        self.runtime.spawn(async move {
            let _turn = driver.turn.lock().await;
            // The application may have been faster and be in the next one.
            if driver.gate.machine().serial() != serial {
                return;
            }
            if let Err(error) = driver.settle(driver.deadline()).await {
                tracing::warn!(event = "transaction_not_settled", %error);
            }
        });
    }

    /// Adds offsets to the open transaction, also if nobody waits for it.
    pub(super) async fn send_offsets(
        self: &Arc<Self>,
        group: &ConsumerGroupMetadata,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), TransactionError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let (driver, group, offsets) = (Arc::clone(self), group.clone(), offsets.to_vec());
        let adding = self.runtime.spawn(async move {
            let _adding = driver.link.adding.lock().await;
            let added = driver.add_offsets(&group, &offsets).await;
            added.inspect_err(|error| driver.take_in(error))
        });
        adding.await.unwrap_or_else(|error| {
            let what = format!("offsets of the transaction: {error}");
            Err(TransactionError::aborted(Error::InvalidState { what }))
        })
    }

    async fn add_offsets(
        &self,
        group: &ConsumerGroupMetadata,
        offsets: &Offsets,
    ) -> Result<(), TransactionError> {
        let deadline = self.deadline();
        let (identity, version) = self.gate.machine().touch()?;
        let coordinator = &self.link.coordinator;
        if version == Version::V1 {
            coordinator.add_offsets(identity, group, deadline).await?;
        }
        coordinator
            .commit_offsets(identity, version, group, offsets, deadline)
            .await
    }

    /// Waits until every record is settled; fails as soon as one has failed.
    async fn flush(&self) -> Result<(), TransactionError> {
        let flushing = self.producer.flush(self.delivery_timeout);
        tokio::pin!(flushing);
        let flushed = loop {
            let progress = self.gate.progress();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if let Some(failure) = self.gate.failure() {
                return Err(failure);
            }
            tokio::select! {
                flushed = &mut flushing => break flushed,
                () = progress => {}
            }
        };
        let flushed = flushed.map_err(TransactionError::aborted);
        flushed.inspect_err(|error| self.take_in(error))
    }

    /// Does what stands in the way of a new transaction.
    async fn settle(&self, deadline: Instant) -> Result<(), TransactionError> {
        loop {
            let unfinished = self.gate.machine().unfinished()?;
            match unfinished {
                Unfinished::Nothing => return Ok(()),
                Unfinished::Ending(call) => self.send_end(call, deadline).await?,
                Unfinished::Bump(identity) => {
                    let bumped = self.link.coordinator.init(Some(identity), deadline).await;
                    let bumped = bumped.inspect_err(|error| self.take_in(error))?;
                    self.gate.update(|machine| machine.bumped(bumped));
                }
                Unfinished::Open => {
                    self.drain().await;
                    let _adding = self.link.adding.lock().await;
                    if let Some(call) = self.gate.update(|machine| machine.end(End::Abort))? {
                        self.send_end(call, deadline).await?;
                    }
                }
            }
        }
    }

    /// Gives up what has not left, and waits for the answers to what has: what arrived after
    /// the abort would be part of the next transaction.
    async fn drain(&self) {
        self.gate.fail(dropped());
        let reason = self.gate.failure().unwrap_or_else(dropped);
        let error = reason.as_produce_error();
        loop {
            let progress = self.gate.progress();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if !self.producer.fail_unsent(&error) {
                return;
            }
            progress.await;
        }
    }

    async fn send_end(&self, call: EndCall, deadline: Instant) -> Result<(), TransactionError> {
        let (answer, error) = self.link.coordinator.end(call, deadline).await;
        self.gate.update(|machine| machine.ended(answer));
        match error {
            None => Ok(()),
            Some(error) if call.end == End::Commit || error.is_fatal() => Err(error),
            // An abort without an answer: nothing will count, but it is to be repeated.
            Some(error) => Err(TransactionError::Aborted {
                reason: error.reason().clone(),
            }),
        }
    }

    /// A failure of a request decides what can become of the transaction.
    fn take_in(&self, error: &TransactionError) {
        take_in(&self.gate, error);
        self.producer.on_gate_progress(&self.gate);
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.max_block
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.registrar.abort();
    }
}

fn take_in(gate: &Gate, error: &TransactionError) {
    if error.is_fatal() {
        gate.break_down(error.clone());
    } else {
        gate.fail(error.clone());
    }
}

fn dropped() -> TransactionError {
    TransactionError::aborted(Error::InvalidState {
        what: "the transaction was aborted".to_owned(),
    })
}

/// Registers partitions with the coordinator, all that wait in one request, and lets their
/// batches go.
async fn register(producer: Producer, gate: Arc<Gate>, link: Arc<Link>, max_block: Duration) {
    loop {
        gate.unregistered().await;
        let _adding = link.adding.lock().await;
        while let Some((identity, partitions)) = gate.update(Machine::wanted_partitions) {
            let deadline = Instant::now() + max_block;
            let coordinator = &link.coordinator;
            let added = coordinator
                .add_partitions(identity, &partitions, deadline)
                .await;
            match added {
                Ok(()) => {
                    gate.update(|machine| machine.registered(&partitions));
                    producer.look_at(&partitions);
                }
                Err(error) => {
                    take_in(&gate, &error);
                    producer.on_gate_progress(&gate);
                }
            }
        }
    }
}
