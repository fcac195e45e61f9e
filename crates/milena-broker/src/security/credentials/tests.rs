use super::*;

#[test]
fn users_are_written_and_read_back() {
    let mut users = Users::new();
    for user in ["alice", "bob"] {
        let mut credentials = UserCredentials::new();
        for mechanism in ScramMechanism::ALL {
            let salted = user.as_bytes();
            let credential = ScramCredential::new(mechanism, salted, b"salt".to_vec(), 4096);
            credentials.insert(mechanism, credential);
        }
        users.insert(user.to_owned(), credentials);
    }
    let payload = encode_users(&users);
    assert!(decode_users(&payload).is_some_and(|read| read == users));
    assert!(decode_users(&payload[..payload.len() - 1]).is_none());
    assert!(decode_users(&[&payload[..], &[0]].concat()).is_none());
}
