//! The notifications in a database. Every call is one transaction.
//!
//! Owns the tables and the statements, which SQLite and PostgreSQL both understand. Times are
//! milliseconds since the Unix epoch and come from outside.

use std::str::FromStr;
use std::time::Duration;

use milena::ErrorClass;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::migrate::{MigrateError, Migration, MigrationSource, MigrationType, Migrator};
use sqlx::{AnyPool, ConnectOptions as _, Row as _};

use crate::message::Notification;

/// Connections of one process: handlers and deliveries wait for each other beyond that.
const CONNECTIONS_MAX: u32 = 8;
/// SQLite has one writer at a time: a second connection would only wait for the lock.
const CONNECTIONS_MAX_SQLITE: u32 = 1;
/// How long a statement waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Characters of an error that are kept with a notification.
const ERROR_CHARACTERS_MAX: usize = 500;
/// What makes the tables, step by step: version, name and statements.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (
        1,
        "notifications",
        include_str!("../migrations/0001_notifications.sql"),
    ),
    (2, "sent", include_str!("../migrations/0002_sent.sql")),
];
/// Rows that one statement deletes, so that others wait for it but shortly.
const DELETED_AT_ONCE: i64 = 1_000;

/// The notifications. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
}

/// A notification that waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsent {
    /// The row.
    pub id: i64,
    /// Makes it the same when it is delivered twice; see [`identity`](crate::identity).
    pub identity: String,
    /// Whom it is for.
    pub user_id: String,
    /// What happened.
    pub event: String,
    /// What to tell them.
    pub content: String,
    /// How often it was tried before.
    pub attempts: i64,
}

/// How many notifications there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// All.
    pub all: i64,
    /// Those that were sent.
    pub sent: i64,
}

/// What waits to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// How many notifications.
    pub waiting: i64,
    /// How many of them were tried before.
    pub tried: i64,
    /// When the oldest was kept.
    pub oldest_created_at: i64,
}

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such database can be meant.
    #[error("the database URL must begin with sqlite:// or postgres://")]
    Url,
    /// The database refused, or is not there.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables could not be made, or are not those of this version.
    #[error("the database's tables: {0}")]
    Migration(#[from] MigrateError),
}

impl StoreError {
    /// Whether trying again can help. It cannot where the database will never take what was to be
    /// kept: PostgreSQL refuses texts with a zero in them, and identities that its index has no room
    /// for.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        let StoreError::Database(sqlx::Error::Database(error)) = self else {
            return ErrorClass::Retriable;
        };
        let code = error.code().unwrap_or_default();
        // SQLSTATE has five characters: data exceptions, and limits of the program. Codes of SQLite
        // are shorter; it takes whatever comes.
        if code.len() == 5 && (code.starts_with("22") || code.starts_with("54")) {
            ErrorClass::NonRetriable
        } else {
            ErrorClass::Retriable
        }
    }
}

