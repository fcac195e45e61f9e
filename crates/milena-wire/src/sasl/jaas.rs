//! `sasl.jaas.config`: one login module and its options, as Kafka's properties hold them:
//! `org.apache…ScramLoginModule required username="alice" password="secret";`.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// Kafka's login module for PLAIN.
pub const PLAIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
/// Kafka's login module for SCRAM.
pub const SCRAM_MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
/// Kafka's login module for OAUTHBEARER.
pub const OAUTHBEARER_MODULE: &str =
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/// An entry of a JAAS configuration.
pub struct LoginModule {
    /// The name of its class.
    pub name: String,
    /// Its options; some are secrets.
    pub options: BTreeMap<String, Zeroizing<String>>,
}

impl LoginModule {
    /// Reads one entry.
    ///
    /// # Errors
    /// What is expected instead; nothing of the text is in it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rest = text.trim();
        let name = word(&mut rest).ok_or("expected a login module")?;
        let flag = word(&mut rest).unwrap_or_default();
        let is_flag = ["required", "requisite", "sufficient", "optional"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(flag));
        if !is_flag {
            return Err("expected `required` after the login module");
        }
        Ok(Self {
            name: name.to_owned(),
            options: options(rest)?,
        })
    }

    /// An option's value.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(|value| value.as_str())
    }
}

impl std::fmt::Debug for LoginModule {
    /// Without the options.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LoginModule")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let end = rest
        .find(|c: char| c.is_whitespace() || c == ';')
        .unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after.trim_start();
    (!word.is_empty()).then_some(word)
}

/// `name=value` and `name="value"`, up to the semicolon that ends the entry.
fn options(mut rest: &str) -> Result<BTreeMap<String, Zeroizing<String>>, &'static str> {
    let mut options = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(';') {
            let is_end = after.trim().is_empty();
            return is_end.then_some(options).ok_or("expected one login module");
        }
        let (name, after) = rest
            .split_once('=')
            .ok_or("expected name=\"value\" and a semicolon at the end")?;
        let (value, after) = value(after.trim_start()).ok_or("a quoted value does not end")?;
        options.insert(name.trim().to_owned(), value);
        rest = after;
    }
}

/// A value and what follows it. Within quotes a backslash takes the next character as it is.
fn value(text: &str) -> Option<(Zeroizing<String>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|c: char| c.is_whitespace() || c == ';')
            .unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((Zeroizing::new(value.to_owned()), rest));
    };
    let mut value = Zeroizing::new(String::with_capacity(quoted.len()));
    let mut characters = quoted.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(position + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests;
