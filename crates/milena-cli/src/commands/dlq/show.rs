//! `milena dlq show`.

use std::fmt::Write as _;

use clap::Args;
use milena::dead_letter::{Attempt, DeadLetter, Origin};
use serde::Serialize;
use serde_json::Value;

use super::letter_name::LetterName;
use super::{line, time};
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, print, show};
use crate::record::base64;

/// Characters of a text on one line.
const TEXT_CHARACTERS: usize = 2_000;

/// Which letter.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The letter, as `dlq list --letters` shows it.
    #[arg(value_name = "TOPIC:PARTITION:OFFSET")]
    letter: LetterName,

    /// How to show it; wide has the headers about the failure too.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let name = &arguments.letter;
    let admin = super::admin(&arguments.cluster).await?;
    let found = admin.find(&name.topic, name.partition, name.offset).await?;
    let Some((letter, is_redriven)) = found else {
        return Err(Failure::run(format!(
            "there is no letter {name}; `dlq list {} --letters` shows those that are there",
            name.topic
        )));
    };
    match arguments.output {
        Output::Table | Output::Wide => {
            let is_wide = arguments.output == Output::Wide;
            print(&text(name, &letter, is_redriven, is_wide))
        }
        output => show(output, &letter_of(name, &letter, is_redriven), |_| {
            Rows::default()
        }),
    }
}

#[derive(Debug, Serialize)]
struct Letter {
    letter: String,
    is_redriven: bool,
    dialect: &'static str,
    timestamp: String,
    origin: OriginOut,
    failure: FailureOut,
    attempts: Option<u32>,
    failed_first: Option<String>,
    failed_last: Option<String>,
    history: Vec<Attempt>,
    message_id: Option<String>,
    handler: Option<String>,
    app: Option<String>,
    host: Option<String>,
    fingerprint: String,
    redrive: RedriveOut,
    has_payload: bool,
    problems: Vec<String>,
    key: Bytes,
    value: Bytes,
    headers: Vec<(String, Bytes)>,
}

#[derive(Debug, Serialize)]
struct OriginOut {
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    timestamp: Option<String>,
    timestamp_type: Option<String>,
    group: Option<String>,
}

#[derive(Debug, Serialize)]
struct FailureOut {
    stage: Option<String>,
    class: Option<String>,
    code: Option<String>,
    message: Option<String>,
    trace: Option<String>,
}

#[derive(Debug, Serialize)]
struct RedriveOut {
    count: u32,
    id: Option<String>,
    by: Option<String>,
}

/// A text, null, or `{"base64":…}` for what is not UTF-8; as `consume -J` has headers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Bytes {
    Text(Option<String>),
    Binary { base64: String },
}

impl Bytes {
    fn of(bytes: Option<&[u8]>) -> Bytes {
        match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
            None => Bytes::Text(None),
            Some((_, Ok(text))) => Bytes::Text(Some(text.to_owned())),
            Some((bytes, Err(_))) => Bytes::Binary {
                base64: base64::encode(bytes),
            },
        }
    }
}

fn letter_of(name: &LetterName, letter: &DeadLetter, is_redriven: bool) -> Letter {
    let (origin, failure) = (&letter.origin, &letter.failure);
    let headers = letter.headers.iter();
    Letter {
        letter: name.to_string(),
        is_redriven,
        dialect: letter.dialect.name(),
        timestamp: time::show(letter.timestamp),
        origin: OriginOut {
            topic: origin.topic.clone(),
            partition: origin.partition,
            offset: origin.offset,
            timestamp: origin.timestamp.map(time::show),
            timestamp_type: origin.timestamp_type.clone(),
            group: origin.group.clone(),
        },
        failure: FailureOut {
            stage: failure.stage.clone(),
            class: failure.class.clone(),
            code: failure.code.clone(),
            message: failure.message.clone(),
            trace: failure.trace.clone(),
        },
        attempts: letter.attempts,
        failed_first: letter.failed_first.map(time::show),
        failed_last: letter.failed_last.map(time::show),
        history: letter.history.clone(),
        message_id: letter.message_id.clone(),
        handler: letter.handler.clone(),
        app: letter.app.clone(),
        host: letter.host.clone(),
        fingerprint: letter.fingerprint.clone(),
        redrive: RedriveOut {
            count: letter.redrive.count,
            id: letter.redrive.id.clone(),
            by: letter.redrive.by.clone(),
        },
        has_payload: letter.has_payload,
        problems: letter.problems.clone(),
        key: Bytes::of(letter.key.as_deref()),
        value: Bytes::of(letter.value.as_deref()),
        headers: headers
            .map(|(name, value)| (name.to_owned(), Bytes::of(value)))
            .collect(),
    }
}

/// `orders-3 offset 42`, as far as it is known.
pub(super) fn place(origin: &Origin) -> Option<String> {
    let mut place = origin.topic.clone()?;
    if let Some(partition) = origin.partition {
        let _ = write!(place, "-{partition}");
    }
    if let Some(offset) = origin.offset {
        let _ = write!(place, " offset {offset}");
    }
    Some(place)
}

