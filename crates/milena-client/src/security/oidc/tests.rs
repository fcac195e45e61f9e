use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers each request in turn with one of `answers`; tells what was asked.
async fn endpoint(
    answers: Vec<(u16, &'static str)>,
) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "http://{}/token?x=1",
        listener.local_addr().expect("it is bound")
    );
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = String::new();
            // The form is the last thing in it.
            while !request.contains("grant_type=") {
                let mut bytes = [0; 4096];
                let count = stream.read(&mut bytes).await.expect("a request");
                request.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
            asked.push(request);
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
            stream
                .write_all(answer.as_bytes())
                .await
                .expect("it listens");
        }
        asked
    });
    (url, serving)
}

fn tokens(url: &str) -> OidcTokens {
    OidcTokens::new(url, "milena", "hunter2").expect("the URL is valid")
}

#[tokio::test]
async fn a_token_is_kept_for_most_of_its_life() {
    let answers = vec![
        (200, r#"{"access_token":"first","expires_in":3600}"#),
        (200, r#"{"access_token":"second","expires_in":0}"#),
        (200, r#"{"access_token":"third"}"#),
    ];
    let (url, serving) = endpoint(answers).await;
    let tokens = tokens(&url)
        .scope("read write")
        .extension("logicalCluster", "lkc-1");
    for _ in 0..3 {
        let token = tokens.token().await.expect("a token");
        assert_eq!(
            token,
            Token::new("first").extension("logicalCluster", "lkc-1")
        );
    }
    *tokens.kept() = None;
    for expected in ["second", "third", "third"] {
        let token = tokens.token().await.expect("a token");
        assert_eq!(token.value.expose(), expected);
    }
    let asked = serving.await.expect("it ends");
    let first = asked[0].to_ascii_lowercase();
    assert!(first.starts_with("post /token?x=1 http/1.1"), "{first}");
    // milena:hunter2
    assert!(asked[0].contains("Basic bWlsZW5hOmh1bnRlcjI="), "{first}");
    assert!(
        first.ends_with("grant_type=client_credentials&scope=read+write"),
        "{first}"
    );
}

#[tokio::test]
async fn refusals_are_final_and_outages_are_not() {
    for (status, body, expected, is_retriable) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"no"}"#,
            "invalid_client: no",
            false,
        ),
        (200, "{}", "no access_token", false),
        (200, "<html>", "not JSON", false),
        (503, "{}", "503", true),
        (429, "{}", "429", true),
    ] {
        let (url, serving) = endpoint(vec![(status, body)]).await;
        let error = tokens(&url).token().await.expect_err("there is none");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(error.is_retriable(), is_retriable, "{error}");
        serving.await.expect("it ends");
    }
    let (url, serving) = endpoint(Vec::new()).await;
    serving.await.expect("it ends");
    let error = tokens(&url).token().await.expect_err("nobody is there");
    assert!(error.is_retriable(), "{error}");
}

#[test]
fn urls_are_read() {
    for (url, host, port, is_encrypted) in [
        ("https://id.example.org/token", "id.example.org", 443, true),
        ("http://127.0.0.1:8080/a?b=c", "127.0.0.1", 8080, false),
        ("https://[::1]:1/", "::1", 1, true),
    ] {
        let (endpoint, encrypted) = Endpoint::parse(url).expect(url);
        assert_eq!(
            (endpoint.address.host.as_str(), endpoint.address.port),
            (host, port)
        );
        assert_eq!(encrypted, is_encrypted);
    }
    for url in ["", "id.example.org/token", "ftp://x/y", "https://"] {
        let error = OidcTokens::new(url, "a", "hunter2").err().expect(url);
        assert!(
            error
                .to_string()
                .starts_with("sasl.oauthbearer.token.endpoint.url")
        );
    }
}
