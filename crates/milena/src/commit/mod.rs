//! Which offset may be committed when records finish out of order.
//!
//! A plain state machine for one partition: offsets started and finished go in, the
//! first offset that is not done comes out. Knows no consumer and no clock.

use std::collections::VecDeque;

/// Tracks the records of one partition that are being worked on.
///
/// The committable offset is Kafka's: the next one to handle after a restart. It never
/// goes past a record that is not finished, and never goes back.
#[derive(Debug, Default)]
pub(crate) struct Watermark {
    /// Started and not yet covered by the committable offset, ascending.
    started: VecDeque<Started>,
    /// Where the next restart would begin if everything started were finished.
    next_offset: Option<i64>,
}

#[derive(Debug)]
struct Started {
    offset: i64,
    is_finished: bool,
}

impl Watermark {
    /// A record was handed to its handler. Offsets must ascend, gaps are fine.
    pub(crate) fn start(&mut self, offset: i64) {
        debug_assert!(
            self.next_offset.is_none_or(|next| offset >= next),
            "offsets ascend"
        );
        self.started.push_back(Started {
            offset,
            is_finished: false,
        });
        self.next_offset = Some(offset + 1);
    }

    /// Everything below `next_offset` was handed out; what lies between (control
    /// records, compacted ones) needs no handling.
    pub(crate) fn skip_to(&mut self, next_offset: i64) {
        self.next_offset = Some(
            self.next_offset
                .map_or(next_offset, |next| next.max(next_offset)),
        );
    }

    /// A record is done: handled, or safe in the dead letter topic. One that is
    /// unknown or finished before changes nothing.
    pub(crate) fn finish(&mut self, offset: i64) {
        if let Ok(index) = self
            .started
            .binary_search_by_key(&offset, |started| started.offset)
            && let Some(started) = self.started.get_mut(index)
        {
            started.is_finished = true;
        }
        while self
            .started
            .front()
            .is_some_and(|started| started.is_finished)
        {
            self.started.pop_front();
        }
    }

    /// What may be committed now; `None` before anything was started.
    pub(crate) fn committable(&self) -> Option<i64> {
        match self.started.front() {
            Some(started) => Some(started.offset),
            None => self.next_offset,
        }
    }
}

#[cfg(test)]
mod tests;
