//! `icecore enroll`: makes a host's installation key known to those who verify its record.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use hyper::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};

use super::failure::{Failure, report_config};
use super::login::{browser, listener};
use super::{ConfigFile, Exit};
use crate::clock::Clock;
use crate::config::{Config, SignIn};
use crate::control::sign_in::Way;
use crate::identity::sign_in::{
    ATTEMPT_BYTES, Attempt, Callback, Nonce, Promised, Tokens, check_id_token, shown_name,
};
use crate::identity::{Issuer, KeySource, Keys, Token, verify_enrolment};
use crate::proxy::discovery::{Discovered, get};
use crate::record::chain::documents::FORMAT_VERSION;
use crate::record::chain::enrolment::{Enrolled, Enrolment, enrolment_key, nonce};
use crate::record::chain::envelope;
use crate::record::chain::keys::SigningKey;
use crate::record::{RecordError, Store};
use crate::replay::terminal;
use crate::upstream::{OAuthClient, store_of};
use crate::web;
use listener::{Listener, Page};

/// How long somebody may take to log in.
const LOGIN_WITHIN: Duration = Duration::from_secs(600);

/// Makes this host's key known to those who verify its record
///
/// Use it once a host, as root, when Icecore is installed. You log in at your issuer with a browser; the issuer signs who
/// vouched for which key, and the store keeps that as `enrolments/KEY.json`. `icecore verify` then takes the host's record
/// for yours where its trust file names you as an operator. --pin only prints the lines by which a trust file pins the key
/// itself, for hosts without an issuer.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  icecore enroll --pin >> trust.toml\n  icecore enroll\n  icecore enroll --issuer okta\n\nThe browser comes back to a port \
        of this host's 127.0.0.1; from elsewhere set `login.port` and use `ssh -L PORT:127.0.0.1:PORT HOST`. A key that is enrolled stays so.\n\n\
        A pin is as good as the way that it came: compare the id behind `# key` with what `sudo icecore enroll --pin` prints on the host's own console.\n\nExit \
        codes: 0 enrolled or printed, 1 refused, 2 usage, 3 config, 4 issuer or store unreachable."
)]
pub(super) struct Args {
    /// The issuer, by its name in the config or its URL; needed where there are several with a `login` table
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,

    /// Prints what a trust file needs to pin this host's key, and enrols nothing
    #[arg(long, conflicts_with = "issuer")]
    pin: bool,

    #[command(flatten)]
    config: ConfigFile,
}

/// Enrols the host.
pub(super) fn run(args: &Args, clock: Clock) -> ExitCode {
    let config = match Config::load(&args.config.file) {
        Ok(config) => config,
        Err(errors) => return report_config(&errors),
    };
    let enrolled = key(&config).and_then(|key| {
        if !args.pin {
            enroll(args, &config, &key, clock)?;
        }
        print_pin(&config.daemon.org, &key).map_err(|error| Failure::new(Exit::Unreachable, error))
    });
    match enrolled {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn key(config: &Config) -> Result<SigningKey, Failure> {
    SigningKey::of_installation(&config.daemon.state_dir).map_err(|error| {
        let hint = error.hint();
        Failure::new(Exit::Unreachable, error.clone()).hint(hint)
    })
}

/// Prints what pins the key.
fn print_pin(org: &str, key: &SigningKey) -> io::Result<()> {
    let name = host_name();
    let text = key.public_text();
    writeln!(
        io::stdout().lock(),
        "[[installation]]\nname = \"{name}\"  # key {}\nkey = \"{text}\"\norgs = [\"{org}\"]",
        key.id()
    )
}

/// Names the host for people, in what a TOML text may hold.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match name.trim().chars().filter(plain).collect::<String>() {
        name if name.is_empty() => "unnamed".to_owned(),
        name => name,
    }
}

