//! One request over HTTP, and its answer.

use super::About;
use super::call::{Asked, At, Call, Told, Tool};
use crate::prompt::wire::{self, Side};
use crate::prompt::{
    AnswerReader, Api, Head, History, Ids, MESSAGE_MAX_BYTES, ParseStatus, RequestReader, TurnName,
};

/// Headers in which providers name an exchange.
/// Sources: Anthropic API "Errors", OpenAI API "Debugging requests", Azure "x-ms-request-id", AWS "x-amzn-RequestId".
const REQUEST_IDS: [&str; 5] = [
    "request-id",
    "x-request-id",
    "apim-request-id",
    "x-ms-request-id",
    "x-amzn-requestid",
];

/// A request under way, and its answer.
pub(super) struct Exchange {
    call: Call,
    asking: Option<RequestReader>,
    answering: Option<AnswerReader>,
    tools: u32,
    /// How far the request could be read, once it is whole.
    asked: Option<String>,
    /// Bytes of both bodies that may be held, each no more than a reader keeps.
    asking_bytes: usize,
    answering_bytes: usize,
}

impl Exchange {
    /// Begins with the request's head.
    pub(super) fn new(about: &About, api: Api, request: &wire::Request, at: At) -> Self {
        let headers: Vec<(&str, &str)> = request.headers.iter().collect();
        let head = Head {
            target: &request.path,
            headers: &headers,
        };
        Self {
            asking: Some(RequestReader::new(api, &head)),
            answering: None,
            tools: 0,
            asked: None,
            asking_bytes: 0,
            answering_bytes: 0,
            call: Call {
                id: format!("{}-{}", about.name, request.stream),
                api,
                provider: api.provider(&about.host),
                host: about.host.clone(),
                model: None,
                ids: Ids::default(),
                prompt: None,
                credentials: request.credentials.clone(),
                started: at,
                first_byte: None,
                completed: None,
                http_status: None,
                request_id: None,
                answer: None,
                process: about.process,
                status: String::new(),
            },
        }
    }

    /// Takes a piece of the request's body.
    pub(super) fn asking(&mut self, bytes: &[u8]) {
        if let Some(asking) = &mut self.asking {
            asking.feed(bytes);
            self.asking_bytes = (self.asking_bytes + bytes.len()).min(MESSAGE_MAX_BYTES);
        }
    }

    /// Tells how many bytes it may hold.
    pub(super) fn held_bytes(&self) -> usize {
        self.asking_bytes + self.answering_bytes
    }

    /// The request is whole.
    pub(super) fn asked(&mut self, at: At, history: &mut History, told: &mut Vec<Told>) {
        let Some(asking) = self.asking.take() else {
            return;
        };
        self.asking_bytes = 0;
        let request = asking.finish(history);
        self.call.model.clone_from(&request.model);
        self.call.ids = request.ids.clone();
        self.call.prompt.clone_from(&request.prompt);
        self.asked = Some(request.status.to_string());
        told.push(Told::Asked(Box::new(Asked {
            call: self.call.id.clone(),
            provider: self.call.provider,
            request,
            at,
        })));
    }

    /// What follows of one side's body is not told any more.
    pub(super) fn cut(&mut self, from: Side) {
        match from {
            Side::Client => {
                if let Some(asking) = &mut self.asking {
                    asking.cut();
                }
            }
            Side::Server => {
                if let Some(answering) = &mut self.answering {
                    answering.cut();
                }
            }
        }
    }

    /// The request cannot be read any further.
    pub(super) fn unasked(&mut self, why: &str) {
        if self.asking.take().is_some() {
            self.asked = Some(why.to_owned());
        }
    }

    /// Takes the answer's head.
    pub(super) fn answers(&mut self, answer: &wire::Answer, at: At) {
        self.call.http_status = Some(answer.status);
        self.call.first_byte = Some(at);
        let named = |name: &&str| answer.headers.first(name);
        self.call.request_id = REQUEST_IDS.iter().find_map(named).map(str::to_owned);
        self.answering = Some(AnswerReader::new(
            self.call.api,
            answer.headers.first("content-type"),
        ));
    }

    /// Takes a piece of the answer's body.
    pub(super) fn answering(&mut self, bytes: &[u8], at: At, told: &mut Vec<Told>) {
        let Some(answering) = &mut self.answering else {
            return;
        };
        self.answering_bytes = (self.answering_bytes + bytes.len()).min(MESSAGE_MAX_BYTES);
        for tool in answering.feed(bytes) {
            told.push(self.tool(tool, at));
        }
    }

    fn tool(&mut self, tool: crate::prompt::ToolCall, at: At) -> Told {
        let number = self.tools;
        self.tools += 1;
        Told::Tool(Box::new(Tool {
            call: self.call.id.clone(),
            number,
            tool,
            prompt: self.call.prompt.clone(),
            ids: self.call.ids.clone(),
            at,
        }))
    }

    /// The answer is whole.
    pub(super) fn answered(
        mut self: Box<Self>,
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        self.call.completed = Some(at);
        self.end(None, at, history, told);
    }

    /// The answer broke off, or cannot be read any further.
    pub(super) fn broken(
        self: Box<Self>,
        why: &str,
        at: At,
        history: &mut History,
        told: &mut Vec<Told>,
    ) {
        self.end(Some(why), at, history, told);
    }

    fn end(mut self, why: Option<&str>, at: At, history: &mut History, told: &mut Vec<Told>) {
        let mut status = None;
        if let Some(answering) = self.answering.take() {
            let (tools, answer) = answering.finish();
            for tool in tools {
                let tool = self.tool(tool, at);
                told.push(tool);
            }
            if let Some(id) = &answer.response_id {
                answered(history, id, self.call.prompt.as_ref());
            }
            // Of a failure nothing but its word is read.
            let is_failure = self.call.http_status.is_some_and(|status| status >= 400);
            status = (!is_failure && answer.status != ParseStatus::Whole)
                .then(|| answer.status.to_string());
            self.call.answer = Some(answer);
        }
        let asked = self.asked.take().unwrap_or_else(|| "unfinished".to_owned());
        let asked = Some(asked).filter(|asked| asked != "whole");
        self.call.status = match (asked, why.map(str::to_owned).or(status)) {
            (None, None) => "whole".to_owned(),
            (Some(asked), None) => format!("request {asked}"),
            (None, Some(answered)) => format!("answer {answered}"),
            (Some(asked), Some(answered)) => format!("request {asked}; answer {answered}"),
        };
        told.push(Told::Over(Box::new(self.call)));
    }
}

/// Lets a request that goes on from an answer be understood.
pub(super) fn answered(history: &mut History, id: &str, prompt: Option<&TurnName>) {
    history.answered(id, prompt);
}
