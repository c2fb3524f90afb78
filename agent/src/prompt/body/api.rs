//! Which API a request speaks, by its method and path.
//!
//! The client chooses how it writes a path and what it calls its body, and servers are not strict: what a server may take for a call
//! is looked at. One too many is a row that says it could not be read.

use percent_encoding::percent_decode_str;

/// APIs whose bodies are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Anthropic's Messages, also at Azure and at Vertex.
    Messages,
    /// OpenAI's Responses, over HTTP or WebSocket.
    Responses,
    /// OpenAI's Chat Completions and what copies it.
    Chat,
    /// Bedrock's InvokeModel.
    BedrockInvoke,
    /// Bedrock's Converse.
    BedrockConverse,
    /// Google's generateContent, of Gemini, Vertex and Code Assist.
    Gemini,
}

impl Api {
    /// Finds the API of a request; `None` if its body is not one that is read.
    ///
    /// The host does not choose it: gateways serve the same paths under names of their own.
    #[must_use]
    pub fn find(method: &str, target: &str) -> Option<Self> {
        (method == "POST").then(|| Self::of_path(&plain(target)))?
    }

    /// Finds the API of a WebSocket, by the path of the request that opens it.
    ///
    /// Source: developers.openai.com, "WebSocket mode": `wss://api.openai.com/v1/responses`.
    #[must_use]
    pub fn of_web_socket(target: &str) -> Option<Self> {
        plain(target)
            .ends_with("/responses")
            .then_some(Self::Responses)
    }

    /// Takes a path in its plain form.
    fn of_path(path: &str) -> Option<Self> {
        let (_, last) = path.rsplit_once('/')?;
        let verb = last.rsplit_once(':').map(|(_, verb)| verb);
        match (last, verb) {
            ("messages", _) if path.ends_with("/v1/messages") => Some(Self::Messages),
            ("responses", _) => Some(Self::Responses),
            ("completions", _) if path.ends_with("/chat/completions") => Some(Self::Chat),
            ("invoke" | "invoke-with-response-stream", _) if bedrock(path).is_some() => {
                Some(Self::BedrockInvoke)
            }
            ("converse" | "converse-stream", _) if bedrock(path).is_some() => {
                Some(Self::BedrockConverse)
            }
            (_, Some("generatecontent" | "streamgeneratecontent")) => Some(Self::Gemini),
            // Vertex carries other publishers' own bodies under these.
            (_, Some("rawpredict" | "streamrawpredict"))
                if path.contains("/publishers/anthropic/models/") =>
            {
                Some(Self::Messages)
            }
            _ => None,
        }
    }

    /// Gives the record's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Responses => "responses",
            Self::Chat => "chat",
            Self::BedrockInvoke => "bedrock_invoke",
            Self::BedrockConverse => "bedrock_converse",
            Self::Gemini => "vertex",
        }
    }

    /// Gives the record's word for the provider, by the host that is called and, where that tells nothing, by the API.
    #[must_use]
    pub fn provider(self, host: &str) -> &'static str {
        let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
        let at = |domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        if at("anthropic.com") {
            "anthropic"
        } else if at("openai.com") || at("chatgpt.com") {
            "openai"
        } else if at("azure.com") {
            "azure"
        } else if at("amazonaws.com") || at("amazonaws.com.cn") || at("api.aws") {
            "aws"
        } else if at("googleapis.com") {
            "google"
        } else {
            match self {
                Self::Messages => "anthropic",
                Self::Responses | Self::Chat => "openai",
                Self::BedrockInvoke | Self::BedrockConverse => "aws",
                Self::Gemini => "google",
            }
        }
    }
}

/// Finds the model that a path names: of Bedrock, of Gemini and Vertex, of an Azure deployment.
pub(super) fn model(target: &str) -> Option<String> {
    let path = path(target);
    let named = bedrock(path)
        .or_else(|| between(path, "/models/", ':'))
        .or_else(|| between(path, "/deployments/", '/'))?;
    let name = percent_decode_str(named).decode_utf8().ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

/// Gives the model of `/model/MODEL/VERB`, whose slashes and colons may be escaped or not.
fn bedrock(path: &str) -> Option<&str> {
    let rest = path.split_once("/model/")?.1;
    rest.rsplit_once('/').map(|(model, _)| model)
}

fn between<'a>(path: &'a str, before: &str, after: char) -> Option<&'a str> {
    let rest = path.split_once(before)?.1;
    rest.split_once(after).map(|(name, _)| name)
}

/// Gives a target's path, without slashes at its end, which servers pass over.
fn path(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or(target);
    path.trim_end_matches('/')
}

