//! Reads a request's body: whose it is, and what is new in its history.

use super::api::{self, Api};
use super::call::{Request, Sha256, ToolResult, Turn};
use super::history::{History, Standing};
use super::ids::{Head, Ids, id};
use super::json::{Body, Members};
use super::kept::{Kept, MESSAGE_MAX_BYTES, front, sha256_of};
use super::said::{Said, System};
use super::status::{Notes, ParseStatus, Unreadable};
use super::{anthropic, bedrock, digest, gemini, openai};

/// Most bytes of a turn's words that are kept.
pub const TURN_MAX_BYTES: usize = 256 << 10;

/// Most bytes of words of one request's turns that are told; the newest stay. All of it is searched for secrets, which takes
/// half a second a MiB.
const TURNS_MAX_BYTES: usize = 1 << 20;

/// Most turns and most results of one request that are told; the newest stay.
pub const TOLD_MAX: usize = 4096;

/// Reads one request's body in pieces.
pub struct RequestReader {
    api: Api,
    model: Option<String>,
    ids: Ids,
    body: Kept,
}

impl RequestReader {
    /// Begins with the request's head.
    #[must_use]
    pub fn new(api: Api, head: &Head<'_>) -> Self {
        let model = api::model(head.target);
        Self {
            api,
            model,
            ids: Ids::of_headers(head.headers),
            body: Kept::new(MESSAGE_MAX_BYTES),
        }
    }

    /// Takes a piece of the body, decoded.
    pub fn feed(&mut self, piece: &[u8]) {
        self.body.push(piece);
    }

    /// Says that more of the body came and is not given here: what stood whole before counts.
    pub fn cut(&mut self) {
        self.body.cut();
    }

    /// Reads the whole.
    #[must_use]
    pub fn finish(self, history: &mut History) -> Request {
        let Self {
            api,
            model,
            ids,
            body,
        } = self;
        let mut request = empty(api, model, ids);
        if body.is_cut() {
            request.status = ParseStatus::Cut;
        }
        match body.text() {
            Some(text) => read(text, &mut request, history),
            None => request.status = ParseStatus::Unreadable(Unreadable::Utf8),
        }
        let (_, bytes, sha256) = body.finish();
        request.bytes = bytes;
        request.sha256 = sha256;
        request
    }
}

fn empty(api: Api, model: Option<String>, ids: Ids) -> Request {
    Request {
        api,
        model,
        ids,
        previous_response: None,
        turns: Vec::new(),
        prompt: None,
        results: Vec::new(),
        system_sha256: None,
        left_out: super::call::LeftOut::default(),
        messages: 0,
        known: 0,
        bytes: 0,
        sha256: Sha256::default(),
        status: ParseStatus::Whole,
        notes: Notes::default(),
    }
}

/// Reads a body, whole or cut.
fn read(text: &str, request: &mut Request, history: &mut History) {
    let (list, inner) = match request.api {
        Api::Messages | Api::Chat | Api::BedrockInvoke | Api::BedrockConverse => ("messages", None),
        Api::Responses => ("input", None),
        // Code Assist puts the request within one of its own.
        Api::Gemini => ("contents", Some("request")),
    };
    let (body, read) = Body::read(text, list, inner);
    if let Err(error) = read {
        // A body that was cut stops somewhere, and what stood before counts.
        if !(error.is_eof() && request.status == ParseStatus::Cut) {
            request.status = ParseStatus::Unreadable(error.into());
            return;
        }
    }
    if body.twice || body.members.has_duplicates() {
        Notes::count(&mut request.notes.duplicate_keys);
    }
    if body.dropped {
        Notes::count(&mut request.notes.dropped);
        request.status.worsen(ParseStatus::Cut);
    }
    about(&body.members, request);
    let Some(said) = reader(request.api, &body.members, request.model.as_deref()) else {
        request.status = ParseStatus::Unreadable(Unreadable::Model);
        return;
    };
    let mut system = System::default();
    for name in [
        "system",
        "instructions",
        "systemInstruction",
        "system_instruction",
    ] {
        if let Some(raw) = body.members.raw(name) {
            system.part(digest::of_message(raw));
        }
    }
    let digests: Vec<Sha256> = match &body.text {
        Some(text) => vec![sha256_of(text.as_bytes())],
        None => body
            .history
            .iter()
            .map(|message| digest::of_message(message))
            .collect(),
    };
    if matches!(request.api, Api::Chat | Api::Responses) {
        let leading = body.history.iter().zip(&digests);
        leading
            .take_while(|(message, _)| openai::responses::request::is_system(message))
            .for_each(|(_, digest)| system.part(*digest));
    }
    request.system_sha256 = system.finish();

    let form = match (request.api, body.members.raw("anthropic_version")) {
        (Api::BedrockInvoke, Some(_)) => "bedrock_invoke of anthropic",
        (api, _) => api.word(),
    };
    let previous = request.previous_response.as_deref();
    let against = history.find(form, &request.ids, previous, &digests);
    request.messages = count(digests.len());
    request.known = count(against.known);
    let mut standing = against.standing.clone();
    match &body.text {
        Some(text) if against.known == 0 => {
            let mut message = Said::default();
            message.block(text);
            take(message, 0, request, &mut standing, history);
        }
        Some(_) => {}
        None => {
            for (place, message) in (0..).zip(&body.history).skip(against.known) {
                take(said(message), place, request, &mut standing, history);
            }
        }
    }
    let mut left_bytes = TURNS_MAX_BYTES;
    let newest = request.turns.iter().rev();
    let fit = newest.take_while(|turn| {
        let rest = left_bytes.checked_sub(turn.text.len());
        left_bytes = rest.unwrap_or(0);
        rest.is_some()
    });
    let fit = fit.count().min(TOLD_MAX);
    bound(
        &mut request.turns,
        fit,
        &mut request.notes,
        &mut request.status,
    );
    bound(
        &mut request.results,
        TOLD_MAX,
        &mut request.notes,
        &mut request.status,
    );
    duplicates(&request.results, &mut request.notes);
    request.prompt = standing.last.clone();
    history.advance(&against, standing);
}

