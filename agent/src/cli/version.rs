//! `icecore --version`: what was built, and which kernel programs are inside.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::json;

use super::Exit;
use crate::connection::redirect::object_digest;

/// Prints the version.
#[expect(clippy::print_stdout, reason = "the version is the command's result")]
pub(super) fn run(json: bool) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        println!("{}", document(version));
    } else {
        println!("icecore {version}");
    }
    Exit::Done.into()
}

fn document(version: &str) -> serde_json::Value {
    json!({
        "name": "icecore",
        "version": version,
        "programs": { "object_sha256": hex(&object_digest()) },
    })
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        if write!(text, "{byte:02x}").is_err() {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_names_the_kernel_programs() {
        let document = document("1.2.3");
        assert_eq!(document["version"], "1.2.3");
        let digest = document["programs"]["object_sha256"].as_str().unwrap();
        assert_eq!(digest.len(), 64);
    }
}
