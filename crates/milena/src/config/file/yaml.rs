//! YAML, event by event: mappings of scalars and lists of scalars, without anchors.

use saphyr_parser::{Event, Parser, Span};

use super::{DEPTH_MAX, FileValue, Malformed, joined};

pub(super) fn parse(text: &str) -> Result<Vec<FileValue>, Malformed> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Malformed {
            line: error.marker().line(),
            problem: error.info().to_owned(),
        })?;
        reader.take(event, span)?;
    }
    Ok(reader.values)
}

/// Where we are, and what was read.
#[derive(Default)]
struct Reader {
    mappings: Vec<String>,
    /// The key whose value comes next.
    key: Option<(String, usize)>,
    list: Option<Vec<String>>,
    documents: usize,
    values: Vec<FileValue>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Malformed> {
        let line = span.start.line();
        let problem = |problem: &str| {
            Err(Malformed {
                line,
                problem: problem.to_owned(),
            })
        };
        match event {
            Event::DocumentStart(_) if self.documents > 0 => {
                return problem("a second document; there may be one");
            }
            Event::DocumentStart(_) => self.documents += 1,
            Event::Alias(_) => return problem("aliases are not supported; repeat the value"),
            Event::MappingStart(..) if self.list.is_some() => {
                return problem("a list of texts, numbers, true or false is expected");
            }
            Event::MappingStart(..) if self.mappings.len() >= DEPTH_MAX => {
                return problem("mappings are too deep in one another");
            }
            Event::MappingStart(..) => {
                let name = match (self.key.take(), self.mappings.last()) {
                    (Some((key, _)), _) => key,
                    (None, None) => String::new(),
                    (None, Some(_)) => return problem("a key is expected to be a text"),
                };
                self.mappings.push(name);
            }
            Event::MappingEnd => {
                self.mappings.pop();
            }
            Event::SequenceStart(..) if self.key.is_none() || self.list.is_some() => {
                return problem("a mapping of names to values is expected");
            }
            Event::SequenceStart(..) => self.list = Some(Vec::new()),
            Event::SequenceEnd => {
                let items = self.list.take().unwrap_or_default();
                self.value(items.join(","));
            }
            Event::Scalar(text, ..) => match (&mut self.list, &self.key, self.mappings.last()) {
                (Some(items), _, _) => items.push(text.into_owned()),
                (None, Some(_), _) => self.value(text.into_owned()),
                (None, None, Some(outer)) => self.key = Some((joined(outer, &text), line)),
                // What a document of nothing but comments consists of.
                (None, None, None) if text.is_empty() || text == "~" => {}
                (None, None, None) => return problem("a mapping of names to values is expected"),
            },
            _ => {}
        }
        Ok(())
    }

    /// The value of the key before it.
    fn value(&mut self, text: String) {
        if let Some((name, line)) = self.key.take() {
            self.values.push(FileValue { name, text, line });
        }
    }
}
