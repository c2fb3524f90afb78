//! Asks a witness for the latest checkpoint of each chain.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::web::{Client, Request};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    checkpoints: Vec<String>,
    next: Option<String>,
}

/// Gives the latest checkpoints that a witness signed, as signed notes.
///
/// # Errors
/// It cannot be reached, or does not answer as a witness of ours does.
pub async fn latest(web: &Client, url: &str) -> Result<Vec<String>, String> {
    let url = url.trim_end_matches('/');
    let (mut notes, mut after) = (Vec::new(), None::<String>);
    loop {
        let query = after.as_deref().map_or_else(String::new, |after| {
            format!("?after={}", utf8_percent_encode(after, NON_ALPHANUMERIC))
        });
        let answer = web.send(Request::of_url(format!("{url}/checkpoints{query}")));
        let answer = answer.await.map_err(|error| error.to_string())?;
        if answer.status.as_u16() != 200 {
            return Err(format!("expected HTTP status 200, found {}", answer.status));
        }
        let page: Page = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("expected a page of checkpoints: {error}"))?;
        notes.extend(page.checkpoints);
        match page.next {
            // A witness that goes in circles is not followed.
            Some(next) if after.as_ref().is_none_or(|after| next > *after) => after = Some(next),
            Some(_) => return Err("expected pages in order, found one twice".to_owned()),
            None => return Ok(notes),
        }
    }
}
