//! What the web inbox does for a request that is its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::task::spawn_blocking;

use super::form::{Sent, Tokens};
use super::guard::{Own, Refused, is_same};
use crate::approval::{Decision, Proof, Said};
use crate::clock::Clock;
use crate::control::sign_in::Way;
use crate::id::ApprovalId;
use crate::identity::sign_in::Callback;
use crate::inbox::card::Card;
use crate::inbox::item::Item;
use crate::inbox::mail::Mail;
use crate::inbox::pages::{self, Form, Notice};
use crate::inbox::step::{Issuer, Step, StepError};
use crate::inbox::words::{Unsaid, Word, said};
use crate::record::hex;

/// Most logins that are under way; an older one gives way.
const PENDING_MAX: usize = 32;

/// How long somebody may take to log in.
const LOGIN_WITHIN: Duration = Duration::from_secs(600);

/// A desk at which one person decides.
pub struct Desk {
    own: Own,
    port: u16,
    mail: Arc<Mail>,
    issuer: Issuer,
    clock: Clock,
    tokens: Tokens,
    /// What opens the inbox once.
    once: Mutex<String>,
    /// Says the next link to whoever sits at the terminal.
    tell: Box<dyn Fn(&str) + Send + Sync>,
    pending: Mutex<VecDeque<Pending>>,
    notices: Mutex<BTreeMap<ApprovalId, Notice>>,
}

/// A login that is under way, and what it is to prove.
struct Pending {
    said: Said,
    step: Step,
    began_ns: i64,
}

