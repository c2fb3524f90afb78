//! One JSON message a line, over a unix stream socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ControlError;
use crate::clock::Clock;

/// Longest line. The most labels that a session may have take 40 KB, its token 64 KiB.
pub const LINE_MAX_BYTES: usize = 128 << 10;

/// A stream of messages in both directions.
#[derive(Debug)]
pub struct Lines {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Lines {
    /// Talks over a connected socket.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Gives the socket, for its peer and its timeouts.
    #[must_use]
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the other end is gone, or the message is too long for it.
    pub fn send<M: Serialize>(&mut self, message: &M) -> Result<(), ControlError> {
        let mut line = serde_json::to_vec(message)
            .map_err(|error| ControlError::NotUnderstood(error.to_string()))?;
        line.push(b'\n');
        if line.len() > LINE_MAX_BYTES {
            return Err(ControlError::TooLong {
                limit_bytes: LINE_MAX_BYTES,
            });
        }
        self.stream.write_all(&line).map_err(lost)
    }

    /// Waits for one message.
    ///
    /// # Errors
    /// When the other end is gone, or what it sent is not such a message; after the latter the next line can still be
    /// read, unless the line was too long.
    pub fn receive<M: DeserializeOwned>(&mut self) -> Result<M, ControlError> {
        let line = self.line(|_| Ok(()))?;
        understood(&line)
    }

    /// Waits for one message, for so long in all: bytes that come one by one win no time. Without a patience, for ever.
    ///
    /// # Errors
    /// As [`Lines::receive`], and when the time is over.
    pub fn receive_within<M: DeserializeOwned>(
        &mut self,
        patience: Option<Duration>,
        clock: Clock,
    ) -> Result<M, ControlError> {
        let began_ns = clock.mono_ns();
        let line = self.line(|stream| {
            let waited = u64::try_from(clock.mono_ns() - began_ns).unwrap_or(0);
            let left = patience.map(|patience| patience.checked_sub(Duration::from_nanos(waited)));
            match left {
                None => stream.set_read_timeout(None),
                // No time at all would be for ever (socket(7), SO_RCVTIMEO).
                Some(Some(left)) if !left.is_zero() => {
                    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))
                }
                Some(Some(_) | None) => Err(io::ErrorKind::TimedOut.into()),
            }
        })?;
        understood(&line)
    }

    /// Reads a line; `before` is asked before each part of it.
    fn line(
        &mut self,
        before: impl Fn(&UnixStream) -> io::Result<()>,
    ) -> Result<Vec<u8>, ControlError> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(end + 1);
                return Ok(std::mem::replace(&mut self.read, rest));
            }
            if self.read.len() >= LINE_MAX_BYTES {
                return Err(ControlError::TooLong {
                    limit_bytes: LINE_MAX_BYTES,
                });
            }
            before(&self.stream).map_err(lost)?;
            let mut part = [0; 4096];
            let count = match self.stream.read(&mut part) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome.map_err(lost)?,
            };
            if count == 0 {
                return Err(ControlError::Gone);
            }
            self.read
                .extend_from_slice(part.get(..count).unwrap_or_default());
        }
    }
}

fn understood<M: DeserializeOwned>(line: &[u8]) -> Result<M, ControlError> {
    serde_json::from_slice(line).map_err(|error| ControlError::NotUnderstood(error.to_string()))
}

fn lost(error: io::Error) -> ControlError {
    let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
    if gone.contains(&error.kind()) {
        return ControlError::Gone;
    }
    ControlError::Socket(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Lines, UnixStream) {
        let (one, other) = UnixStream::pair().unwrap();
        (Lines::new(one), other)
    }

    #[test]
    fn lines_are_read_one_by_one_however_they_come() {
        let (mut lines, mut other) = pair();
        other.write_all(b"1\n2\n\"th").unwrap();
        assert_eq!(lines.receive::<i32>().unwrap(), 1);
        assert_eq!(lines.receive::<i32>().unwrap(), 2);
        other.write_all(b"ree\"\n").unwrap();
        assert_eq!(lines.receive::<String>().unwrap(), "three");
    }

    #[test]
    fn a_line_that_is_not_understood_leaves_the_next_one() {
        let (mut lines, mut other) = pair();
        other.write_all(b"{\n5\n").unwrap();
        assert!(matches!(
            lines.receive::<i32>(),
            Err(ControlError::NotUnderstood(_))
        ));
        assert_eq!(lines.receive::<i32>().unwrap(), 5);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let (mut lines, mut other) = pair();
        let writer = std::thread::spawn(move || other.write_all(&vec![b'1'; 64 * LINE_MAX_BYTES]));
        assert!(matches!(
            lines.receive::<i32>(),
            Err(ControlError::TooLong { .. })
        ));
        drop(lines);
        assert!(writer.join().unwrap().is_err());
    }

    #[test]
    fn bytes_that_come_one_by_one_win_no_time() {
        let (mut lines, mut other) = pair();
        let clock = Clock::system();
        let writer = std::thread::spawn(move || {
            while other.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let patience = Duration::from_millis(200);
        let began_ns = clock.mono_ns();
        let outcome = lines.receive_within::<i32>(Some(patience), clock);
        assert!(matches!(outcome, Err(ControlError::Socket(_))));
        let waited = Duration::from_nanos(u64::try_from(clock.mono_ns() - began_ns).unwrap());
        assert!(waited >= patience && waited < patience * 20, "{waited:?}");
        drop(lines);
        writer.join().unwrap();
    }

    #[test]
    fn closed_end_is_told_as_gone() {
        let (mut lines, other) = pair();
        drop(other);
        assert!(matches!(lines.receive::<i32>(), Err(ControlError::Gone)));
        assert!(matches!(lines.send(&1), Err(ControlError::Gone)));
    }
}
