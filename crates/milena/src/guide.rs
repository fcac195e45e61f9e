//! The pages of the guide in `docs/` and the README, so that their examples are compiled and
//! run as documentation tests. Nothing of it is in the library.

macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = include_str!(concat!("../../../docs/", $file))]
        mod $name {}
    };
}

#[doc = include_str!("../../../README.md")]
mod readme {}

page!(batch, "batch.md");
page!(configure, "configure.md");
page!(consume, "consume.md");
page!(dead_letters, "dead-letters.md");
page!(deploy, "deploy.md");
page!(handle, "handle.md");
page!(migrate_kafka_python, "migrate-kafka-python.md");
page!(migrate_rdkafka, "migrate-rdkafka.md");
page!(migrate_spring_kafka, "migrate-spring-kafka.md");
page!(observe, "observe.md");
page!(publish, "publish.md");
page!(retry, "retry.md");
page!(schedule, "schedule.md");
page!(test, "test.md");
