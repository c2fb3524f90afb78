//! What a person does with a browser to log in: follows addresses with cookies, and fills in forms.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Most pages and redirects until a login has come to its end.
const STEPS_MAX: usize = 30;

/// What the person does where the provider asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Logs in under this name and agrees.
    Agrees(&'static str),
    /// Says no where a device's code is confirmed.
    Denies,
}

/// A browser without a window.
#[derive(Debug, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

/// A page: its status line, and what it shows.
#[derive(Debug)]
pub struct Page {
    /// The status, such as `200 OK`.
    pub status: String,
    /// The body.
    pub body: String,
    /// Where it leads on to.
    pub location: Option<String>,
}

impl Browser {
    /// Opens an address and does what the pages ask until none asks anything; gives the last one.
    pub fn visit(&mut self, url: &str, person: Person) -> Result<Page> {
        let (mut url, mut form) = (url.to_owned(), None);
        for _ in 0..STEPS_MAX {
            let page = self.load(&url, form.take())?;
            if let Some(location) = page.location {
                url = absolute(&url, &location)?;
                continue;
            }
            let Some((action, filled)) = fill(&page.body, person) else {
                return Ok(page);
            };
            url = absolute(&url, &action)?;
            if filled.contains("abort=yes") {
                return self.load(&url, Some(filled));
            }
            form = Some(filled);
        }
        bail!("{STEPS_MAX} pages and no end, the last one `{url}`")
    }

    /// Asks for one page.
    pub fn load(&mut self, url: &str, form: Option<String>) -> Result<Page> {
        let rest = url
            .strip_prefix("http://")
            .with_context(|| format!("`{url}`"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let method = if form.is_some() { "POST" } else { "GET" };
        let body = form.unwrap_or_default();
        let mut stream = TcpStream::connect(host).with_context(|| format!("connect to {host}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "{method} /{path} HTTP/1.0\r\nHost: {host}\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            cookies.join("; "),
            body.len()
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split_once(' '))
            .context("no status")?
            .1;
        let mut location = None;
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name.to_ascii_lowercase().as_str() {
                "location" => location = Some(value.to_owned()),
                "set-cookie" => self.keep(value),
                _ => {}
            }
        }
        Ok(Page {
            status: status.to_owned(),
            body: body.to_owned(),
            location,
        })
    }

    fn keep(&mut self, cookie: &str) {
        let pair = cookie.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else {
            return;
        };
        if value.is_empty() {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn absolute(base: &str, to: &str) -> Result<String> {
    if to.starts_with("http://") {
        return Ok(to.to_owned());
    }
    let origin = base.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    if to.starts_with('/') {
        return Ok(format!("{origin}{to}"));
    }
    bail!("`{to}` of `{base}`")
}

/// Fills in the first form of a page: where it goes, and what goes there.
fn fill(page: &str, person: Person) -> Option<(String, String)> {
    let (_, form) = page.split_once("<form")?;
    let (form, _) = form.split_once("</form>")?;
    let action = attribute(form, "action")?;
    let mut fields: Vec<String> = Vec::new();
    for input in form.split("<input").skip(1) {
        let name = attribute(input, "name")?;
        let value = match (name.as_str(), person) {
            ("login", Person::Agrees(login)) => login.to_owned(),
            ("password", _) => "any".to_owned(),
            ("confirm", Person::Denies) => {
                fields.push("abort=yes".to_owned());
                continue;
            }
            _ => attribute(input, "value").unwrap_or_default(),
        };
        fields.push(format!("{name}={value}"));
    }
    Some((action, fields.join("&")))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0.replace("&amp;", "&"))
}
