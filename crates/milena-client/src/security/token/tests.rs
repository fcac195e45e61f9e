use super::*;

#[test]
fn an_unsecured_token_says_who_and_how_long() {
    let tokens = UnsecuredTokens::new("a \"quoted\"\n\\ name")
        .principal_claim("user")
        .scope("read write")
        .lifetime(Duration::from_secs(60));
    let token = tokens.issue(Duration::from_millis(1_700_000_000_500));
    let parts: Vec<&str> = token.value.expose().split('.').collect();
    assert_eq!(parts.len(), 3, "header, claims, no signature");
    assert_eq!(parts[2], "");
    let text =
        |part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("a text");
    assert_eq!(text(parts[0]), r#"{"alg":"none"}"#);
    assert_eq!(
        text(parts[1]),
        r#"{"user":"a \"quoted\"\u000a\\ name","iat":1700000000.5,"exp":1700000060.5,"scope":"read write"}"#
    );
}

#[tokio::test]
async fn tokens_do_not_show() {
    let token = UnsecuredTokens::new("alice")
        .token()
        .await
        .expect("a token");
    let token = token.extension("traceId", "7");
    assert_eq!(
        format!("{token:?}"),
        "Token { value: ***, extensions: [(\"traceId\", \"7\")] }"
    );
}
