//! The hot paths as small programs: the same work each time, so that callgrind counts the same
//! number of instructions each time.
//!
//! `milena-budgets WORK MESSAGES` does one of them. `cargo xtask budgets` counts what happens inside
//! functions named `measured_…` for two numbers of messages and takes the difference. Owns the work;
//! knows neither budgets nor valgrind.

mod client;
mod publisher;
mod wire;

use anyhow::{Context, Result, bail};

/// Bytes of every value; there is no key, and 12 partitions take turns.
const VALUE_BYTES: usize = 100;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, messages] = arguments.as_slice() else {
        bail!("usage: milena-budgets encode|decode|enqueue|complete|publish MESSAGES");
    };
    let messages = messages.parse().context("MESSAGES is a number")?;
    match work.as_str() {
        "encode" => wire::encode(messages),
        "decode" => wire::decode(messages),
        "enqueue" => client::enqueue(messages),
        "complete" => client::complete(messages),
        "publish" => publisher::publish(messages),
        other => bail!("{other:?} is not one of encode, decode, enqueue, complete, publish"),
    }
}
