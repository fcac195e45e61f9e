//! Who may do what: entries that are created, described and deleted while the broker runs, and the
//! decision they lead to. Without `authorizer.class.name` everyone may do everything.

pub(crate) mod acl;
mod decide;
pub(crate) mod gate;
mod rights;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use milena_wire::error_code::ErrorCode;

use crate::config::BrokerConfig;
use crate::error::BrokerError;
use crate::limits::ACLS_MAX;
use crate::log::validate::Refusal;
use crate::server::RequestContext;
use crate::storage::codec::{Reader, Writer};
use crate::storage::{Storage, corrupt};

use acl::{Acl, AclFilter, CLUSTER_NAME, operation, resource};
use decide::{Wish, decide};

/// The file they are kept in.
const DOCUMENT: &str = "acls";
/// Stands for the topics that no entry names.
const UNNAMED_TOPIC: &str = "hardcode";

/// The authorizer of one node.
pub(crate) struct Authorizer {
    storage: Arc<Storage>,
    is_enabled: bool,
    super_users: Vec<String>,
    allow_if_none: bool,
    entries: RwLock<BTreeSet<Acl>>,
}

impl Authorizer {
    /// The entries as the storage remembers them.
    pub(crate) fn open(
        storage: Arc<Storage>,
        config: &BrokerConfig,
    ) -> Result<Authorizer, BrokerError> {
        let entries = match storage.load_document(DOCUMENT)? {
            None => BTreeSet::new(),
            Some(payload) => decode(&payload).ok_or_else(|| {
                corrupt(
                    &storage.path().join(DOCUMENT),
                    "it is no list of access controls",
                )
            })?,
        };
        Ok(Authorizer {
            storage,
            is_enabled: config.has_authorizer,
            super_users: config.super_users.clone(),
            allow_if_none: config.allow_if_no_acl,
            entries: RwLock::new(entries),
        })
    }

    /// Whether anything is ever refused.
    pub(crate) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Refuses a client that may not do with this resource what its request is about: `rights` has
    /// the table.
    pub(crate) fn check(
        &self,
        context: &RequestContext,
        resource: i8,
        name: &str,
    ) -> Result<(), ErrorCode> {
        if !self.is_enabled {
            return Ok(());
        }
        let mut needed = rights::of(context.api_key).filter(|right| right.resource == resource);
        let is_allowed = needed.all(|right| self.allows(context, right.operation, resource, name));
        is_allowed.then_some(()).ok_or(rights::code(resource))
    }

    /// Whether the client may see a resource in a list: what it may not see is left out of it.
    pub(crate) fn may_see(&self, context: &RequestContext, resource: i8, name: &str) -> bool {
        self.is_allowed(context, operation::DESCRIBE, resource, name)
    }

    /// Refuses a client that may create neither any topic nor this one.
    pub(crate) fn check_creation(
        &self,
        context: &RequestContext,
        topic: &str,
    ) -> Result<(), ErrorCode> {
        let create = operation::CREATE;
        let is_allowed = self.is_allowed(context, create, resource::CLUSTER, CLUSTER_NAME)
            || self.allows(context, create, resource::TOPIC, topic);
        is_allowed
            .then_some(())
            .ok_or(ErrorCode::TopicAuthorizationFailed)
    }

    /// Refuses an idempotent producer that may write to no topic at all (KIP-679).
    pub(crate) fn check_idempotence(&self, context: &RequestContext) -> Result<(), ErrorCode> {
        let idempotent = operation::IDEMPOTENT_WRITE;
        if self.is_allowed(context, idempotent, resource::CLUSTER, CLUSTER_NAME)
            || self.may_write_somewhere(context)
        {
            return Ok(());
        }
        Err(ErrorCode::ClusterAuthorizationFailed)
    }

    /// Whether a group is in the list of groups that the client gets.
    pub(crate) fn may_list_group(&self, context: &RequestContext, group: &str) -> bool {
        self.may_see(context, resource::CLUSTER, CLUSTER_NAME)
            || self.may_see(context, resource::GROUP, group)
    }

    fn may_write_somewhere(&self, context: &RequestContext) -> bool {
        let may_write = |topic: &str| {
            let (write, kind) = (operation::WRITE, resource::TOPIC);
            self.is_allowed(context, write, kind, topic)
        };
        let named: BTreeSet<String> = {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            let of_topics = entries
                .iter()
                .filter(|acl| acl.resource_type == resource::TOPIC);
            of_topics.map(|acl| acl.resource_name.clone()).collect()
        };
        may_write(UNNAMED_TOPIC) || named.iter().any(|topic| may_write(topic))
    }

