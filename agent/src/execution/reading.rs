//! A statement read by what is known: of its login's names, and of the tables and views that it leads to.
//!
//! It is read once to learn its names, and again if the account knows more of them; its text, and whatever stands in it,
//! is parsed once. Where no policy looks at names, no account is asked. Policies may be replaced at any time: a statement
//! has those that were in force when it was taken up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::catalogues::Tags;
use super::context::{Context, Turn};
use super::effect::Effect;
use super::{Recipient, Way};
use crate::approval::Request;
use crate::policy::{Bundle, LinkGrade};
use crate::record::RecordError;
use crate::session::Stages;
use crate::snowflake::current::Current;
use crate::snowflake::query::QueryRequest;
use crate::statement::{Action, Catalogue, Class, Meaning, Object, Path, Scope, Statement, Texts};
use crate::upstream::Account;

/// How deep views may rest on views.
const VIEWS_MAX: usize = 16;

/// Why something is not known of which a login may have its own.
const OWN: &str = "this login has, or may have, temporary objects under names that it uses; what they are is known to Snowflake alone: log in anew to use the account's own";

/// What is asked, where, and through which login.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// By which way Snowflake is asked.
    pub way: Way<'a>,
    /// The query, and to whom its answer goes.
    pub to: &'a Recipient<'a>,
    /// The account.
    pub account: &'a Arc<Account>,
    /// What the login's statements have made of its names.
    pub context: &'a Context,
    /// The request.
    pub request: &'a QueryRequest,
    /// The results that its session may fetch at once.
    pub fetches: &'a Semaphore,
    /// The labels of its session.
    pub labels: &'a BTreeMap<String, String>,
    /// What people were asked for it by an earlier proxy.
    pub before: Option<&'a Request>,
    /// Which call of a model it comes from, as far as it is known.
    pub link: LinkGrade,
    /// What a person told the agent that led to it, as the agent claims, with the link's grade.
    pub prompt: Option<&'a str>,
}

/// A statement, and what it was read by.
pub struct Reading<'a> {
    /// The policies that judge it.
    pub bundle: Arc<Bundle>,
    /// The statement.
    pub statement: Statement,
    /// Where its login was.
    pub current: Current,
    /// What was known.
    pub catalogue: Catalogue,
    /// Why something may not have been.
    pub gap: Option<String>,
    /// What it uses, or its views lead to, and was not looked up, where anything was.
    pub unseen: BTreeSet<Path>,
    /// What it may do to the names of later ones.
    pub effect: Effect,
    /// Keeps what was known true until the statement has been carried out.
    pub turn: Turn<'a>,
}

