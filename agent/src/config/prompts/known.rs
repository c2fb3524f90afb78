//! The model APIs whose hosts are known: which names are whose, and what is spoken there. Pure.
//!
//! Sources: the providers' references of their endpoints, as the audit reference 2.1 and 2.2 collects them; AWS, "Amazon
//! Bedrock endpoints"; Google Cloud, "Vertex AI locations"; Azure OpenAI, "REST API reference", `{resource}.openai.azure.com`.

use serde::Serialize;

use super::super::host::is_dns_name;
use super::ModelHost;

/// What a model API's host speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelApi {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's Chat Completions.
    Chat,
    /// Amazon Bedrock's event streams.
    Bedrock,
    /// Gemini's `generateContent`.
    Gemini,
    /// Several of these, told apart by each request's path.
    ByPath,
}

impl ModelApi {
    /// What it is typed as.
    pub(super) const EXPECTED: &'static str =
        "\"messages\", \"responses\", \"chat\", \"bedrock\", \"gemini\" or \"by_path\"";

    /// Gives the word of the config and the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Responses => "responses",
            Self::Chat => "chat",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::ByPath => "by_path",
        }
    }

    /// Reads the word.
    pub(super) fn read(word: &str) -> Option<Self> {
        let all = [
            Self::Messages,
            Self::Responses,
            Self::Chat,
            Self::Bedrock,
            Self::Gemini,
            Self::ByPath,
        ];
        all.into_iter().find(|one| one.as_str() == word)
    }
}

/// Hosts whose names are whole: whose, which, what is spoken.
const WHOLE: [(Provider, &str, ModelApi); 5] = [
    (Provider::Anthropic, "api.anthropic.com", ModelApi::Messages),
    (Provider::OpenAi, "api.openai.com", ModelApi::ByPath),
    (
        Provider::Google,
        "generativelanguage.googleapis.com",
        ModelApi::Gemini,
    ),
    (
        Provider::Google,
        "cloudcode-pa.googleapis.com",
        ModelApi::Gemini,
    ),
    // Vertex serves Anthropic's models too, under `rawPredict`.
    (
        Provider::Google,
        "aiplatform.googleapis.com",
        ModelApi::ByPath,
    ),
];

/// Hosts whose names hold a region: whose, before it, after it, what is spoken.
const REGIONAL: [(Provider, &str, &str, ModelApi); 2] = [
    (
        Provider::Bedrock,
        "bedrock-runtime.",
        ".amazonaws.com",
        ModelApi::Bedrock,
    ),
    (
        Provider::Google,
        "",
        "-aiplatform.googleapis.com",
        ModelApi::ByPath,
    ),
];

/// The domain below which each Azure OpenAI resource has a name.
const AZURE: &str = "openai.azure.com";

/// A provider of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    Anthropic,
    OpenAi,
    Google,
    Bedrock,
    AzureOpenAi,
}

impl Provider {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Google => "google",
            Self::Bedrock => "bedrock",
            Self::AzureOpenAi => "azure_openai",
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        let all = [
            Self::Anthropic,
            Self::OpenAi,
            Self::Google,
            Self::Bedrock,
            Self::AzureOpenAi,
        ];
        all.into_iter().find(|one| one.as_str() == word)
    }

    /// Tells whether it has no host but those of regions. A root cannot be limited to `bedrock-runtime.*.amazonaws.com`:
    /// RFC 5280 section 4.2.1.10 knows no sign in the middle of a name, and all of `amazonaws.com` would be too much.
    pub(super) fn has_regions_alone(self) -> bool {
        match self {
            Self::Bedrock => true,
            Self::Anthropic | Self::OpenAi | Self::Google | Self::AzureOpenAi => false,
        }
    }

    /// Lists its hosts, those of these regions among them.
    pub(super) fn hosts(self, regions: &[String]) -> Vec<ModelHost> {
        let whole = WHOLE.iter().filter(|(provider, ..)| *provider == self);
        let mut hosts: Vec<ModelHost> = whole
            .map(|(_, name, api)| of_https((*name).to_owned(), *api))
            .collect();
        for (_, before, after, api) in REGIONAL.iter().filter(|(one, ..)| *one == self) {
            let named = regions.iter().map(|one| format!("{before}{one}{after}"));
            hosts.extend(named.map(|name| of_https(name, *api)));
        }
        if self == Self::AzureOpenAi {
            hosts.push(ModelHost {
                below: true,
                ..of_https(AZURE.to_owned(), ModelApi::ByPath)
            });
        }
        hosts
    }
}

/// Finds a host by its name.
pub(super) fn host(name: &str) -> Option<ModelHost> {
    if !is_dns_name(name) {
        return None;
    }
    let whole = WHOLE.iter().find(|(_, known, _)| *known == name);
    let api = whole.map(|(_, _, api)| *api).or_else(|| {
        let regional = REGIONAL.iter().find(|(_, before, after, _)| {
            let region = name
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after));
            region.is_some_and(|region| !region.is_empty() && !region.contains('.'))
        });
        regional.map(|(.., api)| *api)
    });
    let of_azure = name
        .strip_suffix(AZURE)
        .and_then(|before| before.strip_suffix('.'))
        .is_some_and(|before| !before.is_empty());
    let api = api.or(of_azure.then_some(ModelApi::ByPath))?;
    Some(of_https(name.to_owned(), api))
}

fn of_https(name: String, api: ModelApi) -> ModelHost {
    ModelHost {
        name,
        below: false,
        api,
        ports: vec![super::HTTPS],
        plain: false,
    }
}
