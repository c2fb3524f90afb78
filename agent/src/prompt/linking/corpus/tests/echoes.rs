//! Scripts of the job's own whose SQL no model wrote, with two uses open at once: only what came back tells whose they are. And
//! results that repeat what their use cannot have from the statement.

use super::world::{Agent, Says, World};
use crate::id::StatementId;
use crate::prompt::linking::Delivered;
use crate::prompt::linking::evidence::Evidence;
use crate::prompt::linking::grade::Grade;
use crate::prompt::linking::link::Method;

const ROWS: [&str; 4] = [
    "anna@acme.example",
    "order-71823",
    "8675309",
    "bert@acme.example",
];

const SAYS: Says<'static> = Says {
    family: "echo",
    label: None,
    is_direct: false,
    is_hostile: false,
};

/// A session with one agent and two uses of it that are open, neither of which holds SQL.
struct Open {
    world: World,
    agent: Agent,
    one: String,
    two: String,
}

impl Open {
    fn new() -> Self {
        let mut world = World::new(77);
        let agent = world.agent();
        let one = world.bash(&agent, "make report");
        let two = world.bash(&agent, "make lint");
        Self {
            world,
            agent,
            one,
            two,
        }
    }

    /// Has a script issue a statement that is answered with these rows.
    fn answered(&mut self, rows: &[&str]) -> StatementId {
        let process = self.world.exec(&self.agent.process);
        let sql = "select x from made.by_a_script where y";
        let id = self.world.issue(&process, None, sql, SAYS);
        self.deliver(id, rows);
        id
    }

    fn deliver(&mut self, id: StatementId, rows: &[&str]) {
        let values = rows.iter().map(|value| (*value).to_owned()).collect();
        let delivered = Delivered {
            values,
            ..Delivered::default()
        };
        self.world.matching.delivered(id, &delivered);
    }

    /// Gives how a statement is linked by now.
    #[track_caller]
    fn check(&self, id: StatementId, grade: Grade, call: Option<&str>) {
        let mut rows = self.world.rows.iter();
        let link = &rows.find(|row| row.link.statement_id == id).unwrap().link;
        assert_eq!((link.grade, link.tool_call_id.as_deref()), (grade, call));
        assert_eq!(
            link.evidence.has(Evidence::ECHO),
            call.is_some(),
            "{link:?}"
        );
        assert_eq!(link.method == Method::Echo, call.is_some(), "{link:?}");
    }
}

fn table(rows: &[&str]) -> String {
    rows.iter().map(|value| format!("| {value} |\n")).collect()
}

#[test]
fn what_came_back_tells_which_of_two_uses_it_was() {
    let mut open = Open::new();
    let id = open.answered(&ROWS);
    open.check(id, Grade::Possible, None);
    let (one, two) = (open.one.clone(), open.two.clone());
    open.world.result(&two, "42 warnings");
    open.world.result(&one, &table(&ROWS));
    open.check(id, Grade::Probable, Some(&one));
}

#[test]
fn of_one_use_alone_the_link_says_then_how_it_is_known() {
    let mut open = Open::new();
    let (one, two) = (open.one.clone(), open.two.clone());
    open.world.result(&two, "ok");
    let id = open.answered(&ROWS);
    let before = open.world.rows[0].link.clone();
    assert_eq!(
        (before.grade, before.method),
        (Grade::Probable, Method::Time)
    );
    open.world.result(&one, &table(&ROWS));
    open.check(id, Grade::Probable, Some(&one));
    let after = &open.world.rows[0].link;
    assert_eq!(after.supersedes.as_ref(), Some(&before.link_id));
}

#[test]
fn an_earlier_results_values_are_no_echo() {
    let mut open = Open::new();
    let (one, two) = (open.one.clone(), open.two.clone());
    let earlier = open.world.bash(&open.agent.clone(), "cat customers.csv");
    open.world.result(&earlier, &table(&ROWS));
    let id = open.answered(&ROWS);
    open.world.result(&one, &table(&ROWS));
    open.world.result(&two, "ok");
    open.check(id, Grade::Possible, None);
}

#[test]
fn a_prompts_values_are_no_echo() {
    let mut open = Open::new();
    let one = open.one.clone();
    open.world.matching.said(&table(&ROWS[1..]));
    let id = open.answered(&ROWS);
    open.world.result(&one, &table(&ROWS));
    open.check(id, Grade::Possible, None);
}

/// Both statements had the same answer: that it came back tells neither's use.
#[test]
fn the_answer_of_two_statements_is_no_echo() {
    let mut open = Open::new();
    let (one, two) = (open.one.clone(), open.two.clone());
    let ids = [open.answered(&ROWS), open.answered(&ROWS)];
    open.world.result(&one, &table(&ROWS));
    open.world.result(&two, &table(&ROWS));
    for id in ids {
        open.check(id, Grade::Possible, None);
    }
}

/// A use that cannot know the values guesses what many answers have.
#[test]
fn guesses_are_no_echo() {
    let mut open = Open::new();
    let one = open.one.clone();
    let common = [
        "2026-01-31",
        "pending",
        "true",
        "100000",
        "shipped",
        "12:00:00",
        "Germany",
    ];
    let id = open.answered(&common);
    open.world.result(&one, &table(&common));
    open.check(id, Grade::Possible, None);
}

/// Results that come in one request: what stands in two of them is of neither.
#[test]
fn what_two_results_say_at_once_is_no_echo() {
    let mut open = Open::new();
    let id = open.answered(&ROWS);
    let both = [&open.one, &open.two].map(|call| crate::prompt::linking::Returned {
        tool_call_id: call.clone(),
        text: table(&ROWS),
    });
    open.world.wait();
    let now = open.world.now();
    let owner = open.agent.process.0.last().copied();
    let links = open.world.matching.results_seen(&both, owner, now);
    assert!(links.is_empty());
    open.check(id, Grade::Possible, None);
}

/// Other SQL stood in the use's arguments: what it shows then is told, and lifts nothing.
#[test]
fn an_echo_beside_other_sql_stays_a_mismatch() {
    let mut world = World::new(78);
    let agent = world.agent();
    let one = world.bash(&agent, "snow sql -q 'select harmless from innocent'");
    let two = String::new();
    let mut open = Open {
        world,
        agent,
        one: one.clone(),
        two,
    };
    let id = open.answered(&ROWS);
    open.world.result(&one, &table(&ROWS));
    let link = &open.world.rows[0].link;
    assert_eq!((link.statement_id, link.grade), (id, Grade::Possible));
    assert!(link.is_mismatch && link.evidence.has(Evidence::ECHO));
}
