//! OAUTHBEARER with tokens that nobody signed: whoever brings one is believed. For tests only, as
//! with Apache Kafka's default validator.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// What a client is told whose token is of no use (RFC 7628).
pub(super) const INVALID_TOKEN: &str = r#"{"status":"invalid_token"}"#;

/// What a token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: String,
    /// Milliseconds since 1970.
    pub(super) expires_ms: i64,
}

/// Reads a client's message: `n,,^Aauth=Bearer TOKEN^A…^A^A`.
pub(super) fn validate(message: &[u8], now_ms: i64) -> Result<Claims, &'static str> {
    let text = std::str::from_utf8(message).map_err(|_| "the message is no text")?;
    let (header, rest) = text
        .split_once('\u{1}')
        .ok_or("the message has no fields")?;
    if !header.starts_with("n,") {
        return Err("channel binding is not supported");
    }
    let authorization = rest
        .split('\u{1}')
        .find_map(|field| field.strip_prefix("auth="))
        .ok_or("the message has no token")?;
    let (scheme, token) = authorization
        .split_once(' ')
        .ok_or("the token has no scheme")?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err("a bearer token is expected");
    }
    let claims = read(token.trim())?;
    if claims.expires_ms <= now_ms {
        return Err("the token has expired");
    }
    Ok(claims)
}

fn read(token: &str) -> Result<Claims, &'static str> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(""), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("a token without signature is expected");
    };
    let header = json(header)?;
    if header.get("alg").and_then(Value::as_str) != Some("none") {
        return Err("a token without signature is expected");
    }
    let claims = json(claims)?;
    let subject = claims.get("sub").and_then(Value::as_str);
    let subject = subject.filter(|name| !name.is_empty());
    let expires = claims.get("exp").and_then(Value::as_f64);
    Ok(Claims {
        subject: subject.ok_or("the token names nobody")?.to_owned(),
        expires_ms: (expires.ok_or("the token has no expiry time")? * 1000.0) as i64,
    })
}

fn json(part: &str) -> Result<Value, &'static str> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part.trim_end_matches('='))
        .map_err(|_| "the token is not base64")?;
    serde_json::from_slice(&bytes).map_err(|_| "the token is not JSON")
}
