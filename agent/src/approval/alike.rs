//! Which statements people are told of as decided before: those of the same account whose texts do the same.

use super::canonical;
use super::request::Meaning;
use crate::statement::shape;

/// What statements have in common that are shown as decided before. A yes to one is none to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alike([u8; 32]);

impl Meaning {
    /// Tells what a statement has in common with others like it: account, kinds, and its text but for what its shape leaves
    /// out; the whole text where its kind has no shape.
    #[must_use]
    pub fn alike(&self) -> Option<Alike> {
        let shape = match self.kinds.as_slice() {
            [kind] => shape(kind, &self.sql),
            _ => None,
        };
        let text = match &shape {
            Some(shape) => ("shape", shape),
            None => ("text", &self.sql),
        };
        let of = (&self.account, &self.kinds, text);
        let digest = canonical::digest("icecore approval alike 1", &of);
        digest.ok().map(Alike)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::meaning;
    use super::*;

    #[test]
    fn statements_of_one_shape_and_account_are_alike() {
        let of = |account: &str, kind: &str, sql: &str| Meaning {
            account: account.to_owned(),
            kinds: vec![kind.to_owned()],
            sql: sql.to_owned(),
            ..meaning()
        };
        let first = of("A", "query", "select x from t where id = 1").alike();
        assert!(first.is_some());
        assert_eq!(
            first,
            of("A", "query", "select  x from t where id = 2;").alike()
        );
        for other in [
            of("B", "query", "select x from t where id = 1"),
            of("A", "query", "select y from t where id = 1"),
            of("A", "delete", "select x from t where id = 1"),
        ] {
            assert_ne!(first, other.alike(), "{other:?}");
        }
        let drop = |table: &str| of("A", "drop", &format!("drop table {table}")).alike();
        assert_eq!(drop("t"), drop("t"));
        assert_ne!(drop("t"), drop("u"));
    }
}
