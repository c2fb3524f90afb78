//! `icecore check`: what is wrong with a config, or what it says.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use super::failure::report_config;
use super::tell::tell;
use super::{ConfigFile, Exit, asked, connect, granted};
use crate::config::{
    Config, Credential, ForPolicies, Identity, Mode, ModelHost, Owner, SecretAt,
    Source as SecretSource, TokenUse, WithoutToken, policy_files, unit,
};
use crate::connection::redirect::probe;
use crate::identity::{KeySource, Kind, Users};
use crate::policy::{Bundle, Names, PolicyProblem, Source};
use crate::replay::json_escaped;

/// Checks a config and the host, and changes nothing
///
/// Use it before each start of the daemon. Reads the config, every file that it names, credentials and policies too, and
/// prints all problems at once, one line each: the file, the place, what was expected and what was found. Accounts, kinds
/// and actions in policies that do not exist are problems. Users in policies that the host does not have, policies that
/// never apply, and what the kernel lacks are warnings. With --connect it also logs in to each account, once for each user, role and credential, reads back what the
/// login may do, looks at what its user holds, and logs out; then it puts an object of no worth into a store that is not
/// on this host, below `probes/`. Without, it asks neither Snowflake nor the store.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore check\n  icecore check --config ./icecore.toml && systemctl restart icecore\n  icecore check --json | jq '.problems[]'\n  icecore check --connect --json | jq '.accounts[].warnings'\n\nExit codes: 0 all is good, perhaps with warnings; 1 Snowflake refused a login or the store an object; 2 usage; 3 config, policies or a credential are not good; 4 an account or the store gave no answer."
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,

    /// Logs in to each account too, warns of what its user may do beyond its one role, and tries the store
    #[arg(long)]
    connect: bool,

    /// Prints one JSON document: whether all is good and the problems, with --connect what that found
    #[arg(long)]
    json: bool,
}

/// Prints the config's problems or its summary, and what the kernel lacks.
pub(super) fn run(args: &Args) -> ExitCode {
    let outcome = Config::load(&args.config.file);
    let mut findings = Findings::default();
    let lacking = probe();
    for missing in &lacking {
        findings.tell(format!("{WARNING}{missing}"));
    }
    let users = Users::read();
    let policies = match Config::for_policies(&args.config.file) {
        Ok((found, _)) => judge(&found, &users, &mut findings),
        // Told with the rest of the config.
        Err(_) => None,
    };
    if let Err(errors) = &outcome {
        report_config(errors);
        findings
            .0
            .extend(errors.to_string().lines().map(str::to_owned));
    }
    let (Ok(config), Some(policies)) = (&outcome, policies) else {
        return findings.end(args, Exit::Config);
    };
    for warning in granted::warnings(config, &users)
        .into_iter()
        .chain(same_uid(&config.identity))
        .chain(config.approvals.iter().flat_map(asked::warnings))
    {
        findings.tell(format!("{WARNING}{warning}"));
    }
    tell(summary(config, policies, lacking.is_empty()));
    if args.connect {
        return connect::run(config, args.json);
    }
    findings.end(args, Exit::Done)
}

/// How a finding begins that keeps nothing from starting.
const WARNING: &str = "warning: ";

/// What was found, a line each.
#[derive(Debug, Default)]
struct Findings(Vec<String>);

impl Findings {
    /// Says it on standard error, and keeps it.
    fn tell(&mut self, line: String) {
        tell(&line);
        self.0.push(line);
    }

    /// Ends the check, with all of it as one document if that was asked for.
    fn end(&self, args: &Args, exit: Exit) -> ExitCode {
        if args.json {
            let text = self.document(args, exit).to_string();
            if let Err(error) = writeln!(io::stdout().lock(), "{}", json_escaped(&text)) {
                tell(format_args!("icecore: {error}"));
            }
        }
        exit.into()
    }

    fn document(&self, args: &Args, exit: Exit) -> serde_json::Value {
        let warnings = self.0.iter().filter_map(|line| line.strip_prefix(WARNING));
        let problems = self.0.iter().filter(|line| !line.starts_with(WARNING));
        serde_json::json!({
            "file": args.config.file,
            "good": exit == Exit::Done,
            "problems": problems.collect::<Vec<_>>(),
            "warnings": warnings.collect::<Vec<_>>(),
        })
    }
}

/// Says what is wrong with the policies and what may not be meant, one line each; counts good ones, gives none if they may not be
/// used.
fn judge(found: &ForPolicies, users: &Users, findings: &mut Findings) -> Option<usize> {
    let sources: io::Result<Vec<Source>> = policy_files(&found.dir).and_then(|files| {
        let read = |file: &PathBuf| {
            let text = fs::read_to_string(file)?;
            let file = file.display().to_string();
            Ok(Source { file, text })
        };
        files.iter().map(read).collect()
    });
    match sources.map(|sources| load(&sources, found, users)) {
        Ok(Ok(bundle)) => {
            for warning in bundle.warnings() {
                findings.tell(warning.told());
            }
            if let Some(warning) = nothing_permitted(&bundle) {
                findings.tell(format!("{WARNING}{warning}"));
            }
            Some(bundle.len())
        }
        Ok(Err(problems)) => {
            for problem in &problems {
                findings.tell(problem.told());
            }
            None
        }
        Err(error) => {
            findings.tell(format!("{}: {error}", found.dir.display()));
            None
        }
    }
}

