//! Which compactions of a day are believed.

use super::super::envelope;
use super::super::keys::SigningKey;
use super::*;

const ORG: &str = "acme";
const CHAIN: &str = "01890000-0000-7000-8000-000000000000";

fn the_day() -> NaiveDate {
    "2026-11-26".parse().unwrap()
}

fn input() -> Input {
    let key = format!("{ORG}/v1/t0/{CHAIN}/events/dt=2026-11-26/{CHAIN}-000000000000-000000000002");
    Input {
        key: format!("{key}-0123456789abcdef.parquet"),
        sha256: format!("0123456789abcdef{}", "0".repeat(48)),
        chain: CHAIN.to_owned(),
        table: "events".to_owned(),
        rows: 3,
    }
}

fn sources() -> Sources {
    Sources {
        inputs: vec![input()],
        ..Sources::default()
    }
}

/// Sources with a chain of which more is elsewhere.
fn in_part() -> Sources {
    let chain = ReadUpTo {
        chain: CHAIN.to_owned(),
        manifests: 1,
        sha256: None,
        tree_size: 4,
        until: DateTime::default(),
        closed: true,
    };
    Sources {
        chains: vec![chain],
        ..sources()
    }
}

#[test]
fn a_chain_is_whole_once_all_days_together_have_its_rows() {
    let unfinished = in_part().unfinished();
    let [mut chain] = unfinished.try_into().unwrap();
    assert_eq!((chain.rows, chain.is_whole()), (3, false));
    let rest = Unfinished {
        rows: 1,
        ..chain.clone()
    };
    chain.join(&rest);
    assert!(chain.is_whole());
    chain.join(&Unfinished {
        rows: u64::MAX,
        ..rest.clone()
    });
    assert!(!chain.is_whole(), "more rows than it has");
    let mut whole = in_part();
    whole.chains[0].tree_size = 3;
    assert_eq!(whole.unfinished(), []);
    whole.chains[0].closed = false;
    assert_eq!(whole.unfinished().len(), 1);
}

/// Makes a compaction and its sources.
fn made(n: u64, prev: Option<&[u8]>, key: &SigningKey, sources: &Sources) -> (Compaction, Vec<u8>) {
    let bytes = serde_json::to_vec(sources).unwrap();
    let table = Table::by_name("events").unwrap();
    let hash = "f".repeat(64);
    let at = hex(&sha256(&bytes));
    let compaction = Compaction {
        format_version: 1,
        org: ORG.to_owned(),
        day: the_day(),
        n,
        prev_sha256: prev.map(|prev| hex(&sha256(prev))),
        created_at: DateTime::default(),
        compactor: key.public_text(),
        writer_build: "1".to_owned(),
        outputs: vec![Output {
            key: output_key(ORG, table, the_day(), 0, &hash),
            sha256: hash,
            size: 9,
            table: "events".to_owned(),
            tier: "t0".to_owned(),
            rows: 3,
        }],
        sources: SourcesAt {
            key: sources_key(ORG, the_day(), n, &at),
            sha256: at,
            inputs: sources.inputs.len() as u64,
            kept: 0,
            left_out: 0,
            chains: sources.chains.len() as u64,
            unfinished: sources.unfinished(),
        },
    };
    (compaction, bytes)
}

fn sealed(compaction: &Compaction, key: &SigningKey) -> Vec<u8> {
    envelope::seal(compaction, key.pair()).unwrap()
}

fn at(n: u64) -> String {
    document_key(ORG, the_day(), n)
}

#[track_caller]
fn check(files: &[(String, Vec<u8>)], believed: usize, codes: &[Code]) -> ReadDay {
    let read = read_day(ORG, the_day(), files, &|_| true);
    let found: Vec<Code> = read.problems.iter().map(|problem| problem.code).collect();
    assert_eq!((read.compactions.len(), &*found), (believed, codes));
    read
}

