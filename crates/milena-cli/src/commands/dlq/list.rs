//! `milena dlq list`.

use std::ops::ControlFlow;

use clap::Args;
use milena::dead_letter::{DeadLetter, DeadLetterAdmin, Filter, Group, Summary};
use serde::Serialize;

use super::filter::FilterArguments;
use super::letter_name::LetterName;
use super::{line, time};
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, or_dash, show};

/// Characters of a text in a table.
const TEXT_CHARACTERS: usize = 60;

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Dead letter topics, for what failed in them. Without, all topics named like one
    /// (x.dlq, x-dlt, dlq.x, …) are counted.
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,

    #[command(flatten)]
    filter: FilterArguments,

    /// Each letter by itself, as `dlq show` takes it.
    #[arg(long, requires = "topics")]
    letters: bool,

    /// With --letters: only those that were not redriven.
    #[arg(long, requires = "letters")]
    open: bool,

    /// With --letters: so many of each topic at most; 0 for all.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100,
        requires = "letters"
    )]
    limit: usize,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = super::admin(&arguments.cluster).await?;
    let filter = arguments.filter.filter();
    if arguments.letters {
        return list_letters(&arguments, &admin, &filter).await;
    }
    let topics = match arguments.topics.as_slice() {
        [] => admin.topics().await?,
        named => named.to_vec(),
    };
    let mut summaries = Vec::with_capacity(topics.len());
    for topic in &topics {
        summaries.push(topic_of(&admin.summary(topic, &filter).await?));
    }
    show(arguments.output, &summaries, |is_wide| {
        if arguments.topics.is_empty() {
            topic_rows(&summaries)
        } else {
            group_rows(&summaries, is_wide)
        }
    })
}

#[derive(Debug, Serialize)]
struct Topic {
    topic: String,
    letters: u64,
    open: u64,
    first: Option<String>,
    last: Option<String>,
    groups: Vec<GroupRow>,
    ungrouped: u64,
}

#[derive(Debug, Serialize)]
struct GroupRow {
    fingerprint: String,
    letters: u64,
    open: u64,
    first: String,
    last: String,
    dialect: &'static str,
    origin_topic: Option<String>,
    handler: Option<String>,
    stage: Option<String>,
    class: Option<String>,
    code: Option<String>,
    message: Option<String>,
    /// The latest letter.
    example: String,
}

fn topic_of(summary: &Summary) -> Topic {
    let groups = summary.groups.iter();
    Topic {
        topic: summary.topic.clone(),
        letters: summary.letters,
        open: summary.open,
        first: summary.first.map(time::show),
        last: summary.last.map(time::show),
        groups: groups
            .map(|group| group_of(&summary.topic, group))
            .collect(),
        ungrouped: summary.ungrouped,
    }
}

fn group_of(topic: &str, group: &Group) -> GroupRow {
    let example = &group.example;
    let failure = &example.failure;
    let name = LetterName {
        topic: topic.to_owned(),
        partition: example.partition,
        offset: example.offset,
    };
    GroupRow {
        fingerprint: group.fingerprint.clone(),
        letters: group.letters,
        open: group.open,
        first: time::show(group.first),
        last: time::show(group.last),
        dialect: example.dialect.name(),
        origin_topic: example.origin_topic.clone(),
        handler: example.handler.clone(),
        stage: failure.stage.clone(),
        class: failure.class.clone(),
        code: failure.code.clone(),
        message: failure.message.clone(),
        example: name.to_string(),
    }
}

fn topic_rows(topics: &[Topic]) -> Rows {
    let rows = topics.iter().map(|topic| {
        vec![
            topic.topic.clone(),
            topic.letters.to_string(),
            topic.open.to_string(),
            topic.groups.len().to_string(),
            or_dash(topic.first.as_ref()),
            or_dash(topic.last.as_ref()),
        ]
    });
    Rows {
        header: vec!["TOPIC", "LETTERS", "OPEN", "GROUPS", "FIRST", "LAST"],
        rows: rows.collect(),
    }
}