/// Warns of policies of which none permits anything: they hold and refuse what is refused anyway.
pub(super) fn nothing_permitted(bundle: &Bundle) -> Option<&'static str> {
    (!bundle.is_empty() && !bundle.permits_some()).then_some(
        "no policy permits anything, so that every statement is refused and none is held; what is to be held must be permitted too",
    )
}

/// Loads policies beside the names that a config has for what they may name, as far as these are known.
pub(super) fn load(
    sources: &[Source],
    found: &ForPolicies,
    users: &Users,
) -> Result<Bundle, Vec<PolicyProblem>> {
    let (accounts, issuers) = (texts(&found.accounts), texts(&found.issuers));
    let approvers = texts(&found.approvers);
    let names = Names {
        accounts: accounts.as_deref(),
        users,
        issuers: issuers.as_deref(),
        approvers: approvers.as_deref(),
    };
    Bundle::load(sources, &names)
}

fn texts(names: &Option<Vec<String>>) -> Option<Vec<&str>> {
    let names = names.as_ref()?.iter();
    Some(names.map(String::as_str).collect())
}

/// Says how a login is proved, and where the secrets are.
pub(super) fn by(credential: &Credential) -> String {
    let (kind, at) = match credential {
        Credential::KeyPair {
            private_key,
            passphrase,
        } => {
            let key = place(private_key);
            return match passphrase {
                None => format!("key pair {key}"),
                Some(passphrase) => format!("key pair {key}, passphrase in {}", place(passphrase)),
            };
        }
        Credential::Pat(at) => ("programmatic access token", at),
        Credential::OAuth(at) => ("OAuth token", at),
        Credential::Password(at) => ("password", at),
        Credential::WorkloadOidc(at) => ("workload identity by an OIDC token", at),
        Credential::WorkloadAws { region } => return format!("workload identity at AWS, {region}"),
        Credential::OAuthGrant(grant) => {
            let way = if grant.refresh_token.is_some() {
                "a refresh token"
            } else {
                "client credentials"
            };
            return format!(
                "OAuth client `{}` at {}, {way}",
                grant.client_id, grant.token_url
            );
        }
    };
    format!("{kind} in {}", place(at))
}

/// Says where a secret is.
fn place(at: &SecretAt) -> String {
    match &at.source {
        SecretSource::File(path) => format!("`{}`", path.display()),
        SecretSource::Systemd(name) => format!("systemd's credential `{name}`"),
        SecretSource::Env(variable) => format!("the daemon's variable `{variable}`"),
        SecretSource::Command(command) => {
            let program = command.argv.first().map_or("", String::as_str);
            format!("what `{program}` prints")
        }
        SecretSource::Aws(aws) => {
            format!(
                "secret `{}` of AWS Secrets Manager, {}",
                aws.secret_id, aws.region
            )
        }
        SecretSource::Vault(vault) => format!(
            "field `{}` of `{}/{}` of Vault {}",
            vault.field, vault.mount, vault.path, vault.address
        ),
    }
}

/// Warns if a job's command may have the uid of whoever can get the job's tokens.
fn same_uid(identity: &Identity) -> Option<String> {
    identity.allow_same_uid.then(|| {
        "identity.allow_same_uid: a job's command may read or mint its job's tokens and use them elsewhere; without it \
         `icecore run` needs --user, or --allow-same-uid each time"
            .to_owned()
    })
}

/// Says whose tokens are taken, one line an issuer or provider, and what is done without one.
fn identities(identity: &Identity) -> impl Iterator<Item = String> {
    let issuers = identity.issuers.iter().map(|issuer| {
        let keys = match &issuer.keys {
            KeySource::Discovery => "its own discovery".to_owned(),
            KeySource::Url(url) => url.clone(),
            KeySource::File(file) => format!("`{}`", file.display()),
        };
        format!(
            "  issuer    {} ({}) for {}, keys by {keys}",
            issuer.name,
            issuer.url,
            issuer.audiences.join(", ")
        )
    });
    let providers = identity.providers.iter().map(|provider| {
        format!(
            "  provider  {} (SAML) for {} at {}, keys by `{}`",
            provider.name,
            provider.audience,
            provider.recipient,
            provider.metadata_file.display()
        )
    });
    let without = match (identity.without_token, identity.in_band) {
        (WithoutToken::Host, false) => "acts for the host's user",
        (WithoutToken::Host, true) => {
            "acts for the host's user, its logins for whom a token shows that is their password"
        }
        (WithoutToken::Refuse, false) => "is refused",
        (WithoutToken::Refuse, true) => "opens, its logins need a token as their password",
    };
    let token = match identity.token_use {
        TokenUse::Once => "opens one session, on whichever host of this store is the first",
        TokenUse::Host => "opens sessions on one host, the first of this store that sees it",
    };
    let tokens = (!identity.issuers.is_empty() || !identity.providers.is_empty())
        .then(|| format!("  identity  a token {token}"));
    let has_jobs = (identity.issuers.iter())
        .any(|issuer| issuer.kind == Kind::Workload || issuer.ci.is_some());
    let of_jobs = (has_jobs && !identity.allow_same_uid).then(|| {
        "  identity  a job's token needs a command of another uid than its caller's (`icecore run --user`), or --allow-same-uid"
            .to_owned()
    });
    let without = format!("  identity  a session without a token {without}");
    let claimed = identity.claimed_job_facts.then(|| {
        "  identity  what a caller without a token says of its CI job is recorded as `claimed`; no policy sees it".to_owned()
    });
    let of_tokens = issuers.chain(providers).chain(tokens).chain(of_jobs);
    of_tokens.chain([without]).chain(claimed)
}

