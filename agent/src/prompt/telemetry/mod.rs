//! What programs of a session tell of themselves by OpenTelemetry: which use of a tool was carried out, with which command.
//!
//! Bodies of OTLP/HTTP, as JSON or protobuf (opentelemetry-proto 1.x, `collector/logs/v1` and `collector/trace/v1`). Nothing
//! is kept but a use's id and the front of its command: prompts, names of users and all else are read over. Each word of it
//! is its sender's; [`Heard`] says whose word counts.

mod heard;
mod json;
mod protobuf;

pub use heard::{Heard, Outcome};

/// Most records of one body that are read, and most of them that are about a use of a tool.
pub const RECORDS_MAX: usize = 4096;
const REPORTS_MAX: usize = 256;

/// Longest id of a use that is one.
const ID_MAX_BYTES: usize = 256;

/// Front of a command that is compared: the rest of a long one is not kept.
const COMMAND_MAX_BYTES: usize = 1024;

/// What a body is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `ExportLogsServiceRequest`.
    Logs,
    /// `ExportTraceServiceRequest`.
    Traces,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/json`.
    Json,
    /// `application/x-protobuf`.
    Protobuf,
}

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON of this form.
    #[error("expected a request of OTLP in JSON, found other text in line {line}, column {column}")]
    Json {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// It is no protobuf of this form.
    #[error("expected a request of OTLP in protobuf, found other bytes")]
    Protobuf,
}

/// A use of a tool that was carried out, as its sender tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The provider's id of the use.
    pub tool_call_id: String,
    /// The front of the command that was carried out, if that is told.
    pub command: Option<String>,
}

/// What a body holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Uses that were carried out.
    pub reports: Vec<Report>,
    /// Records that were read.
    pub records: usize,
    /// Records that were not: past [`RECORDS_MAX`], or past as many about uses of tools as are compared.
    pub rejected: usize,
}

/// Reads a body.
///
/// # Errors
/// It is not what it is said to be.
pub fn read(signal: Signal, form: Form, body: &[u8]) -> Result<Telemetry, Unreadable> {
    let mut telemetry = Telemetry::default();
    let mut take = |record: Record| telemetry.take(record);
    match form {
        Form::Json => json::read(signal, body, &mut take)?,
        Form::Protobuf => protobuf::read(signal, body, &mut take)?,
    }
    Ok(telemetry)
}

/// One record of a log, or one span, as far as it is looked at.
#[derive(Debug, Default)]
struct Record {
    /// A span's name, or the text of a record's body.
    name: Option<String>,
    event: Option<String>,
    tool_use_id: Option<String>,
    call_id: Option<String>,
    full_command: Option<String>,
    tool_parameters: Option<String>,
    arguments: Option<String>,
}

impl Record {
    /// Takes an attribute that is a text, if it is one that is looked at.
    ///
    /// Source: Claude Code 2.1.197 (`tool_result`: `tool_use_id`, `tool_parameters` with `full_command`; spans
    /// `claude_code.tool`), Codex 0.169.0 (`codex.tool_result`: `call_id`, `arguments`).
    fn take(&mut self, key: &str, value: &str) {
        let place = match key {
            "event.name" => &mut self.event,
            "tool_use_id" => &mut self.tool_use_id,
            "call_id" => &mut self.call_id,
            "full_command" => &mut self.full_command,
            "tool_parameters" => &mut self.tool_parameters,
            "arguments" => &mut self.arguments,
            _ => return,
        };
        *place = Some(value.to_owned());
    }

    /// Tells whether it says that a tool has run, not only that it may.
    fn is_of_use(&self) -> bool {
        let is_named = |name: &Option<String>| {
            let name = name.as_deref().unwrap_or_default();
            let last = name.rsplit('.').next().unwrap_or_default();
            last == "tool_result" || name == "claude_code.tool"
        };
        is_named(&self.event) || is_named(&self.name)
    }

    fn report(self) -> Option<Report> {
        if !self.is_of_use() {
            return None;
        }
        let id = self.tool_use_id.or(self.call_id)?;
        let fits = !id.is_empty() && id.len() <= ID_MAX_BYTES;
        let command = self
            .full_command
            .or_else(|| command(self.tool_parameters?.as_bytes()))
            .or_else(|| command(self.arguments?.as_bytes()));
        fits.then(|| Report {
            tool_call_id: id,
            command: command.map(|text| front(&text).to_owned()),
        })
    }
}

impl Telemetry {
    fn take(&mut self, record: Record) {
        if self.records >= RECORDS_MAX || self.reports.len() >= REPORTS_MAX {
            self.rejected += 1;
            return;
        }
        self.records += 1;
        self.reports.extend(record.report());
    }
}

/// Gives the command among the arguments of a tool, a JSON object, if there is one.
fn command(arguments: &[u8]) -> Option<String> {
    let arguments: serde_json::Value = serde_json::from_slice(arguments).ok()?;
    let names = ["full_command", "command", "cmd"];
    let named = names.into_iter().find_map(|name| arguments.get(name));
    named?.as_str().map(str::to_owned)
}

/// Gives the front of a command that is compared.
fn front(command: &str) -> &str {
    let mut end = command.len().min(COMMAND_MAX_BYTES);
    while !command.is_char_boundary(end) {
        end -= 1;
    }
    command.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
