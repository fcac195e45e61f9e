//! `cargo xtask test`: everything that runs tests, on the embedded broker and on Apache Kafka.
//!
//! Owns which test runs where and what it needs. Test binaries are built once and run from here, so
//! that the same conformance binary meets each broker.

mod binaries;

use crate::beside::{Beside, Work};
use crate::examples;
use crate::kafka::{self, Cluster, ClusterOptions};
use crate::lint::cargo;
use crate::steps::{Outcome, Steps, run_skippable_tests, run_tests};
use anyhow::{Context, Result, bail};
use binaries::TestBinary;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The clusters that the conformance suite runs on: version and number of nodes.
const CLUSTERS: [(&str, u16); 3] = [("3.9.2", 1), ("4.3.1", 1), ("4.3.1", 3)];
/// The versions that clients are compared on.
const VERSIONS: [&str; 2] = ["3.9.2", kafka::VERSION_DEFAULT];
/// The package with the suites that meet other programs and brokers.
const SIM: &str = "milena-sim";
/// The packages whose integration tests run on Apache Kafka as well: all of them, or those by these
/// names.
const FRAMEWORK: &str = "milena";
const SERVICE: &str = "milena-notifications";
const COMMAND_LINE: &str = "milena-cli";
const COMMANDS_ON_KAFKA: [&str; 4] = ["dlq::", "records::", "service::", "topics::"];
/// The tests with a database server, by their name.
const POSTGRES: &str = "databases::postgres";
/// Tells suites which brokers to use instead of the embedded one.
const BROKERS_VARIABLE: &str = "MILENA_TEST_BROKERS";
/// Tells the conformance suite where certificates and secured listeners are.
const SECURITY_VARIABLE: &str = "MILENA_TEST_SECURITY";
/// Tells the conformance suite that nothing else runs on its brokers.
const ALONE_VARIABLE: &str = "MILENA_TEST_ALONE";
/// Tells the suite with a troubled cluster which program changes its nodes.
const XTASK_VARIABLE: &str = "MILENA_XTASK";
/// Tells the differential tests where the jars of the Java client are.
const JARS_VARIABLE: &str = "MILENA_KAFKA_JARS";
/// The differential tests, by the name of their module.
const DIFFERENTIAL: &str = "differential::";
/// Tells the interoperability suite which Python has the `confluent_kafka` package.
const PYTHON_VARIABLE: &str = "MILENA_PYTHON";

/// Runs the tests. Most suites mostly wait: what is to be built meanwhile is built beside them.
pub(crate) fn run(steps: &mut Steps, beside: Vec<Work>) {
    let binaries = prepare(steps);
    let beside = Beside::start(beside);
    if let Some(binaries) = binaries {
        suites(steps, &binaries);
    }
    beside.end(steps);
}

/// What needs cargo, and suites in which fractions of a second count: the machine is theirs.
fn prepare(steps: &mut Steps) -> Option<Vec<TestBinary>> {
    let mut built = None;
    steps.run("build the tests", || {
        let binaries = binaries::build()?;
        let detail = format!("{} test binaries", binaries.len());
        built = Some(binaries);
        Ok(Outcome::Passed(detail))
    });
    let binaries = built?;
    let own = |binary: &&TestBinary| !binary.is_integration;
    steps.run("unit tests", || run_all(binaries.iter().filter(own)));
    steps.run("documentation tests", || {
        let count = run_tests(&mut cargo(&["test", "--workspace", "--doc"]))?;
        Ok(passed(count))
    });
    steps.run("integration tests", || {
        let outside_sim = binaries
            .iter()
            .filter(|b| b.is_integration && b.package != SIM);
        run_all_but(outside_sim, &["--skip", POSTGRES])
    });
    steps.run("notification service, PostgreSQL", || {
        let service = integration(&binaries, SERVICE)?;
        run_skippable_tests(service.command().arg(POSTGRES))
    });
    steps.run("chaos: seeded trouble on connections", || {
        run_all([suite(&binaries, "chaos")?])
    });
    Some(binaries)
}

fn suite<'a>(binaries: &'a [TestBinary], name: &str) -> Result<&'a TestBinary> {
    let mut all = binaries.iter();
    all.find(|binary| binary.package == SIM && binary.is_integration && binary.target == name)
        .with_context(|| format!("{SIM} has no suite {name}"))
}

