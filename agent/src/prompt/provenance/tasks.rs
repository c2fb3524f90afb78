//! Tasks that models hand on to other agents: a model wrote the words with which such an agent begins, and no person.

use std::collections::VecDeque;

use super::super::Ids;
use crate::prompt::secrets::clean;

/// Most tasks that are remembered, and most bytes of one.
const TASKS_MAX: usize = 256;
const TASK_MAX_BYTES: usize = 64 << 10;

/// Tasks, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Tasks(VecDeque<Task>);

#[derive(Debug)]
struct Task {
    /// The process whose model call handed it on.
    owner: Option<u64>,
    session: Option<String>,
    agent: Option<String>,
    texts: Vec<String>,
    /// The person's prompt behind it.
    root: String,
}

impl Tasks {
    /// Remembers a task, and the person's prompt that led to it.
    pub(super) fn keep(&mut self, owner: Option<u64>, ids: Ids, texts: Vec<String>, root: String) {
        self.0.push_back(Task {
            owner,
            session: ids.session,
            agent: ids.agent,
            texts,
            root,
        });
        if self.0.len() > TASKS_MAX {
            self.0.pop_front();
        }
    }

    /// Finds the person's prompt behind words with which an agent begins, if they are a task that another one of the same
    /// process was given.
    pub(super) fn root(&self, owner: Option<u64>, ids: &Ids, words: &str) -> Option<String> {
        let is_other = |task: &&Task| task.session != ids.session || task.agent != ids.agent;
        let mut of_process = self.0.iter().rev().filter(|task| task.owner == owner);
        let task = of_process
            .find(|task| is_other(task) && task.texts.iter().any(|text| text == words.trim()))?;
        Some(task.root.clone())
    }
}

/// Gives the texts of a task's arguments, without secrets, if they are an object and not too long.
pub(super) fn texts(arguments: &[u8]) -> Option<Vec<String>> {
    if arguments.len() > TASK_MAX_BYTES {
        return None;
    }
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(arguments) else {
        return None;
    };
    let texts = members.values().filter_map(serde_json::Value::as_str);
    Some(texts.map(|text| clean(text.trim()).text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(agent: Option<&str>) -> Ids {
        Ids {
            session: Some("s".to_owned()),
            agent: agent.map(str::to_owned),
            ..Ids::default()
        }
    }

    #[test]
    fn a_task_is_known_in_another_conversation_of_its_process_alone() {
        let mut tasks = Tasks::default();
        let arguments = br#"{"description": "look", "prompt": " Count the orders. ", "n": 1}"#;
        let texts = texts(arguments).unwrap();
        tasks.keep(Some(7), ids(None), texts, "root".to_owned());
        let root = |owner, agent, words| tasks.root(owner, &ids(agent), words);
        let sub = Some("a1");
        assert_eq!(
            root(Some(7), sub, "Count the orders.").as_deref(),
            Some("root")
        );
        // A person may say the same to the agent itself; another process has tasks of its own; other words are others'.
        assert_eq!(root(Some(7), None, "Count the orders."), None);
        assert_eq!(root(Some(8), sub, "Count the orders."), None);
        assert_eq!(root(Some(7), sub, "Count the orders"), None);
    }

    #[test]
    fn what_is_no_object_or_too_long_is_no_task_and_there_is_a_most() {
        let mut tasks = Tasks::default();
        let long = format!("{{\"prompt\": \"{}\"}}", "x".repeat(TASK_MAX_BYTES));
        for arguments in [&b"\"text\""[..], b"{\"prompt\": ", long.as_bytes()] {
            assert_eq!(texts(arguments), None);
        }
        for _ in 0..=TASKS_MAX {
            tasks.keep(None, ids(None), Vec::new(), "root".to_owned());
        }
        assert_eq!(tasks.0.len(), TASKS_MAX);
    }
}