/// Says whom the proxy runs as.
fn proxys_user(owner: Owner, users: &Users) -> String {
    if owner.is_root() {
        return "runs as root without capabilities; a user of its own is better (`daemon.user`)"
            .to_owned();
    }
    format!(
        "runs as user {} (uid {}, gid {})",
        users.name(owner.uid),
        owner.uid,
        owner.gid
    )
}

fn summary(config: &Config, policies: usize, has_kernel: bool) -> String {
    let Config {
        daemon,
        capture,
        upstream,
        accounts,
        identity,
        approvals,
        policy,
        catalogue,
        prompts,
        stamp,
        record,
        limits,
        log,
        metrics,
        exports,
        source,
    } = config;
    let mode = match daemon.mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe: nothing is refused, the record says what would have been",
    };
    let ports: Vec<String> = capture.redirect_ports.iter().map(u16::to_string).collect();
    let mut lines = vec![
        format!("{}: good", source.display()),
        format!("  mode      {mode}"),
        format!(
            "  proxy     {}",
            proxys_user(config.owner().unwrap_or(Owner::ROOT), &Users::read())
        ),
        format!(
            "  capture   ports {} below `{}`, to port {}",
            ports.join(", "),
            capture.root.display(),
            capture.port
        ),
    ];
    for account in accounts {
        let warehouse = account.warehouse.as_deref().unwrap_or("the user's own");
        let gets = if account.grants.is_empty() {
            format!("role {}, warehouse {warehouse}", account.role)
        } else {
            "to those whom a grant is for".to_owned()
        };
        lines.push(format!(
            "  account   {} ({}) as user {}, {gets}, by {}",
            account.host,
            account.name,
            account.user,
            by(&account.credential)
        ));
        lines.extend(granted::lines(account));
        lines.extend(account.tag_canary.as_ref().map(|canary| {
            format!(
                "              tags count as known where `{}` of column `{}` of {} is seen",
                canary.tag,
                canary.column,
                canary.table.join(".")
            )
        }));
        if account.mcp {
            lines.push("              SQL tools of its managed MCP servers are carried".to_owned());
        }
        for alias in &account.aliases {
            lines.push(format!("              also {alias}"));
        }
    }
    for (host, address) in &upstream.resolve {
        lines.push(format!("  resolve   {host} at {address}"));
    }
    lines.extend(identities(identity));
    lines.extend(approvals.iter().flat_map(asked::lines));
    lines.extend([
        format!("  policy    {policies} in `{}`", policy.dir.display()),
        format!(
            "  catalogue what an account says of its objects counts for {:?}",
            catalogue.ttl
        ),
        format!(
            "  record    {} to {}, spool up to {}, sealed every {:?}",
            record.mode.as_str(),
            record.store,
            unit::show_bytes(record.spool_max_bytes),
            record.seal_interval
        ),
        format!(
            "  limits    request body {}, statement {}",
            unit::show_bytes(limits.request_body_max_bytes),
            unit::show_bytes(limits.statement_max_bytes)
        ),
    ]);
    if !prompts.hosts.is_empty() {
        let hosts: Vec<String> = prompts.hosts.iter().map(ModelHost::shown).collect();
        lines.push(format!(
            "  prompts   calls to {} are read, {} is kept",
            hosts.join(", "),
            prompts.capture.as_str()
        ));
    }
    let stamped = [
        (stamp.query_tag, "QUERY_TAG"),
        (stamp.traceparent, "traceparent"),
    ];
    for (_, what) in stamped.iter().filter(|(is_on, _)| *is_on) {
        lines.push(format!(
            "  stamp     statements without a {what} get a random one"
        ));
    }
    lines.push(format!("  log       {}", log.level));
    lines.extend(
        metrics
            .listen
            .map(|address| format!("  metrics   http://{address}/metrics")),
    );
    for export in exports {
        lines.push(format!("  export    {} to {}", export.name, export.url));
    }
    if has_kernel {
        lines.push("  kernel    has what the programs need".to_owned());
    }
    lines.join("\n") + "\n"
}
