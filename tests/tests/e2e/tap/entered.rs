//! Sessions of processes that ran before: an entered shell, a container. Their calls are read where they trust the CA, and pass
//! as they are where they do not.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use icecore_tests::drivers::Product;
use icecore_tests::harness::container::{Container, Net, UNPRIVILEGED};
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::model::{Model, Script, claude_code};
use icecore_tests::python;
use serde_json::json;

use super::{Bed, HOST, READ, at};

const PROMPT: &str = "how many are there?";

/// Calls the model API twice, by a client that looks at a certificate in the handshake; the second one later than its word.
pub(super) const CALLS: &str = r#"
import json, ssl, time, urllib.error, urllib.request
told = []
for number in range(2):
    time.sleep(number)
    try:
        urllib.request.urlopen("https://api.anthropic.com/", timeout=20)
    except urllib.error.HTTPError as error:
        told.append(error.code)
    except urllib.error.URLError as error:
        told.append(type(error.reason).__name__)
print(json.dumps(told))
"#;

/// A shell in no session yet, which does what it is told.
struct Shell {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Shell {
    fn start(bed: &Bed) -> Result<Self> {
        let mut child = (bed.world.outside(AGENT_UID, "sh".as_ref())?)
            .args(["-c", "while read -r line; do eval \"$line\"; done"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let says = BufReader::new(child.stdout.take().context("no stdout")?);
        let hears = child.stdin.take().context("no stdin")?;
        let mut shell = Self { child, says, hears };
        let said = shell.told("echo ready")?;
        ensure!(said == "ready", "expected a shell, found {said:?}");
        Ok(shell)
    }

    fn told(&mut self, script: &str) -> Result<String> {
        writeln!(self.hears, "{script}")?;
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Bed {
    /// Makes a session of what runs; gives what was printed, and what was told.
    fn enter(&self, words: &[&str]) -> Result<(String, String)> {
        let control = self.world.control_socket();
        let control = control.to_string_lossy();
        let words = [&["enter", "--control", &control], words].concat();
        let output = self.world.icecore(&words)?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{told}");
        Ok((String::from_utf8(output.stdout)?, told))
    }

    /// Writes what containers are to trust.
    fn trust(&self, options: &[&str]) -> Result<PathBuf> {
        let folder = self.world.path("trust");
        let script = python::folder("../packaging/containers").join("trust.sh");
        let output = Command::new("sh")
            .arg(script)
            .args(options)
            .arg(&folder)
            .arg(self.world.config.state_dir().join("ca/ca.pem"))
            .arg(&self.certificates.ca_file)
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(folder)
    }

    /// Starts a container whose first process has the variables of docs/install.md.
    fn container(&self, trust: &std::path::Path) -> Result<Container> {
        let mut starter = self.world.outside(0, "env".as_ref())?;
        for (name, file) in [
            ("REQUESTS_CA_BUNDLE", "bundle.pem"),
            ("SSL_CERT_FILE", "bundle.pem"),
            ("NODE_EXTRA_CA_CERTS", "ca.pem"),
        ] {
            starter.arg(format!("{name}={}", trust.join(file).display()));
        }
        let cgroup = self.world.cgroup.path();
        let cgroup = cgroup.join("system.slice").join("docker-1.scope");
        Container::start(starter, &cgroup, Net::Own, UNPRIVILEGED)
    }

    /// Starts the model API in a container's own network, where its calls leave.
    fn model_of(&self, container: &Container, script: &Script) -> Result<Model> {
        let address = std::net::SocketAddr::from((at(&self.world, 1), 443));
        let starter = container.in_network(&["env"]);
        let folder = self.world.path("model");
        Model::start_by(starter, &folder, address, &self.certificates, script)
    }

    /// Gives what the model says, and a line of shell in which Claude Code does it: one statement by a driver of Python's.
    pub(super) fn claude_line(&self, sql: &str) -> Result<(Script, String)> {
        let script = self.world.path("query.py");
        fs::copy(python::folder("drivers").join("query.py"), &script)?;
        let words = Product::Connector4.words(&script)?;
        let words: Vec<String> = (words.iter())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let command = format!("{} '{sql}'", words.join(" "));
        let tool = json!({"name": "Bash", "input": {"command": command, "description": "Looks"}});
        let model = Script {
            turns: vec![
                json!({"text": "I look.", "tools": [tool]}),
                json!({"text": "Done."}),
            ],
            keep_bodies: true,
            ..Script::default()
        };
        let line = format!(
            "cd {home}; SHELL=/bin/sh IS_SANDBOX=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 ANTHROPIC_API_KEY=sk-ant-dummy \
             timeout 120 {claude} -p '{PROMPT}' --allowedTools Bash </dev/null >{out} 2>&1; echo ended $?",
            home = self.world.path("home").display(),
            claude = claude_code()?.display(),
            out = self.world.path("home").join("said.txt").display(),
        );
        Ok((model, line))
    }

    /// Checks that a statement is linked to its prompt as surely as one of `icecore run`'s.
    pub(super) fn check_linked(&self, sql: &str) -> Result<()> {
        self.world.flush()?;
        let said = fs::read_to_string(self.world.path("home").join("said.txt"))?;
        let rows = self.world.query(&format!(
            "select k.grade, k.tool_call_id, p.text as prompt from statement_texts t left join best_links k using (statement_id) \
             left join prompts p using (prompt_key) where t.sql_text = '{sql}'"
        ))?;
        let expected = json!({"grade": "A", "tool_call_id": "toolu_0_0", "prompt": PROMPT});
        assert_eq!(rows, [expected], "{said}");
        let of_session = format!("session_id from statement_texts where sql_text = '{sql}'");
        assert_eq!(self.codes(&of_session)?, ["PT001"]);
        Ok(())
    }

    /// Lists what is on record of the reading of a session's model calls.
    fn codes(&self, of_session: &str) -> Result<Vec<String>> {
        let rows = self.world.query(&format!(
            "select event_code from events where session_id in (select {of_session}) \
             and event_code in ('PT001', 'PT002', 'NT006', 'NT007') order by seq"
        ))?;
        let codes = rows.iter().map(|row| row["event_code"].as_str());
        codes
            .map(|code| Ok(code.context("no code")?.to_owned()))
            .collect()
    }
}

fn is_notice(told: &str) -> bool {
    let line = format!("icecore: notice: calls to the model APIs {HOST} are read");
    told.lines().any(|one| one.starts_with(&line))
}

#[test]
fn an_entered_shells_agent_is_read_and_linked() -> Result<()> {
    let bed = Bed::start(READ)?;
    let mut shell = Shell::start(&bed)?;
    let pid = shell.child.id().to_string();
    let (variables, told) = bed.enter(&["--pid", &pid, "--export", "sh"])?;
    assert!(is_notice(&told), "{told}");
    for line in variables.lines() {
        writeln!(shell.hears, "{line}")?;
    }
    let sql = "select 501 as A";
    let (script, line) = bed.claude_line(sql)?;
    let _model = bed.model(&script)?;
    assert_eq!(shell.told(&line)?, "ended 0");
    bed.check_linked(sql)
}

#[test]
fn a_container_that_trusts_the_ca_is_read_and_linked_in_its_own_network() -> Result<()> {
    let bed = Bed::start(READ)?;
    let mut container = bed.container(&bed.trust(&["--models"])?)?;
    let pid = container.pid().to_string();
    let (_, told) = bed.enter(&["--container", &pid, "--require", "enforced"])?;
    assert!(is_notice(&told), "{told}");
    let sql = "select 502 as A";
    let (script, line) = bed.claude_line(sql)?;
    let _model = bed.model_of(&container, &script)?;
    assert_eq!(container.told(&line)?, "ended 0");
    bed.check_linked(sql)
}

/// Gives a line of shell that calls by a client which trusts the model API's own CA alone.
fn by_its_own_ca(bed: &Bed) -> Result<String> {
    let script = bed.world.path("calls.py");
    fs::write(&script, CALLS)?;
    let ca = bed.certificates.ca_file.display();
    Ok(format!("SSL_CERT_FILE={ca} python3 {}", script.display()))
}

#[test]
fn a_container_that_does_not_trust_the_ca_loses_no_call() -> Result<()> {
    let bed = Bed::start(READ)?;
    let mut container = bed.container(&bed.trust(&[])?)?;
    let _model = bed.model_of(&container, &Script::default())?;
    let pid = container.pid().to_string();
    let (_, told) = bed.enter(&["--container", &pid, "--require", "enforced"])?;
    assert!(
        told.contains("are not read in this session") && !is_notice(&told),
        "{told}"
    );
    assert_eq!(container.told(&by_its_own_ca(&bed)?)?, "[404, 404]");
    let unread = bed.events("PT002")?;
    assert_eq!((unread.len(), &unread[0]["hosts"]), (1, &json!([HOST])));
    let of_session = "session_id from events where event_code = 'PT002'";
    assert_eq!(bed.codes(of_session)?, ["PT002"]);
    Ok(())
}

#[test]
fn a_client_of_a_container_that_trusts_another_ca_loses_one_call() -> Result<()> {
    let bed = Bed::start(READ)?;
    let mut container = bed.container(&bed.trust(&["--models"])?)?;
    let _model = bed.model_of(&container, &Script::default())?;
    let pid = container.pid().to_string();
    bed.enter(&["--container", &pid, "--require", "enforced"])?;
    let calls = by_its_own_ca(&bed)?;
    assert_eq!(
        container.told(&calls)?,
        r#"["SSLCertVerificationError", 404]"#
    );
    assert_eq!(bed.events("NT006")?.len(), 1);
    Ok(())
}

#[test]
fn what_is_entered_without_being_given_the_ca_is_not_read() -> Result<()> {
    let bed = Bed::start(READ)?;
    let _model = bed.model(&Script::default())?;
    let mut shell = Shell::start(&bed)?;
    let pid = shell.child.id().to_string();
    let (_, told) = bed.enter(&["--pid", &pid])?;
    assert!(told.contains("are not read in this session"), "{told}");
    assert_eq!(shell.told(&by_its_own_ca(&bed)?)?, "[404, 404]");
    assert_eq!(bed.events("PT002")?.len(), 1);
    Ok(())
}
