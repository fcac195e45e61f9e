use super::*;
use crate::config::Config;

fn builder(settings: &[(&str, &str)]) -> ReliableBuilder {
    let mut config = Config::builder();
    for (name, value) in settings {
        config = config.set(name, value);
    }
    let config = config.build().unwrap();
    Publisher::new(&config).unwrap().reliable()
}

/// What is not configured is as the types have it that are given in code.
#[tokio::test]
async fn defaults_of_the_configuration_are_those_of_the_code() {
    let plain = builder(&[]);
    assert_eq!(plain.retry, Retry::default());
    assert_eq!(plain.waiting_max, WAITING_MAX_DEFAULT);
    assert_eq!(plain.waiting_bytes_max, WAITING_BYTES_DEFAULT);
    assert_eq!((plain.breaker, plain.rate_limit), (None, None));
    assert!(matches!(plain.dead_letters, DeadLetterTopic::Default));
    assert_eq!(plain.spool, None);

    let some = builder(&[
        ("milena.publisher.breaker.failures", "3"),
        ("milena.publisher.rate.limit", "50"),
        ("milena.publisher.spool.directory", "spool"),
    ]);
    assert_eq!(some.breaker, Some(Breaker::after(3)));
    assert_eq!(some.rate_limit, Some(RateLimit::per_second(50)));
    assert_eq!(some.spool, Some(Spool::at("spool")));
}
