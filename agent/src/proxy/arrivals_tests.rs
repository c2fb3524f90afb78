//! What a session's storm is given, and what is left to others.

use std::future::{pending, ready};

use tokio::runtime::{Builder, Runtime};

use super::*;

const START_NS: i64 = 7_000_000_000;

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Counts those that are let in at once, made to wait, and reset, of so many that come in one moment.
fn storm(arrivals: &Arrivals, connections: usize, now_ns: i64) -> [usize; 3] {
    let turns: Vec<_> = (0..connections)
        .map(|_| arrivals.turn(200, now_ns))
        .collect();
    let count = |is: fn(&Option<Duration>) -> bool| turns.iter().filter(|turn| is(turn)).count();
    [
        count(|turn| turn.is_some_and(|wait| wait.is_zero())),
        count(|turn| turn.is_some_and(|wait| !wait.is_zero())),
        count(Option::is_none),
    ]
}

#[test]
fn a_storm_is_slowed_then_reset_and_another_session_has_its_own_turns() {
    let (one, other) = (Arrivals::default(), Arrivals::default());
    assert_eq!(storm(&one, 5000, START_NS), [1001, 200, 3799]);
    // A second later it has a second's worth, no more.
    assert_eq!(storm(&one, 5000, START_NS + SECOND_NS), [0, 200, 4800]);
    assert_eq!(storm(&other, 1000, START_NS), [1000, 0, 0]);
    // A pool that is opened once a minute waits for nothing.
    assert_eq!(storm(&one, 1000, START_NS + 60 * SECOND_NS), [1000, 0, 0]);
}

#[test]
fn a_session_has_its_share_of_connections_and_another_has_its_own() {
    let (one, other) = (Arrivals::default(), Arrivals::default());
    runtime().block_on(async {
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            held.push(one.admit(1_000_000, START_NS).await.unwrap());
        }
        let refused = one.admit(1_000_000, START_NS).await.unwrap_err();
        assert_eq!(refused, WayAround::TooMany);
        assert!(other.admit(10, START_NS).await.is_ok());
        held.pop();
        assert!(one.admit(1_000_000, START_NS).await.is_ok());
        let taken = [&one, &other].map(Arrivals::taken);
        assert_eq!(taken, [CONNECTIONS_MAX as u64 + 1, 1]);
    });
}

/// Nobody answers these look-ups.
#[test]
fn look_ups_are_few_and_a_connection_goes_on_without() {
    let (borrower, unanswered) = Borrower::unanswered().unwrap();
    let looks = Looks::new(borrower);
    let arrivals: Vec<Arrivals> = (0..8).map(|_| Arrivals::default()).collect();
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        let names = tasks.filter_map(|task| name(task).ok());
        names.filter(|name| name.trim_end() == "look-test").count()
    };
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().thread_name("look-test").build();
    let (seen, traced) = runtime.unwrap().block_on(async {
        let all = arrivals.iter().flat_map(|one| {
            (0..50)
                .map(|pid| looks.process(one, pid, 0))
                .collect::<Vec<_>>()
        });
        let all = futures_util::future::join_all(all.collect::<Vec<_>>());
        let mut all = pin!(all);
        let mut seen = 0;
        loop {
            tokio::select! {
                traced = &mut all => break (seen, traced),
                () = tokio::time::sleep(Duration::from_millis(20)) => seen = seen.max(threads()),
            }
        }
    });
    drop(unanswered);
    assert_eq!(traced, vec![Traced::not_looked_up(); 400]);
    assert!((1..=LOOKS_MAX).contains(&seen), "{seen} threads");
}

#[test]
fn a_connection_that_breaks_waits_for_no_look_up() {
    runtime().block_on(async {
        let (read, traced) = with_words(pending(), ready(Err::<(), _>("broken"))).await;
        assert_eq!((read, traced), (Err("broken"), Traced::not_looked_up()));
        let traced = Traced {
            exe: Some("/bin/sh".to_owned()),
            ..Traced::default()
        };
        let both = with_words(ready(traced.clone()), ready(Ok::<_, ()>(7))).await;
        assert_eq!(both, (Ok(7), traced));
    });
    let once = Arrivals::default();
    let told = [0; 3].map(|_| once.is_first_failed_handshake());
    assert_eq!(told, [true, false, false]);
}
