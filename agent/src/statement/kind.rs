//! What a statement does, told by an exhaustive match over the parser's tree.

use serde::{Deserialize, Serialize};
use sqlparser::ast::{CopyIntoSnowflakeKind, Set, Statement, Use};

/// What a statement does; a later variant is more dangerous than an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Reads rows.
    Query,
    /// Shows or describes objects.
    Show,
    /// Lists files of a stage.
    List,
    /// Changes the login alone: parameters, variables, database, schema, transactions.
    Session,
    /// Changes the warehouse.
    UseWarehouse,
    /// Changes the role.
    UseRole,
    /// Adds rows.
    Insert,
    /// Changes rows.
    Update,
    /// Adds, changes or removes rows.
    Merge,
    /// Loads files into a table.
    CopyIn,
    /// Removes rows.
    Delete,
    /// Removes all rows.
    Truncate,
    /// Makes an object.
    Create,
    /// Changes an object.
    Alter,
    /// Removes an object.
    Drop,
    /// Gives or takes rights.
    Grant,
    /// Runs code whose effects the text does not show.
    Call,
    /// Uploads a file to a stage.
    Put,
    /// Downloads files of a stage.
    Get,
    /// Removes files of a stage.
    Remove,
    /// Writes rows to files outside.
    Unload,
    /// Cannot be told.
    Unknown,
}

/// What a policy allows or forbids. Source: design section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Reads rows or descriptions.
    Read,
    /// Changes rows.
    Write,
    /// Makes an object.
    Create,
    /// Changes an object.
    Alter,
    /// Removes an object.
    Drop,
    /// Gives or takes rights.
    Grant,
    /// Runs code whose effects the text does not show.
    Call,
    /// Loads files into a table.
    CopyIn,
    /// Writes rows to files outside.
    Unload,
    /// Changes a stage's files.
    Put,
    /// Downloads a stage's files.
    Get,
    /// Changes the login alone.
    Session,
    /// Changes the role.
    UseRole,
    /// Changes the warehouse.
    UseWarehouse,
}

impl Action {
    /// Gives the name by which policies call the action.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Alter => "alter",
            Self::Drop => "drop",
            Self::Grant => "grant",
            Self::Call => "call",
            Self::CopyIn => "copy_in",
            Self::Unload => "unload",
            Self::Put => "put",
            Self::Get => "get",
            Self::Session => "session",
            Self::UseRole => "use_role",
            Self::UseWarehouse => "use_warehouse",
        }
    }
}

// A kind that `ALL` forgot would be unknown to whoever checks names of kinds.
const _: () = assert!(Kind::Unknown as usize + 1 == Kind::ALL.len());

impl Kind {
    /// Every kind, the mildest first.
    pub const ALL: [Self; 22] = [
        Self::Query,
        Self::Show,
        Self::List,
        Self::Session,
        Self::UseWarehouse,
        Self::UseRole,
        Self::Insert,
        Self::Update,
        Self::Merge,
        Self::CopyIn,
        Self::Delete,
        Self::Truncate,
        Self::Create,
        Self::Alter,
        Self::Drop,
        Self::Grant,
        Self::Call,
        Self::Put,
        Self::Get,
        Self::Remove,
        Self::Unload,
        Self::Unknown,
    ];

