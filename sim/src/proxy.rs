//! A TCP proxy that disturbs what passes through it, one plan a connection.
//!
//! Owns the sockets between clients and one broker. What is done to a connection comes from a plain
//! function of its number, so that a seed repeats it. Knows nothing of Kafka: it cuts wherever the
//! plan says, which is mostly in the middle of a frame.

use crate::schedule::{ConnectionPlan, Disturbance, Trouble};
use anyhow::Result;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

const CHUNK_BYTES: usize = 16 * 1024;

/// What the proxy does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Every connection is passed on untouched; what the plans held up goes on or is cut.
    Calm,
    /// Each connection gets what its plan says.
    Rough,
    /// Nothing gets through: open connections are cut, new ones too.
    Down,
}

/// A listening proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    upstream: watch::Sender<Option<SocketAddr>>,
    weather: watch::Sender<Weather>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of loopback, in calm weather. The n-th connection from the start in
    /// rough weather gets `plan(n)`.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn listen(plan: impl Fn(u64) -> ConnectionPlan + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (upstream, upstream_seen) = watch::channel(None);
        let (weather, weather_seen) = watch::channel(Weather::Calm);
        let accepting = tokio::spawn(accept(listener, plan, upstream_seen, weather_seen));
        Ok(Self {
            address,
            upstream,
            weather,
            accepting,
        })
    }

    /// Where clients connect to, and what the broker has to advertise.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says where the broker is; connections that came before wait for it.
    pub fn forward_to(&self, broker: SocketAddr) {
        self.upstream.send_replace(Some(broker));
    }

    /// Changes the weather, for open connections as well.
    pub fn set_weather(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Cuts everything and waits until no task is left.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // An error says that it was aborted, which is what was asked for.
        let _aborted = (&mut self.accepting).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    plan: impl Fn(u64) -> ConnectionPlan,
    upstream: watch::Receiver<Option<SocketAddr>>,
    weather: watch::Receiver<Weather>,
) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    let mut planned = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let now = *weather.borrow();
                let plan = match now {
                    Weather::Calm => ConnectionPlan::default(),
                    Weather::Down => ConnectionPlan { is_refused: true, ..ConnectionPlan::default() },
                    Weather::Rough => {
                        planned += 1;
                        plan(planned - 1)
                    }
                };
                connections.spawn(serve(client, plan, upstream.clone(), weather.clone()));
            }
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// How a connection ended, apart from the end of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides learn of it by the usual FIN, behind what was passed on.
    Closed,
    /// Both sides get a reset and lose what they have not read.
    Reset,
}

async fn serve(
    mut client: TcpStream,
    plan: ConnectionPlan,
    mut upstream: watch::Receiver<Option<SocketAddr>>,
    weather: watch::Receiver<Weather>,
) {
    if plan.is_refused {
        let _gone_anyway = client.set_zero_linger();
        return;
    }
    let Ok(Some(address)) = upstream.wait_for(Option::is_some).await.map(|found| *found) else {
        return;
    };
    let Ok(mut broker) = TcpStream::connect(address).await else {
        return;
    };
    let _slower_otherwise = client.set_nodelay(true);
    let _slower_otherwise = broker.set_nodelay(true);
    let end = {
        let (client_reads, client_writes) = client.split();
        let (broker_reads, broker_writes) = broker.split();
        let up = Pump::new(client_reads, broker_writes, plan.up, weather.clone());
        let down = Pump::new(broker_reads, client_writes, plan.down, weather.clone());
        tokio::select! {
            end = up.run() => end,
            end = down.run() => end,
            () = until(weather, Weather::Down) => Ok(End::Reset),
        }
    };
    if end.unwrap_or(End::Reset) == End::Reset {
        let _gone_anyway = client.set_zero_linger();
        let _gone_anyway = broker.set_zero_linger();
    }
}

/// Ends in that weather; never when it does not come.
async fn until(mut weather: watch::Receiver<Weather>, wanted: Weather) {
    if weather.wait_for(|now| *now == wanted).await.is_err() {
        std::future::pending().await
    }
}

/// One direction of one connection.
struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    ahead: VecDeque<Disturbance>,
    passed: u64,
    /// Each piece waits this long.
    delay: Duration,
    weather: watch::Receiver<Weather>,
}

impl<'a> Pump<'a> {
    fn new(
        from: ReadHalf<'a>,
        to: WriteHalf<'a>,
        plan: Vec<Disturbance>,
        weather: watch::Receiver<Weather>,
    ) -> Self {
        Self {
            from,
            to,
            ahead: plan.into(),
            passed: 0,
            delay: Duration::ZERO,
            weather,
        }
    }

    async fn run(mut self) -> io::Result<End> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let length = self.from.read(&mut buffer).await?;
            if length == 0 {
                return Ok(End::Closed);
            }
            if let Some(end) = self.pass(&buffer[..length]).await? {
                return Ok(end);
            }
        }
    }

    /// Passes `bytes` on, with every disturbance that falls among them.
    async fn pass(&mut self, mut bytes: &[u8]) -> io::Result<Option<End>> {
        if !self.delay.is_zero() {
            self.wait(self.delay).await;
        }
        while let Some(next) = self.ahead.front() {
            let before = usize::try_from(next.after_bytes.saturating_sub(self.passed));
            let Some((first, rest)) = bytes.split_at_checked(before.unwrap_or(usize::MAX)) else {
                break;
            };
            let trouble = next.trouble;
            self.ahead.pop_front();
            self.write(first).await?;
            bytes = rest;
            if *self.weather.borrow() == Weather::Calm {
                continue;
            }
            if let Some(end) = self.meet(trouble).await {
                return Ok(Some(end));
            }
        }
        self.write(bytes).await?;
        Ok(None)
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes).await?;
        self.passed += bytes.len() as u64;
        Ok(())
    }

    async fn meet(&mut self, trouble: Trouble) -> Option<End> {
        match trouble {
            Trouble::Delay(delay) => self.delay = delay,
            Trouble::Stall(time) => self.wait(time).await,
            Trouble::Close => return Some(End::Closed),
            Trouble::Reset => return Some(End::Reset),
            Trouble::Swallow => {
                // The other direction goes on; nobody learns that this one does not.
                let mut nowhere = vec![0; CHUNK_BYTES];
                let swallow = async {
                    while self
                        .from
                        .read(&mut nowhere)
                        .await
                        .is_ok_and(|read| read > 0)
                    {}
                };
                tokio::select! {
                    () = swallow => {}
                    () = until(self.weather.clone(), Weather::Calm) => {}
                }
                return Some(End::Closed);
            }
        }
        None
    }

    /// Waits, but not longer than the weather is rough.
    async fn wait(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = until(self.weather.clone(), Weather::Calm) => {}
        }
    }
}

#[cfg(test)]
mod tests;
