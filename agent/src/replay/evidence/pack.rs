//! Files on their way into one zip file, with the digest of each.

use std::collections::BTreeMap;
use std::io::{self, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::record::{hex, sha256};

/// Files by name.
#[derive(Debug, Default)]
pub(super) struct Pack {
    files: BTreeMap<String, Vec<u8>>,
}

impl Pack {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a file; its name is of this program, or a key of the record's layout.
    pub(super) fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), bytes);
    }

    /// Writes the files in the order of their names, then their digests; gives how many there are.
    ///
    /// Times are 1980, rights are the owner's: nothing of when or where it was made is in it.
    pub(super) fn write(mut self, out: impl Write + Seek) -> io::Result<usize> {
        let sums: String = (self.files.iter())
            .map(|(name, bytes)| format!("{}  {name}\n", hex(&sha256(bytes))))
            .collect();
        self.add("SHA256SUMS", sums.into_bytes());
        let options = SimpleFileOptions::default()
            .last_modified_time(DateTime::default())
            .unix_permissions(0o600);
        let mut zip = ZipWriter::new(out);
        for (name, bytes) in &self.files {
            // What is compressed already would only grow.
            let method = if name.ends_with(".parquet") {
                CompressionMethod::Stored
            } else {
                CompressionMethod::Deflated
            };
            let is_large = bytes.len() >= 1 << 31;
            let options = options.compression_method(method).large_file(is_large);
            zip.start_file(name.as_str(), options)?;
            zip.write_all(bytes)?;
        }
        zip.finish()?.flush()?;
        Ok(self.files.len())
    }
}
