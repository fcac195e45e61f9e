//! May this principal do this? A plain function over the entries.

use super::acl::{Acl, permission};

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// `User:name`.
    pub(crate) principal: &'a str,
    /// Where they connect from.
    pub(crate) host: &'a str,
    pub(crate) operation: i8,
    pub(crate) resource_type: i8,
    pub(crate) resource_name: &'a str,
}

/// Deny comes before allow; what nothing is said about is up to `allow_if_none`.
pub(crate) fn decide<'a>(
    entries: impl Iterator<Item = &'a Acl>,
    wish: Wish<'_>,
    allow_if_none: bool,
) -> bool {
    let mut has_entries = false;
    let mut is_allowed = false;
    for acl in entries.filter(|acl| acl.concerns(wish.resource_type, wish.resource_name)) {
        has_entries = true;
        if !acl.is_about(wish.principal, wish.host) || !acl.covers(wish.operation) {
            continue;
        }
        if acl.permission == permission::DENY {
            return false;
        }
        is_allowed = true;
    }
    is_allowed || (allow_if_none && !has_entries)
}

#[cfg(test)]
mod tests;
