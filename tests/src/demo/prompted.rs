//! The demo's second session: an agent that asks a model, and the record that says which prompt led to which statement.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::certificates::Certificates;
use crate::harness::world::{AGENT_UID, World};
use crate::model::{Model, Script};
use crate::python;

/// Whose API the agent calls, by the name that it has everywhere.
const HOST: &str = "api.anthropic.com";

/// What a person tells the agent.
const PROMPT: &str = "How many orders are above 10? Look at our largest one too.";

/// A script that lies where the agent works. No model ever saw what is in it.
const LYING_THERE: &str = "python query.py 'select customer from orders where amount < 10'\n";

/// What an analyst asks of a session's statements.
const LINKED: &str = "select statement_id, sql_text, link_grade, prompt from trail
where link_grade is not null order by started_at";

/// What the record says of a session whose calls are read.
const READ: &str = "select event_code, detail from events where event_code = 'PT001'";

/// The model API that the agent calls, which answers what was scripted.
pub(super) struct Asked {
    _model: Model,
    ca_file: PathBuf,
}

impl Asked {
    /// Starts the API on loopback, where the world's commands find it by its name.
    pub(super) fn start(world: &mut World) -> Result<Self> {
        let folder = world.path("models");
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let certificates = Certificates::make_for(&folder, "model", &[HOST.to_owned()])?;
        let [_, _, third, last] = world.account_address.octets();
        let address = Ipv4Addr::new(127, 79, third, last);
        world.names.push((HOST.to_owned(), address));
        let script = Script {
            turns: turns(),
            ..Script::default()
        };
        let at = SocketAddr::from((address, 443));
        Ok(Self {
            _model: Model::start(&world.path("model"), at, &certificates, &script)?,
            ca_file: certificates.ca_file,
        })
    }

    /// Has the agent at work, and tells what the record then says of its statements; `page` is where the session's page is left.
    pub(super) fn shown(
        &self,
        world: &World,
        store: &str,
        python: &OsStr,
        page: Option<&Path>,
        out: &mut impl Write,
    ) -> Result<()> {
        self.read(world, out)?;
        let home = world.path("home");
        for name in ["prompted.py", "query.py"] {
            fs::copy(python::folder("drivers").join(name), home.join(name))?;
        }
        fs::write(home.join("report.sh"), LYING_THERE)?;
        writeln!(
            out,
            "\n$ icecore run --label job=prompted -- python prompted.py '{PROMPT}'\n"
        )?;
        let mut session = world.session(AGENT_UID, &["--label", "job=prompted"], python)?;
        session.args(["prompted.py", PROMPT]).current_dir(&home);
        let ran = session.output()?;
        // The job's log begins with what is read of it.
        super::indented(out, &ran.stderr)?;
        super::indented(out, &ran.stdout)?;
        ensure!(ran.status.success(), "the agent ended with {}", ran.status);
        world.flush()?;

        writeln!(out, "\n$ icecore duckdb | duckdb\n{LINKED};\n")?;
        let linked = world.query(LINKED)?;
        for (number, row) in (1..).zip(&linked) {
            writeln!(out, "  -- row {number}")?;
            super::table(out, &["sql_text", "link_grade", "prompt"], row)?;
        }
        writeln!(out, "\n{READ};\n")?;
        for row in &world.query(READ)? {
            super::table(out, &["event_code", "detail"], row)?;
        }
        let ids: Vec<&str> = (linked.iter())
            .filter_map(|row| row.get("statement_id")?.as_str())
            .collect();
        let [counted, largest, other] = ids.as_slice() else {
            anyhow::bail!("expected three statements with a link, found {linked:?}");
        };
        for sure in [counted, largest] {
            let link = link(world, sure, store, &["--json"])?;
            let link: Value = serde_json::from_slice(&link)?;
            ensure!(
                link.pointer("/links/0/grade") == Some(&json!("A"))
                    && link.pointer("/prompt/text") == Some(&json!(PROMPT)),
                "expected grade A and the prompt, found {link:#}"
            );
        }
        writeln!(out, "\n$ icecore link {counted}\n")?;
        super::indented(out, &link(world, counted, store, &[])?)?;
        writeln!(
            out,
            "\nThe model asked for `report.sh` to be run, but nobody showed it what that does. No text of the tool's is like the\n\
             third statement, and the record says so:\n\n$ icecore link {other}\n"
        )?;
        super::indented(out, &link(world, other, store, &[])?)?;
        let found: Value = serde_json::from_slice(&link(world, other, store, &["--json"])?)?;
        ensure!(
            found.pointer("/links/0/mismatch") == Some(&json!(true)),
            "expected a mismatch, found {found:#}"
        );
        match page {
            Some(page) => paged(world, store, page),
            None => Ok(()),
        }
    }

    /// Has the config name the API, and the daemon take it.
    fn read(&self, world: &World, out: &mut impl Write) -> Result<()> {
        let config = fs::read_to_string(world.config_file())?;
        let ca = self.ca_file.display();
        let prompts = format!("[prompts]\nhosts = [\"{HOST}\"]\nca_file = \"{ca}\"\n");
        fs::write(world.config_file(), format!("{config}\n{prompts}"))?;
        let control = world.control_socket();
        let reloaded = world.icecore(&["reload", "--control", &control.to_string_lossy()])?;
        ensure!(
            reloaded.status.success(),
            "icecore reload: {}",
            String::from_utf8_lossy(&reloaded.stderr)
        );
        writeln!(
            out,
            "Three lines are added to the config. An agent asks a model, which is a script on loopback under the name of\n\
             {HOST} (its CA is `ca_file`; the real one needs none), runs what that asks for, and tells it what came\n\
             of it. Its calls pass unchanged.\n"
        )?;
        super::indented(out, prompts.as_bytes())?;
        Ok(writeln!(out, "\n$ icecore reload")?)
    }
}

/// What the model says, turn by turn.
fn turns() -> Vec<Value> {
    let bash = |command: &str| json!([{"name": "Bash", "input": {"command": command}}]);
    vec![
        json!({
            "text": "I count them.",
            "tools": bash("python query.py 'select count(*) from orders where amount > 10'"),
        }),
        json!({
            "text": "Now the largest one, and the report that lies here.",
            "tools": bash("python query.py 'select max(amount) from orders'; sh report.sh"),
        }),
        json!({"text": "That is all."}),
    ]
}

fn link(world: &World, statement: &str, store: &str, options: &[&str]) -> Result<Vec<u8>> {
    let asked = [&["link", statement, "--store", store], options].concat();
    let linked = world.icecore(&asked)?;
    ensure!(
        linked.status.success(),
        "icecore link: {}",
        String::from_utf8_lossy(&linked.stderr)
    );
    Ok(linked.stdout)
}

/// Leaves the session's page.
fn paged(world: &World, store: &str, page: &Path) -> Result<()> {
    let session = super::last_session(world)?;
    let page = page.to_str().context("expected a path in UTF-8")?;
    let paged = world.icecore(&["replay", &session, "--store", store, "--html", page])?;
    ensure!(
        paged.status.success(),
        "icecore replay --html: {}",
        String::from_utf8_lossy(&paged.stderr)
    );
    Ok(())
}