fn group_rows(topics: &[Topic], is_wide: bool) -> Rows {
    let mut header = vec!["TOPIC", "FINGERPRINT", "LETTERS", "OPEN", "LAST", "CODE"];
    if is_wide {
        header.extend([
            "FIRST", "CLASS", "STAGE", "ORIGIN", "HANDLER", "DIALECT", "EXAMPLE",
        ]);
    }
    header.push("MESSAGE");
    let groups = topics
        .iter()
        .flat_map(|topic| topic.groups.iter().map(|group| (&topic.topic, group)));
    let rows = groups.map(|(topic, group)| {
        let text =
            |text: &Option<String>| or_dash(text.as_ref().map(|text| line(text, TEXT_CHARACTERS)));
        let mut row = vec![
            topic.clone(),
            group.fingerprint.clone(),
            group.letters.to_string(),
            group.open.to_string(),
            group.last.clone(),
            text(&group.code),
        ];
        if is_wide {
            row.extend([
                group.first.clone(),
                text(&group.class),
                text(&group.stage),
                text(&group.origin_topic),
                text(&group.handler),
                group.dialect.to_owned(),
                group.example.clone(),
            ]);
        }
        row.push(message(group.message.as_deref()));
        row
    });
    Rows {
        header,
        rows: rows.collect(),
    }
}

#[derive(Debug, Serialize)]
struct LetterRow {
    letter: String,
    failed: String,
    is_redriven: bool,
    redrives: u32,
    dialect: &'static str,
    origin: Option<String>,
    handler: Option<String>,
    stage: Option<String>,
    class: Option<String>,
    code: Option<String>,
    message: Option<String>,
    attempts: Option<u32>,
    fingerprint: String,
    key: Option<String>,
}

async fn list_letters(
    arguments: &Arguments,
    admin: &DeadLetterAdmin,
    filter: &Filter,
) -> Result<(), Failure> {
    let mut letters = Vec::new();
    for topic in &arguments.topics {
        let mut found = 0;
        admin
            .browse(topic, filter, |letter, is_redriven| {
                if arguments.open && is_redriven {
                    return ControlFlow::Continue(());
                }
                letters.push(letter_of(&letter, is_redriven));
                found += 1;
                if found == arguments.limit {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .await?;
    }
    show(arguments.output, &letters, |is_wide| {
        letter_rows(&letters, is_wide)
    })
}

fn letter_of(letter: &DeadLetter, is_redriven: bool) -> LetterRow {
    let name = LetterName {
        topic: letter.topic.to_string(),
        partition: letter.partition,
        offset: letter.offset,
    };
    let key = letter.key.as_deref().map(String::from_utf8_lossy);
    LetterRow {
        letter: name.to_string(),
        failed: time::show(letter.failed_at()),
        is_redriven,
        redrives: letter.redrive.count,
        dialect: letter.dialect.name(),
        origin: super::show::place(&letter.origin),
        handler: letter.handler.clone(),
        stage: letter.failure.stage.clone(),
        class: letter.failure.class.clone(),
        code: letter.failure.code.clone(),
        message: letter.failure.message.clone(),
        attempts: letter.attempts,
        fingerprint: letter.fingerprint.clone(),
        key: key.map(std::borrow::Cow::into_owned),
    }
}

fn letter_rows(letters: &[LetterRow], is_wide: bool) -> Rows {
    let mut header = vec!["LETTER", "FAILED", "REDRIVEN", "ORIGIN", "CODE"];
    if is_wide {
        header.extend([
            "CLASS",
            "STAGE",
            "HANDLER",
            "ATTEMPTS",
            "REDRIVES",
            "FINGERPRINT",
            "KEY",
        ]);
    }
    header.push("MESSAGE");
    let rows = letters.iter().map(|letter| {
        let text =
            |text: &Option<String>| or_dash(text.as_ref().map(|text| line(text, TEXT_CHARACTERS)));
        let mut row = vec![
            letter.letter.clone(),
            letter.failed.clone(),
            if letter.is_redriven { "yes" } else { "no" }.to_owned(),
            text(&letter.origin),
            text(&letter.code),
        ];
        if is_wide {
            row.extend([
                text(&letter.class),
                text(&letter.stage),
                text(&letter.handler),
                or_dash(letter.attempts),
                letter.redrives.to_string(),
                letter.fingerprint.clone(),
                text(&letter.key),
            ]);
        }
        row.push(message(letter.message.as_deref()));
        row
    });
    Rows {
        header,
        rows: rows.collect(),
    }
}

fn message(message: Option<&str>) -> String {
    or_dash(message.map(|message| line(message, TEXT_CHARACTERS)))
}
