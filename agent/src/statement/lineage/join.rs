//! Joins: by which columns rows meet.

use sqlparser::ast::{Join, JoinConstraint, JoinOperator};

use super::Walk;
use super::flow::{Item, Source};
use super::names::names;
use super::scope::{Env, Frame};
use crate::statement::meaning::Use;
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Adds the rows that a member of FROM is joined with, and notes by what.
    pub(super) fn join(
        &mut self,
        join: &Join,
        start: usize,
        frame: &mut Frame,
        outer: Option<&Env<'_>>,
    ) -> Result<(), Unreadable> {
        let left = frame.sources.len();
        self.factor(&join.relation, frame, outer)?;
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::CrossJoin(constraint) => constraint,
            JoinOperator::AsOf {
                match_condition,
                constraint,
            } => {
                self.decide(match_condition, Env { frame, outer }, Use::Join)?;
                constraint
            }
            JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::RightSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_)
            | JoinOperator::RightAnti(_)
            | JoinOperator::CrossApply
            | JoinOperator::OuterApply
            | JoinOperator::StraightJoin(_)
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => {
                return Err(Unreadable::Unsupported(
                    "a join that Snowflake does not have",
                ));
            }
        };
        match constraint {
            JoinConstraint::On(condition) => {
                self.decide(condition, Env { frame, outer }, Use::Join)
            }
            JoinConstraint::Using(columns) => {
                for column in columns {
                    let mut path = names(column)?;
                    let name = path.pop().unwrap_or_default();
                    self.joined_by(&name, start, frame);
                }
                Ok(())
            }
            JoinConstraint::Natural => {
                let shared = shared_names(
                    frame.sources.get(start..left).unwrap_or_default(),
                    frame.sources.get(left..).unwrap_or_default(),
                );
                match shared {
                    Some(shared) => {
                        for name in shared {
                            self.joined_by(&name, start, frame);
                        }
                    }
                    // Which columns they share cannot be told: any.
                    None => {
                        for source in frame.sources.get(start..).unwrap_or_default() {
                            let flow = source.whole();
                            self.note(&flow, Use::Join);
                        }
                    }
                }
                Ok(())
            }
            JoinConstraint::None => Ok(()),
        }
    }

    /// Notes that rows meet by a column of one name.
    fn joined_by(&mut self, name: &str, start: usize, frame: &Frame) {
        for source in frame.sources.get(start..).unwrap_or_default() {
            if let Some(found) = source.find(name) {
                let flow = found.flow;
                self.note(&flow, Use::Join);
            }
        }
    }
}

/// Names that both sides have; `None` if some columns are not known.
fn shared_names(left: &[Source], right: &[Source]) -> Option<Vec<String>> {
    let names = |sources: &[Source]| -> Option<Vec<String>> {
        sources
            .iter()
            .flat_map(|source| &source.items)
            .map(|item| match item {
                Item::One {
                    name: Some(name), ..
                } => Some(name.clone()),
                Item::One { name: None, .. } | Item::Rest { .. } => None,
            })
            .collect()
    };
    let (left, right) = (names(left)?, names(right)?);
    Some(
        left.into_iter()
            .filter(|name| right.contains(name))
            .collect(),
    )
}
