//! What `[prompts]` may say, and what is told about one that may not.

use super::super::typed::tests::{check, read_text};
use super::*;

const ACCOUNT: &str = r#"
[[account]]
host = "acme.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token_file = "/keys/token" }
"#;

#[track_caller]
fn read(prompts: &str) -> Prompts {
    read_text(&format!("{ACCOUNT}{prompts}")).unwrap().prompts
}

#[track_caller]
fn refuses(prompts: &str, expected: &str) {
    let told = read_text(&format!("{ACCOUNT}{prompts}")).unwrap_err();
    assert!(
        told.len() == 1 && told[0].contains(expected),
        "{expected}: {told:#?}"
    );
}

#[test]
fn nothing_is_read_unless_the_config_says_so() {
    let prompts = read("");
    assert_eq!(prompts.hosts, []);
    assert_eq!(prompts.capture, PromptCapture::LinkOnly);
    assert_eq!(prompts.on_untrusted, OnUntrusted::Splice);
    assert_eq!(prompts.retention, Duration::from_secs(90 * 86_400));
    check(&format!("{ACCOUNT}[prompts]\ncapture = \"all\""), &[]);
}

#[test]
fn the_section_that_the_docs_show_has_the_defaults() {
    let docs = include_str!("../../../../docs/configuration.md");
    let block = docs.split("```toml\n").nth(1).unwrap();
    let shown = read_text(block.split("```").next().unwrap()).unwrap();
    assert_eq!(shown.prompts, read(""));
}

#[test]
fn providers_have_their_hosts_once_each() {
    let prompts = read(
        r#"[prompts]
providers = ["anthropic", "openai", "google", "bedrock", "azure_openai"]
regions = ["eu-central-1"]
hosts = ["api.anthropic.com", "acme.openai.azure.com", "bedrock-runtime.us-east-1.amazonaws.com"]
[[prompts.host]]
name = "llm.acme.example"
api = "messages"
"#,
    );
    let names: Vec<String> = prompts.hosts.iter().map(ModelHost::shown).collect();
    assert_eq!(
        names,
        [
            "aiplatform.googleapis.com",
            "api.anthropic.com",
            "api.openai.com",
            "bedrock-runtime.eu-central-1.amazonaws.com",
            "bedrock-runtime.us-east-1.amazonaws.com",
            "cloudcode-pa.googleapis.com",
            "eu-central-1-aiplatform.googleapis.com",
            "generativelanguage.googleapis.com",
            "llm.acme.example",
            "*.openai.azure.com",
        ]
    );
}

#[test]
fn a_domain_stands_for_the_names_below_it() {
    let prompts = read("[prompts]\nproviders = [\"azure_openai\"]");
    let azure = &prompts.hosts[0];
    assert!(azure.has_name("acme.openai.azure.com"));
    for other in [
        "openai.azure.com",
        ".openai.azure.com",
        "evilopenai.azure.com",
        "acme.openai.azure.com.evil.example",
    ] {
        assert!(!azure.has_name(other), "{other}");
    }
}

#[test]
fn snowflakes_names_are_never_among_them() {
    for name in [
        "acme.snowflakecomputing.com",
        "snowflakecomputing.com",
        "app.snowflake.com",
        "com",
    ] {
        let table = format!("[[prompts.host]]\nname = \"{name}\"\napi = \"messages\"");
        refuses(&table, "Snowflake's names are governed");
        let host = format!("[prompts]\nhosts = [\"{name}\"]");
        refuses(&host, "a host of a known provider");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let table = |lines: &str| format!("[[prompts.host]]\n{lines}");
    refuses(
        &table("name = \"llm\"\napi = \"messages\""),
        "at least two labels",
    );
    refuses(
        &table("name = \"10.0.0.1\"\napi = \"messages\""),
        "at least two labels",
    );
    refuses(&table("name = \"llm.acme.example\""), "prompts.host[0].api");
    refuses(
        &table("name = \"llm.acme.example\"\napi = \"messages\"\nports = [8443]"),
        "capture.redirect_ports",
    );
    refuses(
        &table("name = \"api.openai.com\"\napi = \"chat\"\n[prompts]\nproviders = [\"openai\"]"),
        "again",
    );
    refuses("[prompts]\nproviders = [\"bedrock\"]", "prompts.regions");
    refuses("[prompts]\nproviders = [\"cursor\"]", "\"anthropic\"");
    refuses("[prompts]\nretention = \"1m\"", "prompts.retention");
    refuses(
        "[prompts]\nrepositories_opt_out = [\"app\"]",
        "\"acme/app\"",
    );
    refuses(
        "[capture]\nredirect_ports = [80]\n[prompts]\nproviders = [\"openai\"]",
        "port 443, which is not",
    );
}

#[test]
fn plain_hosts_may_be_addresses_of_this_host() {
    let prompts = read(
        "[[prompts.host]]\nname = \"127.0.0.1\"\napi = \"messages\"\nplain = true\nports = [80]",
    );
    assert!(prompts.hosts[0].plain);
}
