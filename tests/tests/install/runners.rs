//! CI systems' ways in, called as the systems call them, in a fresh Debian with the package.
//!
//! `tests/runners` has the imitations: GitHub's worker with its hooks, and GitLab Runner with a custom executor.

use std::fs;
use std::time::Duration;

use icecore_tests::python::folder;
use icecore_tests::time;

use crate::fresh::said;
use crate::place::{Place, WORK};

/// Puts an imitation inside, and what the job's step does.
fn bring(place: &Place, imitation: &str) {
    let text = fs::read(folder("runners").join(imitation)).unwrap();
    place
        .fresh
        .write(&format!("/usr/local/bin/{imitation}"), 0o755, text);
    place.fresh.write("/usr/local/share/work.txt", 0o644, WORK);
}

#[test]
fn gitlabs_custom_executor_runs_each_stage_in_a_session_and_leaves_no_folder() {
    let place = Place::installed();
    let fresh = &place.fresh;
    fresh.run(&["useradd", "--create-home", "agent"]);
    bring(&place, "gitlab-runner");

    // Without a daemon the system is to blame, before a line of the job runs.
    let output = fresh.tried(&["gitlab-runner", "ok"]);
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    assert!(
        said(&output).contains("no daemon runs"),
        "{}",
        said(&output)
    );

    // Nor where one was killed and left its socket behind.
    let leave = "import socket; socket.socket(socket.AF_UNIX).bind('/run/icecore/control.sock')";
    fresh.run(&["mkdir", "-p", "/run/icecore"]);
    fresh.run(&["python3", "-c", leave]);
    let output = fresh.tried(&["gitlab-runner", "ok"]);
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));

    let daemon = place.start();
    let told = fresh.run(&["gitlab-runner", "ok"]);
    assert!(
        told.contains("job runs as agent in /var/lib/icecore-builds/jobs/4711/builds"),
        "{told}"
    );
    assert!(told.contains("3001"), "{told}");
    assert!(!told.contains("CUSTOM_ENV_CI_JOB_ID"), "{told}");
    assert_eq!(place.gate.executed().unwrap(), ["select 1"]);
    assert!(!fresh.path("/var/lib/icecore-builds/jobs/4711").exists());
    let sessions = fresh.run(&["icecore", "sessions"]);
    assert!(sessions.contains("1 allowed, 1 refused"), "{sessions}");
    assert!(
        sessions.lines().count() >= 4,
        "a session for each stage: {sessions}"
    );

    // A script that fails is the job's failure; a number that is none never becomes a path.
    let output = fresh.tried(&["gitlab-runner", "fails"]);
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    assert!(said(&output).contains("exit code <3>"), "{}", said(&output));
    let output = fresh.tried(&["gitlab-runner", "odd"]);
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    assert!(fresh.path("/var/lib/icecore-builds/jobs").is_dir());
    no_job_puts_a_link_in_the_place_of_the_next_ones_folder(&place);
    daemon.end();
}

/// Another job of the same user tries to have root's own folder given to it, while `prepare.sh` makes a job's.
fn no_job_puts_a_link_in_the_place_of_the_next_ones_folder(place: &Place) {
    const RACE: &str = r#"
mkdir -m 0755 /srv/of-root
for job in $(seq 1000 1040); do
    setpriv --reuid agent --regid agent --clear-groups perl -e '
        my ($base, $job) = @ARGV;
        while (1) { symlink("/srv/of-root", "$base/$job/$_") and exit for "builds", "cache" }
    ' /var/lib/icecore-builds/jobs $job &
    racer=$!
    sleep 0.02
    CUSTOM_ENV_CI_JOB_ID=$job /usr/share/icecore/gitlab/prepare.sh || true
    kill $racer 2>/dev/null || true
    wait $racer 2>/dev/null || true
    [ "$(stat -c '%U %a' /srv/of-root)" = "root 755" ] || { echo "job $job: $(stat -c '%U %a' /srv/of-root)"; exit 1; }
    [ "$(stat -c '%U %a' /var/lib/icecore-builds/jobs/$job)" = "agent 700" ]
done
"#;
    place.fresh.run(&["bash", "-euc", RACE]);
}

/// Makes the runner's user, who may do what `packaging/github/sudoers` says.
fn runner(place: &Place) {
    let fresh = &place.fresh;
    fresh.run(&["useradd", "--create-home", "runner"]);
    bring(place, "Runner.Worker");
}

fn as_runner(place: &Place, words: &[&str]) -> std::process::Output {
    let begin = [
        "setpriv",
        "--reuid",
        "runner",
        "--regid",
        "runner",
        "--init-groups",
        "env",
        "HOME=/home/runner",
    ];
    place.fresh.tried(&[&begin, words].concat())
}

