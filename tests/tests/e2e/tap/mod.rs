//! Calls to model APIs in sessions that are read: carried as they are, at once, whatever becomes of the reading.

mod agents;
mod carried;
mod codexs;
mod echoed;
mod entered;
mod environ;
mod holds;
mod kept;
mod linked;
mod managed;
mod packs;
mod sub_agents;
mod telemetry;
mod tunnelled;
mod unseen;
mod untrusted;

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use icecore_tests::drivers::Product;
use icecore_tests::harness::certificates::Certificates;
use icecore_tests::harness::port::Port;
use icecore_tests::harness::prometheus::{self, Scraped};
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::model::{Model, Script, claude_code, codex};
use icecore_tests::{python, time};
use serde_json::Value;

const HOST: &str = "api.anthropic.com";
const OTHER: &str = "llm.acme.example";
const OPENAI: &str = "api.openai.com";

/// Codex's provider is one of its config, at the host that it calls by itself.
const PROVIDER: &str = r#"
model = "gpt-5"
model_provider = "api"
[model_providers.api]
name = "api"
base_url = "https://api.openai.com/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
"#;

/// A world, the certificates of its model APIs, and where its metrics are.
struct Bed {
    world: World,
    certificates: Certificates,
    metrics: SocketAddr,
    _port: Port,
}

impl Bed {
    /// Makes a world whose config has these lines; `CA` in them is the file of the model APIs' CA.
    fn start(prompts: &str) -> Result<Self> {
        Self::start_with(prompts, |_| Ok(String::new()))
    }

    /// Makes one whose files are written further before its daemon starts; gives more lines of its config.
    fn start_with(prompts: &str, write: impl FnOnce(&World) -> Result<String>) -> Result<Self> {
        Self::start_seeing(false, prompts, write)
    }

