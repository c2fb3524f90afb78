//! Carries bytes between two ends, verbatim and at once, and copies them on their way.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::copies::{Copies, Side};
use crate::connection::hello::Rewound;
use crate::connection::reset;

/// Most bytes that are under way in one direction: one record of TLS (RFC 8446 section 5.1).
const BUFFER_BYTES: usize = 16 << 10;

/// One end of a connection that is carried.
pub(super) trait End: AsyncRead + AsyncWrite + Unpin {
    /// Ends what is written as a connection ends that breaks: without TLS's word of farewell.
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Closes it so that what was sent last does not pass for the whole.
    fn break_off(self);
}

impl End for TcpStream {
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_shutdown(context)
    }

    fn break_off(self) {
        reset(self);
    }
}

impl End for Rewound {
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_shutdown(context)
    }

    fn break_off(self) {
        reset(self.into_stream());
    }
}

impl<E: End> End for tokio_rustls::server::TlsStream<E> {
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll_cut(context)
    }

    fn break_off(self) {
        // Without TLS's farewell; what was sent is not taken back, as a reset would.
        drop(self);
    }
}

impl<E: End> End for tokio_rustls::client::TlsStream<E> {
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll_cut(context)
    }

    fn break_off(self) {
        // Without TLS's farewell; what was sent is not taken back, as a reset would.
        drop(self);
    }
}

/// Carries bytes both ways until both ends are done.
///
/// An end that has said its last word is let hear the other's; where a side ends without TLS's farewell, so does the other.
///
/// An end that takes nothing more is heard to its own end: it may have said why before.
///
/// # Errors
/// A connection broke; both are to be closed.
pub(super) async fn carry(
    client: &mut impl End,
    server: &mut impl End,
    copies: &Copies,
) -> io::Result<()> {
    let (mut up, mut down) = (Way::new(Side::Client), Way::new(Side::Server));
    poll_fn(|context| {
        let up = up.poll(context, client, server, copies)?;
        let down = down.poll(context, server, client, copies)?;
        match (up, down) {
            (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(Ok(())),
            (Poll::Pending, _) | (_, Poll::Pending) => Poll::Pending,
        }
    })
    .await
}

/// How far one direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for bytes.
    Reading,
    /// Has bytes from here on to write.
    Writing { from: usize, until: usize },
    /// The reader ended in order.
    Closing,
    /// The reader ended without a farewell.
    Cutting,
    /// The writer was told so, or takes nothing more.
    Done,
}

/// One direction.
struct Way {
    side: Side,
    stage: Stage,
    /// Whether the writer may hold bytes that were not sent.
    is_unflushed: bool,
    buffer: Box<[u8]>,
}

impl Way {
    fn new(side: Side) -> Self {
        Self {
            side,
            stage: Stage::Reading,
            is_unflushed: false,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut impl End,
        writer: &mut impl End,
        copies: &Copies,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.stage {
                Stage::Reading => {
                    let mut filled = ReadBuf::new(&mut self.buffer);
                    match Pin::new(&mut *reader).poll_read(context, &mut filled) {
                        Poll::Pending => {
                            if ready!(self.flush(context, writer)).is_err() {
                                self.give_up(copies);
                                continue;
                            }
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(())) if filled.filled().is_empty() => {
                            copies.end(self.side, true);
                            self.stage = Stage::Closing;
                        }
                        Poll::Ready(Ok(())) => {
                            if !copies.put(self.side, filled.filled()) {
                                // What came before it goes out, if it can; this does not.
                                drop(self.flush(context, writer));
                                copies.end(self.side, false);
                                return Poll::Ready(Err(uncopied()));
                            }
                            let until = filled.filled().len();
                            self.stage = Stage::Writing { from: 0, until };
                        }
                        // rustls says so of a connection that ended without `close_notify`.
                        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                            copies.end(self.side, false);
                            self.stage = Stage::Cutting;
                        }
                        Poll::Ready(Err(error)) => {
                            // What came before it goes out, if it can.
                            drop(self.flush(context, writer));
                            copies.end(self.side, false);
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                Stage::Writing { from, until } => {
                    let left = self.buffer.get(from..until).unwrap_or_default();
                    let Ok(written) = ready!(Pin::new(&mut *writer).poll_write(context, left))
                    else {
                        self.give_up(copies);
                        continue;
                    };
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.is_unflushed = true;
                    let from = from + written;
                    self.stage = if from < until {
                        Stage::Writing { from, until }
                    } else {
                        Stage::Reading
                    };
                }
                // Whether it hears that or is gone comes to the same.
                Stage::Closing => {
                    drop(ready!(self.flush(context, writer)));
                    drop(ready!(Pin::new(&mut *writer).poll_shutdown(context)));
                    self.stage = Stage::Done;
                }
                Stage::Cutting => {
                    drop(ready!(self.flush(context, writer)));
                    drop(ready!(writer.poll_cut(context)));
                    self.stage = Stage::Done;
                }
                Stage::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Carries no more this way, since the writer takes nothing.
    fn give_up(&mut self, copies: &Copies) {
        copies.end(self.side, false);
        self.is_unflushed = false;
        self.stage = Stage::Done;
    }

    fn flush(&mut self, context: &mut Context<'_>, writer: &mut impl End) -> Poll<io::Result<()>> {
        if self.is_unflushed {
            ready!(Pin::new(writer).poll_flush(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

fn uncopied() -> io::Error {
    io::Error::other("expected that all is read of it, found that a part would go by unread")
}

#[cfg(test)]
#[path = "carry_tests.rs"]
mod tests;