fn enroll(args: &Args, config: &Config, key: &SigningKey, clock: Clock) -> Result<(), Failure> {
    let sign_in = sign_in(args.issuer.as_deref(), config)?;
    let place = enrolment_key(&config.daemon.org, &key.id());
    let store = store(config)?;
    // A writer of a bucket may not read it: then the store itself refuses a second enrolment.
    if let Ok(bytes) = store.get(&place) {
        let when = Enrolled::read(&bytes).and_then(|enrolled| enrolled.open());
        let when = when.map(|(_, enrolment)| enrolment.created_at.to_rfc3339());
        let when = when.unwrap_or_else(|error| format!("an unknown time ({error})"));
        eprintln!("icecore: key {} is enrolled since {when}", key.id());
        return Ok(());
    }
    let enrolment = Enrolment {
        format_version: FORMAT_VERSION,
        org: config.daemon.org.clone(),
        host_id: crate::proxy::start::host_id(),
        installation: key.public_text(),
        created_at: clock.now(),
    };
    let failed = |error: &dyn ToString| Failure::text(Exit::Bug, error.to_string());
    let document = envelope::seal(&enrolment, key.pair()).map_err(|error| failed(&error))?;
    let document = String::from_utf8(document).map_err(|error| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unreachable, error))?;
    let asking = Asking::of(config, sign_in)?;
    let vouched = runtime.block_on(asking.vouch(&document, &enrolment))?;
    let bytes = serde_json::to_vec(&vouched.enrolled).map_err(|error| failed(&error))?;
    store.put(&place, bytes).map_err(unstored)?;
    eprintln!(
        "icecore: key {} of host {} is enrolled by {}: {place}",
        key.id(),
        terminal(&enrolment.host_id),
        terminal(&vouched.who)
    );
    Ok(())
}

/// Opens the store that the config names.
fn store(config: &Config) -> Result<Store, Failure> {
    let unset = |error: &dyn ToString| {
        let text = format!("store `{}`: {}", config.record.store, error.to_string());
        Failure::text(Exit::Config, text)
    };
    let roots = web::trust(config.upstream.ca_file.as_deref()).map_err(|error| unset(&error))?;
    let at = store_of(&config.record, &web::Client::new(roots)).map_err(|error| unset(&error))?;
    Store::create(&at).map_err(unstored)
}

fn unstored(error: RecordError) -> Failure {
    let hint = error.hint();
    Failure::new(Exit::Unreachable, error).hint(hint)
}

/// Finds the issuer at which the operator logs in.
fn sign_in<'c>(
    wanted: Option<&str>,
    config: &'c Config,
) -> Result<(&'c SignIn, &'c Issuer), Failure> {
    let of = |sign_in: &'c SignIn| {
        let mut issuers = config.identity.issuers.iter();
        let issuer = issuers.find(|issuer| issuer.name == sign_in.issuer)?;
        Some((sign_in, issuer))
    };
    let fits = |(_, issuer): &(&SignIn, &Issuer)| {
        wanted.is_none_or(|wanted| issuer.name == wanted || issuer.url == wanted)
    };
    let all = config.identity.sign_ins.iter().filter_map(of);
    let fitting: Vec<_> = all.filter(fits).collect();
    match fitting.as_slice() {
        [one] => Ok(*one),
        found => {
            let text = format!(
                "expected one [[identity.issuer]] with a `login` table, found {}",
                found.len()
            );
            Err(Failure::text(Exit::Config, text).hint(Some(
                "--issuer names one of several; without an issuer pin the key: icecore enroll --pin",
            )))
        }
    }
}

/// A login that vouches for a document.
struct Asking<'c> {
    sign_in: &'c SignIn,
    issuer: &'c Issuer,
    client: OAuthClient,
    web: web::Client,
}

/// What came of it.
struct Vouched {
    enrolled: Enrolled,
    who: String,
}

impl<'c> Asking<'c> {
    fn of(config: &Config, (sign_in, issuer): (&'c SignIn, &'c Issuer)) -> Result<Self, Failure> {
        let roots = web::trust(config.identity.ca_file.as_deref())
            .map_err(|error| Failure::new(Exit::Config, error))?;
        let web = web::Client::new(roots);
        let client = OAuthClient::new(&sign_in.client_id, sign_in.client_secret.as_ref(), &web)
            .map_err(|error| Failure::new(Exit::Config, error))?;
        Ok(Self {
            sign_in,
            issuer,
            client,
            web,
        })
    }

