//! The task that reads a connection's answers, hands each to who waits for it, and ends the
//! connection when one is overdue or the connection is not used. One timer for all requests.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::connection::Link;
use super::frames::{FrameError, FrameReader};
use super::header::read_correlation_id;
use super::writer;
use crate::error::Error;

/// Reads until the connection ends.
pub(super) async fn run<R: AsyncRead + Unpin>(link: Arc<Link>, mut frames: FrameReader<R>) {
    let ending = read(&link, &mut frames).await;
    link.close(ending.error, ending.guilty);
}

/// Why a connection ends, and the position of the request that is to blame.
struct Ending {
    error: Error,
    guilty: Option<usize>,
}

async fn read<R: AsyncRead + Unpin>(link: &Link, frames: &mut FrameReader<R>) -> Ending {
    let mut timer = pin!(tokio::time::sleep_until(link.lock().armed_until));
    loop {
        loop {
            match frames.take_frame() {
                Ok(Some(frame)) => {
                    if let Err(ending) = deliver(link, frame) {
                        return ending;
                    }
                }
                Ok(None) => break,
                Err(error) => return frame_ending(link, error),
            }
        }
        tokio::select! {
            biased;
            read = frames.read_more() => {
                if let Err(error) = read {
                    return frame_ending(link, error);
                }
            }
            () = &mut timer => match rearm(link) {
                Ok(until) => timer.as_mut().reset(until),
                Err(ending) => return ending,
            },
            () = link.reader_wake.notified() => match rearm(link) {
                Ok(until) => timer.as_mut().reset(until),
                Err(ending) => return ending,
            },
        }
    }
}

/// Hands a response to who waits for it. One that does not fit ends the connection, as nothing that
/// comes behind it can be told apart: to those who wait it is a lost connection, which they may try
/// again on another one.
fn deliver(link: &Link, mut frame: Bytes) -> Result<(), Ending> {
    let misfit = |what: String| Ending {
        error: link.disconnected(what),
        guilty: None,
    };
    let correlation_id = read_correlation_id(&mut frame)
        .ok_or_else(|| misfit("a response came without a header".to_owned()))?;
    let now = Instant::now();
    let (request, wake_writer) = {
        let mut state = link.lock();
        let request = state
            .pipeline
            .accept(correlation_id, now)
            .map_err(|mismatch| {
                misfit(match mismatch.expected {
                    Some(expected) => {
                        format!("response {correlation_id} came where {expected} was expected")
                    }
                    None => format!("response {correlation_id} came that nobody asked for"),
                })
            })?;
        (request, state.pipeline.has_queued())
    };
    if wake_writer {
        writer::write_now(link);
    }
    let queued_at = request.deadline.checked_sub(request.timeout);
    let duration = now.saturating_duration_since(queued_at.unwrap_or(now));
    link.metrics.answered(request.api, frame.len(), duration);
    if request.response_header.skip_rest(&mut frame).is_none() {
        let ending = misfit(format!("a {:?} response has a broken header", request.api));
        request.waiter.tell(Err(ending.error.clone()));
        return Err(ending);
    }
    request.waiter.tell(Ok(frame));
    Ok(())
}

/// Ends the connection if a request is overdue or nothing was asked for long; else says when to look
/// again.
fn rearm(link: &Link) -> Result<Instant, Ending> {
    let now = Instant::now();
    let mut state = link.lock();
    if let Some(expired) = state.pipeline.expired(now) {
        let what = format!("{:?} request to {}", expired.api, link.address);
        let error = Error::Timeout {
            what,
            after: expired.timeout,
        };
        return Err(Ending {
            error,
            guilty: Some(expired.position),
        });
    }
    if state.pipeline.is_idle(now, link.limits.idle_max) {
        let error = link.disconnected("closed after being idle");
        return Err(Ending {
            error,
            guilty: None,
        });
    }
    state.armed_until = state.pipeline.next_deadline(link.limits.idle_max);
    Ok(state.armed_until)
}

/// Whether the first four bytes of a response are a TLS alert: what a TLS listener says to a client
/// that does not speak TLS.
fn is_tls_alert(length: i32) -> bool {
    matches!(length.to_be_bytes(), [0x15, 3, 0..=4, 0])
}

fn frame_ending(link: &Link, error: FrameError) -> Ending {
    match error {
        FrameError::Closed {
            within_frame: false,
        } => Ending {
            error: link.disconnected("closed by the broker"),
            guilty: None,
        },
        FrameError::Closed { within_frame: true } => {
            let error = link.disconnected("closed by the broker in the middle of a response");
            Ending {
                error,
                guilty: None,
            }
        }
        FrameError::Io(error) => {
            let (error, guilty) = link.broken("read", &error);
            Ending { error, guilty }
        }
        FrameError::Length(length) if is_tls_alert(length) => Ending {
            error: Error::Tls {
                address: link.address.to_string(),
                reason: "the listener wants TLS: set security.protocol to SSL or SASL_SSL"
                    .to_owned(),
            },
            guilty: Some(0),
        },
        FrameError::Length(length) => {
            let allowed = link.limits.frame_bytes_max;
            let error = Error::protocol(format!(
                "{} announced a response of {length} bytes, allowed are {allowed}: \
                 raise receive.message.max.bytes if it is meant",
                link.address
            ));
            Ending {
                error,
                guilty: Some(0),
            }
        }
    }
}
