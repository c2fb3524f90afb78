//! What is shown of each driver, as data: one table for the whole matrix.

use icecore_tests::drivers::Product;

/// What one driver has and how it shows what it is told.
#[derive(Debug)]
pub(super) struct Facts {
    /// The driver.
    pub(super) product: Product,
    /// The version that its lock file pins.
    pub(super) version: &'static str,
    /// Whether it sends values apart from the text.
    pub(super) binds: bool,
    /// What it fetches a result as, beside rows.
    pub(super) tables: &'static [&'static str],
    /// Whether it shows the SQL state.
    pub(super) sql_state: bool,
    /// Whether it starts a statement without waiting for it.
    pub(super) asynchronous: bool,
    /// How several statements in one text are run.
    pub(super) batch: Batch,
    /// Whether it logs out.
    pub(super) closes: bool,
    /// How many logins its steps make: one a connection, or one a statement.
    pub(super) logins: Logins,
    /// Whether it sends a statement again whose connection broke.
    pub(super) sends_again: bool,
}

/// How a driver runs several statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// In one request that tells how many.
    OneRequest,
    /// It cuts the text itself and sends one request a statement.
    ItsOwn,
    /// Not at all.
    No,
}

/// When a driver logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logins {
    /// Once a connection.
    PerConnection,
    /// Once a program, which runs one statement.
    PerStatement,
    /// Never: a token comes with each request, and Icecore logs in for it.
    Never,
}

/// Python connector 4.8.1.
pub(super) const CONNECTOR_4: Facts = Facts {
    product: Product::Connector4,
    version: "4.8.1",
    binds: true,
    tables: &["pandas", "arrow"],
    sql_state: true,
    asynchronous: true,
    batch: Batch::OneRequest,
    closes: true,
    logins: Logins::PerConnection,
    sends_again: true,
};

/// Python connector 5.2.0.
pub(super) const CONNECTOR_5: Facts = Facts {
    product: Product::Connector5,
    version: "5.2.0",
    ..CONNECTOR_4
};

/// Node `snowflake-sdk` 3.3.0.
pub(super) const NODE: Facts = Facts {
    product: Product::Node,
    version: "3.3.0",
    tables: &[],
    ..CONNECTOR_4
};

/// ADBC 1.11.0: it has neither asynchronous statements nor several in one text.
pub(super) const ADBC: Facts = Facts {
    product: Product::Adbc,
    version: "1.11.0",
    tables: &["arrow"],
    asynchronous: false,
    batch: Batch::No,
    ..CONNECTOR_4
};

/// `snow sql` 3.30.0: a program a statement, no binds, and it cuts a text itself.
pub(super) const CLI: Facts = Facts {
    product: Product::Cli,
    version: "3.30.0",
    binds: false,
    tables: &[],
    batch: Batch::ItsOwn,
    logins: Logins::PerStatement,
    ..CONNECTOR_4
};

/// `snowflake-connector-rs` 1.1.1: it waits for each statement, knows no SQL state and never logs out.
pub(super) const CRATE: Facts = Facts {
    product: Product::Crate,
    version: "1.1.1",
    tables: &[],
    sql_state: false,
    asynchronous: false,
    batch: Batch::No,
    closes: false,
    sends_again: false,
    ..CONNECTOR_4
};

/// The SQL API v2 by a plain HTTP client; large results come in partitions.
pub(super) const SQL_API: Facts = Facts {
    product: Product::SqlApi,
    version: "v2",
    tables: &[],
    closes: false,
    logins: Logins::Never,
    sends_again: false,
    ..CONNECTOR_4
};
