//! Bad configs through the real program: every problem at once, each with file, key, expected and found.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;
use icecore_tests::harness::world::{Plan, World};

struct Checked {
    code: Option<i32>,
    text: String,
}

/// Writes the config changed by `edit` and lets `icecore check` and `icecore daemon` judge it.
fn check(world: &World, edit: impl FnOnce(String) -> String) -> Result<Checked> {
    let file = world.config_file();
    let before = fs::read_to_string(&file)?;
    fs::write(&file, edit(before.clone()))?;
    let path = file.to_string_lossy().into_owned();
    let checked = world.icecore(&["check", "--config", &path])?;
    let started = world.icecore(&["daemon", "--config", &path])?;
    fs::write(&file, before)?;
    assert_eq!(
        checked.status.code(),
        started.status.code(),
        "check and daemon disagree: {started:?}"
    );
    let text = String::from_utf8_lossy(&checked.stderr).into_owned()
        + &String::from_utf8_lossy(&checked.stdout);
    Ok(Checked {
        code: checked.status.code(),
        text,
    })
}

#[track_caller]
fn refused(checked: &Checked, parts: &[&str]) {
    assert_eq!(checked.code, Some(3), "{}", checked.text);
    for part in parts {
        assert!(
            checked.text.contains(part),
            "no `{part}` in:\n{}",
            checked.text
        );
    }
}

#[test]
fn bad_configs_are_refused_with_every_problem_at_once() -> Result<()> {
    let world = World::without_daemon(&Plan::default())?;
    let good = check_only(&world)?;
    assert_eq!(good.code, Some(0), "{}", good.text);

    let unknown = check(&world, |text| text.replace("pin_dir", "pindir"))?;
    refused(&unknown, &["capture.pindir", "pin_dir"]);

    let unit = check(&world, |text| {
        text.replace("\"3s\"", "3")
            .replace("\"64MiB\"", "\"64 apples\"")
    })?;
    refused(
        &unit,
        &[
            "upstream.connect_timeout",
            "record.spool_max",
            "expected",
            "found",
        ],
    );

    let small = check(&world, |text| text.replace("\"64MiB\"", "\"1KiB\""))?;
    refused(&small, &["record.spool_max", "1MiB"]);

    let both = check(&world, |text| {
        text.replace("\"enforce\"", "\"enfroce\"")
            .replace("key-pair", "keypair")
    })?;
    refused(&both, &["daemon.mode", "enfroce", "credential"]);

    let elsewhere = check(&world, |text| text.replace("/bpf/icecore", "/state"))?;
    refused(&elsewhere, &["capture.pin_dir", "BPF file system"]);

    let toml = check(&world, |text| text.replace("[record]", "[record"))?;
    refused(&toml, &["icecore.toml"]);

    let missing = check(&world, |text| text.replace("login.p8", "no-such.p8"))?;
    refused(&missing, &["no-such.p8"]);

    let nowhere = world.icecore(&["check", "--config", "/no-such/icecore.toml"])?;
    let told = String::from_utf8(nowhere.stderr)?;
    assert_eq!(nowhere.status.code(), Some(3), "{told}");
    assert!(
        told.contains("hint: --config names the config file"),
        "{told}"
    );
    Ok(())
}

fn check_only(world: &World) -> Result<Checked> {
    let path = world.config_file().to_string_lossy().into_owned();
    let output = world.icecore(&["check", "--config", &path])?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Checked {
        code: output.status.code(),
        text,
    })
}

#[test]
fn keys_that_others_can_read_are_refused() -> Result<()> {
    let world = World::without_daemon(&Plan::default())?;
    let key = world.config.key_file.clone();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    mode(&key, 0o644)?;
    refused(
        &check(&world, |text| text)?,
        &["login.p8", "private_key_file"],
    );
    mode(&key, 0o600)?;

    let link = world.path("link.p8");
    std::os::unix::fs::symlink(&key, &link)?;
    refused(
        &check(&world, |text| text.replace("login.p8", "link.p8"))?,
        &["link.p8"],
    );

    fs::write(link.with_file_name("garbage.p8"), "not a key")?;
    mode(&link.with_file_name("garbage.p8"), 0o600)?;
    refused(
        &check(&world, |text| text.replace("login.p8", "garbage.p8"))?,
        &["garbage.p8"],
    );

    mode(&world.config.policies(), 0o777)?;
    refused(&check(&world, |text| text)?, &["policies"]);
    Ok(())
}

#[test]
fn policy_with_a_syntax_error_is_refused_with_its_place() -> Result<()> {
    let world = World::without_daemon(&Plan::default())?;
    fs::write(
        world.config.policies().join("broken.cedar"),
        "@id(\"x\")\npermit (principal, action resource);\n",
    )?;
    refused(&check(&world, |text| text)?, &["broken.cedar", "2"]);
    fs::write(
        world.config.policies().join("broken.cedar"),
        "@id(\"x\")\npermit (principal, action == Icecore::Action::\"dance\", resource);\n",
    )?;
    refused(
        &check(&world, |text| text)?,
        &["broken.cedar", "`x`", "dance"],
    );

    let path = world.config_file().to_string_lossy().into_owned();
    let text = fs::read_to_string(&path)?.replace("enforce", "enfroce");
    fs::write(&path, text)?;
    let both = check_only(&world)?;
    refused(&both, &["daemon.mode", "enfroce", "broken.cedar", "dance"]);
    Ok(())
}

#[test]
fn policies_that_name_what_exists_nowhere_are_refused_or_warned_about() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    let file = world.config.policies().join("names.cedar");
    fs::write(
        &file,
        "@id(\"x\")\nforbid (principal, action, resource == Icecore::Account::\"ACMEE\")\n\
         when { context.kind == \"qurey\" }\n\
         unless { resource in Icecore::Schema::\"PROD.HR\" };\n",
    )?;
    refused(
        &check(&world, |text| text)?,
        &[
            "names.cedar: line 2, column 40: ",
            "(did you mean `Icecore::Account::\"ACME\"`?)",
            "names.cedar: line 3, column 24: ",
            "found \"qurey\" (did you mean `query`?)",
            "names.cedar: line 4, column 22: ",
            "(did you mean `Icecore::Schema::\"ACME.PROD.HR\"`?)",
        ],
    );

    fs::write(
        &file,
        "@id(\"x\")\nforbid (principal == Icecore::Principal::\"no-such-user\", action, resource);\n",
    )?;
    let warning = "names.cedar: line 2, column 22: policy `x`: expected a user of this host";
    let good = check_only(&world)?;
    assert_eq!(good.code, Some(0), "{}", good.text);
    assert!(good.text.contains("warning: "), "{}", good.text);
    assert!(good.text.contains(warning), "{}", good.text);
    world.start_daemon()?;
    let log = world.daemon()?.log()?;
    assert!(log.contains(warning), "{log}");
    Ok(())
}

#[test]
fn readers_say_when_a_store_is_empty_or_is_none() -> Result<()> {
    let world = World::without_daemon(&Plan::default())?;
    fs::create_dir(world.path("empty"))?;
    let store = format!("file://{}", world.path("empty").display());
    for options in [&[][..], &["--json"]] {
        let output = world.icecore(&[&["sessions", "--store", &store], options].concat())?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
        assert_eq!(told, format!("no session is recorded in `{store}` yet\n"));
    }
    for command in [&["sessions"][..], &["replay", "0"], &["duckdb"]] {
        let output = world.icecore(&[command, &["--store", "ftp://bucket"]].concat())?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.starts_with("icecore: --store: expected a URL such as"),
            "{told}"
        );
    }
    Ok(())
}
