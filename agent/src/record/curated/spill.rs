//! A folder for sorted runs that do not stay in memory: only this user reads it, and it goes at the end.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use uuid::Uuid;

use super::CuratedError;

/// The folder.
#[derive(Debug)]
pub(crate) struct Spill {
    dir: PathBuf,
}

/// A run in the folder.
#[derive(Debug)]
pub(super) struct Run {
    path: PathBuf,
}

/// What reads a run again.
pub(super) type RunReader = StreamReader<BufReader<File>>;

impl Spill {
    /// Makes a folder below another.
    pub(crate) fn create(below: &Path) -> io::Result<Self> {
        let dir = below.join(format!("icecore-compact-{}", Uuid::now_v7()));
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self { dir })
    }

    /// Writes a sorted run, some rows at a time.
    pub(super) fn write(&self, run: &RecordBatch, piece_rows: usize) -> Result<Run, CuratedError> {
        let path = self.dir.join(Uuid::now_v7().to_string());
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600);
        let file = BufWriter::new(file.open(&path)?);
        let mut writer = StreamWriter::try_new(file, &run.schema())?;
        for begin in (0..run.num_rows()).step_by(piece_rows.max(1)) {
            let rows = piece_rows.min(run.num_rows() - begin);
            writer.write(&run.slice(begin, rows))?;
        }
        writer.finish()?;
        Ok(Run { path })
    }
}

impl Run {
    pub(super) fn reader(&self) -> Result<RunReader, CuratedError> {
        let file = BufReader::new(File::open(&self.path)?);
        Ok(StreamReader::try_new(file, None)?)
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(folder = %self.dir.display(), %error, "a folder of sorted rows stays");
        }
    }
}