/// Gives a target's path as a server may read it: escapes resolved, in lower case, without empty and dot segments and what
/// stands behind a semicolon (RFC 3986 sections 2.1, 3.3 and 5.2.4).
fn plain(target: &str) -> String {
    let path = percent_decode_str(path(target)).decode_utf8_lossy();
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut plain = String::with_capacity(path.len());
    for part in parts {
        plain.push('/');
        plain.push_str(part);
    }
    plain.make_ascii_lowercase();
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_is_found_by_its_path() {
        for (path, api, named) in [
            ("/v1/messages", Api::Messages, None),
            ("/v1/messages?beta=true", Api::Messages, None),
            ("/anthropic/v1/messages", Api::Messages, None),
            ("/v1/responses", Api::Responses, None),
            (
                "/openai/v1/responses?api-version=preview",
                Api::Responses,
                None,
            ),
            ("/backend-api/codex/responses", Api::Responses, None),
            ("/v1/chat/completions", Api::Chat, None),
            (
                "/openai/deployments/gpt-5/chat/completions?api-version=1",
                Api::Chat,
                Some("gpt-5"),
            ),
            ("/v1beta/openai/chat/completions", Api::Chat, None),
            (
                "/model/anthropic.claude-v1%3A0/invoke-with-response-stream",
                Api::BedrockInvoke,
                Some("anthropic.claude-v1:0"),
            ),
            ("/model/a:0/invoke", Api::BedrockInvoke, Some("a:0")),
            (
                "/model/arn%3Aaws%3Ap%2Fx/converse-stream",
                Api::BedrockConverse,
                Some("arn:aws:p/x"),
            ),
            ("/model/a/converse", Api::BedrockConverse, Some("a")),
            (
                "/v1beta/models/gemini-3:streamGenerateContent?alt=sse",
                Api::Gemini,
                Some("gemini-3"),
            ),
            (
                "/v1/projects/p/locations/l/publishers/google/models/g:generateContent",
                Api::Gemini,
                Some("g"),
            ),
            (
                "/v1internal:streamGenerateContent?alt=sse",
                Api::Gemini,
                None,
            ),
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/c@1:streamRawPredict",
                Api::Messages,
                Some("c@1"),
            ),
        ] {
            assert_eq!(Api::find("POST", path), Some(api), "{path}");
            assert_eq!(model(path).as_deref(), named, "{path}");
        }
    }

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        for path in [
            "/v1/%6dessages",
            "/v1//messages",
            "//v1/./messages/",
            "/V1/Messages?beta=true",
            "/v1/x/../messages",
            "/v1/messages;a=b",
            "/v1%2Fmessages",
            "https://api.anthropic.com/v1/messages",
        ] {
            assert_eq!(Api::find("POST", path), Some(Api::Messages), "{path}");
        }
        let gemini = "/v1beta/models/g%3AstreamGenerateContent";
        assert_eq!(Api::find("POST", gemini), Some(Api::Gemini));
        assert_eq!(Api::find("POST", "/v1/messages%3Fx"), None);
        assert_eq!(Api::find("POST", "/v1/messages/.."), None);
        assert_eq!(Api::of_web_socket("/v1//%72esponses"), Some(Api::Responses));
    }

    #[test]
    fn other_requests_have_no_api() {
        for path in [
            "/v1/messages/count_tokens",
            "/v1/messages/batches",
            "/v1/responses/resp_1",
            "/v1/completions",
            "/v1/embeddings",
            "/api/event_logging/v2/batch",
            "/invoke",
            "/v1/models/g:countTokens",
            "/v1/projects/p/locations/l/publishers/mistralai/models/m:streamRawPredict",
            "",
            "messages",
        ] {
            assert_eq!(Api::find("POST", path), None, "{path}");
        }
        assert_eq!(Api::find("GET", "/v1/messages"), None);
        assert_eq!(
            Api::of_web_socket("/v1/responses?x=1"),
            Some(Api::Responses)
        );
        assert_eq!(Api::of_web_socket("/v1/realtime"), None);
    }

    #[test]
    fn a_host_names_its_provider_and_a_gateway_the_apis() {
        for (host, api, provider) in [
            ("api.anthropic.com", Api::Messages, "anthropic"),
            ("API.OpenAI.com:443", Api::Chat, "openai"),
            ("chatgpt.com", Api::Responses, "openai"),
            ("me.openai.azure.com", Api::Responses, "azure"),
            (
                "bedrock-runtime.eu-west-1.amazonaws.com",
                Api::BedrockInvoke,
                "aws",
            ),
            ("cloudcode-pa.googleapis.com", Api::Gemini, "google"),
            (
                "us-east5-aiplatform.googleapis.com",
                Api::Messages,
                "google",
            ),
            ("notopenai.com", Api::Messages, "anthropic"),
            ("gateway.example", Api::Chat, "openai"),
        ] {
            assert_eq!(api.provider(host), provider, "{host}");
        }
    }
}