#[test]
fn githubs_hooks_put_the_whole_job_into_a_session_and_write_its_summary() {
    let place = Place::installed();
    let fresh = &place.fresh;
    runner(&place);
    fresh.run(&[
        "install",
        "-m",
        "0440",
        "/usr/share/icecore/github/sudoers",
        "/etc/sudoers.d/icecore-runner",
    ]);
    fresh.run(&["visudo", "--check"]);

    // Nobody's rule lets them move processes of others, or become root otherwise.
    for other in ["1", "$$", "x", "-1"] {
        let output = as_runner(
            &place,
            &["sudo", "-n", "/usr/share/icecore/github/session.sh", other],
        );
        let told = said(&output);
        assert!(
            !output.status.success() && told.contains("not in a session"),
            "{told}"
        );
    }
    let elsewhere = [
        "sudo",
        "-n",
        "/usr/share/icecore/github/watch.sh",
        "/etc",
        "1",
        "0",
        "0",
    ];
    assert!(!as_runner(&place, &elsewhere).status.success());
    assert!(fresh.path("/etc/passwd").exists());
    assert!(!as_runner(&place, &["sudo", "-n", "true"]).status.success());
    assert!(
        !as_runner(
            &place,
            &[
                "sudo",
                "-n",
                "BASH_ENV=/tmp/x",
                "/usr/share/icecore/github/session.sh",
                "1"
            ]
        )
        .status
        .success()
    );

    // Without a daemon the job does not run.
    let output = as_runner(&place, &["Runner.Worker"]);
    let told = said(&output);
    assert!(
        !output.status.success() && told.contains("so it does not run"),
        "{told}"
    );
    assert!(!told.contains("the step runs"), "{told}");
    let daemon = place.start();
    let output = as_runner(&place, &["Runner.Worker"]);
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("the step runs") && told.contains("3001"),
        "{told}"
    );
    assert!(
        told.contains("| statements | 2: 1 allowed, 1 refused |"),
        "{told}"
    );
    assert_eq!(place.gate.executed().unwrap(), ["select 1"]);
    assert_eq!(place.trap.arrivals(), 0);
    let start = time::instant();
    while !fresh.run(&["ls", "/run/icecore-jobs"]).is_empty() {
        let waited = start.elapsed();
        assert!(
            waited < Duration::from_secs(10),
            "what answers a job ends with its worker"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    daemon.end();
}

#[test]
fn a_runners_user_starts_commands_as_the_agent_and_never_as_root() {
    let place = Place::installed();
    let fresh = &place.fresh;
    runner(&place);
    fresh.run(&["useradd", "--system", "--create-home", "agent"]);
    let rule = [
        "install",
        "-m",
        "0440",
        "/usr/share/icecore/sudo/sudoers",
        "/etc/sudoers.d/icecore-agent",
    ];
    fresh.run(&rule);
    fresh.run(&["visudo", "--check"]);
    let daemon = place.start();
    let wrapper = "/usr/share/icecore/sudo/run-as-agent";

    // The command is the agent's, with the caller's PATH and nothing that a loader goes by.
    let script = "id -un; echo \"path $PATH\"; echo \"secret ${SECRET-none}\"; exit 7";
    let variables = [
        "env",
        "PATH=/opt/tool:/usr/bin:/bin",
        "SECRET=s",
        "sudo",
        "-n",
    ];
    let output = as_runner(
        &place,
        &[&variables[..], &[wrapper, "sh", "-c", script]].concat(),
    );
    let told = said(&output);
    assert_eq!(output.status.code(), Some(7), "{told}");
    for line in ["agent\n", "path /opt/tool:/usr/bin:/bin\n", "secret none\n"] {
        assert!(told.contains(line), "{line:?} in {told}");
    }

    // What looks like an option is the command's name; icecore itself, other users and variables are not to be had.
    for words in [
        &["sudo", "-n", wrapper, "--user", "root", "--", "id"][..],
        &["sudo", "-n", "icecore", "run", "--user", "root", "--", "id"],
        &["sudo", "-n", "-u", "agent", "id"],
        &["sudo", "-n", "-E", wrapper, "id"],
        &["sudo", "-n", "BASH_ENV=/tmp/x", wrapper, "id"],
        &["sudo", "-n", "SSL_CERT_FILE=/etc/shadow", wrapper, "id"],
    ] {
        let output = as_runner(&place, words);
        let told = said(&output);
        assert!(
            !output.status.success() && !told.contains("uid="),
            "{words:?}: {told}"
        );
    }
    fresh.write("/etc/icecore/job-user", 0o644, "root\n");
    let output = as_runner(&place, &["sudo", "-n", wrapper, "id"]);
    let told = said(&output);
    assert!(
        !output.status.success() && told.contains("must not be root"),
        "{told}"
    );
    daemon.end();
}

#[test]
fn gitlabs_shell_executor_puts_its_shell_into_a_session() {
    let place = Place::installed();
    let fresh = &place.fresh;
    fresh.run(&["useradd", "--create-home", "gitlab-runner"]);
    bring(&place, "Runner.Worker");
    fresh.run(&[
        "install",
        "-m",
        "0440",
        "/usr/share/icecore/gitlab/sudoers",
        "/etc/sudoers.d/icecore-gitlab",
    ]);
    // What the runner makes of `pre_build_script` and a job's script: one text for a shell of the stage's own.
    let stage = ". /usr/share/icecore/gitlab/into-session.sh
        echo 'the script runs'
        PYTHONPATH=/opt python3 /usr/local/share/piece.py \"$(cat /usr/local/share/work.txt)\"";
    let run = || {
        let user = [
            "setpriv",
            "--reuid",
            "gitlab-runner",
            "--regid",
            "gitlab-runner",
            "--init-groups",
        ];
        let words = [
            "env",
            "HOME=/home/gitlab-runner",
            "GITLAB_CI=true",
            "bash",
            "-ec",
            stage,
        ];
        fresh.tried(&[&user[..], &words].concat())
    };
    let without = run();
    assert!(!without.status.success(), "{}", said(&without));
    assert!(
        !said(&without).contains("the script runs"),
        "{}",
        said(&without)
    );
    if !fresh
        .tried(&["icecore", "enter", "--help"])
        .status
        .success()
    {
        eprintln!("not shown: this binary has no `icecore enter`");
        return;
    }
    let daemon = place.start();
    let told = run();
    assert!(told.status.success(), "{}", said(&told));
    assert!(said(&told).contains("3001"), "{}", said(&told));
    assert_eq!(place.gate.executed().unwrap(), ["select 1"]);
    daemon.end();
}

#[test]
fn githubs_action_vouches_for_what_it_installs_and_takes_the_ways_to_root_away() {
    let place = Place::make();
    let fresh = &place.fresh;
    let deb = place.deb("0.1.0");
    fresh.run(&["useradd", "--create-home", "runner"]);
    bring(&place, "Runner.Worker");
    fresh.write(
        "/etc/sudoers.d/runner",
        0o440,
        "runner ALL=(ALL) NOPASSWD: ALL\n",
    );
    for file in ["install.sh", "worker.sh"] {
        let text = fs::read(folder("../packaging/github").join(file)).unwrap();
        fresh.write(&format!("/home/runner/action/{file}"), 0o755, text);
    }
    let config = place
        .config()
        .replace("strict_local", "strict_remote")
        .replace("acme.p8", "key.p8")
        .replace("/etc/icecore/upstream.pem", "/root/upstream.pem");
    fresh.write("/home/runner/icecore.toml", 0o644, &config);
    let local = config.replace("strict_remote", "strict_local");
    fresh.write("/home/runner/local.toml", 0o644, local);
    let pack = fs::read(folder("../policies/read-only.cedar")).unwrap();
    fresh.write("/home/runner/policies/read-only.cedar", 0o644, pack);
    let key = fs::read_to_string(fresh.path("/root/acme.p8")).unwrap();
    let sum = fresh.run(&["sha256sum", &deb]);
    let sum = sum.split(' ').next().unwrap();

    let run = |changed: &[(&str, &str)]| {
        let mut inputs = vec![
            ("ICECORE_PACKAGE", deb.as_str()),
            ("ICECORE_SHA256", sum),
            ("ICECORE_CONFIG", "/home/runner/icecore.toml"),
            ("ICECORE_POLICIES", "/home/runner/policies"),
            ("ICECORE_KEY", key.trim_end()),
            ("STARTED", "/home/runner/action/install.sh"),
        ];
        inputs.extend(changed);
        let inputs: Vec<String> = inputs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut words = vec!["env"];
        words.extend(inputs.iter().map(String::as_str));
        words.push("Runner.Worker");
        as_runner(&place, &words)
    };
    #[track_caller]
    fn refused(output: &std::process::Output, why: &str) {
        let told = said(output);
        assert!(
            !output.status.success() && told.contains(why),
            "{why}: {told}"
        );
        assert!(!told.contains("the step runs"), "{told}");
    }
    let other = "0".repeat(64);
    refused(
        &run(&[("ICECORE_SHA256", &other)]),
        "its SHA-256 is another one",
    );
    refused(
        &run(&[("ICECORE_PACKAGE", "http://x/y.deb")]),
        "expected a path or an https URL",
    );
    refused(
        &run(&[("ICECORE_CONFIG", "/home/runner/local.toml")]),
        "expected record.mode",
    );
    refused(&run(&[("ICECORE_KEY", "")]), "expected the input `key`");
    assert!(!fresh.path("/usr/bin/icecore").exists());

    let output = run(&[]);
    if !fresh
        .tried(&["icecore", "enter", "--help"])
        .status
        .success()
    {
        refused(&output, "the job was not put into a session");
        eprintln!("not shown: this binary has no `icecore enter`");
        return;
    }
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("the step runs") && told.contains("3001"),
        "{told}"
    );
    assert!(
        told.contains("| statements | 2: 1 allowed, 1 refused |"),
        "{told}"
    );
    assert!(!as_runner(&place, &["sudo", "-n", "true"]).status.success());
    assert_eq!(place.gate.executed().unwrap(), ["select 1"]);
}
