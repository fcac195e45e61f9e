use super::*;

#[test]
fn messages_are_one_line() {
    let failure = Failure::run("first\n  second\r\n\nthird");
    assert_eq!(failure.to_string(), "first second third");
}

#[test]
fn a_closed_pipe_is_quiet() {
    let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    assert!(failure.is_quiet());
    let failure = Failure::from(anyhow::Error::from(std::io::Error::from(
        std::io::ErrorKind::BrokenPipe,
    )));
    assert!(failure.is_quiet());
}
