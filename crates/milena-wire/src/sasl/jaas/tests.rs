use super::*;

#[test]
fn a_login_module_has_options() {
    let text = r#" org.apache.X required
        username="ali\"ce" password="p=;\\ w" serviceName=kafka; "#;
    let module = LoginModule::parse(text).expect("it is well-formed");
    assert_eq!(module.name, "org.apache.X");
    assert_eq!(module.option("username"), Some("ali\"ce"));
    assert_eq!(module.option("password"), Some("p=;\\ w"));
    assert_eq!(module.option("serviceName"), Some("kafka"));
    assert_eq!(module.option("debug"), None);
    assert!(!format!("{module:?}").contains("p="));
}

#[test]
fn no_options_are_options() {
    let module = LoginModule::parse("X required ;").expect("it is well-formed");
    assert!(module.options.is_empty());
    assert!(LoginModule::parse("X required;").is_ok());
}

#[test]
fn what_is_wrong_is_told_without_the_text() {
    for (text, expected) in [
        ("", "a login module"),
        ("X", "`required`"),
        ("X hunter2=1;", "`required`"),
        ("X required user=a", "semicolon"),
        ("X required password=\"hunter2", "does not end"),
        ("X required password=\"hunter2\\", "does not end"),
        ("X required a=b; Y required;", "one login module"),
    ] {
        let error = LoginModule::parse(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
