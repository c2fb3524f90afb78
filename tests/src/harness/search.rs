//! Searches every byte below a folder for secrets, plain and inside the containers that we write.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// Finds each secret that stands in a file below `folder`: the file and the secret's name.
///
/// Sockets, pipes and devices are left out; `skip` names paths that hold secrets by right.
pub fn find(folder: &Path, secrets: &[(String, String)], skip: &[&Path]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    walk(folder, secrets, skip, &mut found)?;
    Ok(found)
}

/// Finds the secrets that stand in some bytes.
#[must_use]
pub fn find_in(name: &str, bytes: &[u8], secrets: &[(String, String)]) -> Vec<String> {
    secrets
        .iter()
        .filter(|(_, value)| value.len() >= 8 && contains(bytes, value.as_bytes()))
        .map(|(secret, _)| format!("`{secret}` in {name}"))
        .collect()
}

fn walk(
    folder: &Path,
    secrets: &[(String, String)],
    skip: &[&Path],
    found: &mut Vec<String>,
) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if skip.contains(&path.as_path()) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&path, secrets, skip, found)?;
        } else if kind.is_file() {
            found.extend(find_in(
                &path.display().to_string(),
                &fs::read(&path)?,
                secrets,
            ));
        }
    }
    Ok(())
}

/// Tells whether the needle stands in the bytes; first and last byte are compared before the rest.
fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| {
        window.first() == needle.first() && window.last() == needle.last() && window == needle
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_found_wherever_it_stands() {
        let secrets = [("token".to_owned(), "secret-value".to_owned())];
        assert_eq!(
            find_in("log", b"a secret-value.", &secrets),
            ["`token` in log"]
        );
        assert_eq!(
            find_in("log", b"a secret-valu.", &secrets),
            Vec::<String>::new()
        );
    }
}
