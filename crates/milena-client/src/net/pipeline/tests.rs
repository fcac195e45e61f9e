use super::*;

struct Fixture {
    pipeline: Pipeline<u32>,
    now: Instant,
}

impl Fixture {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            pipeline: Pipeline::new(now),
            now,
        }
    }

    fn enqueue(&mut self, waiter: u32, timeout_ms: u64) -> Result<Instant, Refusal> {
        self.enqueue_as(Reply::Expected, waiter, timeout_ms)
    }

    fn enqueue_as(
        &mut self,
        reply: Reply,
        waiter: u32,
        timeout_ms: u64,
    ) -> Result<Instant, Refusal> {
        self.enqueue_in(Turn::Queue, reply, waiter, timeout_ms)
    }

    fn enqueue_in(
        &mut self,
        turn: Turn,
        reply: Reply,
        waiter: u32,
        timeout_ms: u64,
    ) -> Result<Instant, Refusal> {
        let request = NewRequest {
            turn,
            api: ApiKey::Metadata,
            version: 9,
            client_id: "me",
            body: vec![Bytes::from_static(b"body")],
            reply,
            waiter,
            timeout: Duration::from_millis(timeout_ms),
        };
        let queued = self.pipeline.enqueue(request, self.now);
        queued.map_err(|(refusal, _waiter)| refusal)
    }

    fn write_all(&mut self) -> usize {
        let mut chunks = VecDeque::new();
        self.pipeline.take_writable(&mut chunks, usize::MAX);
        chunks.len()
    }
}

#[test]
fn answers_are_matched_in_order() {
    let mut fixture = Fixture::new();
    for waiter in 0..3 {
        fixture.enqueue(waiter, 1000).expect("there is room");
    }
    assert_eq!(fixture.write_all(), 6);
    for waiter in 0..3 {
        let accepted = fixture
            .pipeline
            .accept(waiter as i32, fixture.now)
            .expect("in order");
        assert_eq!(accepted.waiter, waiter);
    }
}

#[test]
fn answers_out_of_order_are_refused() {
    let mut fixture = Fixture::new();
    fixture.enqueue(0, 1000).expect("there is room");
    fixture.enqueue(1, 1000).expect("there is room");
    fixture.write_all();
    let mismatch = fixture
        .pipeline
        .accept(1, fixture.now)
        .expect_err("0 comes first");
    assert_eq!(
        mismatch,
        Mismatch {
            received: 1,
            expected: Some(0)
        }
    );
}

#[test]
fn an_answer_before_its_request_was_written_is_refused() {
    let mut fixture = Fixture::new();
    fixture.enqueue(0, 1000).expect("there is room");
    let mismatch = fixture
        .pipeline
        .accept(0, fixture.now)
        .expect_err("nothing was written");
    assert_eq!(
        mismatch,
        Mismatch {
            received: 0,
            expected: None
        }
    );
}

#[test]
fn requests_without_answer_are_done_when_written() {
    let mut fixture = Fixture::new();
    fixture
        .enqueue_as(Reply::None, 8, 1000)
        .expect("there is room");
    fixture.enqueue(9, 1000).expect("there is room");
    assert_eq!(
        fixture.pipeline.written(fixture.now).count(),
        0,
        "it is only queued"
    );
    assert_eq!(fixture.write_all(), 4);
    fixture
        .enqueue_as(Reply::None, 10, 1000)
        .expect("there is room");
    let done: Vec<u32> = fixture
        .pipeline
        .written(fixture.now)
        .map(|done| done.waiter)
        .collect();
    assert_eq!(done, [8]);
    let accepted = fixture
        .pipeline
        .accept(1, fixture.now)
        .expect("the id of the second");
    assert_eq!(accepted.waiter, 9);
    assert_eq!(fixture.pipeline.load(), 1);
}

#[test]
fn a_request_that_cannot_be_written_expires() {
    let mut fixture = Fixture::new();
    fixture.enqueue(0, 1000).expect("there is room");
    let deadline = fixture
        .enqueue_as(Reply::None, 1, 10)
        .expect("there is room");
    assert_eq!(
        fixture.pipeline.next_deadline(Duration::from_secs(60)),
        deadline
    );
    let expired = fixture.pipeline.expired(deadline).expect("its time is up");
    let waiters: Vec<u32> = fixture
        .pipeline
        .abandon()
        .into_iter()
        .map(|u| u.waiter)
        .collect();
    assert_eq!((expired.position, waiters), (1, vec![0, 1]));
}

