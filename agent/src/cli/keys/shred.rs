//! `icecore keys shred`: erasure, by destroying the keys.

use std::io::{self, Write};

use super::told::{Signer, act, reason, session_id};
use crate::cli::reading::Source;
use crate::cli::span::id;
use crate::clock::Clock;
use crate::record::encryption::Month;
use crate::replay::{Erased, ReadError, Scope, counted, keys_to_erase, session};

/// Destroys keys, and with them what they encrypted
///
/// Use it to erase what a person or a law wants erased. --session erases the rows of a session's results. Its texts are
/// encrypted with those of others of the same chain and month; --chain and --month erase these together, with the prompts and arguments of tools, or
/// by --prompts these alone. A signed record of
/// the erasure is written first. Objects, metadata and hashes stay: `icecore verify` counts what is erased as explained,
/// if the host that wrote it has signed, or a key that the trust file pins as an `[[eraser]]`. What is under a legal hold, and
/// what goes on, is refused. Copies that were decrypted before, and backups of the key store, are not reached.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).args(["session", "chain"]),
    after_help = "Examples:\n  icecore keys shred --session 0199a3 --reason 'request 4711'\n  icecore keys shred --chain 0199a3f1-7c2e-7a10-8d55-1f2e3d4c5b6a --month 2026-08 --reason 'retention'\n\nExit codes: 0 erased, 1 refused, 2 usage, 3 trust or key file, 4 store unreachable."
)]
pub(super) struct Args {
    /// The session: its id, or the beginning of it
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// The chain whose SQL texts, values and prompts are erased, as `icecore replay` (`record`) and `icecore verify` name it
    #[arg(long, value_name = "CHAIN", requires = "month", value_parser = id::<uuid::Uuid>)]
    chain: Option<uuid::Uuid>,
    /// The month of it, such as 2026-11
    #[arg(long, value_name = "MONTH", requires = "chain", value_parser = month)]
    month: Option<Month>,
    /// Prompts and arguments of tools alone, not the SQL texts
    #[arg(long, requires = "month")]
    prompts: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    signer: Signer,
    #[command(flatten)]
    source: Source,
}

fn month(text: &str) -> Result<Month, String> {
    Month::read(text).ok_or_else(|| "expected a month such as 2026-11".to_owned())
}

pub(super) fn shred(args: &Args, clock: Clock) -> Result<(), ReadError> {
    let key = args.signer.key()?;
    // A chain's content may be of any session that is held; a session's rows are of it alone.
    let scope = (args.session.clone()).map_or(Scope::All, Scope::Session);
    let archive = args.source.metadata(&scope)?;
    let erased = match (&args.session, args.chain, args.month) {
        (_, Some(chain), Some(month)) if args.prompts => Erased::Prompts {
            chain: chain.to_string(),
            month,
        },
        (_, Some(chain), Some(month)) => Erased::Content {
            chain: chain.to_string(),
            month,
        },
        (prefix, _, _) => {
            let prefix = prefix.as_deref().unwrap_or_default();
            Erased::Session(session_id(session(&archive, prefix)?.id)?)
        }
    };
    let vault = args.source.vault()?;
    let is_own = |public: &[u8; 32]| public == key.public();
    let all = keys_to_erase(&archive, &vault, &erased, is_own, clock.now())?;
    let act = act(Some(&key), &args.reason, clock);
    for (org, keys) in all {
        let erasure = act.erasure(&org, &keys);
        vault.tell_erasure(&erasure, &key)?;
        for chain in archive.begun_by_others(&org, &keys, key.public()) {
            eprintln!(
                "icecore: another installation began chain {chain}: `icecore verify` believes this erasure where the trust file pins the key {} as an [[eraser]]: key = \"{}\"",
                key.id(),
                key.public_text()
            );
        }
        for name in &keys {
            vault.destroy(&org, name)?;
        }
        let count = counted(keys.len(), "key");
        let line = format!("erased {erased}: {count}; erasure {}", erasure.id);
        writeln!(io::stdout().lock(), "{line}")?;
    }
    Ok(())
}
