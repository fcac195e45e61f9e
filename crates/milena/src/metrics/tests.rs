use std::sync::Arc;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::{Level, Source, Sum, collect, register};

struct Half {
    sum: Sum,
    level: Level,
}

impl Source for Half {
    fn collect(&self) {
        self.sum.tell(3);
        self.level.tell(1.5);
    }
}

fn half() -> Arc<Half> {
    let half = Arc::new(Half {
        sum: Sum::new("sum").label("of", "halves"),
        level: Level::new("level"),
    });
    register(&half);
    half
}

fn values(snapshotter: &Snapshotter) -> Vec<DebugValue> {
    let metrics = snapshotter.snapshot().into_vec();
    let ours = |name: &str| name == "sum" || name == "level";
    let mut values: Vec<_> = metrics
        .into_iter()
        .filter(|(key, ..)| ours(key.key().name()))
        .map(|(key, _, _, value)| (key.key().name().to_owned(), value))
        .collect();
    values.sort_by(|one, other| one.0.cmp(&other.0));
    values.into_iter().map(|(_, value)| value).collect()
}

/// Two of a kind are summed up, however often they are asked; what went up and down goes down
/// with its source.
#[test]
fn sources_add_up_and_leave() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let (one, other) = (half(), half());
        collect();
        collect();
        // Taking a snapshot takes what was counted with it.
        let expected = [DebugValue::Gauge(3.0.into()), DebugValue::Counter(6)];
        assert_eq!(values(&snapshotter), expected);
        drop(one);
        collect();
        let expected = [DebugValue::Gauge((-1.5).into()), DebugValue::Counter(0)];
        assert_eq!(values(&snapshotter), expected);
        drop(other);
    });
}
