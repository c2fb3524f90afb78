//! Joins: by which columns rows meet.

use sqlparser::ast::{Join, JoinConstraint, JoinOperator};

use super::Walk;
use super::flow::{Found, Item, Source};
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
                let last = |column| Ok(names(column)?.pop().unwrap_or_default());
                let shared: Vec<String> = columns.iter().map(last).collect::<Result<_, _>>()?;
                self.joined_by(&shared, start, left, frame)
            }
            JoinConstraint::Natural => {
                let shared = shared_names(
                    frame.sources.get(start..left).unwrap_or_default(),
                    frame.sources.get(left..).unwrap_or_default(),
                );
                match shared {
                    Some(shared) => self.joined_by(&shared, start, left, frame),
                    // Which columns they share cannot be told: any.
                    None => {
                        self.doubt("which columns a natural join shares is not known");
                        frame.is_unplaced = true;
                        for source in frame.sources.get(start..).unwrap_or_default() {
                            let flow = source.whole();
                            self.note(&flow, Use::Join);
                        }
                        Ok(())
                    }
                }
            }
            JoinConstraint::None => Ok(()),
        }
    }

    /// Notes that rows meet by columns of the same names, which `*` gives once.
    fn joined_by(
        &mut self,
        shared: &[String],
        start: usize,
        left: usize,
        frame: &mut Frame,
    ) -> Result<(), Unreadable> {
        // They stand first, or where the left rows have them: for sure only if that is the same.
        let of_left = frame.sources.get(start..left).unwrap_or_default();
        let shown = of_left.iter().flat_map(Source::shown);
        let leading = shared.iter().zip(shown).filter(
            |(name, item)| matches!(item, Item::One { name: Some(known), .. } if known == *name),
        );
        if leading.count() < shared.len() {
            frame.is_unplaced = true;
        }
        for name in shared {
            let mut both: Option<Found> = None;
            let rows = frame.sources.get(start..).unwrap_or_default();
            let found: Vec<Found> = rows.iter().filter_map(|source| source.find(name)).collect();
            let pairs = found.iter().zip(found.iter().skip(1));
            let is_plain = |one: &Found| one.flow.is_bare;
            let are_alike = found.iter().all(is_plain)
                && pairs
                    .clone()
                    .all(|(one, next)| self.are_alike(&one.flow, &next.flow));
            let how = if are_alike { Use::Join } else { Use::Where };
            for found in found {
                self.note(&found.flow, how);
                Found::join(&mut both, found);
            }
            for source in frame.sources.get_mut(left..).unwrap_or_default() {
                source.shared.insert(name.clone());
            }
            for source in frame.sources.get_mut(start..left).unwrap_or_default() {
                if let Some(both) = &both {
                    // Each of the rows keeps what all of them have together.
                    self.steps += 1 + both.flow.from.len();
                    source.joined.insert(name.clone(), both.flow.clone());
                }
            }
            self.step(0)?;
        }
        Ok(())
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
                Item::One { name: None, .. } | Item::Rest { .. } | Item::Unplaced => None,
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
