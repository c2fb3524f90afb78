//! The binary that is packaged: whether it needs anything of its host, and without what only debuggers read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Release, output, sha256};
use crate::command::root;

/// The object that the agent embeds.
const OBJECT: &str = "agent-ebpf/object/icecore-programs.o";

/// `PT_INTERP` of elf(5): the program header that names who loads shared libraries.
const INTERPRETER: u32 = 3;

/// What a binary needs of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linkage {
    /// The kernel alone.
    Static,
    /// Shared libraries too.
    Dynamic,
}

/// Copies a built binary without its debug information, and tells how it is linked.
///
/// Refuses one that does not run here, or that embeds other kernel programs than the tree has.
pub(super) fn take(built: &Path, work: &Path) -> Result<(PathBuf, Linkage)> {
    let binary = work.join("icecore");
    let strip = Command::new("strip")
        .arg("--strip-all")
        .arg("-o")
        .args([&binary, built])
        .status()
        .context("start `strip`, of Debian's binutils")?;
    ensure!(strip.success(), "strip `{}`: {strip}", built.display());
    let bytes = fs::read(&binary).with_context(|| format!("read `{}`", binary.display()))?;
    let linkage = linkage(&bytes).with_context(|| format!("`{}`", built.display()))?;
    let told = output(
        Command::new(&binary)
            .args(["--version", "--json"])
            .env_clear(),
    )?;
    let told: serde_json::Value =
        serde_json::from_str(&told).context("icecore --version --json")?;
    let embedded = told.pointer("/programs/object_sha256");
    let embedded = embedded
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let committed = sha256(&root().join(OBJECT))?;
    ensure!(
        embedded == committed,
        "`{}`: expected kernel programs with digest {committed}, as {OBJECT} has, found {embedded}: build it anew",
        built.display()
    );
    Ok((binary, linkage))
}

/// Puts the binary itself beside the packages.
pub(super) fn bare(release: &Release) -> Result<PathBuf> {
    let name = format!("icecore-{}-x86_64-linux", release.version);
    let file = release.out.join(name);
    fs::copy(&release.binary, &file).with_context(|| format!("write `{}`", file.display()))?;
    Ok(file)
}

/// Reads how an ELF file for x86_64 is linked.
///
/// Source: elf(5), `Elf64_Ehdr` and `Elf64_Phdr`: `e_phoff` at 32, `e_phentsize` at 54, `e_phnum` at 56, `p_type` at 0.
fn linkage(bytes: &[u8]) -> Result<Linkage> {
    // Class 64 bits, little endian, version 1.
    ensure!(
        bytes.starts_with(b"\x7fELF\x02\x01\x01"),
        "expected an ELF file of 64 bits"
    );
    let number = |at: usize, length: usize| -> Result<u64> {
        let part = bytes.get(at..at.saturating_add(length));
        let part = part.with_context(|| format!("ELF: cut off at {at}"))?;
        Ok(part
            .iter()
            .rev()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    ensure!(
        count > 0,
        "ELF: no program headers: an object, not a program"
    );
    for index in 0..count {
        let at = usize::try_from(table.saturating_add(index * size))?;
        if number(at, 4)? == u64::from(INTERPRETER) {
            return Ok(Linkage::Dynamic);
        }
    }
    Ok(Linkage::Static)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with program headers of these types behind it.
    fn elf(types: &[u32]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(types.len()).unwrap();
        for kind in types {
            bytes.extend(kind.to_le_bytes());
            bytes.resize(bytes.len() + 52, 0);
        }
        bytes
    }

    #[test]
    fn an_interpreter_makes_a_binary_dynamic() {
        assert_eq!(linkage(&elf(&[6, 1, 2])).unwrap(), Linkage::Static);
        assert_eq!(linkage(&elf(&[6, 3, 1])).unwrap(), Linkage::Dynamic);
    }

    #[test]
    fn what_is_no_whole_program_is_refused() {
        assert!(linkage(b"#!/bin/sh\n").is_err());
        assert!(linkage(&elf(&[])).is_err());
        let whole = elf(&[1, 1]);
        assert!(linkage(&whole[..whole.len() - 56]).is_err());
    }

    #[test]
    fn this_hosts_own_shell_is_dynamic() {
        let shell = fs::read("/bin/bash").unwrap();
        assert_eq!(linkage(&shell).unwrap(), Linkage::Dynamic);
    }
}
