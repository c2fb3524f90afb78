//! What was used, on disk: written whole beside its place and moved there, read when the proxy starts.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::record;

/// Form of the files; another one is not read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<T> {
    version: u32,
    used: T,
}

/// One file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    /// Why what is there cannot be read; it is left as it is then.
    fault: Option<String>,
    is_changed: bool,
}

/// A file's next text.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    text: serde_json::Result<Vec<u8>>,
}

impl Draft {
    /// Puts it in the file's place.
    pub(super) fn write(self) -> io::Result<()> {
        record::replace(&self.path, &self.text?)
    }
}

impl File {
    /// Reads a file; one that is not there has nothing, one that cannot be read is a fault. `else_do` says what helps
    /// beside removing that.
    pub(super) fn open<T: DeserializeOwned + Default>(path: PathBuf, else_do: &str) -> (Self, T) {
        let (used, fault) = match read(&path) {
            Ok(used) => (used, None),
            Err(cause) => {
                let place = path.display();
                tracing::error!(file = %place, cause, "what was used before cannot be read; policies that read it refuse");
                let text = format!(
                    "`{place}` cannot be read; have whoever runs this host remove it, or {else_do}"
                );
                (T::default(), Some(text))
            }
        };
        let file = Self {
            path,
            fault,
            is_changed: false,
        };
        (file, used)
    }

    /// Says why what was used before is not known, and what to do.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Notes that what is to be written has changed.
    pub(super) fn touch(&mut self) {
        self.is_changed = true;
    }

    /// Goes on without what is there, which does not count any more.
    pub(super) fn begin_anew(&mut self) {
        self.fault = None;
        self.touch();
    }

    /// Tells whether somebody has removed what could not be read; counting begins anew then.
    pub(super) fn mend(&mut self) -> bool {
        let is_gone = self.fault.is_some()
            && fs::symlink_metadata(&self.path)
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if is_gone {
            self.begin_anew();
        }
        is_gone
    }

    /// Gives the next text, if it differs from what is written.
    pub(super) fn draft(&mut self, used: &impl Serialize) -> Option<Draft> {
        if self.fault.is_some() || !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let written = Written {
            version: VERSION,
            used,
        };
        Some(Draft {
            path: self.path.clone(),
            text: serde_json::to_vec(&written),
        })
    }
}

fn read<T: DeserializeOwned + Default>(path: &PathBuf) -> Result<T, String> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(error.to_string()),
    };
    let written: Written<T> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match written.version {
        VERSION => Ok(written.used),
        other => Err(format!("expected version {VERSION}, found {other}")),
    }
}
