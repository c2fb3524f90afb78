//! Keys of a terminal: single ones while a session plays, and a line behind `/` or a number.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// What a person asks of a playing session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Next,
    Previous,
    Jump(usize),
    Search(String),
    Pause,
    Quit,
}

/// Keys of standard input, as they are pressed; the terminal is as it was when this goes.
pub(super) struct Keys {
    before: Termios,
    typed: Typed,
}

impl Keys {
    /// Takes a terminal's keys one by one; none where standard input is no terminal.
    pub(super) fn take() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        // Without signals of keys: one would end the program and leave the terminal so.
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Some(Self {
            before,
            typed: Typed::default(),
        }))
    }

    /// Waits for a key; none where none came in time. Without a time it waits for as long as it takes.
    pub(super) fn wait(&mut self, time: Option<Duration>) -> io::Result<Option<Key>> {
        let time = time
            .map(Timespec::try_from)
            .transpose()
            .map_err(io::Error::other)?;
        let input = io::stdin();
        let mut fds = [PollFd::new(&input, PollFlags::IN)];
        if poll(&mut fds, time.as_ref())? == 0 {
            return Ok(None);
        }
        let mut bytes = [0; 64];
        let read = rustix::io::read(&input, &mut bytes)?;
        if read == 0 {
            return Ok(Some(Key::Quit));
        }
        let read = bytes.iter().take(read);
        Ok(read.fold(None, |key, byte| self.typed.take(*byte).or(key)))
    }

    /// Tells what is being typed; none while single keys count.
    pub(super) fn line(&self) -> Option<&str> {
        self.typed.line.as_deref()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(io::stdin(), OptionalActions::Now, &self.before) {
            tracing::debug!(%error, "terminal was left as it is");
        }
    }
}

/// What is being typed: a number, or `/` and a text.
#[derive(Debug, Default)]
struct Typed {
    line: Option<String>,
    bytes: Vec<u8>,
}

const ESCAPE: u8 = 0x1b;
const BACKSPACE: [u8; 2] = [0x08, 0x7f];
const INTERRUPT: [u8; 2] = [0x03, 0x04];

impl Typed {
    fn take(&mut self, byte: u8) -> Option<Key> {
        if INTERRUPT.contains(&byte) {
            return Some(Key::Quit);
        }
        let key = match byte {
            ESCAPE => None,
            b'\r' | b'\n' if !self.bytes.is_empty() => self.finished(),
            byte if !self.bytes.is_empty() => {
                if BACKSPACE.contains(&byte) {
                    self.bytes.pop();
                } else {
                    self.bytes.push(byte);
                }
                return self.told(None);
            }
            b'/' | b'0'..=b'9' => {
                self.bytes.push(byte);
                return self.told(None);
            }
            b'n' | b'j' | b'\r' | b'\n' => Some(Key::Next),
            b'p' | b'k' => Some(Key::Previous),
            b' ' => Some(Key::Pause),
            b'q' => Some(Key::Quit),
            _ => None,
        };
        self.bytes.clear();
        self.told(key)
    }

    fn told(&mut self, key: Option<Key>) -> Option<Key> {
        let is_typing = !self.bytes.is_empty();
        self.line = is_typing.then(|| String::from_utf8_lossy(&self.bytes).into_owned());
        key
    }

    fn finished(&self) -> Option<Key> {
        let text = String::from_utf8_lossy(&self.bytes);
        match text.strip_prefix('/') {
            Some("") => None,
            Some(text) => Some(Key::Search(text.to_owned())),
            None => text.parse().ok().map(Key::Jump),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: &[Key]) {
        let mut state = Typed::default();
        let keys: Vec<Key> = typed.bytes().filter_map(|byte| state.take(byte)).collect();
        assert_eq!(keys, expected);
    }

    #[test]
    fn keys_count_alone_or_as_a_line() {
        check("n pq", &[Key::Next, Key::Pause, Key::Previous, Key::Quit]);
        check("12\rn", &[Key::Jump(12), Key::Next]);
        check("/drop q\r", &[Key::Search("drop q".to_owned())]);
        check("/ab\x7fc\r", &[Key::Search("ac".to_owned())]);
        check("/ab\x1bn", &[Key::Next]);
        check("\x03", &[Key::Quit]);
        check("/\x7fn", &[Key::Next]);
    }
}
