//! A key goes to the same partition, whoever sends it.

use super::line::{CREATE_TIME, Line};
use super::peers::Peer;
use super::{PARTITIONER, produce_with};
use anyhow::Result;
use milena_client::producer::ProducerConfig;
use milena_sim::target::Target;

const KEYS: usize = 10_000;
/// Not a power of two, so that every bit of the hash matters.
const PARTITIONS: i32 = 31;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_random_keys_go_where_everybody_puts_them() -> Result<()> {
    let seed = fastrand::u64(..);
    eprintln!("MILENA_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut key = || -> Vec<u8> {
        let length = random.usize(1..40);
        (0..length).map(|_| random.u8(..)).collect()
    };
    let line = |_| Line {
        partition: -1,
        offset: -1,
        timestamp_type: CREATE_TIME.to_owned(),
        timestamp: 1_700_000_000_000,
        key: Some(key()),
        value: None,
        headers: Vec::new(),
    };
    let lines: Vec<Line> = (0..KEYS).map(line).collect();
    let target = Target::start().await?;
    for partitioner in [PARTITIONER, "consistent_random", "fnv1a_random"] {
        let topic = target.topic("partitions", PARTITIONS).await?;
        let config = ProducerConfig::from_properties([("partitioner", partitioner)])?;
        let ours = produce_with(&target, &topic, config, &lines).await?;
        // The Java client knows no other than its own.
        let knows = |peer: &Peer| partitioner == PARTITIONER || *peer == Peer::Librdkafka;
        for peer in Peer::present().into_iter().filter(knows) {
            let theirs = peer
                .produce(target.bootstrap(), &topic, "none", partitioner, &lines)
                .await?;
            for ((line, (ours, _)), (theirs, _)) in lines.iter().zip(&ours).zip(&theirs) {
                assert_eq!(ours, theirs, "{peer:?} {partitioner}: {:?}", line.key);
            }
        }
    }
    Ok(())
}
