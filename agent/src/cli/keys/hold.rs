//! `icecore keys hold`: what must not be erased.

use std::io::{self, Write};

use chrono::NaiveDate;

use super::told::{Signer, act, reason, session_id};
use crate::cli::reading::Source;
use crate::cli::span::{day, in_order};
use crate::cli::tell::tell;
use crate::clock::Clock;
use crate::record::encryption::{Scope, Vault, in_force};
use crate::replay::{ReadError, session, terminal};

/// Puts a legal hold on a session or on days, lists the holds in force, or releases one
///
/// Use it while a case goes on: what is held is not erased by `icecore keys shred`, whoever asks; who may delete objects of the key store otherwise is the
/// store's matter. A release counts if the key that put the hold signs it, or the one that signs the erasure. Without a scope
/// the holds in force are listed.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("scope").args(["session", "from"]),
    after_help = "Examples:\n  icecore keys hold\n  icecore keys hold --session 0199a3 --reason 'case 12'\n  icecore keys hold --from 2026-11-01 --to 2026-11-30 --reason 'case 12'\n  icecore keys hold --session 0199a3 --release --reason 'case 12 is over'\n\nExit codes: 0 done, 1 refused, 2 usage, 3 trust or key file, 4 store unreachable."
)]
pub(super) struct Args {
    /// The session: its id, or the beginning of it
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["from", "to"], requires = "reason")]
    session: Option<String>,
    /// The first day that is held (UTC); needs --to
    #[arg(long, value_name = "DAY", requires_all = ["to", "reason"], value_parser = day)]
    from: Option<NaiveDate>,
    /// The last day that is held (UTC)
    #[arg(long, value_name = "DAY", requires = "from", value_parser = day)]
    to: Option<NaiveDate>,
    /// Ends the holds of this very scope
    #[arg(long, requires = "scope")]
    release: bool,
    /// Why, for the record; needed to hold and to release
    #[arg(long, value_name = "TEXT", value_parser = reason, requires = "scope")]
    reason: Option<String>,
    #[command(flatten)]
    signer: Signer,
    #[command(flatten)]
    source: Source,
}

pub(super) fn hold(args: &Args, clock: Clock) -> Result<(), ReadError> {
    let vault = args.source.vault()?;
    let Some(scope) = scope(args)? else {
        return list(&vault);
    };
    let key = args.signer.key()?;
    let reason = args.reason.as_deref().unwrap_or_default();
    let act = act(Some(&key), reason, clock);
    let mut out = io::stdout().lock();
    let mut done = 0;
    let orgs = vault.orgs()?;
    if orgs.is_empty() {
        let store = args.source.store();
        let text =
            format!("store `{store}`: expected a record, found none: nothing is there to hold");
        return Err(ReadError::Refused(text));
    }
    for org in orgs {
        if !args.release {
            let hold = act.hold(&org, scope.clone(), None);
            vault.tell_hold(&hold, &key)?;
            writeln!(out, "held {scope}: hold {}", hold.id)?;
            done += 1;
            continue;
        }
        let holds = vault.holds(&org)?;
        for held in in_force(&holds, |public| public == key.public()) {
            if held.scope == scope {
                let release = act.hold(&org, scope.clone(), Some(&held.id));
                vault.tell_hold(&release, &key)?;
                writeln!(out, "released {scope}: hold {}", held.id)?;
                done += 1;
            }
        }
    }
    if done == 0 {
        let text = format!("{scope}: expected a hold in force to release, found none");
        return Err(ReadError::Refused(text));
    }
    Ok(())
}

fn scope(args: &Args) -> Result<Option<Scope>, ReadError> {
    if let Some(prefix) = &args.session {
        let of_session = crate::replay::Scope::Session(prefix.clone());
        let archive = args.source.metadata(&of_session)?;
        let id = session_id(session(&archive, prefix)?.id)?;
        return Ok(Some(Scope::Session(id.to_string())));
    }
    in_order(args.from, args.to)?;
    match (args.from, args.to) {
        (Some(from), Some(to)) => Ok(Some(Scope::Days { from, to })),
        (_, _) => Ok(None),
    }
}

fn list(vault: &Vault) -> Result<(), ReadError> {
    let mut out = io::stdout().lock();
    let mut is_any = false;
    for org in vault.orgs()? {
        let holds = vault.holds(&org)?;
        for held in in_force(&holds, |_| false) {
            let signed = holds
                .iter()
                .any(|told| told.document.id == held.id && told.key.is_some());
            let signed = if signed { "signed" } else { "not signed" };
            let line = format!(
                "{}  {}  {}  by {} on {}, {signed}: {}",
                held.id, held.at, held.scope, held.by.user, held.by.host, held.reason
            );
            writeln!(out, "{}", terminal(&line))?;
            is_any = true;
        }
    }
    if !is_any {
        tell("no hold is in force");
    }
    Ok(())
}