fn suites(steps: &mut Steps, binaries: &[TestBinary]) {
    let suite = |name| suite(binaries, name);
    steps.run("leaks: clients that come and go", || {
        run_all([suite("leaks")?])
    });
    steps.run("examples, embedded broker", || {
        let count = examples::run(&program_dir(binaries)?, None)?;
        Ok(Outcome::Passed(format!("{count} examples")))
    });
    steps.run("conformance, embedded broker", || {
        run_all([suite("conformance")?])
    });
    steps.run(
        "crash: kill -9 under load, applications at each point",
        || run_all([suite("crash")?, suite("points")?]),
    );
    steps.run("interoperability: kcat", || kcat(suite("interop")?));
    steps.run("interoperability: confluent-kafka for Python", || {
        python(suite("interop")?)
    });
    steps.run("differential: librdkafka and Java, embedded broker", || {
        differential(suite("interop")?, None)
    });
    for version in VERSIONS {
        let name = format!("differential: librdkafka and Java, Apache Kafka {version}");
        steps.run(&name, || {
            on_kafka(version, 1, &[], |cluster| {
                differential(suite("interop")?, Some((version, cluster)))
            })
        });
    }
    steps.run("three nodes killed and paused under load", || {
        troubled_cluster(suite("cluster")?)
    });
    let name = format!(
        "applications and examples, Apache Kafka {version}, 1 node",
        version = kafka::VERSION_DEFAULT
    );
    steps.run(&name, || applications_on_kafka(binaries, suite("points")?));
    for (version, nodes) in CLUSTERS {
        let name = format!("conformance, Apache Kafka {version}, {nodes} node(s)");
        steps.run(&name, || {
            conformance_on_kafka(suite("conformance")?, version, nodes)
        });
    }
}

fn run_all<'a>(binaries: impl IntoIterator<Item = &'a TestBinary>) -> Result<Outcome> {
    run_all_but(binaries, &[])
}

/// As [`run_all`], with arguments that leave some out.
fn run_all_but<'a>(
    binaries: impl IntoIterator<Item = &'a TestBinary>,
    arguments: &[&str],
) -> Result<Outcome> {
    let mut count = 0;
    let mut failed = Vec::new();
    for binary in binaries {
        let name = format!("{} {}", binary.package, binary.target);
        eprintln!("--> {name}");
        match run_tests(binary.command().args(arguments)) {
            Ok(passed) => count += passed,
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
    }
    if failed.is_empty() {
        Ok(passed(count))
    } else {
        bail!("{}", failed.join("; "))
    }
}

fn passed(count: usize) -> Outcome {
    Outcome::Passed(format!("{count} tests"))
}

fn kcat(suite: &TestBinary) -> Result<Outcome> {
    if !runs("kcat", &["-V"]) {
        let reason = "kcat was not found on PATH, on Debian: apt-get install kcat";
        return Ok(Outcome::Skipped(reason.to_owned()));
    }
    let count = run_tests(
        suite
            .command()
            .args(["--skip", "python", "--skip", DIFFERENTIAL]),
    )?;
    Ok(passed(count))
}

fn python(suite: &TestBinary) -> Result<Outcome> {
    let python = std::env::var(PYTHON_VARIABLE).unwrap_or_else(|_| "python3".to_owned());
    if !runs(&python, &["-c", "import confluent_kafka"]) {
        return Ok(Outcome::Skipped(format!(
            "{python} has no package confluent_kafka: pip install confluent-kafka, \
             or name another Python in {PYTHON_VARIABLE}"
        )));
    }
    let count = run_tests(suite.command().arg("python").env(PYTHON_VARIABLE, python))?;
    Ok(passed(count))
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Nodes of a cluster are killed and paused under load; it notices within seconds.
fn troubled_cluster(suite: &TestBinary) -> Result<Outcome> {
    let properties = [
        "broker.session.timeout.ms=2000",
        "broker.heartbeat.interval.ms=300",
        "controller.quorum.election.timeout.ms=500",
        "controller.quorum.fetch.timeout.ms=1000",
        "replica.lag.time.max.ms=2000",
        "unclean.leader.election.enable=false",
        // Who hears of another coordinator within this keeps its partitions.
        "group.consumer.session.timeout.ms=20000",
    ];
    on_kafka(kafka::VERSION_DEFAULT, 3, &properties, |cluster| {
        let mut command = suite.command();
        command
            .env(BROKERS_VARIABLE, cluster.bootstrap())
            // Not `current_exe`: building the tests may have replaced the file we run from.
            .env(XTASK_VARIABLE, suite.program("xtask"));
        Ok(passed(run_tests(&mut command)?))
    })
}

/// What others write and read, byte for byte, on the embedded broker or on `cluster`.
fn differential(suite: &TestBinary, cluster: Option<(&str, &Cluster)>) -> Result<Outcome> {
    let version = kafka::VERSION_DEFAULT;
    if let Some(reason) = kafka::why_unavailable(version) {
        return Ok(Outcome::Skipped(reason));
    }
    let python = std::env::var(PYTHON_VARIABLE).unwrap_or_else(|_| "python3".to_owned());
    let mut command = suite.command();
    command
        .arg(DIFFERENTIAL)
        .env(JARS_VARIABLE, kafka::ensure_jars(version)?)
        .env(PYTHON_VARIABLE, python);
    if let Some((cluster_version, cluster)) = cluster {
        command.env(BROKERS_VARIABLE, cluster.bootstrap());
        if cluster_version.starts_with("3.") {
            // What it has of KIP-848 is a preview, which newer clients of others do not join.
            command.args(["--skip", "the_consumer_protocol"]);
        }
    }
    Ok(passed(run_tests(&mut command)?))
}

/// The integration tests of a package.
fn integration<'a>(binaries: &'a [TestBinary], package: &str) -> Result<&'a TestBinary> {
    let mut all = binaries.iter();
    all.find(|binary| binary.package == package && binary.is_integration)
        .with_context(|| format!("{package} has no integration tests"))
}

