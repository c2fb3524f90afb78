//! What a login's own statements have made of its names: where bare ones lead, and what exists for this login alone.
//!
//! Snowflake keeps both, and tells the first with each answer. A statement that may change either runs alone in its
//! login, so that none is judged by what another is about to change.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::effect::Effect;
use super::tag::{Tag, Tags};
use crate::mask::Aftermath;
use crate::snowflake::current::Current;
use crate::statement::{Kind, Path};

/// Most names that are kept as a login's own; of one with more, nothing is known any more.
const OWN_MAX: usize = 1024;

/// A login's database, schema and own objects.
#[derive(Debug)]
pub struct Context {
    turn: RwLock<()>,
    // INVARIANT: changed by whoever runs alone, so that it holds for all that are under way.
    is_ordered: AtomicBool,
    state: Mutex<State>,
    tags: Tags,
}

#[derive(Debug)]
struct State {
    names: Names,
    /// Names under which the login has, or may have, objects that nobody else sees; they stay: one that is dropped uncovers
    /// what it hid, and a rollback may bring it back.
    own: BTreeSet<Path>,
    /// Whether any name may be such a one.
    is_any_own: bool,
    /// Whether Snowflake may still be at work on what changes the login: its place, variables, parameters or transaction.
    is_left_open: bool,
    /// How many statements that may change the login were sent and have not ended.
    changing: usize,
}

/// Where bare names lead.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    /// There.
    Known(Current),
    /// The next answer tells.
    Untold,
    /// A statement that may change it may still be under way; nothing tells.
    Lost,
}

/// A login's context as a proxy leaves it that has come to rest: no statement of the login is under way, and none begins
/// before the next proxy goes on from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtRest {
    current: Option<Current>,
    own: Option<BTreeSet<Path>>,
    is_left_open: bool,
}

