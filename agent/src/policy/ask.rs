//! The single questions that a statement raises, in the terms of policies.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};

use super::plan::ColumnPath;
use super::verb::Verb;
use crate::statement::{
    Access, Action, Catalogue, Class, Column, Found, Meaning, Object, Path, Use,
};

/// Tags of a resource, and their values.
pub(super) type Tags = BTreeMap<String, String>;

/// What a policy is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Resource {
    /// An object whose whole path is known, or the account.
    Object {
        /// `Relation` is none here.
        class: Class,
        /// Where it is.
        path: Path,
    },
    /// A column of such an object.
    Column {
        /// What it is a column of.
        class: Class,
        /// Where that is.
        path: Path,
        /// Its name.
        name: String,
        /// Its tags; `None` if nobody knows them.
        tags: Option<Tags>,
        /// Whether it may show other columns under a name of its own: a stream, or what nobody knows.
        is_opaque: bool,
    },
    /// An object of which only a part of the path is known.
    Unsettled(Object),
    /// Some column that nobody can tell.
    AnyColumn(Object),
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ask {
    /// What is done.
    pub(super) verb: Verb,
    /// To what.
    pub(super) resource: Resource,
    /// Whether the values go elsewhere than into the statement's own result.
    pub(super) is_stored: bool,
}

/// Gives what is asked of the account beside what the walk over a statement's objects found: whatever that was, what the
/// statement is must be allowed of something.
pub(super) fn implied(action: Action, meaning: &Meaning) -> Option<Access> {
    let mut found = meaning.accesses().iter();
    let is_found = found.any(|access| access.action == action);
    let object = Object::account();
    (!is_found).then_some(Access { action, object })
}

/// Lists what a statement of a known action and meaning raises.
pub(super) fn asks(action: Action, meaning: &Meaning, catalogue: &Catalogue) -> BTreeSet<Ask> {
    let mut asks = BTreeSet::new();
    for access in meaning.accesses().iter().chain(&implied(action, meaning)) {
        for object in candidates(&access.object) {
            let resource = if object.is_settled() {
                Resource::Object {
                    class: object.class(),
                    path: object.path().clone(),
                }
            } else {
                Resource::Unsettled(object)
            };
            asks.insert(Ask {
                verb: Verb::of(access.action),
                resource,
                is_stored: false,
            });
        }
    }
    for found in meaning.columns() {
        let verb = match found.how {
            Use::Project | Use::Store => Verb::Project,
            Use::Where
            | Use::Equality
            | Use::Join
            | Use::Group
            | Use::Order
            | Use::Window
            | Use::Argument
            | Use::CountDistinct => Verb::Filter,
        };
        for resource in of_column(&found.column, catalogue) {
            asks.insert(Ask {
                verb,
                resource,
                is_stored: found.how == Use::Store,
            });
        }
    }
    asks
}

/// Gives each object that a name may lead to: a relation that nobody knows may be of three kinds.
fn candidates(object: &Object) -> Vec<Object> {
    if object.class() != Class::Relation {
        return vec![object.clone()];
    }
    let of = |class| Object::new(class, object.path().clone());
    [Class::Table, Class::View, Class::Stream].map(of).to_vec()
}

/// Gives what a column may be: a relation that nobody knows may be of three kinds.
pub(super) fn of_column(column: &Column, catalogue: &Catalogue) -> Vec<Resource> {
    let Some(name) = column.name.as_ref().filter(|_| column.object.is_settled()) else {
        return vec![Resource::AnyColumn(column.object.clone())];
    };
    let (tags, is_opaque) = match catalogue.relation(column.object.path()) {
        Found::Unknown => (None, column.object.class() != Class::Table),
        Found::Relation(facts) => {
            let known = facts.columns.iter().find(|known| known.name == *name);
            let is_opaque = facts.class == Class::Stream;
            (known.and_then(|known| known.tags.clone()), is_opaque)
        }
    };
    candidates(&column.object)
        .into_iter()
        .map(|object| Resource::Column {
            class: object.class(),
            path: object.path().clone(),
            name: name.clone(),
            tags: tags.clone(),
            is_opaque,
        })
        .collect()
}

