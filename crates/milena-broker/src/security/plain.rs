//! PLAIN: the password itself is sent, and compared with the one in the listener's JAAS entry.

use std::collections::BTreeMap;

use milena_wire::sasl::jaas::{LoginModule, PLAIN_MODULE};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Users of a listener and their passwords.
#[derive(Default)]
pub(crate) struct PlainUsers {
    passwords: BTreeMap<String, Zeroizing<String>>,
}

impl PlainUsers {
    /// Takes `user_NAME="password"` options, as Kafka does.
    pub(crate) fn from_jaas(text: &str) -> Result<Self, String> {
        let module = LoginModule::parse(text)?;
        if module.name != PLAIN_MODULE {
            return Err(format!("{PLAIN_MODULE} is expected, not {}", module.name));
        }
        let users = module.options.into_iter().filter_map(|(name, password)| {
            let user = name.strip_prefix("user_")?.to_owned();
            Some((user, password))
        });
        Ok(Self {
            passwords: users.collect(),
        })
    }

    /// The user of an RFC 4616 message, if the password is right.
    pub(crate) fn log_in(&self, message: &[u8]) -> Result<String, String> {
        const WRONG: &str = "Authentication failed: Invalid username or password";
        let mut parts = message.split(|byte| *byte == 0);
        let (Some(authorization_id), Some(user), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("Invalid SASL/PLAIN response: expected 3 tokens".to_owned());
        };
        let user = std::str::from_utf8(user).map_err(|_| WRONG)?;
        let is_right = self
            .passwords
            .get(user)
            .is_some_and(|known| known.as_bytes().ct_eq(password).into());
        if !is_right {
            return Err(WRONG.to_owned());
        }
        if !authorization_id.is_empty() && authorization_id != user.as_bytes() {
            return Err(
                "Authentication failed: Client requested an authorization id that is different from username"
                    .to_owned(),
            );
        }
        Ok(user.to_owned())
    }
}