    /// Gives the name by which the record calls the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Show => "show",
            Self::List => "list",
            Self::Session => "session",
            Self::UseWarehouse => "use_warehouse",
            Self::UseRole => "use_role",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Merge => "merge",
            Self::CopyIn => "copy_in",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Create => "create",
            Self::Alter => "alter",
            Self::Drop => "drop",
            Self::Grant => "grant",
            Self::Call => "call",
            Self::Put => "put",
            Self::Get => "get",
            Self::Remove => "remove",
            Self::Unload => "unload",
            Self::Unknown => "unknown",
        }
    }

    /// Gives the action that a policy must allow; `None` if the kind cannot be told, which no policy allows.
    #[must_use]
    pub fn action(self) -> Option<Action> {
        match self {
            Self::Query | Self::Show | Self::List => Some(Action::Read),
            Self::Session => Some(Action::Session),
            Self::UseWarehouse => Some(Action::UseWarehouse),
            Self::UseRole => Some(Action::UseRole),
            Self::Insert | Self::Update | Self::Merge | Self::Delete | Self::Truncate => {
                Some(Action::Write)
            }
            Self::CopyIn => Some(Action::CopyIn),
            Self::Create => Some(Action::Create),
            Self::Alter => Some(Action::Alter),
            Self::Drop => Some(Action::Drop),
            Self::Grant => Some(Action::Grant),
            Self::Call => Some(Action::Call),
            Self::Put | Self::Remove => Some(Action::Put),
            Self::Get => Some(Action::Get),
            Self::Unload => Some(Action::Unload),
            Self::Unknown => None,
        }
    }

    /// Tells whether Snowflake's own kind of the statement it ran fits this one; an unknown number does not.
    ///
    /// Source of the numbers: `SFStatementType.java` of the JDBC driver (protocol reference 4.2).
    #[must_use]
    pub fn fits(self, statement_type_id: u32) -> bool {
        match statement_type_id {
            0x1000 => matches!(self, Self::Query | Self::Call),
            0x3000..=0x3fff => match statement_type_id & 0x0f00 {
                0x0700 => self == Self::Unload,
                _ => {
                    self.action() == Some(Action::Write)
                        || matches!(self, Self::CopyIn | Self::Call)
                }
            },
            0x4000..=0x4fff => matches!(
                self,
                Self::Show
                    | Self::List
                    | Self::Session
                    | Self::UseWarehouse
                    | Self::UseRole
                    | Self::Query
                    | Self::Call
            ),
            0x5000..=0x5fff => matches!(self, Self::Session | Self::Call),
            0x6000..=0x6fff => matches!(
                self,
                Self::Create | Self::Alter | Self::Drop | Self::Grant | Self::Truncate | Self::Call
            ),
            0x7101 => self == Self::Get,
            0x7102 => self == Self::Put,
            0x7103 => self == Self::Remove,
            _ => false,
        }
    }
}

