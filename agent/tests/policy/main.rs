//! `icecore policy` as a newcomer meets it: what is mistyped, missing or empty is told, not passed over.

mod cases;
mod checks;
mod explain;

use std::error::Error;
use std::fs;
use std::process::Command;

use tempfile::TempDir;

type Outcome = Result<(), Box<dyn Error>>;

const ALL: &str = "@id(\"all\") permit (principal, action, resource);\n";
const CASE: &str = "[[case]]\nsql = \"select 1\"\nallow = true\n";

/// A folder with some files.
fn folder(files: &[(&str, &str)]) -> Result<TempDir, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for (name, text) in files {
        fs::write(folder.path().join(name), text)?;
    }
    Ok(folder)
}

/// Runs `icecore policy` in a folder; gives its exit code and all that it tells.
fn policy(folder: &TempDir, arguments: &[&str]) -> Result<(Option<i32>, String), Box<dyn Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_icecore"));
    command.arg("policy").args(arguments).env_clear();
    let output = command.current_dir(folder.path()).output()?;
    let told = String::from_utf8([output.stdout, output.stderr].concat())?;
    Ok((output.status.code(), told))
}

/// Expects an exit code and parts of what is told.
fn check(folder: &TempDir, arguments: &[&str], code: i32, parts: &[&str]) -> Outcome {
    let (found, told) = policy(folder, arguments)?;
    assert_eq!(found, Some(code), "{arguments:?}: {told}");
    for part in parts {
        assert!(
            told.contains(part),
            "{arguments:?}: expected `{part}` in {told}"
        );
    }
    Ok(())
}

const OF_TOKENS: &str = r#"
@id("ada") permit (principal == Icecore::Principal::"okta:ada", action, resource);
@id("analysts") permit (principal in Icecore::Group::"okta:analysts", action, resource);
@id("app") permit (principal, action, resource) when {
  context.identity.verified && context.identity has repository && context.identity.repository == "acme/app"
    && context.identity.scopes.contains("sql")
};
"#;
