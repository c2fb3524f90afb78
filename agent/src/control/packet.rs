//! One JSON message a packet, with descriptors beside it, over a SEQPACKET socketpair.
//!
//! A packet arrives whole or not at all, so that there is no framing to get wrong.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use rustix::io::Errno;
use rustix::net::sockopt::{socket_domain, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ControlError;

/// Longest packet. A session's facts with all the labels it may have take 40 KB, its token 64 KiB.
const PACKET_MAX_BYTES: usize = 128 << 10;

/// Most descriptors in one packet: a supervisor hands eight on, and the links of proxies that carry connections to their end.
pub(crate) const DESCRIPTORS_MAX: usize = 64;

/// Makes the two ends of a conversation, both closed on exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one message and copies of the descriptors.
pub(crate) fn send<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), ControlError> {
    send_with(socket, message, descriptors, SendFlags::NOSIGNAL)
}

/// Sends as [`send`] does, or not at all where the other end would have to be waited for.
pub(super) fn send_at_once<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), ControlError> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    send_with(socket, message, descriptors, flags)
}

fn send_with<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), ControlError> {
    let bytes = serde_json::to_vec(message)
        .map_err(|error| ControlError::NotUnderstood(error.to_string()))?;
    if bytes.len() > PACKET_MAX_BYTES {
        return Err(ControlError::TooLong {
            limit_bytes: PACKET_MAX_BYTES,
        });
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(ControlError::Descriptors {
            expected: DESCRIPTORS_MAX,
            found: descriptors.len(),
        });
    }
    let sent =
        rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(&bytes)], &mut beside, flags));
    match sent {
        Ok(_) => Ok(()),
        Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Err(ControlError::Gone),
        Err(error) => Err(ControlError::Socket(error.into())),
    }
}

/// Receives one message and the descriptors that came with it.
pub(crate) fn receive<M: DeserializeOwned>(
    socket: impl AsFd,
) -> Result<(M, Vec<OwnedFd>), ControlError> {
    let mut bytes = vec![0; PACKET_MAX_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut beside,
            RecvFlags::CMSG_CLOEXEC,
        )
    });
    let received = match received {
        Ok(received) => received,
        Err(Errno::CONNRESET | Errno::NOTCONN) => return Err(ControlError::Gone),
        Err(error) => return Err(ControlError::Socket(error.into())),
    };
    let mut descriptors = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let message = if received.bytes == 0 {
        Err(ControlError::Gone)
    } else if received.flags.contains(ReturnFlags::TRUNC) {
        Err(ControlError::TooLong {
            limit_bytes: PACKET_MAX_BYTES,
        })
    } else {
        serde_json::from_slice(bytes.get(..received.bytes).unwrap_or_default())
            .map_err(|error| ControlError::NotUnderstood(error.to_string()))
    };
    match message {
        Ok(message) => Ok((message, descriptors)),
        Err(error) => {
            let_go(descriptors);
            Err(error)
        }
    }
}

/// Closes what nobody asked for, where that may take as long as it likes: the last close of a socket with SO_LINGER waits
/// (socket(7)).
pub(super) fn let_go(descriptors: Vec<OwnedFd>) {
    if descriptors.iter().all(takes_packets) {
        return;
    }
    let closing = thread::Builder::new().name("closes".to_owned());
    if let Err(error) = closing.spawn(move || drop(descriptors)) {
        tracing::debug!(%error, "no thread to close descriptors");
    }
}

/// Tells whether a descriptor is a socket as [`pair`] makes them.
pub(super) fn takes_packets(descriptor: &OwnedFd) -> bool {
    socket_domain(descriptor) == Ok(AddressFamily::UNIX)
        && socket_type(descriptor) == Ok(SocketType::SEQPACKET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_descriptors_arrive_together() {
        let (one, other) = pair().unwrap();
        let (passed, kept) = pair().unwrap();
        send(&one, &"take this", &[passed.as_fd()]).unwrap();
        let (message, descriptors) = receive::<String>(&other).unwrap();
        assert_eq!(message, "take this");
        assert_eq!(descriptors.len(), 1);
        send(&descriptors[0], &1, &[]).unwrap();
        assert_eq!(receive::<i32>(&kept).unwrap().0, 1);
    }

    #[test]
    fn messages_keep_their_borders() {
        let (one, other) = pair().unwrap();
        send(&one, &1, &[]).unwrap();
        send(&one, &2, &[]).unwrap();
        assert_eq!(receive::<i32>(&other).unwrap().0, 1);
        assert_eq!(receive::<i32>(&other).unwrap().0, 2);
    }

    #[test]
    fn closed_end_is_told_as_gone() {
        let (one, other) = pair().unwrap();
        drop(other);
        assert!(matches!(receive::<i32>(&one), Err(ControlError::Gone)));
        assert!(matches!(send(&one, &1, &[]), Err(ControlError::Gone)));
    }

    #[test]
    fn long_messages_are_refused_before_they_are_sent() {
        let (one, _other) = pair().unwrap();
        let long = "x".repeat(PACKET_MAX_BYTES);
        assert!(matches!(
            send(&one, &long, &[]),
            Err(ControlError::TooLong { .. })
        ));
    }

    #[test]
    fn other_messages_are_not_understood() {
        let (one, other) = pair().unwrap();
        send(&one, &"words", &[]).unwrap();
        assert!(matches!(
            receive::<i32>(&other),
            Err(ControlError::NotUnderstood(_))
        ));
    }
}