    /// Makes one whose daemon sees the kernel's tracepoints, or none.
    fn start_seeing(
        is_untraced: bool,
        prompts: &str,
        write: impl FnOnce(&World) -> Result<String>,
    ) -> Result<Self> {
        let mut world = World::without_daemon(&Plan::default())?;
        world.is_traced = !is_untraced;
        world.is_untraced = is_untraced;
        let hosts = [HOST, OTHER, OPENAI].map(str::to_owned);
        let folder = world.path("models");
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let certificates = Certificates::make_for(&folder, "model", &hosts)?;
        let port = Port::take()?;
        // Below 1024 the proxy's user may not listen.
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + port.number()));
        let mut bed = Self {
            metrics,
            certificates,
            _port: port,
            world: {
                let address = at(&world, 1);
                world.names = [HOST, OTHER, OPENAI]
                    .map(|host| (host.to_owned(), address))
                    .into();
                world
            },
        };
        let more = format!("[metrics]\nlisten = \"{metrics}\"\n");
        let more = more + &bed.lines(prompts) + &write(&bed.world)?;
        let text = fs::read_to_string(bed.world.config_file())?;
        fs::write(bed.world.config_file(), text + &more)?;
        bed.world.start_daemon()?;
        Ok(bed)
    }

    fn lines(&self, prompts: &str) -> String {
        prompts.replace("CA", &format!("{:?}", self.certificates.ca_file))
    }

    fn model(&self, script: &Script) -> Result<Model> {
        let address = SocketAddr::from((at(&self.world, 1), if script.plain { 80 } else { 443 }));
        let folder = self.world.path("model");
        Model::start(&folder, address, &self.certificates, script)
    }

    /// Gives a command that makes calls in a session, with some words before it.
    fn command(&self, before: &[&str], steps: &Value) -> Result<Command> {
        let script = self.world.path("model.cjs");
        fs::copy(python::folder("drivers").join("model.cjs"), &script)?;
        let mut words: Vec<OsString> = before.iter().map(OsString::from).collect();
        words.extend(Product::Node.words(&script)?.into_iter().take(2));
        let mut command = self.world.session(AGENT_UID, &[], "env".as_ref())?;
        command.args(words).arg(steps.to_string());
        Ok(command)
    }

    /// Makes calls in a session; gives what each came to, and what the job's log says.
    fn call(&self, before: &[&str], steps: &Value) -> Result<(Vec<Value>, String)> {
        let output = self.command(before, steps)?.output()?;
        let said = String::from_utf8(output.stdout)?;
        let log = String::from_utf8(output.stderr)?;
        let lines: serde_json::Result<Vec<Value>> =
            said.lines().map(serde_json::from_str).collect();
        let lines = lines.with_context(|| format!("{said}\n{log}"))?;
        ensure!(output.status.success(), "{said}\n{log}");
        Ok((lines, log))
    }

    /// Gives the details of a session's events of a code.
    fn events(&self, code: &str) -> Result<Vec<Value>> {
        self.world.flush()?;
        let sql = format!("select detail from events where event_code = '{code}' order by seq");
        let rows = self.world.query(&sql)?;
        let details = rows.iter().map(|row| match row["detail"].as_str() {
            Some(text) => Ok(serde_json::from_str(text)?),
            None => Ok(row["detail"].clone()),
        });
        details.collect()
    }

    fn counts(&self) -> Result<Scraped> {
        let start = time::instant();
        loop {
            match prometheus::scrape(self.metrics) {
                Err(_) if start.elapsed() < Duration::from_secs(20) => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                scraped => return scraped,
            }
        }
    }

    /// Gives Claude Code, unmodified, which is told one prompt and may use some tools.
    fn claude(&self, prompt: &str, tools: &str) -> Result<Command> {
        self.claude_with(&[], prompt, tools)
    }

    /// Gives the same, started with options of `icecore run`.
    fn claude_with(&self, options: &[&str], prompt: &str, tools: &str) -> Result<Command> {
        let mut command = self.world.session(AGENT_UID, options, "env".as_ref())?;
        command
            .args(["SHELL=/bin/sh", "IS_SANDBOX=1"])
            .arg("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1")
            .arg("ANTHROPIC_API_KEY=sk-ant-dummy")
            .arg(claude_code()?)
            .args(["-p", prompt, "--allowedTools", tools])
            .args(["--output-format", "stream-json", "--verbose"])
            .current_dir(self.world.path("home"))
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Gives Codex, unmodified, which is told one prompt.
    fn codex(&self, prompt: &str) -> Result<Command> {
        let home = self.world.path("home").join("codex");
        fs::create_dir_all(&home)?;
        fs::write(home.join("config.toml"), PROVIDER)?;
        std::os::unix::fs::chown(&home, Some(AGENT_UID), None)?;
        let mut command = self.world.session(AGENT_UID, &[], "env".as_ref())?;
        command
            .args(["SHELL=/bin/sh", "OPENAI_API_KEY=sk-dummy"])
            .arg(format!("CODEX_HOME={}", home.display()))
            .arg(codex()?)
            .args(["exec", "--skip-git-repo-check", "--json"])
            .arg("--dangerously-bypass-approvals-and-sandbox")
            .arg(prompt)
            .current_dir(self.world.path("home"))
            .stdin(Stdio::null());
        Ok(command)
    }

    fn upstream_ca(&self) -> String {
        format!(
            "NODE_EXTRA_CA_CERTS={}",
            self.certificates.ca_file.display()
        )
    }
}

/// Gives an address of this world's alone, where a model API may listen.
fn at(world: &World, number: u8) -> Ipv4Addr {
    let [_, _, third, last] = world.account_address.octets();
    Ipv4Addr::new(127, 78 + number, third, last)
}

fn issuers(lines: &[Value]) -> Vec<&str> {
    let of = |line: &Value| {
        line["issuer"]
            .as_str()
            .map(|name| name.ends_with("for model APIs"))
    };
    lines
        .iter()
        .map(|line| match of(line) {
            Some(true) => "ours",
            Some(false) => "its own",
            None => "none",
        })
        .collect()
}

const READ: &str = "[prompts]\nproviders = [\"anthropic\"]\nca_file = CA\n";

fn reload(world: &World) -> Result<()> {
    let control = world.control_socket();
    let output = world.icecore(&["reload", "--control", &control.to_string_lossy()])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "reload: {said}");
    Ok(())
}
