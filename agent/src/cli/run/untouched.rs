//! What stays untrusted in a session although its environment is set up: each in one line, only when it applies.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::java;

/// Where the packages of Snowflake's ODBC driver put it. Source: Snowflake, "Installing and configuring the ODBC Driver
/// for Linux".
const ODBC: [&str; 2] = ["/usr/lib64/snowflake/odbc", "/usr/lib/snowflake/odbc"];

/// What of the caller's world decides it.
pub(super) struct Surroundings<'s> {
    /// The CA's certificate.
    pub(super) ca: &'s Path,
    /// The caller's variables.
    pub(super) caller: &'s dyn Fn(&str) -> Option<OsString>,
    /// Tells whether a path exists.
    pub(super) exists: &'s dyn Fn(&Path) -> bool,
    /// The command and its arguments.
    pub(super) command: &'s [OsString],
}

/// Says what will not trust the proxy, and what to do about it.
pub(super) fn untouched(around: &Surroundings<'_>) -> Vec<String> {
    let ca = around.ca.display();
    let mut lines = Vec::new();
    if let Some(name) = java::chosen_by(around.caller) {
        lines.push(format!(
            "JVMs keep the trust store that {name} chooses and will not trust Icecore: take it out, or import the CA there with `keytool -importcert -file {ca}`"
        ));
    }
    for folder in ODBC {
        if (around.exists)(Path::new(folder)) {
            lines.push(format!(
                "Snowflake's ODBC driver in `{folder}` reads no variable and will not trust Icecore: append `{ca}` to the file that CABundleFile in its simba.snowflake.ini names"
            ));
        }
    }
    if clears_environment(around.command) {
        lines.push(
            "the command clears its environment, so that no driver will trust Icecore: let it keep REQUESTS_CA_BUNDLE, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS and JAVA_TOOL_OPTIONS"
                .to_owned(),
        );
    }
    lines
}

/// Tells whether a command is `env -i`, in one of its spellings (env(1)).
fn clears_environment(command: &[OsString]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    if Path::new(program).file_name() != Some(OsStr::new("env")) {
        return false;
    }
    arguments
        .iter()
        .take_while(|argument| argument.to_string_lossy().starts_with('-'))
        .any(|argument| argument == "-" || argument == "-i" || argument == "--ignore-environment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variable: (&str, &str), there: &str, command: &[&str], expected: &[&str]) {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        let lines = untouched(&Surroundings {
            ca: Path::new("/ca.pem"),
            caller: &|name| (name == variable.0).then(|| variable.1.into()),
            exists: &|path| path == Path::new(there),
            command: &command,
        });
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, start) in lines.iter().zip(expected) {
            assert!(line.starts_with(start), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn nothing_is_said_where_all_is_trusted() {
        check(("JAVA_TOOL_OPTIONS", "-Xmx1g"), "", &["python3"], &[]);
        // Node trusts the session's files with each of these: tried with Node 20.
        check(("NODE_OPTIONS", "--use-openssl-ca"), "", &["node"], &[]);
        check(("NODE_OPTIONS", "--use-bundled-ca"), "", &["node"], &[]);
    }

    #[test]
    fn callers_own_jvm_store_is_told() {
        let store = "-Djavax.net.ssl.trustStore=/own.jks";
        for name in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"] {
            let line = format!("JVMs keep the trust store that {name} chooses");
            check((name, store), "", &["java"], &[&line]);
        }
    }

    #[test]
    fn installed_odbc_driver_is_told() {
        for folder in ODBC {
            let line = format!("Snowflake's ODBC driver in `{folder}`");
            check(("", ""), folder, &["isql"], &[&line]);
        }
    }

    #[test]
    fn command_that_clears_its_environment_is_told() {
        let line = "the command clears its environment";
        for option in ["-i", "-", "--ignore-environment"] {
            check(("", ""), "", &["/usr/bin/env", option, "python3"], &[line]);
            check(("", ""), "", &["env", "-v", option, "python3"], &[line]);
        }
        check(("", ""), "", &["env", "A=1", "grep", "-i"], &[]);
        check(("", ""), "", &["grep", "-i"], &[]);
    }
}
