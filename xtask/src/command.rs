//! Commands that a task runs, announced on stderr so that long work shows where it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Where cargo says, when it runs a program, that the program's package is.
const PACKAGE: &str = "CARGO_MANIFEST_DIR";

/// Gives the folder of the workspace that cargo runs this program in; without cargo, the current folder.
///
/// A folder that was compiled in could be another checkout's, which built into the same target folder.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os(PACKAGE).map_or_else(|| "./xtask".into(), PathBuf::from);
    package.parent().unwrap_or(&package).to_owned()
}

/// Gives a command that runs a program of the test bed, which asks as this one does where its package is.
pub(crate) fn of_tests(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env(PACKAGE, root().join("tests"))
        .current_dir(root());
    command
}

/// Gives a command that runs cargo in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Tells the test bed that everything is built.
pub(crate) const BUILT: &str = "ICECORE_TEST_BUILT";

/// Gives a command that runs the test bed's own program, which is built beside this one.
pub(crate) fn testbed() -> Result<Command> {
    let own = std::env::current_exe()?;
    let mut command = of_tests(&own.with_file_name("icecore-testbed"));
    command.env(BUILT, "1");
    Ok(command)
}

/// Runs a command to its end and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command
        .status()
        .with_context(|| format!("start {}", text(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", text(command));
    }
    Ok(())
}

/// Says on stderr what runs next.
fn announce(command: &Command) {
    eprintln!("==> {}", text(command));
}

fn text(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
