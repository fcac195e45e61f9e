//! Which version of a request both sides know. Knows no connection.

use super::VersionRange;

/// The newest version in both ranges; `None` if they have none in common, or one is empty.
#[must_use]
pub fn negotiate(ours: VersionRange, theirs: (i16, i16)) -> Option<i16> {
    let (theirs_min, theirs_max) = theirs;
    let common = ours.intersect(&VersionRange {
        min: theirs_min,
        max: theirs_max,
    });
    (!common.is_empty()).then_some(common.max)
}
