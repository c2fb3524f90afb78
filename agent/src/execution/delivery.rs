//! What every answer goes through, whoever asked for it: compared, recorded, noted, handed out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::query::{Conclusion, Detached, Known, QueryRef, Realm, Sent, Standing};
use super::{ANSWER_WITHIN, Answer, Meter};
use crate::id::{LoginId, SessionId};
use crate::mask::{Addressee, Aftermath, Ended, Masked, mask};
use crate::record::{self, RecordError, Reply};
use crate::session::Stages;
use crate::snowflake::answer::Form;
use crate::snowflake::route::QueryId;
use crate::upstream::{self, Earlier, Headers, Login, Unmasked, Upstream, Wanted};

/// How long a result that is asked for by another way than its own id is waited for, so that it is compared first. A
/// driver asks so for a statement that it knows has ended.
const COMPARED_WITHIN: Duration = Duration::from_secs(30);

/// First and longest wait between two looks at a statement that somebody waits for.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Which query an answer is about, and to whom it goes.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    /// The session.
    pub session: SessionId,
    /// The login that asks.
    pub login: LoginId,
    /// Where its queries are known.
    pub realm: &'a Realm,
    /// The name by which it calls the account.
    pub host: &'a str,
    /// The query, by any of its names.
    pub query_id: QueryId,
    /// The form of its door.
    pub form: Form,
    /// What counts its use.
    pub meter: &'a Meter,
}

impl Recipient<'_> {
    /// Names the query.
    pub(super) fn query(&self) -> QueryRef<'_> {
        QueryRef {
            session: self.session,
            realm: self.realm,
            query_id: self.query_id,
        }
    }

    /// Calls the query by Snowflake's name of it.
    fn by_name_of(self, known: &Known) -> Self {
        Self {
            query_id: known.query_id,
            ..self
        }
    }
}

/// By which way Snowflake is asked.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The connections.
    pub upstream: &'a Upstream,
    /// The login.
    pub login: &'a Arc<Login>,
    /// The headers.
    pub headers: &'a Headers,
}

/// What a delivery came to.
pub struct Delivered {
    /// What may be sent.
    pub reply: Reply,
    /// Whether the statement was cancelled before it was sent.
    pub withdrawn: bool,
    /// How it ended, for the session's counters.
    pub ended: Ended,
    /// What is known of its login after it.
    pub aftermath: Aftermath,
    /// What waits for its end, if Snowflake goes on with it.
    pub detached: Option<Arc<Detached>>,
}

/// What becomes of a request for a result by id.
pub enum Fetched {
    /// Snowflake answered.
    Reply(Reply),
    /// The statement goes on.
    Running,
    /// The answer to the query was withheld, and so is all else of it.
    Withheld,
    /// Snowflake has no such query of this session.
    Unknown,
}

/// What a look at a statement showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is over, and what that means is recorded.
    Over,
    /// It goes on.
    Running,
    /// Snowflake did not say.
    Untold,
}

impl Stages {
    /// Masks an answer, records its delivery and gives the reply. No way to the agent but this.
    ///
    /// # Errors
    /// The recorder cannot keep its mode's promise: nothing of the answer leaves.
    pub async fn deliver(
        &self,
        unmasked: Unmasked,
        login: &Login,
        to: &Recipient<'_>,
    ) -> Result<Delivered, RecordError> {
        let waiting = self.waiting(to);
        let mut masked = self.mask(unmasked, login, to);
        let conclusion = self.concluded(&masked, to);
        let (withdrawn, ended) = (masked.outcome().withdrawn, masked.outcome().ended());
        let aftermath = masked.outcome().aftermath();
        let (statement, chunks) = (masked.statement(), masked.take_chunks());
        let stage = masked.take_stage();
        let mut turn = Turn::take(waiting.as_deref(), &conclusion).await;
        let (recorder, now) = (&self.recorder, self.clock.now());
        let is_end = masked.is_first() || turn.ends().is_some();
        let (end, rows) = (masked.outcome().end(), masked.outcome().rows_here);
        let record::Delivered { reply, undone } =
            record::deliver(recorder, to.session, masked, turn.ends(), now).await?;
        turn.end();
        if let Some(end) = end.filter(|_| is_end) {
            to.meter.ended(now, end);
        }
        if ended == Ended::Succeeded {
            let bytes = u64::try_from(reply.body().text().len()).unwrap_or(u64::MAX);
            to.meter.delivered(now, rows, bytes);
        }
        self.registry.conclude(to.query(), &conclusion);
        let detached = undone.map(|undone| Arc::new(Detached::new(to.login, undone)));
        if let Some(detached) = &detached {
            self.registry.detach(to.query(), detached);
        }
        let account = &to.realm.account;
        self.chunks
            .keep(to.meter, to.session, statement, account, chunks)
            .await;
        self.files
            .keep(to.meter, to.session, statement, account, stage);
        Ok(Delivered {
            reply,
            withdrawn,
            ended,
            aftermath,
            detached,
        })
    }

