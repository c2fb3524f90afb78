//! Rows of what a session's model calls told, and of the links to its statements.

use crate::id::SessionId;
use crate::prompt::exchange::{At, Call};
use crate::prompt::linking::Link;
use crate::prompt::linking::link::Method;
use crate::prompt::provenance::{ArgsFact, Fact, PromptFact, UseFact};

use super::event::{LinkRow, LlmCallRow, PromptRow, Row, ToolCallArgsRow, ToolCallRow};

/// Whose word a prompt is where nobody else saw it: the request's, which the agent wrote.
const WIRE: &str = "wire";

/// Makes the rows of facts.
#[must_use]
pub fn provenance_rows(session: SessionId, facts: Vec<Fact>) -> Vec<Row> {
    let row = |fact| match fact {
        Fact::Call(call) => Row::from(call_row(session, *call)),
        Fact::Use(used) => Row::from(use_row(session, *used)),
        Fact::Args(args) => Row::from(args_row(session, *args)),
        Fact::Prompt(prompt) => Row::from(prompt_row(session, *prompt)),
        Fact::Link(link) => Row::from(link_row(session, *link)),
    };
    facts.into_iter().map(row).collect()
}

fn call_row(session: SessionId, call: Call) -> LlmCallRow {
    let answer = call.answer.unwrap_or_default();
    LlmCallRow {
        session_id: Some(session),
        llm_call_id: Some(call.id),
        provider: Some(call.provider.to_owned()),
        endpoint_host: Some(call.host),
        api: Some(call.api.word()),
        request_model: call.model,
        response_model: answer.model,
        response_id: answer.response_id,
        client_request_id: call.ids.client_request.or(call.request_id),
        agent_session_id: call.ids.session,
        agent_id_hdr: call.ids.agent,
        parent_agent_id_hdr: call.ids.parent_agent,
        turn_id: call.ids.turn,
        prompt_key: call.prompt.map(|turn| super::hex(&turn.key)),
        trace_id: call.ids.trace.map(|trace| trace.trace_id),
        started_at: Some(call.started.time),
        first_byte_at: call.first_byte.map(time),
        completed_at: call.completed.map(time),
        stop_reason: answer.stop_reason.or(answer.error),
        input_tokens: answer.tokens.input,
        output_tokens: answer.tokens.output,
        cache_read_tokens: answer.tokens.cache_read,
        tool_use_count: i32::try_from(answer.tool_calls).ok(),
        http_status: call.http_status.map(i32::from),
        pid: call
            .process
            .map(|(pid, _)| i32::try_from(pid).unwrap_or(i32::MAX)),
        start_ns: call.process.and_then(|(_, start_ns)| start_ns),
        parse_status: Some(call.status),
    }
}

fn use_row(session: SessionId, used: UseFact) -> ToolCallRow {
    ToolCallRow {
        session_id: Some(session),
        tool_call_id: Some(used.id),
        llm_call_id: Some(used.call),
        tool_name: Some(used.name),
        mcp_server: used.mcp_server,
        args_mac: Some(used.args_mac),
        args_len: i32::try_from(used.args_bytes).ok(),
        emitted_at: Some(used.emitted.time),
        result_seen_at: used.result.map(|seen| seen.at.time),
        result_mac: used.result.map(|seen| seen.mac),
        result_is_error: used.result.and_then(|seen| seen.is_error),
        contains_sql: used.contains_sql,
        sql_fingerprints: used.fingerprints,
    }
}

fn args_row(session: SessionId, args: ArgsFact) -> ToolCallArgsRow {
    ToolCallArgsRow {
        session_id: Some(session),
        tool_call_id: Some(args.id),
        args: Some(args.args),
        llm_call_id: Some(args.call),
        ..ToolCallArgsRow::default()
    }
}

fn prompt_row(session: SessionId, prompt: PromptFact) -> PromptRow {
    PromptRow {
        session_id: Some(session),
        prompt_key: Some(prompt.key),
        agent_session_id: prompt.agent_session,
        turn_index: i32::try_from(prompt.turn_index).ok(),
        prompt_id: prompt.turn_id,
        provider: Some(prompt.provider.to_owned()),
        role: Some("user".to_owned()),
        text: Some(prompt.text),
        text_sha256: Some(prompt.text_sha256),
        salt: None,
        text_len: i32::try_from(prompt.text_bytes).ok(),
        redactions: (prompt.redactions.into_iter())
            .map(|(kind, count)| (kind, i32::try_from(count).unwrap_or(i32::MAX)))
            .collect(),
        source: WIRE,
        first_seen_llm_call_id: Some(prompt.first_call),
        origin: prompt.origin.name(),
        root_prompt_key: prompt.root,
    }
}

fn link_row(session: SessionId, link: Link) -> LinkRow {
    LinkRow {
        session_id: Some(session),
        link_id: Some(link.link_id),
        statement_id: Some(link.statement_id),
        tool_call_id: link.tool_call_id,
        prompt_key: link.prompt_key,
        llm_call_id: link.llm_call_id,
        grade: link.grade.letter(),
        confidence: link.confidence,
        evidence: link.evidence.bits(),
        method: link.method.name(),
        candidates: i32::try_from(link.candidates).unwrap_or(i32::MAX),
        matcher_version: crate::prompt::linking::link::MATCHER_VERSION,
        text_overlap: link.text_overlap,
        supersedes: link.supersedes,
        // Of what was not judged in time nobody knows.
        mismatch: (link.method != Method::Late).then_some(link.is_mismatch),
    }
}

fn time(at: At) -> chrono::DateTime<chrono::Utc> {
    at.time
}
