use super::*;

fn count(events: &[Event], fault: Fault) -> usize {
    events.iter().filter(|event| event.fault == fault).count()
}

fn parses(event: &Event) -> bool {
    serde_json::from_slice::<Value>(&event.value).is_ok()
}

#[test]
fn the_flights_have_their_share_of_faults() {
    let events = flights().unwrap();
    assert_eq!(events.len(), 5000);
    for (fault, expected) in [
        (Fault::Truncated, 50),
        (Fault::Misfit, 50),
        (Fault::Fails(1), 50),
        (Fault::Fails(2), 50),
        (Fault::AlwaysFails, 1),
    ] {
        assert_eq!(count(&events, fault), expected, "{fault:?}");
    }
    assert!(events.iter().all(|event| event.key.is_some()));
    for event in &events {
        let is_broken = matches!(event.fault, Fault::Truncated | Fault::Misfit);
        let flight = serde_json::from_slice::<Flight>(&event.value);
        assert_eq!(flight.is_ok(), !is_broken, "{event:?}");
        assert!(
            flight.is_err() || flight.is_ok_and(|flight| flight.check().is_ok()),
            "{event:?}"
        );
    }
}

#[test]
fn own_lines_of_any_shape_get_faults_and_keys() {
    let text =
        b"{\"user\":\"ann\"}\n\n{\"user\":7}\r\n[1,2]\n12345\n\"text\"\n{\"user\":null}\nno json\n";
    let events = own_lines(text, Some("user"));
    let keys: Vec<_> = events.iter().map(|event| event.key.as_deref()).collect();
    assert_eq!(keys, [Some("ann"), Some("7"), None, None, None, None, None]);
    for event in &events {
        let is_broken = matches!(event.fault, Fault::Truncated | Fault::Misfit);
        let was_broken = event.value.starts_with(b"no");
        assert_eq!(parses(event), !is_broken && !was_broken, "{event:?}");
    }
    assert_eq!(count(&events, Fault::AlwaysFails), 1);
}

#[test]
fn few_lines_are_fine() {
    assert_eq!(own_lines(b"", None), []);
    let events = own_lines(b"{}\n{}\n{}\n{}\n{}", None);
    assert_eq!(
        events
            .iter()
            .filter(|event| event.fault != Fault::None)
            .count(),
        5
    );
}
