//! Races for a key, and an outage in the middle.

use std::sync::Barrier;
use std::thread;

use icecore::record::{Claimed, TokenClaim};
use icecore_tests::stores::MotoS3;

use super::chain::{Writer, at};

const ROUNDS: u8 = 20;
const CLAIMANTS: usize = 16;

#[test]
fn of_many_who_put_one_key_at_once_exactly_one_has_it() {
    let moto = MotoS3::start().unwrap();
    let store = at(&moto.reached("claimant").unwrap());
    for round in 0..ROUNDS {
        let (barrier, store) = (&Barrier::new(CLAIMANTS), &store);
        let outcomes: Vec<Claimed> = thread::scope(|scope| {
            let start = |number: usize| {
                scope.spawn(move || {
                    let claim = TokenClaim {
                        issuer: "https://id.acme.test".to_owned(),
                        session_id: number.to_string(),
                        is_for_host: false,
                        host_id: "h".to_owned(),
                        installation: "i".to_owned(),
                        claimed_at: "2026-11-27T00:00:00Z".to_owned(),
                        token_expires_at: None,
                    };
                    barrier.wait();
                    claim.put(store, [round; 32]).unwrap()
                })
            };
            let started: Vec<_> = (0..CLAIMANTS).map(start).collect();
            started.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let winners: Vec<usize> = (0..CLAIMANTS)
            .filter(|number| outcomes[*number] == Claimed::Now)
            .collect();
        let [winner] = winners[..] else {
            panic!("round {round}: {winners:?} have the key");
        };
        for (number, outcome) in outcomes.iter().enumerate() {
            let Claimed::Before(Some(by)) = outcome else {
                assert_eq!(number, winner);
                continue;
            };
            assert_eq!(by.session_id, winner.to_string());
        }
    }
}

#[test]
fn an_outage_in_the_middle_loses_and_doubles_nothing() {
    let mut moto = MotoS3::start().unwrap();
    let reached = moto.reached("writer").unwrap();
    let mut writer = Writer::open(&reached);
    writer.record(3);
    writer.recorder.flush_blocking().unwrap();
    let before = moto.versions().unwrap();
    moto.go_down().unwrap();
    writer.record(3);
    let error = writer.recorder.flush_blocking().unwrap_err().to_string();
    assert!(error.contains("stays in the spool"), "{error}");
    // What is recorded in the meantime waits behind it.
    writer.record(3);
    moto.come_up().unwrap();
    writer.recorder.flush_blocking().unwrap();
    writer.check_read(&reached);
    let after = moto.versions().unwrap();
    assert!(after.len() > before.len(), "{after:?}");
    assert!(after.values().all(|found| *found == (1, 0)), "{after:?}");
}