    /// Fetches what Snowflake holds of a statement whose reply was delivered, as a delivery of its own, once it has one of
    /// the session's `fetches`: each result may be large and is held whole.
    ///
    /// # Errors
    /// See `deliver`.
    pub async fn fetch(
        &self,
        way: Way<'_>,
        to: &Recipient<'_>,
        partition: Option<u32>,
        fetches: &Semaphore,
    ) -> Result<Fetched, RecordError> {
        if partition.is_some() {
            // A partition tells nothing by which it could be compared.
            self.wait_compared(way, to, to.query_id, fetches).await?;
        }
        let Ok(Ok(_place)) = timeout(ANSWER_WITHIN, fetches.acquire()).await else {
            return Ok(Fetched::Running);
        };
        let (known, is_compared) = match self.standing(to) {
            None | Some(Standing::Unnamed) => return Ok(Fetched::Unknown),
            Some(Standing::Withheld) => return Ok(Fetched::Withheld),
            Some(Standing::Uncompared(_)) if partition.is_some() => return Ok(Fetched::Running),
            Some(Standing::Uncompared(known)) => (known, false),
            Some(Standing::Compared(known)) => (known, true),
        };
        let to = to.by_name_of(&known);
        let wanted = Wanted {
            query_id: known.query_id,
            partition,
            is_compared,
        };
        let unmasked = ask(way, to.form, wanted, known.earlier).await;
        let delivered = self.deliver(unmasked, way.login, &to).await?;
        Ok(Fetched::Reply(delivered.reply))
    }

    /// Looks once how a statement stands that nobody has compared; compares and records its end, and delivers nothing.
    ///
    /// # Errors
    /// The recorder cannot keep its mode's promise.
    pub async fn look(&self, way: Way<'_>, to: &Recipient<'_>) -> Result<Look, RecordError> {
        let Some(Standing::Uncompared(known)) = self.standing(to) else {
            return Ok(Look::Over);
        };
        let to = to.by_name_of(&known);
        let (wanted, earlier) = uncompared(known);
        let unmasked = ask(way, to.form, wanted, earlier).await;
        self.compare(unmasked, way.login, &to).await
    }

    /// Looks once, and gives up where Snowflake takes longer than a time to say.
    ///
    /// # Errors
    /// The recorder cannot keep its mode's promise.
    pub async fn look_within(
        &self,
        way: Way<'_>,
        to: &Recipient<'_>,
        limit: Duration,
    ) -> Result<Look, RecordError> {
        let Some(Standing::Uncompared(known)) = self.standing(to) else {
            return Ok(Look::Over);
        };
        let to = to.by_name_of(&known);
        // What is given up is the asking alone: a comparison that has begun is carried to its end.
        let (wanted, earlier) = uncompared(known);
        match timeout(limit, ask(way, to.form, wanted, earlier)).await {
            Ok(unmasked) => self.compare(unmasked, way.login, &to).await,
            Err(_) => Ok(Look::Running),
        }
    }

    async fn compare(
        &self,
        unmasked: Unmasked,
        login: &Login,
        to: &Recipient<'_>,
    ) -> Result<Look, RecordError> {
        let waiting = self.waiting(to);
        let masked = self.mask(unmasked, login, to);
        let conclusion = self.concluded(&masked, to);
        if !conclusion.is_end() {
            let goes_on = masked.outcome().in_progress;
            return Ok(if goes_on { Look::Running } else { Look::Untold });
        }
        let mut turn = Turn::take(waiting.as_deref(), &conclusion).await;
        let (recorder, now) = (&self.recorder, self.clock.now());
        let end = masked.outcome().end().filter(|_| turn.ends().is_some());
        record::conclude(recorder, to.session, masked, turn.ends(), now).await?;
        turn.end();
        if let Some(end) = end {
            to.meter.ended(now, end);
        }
        self.registry.conclude(to.query(), &conclusion);
        Ok(Look::Over)
    }