/// The integration tests of what is built on the client; those that need faults on order leave
/// themselves out. Then applications that end at each point.
fn applications_on_kafka(binaries: &[TestBinary], points: &TestBinary) -> Result<Outcome> {
    let suites: [(&TestBinary, &[&str]); 4] = [
        (integration(binaries, FRAMEWORK)?, &[]),
        (integration(binaries, SERVICE)?, &["--skip", POSTGRES]),
        (integration(binaries, COMMAND_LINE)?, &COMMANDS_ON_KAFKA),
        (points, &[]),
    ];
    on_kafka(kafka::VERSION_DEFAULT, 1, &[], |cluster| {
        let mut count = 0;
        for (suite, arguments) in suites {
            let mut command = suite.command();
            command.env(BROKERS_VARIABLE, cluster.bootstrap());
            count += run_tests(command.args(arguments))?;
        }
        let examples = examples::run(&program_dir(binaries)?, Some(&cluster.bootstrap()))?;
        Ok(Outcome::Passed(format!(
            "{count} tests, {examples} examples"
        )))
    })
}

/// Where the programs are that were built with the tests.
fn program_dir(binaries: &[TestBinary]) -> Result<PathBuf> {
    let any = binaries.first().context("no test binary was built")?;
    Ok(any.program(""))
}

fn conformance_on_kafka(suite: &TestBinary, version: &str, nodes: u16) -> Result<Outcome> {
    // No node is killed here, and a busy machine is no reason for another controller: what the old one
    // had begun, brokers ask again, and creating a topic then fails because the topic exists.
    let properties = ["controller.quorum.fetch.timeout.ms=20000"];
    on_kafka(version, nodes, &properties, |cluster| {
        let mut command = suite.command();
        command.env(BROKERS_VARIABLE, cluster.bootstrap());
        command.envs(cluster.security_dir().map(|dir| (SECURITY_VARIABLE, dir)));
        // Apache Kafka takes no orders for faults.
        let count = run_tests(command.args(["--skip", "faults::"]))?;
        // One test changes how all producers of the cluster carry out transactions.
        let mut command = suite.command();
        command
            .env(BROKERS_VARIABLE, cluster.bootstrap())
            .env(ALONE_VARIABLE, "1");
        run_tests(command.arg("pitfall_20_the_finalized_version_decides"))?;
        Ok(passed(count))
    })
}

/// Runs `work` on a cluster of its own, if there can be one.
fn on_kafka(
    version: &str,
    nodes: u16,
    properties: &[&str],
    work: impl FnOnce(&Cluster) -> Result<Outcome>,
) -> Result<Outcome> {
    if let Some(reason) = kafka::why_unavailable(version) {
        return Ok(Outcome::Skipped(reason));
    }
    let mut cluster = Cluster::start(&ClusterOptions {
        version: version.to_owned(),
        nodes,
        port: 0,
        secured: true,
        properties: properties.iter().map(ToString::to_string).collect(),
    })?;
    let result = work(&cluster);
    cluster.stop()?;
    result.with_context(|| format!("the broker's logs are in {}", cluster.dir().display()))
}
