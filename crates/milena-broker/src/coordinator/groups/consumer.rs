//! Requests to groups of the new protocol (KIP-848).
//!
//! Owns which kind a group is, becomes or refuses to be.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;

use super::{Entry, Groups, Inner, Kind};
use crate::clock;
use crate::coordinator::consumer_group::{Beat, BeatRequest, ConsumerGroup, Refusal, TopicView};

impl Groups {
    /// A heartbeat of a member of the new protocol.
    pub(crate) fn consumer_heartbeat(
        &self,
        group_id: &str,
        request: &BeatRequest,
        view: &dyn TopicView,
    ) -> Result<Beat, Refusal> {
        request.check()?;
        let mut inner = self.lock();
        self.find_consumer(&mut inner, group_id, request)?;
        let Some((id, _)) = inner.groups.get_key_value(group_id) else {
            return Err(not_found(group_id));
        };
        let id = id.clone();
        let Some(Entry {
            kind: Kind::Consumer(group),
            ..
        }) = inner.groups.get_mut(&id)
        else {
            return Err(not_found(group_id));
        };
        let result = group.heartbeat(request, view, clock::now());
        if group.take_changed()
            && let Some(entry) = inner.groups.get(&id)
        {
            // A group that is forgotten by a crash joins anew; that is no reason to fail it now.
            let _ = self.persist(&entry.kind.record(&id));
        }
        self.reschedule(&mut inner, &id);
        result
    }

    /// Whether a member may read offsets. Nothing is known of groups that are not
    /// there or classic, and nothing is checked.
    pub(crate) fn check_fetch(
        &self,
        group_id: &str,
        member_id: Option<&str>,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        match self.lock().groups.get(group_id).map(|entry| &entry.kind) {
            Some(Kind::Consumer(group)) => group.check_fetch(member_id, epoch),
            _ => Ok(()),
        }
    }

    /// A member that joins creates the group, or takes over a classic one that has
    /// no members, with its offsets.
    fn find_consumer(
        &self,
        inner: &mut Inner,
        group_id: &str,
        request: &BeatRequest,
    ) -> Result<(), Refusal> {
        let new = || Kind::Consumer(ConsumerGroup::new(self.settings.consumer.clone()));
        match inner.groups.get_mut(group_id) {
            None if request.is_joining() => self
                .create(inner, group_id, new())
                .map_err(|code| Refusal::new(code, "There are too many groups.")),
            None => Err(not_found(group_id)),
            Some(entry) => match &entry.kind {
                Kind::Consumer(_) => Ok(()),
                Kind::Classic(group) if !group.is_inhabited() && request.is_joining() => {
                    entry.kind = new();
                    tracing::info!(event = "group_upgraded", group = group_id);
                    Ok(())
                }
                Kind::Classic(_) => {
                    let reason = format!("Group {group_id} is not a consumer group.");
                    Err(Refusal::new(ErrorCode::GroupIdNotFound, reason))
                }
            },
        }
    }
}

fn not_found(group_id: &str) -> Refusal {
    let reason = format!("Group {group_id} not found.");
    Refusal::new(ErrorCode::GroupIdNotFound, reason)
}

/// The id of a member that came without one.
pub(crate) fn new_member_id() -> Arc<str> {
    Arc::from(uuid::Uuid::new_v4().to_string())
}