    /// Refuses requests about entries while nothing is made of them.
    pub(crate) fn check_enabled(&self) -> Result<(), Refusal> {
        if self.is_enabled {
            return Ok(());
        }
        let reason = "No Authorizer is configured on the broker";
        Err(Refusal::new(ErrorCode::SecurityDisabled, reason))
    }

    /// Whether the client may do this; says so in the log if not.
    pub(crate) fn allows(
        &self,
        context: &RequestContext,
        operation: i8,
        resource_type: i8,
        resource_name: &str,
    ) -> bool {
        let is_allowed = self.is_allowed(context, operation, resource_type, resource_name);
        if !is_allowed {
            tracing::info!(
                event = "denied",
                principal = %context.principal,
                operation,
                resource_type,
                resource = resource_name,
            );
        }
        is_allowed
    }

    fn is_allowed(
        &self,
        context: &RequestContext,
        operation: i8,
        resource_type: i8,
        resource_name: &str,
    ) -> bool {
        if !self.is_enabled {
            return true;
        }
        let principal = context.principal_name();
        if self.super_users.iter().any(|user| *user == *principal) {
            return true;
        }
        let wish = Wish {
            principal: &principal,
            host: &context.peer.ip().to_canonical().to_string(),
            operation,
            resource_type,
            resource_name,
        };
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        decide(entries.iter(), wish, self.allow_if_none)
    }

    /// Adds an entry; one that is there already stays.
    pub(crate) fn create(&self, acl: Acl) -> Result<(), Refusal> {
        acl.check()?;
        self.change(|entries| {
            if entries.len() >= ACLS_MAX {
                let reason = format!("there are {ACLS_MAX} entries already");
                return Err(Refusal::new(ErrorCode::PolicyViolation, reason));
            }
            entries.insert(acl);
            Ok(())
        })
    }

    /// The entries that a filter matches, sorted.
    pub(crate) fn find(&self, filter: &AclFilter) -> Result<Vec<Acl>, Refusal> {
        filter.check()?;
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().filter(|acl| filter.matches(acl));
        Ok(found.cloned().collect())
    }

    /// Deletes the entries that a filter matches and gives them back.
    pub(crate) fn delete(&self, filter: &AclFilter) -> Result<Vec<Acl>, Refusal> {
        filter.check()?;
        self.change(|entries| {
            let (gone, kept): (Vec<Acl>, Vec<Acl>) =
                entries.iter().cloned().partition(|acl| filter.matches(acl));
            *entries = kept.into_iter().collect();
            Ok(gone)
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeSet<Acl>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = entries.clone();
        let outcome = change(&mut changed)?;
        if *entries != changed {
            let saved = self.storage.save_document(DOCUMENT, &encode(&changed));
            saved.map_err(|error| {
                tracing::error!(event = "acls_not_saved", error = %error);
                let code = ErrorCode::KafkaStorageError;
                Refusal::new(code, code.message())
            })?;
            *entries = changed;
        }
        Ok(outcome)
    }
}

fn encode(entries: &BTreeSet<Acl>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.put_count(entries.len());
    for acl in entries {
        writer.put_u8(acl.resource_type.to_be_bytes()[0]);
        writer.put_u8(acl.pattern_type.to_be_bytes()[0]);
        writer.put_u8(acl.operation.to_be_bytes()[0]);
        writer.put_u8(acl.permission.to_be_bytes()[0]);
        writer.put_text(&acl.resource_name);
        writer.put_text(&acl.principal);
        writer.put_text(&acl.host);
    }
    writer.into_bytes()
}

fn decode(payload: &[u8]) -> Option<BTreeSet<Acl>> {
    let mut reader = Reader::new(payload);
    let mut entries = BTreeSet::new();
    for _ in 0..reader.take_count()? {
        let mut number = || Some(i8::from_be_bytes([reader.take_u8()?]));
        let (resource_type, pattern_type) = (number()?, number()?);
        let (operation, permission) = (number()?, number()?);
        entries.insert(Acl {
            resource_type,
            pattern_type,
            operation,
            permission,
            resource_name: reader.take_text()?.to_string(),
            principal: reader.take_text()?.to_string(),
            host: reader.take_text()?.to_string(),
        });
    }
    reader.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests;
