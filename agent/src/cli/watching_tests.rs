//! What a round of the watch does, by folders that stand for cgroups and processes that run.

use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::mpsc;

use super::*;

const VARIABLE: &str = "ICECORE_WATCHED=by-this-test";

/// Processes in folders that stand for cgroups: each folder names one in its `cgroup.procs`.
struct Stage {
    mount: tempfile::TempDir,
    processes: Vec<Child>,
    watch: Watch,
    /// What sessions were to be made of.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    fn new() -> Self {
        let sought = Sought {
            variable: VARIABLE.to_owned(),
            token_file: None,
        };
        let engines = vec![Pattern::parse("docker*").unwrap()];
        Self {
            mount: tempfile::TempDir::new().unwrap(),
            processes: Vec::new(),
            watch: Watch::new(sought, engines),
            asked: Arc::default(),
        }
    }

    fn process(&mut self) -> u32 {
        let (name, value) = VARIABLE.split_once('=').unwrap();
        let child = Command::new("sleep").arg("60").env(name, value).spawn();
        let child = child.unwrap();
        let pid = child.id();
        while !super::super::looking::has(pid, VARIABLE) {
            thread::yield_now();
        }
        self.processes.push(child);
        pid
    }

    fn put(&self, name: &str, pid: u32) {
        let folder = self.mount.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cgroup.procs"), format!("{pid}\n")).unwrap();
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn round(&mut self, outcome: impl Fn() -> Result<(), Failure> + Send + Sync + 'static) {
        self.round_of(move |_| outcome());
    }

    fn round_of(&mut self, outcome: impl Fn(&str) -> Result<(), Failure> + Send + Sync + 'static) {
        let (mount, asked) = (self.mount.path().to_owned(), Arc::clone(&self.asked));
        let of = mount.clone();
        let enter: Arc<Enter> = Arc::new(move |_: Looked, folder: PathBuf| {
            let name = folder.strip_prefix(&of).unwrap().display().to_string();
            asked.lock().unwrap().push(name.clone());
            outcome(&name)
        });
        self.watch.round(&mount, &enter);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in &mut self.processes {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[test]
fn a_container_that_makes_many_cgroups_leaves_room_for_others() {
    let mut stage = Stage::new();
    let pid = stage.process();
    for number in 0..100 {
        stage.put(&format!("docker/loud/{number}"), pid);
    }
    for _ in 0..20 {
        stage.round(|| Ok(()));
    }
    assert_eq!(stage.asked().len(), SESSIONS_MAX);
    stage.put("docker/quiet", pid);
    stage.round(|| Ok(()));
    assert_eq!(stage.asked().last().unwrap(), "docker/quiet");
    // A session that is over leaves its place.
    let gone = stage.mount.path().join(&stage.asked()[0]);
    fs::remove_dir_all(gone).unwrap();
    for _ in 0..1000 {
        stage.round(|| Ok(()));
    }
    assert_eq!(stage.asked().len(), SESSIONS_MAX + 2);
}

#[test]
fn one_that_hangs_holds_nobody_else_up() {
    let mut stage = Stage::new();
    let pid = stage.process();
    stage.put("docker/stuck/inner", pid);
    stage.put("docker/quiet", pid);
    let hangs = within(Duration::ZERO, || {
        thread::sleep(Duration::from_secs(60));
        Ok(None)
    });
    let Timed::Late(late) = hangs.unwrap() else {
        panic!("not late");
    };
    let owner = Owner::Made(stage.mount.path().join("docker/stuck"));
    stage.watch.late.insert(owner, late);
    stage.round(|| Ok(()));
    assert_eq!(stage.asked(), ["docker/quiet"]);
}

#[test]
fn one_of_which_the_daemon_says_nothing_holds_nobody_else_up_and_is_asked_for_once() {
    let mut stage = Stage::new();
    let pid = stage.process();
    stage.put("docker/stuck", pid);
    stage.put("docker/stuck/inner", pid);
    let (go_on, told) = mpsc::channel::<Result<(), Failure>>();
    let told = Arc::new(Mutex::new(told));
    let outcome = move |name: &str| match name {
        "docker/stuck" => {
            let told = told.lock().unwrap();
            told.recv_timeout(Duration::from_secs(120)).unwrap()
        }
        _ => Ok(()),
    };
    let outcome = Arc::new(outcome);
    let round = |stage: &mut Stage| {
        let outcome = Arc::clone(&outcome);
        stage.round_of(move |name| outcome(name));
    };
    while stage.watch.asked.is_empty() {
        round(&mut stage);
    }
    stage.put("docker/quiet", pid);
    for _ in 0..50 {
        round(&mut stage);
    }
    let asked = stage.asked();
    let count = |name: &str| asked.iter().filter(|one| *one == name).count();
    assert_eq!(
        (count("docker/stuck"), count("docker/quiet")),
        (1, 1),
        "{asked:?}"
    );
    assert_eq!(stage.watch.asked.len(), 1);

    // A late no is one, and so is a late yes.
    for (answer, asked_for) in [(Err(Failure::text(Exit::Refused, "no")), 1), (Ok(()), 2)] {
        go_on.send(answer).unwrap();
        while !stage.watch.asked.is_empty() {
            round(&mut stage);
        }
        let again = stage
            .asked()
            .iter()
            .filter(|one| *one == "docker/stuck")
            .count();
        assert_eq!(again, asked_for);
        if asked_for == 1 {
            while stage.watch.asked.is_empty() {
                round(&mut stage);
            }
        }
    }
    let before = stage.asked().len();
    for _ in 0..100 {
        round(&mut stage);
    }
    assert_eq!(stage.asked().len(), before, "{:?}", stage.asked());
}

#[test]
fn one_without_the_variable_is_looked_at_seldom_and_seen_when_it_gets_it() {
    let mut stage = Stage::new();
    stage.put("docker/c1", std::process::id());
    for _ in 0..100 {
        stage.round(|| Ok(()));
    }
    let looks = *stage.watch.without.values().next().unwrap();
    assert!((41..=45).contains(&looks), "{looks}");
    let pid = stage.process();
    stage.put("docker/c1", pid);
    for _ in 0..RETRY_LOOKS {
        stage.round(|| Ok(()));
    }
    assert_eq!(stage.asked(), ["docker/c1"]);
}

#[test]
fn one_that_is_refused_is_tried_again_ever_more_seldom() {
    let mut stage = Stage::new();
    let pid = stage.process();
    stage.put("docker/c1", pid);
    let mut rounds = Vec::new();
    for round in 0..1000 {
        let before = stage.asked().len();
        stage.round(|| Err(Failure::text(Exit::Refused, "no")));
        if stage.asked().len() > before {
            rounds.push(round);
        }
    }
    assert_eq!(rounds, [0, 21, 62, 143, 304, 545, 786]);
}
