//! JSON values as YAML: block style, texts quoted as in JSON, which YAML reads the same.

use serde_json::Value;

pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                indent(depth, out);
                out.push('-');
                write_nested(item, depth + 1, true, out);
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                indent(depth, out);
                write_field(name, field, depth, out);
            }
        }
        scalar => {
            indent(depth, out);
            out.push_str(&scalar.to_string());
            out.push('\n');
        }
    }
}

fn write_field(name: &str, field: &Value, depth: usize, out: &mut String) {
    out.push_str(&Value::from(name).to_string());
    out.push(':');
    write_nested(field, depth + 1, false, out);
}

/// What follows a dash or a colon. An object after a dash begins on the dash's line.
fn write_nested(value: &Value, depth: usize, after_dash: bool, out: &mut String) {
    match value {
        Value::Object(fields) if after_dash && !fields.is_empty() => {
            for (index, (name, field)) in fields.iter().enumerate() {
                if index == 0 {
                    out.push(' ');
                } else {
                    indent(depth, out);
                }
                write_field(name, field, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write(&Value::Array(items.clone()), depth, out);
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            write(value, depth, out);
        }
        scalar => {
            out.push(' ');
            out.push_str(&scalar.to_string());
            out.push('\n');
        }
    }
}

fn indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests;
