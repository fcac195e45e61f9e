use milena_wire::sasl::scram::{
    ClientFinal, ClientFirst, ScramCredential, ServerFinal, ServerFirst,
};

use super::*;

const HASH: ScramMechanism = ScramMechanism::Sha256;

fn alice() -> Credentials {
    Credentials::new("alice", "hunter2")
}

fn sent(step: Result<Step, String>) -> (Exchange, Message) {
    match step {
        Ok(Step::Send(exchange, message)) => (exchange, message),
        Ok(Step::Done) => panic!("it is not done"),
        Err(reason) => panic!("{reason}"),
    }
}

/// A server's side of SCRAM, up to what it says last.
fn scram(nonce: &str, iterations: u32) -> Result<(Exchange, ServerFinal), String> {
    let (exchange, message) = Exchange::scram(HASH, &alice(), "n0nce".to_owned());
    let first = ClientFirst::parse(&message).expect("it is well-formed");
    let answer = ServerFirst {
        nonce: nonce.to_owned(),
        salt: b"salt".to_vec(),
        iterations,
    };
    let step = exchange.answer(answer.to_text().as_bytes());
    let (exchange, message) = match step? {
        Step::Send(exchange, message) => (exchange, message),
        Step::Done => return Err("it is not done".to_owned()),
    };
    let last = ClientFinal::parse(&message).expect("it is well-formed");
    let salted = HASH.salted_password(b"hunter2", b"salt", iterations);
    let salted = salted.expect("enough iterations");
    let credential = ScramCredential::new(HASH, &salted, b"salt".to_vec(), iterations);
    let auth_message = format!("{},{},{}", first.bare, answer.to_text(), last.without_proof);
    assert!(credential.is_proof(HASH, &auth_message, &last.proof));
    let signature = credential.server_signature(HASH, &auth_message);
    Ok((exchange, ServerFinal::Signature(signature)))
}

#[test]
fn plain_is_one_message() {
    let (exchange, message) = Exchange::plain(&alice());
    assert_eq!(&message[..], b"\0alice\0hunter2");
    assert!(matches!(exchange.answer(b""), Ok(Step::Done)));
}

#[test]
fn scram_ends_when_the_server_has_proved_itself() {
    let (exchange, signature) = scram("n0nce+more", 4096).expect("it goes on");
    let step = exchange.answer(signature.to_text().as_bytes());
    assert!(matches!(step, Ok(Step::Done)));
}

#[test]
fn scram_does_not_trust_the_server() {
    for (nonce, iterations, expected) in [
        ("other", 4096, "nonce"),
        ("n0nce", 4096, "nonce"),
        ("n0nce+more", 1, "iterations"),
        ("n0nce+more", u32::MAX, "iterations"),
    ] {
        let error = scram(nonce, iterations).err().expect("it must be refused");
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for (last, expected) in [
        ("v=AAAA", "does not know the password"),
        ("v=", "does not know the password"),
        ("e=invalid-proof", "invalid-proof"),
        ("nonsense", "malformed"),
    ] {
        let (exchange, _) = scram("n0nce+more", 4096).expect("it goes on");
        let error = exchange.answer(last.as_bytes()).err();
        let error = error.expect("it must be refused");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_token_is_wrapped() {
    let token = Token::new("abc.def.").extension("traceId", "7");
    let (exchange, message) = Exchange::token(&token).expect("it is valid");
    assert_eq!(
        &message[..],
        b"n,,\x01auth=Bearer abc.def.\x01traceId=7\x01\x01"
    );
    assert!(matches!(exchange.answer(b""), Ok(Step::Done)));
    for (name, value) in [("auth", "x"), ("", "x"), ("a b", "x"), ("a", "\u{1}")] {
        let token = Token::new("abc").extension(name, value);
        assert!(Exchange::token(&token).is_err(), "{name}={value}");
    }
}

#[test]
fn a_refused_token_is_acknowledged() {
    let (exchange, _) = Exchange::token(&Token::new("abc")).expect("it is valid");
    let (exchange, message) = sent(exchange.answer(b"{\"status\":\"invalid_token\"}"));
    assert_eq!(&message[..], [1]);
    assert_eq!(exchange.refusal(), Some("{\"status\":\"invalid_token\"}"));
    assert!(exchange.answer(b"").is_err());
}