impl Store {
    /// Connects, and makes or updates the tables.
    ///
    /// # Errors
    /// When the URL cannot be used, the database is not there, or its tables are of a later version.
    pub async fn connect(url: &str) -> Result<Store, StoreError> {
        let backend = Backend::of(url).ok_or(StoreError::Url)?;
        sqlx::any::install_default_drivers();
        let options = AnyConnectOptions::from_str(&backend.url(url))?.disable_statement_logging();
        let pool = AnyPoolOptions::new()
            .max_connections(backend.connections_max())
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for statement in backend.pragmas() {
                        sqlx::query(statement).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(options)
            .await?;
        Migrator::new(backend).await?.run(&pool).await?;
        Ok(Store { pool })
    }

    /// Keeps a notification; `false` when it is there already.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert(
        &self,
        identity: &str,
        notification: &Notification,
        now: i64,
    ) -> Result<bool, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO notifications (identity, user_id, event, content, created_at, next_attempt_at) \
             VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (identity) DO NOTHING",
        )
        .bind(identity)
        .bind(&notification.user_id)
        .bind(&notification.event)
        .bind(&notification.content)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(inserted.rows_affected() > 0)
    }

    /// The oldest notifications whose time to be tried has come.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn due(&self, now: i64, count: i64) -> Result<Vec<Unsent>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, identity, user_id, event, content, attempts FROM notifications \
             WHERE sent_at IS NULL AND next_attempt_at <= $1 ORDER BY created_at, id LIMIT $2",
        )
        .bind(now)
        .bind(count)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(unsent).collect::<Result<_, _>>()?)
    }

    /// Takes a due notification for oneself until `next_attempt_at`; `false` when another process
    /// was quicker.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&self, id: i64, now: i64, next_attempt_at: i64) -> Result<bool, StoreError> {
        let claimed = sqlx::query(
            "UPDATE notifications SET attempts = attempts + 1, next_attempt_at = $3 \
             WHERE id = $1 AND sent_at IS NULL AND next_attempt_at <= $2",
        )
        .bind(id)
        .bind(now)
        .bind(next_attempt_at)
        .execute(&self.pool)
        .await?;
        Ok(claimed.rows_affected() > 0)
    }

    /// Notes that it was delivered.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mark_sent(&self, id: i64, now: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE notifications SET sent_at = $2, last_error = NULL WHERE id = $1")
            .bind(id)
            .bind(now)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes why it was not delivered.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mark_failed(&self, id: i64, error: &str) -> Result<(), StoreError> {
        // PostgreSQL takes no text with a zero in it.
        let characters = error.chars().filter(|character| *character != '\0');
        let error: String = characters.take(ERROR_CHARACTERS_MAX).collect();
        sqlx::query("UPDATE notifications SET last_error = $2 WHERE id = $1")
            .bind(id)
            .bind(error)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// How many there are.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let row = sqlx::query("SELECT COUNT(*), COUNT(sent_at) FROM notifications")
            .fetch_one(&self.pool)
            .await?;
        Ok(Counts {
            all: row.try_get(0)?,
            sent: row.try_get(1)?,
        })
    }

    /// What waits to be delivered; `None` when nothing does.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn backlog(&self) -> Result<Option<Backlog>, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*), COUNT(CASE WHEN attempts > 0 THEN 1 END), \
             COALESCE(MIN(created_at), 0) FROM notifications WHERE sent_at IS NULL",
        )
        .fetch_one(&self.pool)
        .await?;
        let backlog = Backlog {
            waiting: row.try_get(0)?,
            tried: row.try_get(1)?,
            oldest_created_at: row.try_get(2)?,
        };
        Ok((backlog.waiting > 0).then_some(backlog))
    }

    /// Forgets those that were sent before `time`; how many there were.
    ///
    /// # Errors
    /// When the database refuses; what was forgotten stays so.
    pub async fn forget_sent_before(&self, time: i64) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let deleted = sqlx::query(
                "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications \
                 WHERE sent_at IS NOT NULL AND sent_at < $1 ORDER BY sent_at LIMIT $2)",
            )
            .bind(time)
            .bind(DELETED_AT_ONCE)
            .execute(&self.pool)
            .await?;
            forgotten += deleted.rows_affected();
            if deleted.rows_affected() < DELETED_AT_ONCE.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }

    /// Lets go of the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn unsent(row: &AnyRow) -> Result<Unsent, sqlx::Error> {
    Ok(Unsent {
        id: row.try_get(0)?,
        identity: row.try_get(1)?,
        user_id: row.try_get(2)?,
        event: row.try_get(3)?,
        content: row.try_get(4)?,
        attempts: row.try_get(5)?,
    })
}

#[derive(Debug, Clone, Copy)]
enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    fn of(url: &str) -> Option<Backend> {
        match url.split_once(':')?.0 {
            "sqlite" => Some(Backend::Sqlite),
            "postgres" | "postgresql" => Some(Backend::Postgres),
            _ => None,
        }
    }

    /// SQLite's file is made when it is not there.
    fn url(self, url: &str) -> String {
        match self {
            Backend::Sqlite if !url.contains("mode=") => {
                let mark = if url.contains('?') { '&' } else { '?' };
                format!("{url}{mark}mode=rwc")
            }
            _ => url.to_owned(),
        }
    }

    fn connections_max(self) -> u32 {
        match self {
            Backend::Sqlite => CONNECTIONS_MAX_SQLITE,
            Backend::Postgres => CONNECTIONS_MAX,
        }
    }

    /// A row must be on disk before its message's offset is committed, also when the power fails.
    fn pragmas(self) -> &'static [&'static str] {
        match self {
            Backend::Sqlite => &["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"],
            Backend::Postgres => &[],
        }
    }

    /// A number that grows with each row; the one thing that the two say differently.
    fn growing_id(self) -> &'static str {
        match self {
            Backend::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
            Backend::Postgres => "BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY",
        }
    }
}

impl<'s> MigrationSource<'s> for Backend {
    fn resolve(
        self,
    ) -> std::pin::Pin<
        Box<
            dyn std::future::Future<
                    Output = Result<Vec<Migration>, Box<dyn std::error::Error + Send + Sync>>,
                > + Send
                + 's,
        >,
    > {
        let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
            let sql = sql.replace("{growing id}", self.growing_id());
            let kind = MigrationType::Simple;
            Migration::new(*version, (*name).into(), kind, sql.into(), false)
        });
        let migrations = migrations.collect();
        Box::pin(std::future::ready(Ok(migrations)))
    }
}