/// For people: what is known, one thing a line, and the record.
fn text(name: &LetterName, letter: &DeadLetter, is_redriven: bool, is_wide: bool) -> String {
    let mut page = Page::default();
    let state = if is_redriven { "redriven" } else { "open" };
    page.line(
        "letter",
        Some(format!("{name}, {state}, written by {}", letter.dialect)),
    );
    page.line("origin", origin(letter));
    page.line("failure", failure(letter));
    page.line("message", letter.failure.message.clone());
    page.line("failed", times(letter));
    page.line("handler", handler(letter));
    page.line("message id", letter.message_id.clone());
    page.line("fingerprint", Some(letter.fingerprint.clone()));
    let mark = &letter.redrive;
    if mark.count > 0 {
        let by = mark.by.as_deref().unwrap_or("unknown");
        let id = mark.id.as_deref().unwrap_or("unknown");
        page.line(
            "redriven",
            Some(format!("{} times, last by {by}, id {id}", mark.count)),
        );
    }
    for problem in &letter.problems {
        page.line("unreadable", Some(problem.clone()));
    }
    page.block("history", letter.history.iter().map(attempt));
    let trace = letter.failure.trace.as_deref().unwrap_or_default();
    page.block("trace", trace.lines().map(str::to_owned));
    let headers: Vec<(&str, Option<&[u8]>)> = if is_wide {
        letter.headers.iter().collect()
    } else {
        letter.original_headers().collect()
    };
    page.block(
        "headers",
        headers
            .into_iter()
            .map(|(name, value)| format!("{name}: {}", bytes(value))),
    );
    page.line("key", Some(bytes(letter.key.as_deref())));
    if letter.has_payload {
        page.payload(letter.value.as_deref());
    } else {
        page.line(
            "value",
            Some("not in the letter; look at the origin".to_owned()),
        );
    }
    page.text
}

fn origin(letter: &DeadLetter) -> Option<String> {
    let mut text = place(&letter.origin)?;
    if let Some(timestamp) = letter.origin.timestamp {
        let _ = write!(text, ", of {}", time::show(timestamp));
    }
    if let Some(group) = &letter.origin.group {
        let _ = write!(text, ", group {group}");
    }
    Some(text)
}

fn failure(letter: &DeadLetter) -> Option<String> {
    let failure = &letter.failure;
    let mut text = failure.code.clone().unwrap_or_default();
    if let Some(class) = &failure.class {
        let _ = write!(text, " ({class})");
    }
    if let Some(stage) = &failure.stage {
        let _ = write!(text, " at {stage}");
    }
    (!text.is_empty()).then_some(text)
}

fn times(letter: &DeadLetter) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(
        letter
            .attempts
            .map(|attempts| format!("{attempts} attempts")),
    );
    parts.extend(
        letter
            .failed_first
            .map(|first| format!("first {}", time::show(first))),
    );
    parts.extend(
        letter
            .failed_last
            .map(|last| format!("last {}", time::show(last))),
    );
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn handler(letter: &DeadLetter) -> Option<String> {
    let mut text = letter.handler.clone()?;
    if let Some(app) = letter.app.as_ref().filter(|app| !app.is_empty()) {
        let _ = write!(text, " of {app}");
    }
    if let Some(host) = letter.host.as_ref().filter(|host| !host.is_empty()) {
        let _ = write!(text, " on {host}");
    }
    Some(text)
}

fn attempt(attempt: &Attempt) -> String {
    let Attempt {
        attempt,
        at,
        class,
        code,
        message,
        ..
    } = attempt;
    format!("{attempt}  {at}  {class}  {code}  {message}")
}

fn bytes(bytes: Option<&[u8]>) -> String {
    match Bytes::of(bytes) {
        Bytes::Text(None) => "null".to_owned(),
        Bytes::Text(Some(text)) => text,
        Bytes::Binary { base64 } => format!("base64 {base64}"),
    }
}

/// Names on the left, values on the right; nothing of a record moves the cursor.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            let _ = writeln!(self.text, "{name:<12} {}", line(&value, TEXT_CHARACTERS));
        }
    }

    fn block(&mut self, name: &str, lines: impl Iterator<Item = String>) {
        for (index, text) in lines.enumerate() {
            let name = if index == 0 { name } else { "" };
            // A trace's indentation is part of it.
            let text = text.replace('\t', "    ");
            self.line(name, Some(text));
        }
    }

    /// JSON is laid out; other texts are shown line by line.
    fn payload(&mut self, value: Option<&[u8]>) {
        let json = value.and_then(|value| serde_json::from_slice::<Value>(value).ok());
        let pretty = json
            .filter(|json| json.is_object() || json.is_array())
            .and_then(|json| serde_json::to_string_pretty(&json).ok());
        let text = pretty.unwrap_or_else(|| bytes(value));
        if text.is_empty() {
            self.line("value", Some("(empty)".to_owned()));
        }
        self.block("value", text.lines().map(str::to_owned));
    }
}