impl Desk {
    /// Sets up a desk at a port of 127.0.0.1; `tell` is told each link that opens it.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(
        port: u16,
        mail: Mail,
        issuer: Issuer,
        clock: Clock,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, StepError> {
        let random = SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| StepError::Random)?;
        let desk = Self {
            own: Own {
                authority: format!("127.0.0.1:{port}"),
                secret: random_word()?,
            },
            port,
            mail: Arc::new(mail),
            issuer,
            clock,
            tokens: Tokens(key),
            once: Mutex::new(random_word()?),
            tell: Box::new(tell),
            pending: Mutex::default(),
            notices: Mutex::default(),
        };
        (desk.tell)(&desk.link());
        Ok(desk)
    }

    pub(super) fn own(&self) -> &Own {
        &self.own
    }

    /// Gives the link that opens the inbox next.
    #[must_use]
    pub fn link(&self) -> String {
        self.link_of(&locked(&self.once))
    }

    fn link_of(&self, once: &str) -> String {
        format!("http://{}/open/{once}", self.own.authority)
    }

    /// Opens the inbox, once: a link stays in a terminal's history and in a list of processes.
    pub(super) fn open(&self, given: &str) -> Result<String, Refused> {
        let mut once = locked(&self.once);
        if !is_same(given, &once) {
            return Err(Refused::Used);
        }
        *once = random_word().map_err(|error| Refused::Failed(error.to_string()))?;
        (self.tell)(&self.link_of(&once));
        Ok(self.home())
    }

    fn home(&self) -> String {
        format!("/{}/", self.own.secret)
    }

    pub(super) async fn list(&self) -> Result<String, Refused> {
        let mail = Arc::clone(&self.mail);
        let items = blocking(move || mail.list()).await?;
        Ok(pages::list(&items, self.clock.now()))
    }

    pub(super) async fn show(&self, id: &str) -> Result<String, Refused> {
        let (item, card) = self.find(id).await?;
        let request = item.believed().ok_or(Refused::Unknown)?;
        let token = self.tokens.of(request.id, &card.digest);
        let form = Form {
            token: &token,
            issuer: &self.issuer.settings().url,
        };
        let notice = locked(&self.notices).get(&request.id).cloned();
        let shown = (&item, request);
        Ok(pages::request(
            shown,
            &card,
            &form,
            notice.as_ref(),
            self.clock.now(),
        ))
    }

    /// Takes what somebody says to a request, and sends them to the issuer for it; nothing is said by that yet.
    pub(super) async fn say(&self, id: &str, body: &[u8]) -> Result<String, Refused> {
        let id: ApprovalId = id.parse().map_err(|_| Refused::Unknown)?;
        let sent = Sent::read(body)?;
        self.tokens.check(&sent, id)?;
        let (item, card) = self.find(&id.to_string()).await?;
        let request = item.believed().ok_or(Refused::Unknown)?;
        let word = Word {
            digest: sent.digest,
            answer: sent.answer,
            reason: sent.reason,
            grant_s: sent.grant_s,
            face: "web",
        };
        let said = said((&item, request), &card, word, self.clock.now());
        let said = said.map_err(|unsaid: Unsaid| Refused::Closed(unsaid.to_string()))?;
        let nonce = said
            .nonce()
            .map_err(|error| Refused::Failed(error.to_string()))?;
        let redirect_uri = Way::redirect_uri(self.port);
        let begun = self.issuer.begin(nonce, redirect_uri).await;
        let step = begun.map_err(|error| Refused::Failed(error.to_string()))?;
        let page = pages::onward(
            said.answer,
            &card.title,
            &self.issuer.settings().url,
            step.url(),
        );
        let mut pending = locked(&self.pending);
        if pending.len() >= PENDING_MAX {
            pending.pop_front();
        }
        pending.push_back(Pending {
            said,
            step,
            began_ns: self.clock.mono_ns(),
        });
        Ok(page)
    }

    /// Takes the issuer's answer, once: what it proves is put into the mailbox.
    pub(super) async fn come_back(&self, query: &str) -> Result<String, Refused> {
        let Pending { said, step, .. } = self.begun(query)?;
        let vouched = self.issuer.finish(&step, query).await;
        let vouched = vouched.and_then(|vouched| vouched.check_is_for(&said).map(|()| vouched));
        let vouched = vouched.map_err(|error| Refused::Failed(told(&error)))?;
        let (id, answer) = (said.request, said.answer);
        let decision = Decision {
            said,
            proof: Proof::IdpPerDecision {
                id_token: vouched.id_token.reveal().to_owned(),
            },
        };
        let mail = Arc::clone(&self.mail);
        blocking(move || mail.put(&decision)).await?;
        let page = pages::home_again(&vouched.who, &format!("{}r/{id}", self.home()));
        let notice = Notice {
            who: vouched.who,
            answer,
        };
        locked(&self.notices).insert(id, notice);
        Ok(page)
    }

    /// Finds the login that an answer is to, and ends it: an answer is good once.
    fn begun(&self, query: &str) -> Result<Pending, Refused> {
        let callback = Callback::read(query).map_err(|_| Refused::State)?;
        let now_ns = self.clock.mono_ns();
        let within_ns = i64::try_from(LOGIN_WITHIN.as_nanos()).unwrap_or(i64::MAX);
        let mut pending = locked(&self.pending);
        pending.retain(|one| now_ns.saturating_sub(one.began_ns) < within_ns);
        let at = pending
            .iter()
            .position(|one| callback.answers(one.step.state()));
        at.and_then(|at| pending.remove(at)).ok_or(Refused::State)
    }

    async fn find(&self, id: &str) -> Result<(Item, Card), Refused> {
        let id: ApprovalId = id.parse().map_err(|_| Refused::Unknown)?;
        let mail = Arc::clone(&self.mail);
        let found = blocking(move || mail.find(id)).await?;
        let item = found.ok_or(Refused::Unknown)?;
        let request = item.believed().ok_or(Refused::Unknown)?;
        let card = Card::of(request).map_err(|error| Refused::Failed(error.to_string()))?;
        Ok((item, card))
    }

    pub(super) fn refusal(&self, refused: &Refused) -> String {
        // Only who is inside learns where that is.
        let back = match refused {
            Refused::Form(_) | Refused::Token | Refused::Closed(_) | Refused::Failed(_) => {
                Some(self.home())
            }
            Refused::Host { .. }
            | Refused::Origin
            | Refused::Method
            | Refused::Unknown
            | Refused::Used
            | Refused::State => None,
        };
        pages::refusal(&refused.to_string(), refused.hint(), back.as_deref())
    }
}

/// Does what waits for the store on a thread of its own.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Refused>
where
    T: Send + 'static,
    E: ToString + Send + 'static,
{
    match spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Refused::Failed(error.to_string())),
        Err(_) => Err(Refused::Failed("this is a bug: a thread broke".to_owned())),
    }
}

fn told(error: &StepError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a word that nobody can guess: 256 bits.
fn random_word() -> Result<String, StepError> {
    let mut random = [0; 32];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| StepError::Random)?;
    Ok(hex(&random))
}
