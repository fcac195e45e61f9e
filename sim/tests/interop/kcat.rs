//! kcat, which is librdkafka 2.0.2 in Debian: produce, consume, groups, offsets.

use super::{broker, run};
use anyhow::{Context, Result};
use milena_sim::program::{BrokerProcess, is_missing};
use std::collections::BTreeSet;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

fn no_kcat() -> bool {
    is_missing("kcat", &["-V"])
}

fn kcat(broker: &BrokerProcess, arguments: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command
        .args(["-b", &broker.bootstrap(), "-q"])
        .args(arguments);
    command
}

async fn produce(broker: &BrokerProcess, arguments: &[&str], input: &str) -> Result<()> {
    run(kcat(broker, &["-P"]).args(arguments), input).await?;
    Ok(())
}

/// All records of a topic from its beginning to its end, one line each.
async fn read_all(broker: &BrokerProcess, topic: &str, format: &str) -> Result<String> {
    let arguments = ["-C", "-t", topic, "-o", "beginning", "-e", "-f", format];
    run(&mut kcat(broker, &arguments), "").await
}

#[tokio::test]
async fn every_codec_round_trips() -> Result<()> {
    if no_kcat() {
        return Ok(());
    }
    let broker = broker(&[]).await?;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("codec-{codec}");
        let lines: String = (0..500)
            .map(|n| format!("key-{n}:value {n} of {codec}\n"))
            .collect();
        let settings = ["-t", &topic, "-K", ":", "-z", codec, "-X", "linger.ms=50"];
        produce(&broker, &settings, &lines).await?;
        assert_eq!(
            read_all(&broker, &topic, "%k:%s\n").await?,
            lines,
            "{codec}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn keys_nulls_headers_and_offsets_are_kept() -> Result<()> {
    if no_kcat() {
        return Ok(());
    }
    let broker = broker(&[]).await?;
    let settings = [
        "-t", "shapes", "-K", ":", "-Z", "-H", "a=1", "-H", "b=", "-H", "a=2",
    ];
    produce(&broker, &settings, "k:v\n:v\nk:\n").await?;
    let read = read_all(&broker, "shapes", "%p/%o %K %S %h\n").await?;
    assert_eq!(
        read,
        "0/0 1 1 a=1,b=,a=2\n0/1 -1 1 a=1,b=,a=2\n0/2 1 -1 a=1,b=,a=2\n"
    );
    Ok(())
}

#[tokio::test]
async fn an_idempotent_producer_is_accepted() -> Result<()> {
    if no_kcat() {
        return Ok(());
    }
    let broker = broker(&["num.partitions=3"]).await?;
    let lines: String = (0..3000).map(|n| format!("{n}\n")).collect();
    let settings = [
        "-t",
        "idempotent",
        "-X",
        "enable.idempotence=true",
        "-X",
        "acks=all",
    ];
    produce(&broker, &settings, &lines).await?;
    let read = read_all(&broker, "idempotent", "%s\n").await?;
    let numbers: BTreeSet<u32> = read.lines().map(str::parse).collect::<Result<_, _>>()?;
    assert_eq!(read.lines().count(), 3000);
    assert_eq!(numbers.len(), 3000);
    Ok(())
}

#[tokio::test]
async fn the_cluster_and_offsets_by_time_are_told() -> Result<()> {
    if no_kcat() {
        return Ok(());
    }
    let broker = broker(&["num.partitions=2"]).await?;
    produce(&broker, &["-t", "told", "-p", "1"], "a\nb\nc\n").await?;
    let listing = run(&mut kcat(&broker, &["-L", "-t", "told"]), "").await?;
    assert!(
        listing.contains("topic \"told\" with 2 partitions"),
        "{listing}"
    );
    assert!(listing.contains(&broker.bootstrap()), "{listing}");
    for (query, expected) in [
        ("told:1:-1", "told [1] offset 3\n"),
        ("told:1:-2", "told [1] offset 0\n"),
        ("told:1:1000", "told [1] offset 0\n"),
    ] {
        let answer = run(&mut kcat(&broker, &["-Q", "-t", query]), "").await?;
        assert_eq!(answer, expected, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn a_group_goes_on_where_it_stopped() -> Result<()> {
    if no_kcat() {
        return Ok(());
    }
    let broker = broker(&[]).await?;
    let member = |count: &'static str| {
        let settings = [
            "-X",
            "auto.offset.reset=earliest",
            "-c",
            count,
            "-f",
            "%s\n",
        ];
        let mut command = kcat(&broker, &settings);
        command.args(["-G", "resumes", "grouped"]);
        command
    };
    produce(&broker, &["-t", "grouped"], "1\n2\n3\n").await?;
    assert_eq!(run(&mut member("3"), "").await?, "1\n2\n3\n");
    produce(&broker, &["-t", "grouped"], "4\n5\n").await?;
    assert_eq!(run(&mut member("2"), "").await?, "4\n5\n");
    Ok(())
}

#[tokio::test]
async fn two_members_share_the_partitions_with_each_assignor() -> Result<()> {
    if no_kcat() {
        return Ok(());
    }
    for assignor in ["range", "roundrobin", "cooperative-sticky"] {
        two_members_share(assignor)
            .await
            .with_context(|| assignor.to_owned())?;
    }
    Ok(())
}

/// Starts two members, then produces to every partition until each member has read something.
async fn two_members_share(assignor: &str) -> Result<()> {
    let broker = broker(&["num.partitions=4"]).await?;
    produce(&broker, &["-t", "shared", "-p", "0"], "first\n").await?;
    let strategy = format!("partition.assignment.strategy={assignor}");
    let mut lines = Vec::new();
    let mut members = Vec::new();
    for _ in 0..2 {
        let settings = ["-X", &strategy, "-X", "auto.offset.reset=earliest", "-u"];
        let mut member = kcat(&broker, &settings)
            .args(["-f", "%p %s\n", "-G", "pair", "shared"])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = member.stdout.take().context("stdout is piped")?;
        lines.push(BufReader::new(output).lines());
        members.push(member);
    }
    let [first, second] = &mut lines[..] else {
        anyhow::bail!("there are two members");
    };
    let produce_for_ever = async {
        for round in 0_u32.. {
            for partition in ["0", "1", "2", "3"] {
                let line = format!("{round}\n");
                produce(&broker, &["-t", "shared", "-p", partition], &line).await?;
            }
        }
        anyhow::Ok(())
    };
    let both_read = async {
        // What each reads last, once both have read, comes from partitions of its own.
        let (one, two) = tokio::join!(first.next_line(), second.next_line());
        anyhow::Ok((
            one?.context("the first ended")?,
            two?.context("the second ended")?,
        ))
    };
    let both_read = tokio::time::timeout(super::PROGRAM_WAIT, both_read);
    tokio::select! {
        result = produce_for_ever => result?,
        result = both_read => {
            result.context("one member never got a record")??;
        }
    }
    for mut member in members {
        member.kill().await?;
    }
    Ok(())
}
