use super::*;

#[test]
fn the_earliest_deadline_of_an_id_counts() {
    let now = clock::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
    let mut schedule = Schedule::default();
    assert!(schedule.add(&one, at(10)));
    assert!(!schedule.add(&one, at(20)));
    assert!(!schedule.add(&two, at(15)));
    assert!(schedule.add(&two, at(5)));
    assert_eq!(schedule.take_due(at(4)), Err(at(5)));
    assert_eq!(schedule.take_due(at(30)), Ok(two));
    assert_eq!(schedule.take_due(at(30)), Ok(one.clone()));
    assert!(schedule.take_due(at(30)).is_err());
    schedule.add(&one, at(10));
    schedule.forget(&one);
    assert!(schedule.take_due(at(30)).is_err());
}