/// Keeps statements that change names apart from all others of the login.
#[derive(Debug)]
pub enum Turn<'c> {
    /// Others that change nothing may go on beside it.
    Shared(RwLockReadGuard<'c, ()>),
    /// No other.
    Alone(RwLockWriteGuard<'c, ()>),
}

/// A statement that was let go to Snowflake.
#[derive(Debug)]
#[must_use = "what it left behind is not known before it is told"]
pub struct Begun {
    changes: bool,
    moves: bool,
    was_lost: bool,
}

impl Context {
    /// The context of a login that has just been opened.
    #[must_use]
    pub fn opened(current: Current) -> Self {
        Self::of(Names::Known(current), false)
    }

    /// Adds the query tag that the login began with, and what it is where the login says none.
    #[must_use]
    pub fn tagged(self, own: Option<String>, default: Tag) -> Self {
        let tags = Tags::new(own, default);
        Self { tags, ..self }
    }

    /// Gives what is known of its query tag: nothing, where another proxy has seen its statements.
    pub(crate) fn tags(&self) -> &Tags {
        &self.tags
    }

    /// The context of a login whose statements were seen by another proxy.
    #[must_use]
    pub fn resumed() -> Self {
        Self::of(Names::Untold, true)
    }

    /// Gives all that is known, for a proxy that goes on from here.
    #[must_use]
    pub fn at_rest(&self) -> AtRest {
        let is_left_open = self.would_be_left_open();
        let current = match &self.state().names {
            Names::Known(current) => Some(current.clone()),
            Names::Untold | Names::Lost => None,
        };
        AtRest {
            current,
            own: self.own(),
            is_left_open,
        }
    }

    /// Goes on from what a proxy left that had come to rest.
    #[must_use]
    pub fn gone_on(left: AtRest) -> Self {
        let AtRest {
            current,
            own,
            is_left_open,
        } = left;
        // What may be moved at any moment is told by no answer.
        let names = match current {
            Some(current) => Names::Known(current),
            None if is_left_open => Names::Lost,
            None => Names::Untold,
        };
        let context = Self::of(names, own.is_none());
        context.recall(own.as_ref(), is_left_open);
        context
    }

    fn of(names: Names, is_any_own: bool) -> Self {
        Self {
            turn: RwLock::new(()),
            is_ordered: AtomicBool::new(false),
            state: Mutex::new(State {
                names,
                own: BTreeSet::new(),
                is_any_own,
                is_left_open: false,
                changing: 0,
            }),
            tags: Tags::new(None, Tag::Unknown),
        }
    }

    /// Lists the names under which the login has objects that nobody else sees; none if any may be one.
    pub(super) fn own(&self) -> Option<BTreeSet<Path>> {
        let state = self.state();
        (!state.is_any_own).then(|| state.own.clone())
    }

    /// Takes over what another proxy knew: of the login's own objects, if it has made none since, and whether Snowflake may
    /// still be at work on the login.
    pub fn recall(&self, own: Option<&BTreeSet<Path>>, is_left_open: bool) {
        let mut state = self.state();
        state.is_left_open |= is_left_open;
        if let Some(own) = own {
            state.own.extend(own.iter().cloned());
            state.is_any_own = false;
        }
    }

    /// Waits until no statement that changes names is under way.
    pub(super) async fn share(&self) -> Turn<'_> {
        Turn::Shared(self.turn.read().await)
    }

    /// Waits until no statement is under way.
    pub(super) async fn alone(&self) -> Turn<'_> {
        Turn::Alone(self.turn.write().await)
    }

    /// Tells whether those under way that change names run alone.
    pub(super) fn is_ordered(&self) -> bool {
        self.is_ordered.load(Ordering::SeqCst)
    }

    /// Says whether those that change names run alone from here on, for one that has waited until no other is under way.
    pub(super) fn order<'c>(&'c self, alone: Turn<'c>, is_ordered: bool) -> Turn<'c> {
        match alone {
            Turn::Shared(shared) => Turn::Shared(shared),
            Turn::Alone(alone) => {
                self.is_ordered.store(is_ordered, Ordering::SeqCst);
                Turn::Shared(alone.downgrade())
            }
        }
    }

    /// Tells where bare names lead, as far as it is known.
    #[must_use]
    pub fn current(&self) -> Current {
        match &self.state().names {
            Names::Known(current) => current.clone(),
            Names::Untold | Names::Lost => Current::default(),
        }
    }

    /// Tells whether the login may see another object under a name than others do.
    pub(super) fn may_own(&self, path: &Path) -> bool {
        let state = self.state();
        state.is_any_own || state.own.contains(path)
    }

    /// Notes that a statement is about to be sent.
    pub fn begin(&self, effect: &Effect, kind: Kind) -> Begun {
        let mut state = self.state();
        let changes = changes_login(kind);
        state.changing += usize::from(changes);
        state.own.extend(effect.temporary.iter().cloned());
        state.is_any_own |= effect.makes_unnamed || state.own.len() > OWN_MAX;
        let was_lost = state.names == Names::Lost;
        if effect.moves {
            state.names = Names::Lost;
        }
        Begun {
            changes,
            moves: effect.moves,
            was_lost,
        }
    }

    /// Tells whether a statement that Snowflake goes on with by itself may still change the login, at any moment.
    pub(super) fn is_left_open(&self) -> bool {
        let state = self.state();
        state.is_left_open || state.names == Names::Lost
    }

    /// Tells whether another proxy, which hears of no end, must take it that a statement may still change the login.
    pub(super) fn would_be_left_open(&self) -> bool {
        self.is_left_open() || self.state().changing > 0
    }

    /// Notes what is known after it.
    pub fn end(&self, begun: &Begun, aftermath: Aftermath) {
        let mut state = self.state();
        state.changing = state.changing.saturating_sub(usize::from(begun.changes));
        state.is_left_open |= aftermath == Aftermath::Open && begun.changes;
        if begun.was_lost || (!begun.moves && state.names == Names::Lost) {
            return;
        }
        match aftermath {
            Aftermath::Told(current) => state.names = Names::Known(current),
            Aftermath::Over if begun.moves => state.names = Names::Untold,
            Aftermath::Over | Aftermath::Open => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether a kind of statement may change its login: all but those which only read and change rows.
pub(super) fn changes_login(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Query | Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current(schema: &str) -> Current {
        Current {
            database: Some("DB".to_owned()),
            schema: Some(schema.to_owned()),
            ..Current::default()
        }
    }

    fn moving() -> Effect {
        Effect {
            moves: true,
            ..Effect::default()
        }
    }

    fn schema(context: &Context) -> String {
        context.current().schema.unwrap_or_default()
    }

    fn run(context: &Context, effect: &Effect, aftermath: Aftermath) -> String {
        let begun = context.begin(effect, Kind::Query);
        context.end(&begun, aftermath);
        schema(context)
    }

    #[test]
    fn what_snowflake_goes_on_with_may_change_the_login_at_any_moment() {
        for (kind, may) in [
            (Kind::Session, true),
            (Kind::Unknown, true),
            (Kind::Query, false),
        ] {
            let context = Context::opened(current("A"));
            for aftermath in [Aftermath::Over, Aftermath::Open, Aftermath::Over] {
                let begun = context.begin(&Effect::default(), kind);
                let was = context.is_left_open();
                assert_eq!(context.would_be_left_open(), was || may, "{kind:?}");
                context.end(&begun, aftermath.clone());
                let expected = was || may && aftermath == Aftermath::Open;
                assert_eq!(context.is_left_open(), expected, "{kind:?} {aftermath:?}");
                assert_eq!(context.would_be_left_open(), expected, "{kind:?}");
            }
        }
    }

    #[test]
    fn the_next_proxy_knows_what_a_login_was_left_with() {
        let own = BTreeSet::new();
        for (own, is_open) in [(Some(&own), false), (Some(&own), true), (None, true)] {
            let context = Context::resumed();
            context.recall(own, is_open);
            assert_eq!(context.is_left_open(), is_open);
            assert_eq!(context.own().is_some(), own.is_some());
        }
    }

    #[test]
    fn what_a_proxy_at_rest_knew_the_next_one_knows() {
        let contexts = [
            Context::opened(current("A")),
            Context::resumed(),
            Context::opened(Current::default()),
        ];
        for (number, context) in contexts.iter().enumerate() {
            if number == 2 {
                let begun = context.begin(&moving(), Kind::Session);
                context.end(&begun, Aftermath::Open);
            }
            let text = serde_json::to_string(&context.at_rest()).unwrap();
            let next = Context::gone_on(serde_json::from_str(&text).unwrap());
            assert_eq!(next.state().names, context.state().names);
            assert_eq!(next.own(), context.own());
            assert_eq!(next.is_left_open(), context.is_left_open());
        }
    }

    #[test]
    fn a_login_is_where_snowflake_says_after_each_statement() {
        let context = Context::opened(current("A"));
        assert_eq!(schema(&context), "A");
        let stays = Effect::default();
        assert_eq!(run(&context, &stays, Aftermath::Open), "A");
        assert_eq!(run(&context, &moving(), Aftermath::Told(current("B"))), "B");
        assert_eq!(run(&context, &stays, Aftermath::Told(current("C"))), "C");
        assert_eq!(run(&context, &moving(), Aftermath::Over), "");
        assert_eq!(run(&context, &stays, Aftermath::Told(current("D"))), "D");
    }

    #[test]
    fn where_a_login_is_stays_unknown_once_a_move_may_be_under_way() {
        let context = Context::opened(current("A"));
        let begun = context.begin(&moving(), Kind::Session);
        assert_eq!(schema(&context), "");
        context.end(&begun, Aftermath::Open);
        for effect in [Effect::default(), moving()] {
            assert_eq!(run(&context, &effect, Aftermath::Told(current("B"))), "");
        }
        let context = Context::opened(current("A"));
        // Its task ended by a panic.
        drop(context.begin(&moving(), Kind::Session));
        let later = Aftermath::Told(current("B"));
        assert_eq!(run(&context, &Effect::default(), later), "");
    }

    #[test]
    fn a_name_that_the_login_made_for_itself_stays_its_own() {
        let context = Context::opened(current("A"));
        let path = |name: &str| Path::new(["DB", "A", name].map(str::to_owned).to_vec());
        let makes = Effect {
            temporary: BTreeSet::from([path("T")]),
            ..Effect::default()
        };
        assert!(!context.may_own(&path("T")));
        run(&context, &makes, Aftermath::Open);
        run(&context, &Effect::default(), Aftermath::Over);
        assert!(context.may_own(&path("T")) && !context.may_own(&path("U")));
        let anything = Effect {
            makes_unnamed: true,
            ..Effect::default()
        };
        run(&context, &anything, Aftermath::Over);
        assert!(context.may_own(&path("U")));
        assert!(Context::resumed().may_own(&path("U")));
    }

    #[tokio::test]
    async fn a_statement_that_moves_waits_for_the_others_and_they_for_it() {
        let context = Context::opened(current("A"));
        let (one, other) = (context.share().await, context.share().await);
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, context.alone()).await.is_err());
        drop((one, other));
        let alone = context.alone().await;
        assert!(tokio::time::timeout(soon, context.share()).await.is_err());
        drop(alone);
        drop(context.share().await);
    }
}