    /// Waits until a statement of the recipient's session is over and compared, for a time; one asks for all who wait.
    ///
    /// # Errors
    /// The recorder cannot keep its mode's promise.
    pub(super) async fn wait_compared(
        &self,
        way: Way<'_>,
        to: &Recipient<'_>,
        query_id: QueryId,
        fetches: &Semaphore,
    ) -> Result<(), RecordError> {
        let to = Recipient { query_id, ..*to };
        let Some(Sent { form, held, .. }) = self.registry.find(to.query()) else {
            return Ok(());
        };
        let to = &Recipient { form, ..to };
        let until = Instant::now() + COMPARED_WITHIN;
        // The statement's own reply compares it, or says that Snowflake goes on with it. Its end is not recorded before.
        if let Some(execution) = held
            && let Answer::Running(_) = execution.wait(COMPARED_WITHIN).await
        {
            return Ok(());
        }
        let Some(turn) = self.registry.turn(to.query()) else {
            return Ok(());
        };
        let Ok(_turn) = timeout_at(until, turn.lock()).await else {
            return Ok(());
        };
        let mut pause = LOOK_AGAIN.0;
        while let Some(Standing::Uncompared(_)) = self.standing(to) {
            let Ok(Ok(place)) = timeout_at(until, fetches.acquire()).await else {
                return Ok(());
            };
            let left = until.saturating_duration_since(Instant::now());
            if self.look_within(way, to, left).await? == Look::Over || left.is_zero() {
                return Ok(());
            }
            drop(place);
            sleep_until(until.min(Instant::now() + pause)).await;
            pause = (pause * 2).min(LOOK_AGAIN.1);
        }
        Ok(())
    }

    /// Records that nobody will see a statement's end, unless it was seen.
    pub async fn abandon(&self, query: QueryRef<'_>, detached: &Detached) {
        self.registry.let_go(query);
        let undone = detached.undone().await;
        let Some(waiting) = undone.as_ref() else {
            return;
        };
        let now = self.clock.now();
        if let Err(error) = record::abandon(&self.recorder, waiting, now).await {
            tracing::error!(%error, "a statement's end could not be recorded");
        }
        detached.end(undone);
    }

    /// Masks an answer; one that tells of no end of a query that Snowflake had named is not taken for it. A login through
    /// which something else ran than what was judged is distrusted before anything of that is told.
    fn mask(&self, unmasked: Unmasked, login: &Login, to: &Recipient<'_>) -> Masked {
        let named = self.registry.find(to.query()).and_then(|sent| sent.named());
        let masked = mask(
            unmasked,
            &Addressee {
                session: to.session,
                query_id: to.query_id,
                form: to.form,
                host: to.host,
                keys: &self.hash_keys,
            },
        );
        if masked.outcome().is_other {
            login.distrust();
        }
        match named {
            Some(named) => masked.about(named),
            None => masked,
        }
    }

    /// Reads what an answer says; what is withheld is so from here on, before anything of it can be asked for.
    fn concluded(&self, masked: &Masked, to: &Recipient<'_>) -> Conclusion {
        let conclusion = Conclusion::of(masked, to.query_id);
        if conclusion.is_withheld() {
            self.registry.conclude(to.query(), &conclusion);
        }
        conclusion
    }

    fn standing(&self, to: &Recipient<'_>) -> Option<Standing> {
        Some(self.registry.find(to.query())?.standing)
    }

    fn waiting(&self, to: &Recipient<'_>) -> Option<Arc<Detached>> {
        self.registry.find(to.query())?.detached
    }
}

/// The turn to record a statement's end, which one has at a time and one alone completes.
struct Turn<'a> {
    detached: Option<&'a Detached>,
    undone: Option<tokio::sync::MutexGuard<'a, Option<record::Undone>>>,
}

impl<'a> Turn<'a> {
    /// Waits for the turn, if the answer is a statement's end.
    async fn take(detached: Option<&'a Detached>, conclusion: &Conclusion) -> Self {
        let detached = detached.filter(|_| conclusion.is_end());
        let undone = match detached {
            Some(detached) => Some(detached.undone().await),
            None => None,
        };
        Self { detached, undone }
    }

    /// Gives the rows that the end completes.
    fn ends(&self) -> Option<&record::Undone> {
        self.undone.as_ref()?.as_ref()
    }

    /// Notes that the end is recorded.
    fn end(&mut self) {
        if let (Some(detached), Some(undone)) = (self.detached, self.undone.take()) {
            detached.end(undone);
        }
    }
}

/// Gives what is asked for to compare a statement, and how it was judged.
fn uncompared(known: Known) -> (Wanted, Earlier) {
    let wanted = Wanted {
        query_id: known.query_id,
        partition: None,
        is_compared: false,
    };
    (wanted, known.earlier)
}

/// Asks Snowflake for the result of a statement that was sent earlier, at the door that it came through.
async fn ask(way: Way<'_>, form: Form, wanted: Wanted, earlier: Earlier) -> Unmasked {
    let Way {
        upstream,
        login,
        headers,
    } = way;
    match form {
        Form::V1 => upstream::fetch(upstream, login, headers, wanted.query_id, earlier).await,
        Form::V2 { .. } => {
            upstream::fetch_partition(upstream, login, headers, wanted, earlier).await
        }
    }
}
