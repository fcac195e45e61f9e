//! Which cluster a command talks to: `-b` and `-X`, and the client made of them.

use clap::Args;
use milena_client::config::Properties;
use milena_client::{Admin, Client, ClientConfig, Error};

use crate::failure::Failure;
use crate::ports::PortArguments;

/// The cluster, as every command takes it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArguments {
    /// Brokers to start from, separated by commas.
    #[arg(
        short = 'b',
        long = "brokers",
        value_name = "HOST:PORT",
        env = "MILENA_BOOTSTRAP_SERVERS",
        default_value = "localhost:9092"
    )]
    brokers: String,

    #[command(flatten)]
    ports: PortArguments,

    /// Set a client property under Kafka's name; may be given more than once.
    #[arg(short = 'X', long = "property", value_name = "NAME=VALUE")]
    pub(crate) properties: Vec<String>,
}

impl ClusterArguments {
    /// The properties, `-b` among them; each configuration takes its own.
    pub(crate) fn properties(&self) -> Result<Properties, Failure> {
        let brokers = match self.ports.broker()? {
            Some(port) => format!("localhost:{port}"),
            None => self.brokers.clone(),
        };
        let mut pairs = vec![
            ("bootstrap.servers".to_owned(), brokers),
            ("client.id".to_owned(), "milena-cli".to_owned()),
        ];
        for property in &self.properties {
            let (name, value) = property
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("-X {property}: write it as NAME=VALUE")))?;
            pairs.push((name.trim().to_owned(), value.to_owned()));
        }
        Ok(Properties::new(pairs))
    }

    /// For commands that neither produce nor consume.
    pub(crate) async fn admin(&self) -> Result<Admin, Failure> {
        let mut properties = self.properties()?;
        let config = ClientConfig::take_from(&mut properties)?;
        properties.finish()?;
        Ok(Admin::new(&connect(config).await?))
    }
}

/// A client whose cluster is there: without this look, most calls would wait for one that
/// is not.
pub(crate) async fn connect(config: ClientConfig) -> Result<Client, Failure> {
    let client = Client::new(config)?;
    client.check_connection().await?;
    Ok(client)
}

/// A setting that cannot be used is wrong input; everything else did not work out.
impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Config { .. } => Failure::Usage(error.to_string()),
            other => Failure::Run(other.to_string()),
        }
    }
}
