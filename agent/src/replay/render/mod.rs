//! One session told step by step, for a terminal. Pure.
//!
//! Whatever a row holds was chosen, or could have been, by the agent: every value passes `terminal`.

pub(super) mod event;
pub(super) mod head;
pub(super) mod lines;
mod paint;
pub(super) mod statement;

use std::time::Duration;

pub use paint::Paint;

use super::rows::ShownRows;
use super::steps::{Session, Step};
use lines::Lines;

/// A session as it is told: a head, then its steps, numbered from 1.
#[derive(Clone, Copy, Debug)]
pub struct Told<'s> {
    /// What is told.
    pub session: &'s Session<'s>,
    /// Which rows of results are told with it.
    pub rows: &'s ShownRows<'s>,
    /// How words are marked.
    pub paint: Paint,
}

impl Told<'_> {
    /// Tells who it was.
    #[must_use]
    pub fn head(&self) -> String {
        let mut lines = Lines::new(self.paint);
        head::head(self.session, &mut lines);
        if self.session.steps.is_empty() {
            lines.push("\nnothing else was recorded");
        }
        lines.finish()
    }

    /// Counts the steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.session.steps.len()
    }

    /// Tells one step; none where there is no such number.
    #[must_use]
    pub fn step(&self, number: usize) -> Option<String> {
        let step = self.session.steps.get(number.checked_sub(1)?)?;
        let mut lines = Lines::new(self.paint);
        let after = statement::after(step.at_us(), self.began_us());
        let place = format!("{} {after}", self.paint.faint(&format!("{number:>4}")));
        match step {
            Step::Login(login) => event::login(login, &place, &mut lines),
            Step::Statement(statement, text) => {
                statement::statement((statement, *text), self.session, &place, &mut lines);
                statement::rows(statement, self.rows, &mut lines);
            }
            Step::Event(event) => event::event(event, &place, &mut lines),
        }
        Some(lines.finish())
    }

    /// Gives the time between a step and the one before.
    #[must_use]
    pub fn gap(&self, number: usize) -> Duration {
        let at_us = |number: usize| {
            let step = number.checked_sub(1);
            let step = step.and_then(|index| self.session.steps.get(index));
            step.map_or_else(|| self.began_us(), Step::at_us)
        };
        let gap_us = at_us(number).saturating_sub(at_us(number.saturating_sub(1)));
        Duration::from_micros(u64::try_from(gap_us).unwrap_or_default())
    }

    /// Lists the numbers of the steps in which a text stands, whatever its case.
    #[must_use]
    pub fn with(&self, text: &str) -> Vec<usize> {
        let wanted = text.to_lowercase();
        let plain = Self {
            paint: Paint::default(),
            ..*self
        };
        let has = |number: &usize| {
            let step = plain.step(*number).unwrap_or_default();
            step.to_lowercase().contains(&wanted)
        };
        (1..=self.steps()).filter(has).collect()
    }

    fn began_us(&self) -> i64 {
        began_us(self.session)
    }
}

/// Tells when a session began: its opening, or its first step where that was not recorded.
pub(super) fn began_us(session: &Session<'_>) -> i64 {
    let opened_us = session.row.and_then(|row| row.int("opened_at"));
    opened_us.unwrap_or_else(|| session.steps.first().map_or(0, Step::at_us))
}
