//! Log lines on standard error.
//!
//! `ICECORE_LOG` chooses the least level that is printed (`error`, `warn`, `info`, `debug`, `trace`; `info` unless set),
//! `ICECORE_LOG_FORMAT=json` prints one JSON object a line. Values may be an agent's: a line passes its face's escaping
//! as a whole, so that none is forgotten.

use std::env;
use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;

use crate::replay::{json_escaped, terminal};

/// Prints the process's log lines from here on.
///
/// The first call decides; what comes later, from tests in one process, changes nothing.
pub fn start() {
    let level = env::var("ICECORE_LOG").unwrap_or_default();
    let format = env::var("ICECORE_LOG_FORMAT").unwrap_or_default();
    let face = match (format.as_str(), has_colours()) {
        ("json", _) => Face::Json,
        (_, true) => Face::Coloured,
        (_, false) => Face::Plain,
    };
    let lines = tracing_subscriber::fmt()
        .with_writer(move || Line {
            face,
            out: io::stderr(),
        })
        .with_max_level(level_named(&level))
        .with_target(false);
    let started = match face {
        Face::Json => tracing::subscriber::set_global_default(lines.json().finish()),
        Face::Coloured | Face::Plain => {
            let lines = lines.with_ansi(matches!(face, Face::Coloured));
            tracing::subscriber::set_global_default(lines.finish())
        }
    };
    if started.is_err() {
        tracing::debug!("log was started already");
    }
}

fn has_colours() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none()
}

/// What a log line is read by.
#[derive(Clone, Copy, Debug)]
enum Face {
    Plain,
    Coloured,
    Json,
}

/// Writes log lines so that none of them is more than a line, or less; `tracing` hands over a line at a time.
struct Line<W> {
    face: Face,
    out: W,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let mut shown = escaped(self.face, text.strip_suffix('\n').unwrap_or(&text));
        shown.push('\n');
        self.out.write_all(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn escaped(face: Face, line: &str) -> String {
    match face {
        Face::Plain => terminal(line),
        Face::Json => json_escaped(&line.replace('\n', " ")),
        Face::Coloured => {
            let mut pieces = line.split('\u{1b}');
            let mut shown = pieces.next().map(terminal).unwrap_or_default();
            for piece in pieces {
                // `tracing` writes no other sequences than colours, and escapes those of values itself.
                match colour(piece) {
                    Some((colour, rest)) => {
                        shown.push_str(&format!("\u{1b}[{colour}m{}", terminal(rest)));
                    }
                    None => shown.push_str(&format!("\\u{{1b}}{}", terminal(piece))),
                }
            }
            shown
        }
    }
}

/// Splits a piece behind an escape character into a colour's numbers and what follows (ECMA-48, SGR).
fn colour(piece: &str) -> Option<(&str, &str)> {
    let (numbers, rest) = piece.strip_prefix('[')?.split_once('m')?;
    let is_one = |byte: u8| byte.is_ascii_digit() || byte == b';';
    numbers.bytes().all(is_one).then_some((numbers, rest))
}

fn level_named(name: &str) -> LevelFilter {
    match name {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(face: Face, line: &str) -> String {
        let mut log = Line {
            face,
            out: Vec::new(),
        };
        log.write_all(line.as_bytes()).unwrap();
        String::from_utf8(log.out).unwrap()
    }

    #[test]
    fn a_line_stays_a_line() {
        let line = "INFO sql=select 1\n::add-mask::x\u{202e} ##[error]y\n";
        let shown = "INFO sql=select 1\\n::add-mask::x\\u{202e} #\\u{23}[error]y\n";
        assert_eq!(written(Face::Plain, line), shown);
        let coloured = "\u{1b}[32m INFO\u{1b}[0m a\u{1b}]52;c;x\n";
        let shown = "\u{1b}[32m INFO\u{1b}[0m a\\u{1b}]52;c;x\n";
        assert_eq!(written(Face::Coloured, coloured), shown);
        let json = "{\"sql\":\"\u{202e}##[x]\"}\n";
        let shown = "{\"sql\":\"\\u202e#\\u0023[x]\"}\n";
        assert_eq!(written(Face::Json, json), shown);
    }

    proptest! {
        #[test]
        fn no_value_makes_a_line_of_its_own(value in any::<String>()) {
            for face in [Face::Plain, Face::Coloured, Face::Json] {
                let shown = written(face, &format!("a={value}\n"));
                prop_assert_eq!(shown.matches('\n').count(), 1);
                let obeyed = ['\r', '\u{202e}', '\u{9b}'];
                prop_assert!(!shown.contains(obeyed));
            }
        }
    }

    #[test]
    fn level_is_info_unless_named() {
        assert_eq!(level_named("debug"), LevelFilter::DEBUG);
        assert_eq!(level_named(""), LevelFilter::INFO);
        assert_eq!(level_named("loud"), LevelFilter::INFO);
    }
}
