//! Which statements people are told of as decided before: those whose texts do the same, in the same role, to the
//! same objects.

use super::canonical;
use super::request::Meaning;
use crate::statement::shape;

/// What statements have in common that are shown as decided before. A yes to one is none to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alike([u8; 32]);

impl Meaning {
    /// Tells what a statement has in common with others like it: where it runs, as which role, its kinds, what it does to
    /// which objects, and its text but for what its shape leaves out; the whole text where its kind has no shape.
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
        let place = (&self.account, &self.database, &self.schema, &self.role);
        // An object is still the same where it has another column since.
        let objects = self.objects.iter();
        let objects = objects.map(|one| (&one.action, &one.class, &one.path));
        let objects: Vec<_> = objects.collect();
        let of = (place, &self.kinds, objects, text);
        let digest = canonical::digest("icecore approval alike 1", &of);
        digest.ok().map(Alike)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::meaning;
    use super::super::request::Touched;
    use super::*;

    #[test]
    fn statements_of_one_shape_in_one_place_are_alike() {
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
        let run = of("A", "query", "select x from t where id = 1");
        let path = |path: &str| Touched {
            path: path.to_owned(),
            ..meaning().objects.remove(0)
        };
        for elsewhere in [
            Meaning {
                database: Some("OTHER".to_owned()),
                ..run.clone()
            },
            Meaning {
                schema: None,
                ..run.clone()
            },
            Meaning {
                role: Some("OWNER".to_owned()),
                ..run.clone()
            },
            Meaning {
                objects: vec![path("DB.PUBLIC.U")],
                ..run.clone()
            },
        ] {
            assert_ne!(first, elsewhere.alike(), "{elsewhere:?}");
        }
        let mut altered = run;
        for object in &mut altered.objects {
            object.definition_sha256 = None;
        }
        assert_eq!(first, altered.alike());
        let drop = |table: &str| of("A", "drop", &format!("drop table {table}")).alike();
        assert_eq!(drop("t"), drop("t"));
        assert_ne!(drop("t"), drop("u"));
    }
}
