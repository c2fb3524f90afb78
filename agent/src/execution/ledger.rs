//! Where the rows of earlier results come from, by statement, so that whoever scans a result is judged by its origins.
//!
//! What is not here is unknown, and policies refuse what they look at: a result without origins, one that is too large,
//! one that had to make room, one of a table that was defined anew since.

use std::collections::{HashMap, VecDeque};
use std::mem::size_of;
use std::sync::Arc;

use super::effect::Effect;
use crate::id::StatementId;
use crate::statement::{Origins, Path};

/// Most bytes of one result's origins: some 200 columns of long names.
const ONE_MAX_BYTES: usize = 64 << 10;

/// Most bytes of a session's origins; then the oldest make room. Some 20,000 results of ten columns.
const ALL_MAX_BYTES: usize = 16 << 20;

/// Most names whose last definition is remembered; then all that was learnt before is unknown.
const DEFINED_MAX: usize = 50_000;

/// What one session's results come from.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: HashMap<StatementId, Entry>,
    /// The oldest first.
    order: VecDeque<StatementId>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    origins: Arc<Origins>,
    /// How much had been defined when its statement was read.
    as_of: u64,
    bytes: usize,
}

/// When accounts' objects were last made, changed or removed by statements of this host.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    count: u64,
    /// By account and path; the empty path is the whole account.
    last: HashMap<Arc<str>, HashMap<Path, u64>>,
    names: usize,
    /// What was learnt before is unknown.
    forgotten: u64,
}

impl Ledger {
    /// Learns where the rows of a statement's result will come from.
    pub(super) fn learn(
        &mut self,
        statement: StatementId,
        origins: impl Into<Arc<Origins>>,
        as_of: u64,
    ) {
        let origins = origins.into();
        let bytes = bytes_of(&origins);
        if bytes > ONE_MAX_BYTES {
            return;
        }
        let entry = Entry {
            origins,
            as_of,
            bytes,
        };
        self.order.push_back(statement);
        self.bytes += bytes;
        if let Some(before) = self.entries.insert(statement, entry) {
            self.bytes -= before.bytes;
        }
        while self.bytes > ALL_MAX_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.entries.remove(&oldest);
            self.bytes -= gone.map_or(0, |gone| gone.bytes);
        }
    }

    /// Gives where a result's rows come from, if all that it names is what it was.
    pub(super) fn recall(
        &self,
        statement: StatementId,
        account: &str,
        definitions: &Definitions,
    ) -> Option<&Arc<Origins>> {
        let Entry { origins, as_of, .. } = self.entries.get(&statement)?;
        let mut objects = origins.objects();
        let changed = objects.any(|object| definitions.since(account, object.path(), *as_of));
        (!changed && *as_of >= definitions.forgotten).then_some(origins)
    }
}

impl Definitions {
    /// Tells how much was defined so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Notes that a path, and all that is in it, is defined anew.
    pub(super) fn note(&mut self, account: &Arc<str>, path: &Path) {
        self.count += 1;
        let of_account = self.last.entry(Arc::clone(account)).or_default();
        if of_account.insert(path.clone(), self.count).is_none() {
            self.names += 1;
        }
        if self.names > DEFINED_MAX {
            self.last.clear();
            self.names = 0;
            self.forgotten = self.count;
        }
    }

    /// Tells whether an object, or what it is in, was defined after a count.
    fn since(&self, account: &str, path: &Path, count: u64) -> bool {
        let Some(of_account) = self.last.get(account) else {
            return false;
        };
        let names = path.names();
        (0..=names.len()).any(|depth| {
            let outer = Path::new(names.iter().take(depth).cloned().collect());
            of_account.get(&outer).is_some_and(|last| *last > count)
        })
    }
}

/// Lists the paths that a statement defines anew; the whole account if it may define what it does not name.
pub(super) fn defined(effect: &Effect) -> Vec<Path> {
    if effect.makes_unnamed {
        return vec![Path::default()];
    }
    effect.defines.iter().cloned().collect()
}

/// Estimates what origins take.
fn bytes_of(origins: &Origins) -> usize {
    let names = origins.objects().flat_map(|object| object.path().names());
    let texts: usize = names.map(|name| name.len() + size_of::<String>()).sum();
    origins.width() * 2 * size_of::<Origins>() + texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Catalogue, Scope, Statement};

    fn origins(sql: &str) -> Origins {
        let described = r#"
            database = "DB"
            schema = "S"
            [tables]
            "DB.S.T" = ["A NUMBER", "B NUMBER"]
            "DB.S.U" = ["C NUMBER"]
        "#;
        let catalogue = Catalogue::described(described).unwrap();
        Origins::of(&Statement::read(
            sql,
            &Scope::new(&|_| false).with(&catalogue),
        ))
        .unwrap()
    }

    fn path(text: &str) -> Path {
        Path::new(text.split('.').map(str::to_owned).collect())
    }

    #[test]
    fn what_is_defined_anew_is_unknown_from_then_on() {
        let account: Arc<str> = Arc::from("ACME");
        let (t, u) = (StatementId::new(), StatementId::new());
        for (defined, known) in [
            ("DB.S.T", [false, true]),
            ("DB.S", [false, false]),
            ("DB.X", [true, true]),
        ] {
            let (mut ledger, mut definitions) = (Ledger::default(), Definitions::default());
            definitions.note(&account, &path("DB.S.T"));
            ledger.learn(t, origins("select a from t"), definitions.count());
            ledger.learn(u, origins("select c from u"), definitions.count());
            definitions.note(&account, &path(defined));
            let found = [t, u].map(|id| ledger.recall(id, "ACME", &definitions).is_some());
            assert_eq!(found, known, "{defined}");
            assert!(ledger.recall(t, "OTHER", &definitions).is_some());
            definitions.note(&account, &Path::default());
            assert!(ledger.recall(u, "ACME", &definitions).is_none());
        }
    }

    #[test]
    fn what_is_counted_only_is_a_read_of_its_table_too() {
        let (mut ledger, mut definitions) = (Ledger::default(), Definitions::default());
        let id = StatementId::new();
        ledger.learn(id, origins("select count(*) from t"), 0);
        assert!(ledger.recall(id, "ACME", &definitions).is_some());
        definitions.note(&Arc::from("ACME"), &path("DB.S.T"));
        assert!(ledger.recall(id, "ACME", &definitions).is_none());
    }

    #[test]
    fn the_oldest_make_room_and_what_is_too_large_is_not_kept() {
        let (mut ledger, definitions) = (Ledger::default(), Definitions::default());
        let large = StatementId::new();
        let columns = vec!["a"; 2_000].join(", ");
        ledger.learn(large, origins(&format!("select {columns} from t")), 0);
        assert!(ledger.recall(large, "ACME", &definitions).is_none());
        let first = StatementId::new();
        let one = origins("select a, b from t");
        ledger.learn(first, one.clone(), 0);
        assert!(ledger.recall(first, "ACME", &definitions).is_some());
        let mut last = first;
        for _ in 0..ALL_MAX_BYTES / bytes_of(&one) {
            last = StatementId::new();
            ledger.learn(last, one.clone(), 0);
        }
        assert!(ledger.bytes <= ALL_MAX_BYTES);
        assert!(ledger.recall(first, "ACME", &definitions).is_none());
        assert!(ledger.recall(last, "ACME", &definitions).is_some());
    }
}