#[test]
fn compactions_follow_each_other() {
    let key = SigningKey::make().unwrap();
    let (first, bytes) = made(0, None, &key, &sources());
    let first = sealed(&first, &key);
    let (second, _) = made(1, Some(&first), &key, &Sources::default());
    let second = sealed(&second, &key);
    // Whatever the order of a listing.
    let files = [(at(1), second.clone()), (at(0), first.clone())];
    let read = check(&files, 2, &[]);
    assert_eq!(read.compactions[0].sources(&bytes).unwrap(), sources());
    // The first is gone, or another: what follows is not believed.
    check(&[(at(1), second.clone())], 0, &[Code::E90]);
    let (other, _) = made(0, None, &key, &Sources::default());
    let files = [(at(0), sealed(&other, &key)), (at(1), second)];
    check(&files, 1, &[Code::E90]);
    // At another place, or under a name that none has.
    check(&[(at(1), first.clone())], 0, &[Code::E90]);
    let other_day = at(0).replace("-26", "-25");
    check(&[(other_day, first.clone())], 0, &[Code::E90]);
    let strange = at(0).replace(".json", ".txt");
    check(&[(at(0), first.clone()), (strange, first)], 1, &[Code::E90]);
}

#[test]
fn a_compaction_is_signed_by_whom_it_names_and_only_some_are_believed() {
    let (key, other) = (SigningKey::make().unwrap(), SigningKey::make().unwrap());
    let (compaction, _) = made(0, None, &key, &sources());
    check(&[(at(0), sealed(&compaction, &other))], 0, &[Code::E90]);
    let files = [(at(0), sealed(&compaction, &key))];
    let believes = |found: &[u8; 32]| found == other.public();
    let read = read_day(ORG, the_day(), &files, &believes);
    assert!(read.compactions.is_empty());
    assert_eq!(read.problems[0].code, Code::E10);
    let changes: [fn(&mut Compaction); 6] = [
        |compaction| compaction.format_version = 2,
        |compaction| compaction.org = "other".to_owned(),
        |compaction| compaction.outputs[0].key = "acme/v1/t0/x".to_owned(),
        |compaction| compaction.outputs[0].table = "sessions".to_owned(),
        |compaction| compaction.outputs[0].sha256 = "e".repeat(64),
        |compaction| compaction.sources.key = "acme/v1/chains/x".to_owned(),
    ];
    for change in changes {
        let mut changed = compaction.clone();
        change(&mut changed);
        let read = read_day(ORG, the_day(), &[(at(0), sealed(&changed, &key))], &|_| {
            true
        });
        assert_eq!((read.compactions.len(), read.problems.len()), (0, 1));
    }
}

#[test]
fn sources_are_those_that_are_named_and_add_up() {
    let key = SigningKey::make().unwrap();
    let refused = |sources: &Sources, change: &dyn Fn(&mut Vec<u8>)| {
        let (compaction, mut bytes) = made(0, None, &key, sources);
        let read = check(&[(at(0), sealed(&compaction, &key))], 1, &[]);
        change(&mut bytes);
        read.compactions[0]
            .sources(&bytes)
            .map_err(|problem| problem.code)
    };
    assert!(refused(&sources(), &|_| {}).is_ok());
    let flipped = refused(&sources(), &|bytes| bytes[9] ^= 1);
    assert_eq!(flipped, Err(Code::E91));
    let mut fewer = sources();
    fewer.inputs[0].rows = 2;
    assert_eq!(refused(&fewer, &|_| {}), Err(Code::E92));
    // Readers take the document's word for which chains are whole.
    let (mut compaction, bytes) = made(0, None, &key, &in_part());
    assert_eq!(compaction.sources.unfinished.len(), 1);
    compaction.sources.unfinished.clear();
    let read = check(&[(at(0), sealed(&compaction, &key))], 1, &[]);
    let refused_by = |problem: Problem| problem.code;
    let told = read.compactions[0].sources(&bytes).map_err(refused_by);
    assert_eq!(told, Err(Code::E90));
    let mut of_another_day = sources();
    of_another_day.inputs[0].key = input().key.replace("dt=2026-11-26", "dt=2026-11-25");
    assert_eq!(refused(&of_another_day, &|_| {}), Err(Code::E90));
    let mut of_another_chain = sources();
    of_another_chain.inputs[0].chain = CHAIN.replace('8', "9");
    assert_eq!(refused(&of_another_chain, &|_| {}), Err(Code::E90));
}
