//! Kafka messaging in the manner of axum: handlers are async functions with extractors,
//! middleware is tower.
//!
//! ```no_run
//! use milena::{App, Config, HandlerError, Json, handler};
//!
//! #[derive(serde::Deserialize)]
//! struct Order { id: u32 }
//!
//! async fn on_order(Json(order): Json<Order>) -> Result<(), HandlerError> {
//!     println!("order {}", order.id);
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     milena::telemetry::init("info")?;
//!     App::new(Config::from_env()?).topic("orders", handler(on_order)).run().await?;
//!     Ok(())
//! }
//! ```
//!
//! An offset is committed only when everything before it is done: handled, or in the dead
//! letter topic and acknowledged.
//!
//! | To | there is |
//! |---|---|
//! | handle records as a member of a group | [`App`] with a [`handler`](fn@handler) or a [`batch_handler`](fn@batch_handler) for each topic |
//! | say what a handler takes and returns | [`extract`] and [`HandlerError`] |
//! | say how often and when what failed is tried again | [`Retry`] |
//! | keep what cannot be handled, look at it, send it back | [`dead_letter`] |
//! | run jobs by the clock | [`App::every`], [`App::cron`] |
//! | send messages, each acknowledged | [`Publisher`] and [`Outgoing`] |
//! | follow each message to its end: retries, dead letters, a spool on disk | [`Publisher::reliable`], a [`ReliablePublisher`] |
//! | consume in a loop of one's own | [`Consumer`], [`Producer`] |
//! | set anything | [`Config`]: builder, environment, file, URL |
//! | see what it does | [`telemetry`], [`metrics`] |
//! | test without a cluster | `testing`: a broker in the test's process, a clock that is moved by hand |
//! | administer topics under their own names | [`TopicAdmin`] |
//! | administer groups, transactions, whole clusters | [`client`], the client below |
//!
//! # Features
//!
//! None is on by default.
//!
//! | Feature | Brings |
//! |---|---|
//! | `testing` | the module `testing`, with the embedded broker; for `dev-dependencies` |
//! | `http` | health over HTTP: `/live`, `/ready` and `/started` at the setting `health.address` |
//! | `prometheus` | an exporter of all metrics: `metrics::install_prometheus` and `metrics::render`; with `http` besides, `/metrics` at `health.address` once it is installed |
//! | `opentelemetry` | spans of `tracing-opentelemetry` join the traces that messages carry |
//! | `oidc` | tokens from an OpenID Connect provider |
//!
//! The crate knows neither brokers nor terminals; what is on the wire is the client's.

mod app;
mod batch_handler;
mod commit;
mod config;
mod connect;
pub mod dead_letter;
mod direct;
pub mod extract;
mod failure;
#[cfg(doctest)]
mod guide;
mod handler;
mod health;
mod message;
pub mod metrics;
mod publisher;
mod rate;
mod retry;
mod schedule;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod validate;
mod wall_clock;

pub use app::{
    App, AppError, AppHandle, AppState, BatchTopicHandler, Concurrency, Lifecycle, Members,
    MessageEnd, Processes, Progress, RunningApp, TopicHandler, TopicSetup, batch_handler, handler,
    shutdown_signal,
};
pub use batch_handler::{
    BatchFailures, BatchHandler, BatchOutcome, BatchResult, BatchService, IntoBatchResult,
};
pub use bytes::Bytes;
pub use config::{
    Compression, Config, ConfigBuilder, ConfigError, Entry, IntoServers, OffsetReset, PortRegistry,
    Profile, Secret, Source, Token, TokenError, TokenFuture, TokenProvider,
};
pub use connect::ConnectionFailed;
pub use direct::{
    Consumer, DeadLetterHandler, DirectError, FailureDetails, MessageParser, ParseError,
    ParseErrorKind, ParsedMessage, PartitionEnd, Producer, TopicAdmin, with_consumer,
    with_producer,
};
pub use extract::{Batch, FromBatch, FromMessage, FromRef, Json, Key, Meta, Outbox, State, Valid};
pub use failure::{BoxError, ErrorClass, FailureStage, HandlerError, IntoHandlerError};
pub use handler::{Handler, HandlerFuture, HandlerResult, HandlerService, IntoHandlerResult};
pub use health::{HealthProblem, HealthReport};
pub use message::{Headers, HeadersRef, IdSource, MESSAGE_ID_HEADER, Message, TimestampType};
/// The bare client, for what the framework has no words for: administration, transactions, groups.
pub use milena_client as client;
pub use milena_client::TopicPartition;
pub use milena_client::producer::{Delivery, RecordMetadata};
pub use publisher::{
    Breaker, BreakerState, Delivered, DeliveryContext, DeliveryCounts, DeliveryObserver,
    DeliveryStatus, MessageId, MetricData, Outgoing, PublishError, Publisher, PublisherHealth,
    ReliableBuilder, ReliablePublisher, Spool, SpoolError, SpoolHealth, SpoolSync, ToBytes,
};
pub use rate::RateLimit;
pub use retry::Retry;
pub use schedule::{
    FromTick, IntoJob, Job, JobError, JobFunction, JobStatus, Jobs, MissedTicks, Tick, TickCause,
    job,
};
pub use validate::{Problems, Validate};
