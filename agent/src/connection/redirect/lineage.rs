//! The tracepoints that tell which exec a session's task descends from; a host without them loses evidence, not safety.

use std::fs;
use std::path::Path;

use aya::programs::{Program, ProgramError};

use super::error::{KernelError, load, system};
use super::load::Programs;

/// Where the kernel shows its tracepoints, on newer and older hosts; source: Documentation/trace/ftrace.rst.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Where `child_pid` stands where names are arrays in their place; elsewhere they are references.
const IN_PLACE: &str = "field:pid_t child_pid;\toffset:44;";
const BY_REFERENCE: &str = "field:pid_t child_pid;\toffset:20;";

impl Programs {
    /// Loads and attaches the tracepoints; they go when the supervisor does.
    pub(super) fn observe_lineage(&mut self) -> Result<(), KernelError> {
        let fork = fork_program()?;
        // The one that forgets first, the one that begins last.
        self.trace("exit", "sched_process_exit")?;
        self.trace("exec", "sched_process_exec")?;
        self.trace(fork, "sched_process_fork")
    }

    fn trace(&mut self, name: &'static str, event: &str) -> Result<(), KernelError> {
        let failed = load::<ProgramError>(name);
        let Some(Program::TracePoint(program)) = self.ebpf.program_mut(name) else {
            return Err(KernelError::Object { missing: name });
        };
        program.load().map_err(&failed)?;
        // The link stays with the program, and both with the supervisor.
        let _link = program.attach("sched", event).map_err(&failed)?;
        Ok(())
    }
}

/// Looks whether this host shows the tracepoints, in a form that is known, as a process sees it that starts now.
///
/// # Errors
/// They cannot be read, or are of another form.
pub fn look_for_lineage() -> Result<(), KernelError> {
    fork_program().map(|_program| ())
}

/// Chooses the program that reads this kernel's layout of `sched_process_fork`.
fn fork_program() -> Result<&'static str, KernelError> {
    let [newer, older] = TRACEFS;
    let file = "events/sched/sched_process_fork/format";
    let path = Path::new(newer).join(file);
    let format = fs::read_to_string(&path)
        .or_else(|failure| fs::read_to_string(Path::new(older).join(file)).map_err(|_| failure))
        .map_err(|e| system("read", &path, e))?;
    let has = |field: &str| format.contains(field);
    match (has(IN_PLACE), has(BY_REFERENCE)) {
        (true, false) => Ok("fork_in_place"),
        (false, true) => Ok("fork_by_reference"),
        (true, true) | (false, false) => Err(KernelError::UnknownTracepoint { path }),
    }
}
