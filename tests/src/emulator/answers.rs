//! The bodies that Snowflake answers with, all of them with HTTP 200.

use serde_json::{Value, json};

use super::statements::Statement;

/// A refusal in Snowflake's own words: a code drivers know and a text for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Six digits.
    pub(super) code: &'static str,
    /// What a person reads.
    pub(super) message: &'static str,
}

/// The JWT, the user or a field beside them is not as registered.
pub(super) const JWT_INVALID: Refusal = Refusal {
    code: "390144",
    message: "JWT token is invalid.",
};
/// The programmatic access token is not the registered one.
pub(super) const PAT_INVALID: Refusal = Refusal {
    code: "394400",
    message: "Programmatic access token is invalid.",
};
/// The user or the password is wrong.
pub(super) const PASSWORD_WRONG: Refusal = Refusal {
    code: "390100",
    message: "Incorrect username or password was specified.",
};
/// The OAuth token is not the registered one.
pub(super) const OAUTH_INVALID: Refusal = Refusal {
    code: "390303",
    message: "Invalid OAuth access token.",
};
/// The role is not granted to the user.
pub(super) const ROLE_UNKNOWN: Refusal = Refusal {
    code: "390189",
    message: "Role specified in the connect string does not exist or not authorized. Contact your local system administrator, or attempt to login with another role, e.g. PUBLIC.",
};
/// The warehouse is not granted to the user.
pub(super) const WAREHOUSE_UNKNOWN: Refusal = Refusal {
    code: "390201",
    message: "The requested warehouse does not exist or not authorized.",
};
/// The token was never given, or its session is closed.
pub(super) const TOKEN_UNKNOWN: Refusal = Refusal {
    code: "390104",
    message: "User must login again to access the service.",
};
/// No token came with the request.
pub(super) const TOKEN_MISSING: Refusal = Refusal {
    code: "390103",
    message: "Session token not found in the request data.",
};
/// The session token's life is over; the master token can renew it.
pub(super) const TOKEN_EXPIRED: Refusal = Refusal {
    code: "390112",
    message: "Your session has expired. Please login again.",
};
/// The master token was never given, or its session is closed.
pub(super) const MASTER_UNKNOWN: Refusal = Refusal {
    code: "390114",
    message: "Authentication token has expired. The user must authenticate again.",
};
/// No such statement.
pub(super) const RESULT_UNKNOWN: Refusal = Refusal {
    code: "000612",
    message: "Result for query not found.",
};
/// Nothing of that name is running.
pub(super) const NOT_RUNNING: Refusal = Refusal {
    code: "000605",
    message: "Identified SQL statement is not currently executing.",
};
/// A request id came again with another text.
pub(super) const REQUEST_ID_REUSED: Refusal = Refusal {
    code: "000611",
    message: "Request id was used before with another statement.",
};
/// The request is not one that the gate understands.
pub(super) const MALFORMED: Refusal = Refusal {
    code: "390001",
    message: "Request could not be read.",
};

impl Refusal {
    /// Gives the body of this refusal.
    #[must_use]
    pub(super) fn body(self) -> Value {
        failure(self.code, self.message)
    }
}

/// Gives the body of an answer that worked.
#[must_use]
pub(super) fn success(data: Value) -> Value {
    json!({"data": data, "code": null, "message": null, "success": true, "headers": null})
}

/// Gives the body of a login or session error.
#[must_use]
pub(super) fn failure(code: &str, message: &str) -> Value {
    json!({
        "data": {"nextAction": "RETRY_LOGIN", "authnMethod": "KEYPAIR", "signInOptions": {}},
        "code": code, "message": message, "success": false, "headers": null,
    })
}

/// Gives the body that tells a driver to ask again: 333333, or 333334 for a statement sent as asynchronous.
#[must_use]
pub(super) fn in_progress(query_id: &str, is_async: bool) -> Value {
    json!({
        "data": {
            "queryId": query_id, "getResultUrl": format!("/queries/{query_id}/result"),
            "progressDesc": null, "queryAbortsAfterSecs": 300,
        },
        "code": if is_async { "333334" } else { "333333" },
        "message": "Query execution in progress.", "success": true, "headers": null,
    })
}

/// Gives the body of a statement's state, as `/monitoring/queries/<id>` tells it.
#[must_use]
pub(super) fn monitoring(statement: &Statement) -> Value {
    let status = statement.status();
    let error = statement.ended().and_then(Result::err);
    success(json!({
        "queries": [{
            "id": statement.id, "sessionId": statement.session.id, "sqlText": statement.sql,
            "status": status, "state": status,
            "startTime": 0, "endTime": 0, "totalDuration": 0,
            "errorCode": error.as_ref().map(|error| error.code.as_str()),
            "errorMessage": error.as_ref().map(|error| error.message.as_str()),
            "stats": {},
        }],
    }))
}

/// A statement that failed, in words that v1 and v2 share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SqlError {
    /// Six digits.
    pub(super) code: String,
    /// Five characters.
    pub(super) sql_state: String,
    /// What a person reads.
    pub(super) message: String,
}

impl SqlError {
    /// Makes an error of its three parts.
    #[must_use]
    pub(super) fn new(code: &str, sql_state: &str, message: &str) -> Self {
        Self {
            code: code.into(),
            sql_state: sql_state.into(),
            message: message.into(),
        }
    }

    /// Makes the error of a statement that was cancelled.
    #[must_use]
    pub(super) fn cancelled() -> Self {
        Self::new("000604", "57014", "SQL execution canceled")
    }

    /// Makes the error of a fault of the emulator's own.
    #[must_use]
    pub(super) fn internal(words: &str) -> Self {
        let message = format!("SQL execution internal error: {words}");
        Self::new("000603", "XX000", &message)
    }

    /// Tells whether the statement was cancelled.
    #[must_use]
    pub(super) fn is_cancellation(&self) -> bool {
        self.code == "000604"
    }

    /// Gives the v1 body.
    #[must_use]
    pub(super) fn body(&self, query_id: &str) -> Value {
        json!({
            "data": {
                "internalError": false, "errorCode": self.code, "age": 0, "sqlState": self.sql_state,
                "queryId": query_id, "line": -1, "pos": -1, "type": "COMPILATION",
            },
            "code": self.code, "message": self.message, "success": false, "headers": null,
        })
    }
}
