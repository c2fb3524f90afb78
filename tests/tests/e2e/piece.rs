//! Pieces of Python in a session of the agent's user.

use std::fs;

use anyhow::Result;
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::world::{AGENT_UID, World};
use icecore_tests::python::{self, Generation};

/// Starts a piece of Python, which sees what `drivers/piece.py` defines.
pub(crate) fn start(world: &World, generation: Generation, piece: &str) -> Result<Driver> {
    let script = world.path("piece.py");
    fs::copy(python::folder("drivers").join("piece.py"), &script)?;
    let python = python::interpreter(generation)?;
    let mut command = world.session(AGENT_UID, &[], python.as_os_str())?;
    command.arg(script).arg(piece);
    Driver::start(command)
}

/// Runs a piece of Python to its end.
pub(crate) fn run(world: &World, generation: Generation, piece: &str) -> Result<Finished> {
    let finished = start(world, generation, piece)?.finish()?;
    anyhow::ensure!(finished.status.success(), "{}", finished.output);
    Ok(finished)
}