/// Tells the kind of one node; what it holds inside is told node by node.
///
/// No wildcard arm: a new kind of statement in the parser stops the build until it has been thought about.
pub(super) fn of(statement: &Statement) -> Kind {
    match statement {
        Statement::StartTransaction { statements, .. } if statements.is_empty() => Kind::Session,
        Statement::StartTransaction { .. } => Kind::Call,
        Statement::Set(set) => of_set(set),
        Statement::Use(object) => of_use(object),
        Statement::CopyIntoSnowflake { kind, .. } => match kind {
            CopyIntoSnowflakeKind::Table => Kind::CopyIn,
            CopyIntoSnowflakeKind::Location => Kind::Unload,
        },
        Statement::Copy { to, .. } => {
            if *to {
                Kind::Unload
            } else {
                Kind::CopyIn
            }
        }
        Statement::Query(_) => Kind::Query,
        Statement::ShowFunctions { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowCatalogs { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowProcessList { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowCharset(_)
        | Statement::ShowObjects(_)
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. }
        | Statement::ExplainTable { .. }
        | Statement::Explain { .. } => Kind::Show,
        Statement::List(_) => Kind::List,
        Statement::AlterSession { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. } => Kind::Session,
        Statement::Insert(insert) if insert.overwrite => Kind::Truncate,
        Statement::Insert(_) | Statement::Load { .. } | Statement::LoadData { .. } => Kind::Insert,
        Statement::Update(_) => Kind::Update,
        Statement::Delete(_) => Kind::Delete,
        Statement::Merge(_) => Kind::Merge,
        Statement::Truncate(_) => Kind::Truncate,
        Statement::CreateView(_)
        | Statement::CreateTable(_)
        | Statement::CreateVirtualTable { .. }
        | Statement::CreateIndex(_)
        | Statement::CreateRole(_)
        | Statement::CreateSecret { .. }
        | Statement::CreateServer(_)
        | Statement::CreatePolicy(_)
        | Statement::CreateConnector(_)
        | Statement::CreateOperator(_)
        | Statement::CreateOperatorFamily(_)
        | Statement::CreateOperatorClass(_)
        | Statement::CreateTextSearch(_)
        | Statement::CreateExtension(_)
        | Statement::CreateCollation(_)
        | Statement::CreateSchema { .. }
        | Statement::CreateDatabase { .. }
        | Statement::CreateFunction(_)
        | Statement::CreateTrigger(_)
        | Statement::CreateProcedure { .. }
        | Statement::CreateMacro { .. }
        | Statement::CreateStage { .. }
        | Statement::CreateFileFormat { .. }
        | Statement::CreateWarehouse(_)
        | Statement::CreateSequence { .. }
        | Statement::CreateDomain(_)
        | Statement::CreateType { .. }
        | Statement::CreateUser(_) => Kind::Create,
        Statement::AlterTable(_)
        | Statement::AlterSchema(_)
        | Statement::AlterIndex { .. }
        | Statement::AlterView { .. }
        | Statement::AlterFunction(_)
        | Statement::AlterType(_)
        | Statement::AlterCollation(_)
        | Statement::AlterOperator(_)
        | Statement::AlterOperatorFamily(_)
        | Statement::AlterOperatorClass(_)
        | Statement::AlterTextSearch(_)
        | Statement::AlterRole { .. }
        | Statement::AlterPolicy(_)
        | Statement::AlterConnector { .. }
        | Statement::Comment { .. }
        | Statement::RenameTable(_)
        | Statement::AlterUser(_) => Kind::Alter,
        Statement::Drop { .. }
        | Statement::DropFunction(_)
        | Statement::DropDomain(_)
        | Statement::DropProcedure { .. }
        | Statement::DropSecret { .. }
        | Statement::DropPolicy(_)
        | Statement::DropConnector { .. }
        | Statement::DropExtension(_)
        | Statement::DropOperator(_)
        | Statement::DropOperatorFamily(_)
        | Statement::DropOperatorClass(_)
        | Statement::DropTrigger(_) => Kind::Drop,
        Statement::Grant(_) | Statement::Deny(_) | Statement::Revoke(_) => Kind::Grant,
        Statement::Case(_)
        | Statement::If(_)
        | Statement::While(_)
        | Statement::Raise(_)
        | Statement::Call(_)
        | Statement::Open(_)
        | Statement::Close { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::Deallocate { .. }
        | Statement::Execute { .. }
        | Statement::Prepare { .. }
        | Statement::Return(_) => Kind::Call,
        Statement::Unload { .. } | Statement::ExportData(_) => Kind::Unload,
        Statement::Put { .. } => Kind::Put,
        Statement::Remove(_) => Kind::Remove,
        Statement::Analyze(_)
        | Statement::Msck(_)
        | Statement::Install { .. }
        | Statement::Directory { .. }
        | Statement::AttachDatabase { .. }
        | Statement::AttachDuckDBDatabase { .. }
        | Statement::DetachDuckDBDatabase { .. }
        | Statement::Flush { .. }
        | Statement::Discard { .. }
        | Statement::Assert { .. }
        | Statement::Kill { .. }
        | Statement::Cache { .. }
        | Statement::UNCache { .. }
        | Statement::Pragma { .. }
        | Statement::Lock(_)
        | Statement::LockTables { .. }
        | Statement::UnlockTables
        | Statement::OptimizeTable { .. }
        | Statement::LISTEN { .. }
        | Statement::UNLISTEN { .. }
        | Statement::NOTIFY { .. }
        | Statement::RaisError { .. }
        | Statement::Throw(_)
        | Statement::Print(_)
        | Statement::WaitFor(_)
        | Statement::Vacuum(_)
        | Statement::Reset(_) => Kind::Unknown,
    }
}

fn of_set(set: &Set) -> Kind {
    match set {
        Set::SetRole { .. } | Set::SetSessionAuthorization(_) => Kind::UseRole,
        Set::SingleAssignment { .. }
        | Set::ParenthesizedAssignments { .. }
        | Set::MultipleAssignments { .. }
        | Set::SetSessionParam(_)
        | Set::SetTimeZone { .. }
        | Set::SetNames { .. }
        | Set::SetNamesDefault { .. }
        | Set::SetTransaction { .. } => Kind::Session,
    }
}

fn of_use(object: &Use) -> Kind {
    match object {
        Use::Catalog(_) | Use::Schema(_) | Use::Database(_) | Use::Object(_) => Kind::Session,
        Use::Warehouse(_) => Kind::UseWarehouse,
        Use::Role(_) | Use::SecondaryRoles(_) | Use::Default => Kind::UseRole,
    }
}
