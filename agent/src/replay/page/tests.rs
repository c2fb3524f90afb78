//! What a page may hold of what an agent wrote.

use super::*;
use crate::id::SessionId;
use crate::replay::tests::{HOSTILE, SESSION, recorded};
use crate::replay::{Archive, session};

fn told(archive: &Archive) -> String {
    let id = SessionId::from_bytes(SESSION).to_string();
    page(&session(archive, &id).unwrap(), &ShownRows::default())
}

/// Gives a page without the parts that are this program's own.
fn without_own(page: &str) -> String {
    page.replace(STYLE, "").replace(SCRIPT, "")
}

#[test]
fn a_page_loads_and_runs_nothing_but_its_own() {
    let (_dir, archive) = recorded();
    let page = told(&archive);
    let rest = without_own(&page);
    assert_eq!(rest.matches("<script>").count(), 1, "{rest}");
    assert_eq!(rest.matches("<style>").count(), 1, "{rest}");
    for never in [
        " src=",
        "<link",
        "<img",
        "url(",
        "@import",
        "javascript:",
        " style=",
        " onload=",
    ] {
        assert!(!rest.contains(never), "{never}: {rest}");
    }
    let policy = "default-src &#39;none&#39;; style-src &#39;sha256-";
    assert!(page.contains(policy), "{rest}");
    assert!(page.contains("lang=\"en\""));
    assert!(!STYLE.contains("url(") && !STYLE.contains("</"));
    assert!(!SCRIPT.contains("</") && !SCRIPT.contains("innerHTML"));
}

#[test]
fn what_an_agent_wrote_is_text() {
    let (_dir, archive) = recorded();
    let page = told(&archive);
    let shown = crate::replay::html_text(HOSTILE);
    assert!(page.contains(&shown), "{page}");
    let own = page
        .chars()
        .filter(|one| one.is_control() && !matches!(one, '\n' | '\t'));
    assert_eq!(own.count(), 0);
    assert!(!page.contains('\u{202e}'));
}

#[test]
fn the_same_record_gives_the_same_page() {
    let (_dir, archive) = recorded();
    assert_eq!(told(&archive), told(&archive));
}

#[test]
fn a_long_text_is_whole_and_mostly_folded() {
    let mut markup = Markup::default();
    let text = "\u{96ea}".repeat(20_000);
    folded::long(&text, "<pre>", "</pre>", &mut markup);
    let html = markup.finish();
    assert_eq!(html.matches('\u{96ea}').count(), 20_000);
    assert!(html.contains("<details class=\"more\"><summary>the other 42000 bytes"));
}
