use super::*;

#[test]
fn faults_strike_in_the_order_they_are_due() {
    let faults = Faults::default();
    let refuse = Fault::Fail(ErrorCode::NotCoordinator);
    faults.nth(ApiKey::Fetch, 2, Fault::Disconnect);
    faults.times(ApiKey::Fetch, 2, refuse);
    faults.next(ApiKey::Produce, Fault::DropResponse);
    let fetch = ApiKey::Fetch as i16;
    let struck: Vec<_> = (0..4).map(|_| faults.strike(fetch)).collect();
    assert_eq!(
        struck,
        [Some(refuse), Some(Fault::Disconnect), Some(refuse), None]
    );
    assert_eq!(faults.requests_seen(ApiKey::Fetch), 4);
    faults.always(ApiKey::Fetch, refuse);
    assert_eq!(faults.strike(fetch), Some(refuse));
    faults.clear();
    assert_eq!(faults.strike(fetch), None);
    assert_eq!(faults.strike(ApiKey::Produce as i16), None);
}
