//! One file of the spool: frames appended and synced, nothing overwritten.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use minicbor::{Decoder, Encoder};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};

use super::body::Facts;
use super::cbor::CborError;
use super::disk;
use super::error::RecordError;
use super::fault::{self, Step};
use super::frame::{self, Frames, Kind};
use super::spool::Segment;

/// Bytes that a file is given before it is used, so that a sync need not write file sizes; also its most bytes, unless
/// one batch alone is greater.
pub(super) const WAL_BYTES: u64 = 16 << 20;

/// Bytes that a file is given where the disk has no room for more.
const STEPS_BYTES: [u64; 3] = [WAL_BYTES, 1 << 20, 64 << 10];

const HEADER_VERSION: u64 = 1;

/// Which part of which chain a file holds, and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) chain: String,
    pub(super) number: u64,
    pub(super) first_seq: i64,
    pub(super) org: String,
    pub(super) writer_build: String,
    pub(super) policy_bundle_sha256: [u8; 32],
}

impl Header {
    /// Encodes the header as a CBOR array that begins with its version.
    pub(super) fn encode(&self) -> Result<Vec<u8>, CborError> {
        let mut encoder = Encoder::new(Vec::new());
        encoder
            .array(7)?
            .u64(HEADER_VERSION)?
            .str(&self.chain)?
            .u64(self.number)?
            .i64(self.first_seq)?
            .str(&self.org)?
            .str(&self.writer_build)?
            .bytes(&self.policy_bundle_sha256)?;
        Ok(encoder.into_writer())
    }

    /// Reads a header back.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut decoder = Decoder::new(bytes);
        if decoder.array()? != Some(7) || decoder.u64()? != HEADER_VERSION {
            return Err(CborError::Form("a file header of version 1"));
        }
        Ok(Self {
            chain: decoder.str()?.to_owned(),
            number: decoder.u64()?,
            first_seq: decoder.i64()?,
            org: decoder.str()?.to_owned(),
            writer_build: decoder.str()?.to_owned(),
            policy_bundle_sha256: decoder
                .bytes()?
                .try_into()
                .map_err(|_| CborError::Form("a digest of 32 bytes"))?,
        })
    }
}

/// Why frames could not be appended.
#[derive(Debug)]
pub(super) enum WalError {
    /// There is no room; the file is as it was.
    Full(io::Error),
    /// Nobody can tell what the file holds: it must not be used again.
    Fatal(io::Error),
}

/// What must have happened to frames before they count as appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// They are on the disk: they survive a power cut.
    Synced,
    /// They are the kernel's to write: they survive this process.
    Written,
}

/// A file that frames are appended to.
#[derive(Debug)]
pub(super) struct Wal {
    path: PathBuf,
    file: File,
    // INVARIANT: all bytes before it are whole frames, as durable as was asked; those after it count for nothing.
    end: u64,
    allocated: u64,
}

impl Wal {
    /// Creates a file that begins with a header, durably.
    pub(super) fn create(path: PathBuf, header: &[u8]) -> Result<Self, WalError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(sorted)?;
        let mut wal = Self {
            path,
            file,
            end: 0,
            allocated: 0,
        };
        let filled = wal.begin(header);
        if filled.is_err() {
            // What matters is the first error; a file without a header is removed by the next start too.
            drop(disk::remove_if_there(&wal.path));
        }
        filled.map(|()| wal)
    }

    /// Creates the file of a segment: its header, then the intents that are still open.
    pub(super) fn of_segment<'a>(
        segment: &Segment,
        facts: &Facts,
        first_seq: i64,
        open: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, RecordError> {
        let path = segment.wal();
        let header = Header {
            chain: segment.chain.clone(),
            number: segment.number,
            first_seq,
            org: facts.org.clone(),
            writer_build: facts.proxy_version.clone(),
            policy_bundle_sha256: facts.policy_bundle_sha256,
        };
        let frames = first_frames(&header, open)
            .map_err(|error| disk::failed("write", &path)(io::Error::other(error)))?;
        Self::create(path.clone(), &frames).map_err(|error| match error {
            WalError::Full(error) => RecordError::Full {
                path,
                cause: error.to_string(),
            },
            WalError::Fatal(error) => disk::failed("create", &path)(error),
        })
    }

    fn begin(&mut self, header: &[u8]) -> Result<(), WalError> {
        self.allocate(STEPS_BYTES)?;
        self.append(header, Durability::Synced)?;
        disk::sync_parent(&self.path).map_err(sorted)
    }

    /// Appends whole frames and returns when they are as durable as asked.
    pub(super) fn append(&mut self, frames: &[u8], durability: Durability) -> Result<(), WalError> {
        let len = frames.len() as u64;
        if self.end + len > self.allocated {
            self.allocate([len.max(1 << 20), len, len])?;
        }
        fault::at(Step::WalBeforeWrite);
        if let Err(error) = self.file.write_all_at(frames, self.end) {
            return Err(if disk::is_full(&error) {
                self.repair(error)
            } else {
                WalError::Fatal(error)
            });
        }
        if durability == Durability::Synced {
            // Never tried twice: after a failed sync the kernel may call pages clean that it never wrote.
            fault::at(Step::WalBeforeSync);
            let end = self.end + len;
            fault::sync_to(&self.file, end, || Ok(fdatasync(&self.file)?))
                .map_err(WalError::Fatal)?;
            fault::at(Step::WalAfterSync);
        }
        self.still_there()?;
        self.end += len;
        Ok(())
    }

    /// Makes what was appended durable, whatever was asked when it was.
    pub(super) fn sync(&self) -> io::Result<()> {
        fault::sync_to(&self.file, self.end, || Ok(fdatasync(&self.file)?))
    }

    /// Tells how many bytes of frames the file holds.
    pub(super) fn len(&self) -> u64 {
        self.end
    }

    /// Tells whether more frames would make the file greater than it should be.
    pub(super) fn is_full_for(&self, len: usize) -> bool {
        self.end + len as u64 > WAL_BYTES
    }

    /// Gives back the room that was never used, so that the file's size is what it holds.
    pub(super) fn trim(&mut self) -> io::Result<()> {
        self.allocated = self.end;
        self.file.set_len(self.end)
    }

    /// Tells where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file more room by the first step that fits; a file system without this is left to `write`.
    fn allocate(&mut self, steps: [u64; 3]) -> Result<(), WalError> {
        let mut full = None;
        for step in steps {
            match fallocate(&self.file, FallocateFlags::empty(), self.end, step) {
                Ok(()) => {
                    self.allocated = self.end + step;
                    return Ok(());
                }
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => return Ok(()),
                Err(error) => full = Some(io::Error::from(error)),
            }
        }
        full.map_or(Ok(()), |error| Err(sorted(error)))
    }

    /// Takes a torn tail away after a write that found no room, and makes sure that the rest is as it was.
    fn repair(&mut self, full: io::Error) -> WalError {
        let repaired = self.file.set_len(self.end).and_then(|()| {
            fdatasync(&self.file)?;
            let mut bytes = vec![0; usize::try_from(self.end).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut bytes, 0)?;
            let mut frames = Frames::new(&bytes);
            frames.by_ref().for_each(drop);
            if frames.offset() == bytes.len() {
                Ok(())
            } else {
                Err(io::Error::other("the file changed under the recorder"))
            }
        });
        self.allocated = self.end;
        match repaired {
            Ok(()) => WalError::Full(full),
            Err(error) => WalError::Fatal(error),
        }
    }

    /// Makes sure that a name still leads to the file: what is written to a removed file is lost.
    fn still_there(&self) -> Result<(), WalError> {
        let links = self.file.metadata().map_err(WalError::Fatal)?.nlink();
        if links == 0 {
            return Err(WalError::Fatal(io::Error::other("the file was removed")));
        }
        Ok(())
    }
}

