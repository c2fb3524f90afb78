//! The actions of policies: what is done to objects, and the two of columns.

use crate::statement::Action;

/// An action that a policy allows or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Verb {
    /// Something that is done to an object.
    Do(Action),
    /// A column's value, or what is made of it, leaves.
    Project,
    /// A column decides about rows.
    Filter,
}

impl Verb {
    /// The verb of an action.
    pub(super) fn of(action: Action) -> Self {
        Self::Do(action)
    }

    /// Gives the name by which policies call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Do(action) => action.name(),
            Self::Project => "project",
            Self::Filter => "filter",
        }
    }

    /// Tells whether it is done to columns, and else to objects.
    pub(super) fn is_of_columns(self) -> bool {
        matches!(self, Self::Project | Self::Filter)
    }
}

/// Every action that a policy can allow, in the order in which refusals list them.
pub(super) const VERBS: [Verb; 16] = [
    Verb::Do(Action::Read),
    Verb::Project,
    Verb::Filter,
    Verb::Do(Action::Session),
    Verb::Do(Action::Write),
    Verb::Do(Action::Create),
    Verb::Do(Action::Alter),
    Verb::Do(Action::Drop),
    Verb::Do(Action::Grant),
    Verb::Do(Action::Call),
    Verb::Do(Action::CopyIn),
    Verb::Do(Action::Unload),
    Verb::Do(Action::Put),
    Verb::Do(Action::Get),
    Verb::Do(Action::UseRole),
    Verb::Do(Action::UseWarehouse),
];