#[test]
fn in_flight_and_queue_are_bounded() {
    let mut fixture = Fixture::new();
    for waiter in 0..REQUESTS_MAX as u32 {
        fixture.enqueue(waiter, 1000).expect("there is room");
    }
    assert_eq!(fixture.enqueue(0, 1000), Err(Refusal::Full));
    assert_eq!(fixture.write_all(), 2 * IN_FLIGHT_MAX);
    assert_eq!(fixture.write_all(), 0);
    fixture.pipeline.accept(0, fixture.now).expect("in order");
    assert_eq!(fixture.write_all(), 2);
    fixture.enqueue(0, 1000).expect("one was answered");
}

#[test]
fn the_earliest_deadline_counts() {
    let mut fixture = Fixture::new();
    let idle_max = Duration::from_secs(60);
    assert_eq!(
        fixture.pipeline.next_deadline(idle_max),
        fixture.now + idle_max
    );
    fixture.enqueue(0, 500).expect("there is room");
    fixture.enqueue(1, 100).expect("there is room");
    let early = fixture.now + Duration::from_millis(100);
    assert_eq!(fixture.pipeline.next_deadline(idle_max), early);
    assert_eq!(fixture.pipeline.expired(fixture.now), None);
    assert_eq!(
        fixture
            .pipeline
            .expired(early)
            .map(|expired| expired.position),
        Some(1)
    );
}

#[test]
fn idle_means_nothing_to_do_for_long() {
    let mut fixture = Fixture::new();
    let idle_max = Duration::from_secs(60);
    let later = fixture.now + idle_max;
    assert!(fixture.pipeline.is_idle(later, idle_max));
    fixture.enqueue(0, 1_000_000).expect("there is room");
    assert!(!fixture.pipeline.is_idle(later, idle_max));
    fixture.write_all();
    fixture.pipeline.accept(0, later).expect("in order");
    assert!(!fixture.pipeline.is_idle(later, idle_max));
}

#[test]
fn correlation_ids_wrap_to_zero() {
    let mut fixture = Fixture::new();
    fixture.pipeline.next_correlation_id = i32::MAX;
    fixture.enqueue(0, 1000).expect("there is room");
    fixture.enqueue(1, 1000).expect("there is room");
    fixture.write_all();
    fixture
        .pipeline
        .accept(i32::MAX, fixture.now)
        .expect("in order");
    fixture.pipeline.accept(0, fixture.now).expect("in order");
}

#[test]
fn abandoning_returns_who_waits() {
    let mut fixture = Fixture::new();
    fixture.enqueue(0, 1000).expect("there is room");
    fixture.write_all();
    fixture.enqueue(1, 1000).expect("there is room");
    let waiters: Vec<u32> = fixture
        .pipeline
        .abandon()
        .into_iter()
        .map(|u| u.waiter)
        .collect();
    assert_eq!(waiters, [0, 1]);
    assert!(!fixture.pipeline.has_queued());
}

#[test]
fn held_requests_wait_for_those_that_are_ahead() {
    let mut fixture = Fixture::new();
    fixture.enqueue(0, 1000).expect("there is room");
    fixture.pipeline.hold();
    fixture.enqueue(1, 1000).expect("there is room");
    fixture
        .enqueue_as(Reply::None, 2, 500)
        .expect("there is room");
    fixture
        .enqueue_in(Turn::Ahead, Reply::Expected, 3, 1000)
        .expect("there is room");
    assert_eq!(fixture.pipeline.load(), 4);
    // What came before the others were held, and what is ahead: two pieces each.
    assert_eq!(fixture.write_all(), 4);
    for (correlation_id, waiter) in [(0, 0), (3, 3)] {
        let accepted = fixture.pipeline.accept(correlation_id, fixture.now);
        assert_eq!(accepted.expect("in order").waiter, waiter);
    }
    assert_eq!(fixture.write_all(), 0);
    fixture.pipeline.release();
    assert_eq!(fixture.write_all(), 4);
    let accepted = fixture.pipeline.accept(1, fixture.now);
    assert_eq!(accepted.expect("in order").waiter, 1);
    let written: Vec<u32> = fixture
        .pipeline
        .written(fixture.now)
        .map(|request| request.waiter)
        .collect();
    assert_eq!(written, [2]);
}

#[test]
fn held_requests_expire_and_are_given_up_like_others() {
    let mut fixture = Fixture::new();
    fixture.pipeline.hold();
    fixture.enqueue(7, 100).expect("there is room");
    let later = fixture.now + Duration::from_millis(100);
    assert_eq!(
        fixture.pipeline.next_deadline(Duration::from_secs(60)),
        later
    );
    let expired = fixture.pipeline.expired(later).expect("it is late");
    let mut given_up = fixture.pipeline.abandon();
    let guilty = given_up.remove(expired.position).expect("it is there");
    assert_eq!(guilty.waiter, 7);
    assert_eq!(fixture.pipeline.load(), 0);
}
