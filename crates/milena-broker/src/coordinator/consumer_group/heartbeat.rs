//! The heartbeat: joining, subscribing, acknowledging, leaving, all in one request.
//!
//! Owns the rules about epochs and instance ids.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use tokio::time::Instant;

use super::{ConsumerGroup, Member, MemberState, PartitionSet, Pattern, ServerAssignor, TopicView};

/// The epoch of a member that joins.
const JOIN: i32 = 0;
/// The epoch of a static member that leaves and will be back; -1 is for good.
const LEAVE_FOR_NOW: i32 = -2;

/// A decoded ConsumerGroupHeartbeat; `None` stands for "as before".
#[derive(Debug, Clone, Default)]
pub(crate) struct BeatRequest {
    /// Empty for a member that wants to be given one.
    pub(crate) member_id: Arc<str>,
    pub(crate) epoch: i32,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) rack_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout: Option<Duration>,
    pub(crate) names: Option<BTreeSet<Arc<str>>>,
    /// Empty takes the expression back.
    pub(crate) pattern: Option<Arc<str>>,
    pub(crate) assignor: Option<Arc<str>>,
    pub(crate) owned: Option<PartitionSet>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) member_id: Arc<str>,
    pub(crate) epoch: i32,
    pub(crate) interval: Duration,
    /// Only when the member has to be told.
    pub(crate) assigned: Option<PartitionSet>,
}

/// Why a heartbeat was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, reason: impl Into<String>) -> Self {
        Refusal {
            code,
            reason: reason.into(),
        }
    }
}

impl BeatRequest {
    /// What can be said without knowing the group.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let invalid = |reason| Err(Refusal::new(ErrorCode::InvalidRequest, reason));
        match self.epoch {
            JOIN if self.rebalance_timeout.is_none() => {
                invalid("RebalanceTimeoutMs must be provided in the first request.")
            }
            JOIN if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
                invalid("TopicPartitions must be empty when (re-)joining.")
            }
            JOIN if self.names.is_none() && self.pattern.is_none() => {
                invalid("SubscribedTopicNames or SubscribedTopicRegex must be set when joining.")
            }
            LEAVE_FOR_NOW if self.instance_id.is_none() => invalid("InstanceId can't be null."),
            epoch if epoch < LEAVE_FOR_NOW => invalid("MemberEpoch is invalid."),
            epoch if epoch != JOIN && self.member_id.is_empty() => {
                invalid("MemberId can't be empty.")
            }
            _ if self.instance_id.as_deref() == Some("") => invalid("InstanceId can't be empty."),
            _ => Ok(()),
        }
    }

    pub(crate) fn is_joining(&self) -> bool {
        self.epoch == JOIN
    }

    /// Whether the member says all there is to say: it wants to be told as well.
    fn is_full(&self) -> bool {
        let subscribes = self.names.is_some() || self.pattern.is_some();
        let is_complete = self.rebalance_timeout.is_some() && subscribes && self.owned.is_some();
        self.is_joining() || is_complete
    }
}

impl ConsumerGroup {
    /// Takes a sign of life and what comes with it.
    pub(crate) fn heartbeat(
        &mut self,
        request: &BeatRequest,
        view: &dyn TopicView,
        now: Instant,
    ) -> Result<Beat, Refusal> {
        self.tick(now);
        if request.epoch < 0 {
            return self.leave(request, now);
        }
        let assignor = self.check_assignor(request)?;
        let pattern = check_pattern(request)?;
        let id = self.admit(request, now)?;
        let former = self.members.get(&id).map(|member| member.assigned.clone());
        self.update(&id, request, assignor, pattern, now);
        if self.topics_version != Some(view.version()) || self.epoch != self.target_epoch {
            self.refresh_topics(view);
        }
        self.assign();
        self.reconcile(&id, request.owned.as_ref(), now);
        let Some(member) = self.members.get(&id) else {
            return Err(unknown(&id));
        };
        let is_news = request.is_full() || former.as_ref() != Some(&member.assigned);
        Ok(Beat {
            member_id: id,
            epoch: member.epoch,
            interval: self.settings.heartbeat_interval,
            assigned: is_news.then(|| member.assigned.clone()),
        })
    }

