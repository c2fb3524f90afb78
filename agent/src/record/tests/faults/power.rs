//! A power cut: what was not synced is gone or half there, by what the life noted of its syncs.
//!
//! The harshest that POSIX allows, as far as it can be made afterwards: a file that was never synced loses any part of its
//! bytes, one that was loses any part of what came later, a name that its folder was not synced with may be missing, under
//! its old name, or still there after it was removed.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::*;

/// Gives where a life notes its syncs.
pub(super) fn folder(place: &Path) -> PathBuf {
    let folder = place.join("syncs");
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[derive(Default)]
struct Noted {
    /// Bytes of each file that are safe.
    ends: HashMap<String, u64>,
    /// Names of each folder that are safe.
    names: HashMap<String, HashMap<String, String>>,
}

/// Makes of the state folder what a power cut may leave.
pub(super) fn cut(place: &Path, draw: &mut Draw) {
    let syncs = folder(place);
    let mut noted = Noted::default();
    for line in fs::read_to_string(syncs.join("log"))
        .unwrap_or_default()
        .lines()
    {
        let mut words = line.split(' ');
        let (kind, id) = (words.next().unwrap(), words.next().unwrap().to_owned());
        if kind == "F" {
            noted
                .ends
                .insert(id, words.next().unwrap().parse().unwrap());
        } else {
            let name = |word: &str| {
                let (id, name) = word.split_once(':').unwrap();
                (name.to_owned(), id.to_owned())
            };
            noted.names.insert(id, words.map(name).collect());
        }
    }
    fold(&place.join("state"), &noted, &syncs, draw);
}

fn fold(folder: &Path, noted: &Noted, syncs: &Path, draw: &mut Draw) {
    let id = fault::id(&fs::metadata(folder).unwrap());
    let none = HashMap::new();
    let safe = noted.names.get(&id).unwrap_or(&none);
    let mut there = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if safe.get(&name) != Some(&fault::id(&found)) && draw.below(2) == 0 {
            let old = safe.iter().find(|(_, id)| **id == fault::id(&found));
            match old.map(|(old, _)| folder.join(old)) {
                Some(old) if !old.exists() => fs::rename(&path, &old).unwrap(),
                Some(_) => {}
                None if found.is_dir() => fs::remove_dir_all(&path).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            continue;
        }
        there.push((path, found));
    }
    for (name, id) in safe {
        let path = folder.join(name);
        let elsewhere = there.iter().any(|(_, found)| fault::id(found) == *id);
        let kept = syncs.join(id);
        if !path.exists() && !elsewhere && kept.exists() && draw.below(2) == 0 {
            fs::hard_link(&kept, &path).unwrap();
        }
    }
    for (path, found) in there {
        if found.is_dir() {
            fold(&path, noted, syncs, draw);
            continue;
        }
        let safe_bytes = noted.ends.get(&fault::id(&found)).copied().unwrap_or(0);
        if safe_bytes < found.len() {
            let kept = safe_bytes + draw.below(found.len() - safe_bytes + 1);
            let file = File::options().write(true).open(&path).unwrap();
            if draw.below(2) == 0 {
                file.set_len(kept).unwrap();
            } else {
                // Its length was written and its bytes were not.
                let zeros = usize::try_from(found.len() - kept).unwrap();
                file.write_all_at(&vec![0; zeros.min(1 << 20)], kept)
                    .unwrap();
            }
        }
    }
}
