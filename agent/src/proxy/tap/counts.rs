//! What is counted of connections to model APIs, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its client asked something, and it was read.
    Read,
    /// Its client does not trust the CA.
    Untrusted,
    /// The model API could not be reached, or is not trusted.
    Unreached,
    /// It was carried unread, as one before it could not be read.
    Unread,
}

/// What became of a request of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It was read.
    Taken,
    /// It was not what it should be.
    Unreadable,
    /// Its session sends too much.
    Limited,
}

/// What one record of telemetry came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It agrees with the use of a tool that the model asked for.
    Agrees,
    /// It tells another command.
    Contradicts,
    /// Its sender is not the process that called the model.
    Stranger,
    /// It is about a use that is not known.
    Unknown,
    /// It is about something else.
    Other,
    /// It was not read.
    Rejected,
}

/// Counts since the proxy began.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Counts {
    read: AtomicU64,
    untrusted: AtomicU64,
    unreached: AtomicU64,
    unread: AtomicU64,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
    lost_bytes: AtomicU64,
    unreadable: AtomicU64,
    /// Requests of telemetry, and its records, in the order of their outcomes.
    telemetry: [AtomicU64; 3],
    words: [AtomicU64; 6],
}

impl Counts {
    pub(super) fn add(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Read => &self.read,
            Outcome::Untrusted => &self.untrusted,
            Outcome::Unreached => &self.unreached,
            Outcome::Unread => &self.unread,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request of telemetry.
    pub(super) fn add_telemetry(&self, told: Told) {
        let [taken, unreadable, limited] = &self.telemetry;
        let counter = match told {
            Told::Taken => taken,
            Told::Unreadable => unreadable,
            Told::Limited => limited,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts records of telemetry.
    pub(super) fn add_words(&self, word: Word, number: usize) {
        let [agrees, contradicts, stranger, unknown, other, rejected] = &self.words;
        let counter = match word {
            Word::Agrees => agrees,
            Word::Contradicts => contradicts,
            Word::Stranger => stranger,
            Word::Unknown => unknown,
            Word::Other => other,
            Word::Rejected => rejected,
        };
        counter.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// Gives requests of telemetry by what became of them.
    pub(in crate::proxy) fn telemetry(&self) -> [(&'static str, u64); 3] {
        let [taken, unreadable, limited] = &self.telemetry;
        [
            ("taken", taken),
            ("unreadable", unreadable),
            ("limited", limited),
        ]
        .map(|(word, counter)| (word, counter.load(Ordering::Relaxed)))
    }

    /// Gives records of telemetry by what they came to.
    pub(in crate::proxy) fn words(&self) -> [(&'static str, u64); 6] {
        let [agrees, contradicts, stranger, unknown, other, rejected] = &self.words;
        [
            ("agrees", agrees),
            ("contradicts", contradicts),
            ("stranger", stranger),
            ("unknown", unknown),
            ("other", other),
            ("rejected", rejected),
        ]
        .map(|(word, counter)| (word, counter.load(Ordering::Relaxed)))
    }

    /// Counts bytes of a call that were carried.
    pub(super) fn add_bytes(&self, side: super::copies::Side, bytes: u64) {
        let counter = match side {
            super::copies::Side::Client => &self.up_bytes,
            super::copies::Side::Server => &self.down_bytes,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes whose copy there was no room for.
    pub(super) fn add_lost(&self, bytes: u64) {
        self.lost_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a connection of which something could not be read.
    pub(super) fn add_unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives connections by what became of them.
    pub(in crate::proxy) fn connections(&self) -> [(&'static str, u64); 4] {
        [
            ("read", &self.read),
            ("untrusted", &self.untrusted),
            ("unreached", &self.unreached),
            ("unread", &self.unread),
        ]
        .map(|(word, counter)| (word, counter.load(Ordering::Relaxed)))
    }

    /// Gives the bytes that were carried, up and down.
    pub(in crate::proxy) fn bytes(&self) -> (u64, u64) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(&self.up_bytes), of(&self.down_bytes))
    }

    /// Gives the bytes that were not copied.
    pub(in crate::proxy) fn lost_bytes(&self) -> u64 {
        self.lost_bytes.load(Ordering::Relaxed)
    }

    /// Gives the connections of which something could not be read.
    pub(in crate::proxy) fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }
}
