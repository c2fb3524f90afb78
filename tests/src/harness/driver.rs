//! A driver script as a test runs it: steps in, one JSON line a step out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A running driver script.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    /// Every line printed so far, as it came.
    pub output: String,
}

impl Driver {
    /// Starts the command, which must speak the step language of `drivers/run_steps.py`.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("no stdout")?;
        Ok(Self {
            child,
            stdin,
            lines: BufReader::new(stdout),
            output: String::new(),
        })
    }

    /// Gives the result of the next step.
    pub fn step(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            bail!(
                "the driver ended ({:?}) after: {}",
                self.child.wait(),
                self.output
            );
        }
        self.output.push_str(&line);
        serde_json::from_str(&line).with_context(|| format!("line `{line}`"))
    }

    /// Gives the result of the next step that must be called `name`.
    pub fn expect(&mut self, name: &str) -> Result<Value> {
        let step = self.step()?;
        if step.get("step").and_then(Value::as_str) != Some(name) {
            bail!("expected step `{name}`, found {step}");
        }
        Ok(step)
    }

    /// Lets a `pause` step end.
    pub fn go_on(&mut self) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is closed")?;
        writeln!(stdin, "go")?;
        Ok(stdin.flush()?)
    }

    /// Tells the process id of the command that was started.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the command's end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        drop(self.stdin.take());
        Ok(self.child.wait()?)
    }

    /// Kills the command.
    pub fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill()?)
    }

    /// Reads the remaining steps and waits for the end.
    pub fn finish(mut self) -> Result<Finished> {
        let mut steps = Vec::new();
        let mut line = String::new();
        while self.lines.read_line(&mut line)? != 0 {
            self.output.push_str(&line);
            steps.push(serde_json::from_str(&line).with_context(|| format!("line `{line}`"))?);
            line.clear();
        }
        drop(self.stdin.take());
        Ok(Finished {
            steps,
            status: self.child.wait()?,
            output: std::mem::take(&mut self.output),
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both fail only when the child has ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a driver script left.
#[derive(Debug)]
pub struct Finished {
    /// The steps that no one read before.
    pub steps: Vec<Value>,
    /// How it ended.
    pub status: ExitStatus,
    /// Everything it printed.
    pub output: String,
}

impl Finished {
    /// Gives the first step of a name.
    #[track_caller]
    pub fn step(&self, name: &str) -> Result<&Value> {
        self.steps
            .iter()
            .find(|step| step.get("step").and_then(Value::as_str) == Some(name))
            .with_context(|| format!("no step `{name}` in {}", self.output))
    }
}