    fn check_assignor(&self, request: &BeatRequest) -> Result<Option<ServerAssignor>, Refusal> {
        let Some(name) = request.assignor.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let served = ServerAssignor::from_name(name);
        let served = served.filter(|assignor| self.settings.assignors.contains(assignor));
        served.map(Some).ok_or_else(|| {
            let known: Vec<&str> = self
                .settings
                .assignors
                .iter()
                .map(|one| one.name())
                .collect();
            let reason = format!(
                "ServerAssignor {name} is not supported. Supported assignors: {}.",
                known.join(", ")
            );
            Refusal::new(ErrorCode::UnsupportedAssignor, reason)
        })
    }

    /// Finds or creates the member that sends; its id.
    fn admit(&mut self, request: &BeatRequest, now: Instant) -> Result<Arc<str>, Refusal> {
        let id = &request.member_id;
        let holder = request
            .instance_id
            .as_ref()
            .map(|instance_id| (instance_id, self.instances.get(instance_id).cloned()));
        match (holder, request.is_joining()) {
            (Some((_, Some(holder))), true) if holder != *id => {
                self.replace_static(&holder, request, now)?;
            }
            (Some((instance_id, holder)), false) => {
                check_instance(id, instance_id, holder.as_ref())?;
            }
            _ => {}
        }
        if let Some(member) = self.members.get_mut(id) {
            if request.is_joining() {
                // It has nothing: it never got an answer, or has given everything up.
                member.epoch = JOIN;
                member.previous_epoch = JOIN;
                member.state = MemberState::Stable;
                return Ok(id.clone());
            }
            return check_epoch(member, request).map(|()| id.clone());
        }
        if !request.is_joining() {
            return Err(unknown(id));
        }
        if self.members.len() >= self.settings.members_max {
            let reason = format!(
                "The consumer group has reached its maximum capacity of {} members.",
                self.settings.members_max
            );
            return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, reason));
        }
        self.members
            .insert(id.clone(), Member::new(id.clone(), now));
        self.raise_epoch();
        Ok(id.clone())
    }

    /// A static member comes back under another member id and takes over what the
    /// former one had, if that one said that it would be back.
    fn replace_static(
        &mut self,
        former_id: &Arc<str>,
        request: &BeatRequest,
        now: Instant,
    ) -> Result<(), Refusal> {
        let Some(former) = self.members.get(former_id) else {
            return Ok(());
        };
        if former.epoch != LEAVE_FOR_NOW {
            let reason = format!(
                "Static member {} with instance id {} cannot join the group because the instance \
                 id is owned by {former_id} member.",
                request.member_id,
                request.instance_id.as_deref().unwrap_or_default()
            );
            return Err(Refusal::new(ErrorCode::UnreleasedInstanceId, reason));
        }
        let mut member = former.clone();
        member.id = request.member_id.clone();
        member.epoch = JOIN;
        member.previous_epoch = JOIN;
        member.session_ends = now + self.settings.session_timeout;
        self.members.remove(former_id);
        if let Some(target) = self.targets.remove(former_id) {
            self.targets.insert(member.id.clone(), target);
        }
        self.members.insert(member.id.clone(), member);
        self.is_changed = true;
        Ok(())
    }

    /// Takes over what the request says anew. A change that assignments depend on
    /// raises the group's epoch.
    fn update(
        &mut self,
        id: &Arc<str>,
        request: &BeatRequest,
        assignor: Option<ServerAssignor>,
        pattern: Option<Option<Pattern>>,
        now: Instant,
    ) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let before = member.clone();
        member.client_id = request.client_id.clone();
        member.client_host = request.client_host.clone();
        member.session_ends = now + self.settings.session_timeout;
        if let Some(instance_id) = &request.instance_id {
            member.instance_id = Some(instance_id.clone());
            self.instances.insert(instance_id.clone(), id.clone());
        }
        if let Some(rack_id) = &request.rack_id {
            member.rack_id = Some(rack_id.clone());
        }
        if let Some(timeout) = request.rebalance_timeout {
            member.rebalance_timeout = timeout;
        }
        if let Some(names) = &request.names {
            member.names.clone_from(names);
        }
        if let Some(pattern) = pattern {
            member.pattern = pattern;
        }
        if assignor.is_some() {
            member.assignor = assignor;
        }
        let has_new_subscription = member.names != before.names || member.pattern != before.pattern;
        let has_new_wish = member.assignor != before.assignor;
        self.is_changed |= member.instance_id != before.instance_id;
        if has_new_subscription || has_new_wish {
            self.raise_epoch();
        }
    }

    fn leave(&mut self, request: &BeatRequest, now: Instant) -> Result<Beat, Refusal> {
        let id = &request.member_id;
        if let Some(instance_id) = &request.instance_id {
            check_instance(id, instance_id, self.instances.get(instance_id))?;
        }
        let session_timeout = self.settings.session_timeout;
        let Some(member) = self.members.get_mut(id) else {
            return Err(unknown(id));
        };
        if request.epoch == LEAVE_FOR_NOW {
            // Nobody waits for what it was giving up: it has nothing any more.
            member.revoking.clear();
            member.revoke_by = None;
            member.state = MemberState::Stable;
            member.epoch = LEAVE_FOR_NOW;
            member.session_ends = now + session_timeout;
            self.is_changed = true;
        } else {
            self.remove(id);
        }
        Ok(Beat {
            member_id: id.clone(),
            epoch: request.epoch,
            interval: Duration::ZERO,
            assigned: None,
        })
    }
}

