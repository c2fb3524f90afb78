//! Which containers once had a capability that is a way: what was kept of it, dropping it later does not take back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Most that are remembered; those that are gone make room.
const REMEMBERED_MAX: usize = 8192;

/// By a cgroup's id, which no other has until the host is started anew: its folder and the capability's name.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<BTreeMap<u64, (PathBuf, &'static str)>>);

impl Remembered {
    /// Notes what was found by a look, and gives what was ever found; a doubt when there is no room.
    pub(super) fn note(
        &self,
        id: u64,
        folder: &Path,
        found: Option<&'static str>,
    ) -> Option<&'static str> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, name)) = known.get(&id) {
            return Some(name);
        }
        let name = found?;
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, (folder, _)| folder.exists());
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(id, (folder.to_owned(), name));
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_once_had_it_had() {
        let all = Remembered::default();
        let folder = Path::new("/no/such/folder");
        assert_eq!(all.note(7, folder, None), None);
        assert_eq!(
            all.note(7, folder, Some("CAP_NET_RAW")),
            Some("CAP_NET_RAW")
        );
        assert_eq!(
            all.note(7, folder, None),
            Some("CAP_NET_RAW"),
            "dropped since"
        );
        assert_eq!(all.note(8, folder, None), None, "another one");
        for id in 9..9 + REMEMBERED_MAX as u64 {
            all.note(id, folder, Some("CAP_BPF"));
        }
        assert!(all.0.lock().unwrap().len() <= REMEMBERED_MAX);
    }
}
