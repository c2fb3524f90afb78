//! A session played: step after step with the times between them, and keys where there is a terminal.

use std::io::{self, IsTerminal as _, Write};
use std::thread;
use std::time::Duration;

use super::keys::{Key, Keys};
use crate::replay::{Told, terminal};

/// Longest time between two steps that is waited.
const GAP_MAX: Duration = Duration::from_secs(3);

const HELP: &str =
    "n next, p previous, a number and Enter to jump, / to search, space to pause, q to quit";

/// Plays the chosen steps.
pub(super) fn play(told: &Told<'_>, numbers: &[usize], speed: f64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{}", told.head())?;
    let keys = if io::stdout().is_terminal() {
        Keys::take()?
    } else {
        None
    };
    let Some(mut keys) = keys else {
        for number in numbers {
            thread::sleep(wait(told.gap(*number), speed));
            write!(out, "\n{}", told.step(*number).unwrap_or_default())?;
            out.flush()?;
        }
        return Ok(());
    };
    writeln!(out, "\n  {HELP}")?;
    let mut place = Place::at_start(numbers);
    let mut is_paused = false;
    while let Some(number) = place.number() {
        write!(out, "\n{}", told.step(number).unwrap_or_default())?;
        out.flush()?;
        let next = place.next_number();
        let mut gap = (!is_paused)
            .then_some(next)
            .flatten()
            .map(|next| wait(told.gap(next), speed));
        loop {
            let key = keys.wait(gap)?;
            write!(out, "\r\x1b[K")?;
            match key {
                None if keys.line().is_some() => gap = None,
                None if gap.is_some() => {
                    place.go(1);
                    break;
                }
                None => {}
                Some(Key::Quit) => return Ok(()),
                Some(Key::Pause) => {
                    is_paused = !is_paused;
                    gap = (!is_paused)
                        .then_some(Duration::ZERO)
                        .filter(|_| next.is_some());
                }
                Some(Key::Next) if next.is_some() => {
                    place.go(1);
                    break;
                }
                // Behind the last step there is nothing to go on to.
                Some(Key::Next) => return Ok(()),
                Some(Key::Previous) => {
                    place.go(-1);
                    is_paused = true;
                    break;
                }
                Some(Key::Jump(number)) if place.jump(number) => {
                    is_paused = true;
                    break;
                }
                Some(Key::Jump(number)) => write!(out, "no step {number}")?,
                Some(Key::Search(text)) => {
                    if place.search(&told.with(&text)) {
                        is_paused = true;
                        break;
                    }
                    write!(out, "`{}` stands in no step", terminal(&text))?;
                }
            }
            if let Some(line) = keys.line() {
                write!(out, "{}", terminal(line))?;
            }
            out.flush()?;
        }
    }
    Ok(())
}

/// Gives the time that is waited for a gap.
fn wait(gap: Duration, speed: f64) -> Duration {
    let wait = Duration::try_from_secs_f64(gap.as_secs_f64() / speed);
    wait.unwrap_or(GAP_MAX).min(GAP_MAX)
}

/// Where a player stands among the chosen steps.
#[derive(Debug)]
struct Place<'n> {
    numbers: &'n [usize],
    at: usize,
}

impl<'n> Place<'n> {
    fn at_start(numbers: &'n [usize]) -> Self {
        Self { numbers, at: 0 }
    }

    fn number(&self) -> Option<usize> {
        self.numbers.get(self.at).copied()
    }

    fn next_number(&self) -> Option<usize> {
        self.numbers.get(self.at + 1).copied()
    }

    fn go(&mut self, by: isize) {
        self.at = self.at.saturating_add_signed(by);
    }

    /// Goes to a step; nothing happens where it is not among the chosen.
    fn jump(&mut self, number: usize) -> bool {
        let found = self.numbers.iter().position(|one| *one == number);
        self.at = found.unwrap_or(self.at);
        found.is_some()
    }

    /// Goes to the next of the found steps, from the beginning again behind the last.
    fn search(&mut self, found: &[usize]) -> bool {
        let here = self.number().unwrap_or_default();
        let behind = found.iter().filter(|number| **number > here);
        let next = behind
            .chain(found)
            .find(|number| self.numbers.contains(number));
        next.is_some_and(|number| self.jump(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_divided_and_capped() {
        let second = Duration::from_secs(1);
        assert_eq!(wait(second, 2.0), Duration::from_millis(500));
        assert_eq!(wait(second * 3600, 10.0), GAP_MAX);
        assert_eq!(wait(second, 1e-300), GAP_MAX);
    }

    #[test]
    fn a_place_jumps_and_searches_among_the_chosen() {
        let mut place = Place::at_start(&[2, 3, 5]);
        assert!(place.jump(5) && place.number() == Some(5));
        assert!(!place.jump(4) && place.number() == Some(5));
        assert!(place.search(&[3, 4]) && place.number() == Some(3));
        assert!(place.search(&[3, 5]) && place.number() == Some(5));
        assert!(!place.search(&[4]));
        place.go(-9);
        assert_eq!((place.number(), place.next_number()), (Some(2), Some(3)));
    }
}
