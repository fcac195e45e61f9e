//! Tests of the proxy against an echo: what passes, what is cut, and what comes back in calm weather.

use super::*;
use std::time::Instant;

const MESSAGE: &[u8] = b"0123456789";

async fn echo() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _broken_on_purpose = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Ok(address)
}

/// Sends a message through a proxy with `plan`; what came back until the connection ended, or until
/// all of it was there.
async fn check(plan: ConnectionPlan, weather: Weather, expected: &[u8]) -> Result<()> {
    let proxy = Proxy::listen(move |_| plan.clone()).await?;
    proxy.forward_to(echo().await?);
    proxy.set_weather(weather);
    let mut stream = TcpStream::connect(proxy.address()).await?;
    let mut back = Vec::new();
    let talk = async {
        stream.write_all(MESSAGE).await?;
        while back.len() < MESSAGE.len() && stream.read_buf(&mut back).await? > 0 {}
        io::Result::Ok(())
    };
    let _ended_by_reset = talk.await;
    assert_eq!(back, expected);
    proxy.stop().await;
    Ok(())
}

fn down(after_bytes: u64, trouble: Trouble) -> ConnectionPlan {
    let disturbance = Disturbance {
        after_bytes,
        trouble,
    };
    ConnectionPlan {
        down: vec![disturbance],
        ..ConnectionPlan::default()
    }
}

#[tokio::test]
async fn nothing_happens_without_a_plan_or_in_calm_weather() -> Result<()> {
    check(ConnectionPlan::default(), Weather::Rough, MESSAGE).await?;
    check(down(4, Trouble::Close), Weather::Calm, MESSAGE).await
}

#[tokio::test]
async fn a_cut_truncates_and_a_refusal_lets_nothing_through() -> Result<()> {
    check(down(4, Trouble::Close), Weather::Rough, b"0123").await?;
    let refused = ConnectionPlan {
        is_refused: true,
        ..ConnectionPlan::default()
    };
    check(refused, Weather::Rough, b"").await?;
    check(ConnectionPlan::default(), Weather::Down, b"").await
}

#[tokio::test]
async fn stalls_and_delays_only_take_time() -> Result<()> {
    let started = Instant::now();
    let stall = Trouble::Stall(Duration::from_millis(20));
    check(down(4, stall), Weather::Rough, MESSAGE).await?;
    let delay = Trouble::Delay(Duration::from_millis(20));
    check(down(0, delay), Weather::Rough, MESSAGE).await?;
    assert!(started.elapsed() >= Duration::from_millis(20));
    Ok(())
}

#[tokio::test]
async fn what_is_swallowed_ends_when_the_weather_calms() -> Result<()> {
    let proxy = Proxy::listen(|_| down(4, Trouble::Swallow)).await?;
    proxy.forward_to(echo().await?);
    proxy.set_weather(Weather::Rough);
    let mut stream = TcpStream::connect(proxy.address()).await?;
    stream.write_all(MESSAGE).await?;
    let mut first = [0; 4];
    stream.read_exact(&mut first).await?;
    assert_eq!(&first, b"0123");
    proxy.set_weather(Weather::Calm);
    assert_eq!(
        stream.read(&mut first).await?,
        0,
        "it ends, and the rest is lost"
    );
    proxy.stop().await;
    Ok(())
}
