use super::*;

use std::collections::BTreeSet;

const THREADS: usize = 4;
const PORTS_PER_THREAD: usize = 25;
/// Other processes take ports, too: this test in another suite, for one.
const ROUNDS_MAX: usize = 3;

#[test]
fn ports_are_distinct_and_can_be_bound_later() {
    let taken = (0..ROUNDS_MAX).map_while(|_| distinct_ports().into_iter().find_map(refused));
    let taken: Vec<io::Error> = taken.collect();
    assert!(taken.len() < ROUNDS_MAX, "{taken:?}");
}

fn refused(port: u16) -> Option<io::Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err()
}

/// Held and given back.
fn distinct_ports() -> Vec<u16> {
    let port = || hold().unwrap().local_addr().unwrap().port();
    let ports: Vec<u16> = std::thread::scope(|scope| {
        let take = || (0..PORTS_PER_THREAD).map(|_| port()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(take)).collect();
        let taken = threads.into_iter().map(|thread| thread.join().unwrap());
        taken.flatten().collect()
    });
    let distinct: BTreeSet<&u16> = ports.iter().collect();
    assert_eq!(distinct.len(), THREADS * PORTS_PER_THREAD);
    ports
}

#[test]
fn a_held_port_is_not_given() {
    let held: Vec<TcpListener> = (0..THREADS).map(|_| hold().unwrap()).collect();
    for listener in &held {
        let address = listener.local_addr().unwrap();
        let again = TcpListener::bind(address).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }
}

#[test]
fn each_port_is_given_once() {
    let cursor = Cursor::new(vec![1, 2, 3]);
    let mut given: Vec<u16> = std::iter::from_fn(|| cursor.next()).collect();
    given.sort_unstable();
    assert_eq!(given, [1, 2, 3]);
    assert_eq!(cursor.next(), None);
    assert_eq!(Cursor::new(Vec::new()).next(), None);
}

#[test]
fn what_the_system_gives_is_left_to_it() {
    let all = 17_000;
    for (system, expected) in [
        ("32768\t60999\n", all),
        ("20000 60999", 5_000),
        ("1024 65535", 0),
        ("", all),
        ("a range", all),
        ("1024", all),
    ] {
        assert_eq!(candidates(system).len(), expected, "{system:?}");
    }
}
