use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// One whole exchange, as both ends see it.
#[track_caller]
fn check_exchange(
    mechanism: ScramMechanism,
    client_nonce: &str,
    server_first: &str,
    proof: &str,
    signature: &str,
) {
    let first = ClientFirst::new("user", client_nonce.to_owned());
    let answer = ServerFirst::parse(server_first.as_bytes()).expect("it is well-formed");
    let mut last = ClientFinal::new(&answer.nonce);
    let auth_message = format!("{},{server_first},{}", first.bare, last.without_proof);
    let salted = mechanism
        .salted_password(b"pencil", &answer.salt, answer.iterations)
        .expect("enough iterations");
    last.proof = mechanism.client_proof(&salted, &auth_message);
    assert_eq!(STANDARD.encode(&last.proof), proof);

    let credential =
        ScramCredential::new(mechanism, &salted, answer.salt.clone(), answer.iterations);
    assert!(credential.is_proof(mechanism, &auth_message, &last.proof));
    let signed = credential.server_signature(mechanism, &auth_message);
    assert_eq!(STANDARD.encode(&signed), signature);
    assert!(mechanism.is_server_signature(&salted, &auth_message, &signed));

    let mut wrong = last.proof.clone();
    wrong[0] ^= 1;
    assert!(!credential.is_proof(mechanism, &auth_message, &wrong));
    assert!(!credential.is_proof(mechanism, &auth_message, &wrong[1..]));
    assert!(!mechanism.is_server_signature(&salted, &auth_message, &wrong));

    let text = last.to_text();
    assert_eq!(ClientFinal::parse(text.as_bytes()), Ok(last));
    assert_eq!(answer.to_text(), server_first);
}

#[test]
fn the_example_of_rfc_7677_is_reproduced() {
    check_exchange(
        ScramMechanism::Sha256,
        "rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    );
}

#[test]
fn iterations_have_limits() {
    for iterations in [0, 1, 4095, ITERATIONS_MAX + 1, u32::MAX] {
        let salted = ScramMechanism::Sha512.salted_password(b"pencil", b"salt", iterations);
        assert_eq!(salted.err(), Some(ScramError::Iterations(iterations)));
    }
}

#[test]
fn names_are_escaped_and_back() {
    for user in ["alice", "a,b=c", "=,", "=2C", "Jürgen"] {
        let first = ClientFirst::new(user, "n0nce".to_owned());
        let read = ClientFirst::parse(first.to_text().as_bytes()).expect("it is well-formed");
        assert_eq!(read, first, "{user}");
        assert_eq!(first.bare.matches(',').count(), 1, "{}", first.bare);
    }
}

#[test]
fn nonsense_is_refused() {
    let malformed = [
        "",
        "n",
        "n,,",
        "n,,n=user",
        "n,,n=,r=x",
        "n,,n=us=er,r=x",
        "n,,r=x,n=user",
        "n,,n=user,r=",
        "p=tls-unique,,n=user,r=x",
    ];
    for text in malformed {
        assert!(ClientFirst::parse(text.as_bytes()).is_err(), "{text}");
    }
    for text in [
        "",
        "r=x",
        "r=x,s=%,i=1",
        "r=x,s=QQ==,i=-1",
        "s=QQ==,r=x,i=1",
    ] {
        assert!(ServerFirst::parse(text.as_bytes()).is_err(), "{text}");
    }
    for text in ["", "c=biws,r=x", "c=biws,p=QQ==", "c=biws,r=x,p=%"] {
        assert!(ClientFinal::parse(text.as_bytes()).is_err(), "{text}");
    }
    for text in ["", "v", "v=%", "x=QQ=="] {
        assert!(ServerFinal::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(ServerFinal::parse(&[0xff]).is_err());
}

#[test]
fn refusals_are_told() {
    let refused = ServerFirst::parse(b"e=unknown-user");
    assert_eq!(refused, Err(ScramError::Refused("unknown-user".to_owned())));
    let refused = ServerFinal::parse(b"e=invalid-proof");
    assert_eq!(refused, Ok(ServerFinal::Error("invalid-proof".to_owned())));
}

#[test]
fn mechanisms_have_names_and_numbers() {
    for mechanism in ScramMechanism::ALL {
        assert_eq!(ScramMechanism::from_name(mechanism.name()), Some(mechanism));
        assert_eq!(
            ScramMechanism::from_number(mechanism.number()),
            Some(mechanism)
        );
    }
    assert_eq!(ScramMechanism::from_name("SCRAM-SHA-1"), None);
    assert_eq!(ScramMechanism::from_number(0), None);
}

#[test]
fn nonces_differ_and_keys_do_not_show() {
    let (one, other) = (nonce().expect("random"), nonce().expect("random"));
    assert_ne!(one, other);
    assert!(!one.contains(','));
    let credential = ScramCredential::new(ScramMechanism::Sha256, b"x", b"salt".to_vec(), 4096);
    assert_eq!(
        format!("{credential:?}"),
        "ScramCredential { iterations: 4096, .. }"
    );
}