    async fn vouch(&self, document: &str, enrolment: &Enrolment) -> Result<Vouched, Failure> {
        let discovered = Discovered::read(&self.web, &self.issuer.url).await;
        let discovered = discovered.map_err(|error| self.unasked(&error))?;
        let endpoint = |name| {
            let endpoint = discovered.endpoint(name);
            endpoint.map_err(|error| self.unasked(&error))
        };
        let jwks = self.jwks(&discovered).await?;
        let mut random = [0; ATTEMPT_BYTES];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| Failure::text(Exit::Unreachable, "the system gave no random bytes"))?;
        let mut attempt = Attempt::of(&random);
        attempt.nonce = nonce(document.as_bytes());
        let listener = Listener::bind(self.sign_in.port).map_err(|error| {
            let text = "the port of 127.0.0.1 to which the browser comes back cannot be had";
            Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text))
        })?;
        let redirect_uri = Way::redirect_uri(listener.port());
        let authorization = endpoint("authorization_endpoint")?;
        let scope = self.sign_in.scope();
        let url = attempt.url(&authorization, self.client.id(), &redirect_uri, &scope);
        eprintln!(
            "icecore: log in at `{}` with your browser, to vouch for this host's key {}:\n  {}",
            terminal(&self.issuer.name),
            terminal(&enrolment.installation),
            terminal(&url)
        );
        browser::open(&url);
        let Some(answer) = listener.wait(&attempt.state, LOGIN_WITHIN) else {
            let minutes = LOGIN_WITHIN.as_secs() / 60;
            let text = format!("nobody logged in within {minutes} minutes");
            return Err(Failure::text(Exit::Refused, text));
        };
        let promised = match discovered.says("authorization_response_iss_parameter_supported") {
            true => Promised::Issuer,
            false => Promised::Nothing,
        };
        let callback = Callback::read(answer.query());
        let code = callback.and_then(|read| read.code(&attempt.state, &self.issuer.url, promised));
        let vouched = match code {
            Ok(code) => {
                let form = [
                    ("grant_type", "authorization_code"),
                    ("code", code.reveal()),
                    ("redirect_uri", &redirect_uri),
                    ("code_verifier", &attempt.verifier),
                ];
                let token_endpoint = endpoint("token_endpoint")?;
                let enrolled = (document, enrolment, jwks);
                self.finish(&token_endpoint, &form, &attempt.nonce, enrolled)
                    .await
            }
            Err(error) => Err(Failure::new(Exit::Refused, error)),
        };
        answer.show(match vouched {
            Ok(_) => Page::Done,
            Err(_) => Page::Failed,
        });
        vouched
    }

    /// Gets the token for the code, and checks it as a verifier will.
    async fn finish(
        &self,
        token_endpoint: &str,
        form: &[(&str, &str)],
        nonce: &str,
        (document, enrolment, jwks): (&str, &Enrolment, Vec<u8>),
    ) -> Result<Vouched, Failure> {
        let refused = |error: &dyn ToString| Failure::text(Exit::Refused, error.to_string());
        let answered = self.client.send(token_endpoint, form).await;
        let answered = answered.map_err(|error| self.unasked(&error))?;
        if answered.status != StatusCode::OK {
            let status = answered.status.as_u16();
            return Err(self.unasked(&format!(
                "the token endpoint answered with HTTP status {status}"
            )));
        }
        let tokens = Tokens::read(&answered.body).map_err(|error| refused(&error))?;
        let id_token = tokens.id_token.reveal();
        let token = Token::read(id_token).map_err(|error| refused(&error))?;
        let keys = Keys::read(&jwks).map_err(|error| refused(&error))?;
        check_id_token(&token, self.client.id(), Nonce::Same(nonce))
            .map_err(|error| refused(&error))?;
        let verified = verify_enrolment(self.issuer, &keys, &token, nonce, enrolment.created_at);
        let principal = verified.map_err(|error| refused(&error))?;
        let who = shown_name(&token);
        Ok(Vouched {
            who: who.unwrap_or_else(|| principal.identity().subject().to_owned()),
            enrolled: Enrolled {
                document: document.to_owned(),
                id_token: id_token.to_owned(),
                jwks: String::from_utf8_lossy(&jwks).into_owned(),
            },
        })
    }

    /// Reads the issuer's keys from where the config says that they are.
    async fn jwks(&self, discovered: &Discovered) -> Result<Vec<u8>, Failure> {
        let url = match &self.issuer.keys {
            KeySource::File(path) => {
                return fs::read(path).map_err(|error| Failure::new(Exit::Config, error));
            }
            KeySource::Url(url) => url.clone(),
            KeySource::Discovery => {
                let url = discovered.endpoint("jwks_uri");
                url.map_err(|error| self.unasked(&error))?
            }
        };
        let got = get(&self.web, &url).await;
        got.map_err(|error| self.unasked(&error))
    }

    fn unasked(&self, error: &dyn ToString) -> Failure {
        let text = format!("issuer `{}`: {}", self.issuer.name, error.to_string());
        Failure::text(Exit::Unreachable, text)
    }
}
