//! A record as a line of text, the same for every client: what two clients made of the same bytes
//! is compared as text.

use anyhow::{Context, Result, ensure};
use milena_client::consumer::{ConsumedRecord, TimestampType};
use std::fmt;

/// A record with everything a client can see of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// -1 lets the client choose.
    pub(super) partition: i32,
    /// -1 before it is written.
    pub(super) offset: i64,
    pub(super) timestamp_type: String,
    pub(super) timestamp: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

pub(super) const CREATE_TIME: &str = "CreateTime";

impl Line {
    pub(super) fn of(record: &ConsumedRecord) -> Result<Self> {
        let mut headers = Vec::new();
        for header in record.headers().iter() {
            let key = std::str::from_utf8(header.key)?.to_owned();
            headers.push((key, header.value.map(<[u8]>::to_vec)));
        }
        let timestamp_type = match record.timestamp_type() {
            TimestampType::CreateTime => CREATE_TIME,
            _ => "LogAppendTime",
        };
        Ok(Self {
            partition: record.partition(),
            offset: record.offset(),
            timestamp_type: timestamp_type.to_owned(),
            timestamp: record.timestamp(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers,
        })
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let fields: Vec<&str> = text.split('\t').collect();
        let [
            partition,
            offset,
            timestamp_type,
            timestamp,
            key,
            value,
            headers,
        ] = fields[..]
        else {
            anyhow::bail!("{text:?} has {} fields", fields.len());
        };
        let pairs = headers.split(',').filter(|pair| !pair.is_empty());
        let header = |pair: &str| {
            let (name, data) = pair.split_once('=').context("a header without =")?;
            let name = decode(name)?.context("a header without a key")?;
            Ok((String::from_utf8(name)?, decode(data)?))
        };
        Ok(Self {
            partition: partition.parse()?,
            offset: offset.parse()?,
            timestamp_type: timestamp_type.to_owned(),
            timestamp: timestamp.parse()?,
            key: decode(key)?,
            value: decode(value)?,
            headers: pairs.map(header).collect::<Result<_>>()?,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(name, data)| {
            format!(
                "{}={}",
                encode(Some(name.as_bytes())),
                encode(data.as_deref())
            )
        });
        write!(
            formatter,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}",
            self.partition,
            self.offset,
            self.timestamp_type,
            self.timestamp,
            encode(self.key.as_deref()),
            encode(self.value.as_deref()),
            headers.collect::<Vec<_>>().join(",")
        )
    }
}

fn encode(data: Option<&[u8]>) -> String {
    let Some(data) = data else {
        return "-".to_owned();
    };
    data.iter()
        .fold("x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn decode(field: &str) -> Result<Option<Vec<u8>>> {
    if field == "-" {
        return Ok(None);
    }
    let digits = field.strip_prefix('x').context("bytes begin with x")?;
    ensure!(digits.len() % 2 == 0 && digits.is_ascii(), "{field:?}");
    let bytes = (0..digits.len()).step_by(2);
    let bytes = bytes.map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    Ok(Some(bytes.collect::<Result<_, _>>()?))
}