impl Resource {
    /// Gives its entity and all that it is in, the entity itself first.
    pub(super) fn entities(&self, account: &str) -> Result<Vec<Entity>, String> {
        let root = Entity::with_uid(uid("Account", account)?);
        match self {
            Self::Object { class, path } => object(account, root, *class, path),
            Self::Column {
                class,
                path,
                name,
                tags,
                is_opaque: _,
            } => {
                let mut all = object(account, root, *class, path)?;
                let parent = all.first().map(Entity::uid).into_iter().collect();
                let id = uid("Column", &id(account, &path.join(name)))?;
                let tags = tags.iter().flatten();
                all.insert(0, tagged(id, parent, tags)?);
                Ok(all)
            }
            // Asked only where no policy looks at the resource.
            Self::Unsettled(_) => Ok(vec![root]),
            Self::AnyColumn(_) => {
                let parent = HashSet::from([uid("Table", account)?]);
                Ok(vec![tagged(uid("Column", account)?, parent, [])?])
            }
        }
    }

    /// Tells whether policies that look at the resource cannot be asked about this one.
    pub(super) fn is_vague(&self) -> bool {
        match self {
            Self::Object { .. } | Self::Column { .. } => false,
            Self::Unsettled(_) | Self::AnyColumn(_) => true,
        }
    }

    /// Tells whether policies that look at tags cannot be asked about this one.
    pub(super) fn has_unknown_tags(&self) -> bool {
        matches!(self, Self::Column { tags: None, .. })
    }

    /// Tells whether it may show columns that policies forbid, under another name.
    pub(super) fn is_opaque(&self) -> bool {
        matches!(
            self,
            Self::Column {
                is_opaque: true,
                ..
            }
        )
    }

    /// Gives the column that it is, if it is one that can be told.
    pub(super) fn column(&self) -> Option<ColumnPath> {
        match self {
            Self::Column { path, name, .. } => Some((path.clone(), name.clone())),
            Self::Object { .. } | Self::Unsettled(_) | Self::AnyColumn(_) => None,
        }
    }

    /// Names it for a refusal.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Object {
                class: Class::Account,
                ..
            } => "the account".to_owned(),
            Self::Object { class, path } => format!("{} {path}", class.name()),
            Self::Column { path, name, .. } => format!("column {}", path.join(name)),
            Self::Unsettled(object) => format!(
                "{} {}, whose database or schema Icecore does not know",
                object.class().name(),
                object.path()
            ),
            Self::AnyColumn(object) => {
                format!("a column of {} that Icecore cannot tell", object.path())
            }
        }
    }
}

fn object(account: &str, root: Entity, class: Class, path: &Path) -> Result<Vec<Entity>, String> {
    let mut all = vec![root];
    let outer = [Class::Database, Class::Schema];
    let names = path.names();
    for (depth, class) in (1..class.depth()).zip(outer) {
        let path = Path::new(names.iter().take(depth).cloned().collect());
        insert(&mut all, account, class, &path)?;
    }
    if class != Class::Account {
        insert(&mut all, account, class, path)?;
    }
    Ok(all)
}

/// Puts an entity before those that it is in.
fn insert(all: &mut Vec<Entity>, account: &str, class: Class, path: &Path) -> Result<(), String> {
    let parent = all.first().map(Entity::uid).into_iter().collect();
    let entity = tagged(uid(type_name(class), &id(account, path))?, parent, [])?;
    all.insert(0, entity);
    Ok(())
}

fn tagged<'t>(
    uid: EntityUid,
    parents: HashSet<EntityUid>,
    tags: impl IntoIterator<Item = (&'t String, &'t String)>,
) -> Result<Entity, String> {
    let tags = tags.into_iter().map(|(tag, value)| {
        let value = RestrictedExpression::new_string(value.clone());
        (tag.clone(), value)
    });
    Entity::new_with_tags(uid, [], parents, tags).map_err(|error| error.to_string())
}

/// Writes an entity's id: the account, then the names.
pub(super) fn id(account: &str, path: &Path) -> String {
    format!("{account}.{path}")
}

/// Makes an entity's name.
pub(super) fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let name: EntityTypeName = format!("Icecore::{kind}")
        .parse()
        .map_err(|error| format!("{error}"))?;
    Ok(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
}

/// Names the type of entities that a class has.
pub(super) fn type_name(class: Class) -> &'static str {
    match class {
        Class::Account => "Account",
        Class::Database => "Database",
        Class::Schema => "Schema",
        Class::Table | Class::Relation => "Table",
        Class::View => "View",
        Class::Stage => "Stage",
        Class::Function => "Function",
        Class::Procedure => "Procedure",
        Class::Task => "Task",
        Class::Pipe => "Pipe",
        Class::Stream => "Stream",
        Class::Warehouse => "Warehouse",
        Class::Role => "Role",
        Class::User => "User",
        Class::Integration => "Integration",
        Class::Share => "Share",
        Class::Object => "Object",
    }
}