/// Takes what a body says of itself.
fn about(members: &Members<'_>, request: &mut Request) {
    let model = members
        .text("model")
        .and_then(|model| super::telling::word(&model));
    request.model = model.or(request.model.take());
    match request.api {
        Api::Messages | Api::BedrockInvoke => {
            let metadata = members.object("metadata");
            if let Some(user) = metadata.and_then(|metadata| metadata.text("user_id")) {
                request.ids.anthropic_user(&user);
            }
        }
        Api::Responses => {
            let previous = members
                .text("previous_response_id")
                .and_then(|text| id(&text));
            request.previous_response = previous;
            if let Some(metadata) = members.object("client_metadata") {
                request.ids.client_metadata(&metadata);
            }
        }
        Api::Gemini => request.ids.gemini(members),
        Api::Chat | Api::BedrockConverse => {}
    }
}

/// Reads a message in an API's form.
type Reader = fn(&serde_json::value::RawValue) -> Said;

/// Finds who reads messages; `None` for a model whose form is not known.
fn reader(api: Api, members: &Members<'_>, model: Option<&str>) -> Option<Reader> {
    Some(match api {
        Api::Messages => anthropic::request::said,
        Api::Responses => openai::responses::request::said,
        Api::Chat => openai::chat::request::said,
        Api::BedrockConverse => bedrock::request::said,
        Api::Gemini => gemini::request::said,
        // Anthropic's body names its version; Amazon's own models take Converse's messages.
        Api::BedrockInvoke if members.raw("anthropic_version").is_some() => {
            anthropic::request::said
        }
        Api::BedrockInvoke
            if model.is_some_and(|model| model.contains("amazon.nova"))
                || members.text("schemaVersion").as_deref() == Some("messages-v1") =>
        {
            bedrock::request::said
        }
        Api::BedrockInvoke => return None,
    })
}

/// Adds what a message says.
fn take(said: Said, place: u32, request: &mut Request, standing: &mut Standing, history: &History) {
    request.left_out.add(said.left_out);
    request.notes.add(said.notes);
    request.results.extend(said.results);
    if said.words.is_empty() {
        return;
    }
    let name = history.name(&request.ids, standing.turns, &said.words);
    standing.turns = standing.turns.saturating_add(1);
    standing.last = Some(name.clone());
    request.turns.push(Turn {
        name,
        text: front(&said.words, TURN_MAX_BYTES).to_owned(),
        text_sha256: sha256_of(said.words.as_bytes()),
        text_bytes: said.words.len() as u64,
        message: place,
    });
}

/// Keeps the newest of what is told.
fn bound<T>(told: &mut Vec<T>, most: usize, notes: &mut Notes, status: &mut ParseStatus) {
    let over = told.len().saturating_sub(most);
    if over > 0 {
        told.drain(..over);
        notes.dropped = notes.dropped.saturating_add(count(over));
        status.worsen(ParseStatus::Cut);
    }
}

fn duplicates(results: &[ToolResult], notes: &mut Notes) {
    let mut ids = std::collections::BTreeSet::new();
    for id in results
        .iter()
        .filter_map(|result| result.call_id.as_deref())
    {
        if !ids.insert(id) {
            Notes::count(&mut notes.duplicate_ids);
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