impl Stages {
    /// Reads a request by what is known, which is asked for first where policies look at it.
    ///
    /// # Errors
    /// An earlier result that it scans could not be recorded.
    pub async fn understand<'a>(&self, asking: Asking<'a>) -> Result<Reading<'a>, RecordError> {
        let texts = Texts::default();
        let (bundle, mut turn) = self.take_up(asking.context).await;
        let looks = bundle.looks_at_resources();
        let mut current = asking.context.current();
        let mut read = self.read_by_names(asking, &texts, &current).await?;
        if looks && read.1.is_exclusive() {
            // The shared turn goes first: whoever else waits for it would wait for ever.
            drop(turn);
            turn = asking.context.alone().await;
            current = asking.context.current();
            read = self.read_by_names(asking, &texts, &current).await?;
        }
        self.complete(asking, (bundle, turn), (read, texts, current), looks)
            .await
    }

    /// Reads a request by where its login is and by all that the account says of its names, whatever policies look at.
    ///
    /// # Errors
    /// An earlier result that it scans could not be recorded.
    pub(super) async fn understand_at<'a>(
        &self,
        asking: Asking<'a>,
        turn: Turn<'a>,
        current: Current,
    ) -> Result<Reading<'a>, RecordError> {
        let texts = Texts::default();
        let bundle = self.policies.bundle();
        let read = self.read_by_names(asking, &texts, &current).await?;
        self.complete(asking, (bundle, turn), (read, texts, current), true)
            .await
    }

    /// Reads what was read by names once more by what the account says of them, if that is looked at; what a text defines
    /// itself before it uses it, the account cannot tell.
    async fn complete<'a>(
        &self,
        asking: Asking<'a>,
        (bundle, turn): (Arc<Bundle>, Turn<'a>),
        (read, texts, current): ((Statement, Effect, Catalogue), Texts, Current),
        looks: bool,
    ) -> Result<Reading<'a>, RecordError> {
        let (mut statement, effect, mut catalogue) = read;
        let (mut gap, mut unseen) = (None, BTreeSet::new());
        if looks && !effect.redefines_within {
            let known = (&*bundle, &texts);
            let learned = self.learn(asking, known, &statement, &mut catalogue);
            (gap, unseen) = learned.await;
            if !catalogue.relations.is_empty() {
                statement = self.read_as(asking, &texts, &catalogue).await?;
            }
        }
        Ok(Reading {
            bundle,
            statement,
            current,
            catalogue,
            gap,
            unseen,
            effect,
            turn,
        })
    }

    /// Takes the policies in force, once no statement of the login is under way by policies that order them otherwise: one
    /// that changes names does not wait for others where no policy looks at names.
    pub(crate) async fn take_up<'a>(&self, context: &'a Context) -> (Arc<Bundle>, Turn<'a>) {
        let turn = context.share().await;
        let bundle = self.policies.bundle();
        if bundle.looks_at_resources() == context.is_ordered() {
            return (bundle, turn);
        }
        drop(turn);
        let turn = context.alone().await;
        let bundle = self.policies.bundle();
        let turn = context.order(turn, bundle.looks_at_resources());
        (bundle, turn)
    }

    /// Reads by the login's names alone, as far as the statement's own lead from there.
    async fn read_by_names(
        &self,
        asking: Asking<'_>,
        texts: &Texts,
        current: &Current,
    ) -> Result<(Statement, Effect, Catalogue), RecordError> {
        let mut catalogue = Catalogue {
            database: current.database.clone(),
            schema: current.schema.clone(),
            ..Catalogue::default()
        };
        let statement = self.read_as(asking, texts, &catalogue).await?;
        let effect = Effect::of(&statement);
        let here = [&catalogue.database, &catalogue.schema];
        let here: Vec<String> = here.into_iter().flatten().cloned().collect();
        let is_elsewhere = effect
            .view_in
            .as_ref()
            .is_some_and(|schema| schema.names() != here);
        if !effect.names_elsewhere && !is_elsewhere {
            return Ok((statement, effect, catalogue));
        }
        (catalogue.database, catalogue.schema) = (None, None);
        let statement = self.read_as(asking, texts, &catalogue).await?;
        let effect = effect.or(Effect::of(&statement));
        Ok((statement, effect, catalogue))
    }

    async fn read_as(
        &self,
        asking: Asking<'_>,
        texts: &Texts,
        catalogue: &Catalogue,
    ) -> Result<Statement, RecordError> {
        let Asking {
            way,
            to,
            request,
            fetches,
            ..
        } = asking;
        self.read(way, to, request, (catalogue, texts), fetches)
            .await
    }

    /// Adds what the account knows of a statement's relations, and of those that its views rest on; gives why something is
    /// not known, and what was not looked up.
    async fn learn(
        &self,
        asking: Asking<'_>,
        (bundle, texts): (&Bundle, &Texts),
        statement: &Statement,
        catalogue: &mut Catalogue,
    ) -> (Option<String>, BTreeSet<Path>) {
        let tags = match bundle.looks_at_tags() {
            true => Tags::Wanted,
            false => Tags::Unwanted,
        };
        let mut gap = None;
        let (mut asked, mut unseen) = (BTreeSet::new(), BTreeSet::new());
        let mut wanted = relations(statement);
        for _ in 0..=VIEWS_MAX {
            wanted.retain(|path| !asked.contains(path));
            let own = wanted.extract_if(.., |path| asking.context.may_own(path));
            let own: BTreeSet<Path> = own.collect();
            if !own.is_empty() {
                gap = Some(OWN.to_owned());
            }
            unseen.extend(own);
            if wanted.is_empty() {
                break;
            }
            let (upstream, account) = (asking.way.upstream, asking.account);
            let found = self.catalogues.look_up(upstream, account, &wanted, tags);
            let found = found.await;
            gap = gap.or(found.gap.map(|gap| gap.to_string()));
            asked.append(&mut wanted);
            unseen.extend(found.unseen);
            for (path, facts) in &found.relations {
                if let (Class::View, Some(text)) = (facts.class, &facts.text) {
                    wanted.extend(behind(path, text, texts));
                }
            }
            catalogue.relations.extend(found.relations);
        }
        wanted.retain(|path| !asked.contains(path));
        unseen.append(&mut wanted);
        (gap, unseen)
    }
}

/// Lists the relations that a view rests on; none where its text cannot be read.
fn behind(view: &Path, text: &str, texts: &Texts) -> BTreeSet<Path> {
    let [database, schema, _] = view.names() else {
        return BTreeSet::new();
    };
    let there = Catalogue {
        database: Some(database.clone()),
        schema: Some(schema.clone()),
        ..Catalogue::default()
    };
    let scope = Scope::new(&|_| false).with(&there).once(texts);
    relations(&Statement::read(text, &scope))
}

/// Lists the whole paths of what a statement reads rows of, or uses columns of.
fn relations(statement: &Statement) -> BTreeSet<Path> {
    let parts = statement.parts().iter().chain([statement]);
    parts
        .filter_map(Statement::meaning)
        .flat_map(relations_of)
        .filter(|object| object.has_columns() && object.is_settled())
        .map(|object| object.path().clone())
        .collect()
}

/// Lists what a statement reads rows of, or uses columns of.
pub(super) fn relations_of(meaning: &Meaning) -> impl Iterator<Item = &Object> {
    let touched = meaning.accesses().iter().filter(|access| {
        // What is only made, changed or removed needs no columns.
        !matches!(access.action, Action::Create | Action::Alter | Action::Drop)
    });
    let used = meaning.columns().iter().map(|found| &found.column.object);
    touched.map(|access| &access.object).chain(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_views_relations_are_those_of_its_own_schema() {
        let view = Path::new(["DB", "S", "V"].map(str::to_owned).to_vec());
        let told = |text| {
            let paths = behind(&view, text, &Texts::default());
            let told: Vec<String> = paths.iter().map(ToString::to_string).collect();
            told.join(" ")
        };
        assert_eq!(
            told("create or replace view v as select * from t join x.u using (a);"),
            "DB.PUBLIC.T DB.S.T DB.X.U"
        );
        assert_eq!(told("select a from o.p.q"), "O.P.Q");
        assert_eq!(told("not sql"), "");
    }
}
