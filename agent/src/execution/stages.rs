//! Finds the stage that an agent shows a token of, in the session whose answer opened it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Meter;
use super::chunks::digest;
use crate::id::{SessionId, StatementId};
use crate::snowflake::chunks::ChunkId;
use crate::snowflake::stage::{NamedStage, OpenStage};

/// Most stages that a session holds open; its oldest make room, and a driver sends their statement again.
const STAGES_MAX: usize = 256;

/// Most files that the stages of a session list together, but for the newest stage's own.
const LISTED_MAX: usize = 100_000;

/// A stage whose files a session may move, as long as storage takes what opens it.
#[derive(Debug)]
pub struct StageHandle {
    /// The session.
    pub session: SessionId,
    /// The statement whose answer opened it.
    pub statement: StatementId,
    /// The account whose answer opened it.
    pub account: String,
    /// What counts the use of whom it was opened to.
    pub meter: Meter,
    /// What opens it.
    pub stage: OpenStage,
}

/// The stages of all sessions.
#[derive(Debug, Default)]
pub struct OpenStages(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    /// Tokens are kept as digests, so that a look-up's time says nothing of them.
    by_token: HashMap<[u8; 32], Arc<StageHandle>>,
    /// Tokens by age, each with how many files its stage lists.
    of_session: HashMap<SessionId, VecDeque<([u8; 32], usize)>>,
}

impl OpenStages {
    /// Takes in what an answer opened.
    pub fn keep(
        &self,
        meter: &Meter,
        session: SessionId,
        statement: Option<StatementId>,
        account: &str,
        named: Option<NamedStage>,
    ) {
        let (Some(statement), Some(NamedStage { id, stage })) = (statement, named) else {
            return;
        };
        let listed = stage.listed();
        let handle = StageHandle {
            session,
            statement,
            account: account.to_owned(),
            meter: meter.clone(),
            stage,
        };
        let token = digest(&id);
        let mut tables = self.tables();
        let Tables {
            by_token,
            of_session,
        } = &mut *tables;
        by_token.insert(token, Arc::new(handle));
        let tokens = of_session.entry(session).or_default();
        let mut held = tokens.iter().map(|(_, listed)| listed).sum::<usize>() + listed;
        while tokens.len() >= STAGES_MAX || held > LISTED_MAX {
            let Some((oldest, listed)) = tokens.pop_front() else {
                break;
            };
            by_token.remove(&oldest);
            held -= listed;
        }
        tokens.push_back((token, listed));
    }

    /// Finds a stage by its token, whichever session it is of.
    #[must_use]
    pub fn find(&self, id: &ChunkId) -> Option<Arc<StageHandle>> {
        self.tables().by_token.get(&digest(id)).map(Arc::clone)
    }

    /// Lets go of all stages of a session.
    pub fn forget_session(&self, session: SessionId) {
        let mut tables = self.tables();
        for (token, _) in tables.of_session.remove(&session).unwrap_or_default() {
            tables.by_token.remove(&token);
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::Usages;
    use crate::identity::Principal;
    use crate::snowflake::answer::Answer;
    use crate::snowflake::stage::Moves;

    fn named(files: usize) -> NamedStage {
        let names: Vec<String> = (0..files).map(|number| format!("\"{number}\"")).collect();
        let text = format!(
            r#"{{"data":{{"command":"DOWNLOAD","localLocation":"/tmp","src_locations":[{}],"stageInfo":{{"locationType":"GCS","location":"b/s/","creds":{{"GCS_ACCESS_TOKEN":"t"}}}}}},"success":true}}"#,
            names.join(",")
        );
        let mut answer = Answer::read(text.as_bytes()).unwrap();
        let moves = Moves::Get("/tmp".to_owned());
        answer.name_stage(&moves, "h").unwrap().unwrap()
    }

    #[test]
    fn the_oldest_make_room_and_a_session_takes_all_of_its_own_along() {
        let (stages, session) = (OpenStages::default(), SessionId::new());
        let nowhere = std::path::Path::new("/nonexistent");
        let usages = Usages::open(nowhere, nowhere, chrono::DateTime::UNIX_EPOCH);
        let ci = Principal::host_user("ci".to_owned(), 1001);
        let meter = Arc::new(usages).meter(session, &ci);
        let keep = |named: NamedStage| {
            let id = named.id;
            stages.keep(
                &meter,
                session,
                Some(StatementId::new()),
                "ACME",
                Some(named),
            );
            id
        };
        let oldest = keep(named(1));
        assert_eq!(stages.find(&oldest).unwrap().session, session);
        let many: Vec<ChunkId> = (1..STAGES_MAX).map(|_| keep(named(1))).collect();
        assert!(stages.find(&oldest).is_some());
        keep(named(1));
        assert!(stages.find(&oldest).is_none() && stages.find(&many[0]).is_some());
        let full = keep(named(LISTED_MAX / 2));
        assert!(stages.find(&full).is_some() && stages.find(&many[100]).is_some());
        let last = keep(named(LISTED_MAX / 2));
        assert!(stages.find(&last).is_some() && stages.find(&many[254]).is_none());
        stages.forget_session(session);
        assert!(stages.find(&last).is_none());
    }
}
