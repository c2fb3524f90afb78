//! Table `links`: which prompt and which model call a statement comes from, as far as it is known.

use crate::id::{SessionId, StatementId};
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Bool, F64, I32, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 14,
    name: "links",
    tier: Tier::Metadata,
    doc: "One judgement of where a statement comes from; a later one may supersede it, none is changed.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static COLUMNS: [Column; 14] = [
    Column::new(16, "link_id", Text, "Names the link: its statement's id, and its number among that one's links; the last one holds.").required(),
    Column::new(17, "statement_id", Text, "Statement.").required().bloom(),
    Column::new(18, "tool_call_id", Text, "Use of a tool that carried it.").bloom(),
    Column::new(19, "prompt_key", Text, "Prompt that led to it.").bloom(),
    Column::new(20, "llm_call_id", Text, "Model call that asked for that use."),
    Column::new(21, "grade", Text, "How sure it is: `A` best to `E`, `U` unknown.").required().dictionary(),
    Column::new(22, "confidence", F64, "The same from 0 to 1.").required(),
    Column::new(23, "evidence", I32, "Bits: which observations speak for it, and 4096 against it.").required(),
    Column::new(24, "method", Text, "How it was found.").required().dictionary(),
    Column::new(25, "candidates", I32, "Uses of tools that came into question.").required(),
    Column::new(26, "matcher_version", Text, "Version of what found it.").required().dictionary(),
    Column::new(27, "text_overlap", F64, "Share of the SQL's text that stood in the tool's arguments, from 0 to 1."),
    Column::new(28, "supersedes", Text, "Link that this one takes the place of."),
    Column::new(29, "mismatch", Bool, "Whether uses of tools were open that carried SQL, and none of it is like the statement's."),
];

/// One row of `links`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct LinkRow {
    pub session_id: Option<SessionId>,
    pub link_id: Option<String>,
    pub statement_id: Option<StatementId>,
    pub tool_call_id: Option<String>,
    pub prompt_key: Option<String>,
    pub llm_call_id: Option<String>,
    pub grade: &'static str,
    pub confidence: f64,
    pub evidence: i32,
    pub method: &'static str,
    pub candidates: i32,
    pub matcher_version: &'static str,
    pub text_overlap: Option<f64>,
    pub supersedes: Option<String>,
    pub mismatch: Option<bool>,
}

impl LinkRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 14] {
        [
            ("link_id", self.link_id.into()),
            ("statement_id", self.statement_id.into()),
            ("tool_call_id", self.tool_call_id.into()),
            ("prompt_key", self.prompt_key.into()),
            ("llm_call_id", self.llm_call_id.into()),
            ("grade", self.grade.into()),
            ("confidence", self.confidence.into()),
            ("evidence", self.evidence.into()),
            ("method", self.method.into()),
            ("candidates", self.candidates.into()),
            ("matcher_version", self.matcher_version.into()),
            ("text_overlap", self.text_overlap.into()),
            ("supersedes", self.supersedes.into()),
            ("mismatch", self.mismatch.into()),
        ]
    }
}