/// The outer `None` when the request leaves the expression as it is.
fn check_pattern(request: &BeatRequest) -> Result<Option<Option<Pattern>>, Refusal> {
    match request.pattern.as_deref() {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => match Pattern::new(text) {
            Ok(pattern) => Ok(Some(Some(pattern))),
            Err(error) => {
                let reason = format!(
                    "SubscribedTopicRegex `{text}` is not a valid regular expression: {error}."
                );
                Err(Refusal::new(ErrorCode::InvalidRegularExpression, reason))
            }
        },
    }
}

fn check_instance(
    id: &Arc<str>,
    instance_id: &Arc<str>,
    holder: Option<&Arc<str>>,
) -> Result<(), Refusal> {
    match holder {
        None => {
            let reason = format!("Instance id {instance_id} is unknown.");
            Err(Refusal::new(ErrorCode::UnknownMemberId, reason))
        }
        Some(holder) if holder != id => {
            let reason = format!(
                "Static member {id} with instance id {instance_id} was fenced by member {holder}."
            );
            Err(Refusal::new(ErrorCode::FencedInstanceId, reason))
        }
        Some(_) => Ok(()),
    }
}

/// The epoch must be the member's. The one before will do as long as the member
/// owns nothing else than it is assigned: an answer may have got lost.
fn check_epoch(member: &Member, request: &BeatRequest) -> Result<(), Refusal> {
    let owns_no_more = || {
        let owned = request.owned.as_ref();
        owned.is_some_and(|owned| owned.is_subset(&member.assigned))
    };
    let is_former = request.epoch == member.previous_epoch && request.epoch < member.epoch;
    if request.epoch == member.epoch || (is_former && owns_no_more()) {
        return Ok(());
    }
    let relation = match request.epoch > member.epoch {
        true => "greater",
        false => "smaller",
    };
    let reason = format!(
        "The consumer group member has a {relation} member epoch ({}) than the one known by the \
         group coordinator ({}). The member must abandon all its partitions and rejoin.",
        request.epoch, member.epoch
    );
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, reason))
}

fn unknown(id: &str) -> Refusal {
    let reason = format!("Member {id} is not a member of the group.");
    Refusal::new(ErrorCode::UnknownMemberId, reason)
}
