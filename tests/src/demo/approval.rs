//! The demo's data owner: a person with the `icecore` program, the right to read the store, and a login at their issuer.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::harness::browser::{Browser, Person};
use crate::harness::issuer::Issuer;
use crate::harness::world::World;
use crate::time;

/// What waits for them: whoever adds orders asks their owners.
const HELD: &str = r#"
@id("orders-are-added")
permit (principal, action == Icecore::Action::"write", resource)
when { context.kind == "insert" };
@id("owners-know-of-new-orders")
@remedy("hold:data-owners")
@reason("whoever adds orders asks their owners")
forbid (principal, action == Icecore::Action::"write", resource)
when { context.kind == "insert" };
"#;

/// Longest wait for a request.
const WITHIN: Duration = Duration::from_secs(60);

/// Somebody who may say yes, and where they log in.
pub(super) struct Owner {
    issuer: Issuer,
}

impl Owner {
    /// Has a host's config and policies ask them, and writes their own settings.
    pub(super) fn asked_by(world: &World) -> Result<Self> {
        let issuer = Issuer::start()?;
        issuer.set_person(Some(json!({ "sub": "olga", "email": "olga@acme.test" })));
        let url = issuer.url();
        fs::write(world.config.policies().join("held.cedar"), HELD)?;
        let config = fs::read_to_string(world.config_file())?;
        let asks = format!(
            "\n[approvals]\nissuer = {{ name = \"corp\", url = \"{url}\", audience = \"approvals\" }}\n\
             [approvals.people]\nnobody = \"corp:nina\"\n\
             [[approvals.group]]\nname = \"data-owners\"\nmembers = [\"corp:olga\"]\n"
        );
        fs::write(world.config_file(), config + &asks)?;
        let settings = format!(
            "store = \"file://{}\"\ntrust = \"trust.toml\"\n[issuer]\nurl = \"{url}\"\nclient_id = \"approvals\"\n\
             scopes = [\"email\"]\n",
            world.config.store.display()
        );
        fs::write(world.path("approvals.toml"), settings)?;
        Ok(Self { issuer })
    }

    /// Waits until they are asked, has them look at it and say yes by a login; tells it.
    pub(super) fn says_yes(&self, world: &World, out: &mut impl Write) -> Result<()> {
        let (id, digest) = asked(world)?;
        let short = id.get(..8).unwrap_or(&id);
        writeln!(out, "$ icecore approvals show {short}\n")?;
        let shown = approvals(world, &["show", &id]).output()?;
        super::indented(out, &well(shown)?.stdout)?;
        writeln!(
            out,
            "\n$ icecore approvals approve {short} --reason 'the order is known'    (logs in at {})\n",
            self.issuer.url()
        )?;
        let word = [
            "approve",
            &id,
            "--digest",
            &digest,
            "--reason",
            "the order is known",
        ];
        let mut approve = approvals(world, &word);
        let mut child = approve
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut errors = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut told = String::new();
        while errors.read_line(&mut told)? > 0 {
            let last = told.lines().last().unwrap_or_default().trim();
            if last.starts_with("http") {
                drop(Browser::default().visit(last, Person::Agrees("olga"))?);
                told.clear();
                break;
            }
        }
        errors.read_to_string(&mut told)?;
        ensure!(child.wait()?.success(), "icecore approvals approve: {told}");
        super::indented(out, told.trim().as_bytes())?;
        Ok(())
    }
}

/// Waits for the one request; gives its id and digest.
fn asked(world: &World) -> Result<(String, String)> {
    let start = time::instant();
    while start.elapsed() < WITHIN {
        let listed = well(approvals(world, &["list", "--json"]).output()?)?;
        let text = String::from_utf8(listed.stdout)?;
        for line in text.lines() {
            let request: Value = serde_json::from_str(line)?;
            // Its folder is there a moment before the request itself is.
            if request.get("believed") == Some(&Value::Bool(false)) {
                continue;
            }
            let field = |pointer: &str| {
                let value = request.pointer(pointer).and_then(Value::as_str);
                value
                    .map(str::to_owned)
                    .with_context(|| format!("no `{pointer}` in {line}"))
            };
            return Ok((field("/request/id")?, field("/digest")?));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("nobody was asked")
}

/// Makes `icecore approvals ...` as its approver calls it.
fn approvals(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(&world.icecore);
    command.arg("approvals").args(arguments);
    command.arg("--settings").arg(world.path("approvals.toml"));
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command.env("HOME", world.path("")).stdin(Stdio::null());
    command
}

fn well(output: Output) -> Result<Output> {
    ensure!(
        output.status.success(),
        "icecore approvals: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}
