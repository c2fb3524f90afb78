//! Log lines on standard error.
//!
//! `[log]` of the config chooses what is printed, `ICECORE_LOG` and `ICECORE_LOG_FORMAT` win over it, and `icecore log`
//! over both until the daemon ends. Values may be an agent's: a line passes its face's escaping as a whole, so that none is
//! forgotten.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{Registry, fmt, reload};

use crate::replay::{json_escaped, terminal};

/// Areas that may have a level of their own: the folders that write lines while the daemon runs.
pub const AREAS: [&str; 14] = [
    "approval",
    "connection",
    "control",
    "execution",
    "export",
    "identity",
    "mailbox",
    "notices",
    "policy",
    "proxy",
    "record",
    "supervisor",
    "upstream",
    "web",
];

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// Reads the config's word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// The least level that is printed, of everything and of areas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    all: LevelFilter,
    areas: Vec<(&'static str, LevelFilter)>,
}

impl Levels {
    /// Reads a text such as `info,proxy=debug`; none if a word of it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut levels = Self {
            all: LevelFilter::INFO,
            areas: Vec::new(),
        };
        for (place, word) in text.split(',').map(str::trim).enumerate() {
            match word.split_once('=') {
                None if place == 0 => levels.all = level_named(word)?,
                None => return None,
                Some((area, level)) => {
                    let area = AREAS.into_iter().find(|known| *known == area)?;
                    levels.areas.push((area, level_named(level)?));
                }
            }
        }
        Some(levels)
    }

    fn targets(&self) -> Targets {
        let all = Targets::new().with_default(self.all);
        let areas = self.areas.iter();
        areas.fold(all, |all, (area, level)| {
            all.with_target(format!("icecore::{area}"), *level)
        })
    }
}

/// Changes what is printed.
type Set = dyn Fn(&Levels, Format) + Send + Sync;

/// What is printed, and what may say otherwise.
struct Printing {
    set: Box<Set>,
    from_environment: (bool, bool),
    now: Mutex<(Levels, Format)>,
}

static PRINTING: OnceLock<Printing> = OnceLock::new();

/// Prints the process's log lines from here on.
///
/// The first call decides; what comes later, from tests in one process, changes nothing.
pub fn start() {
    let level = env::var("ICECORE_LOG").ok();
    let format = env::var("ICECORE_LOG_FORMAT").ok();
    // A mistyped level must not silence the log.
    let levels = level.as_deref().and_then(Levels::read).unwrap_or(Levels {
        all: LevelFilter::INFO,
        areas: Vec::new(),
    });
    let is_json = format.as_deref() == Some("json");
    let chosen = if is_json { Format::Json } else { Format::Text };
    let face = if has_colours() {
        Face::Coloured
    } else {
        Face::Plain
    };
    let (text, set_text) = reload::Layer::new(filter(&levels, chosen, Format::Text));
    let (json, set_json) = reload::Layer::new(filter(&levels, chosen, Format::Json));
    let lines = |face: Face| {
        move || Line {
            face,
            out: io::stderr(),
        }
    };
    let subscriber = Registry::default()
        .with(
            fmt::layer()
                .with_writer(lines(face))
                .with_target(false)
                .with_ansi(matches!(face, Face::Coloured))
                .with_filter(text),
        )
        .with(
            fmt::layer()
                .json()
                .with_writer(lines(Face::Json))
                .with_target(false)
                .with_filter(json),
        );
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        return tracing::debug!("log was started already");
    }
    let set = move |levels: &Levels, format| {
        let outcomes = [
            set_text.reload(filter(levels, format, Format::Text)),
            set_json.reload(filter(levels, format, Format::Json)),
        ];
        for error in outcomes.into_iter().filter_map(Result::err) {
            tracing::error!(%error, "log levels could not be changed");
        }
    };
    let printing = Printing {
        set: Box::new(set),
        from_environment: (level.is_some(), format.is_some()),
        now: Mutex::new((levels, chosen)),
    };
    if PRINTING.set(printing).is_err() {
        tracing::debug!("log was started already");
    }
}

/// Prints as the config says, but for what the environment says otherwise.
pub fn configure(level: &str, format: Format) {
    let Some(printing) = PRINTING.get() else {
        return;
    };
    let mut now = lock(&printing.now);
    let (level_is_set, format_is_set) = printing.from_environment;
    if let Some(levels) = Levels::read(level).filter(|_| !level_is_set) {
        now.0 = levels;
    }
    if !format_is_set {
        now.1 = format;
    }
    (printing.set)(&now.0, now.1);
}

/// Prints from a level on, whatever config and environment say; tells whether the text is one.
pub fn set_level(level: &str) -> bool {
    let Some(levels) = Levels::read(level) else {
        return false;
    };
    if let Some(printing) = PRINTING.get() {
        let mut now = lock(&printing.now);
        now.0 = levels;
        (printing.set)(&now.0, now.1);
    }
    true
}

fn lock(now: &Mutex<(Levels, Format)>) -> std::sync::MutexGuard<'_, (Levels, Format)> {
    // One value, which is always whole.
    now.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives what one of the two forms prints: nothing, unless it is the one that is wanted.
fn filter(levels: &Levels, wanted: Format, own: Format) -> Targets {
    if wanted == own {
        levels.targets()
    } else {
        Targets::new().with_default(LevelFilter::OFF)
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

fn level_named(name: &str) -> Option<LevelFilter> {
    match name {
        "error" => Some(LevelFilter::ERROR),
        "warn" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        "trace" => Some(LevelFilter::TRACE),
        _ => None,
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
    fn levels_are_of_everything_and_of_areas() {
        let levels = Levels::read("warn,proxy=debug, record=trace").unwrap();
        assert_eq!(levels.all, LevelFilter::WARN);
        let areas = [
            ("proxy", LevelFilter::DEBUG),
            ("record", LevelFilter::TRACE),
        ];
        assert_eq!(levels.areas, areas);
        let targets = levels.targets();
        let printed = |target, level| targets.would_enable(target, &level);
        assert!(printed("icecore::proxy::door", tracing::Level::DEBUG));
        assert!(!printed("icecore::upstream", tracing::Level::INFO));
        assert!(!printed("hyper::proto", tracing::Level::INFO));
        for text in [
            "",
            "loud",
            "info,debug",
            "info,prox=debug",
            "proxy=",
            "info,",
        ] {
            assert_eq!(Levels::read(text), None, "{text}");
        }
        assert!(Levels::read("proxy=debug").is_some());
    }

    #[test]
    fn an_area_is_a_folder_that_exists() {
        let package = env::var_os("CARGO_MANIFEST_DIR").unwrap();
        let sources = std::path::Path::new(&package).join("src");
        for area in AREAS {
            assert!(sources.join(area).is_dir(), "{area}");
        }
    }
}
