//! The prompts that whoever launches a session says its agent is given: digests of them go to the daemon, no text does.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::control::request::PROMPTS_MAX;
use crate::prompt::TURN_MAX_BYTES;
use crate::prompt::linking::evidence::prompt_digest;

/// Digests the prompts of files, beside those whose digests are given.
pub(super) fn digests(files: &[PathBuf], given: Vec<[u8; 32]>) -> Result<Vec<[u8; 32]>, Failure> {
    let mut digests = given;
    for file in files {
        let text = read(file).map_err(|why| {
            let text = format!("--prompt-file {}: {why}", file.display());
            Failure::text(Exit::Usage, text)
        })?;
        digests.push(prompt_digest(&text));
    }
    digests.sort_unstable();
    digests.dedup();
    if digests.len() > PROMPTS_MAX {
        let text = format!(
            "expected at most {PROMPTS_MAX} prompts, found {}",
            digests.len()
        );
        return Err(Failure::text(Exit::Usage, text));
    }
    Ok(digests)
}

fn read(file: &Path) -> Result<String, String> {
    let limit = u64::try_from(TURN_MAX_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| error.to_string())?;
    let taken = opened.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    taken.map_err(|error| error.to_string())?;
    if bytes.len() > TURN_MAX_BYTES {
        return Err(format!(
            "expected a prompt of at most {limit} bytes, which is what is kept of one, found more"
        ));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| "expected a text in UTF-8, found other bytes")?;
    if text.trim().is_empty() {
        return Err("expected a prompt, found nothing but blanks".to_owned());
    }
    Ok(text)
}

/// Reads a SHA-256 in hexadecimal.
pub(super) fn digest(text: &str) -> Result<[u8; 32], String> {
    let expected = || "expected 64 hexadecimal digits".to_owned();
    let mut digest = [0; 32];
    let is_hex = text.len() == 64 && text.bytes().all(|sign| sign.is_ascii_hexdigit());
    if !is_hex {
        return Err(expected());
    }
    let pairs = text.as_bytes().chunks_exact(2);
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let pair = std::str::from_utf8(pair).map_err(|_| expected())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| expected())?;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_and_its_digest_are_one_prompt() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("prompt");
        fs::write(&file, "count\r\nthe orders\n").unwrap();
        // `printf 'count\nthe orders' | sha256sum`
        let given = "b89961b6d8ce8a1bdb41040a74aa7a789108a1c4737e988f525182e863233096";
        let read = digests(std::slice::from_ref(&file), Vec::new()).unwrap();
        assert_eq!(read, [digest(given).unwrap()]);
        assert_eq!(
            digests(&[file.clone(), file.clone()], read.clone()).unwrap(),
            read
        );
        fs::write(&file, " \n").unwrap();
        assert!(digests(&[file], Vec::new()).is_err());
    }

    #[test]
    fn digests_are_hexadecimal() {
        assert_eq!(digest(&"0a".repeat(32)), Ok([10; 32]));
        for wrong in [
            "",
            "0a",
            &"0g".repeat(32),
            &"é".repeat(32),
            &"+1".repeat(32),
        ] {
            assert!(digest(wrong).is_err(), "{wrong}");
        }
    }
}