/// Reads a file's bytes as frames up to the first that does not hold, and cuts what comes after.
///
/// Returns how many bytes of a torn frame were cut.
pub(super) fn cut_torn_tail(path: &Path, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut frames = Frames::new(bytes);
    frames.by_ref().for_each(drop);
    let (end, torn_bytes) = (frames.offset(), frames.torn_bytes());
    if end < bytes.len() {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(end as u64)?;
        fault::sync(&file, || file.sync_all())?;
    }
    bytes.truncate(end);
    Ok(torn_bytes)
}

/// Frames a header for [`Wal::create`], followed by the intents that are still open.
pub(super) fn first_frames<'a>(
    header: &Header,
    carried: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, CborError> {
    let mut bytes = Vec::new();
    let too_long = CborError::Form("a payload that fits a frame");
    if !frame::push(&mut bytes, Kind::Header, &header.encode()?) {
        return Err(too_long);
    }
    for payload in carried {
        if !frame::push(&mut bytes, Kind::Carried, payload) {
            return Err(too_long);
        }
    }
    Ok(bytes)
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

fn sorted(error: io::Error) -> WalError {
    if disk::is_full(&error) {
        WalError::Full(error)
    } else {
        WalError::Fatal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            assert!(frame::push(&mut bytes, Kind::Row, payload));
        }
        bytes
    }

    fn header() -> Header {
        Header {
            chain: "c".into(),
            number: 3,
            first_seq: -1,
            org: "o".into(),
            writer_build: "b".into(),
            policy_bundle_sha256: [9; 32],
        }
    }

    #[test]
    fn a_header_reads_back() {
        assert_eq!(
            Header::decode(&header().encode().unwrap()).unwrap(),
            header()
        );
    }

    #[test]
    fn appended_frames_are_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.wal");
        let first = first_frames(&header(), [b"open".as_slice()].into_iter()).unwrap();
        let mut wal = Wal::create(path.clone(), &first).unwrap();
        wal.append(&frames(&[b"a", b"b"]), Durability::Synced)
            .unwrap();
        let bytes = read(&path).unwrap();
        let kinds: Vec<_> = Frames::new(&bytes).map(|frame| frame.kind).collect();
        assert_eq!(kinds, [Kind::Header, Kind::Carried, Kind::Row, Kind::Row]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_torn_tail_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.wal");
        let mut bytes = frames(&[b"a", b"b"]);
        let whole = bytes.len();
        bytes.extend_from_slice(&[3, 0, 0, 0, 1]);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(cut_torn_tail(&path, &mut bytes).unwrap(), 5);
        assert_eq!(fs::metadata(&path).unwrap().len(), whole as u64);
    }

    #[test]
    fn a_failed_sync_is_fatal() {
        let mut wal = Wal {
            path: "/dev/null".into(),
            file: OpenOptions::new().write(true).open("/dev/null").unwrap(),
            end: 0,
            allocated: 1 << 20,
        };
        assert!(matches!(
            wal.append(&frames(&[b"a"]), Durability::Synced),
            Err(WalError::Fatal(_))
        ));
    }

    #[test]
    fn a_removed_file_is_fatal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.wal");
        let mut wal = Wal::create(path.clone(), &frames(&[b"a"])).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            wal.append(&frames(&[b"b"]), Durability::Synced),
            Err(WalError::Fatal(_))
        ));
    }
}
