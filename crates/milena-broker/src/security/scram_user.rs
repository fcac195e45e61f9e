//! A user with a password to start a broker with, written as Kafka's storage tool takes it:
//! `SCRAM-SHA-256=[name=alice,password=secret]`.

use milena_wire::sasl::scram::{self, ITERATIONS_MIN, ScramCredential, ScramMechanism};
use zeroize::Zeroizing;

/// Bytes of the salts that are made here.
const SALT_BYTES: usize = 16;

/// A user who is to have SCRAM credentials.
#[derive(Clone)]
pub(crate) struct ScramUser {
    pub(crate) name: String,
    pub(crate) mechanism: ScramMechanism,
    pub(crate) credential: ScramCredential,
}

impl ScramUser {
    /// Reads and salts; the reason of a failure holds no password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "SCRAM-SHA-256=[name=USER,password=SECRET] or SCRAM-SHA-512=[…] is expected";
        let (mechanism, options) = text.split_once('=').ok_or(EXPECTED)?;
        let mechanism = ScramMechanism::from_name(mechanism.trim()).ok_or(EXPECTED)?;
        let options = options.trim().strip_prefix('[').ok_or(EXPECTED)?;
        let options = options.strip_suffix(']').ok_or(EXPECTED)?;
        let (mut name, mut password, mut iterations) = (None, None, ITERATIONS_MIN);
        for option in options.split(',') {
            match option.trim().split_once('=') {
                Some(("name", value)) => name = Some(unquoted(value)),
                Some(("password", value)) => password = Some(Zeroizing::new(unquoted(value))),
                Some(("iterations", value)) => {
                    iterations = value.parse().map_err(|_| "iterations is a number")?;
                }
                _ => return Err(EXPECTED.to_owned()),
            }
        }
        let name = name.filter(|name| !name.is_empty()).ok_or(EXPECTED)?;
        let password = password.ok_or(EXPECTED)?;
        let salt = scram::random_bytes::<SALT_BYTES>().map_err(|error| error.to_string())?;
        let salted = mechanism.salted_password(password.as_bytes(), &salt, iterations);
        let salted = salted.map_err(|error| error.to_string())?;
        Ok(Self {
            name,
            mechanism,
            credential: ScramCredential::new(mechanism, &salted, salt.to_vec(), iterations),
        })
    }
}

impl std::fmt::Debug for ScramUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ScramUser")
            .field("name", &self.name)
            .field("mechanism", &self.mechanism.name())
            .finish_non_exhaustive()
    }
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    inner.unwrap_or(value).to_owned()
}
