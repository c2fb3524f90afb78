//! A response body that can break in the middle, as no real body type wants to.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes, and after them a clean end or an error.
#[derive(Debug)]
pub(super) struct GateBody {
    bytes: Option<Bytes>,
    breaks: bool,
    /// Whether what was sent so far has had its time to leave.
    has_left: bool,
}

impl GateBody {
    /// Makes a body that ends as it should.
    #[must_use]
    pub(super) fn full(bytes: Bytes) -> Self {
        Self {
            bytes: Some(bytes),
            breaks: false,
            has_left: false,
        }
    }

    /// Makes a body after whose bytes the connection breaks.
    #[must_use]
    pub(super) fn broken(bytes: Bytes) -> Self {
        Self {
            bytes: Some(bytes),
            breaks: true,
            has_left: false,
        }
    }
}

impl Body for GateBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.breaks && !self.has_left {
            // The server sends what it holds while it waits; without a wait nothing of the answer would arrive.
            self.has_left = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.breaks {
            self.breaks = false;
            return Poll::Ready(Some(Err(io::Error::other("broken on purpose"))));
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(bytes) if !self.breaks => SizeHint::with_exact(bytes.len() as u64),
            Some(_) | None => SizeHint::default(),
        }
    }
}
