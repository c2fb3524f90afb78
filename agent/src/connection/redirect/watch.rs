//! Whether the programs are still at work, and how they are brought back.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use super::error::{KernelError, system};
use super::load::Link;
use super::pins::Pins;
use super::{Kernel, sys};

/// How the programs were found not to be at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tampered {
    /// What is not as it must be, a sentence each.
    pub found: Vec<String>,
}

impl Kernel {
    /// Looks whether all links and maps are pinned, and each program runs for the sessions.
    ///
    /// # Errors
    ///
    /// What is not as it must be; a doubt counts.
    pub fn check(&self) -> Result<(), Tampered> {
        let mut found = Vec::new();
        match File::open(&self.home.path) {
            Ok(home) => {
                // The programs know it by its id; processes of one made anew would be in no session.
                if home.metadata().map(|facts| facts.ino()).ok() != Some(self.home.cgroup_id) {
                    let path = self.home.path.display();
                    found.push(format!("`{path}`: it was made anew"));
                }
                for link in &self.links {
                    if let Err(problem) = self.check_link(link, &home) {
                        found.push(problem);
                    }
                }
            }
            Err(failure) => found.push(format!("`{}`: {failure}", self.home.path.display())),
        }
        for (name, _) in &self.held_maps {
            if !self.pins.map(name).exists() {
                found.push(format!("map `{name}`: the pin is gone"));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        Err(Tampered { found })
    }

    fn check_link(&self, link: &Link, home: &File) -> Result<(), String> {
        let name = link.name;
        let facts = sys::link_facts(link.held.as_fd())
            .map_err(|failure| format!("link `{name}`: {failure}"))?;
        if facts.cgroup_id != self.home.root_id {
            return Err(format!("link `{name}`: it was taken from its cgroup"));
        }
        if facts.program_id != link.program_id {
            return Err(format!("link `{name}`: another program is in it"));
        }
        if !self.pins.link(name).exists() {
            return Err(format!("link `{name}`: the pin is gone"));
        }
        let effective = sys::effective_programs(home.as_fd(), facts.attach_type)
            .map_err(|failure| format!("link `{name}`: {failure}"))?;
        if !effective.contains(&link.program_id) {
            return Err(format!("link `{name}`: it has no effect on sessions"));
        }
        Ok(())
    }

    /// Brings pins and links back to what they must be. The maps, and with them the listeners' tags, stay what they are.
    ///
    /// # Errors
    ///
    /// If something cannot be brought back; sessions' connects must not be let go on then.
    pub fn mend(&mut self) -> Result<(), KernelError> {
        let pins = Pins::open(self.pins.pin_dir())?;
        for (name, held) in &self.held_maps {
            let path = pins.map(name);
            if !path.exists() {
                sys::pin(held.as_fd(), &path).map_err(|e| system("pin", &path, e))?;
            }
        }
        self.programs.mend(&mut self.links, &pins, &self.home)?;
        self.check()
            .map_err(|Tampered { found }| KernelError::Unmended { found })
    }
}

/// Opens every pinned map, to hold it beside its pin.
pub(super) fn hold_maps(pins: &Pins) -> Result<Vec<(&'static str, OwnedFd)>, KernelError> {
    Pins::map_names()
        .map(|name| {
            let path = pins.map(name);
            let held = sys::open_pin(&path).map_err(|e| system("open the pin", &path, e))?;
            Ok((name, held))
        })
        .collect()
}
