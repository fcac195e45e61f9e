use super::*;

/// A process that is being started has all files of ours until it runs its own program.
#[test]
fn a_directory_is_free_at_once_even_if_somebody_has_the_lock_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(Spool::at(directory.path())).unwrap();
    let _theirs = store._lock.0.try_clone().unwrap();
    drop(store);
    Store::open(Spool::at(directory.path())).unwrap();
}
