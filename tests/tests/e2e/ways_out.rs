//! Every way out of a session that the list of rows has, tried by the red agent in one go, each beside its twin.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, ensure};
use icecore_tests::harness::port::Port;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python;
use icecore_tests::red;
use icecore_tests::red::rows::{self, Told, Twin, Within};
use serde_json::{Value, json};

/// Addresses of documentation (RFC 5737, RFC 3849) that stand for a governed host's, with all their ports.
const GUARDED: &str = "[upstream.resolve]
\"guarded4.snowflakecomputing.com\" = \"192.0.2.77:443\"
\"guarded6.snowflakecomputing.com\" = \"[2001:db8::77]:443\"
";

/// What a file has that gives CAP_NET_ADMIN and CAP_NET_RAW to whoever starts it. Source: `struct vfs_cap_data` and
/// `VFS_CAP_REVISION_2` with `VFS_CAP_FLAGS_EFFECTIVE`, linux/include/uapi/linux/capability.h; little-endian.
const NET_RAW_AND_ADMIN: [u8; 20] = [
    1, 0, 0, 2, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// A process that helps the red agent from elsewhere; it ends with this value.
struct Helper {
    child: Child,
    /// Keeps it alive.
    _stdin: ChildStdin,
    told: Value,
}

impl Helper {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().context("no stdin")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        Ok(Self {
            told: serde_json::from_str(&line).with_context(|| format!("helper said `{line}`"))?,
            child,
            _stdin: stdin,
        })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A world with all that the red agent may lean on.
struct Ground {
    // Dropped before the world that they are in.
    _outside: Helper,
    _other: Helper,
    world: World,
    facts: PathBuf,
    _metrics: Port,
}

impl Ground {
    /// Starts it: what is outside is there before the daemon, and has a connection to where the account really is.
    fn start(more: &str) -> Result<Self> {
        let mut world = World::without_daemon(&Plan::default())?;
        let metrics = Port::take()?;
        let metrics_port = 20_000 + metrics.number();
        let file = world.config_file();
        let text = fs::read_to_string(&file)?;
        ensure!(text.contains("[upstream.resolve]\n") && text.contains("[capture]\n"));
        let text = text.replace("[upstream.resolve]\n", GUARDED);
        let text = text.replace("[capture]\n", &format!("[capture]\n{more}"));
        let text = format!("{text}\n[metrics]\nlisten = \"127.0.0.1:{metrics_port}\"\n");
        fs::write(&file, text)?;

        let upstream = world.gate.address();
        place_scripts(&world)?;
        let mut early = world.outside(AGENT_UID, "python3".as_ref())?;
        helps(&mut early, &world, "outside");
        early.args([upstream.ip().to_string(), upstream.port().to_string()]);
        let outside = Helper::start(early)?;
        ensure!(outside.told["early"] == true, "{}", outside.told);
        let home = world.path("home");
        let multiplexer = home.join("tmux.sock");
        let started = world
            .outside(AGENT_UID, "env".as_ref())?
            .arg("SHELL=/bin/sh")
            .arg(red::multiplexer()?)
            .arg("-S")
            .arg(&multiplexer)
            .args(["-f", "/dev/null", "new-session", "-d", "sleep 600"])
            .status()?;
        ensure!(started.success(), "tmux: {started}");
        world.start_daemon()?;
        let mut other = world.session(AGENT_UID, &[], "python3".as_ref())?;
        helps(&mut other, &world, "other");
        let other = Helper::start(other)?;

        let pins = below(&world.config.pins)?;
        ensure!(pins.len() > 20, "{pins:?}");
        let daemon = world.daemon()?;
        let daemon = [daemon.supervisor()?, daemon.proxy()?].map(|pid| pid.as_raw_nonzero().get());
        let mut facts = outside.told.clone();
        let more = json!({
            "account": [world.account_address.to_string(), 443],
            "guarded": [upstream.ip().to_string(), upstream.port()],
            "proxy_port": world.config.port,
            "metrics_port": metrics_port,
            "daemon": daemon,
            "helper": home.join("outside.sock"),
            "other_helper": home.join("other.sock"),
            "other_pid": other.told["pid"],
            "other_secret": other.told["secret"],
            "other_abstract": other.told["abstract"],
            "tmux": multiplexer,
            "home": home,
            "pins": pins,
            "cgroup": world.cgroup.path(),
            "outside_cgroup": world.cgroup.outside(),
            "left_open": [60, 61, 62, 63],
            "set_uid": privileged(&world, "/usr/bin/id", "set-uid")?,
            "file_caps": privileged(&world, "/usr/bin/cat", "file-caps")?,
        });
        let all = facts.as_object_mut().context("no facts")?;
        all.extend(more.as_object().context("no facts")?.clone());
        let path = world.path("facts.json");
        fs::write(&path, serde_json::to_string_pretty(&facts)?)?;
        Ok(Self {
            _outside: outside,
            _other: other,
            world,
            facts: path,
            _metrics: metrics,
        })
    }

    /// Tries ways, all if none is named, in a session of one kind.
    fn within(&self, within: Within, names: &[&str]) -> Result<Vec<Told>> {
        let (uid, options): (u32, &[&str]) = match within {
            Within::ByItself | Within::Each => (AGENT_UID, &[]),
            Within::HandedOver => (0, &["--user", "nobody"]),
        };
        let mut command = self.world.outside(uid, "python3".as_ref())?;
        let class = format!("icecore-test-{}", std::process::id());
        command
            .arg(self.world.path("red/launch.py"))
            .arg(class)
            .arg(&self.world.icecore);
        command
            .args(["run", "--control"])
            .arg(self.world.control_socket());
        command.args(options).args(["--", "python3"]);
        self.tried(command, names)
    }

    /// Tries ways in no session.
    fn outside(&self, uid: u32, names: &[&str]) -> Result<Vec<Told>> {
        self.tried(self.world.outside(uid, "python3".as_ref())?, names)
    }

    fn tried(&self, mut command: Command, names: &[&str]) -> Result<Vec<Told>> {
        command
            .arg(self.world.path("red/ways.py"))
            .arg(&self.facts)
            .args(names);
        let output = command.output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {errors}", output.status);
        String::from_utf8(output.stdout)?
            .lines()
            .map(|line| serde_json::from_str(line).context(line.to_owned()))
            .collect()
    }
}

/// Has a Python help the red agent, at a socket of this name.
fn helps(command: &mut Command, world: &World, name: &str) {
    let socket = world.path("home").join(format!("{name}.sock"));
    command
        .arg(world.path("red/outside.py"))
        .arg(socket)
        .arg(format!("icecore-red-{name}"));
}

/// Puts the red agent's programs where every user can read them.
fn place_scripts(world: &World) -> Result<()> {
    let folder = world.path("red");
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(python::folder("red"))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|ext| ext == "py") {
            let placed = folder.join(entry.file_name());
            fs::copy(entry.path(), &placed)?;
            fs::set_permissions(&placed, fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}

/// Copies a program, and gives the copy root's uid or capabilities to whoever starts it.
fn privileged(world: &World, program: &str, name: &str) -> Result<PathBuf> {
    let placed = world.path(name);
    fs::copy(program, &placed)?;
    if name == "set-uid" {
        fs::set_permissions(&placed, fs::Permissions::from_mode(0o4755))?;
    } else {
        fs::set_permissions(&placed, fs::Permissions::from_mode(0o755))?;
        rustix::fs::setxattr(
            &placed,
            "security.capability",
            &NET_RAW_AND_ADMIN,
            rustix::fs::XattrFlags::empty(),
        )?;
    }
    Ok(placed)
}

/// Gives every file below a folder.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(below(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[test]
fn no_way_of_the_list_leads_out_and_each_twin_works() -> Result<()> {
    let ground = Ground::start("")?;
    let mut outside = Vec::new();
    for way in rows::ways() {
        if let Twin::Outside(uid, _) = way.twin {
            outside.extend(ground.outside(uid, &[way.name])?);
        }
    }
    let mut wrong = Vec::new();
    for within in [Within::ByItself, Within::HandedOver] {
        let told = ground.within(within, &[])?;
        let (table, found) = rows::compare(within, &told, &outside);
        println!("{within:?}: way | seen | twin\n{table}");
        wrong.extend(
            found
                .into_iter()
                .map(|found| format!("{within:?}: {found}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let world = &ground.world;
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    assert_eq!(world.gate.executed()?, [""; 0]);
    world.flush()?;
    // Each kind of refusal that the kernel or the proxy made is in the record.
    let told = world.query(
        "select event_code, count(*) > 0 as told from events where event_code in ('NT001', 'NT003', 'NT004', 'NT005') \
         group by all order by all",
    )?;
    let code = |code: &str| json!({"event_code": code, "told": true});
    assert_eq!(told, ["NT001", "NT003", "NT004", "NT005"].map(code));
    Ok(())
}

/// Row 2: without the backstop such a connection is a way to the account's host; what it lacks is a credential.
#[test]
fn a_connection_from_before_the_guard_is_cut_by_the_backstop_alone() -> Result<()> {
    let name = "2 a connection from before the guard";
    for (more, seen) in [("", "answered"), ("backstop = true\n", "timeout")] {
        let ground = Ground::start(more)?;
        for within in [Within::ByItself, Within::HandedOver] {
            let told = ground.within(within, &[name])?;
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(
                (told[0].seen.as_str(), told[0].twin.as_str()),
                (seen, "ok"),
                "{more}"
            );
        }
    }
    Ok(())
}
