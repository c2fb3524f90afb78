//! Which folders are an engine's, and whose each is.

use std::os::unix::fs::chown;

use super::*;

fn engines(patterns: &[&str]) -> Vec<Pattern> {
    let parsed = patterns.iter().map(|text| Pattern::parse(text).unwrap());
    parsed.collect()
}

/// What is found below a folder, as paths in it, with whose it is.
fn found(mount: &Path, patterns: &[&str]) -> Vec<(String, String)> {
    let short = |path: &Path| path.strip_prefix(mount).unwrap().display().to_string();
    let mut all: Vec<_> = places(mount, &engines(patterns))
        .into_values()
        .map(|place| {
            let owner = match place.owner {
                Owner::Made(path) => short(&path),
                Owner::User(uid) => format!("uid {uid}"),
            };
            (short(&place.folder), owner)
        })
        .collect();
    all.sort();
    all
}

fn tree(folders: &[&str]) -> tempfile::TempDir {
    let mount = tempfile::TempDir::new().unwrap();
    for folder in folders {
        fs::create_dir_all(mount.path().join(folder)).unwrap();
    }
    mount
}

#[test]
fn names_fit_their_patterns() {
    for (pattern, name, expected) in [
        ("docker*", "docker", true),
        ("docker*", "docker-7.scope", true),
        ("docker-*.scope", "docker-7.scope", true),
        ("docker-*.scope", "docker-.scope", true),
        ("docker-*.scope", "docker-7.service", false),
        ("docker-*.scope", "docker.scope", false),
        ("a*a", "a", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c", false),
        ("docker", "docker2", false),
        ("*", "", true),
    ] {
        assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
    }
    for bad in ["", "a//b", "../a", "a/", "/"] {
        assert!(Pattern::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_an_engine_made_is_found_and_what_a_user_made_is_not() {
    let mount = tree(&[
        "docker/c1/inner/deep",
        "system.slice/docker-c2.scope",
        "system.slice/cron.service/docker-fake.scope",
        "user.slice/user-1000.slice/user@1000.service/docker-fake.scope",
        "user.slice/user-1000.slice/user@1000.service/kubepods.slice/x",
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-1.scope",
        "kubepods.slice/kubepods-pod2.slice/cri-2.scope",
        "icecore/daemon",
    ]);
    let pod = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice";
    let expected: Vec<(String, String)> = [
        ("docker", "docker"),
        ("docker/c1", "docker/c1"),
        ("docker/c1/inner", "docker/c1"),
        ("docker/c1/inner/deep", "docker/c1"),
        ("kubepods.slice", "kubepods.slice"),
        (
            "kubepods.slice/kubepods-burstable.slice",
            "kubepods.slice/kubepods-burstable.slice",
        ),
        (pod, pod),
        (&format!("{pod}/cri-1.scope"), pod),
        (
            "kubepods.slice/kubepods-pod2.slice",
            "kubepods.slice/kubepods-pod2.slice",
        ),
        (
            "kubepods.slice/kubepods-pod2.slice/cri-2.scope",
            "kubepods.slice/kubepods-pod2.slice",
        ),
        (
            "system.slice/docker-c2.scope",
            "system.slice/docker-c2.scope",
        ),
    ]
    .map(|(path, owner)| (path.to_owned(), owner.to_owned()))
    .into();
    assert_eq!(found(mount.path(), &ENGINES), expected);
}

#[test]
fn what_root_names_of_a_users_is_found_and_is_that_users() {
    let home = "user.slice/user-1000.slice/user@1000.service/user.slice";
    let mount = tree(&[
        &format!("{home}/libpod-1.scope"),
        &format!("{home}/libpod-2.scope"),
    ]);
    chown(mount.path().join(home), Some(1000), None).unwrap();
    let pattern = "user.slice/user-*.slice/user@*.service/user.slice";
    let owners: Vec<String> = (found(mount.path(), &[pattern]).into_iter())
        .map(|(_, owner)| owner)
        .collect();
    assert_eq!(owners, ["uid 1000"; 3]);
}

#[test]
fn neither_many_nor_deep_cgroups_of_one_hide_anothers() {
    let mount = tree(&["docker/quiet/a"]);
    for number in 0..1000 {
        let folder = format!("docker/loud/{}/{number}", number % 7);
        fs::create_dir_all(mount.path().join(folder)).unwrap();
    }
    let deep = "x/".repeat(40);
    fs::create_dir_all(mount.path().join(format!("docker/deep/{deep}"))).unwrap();
    let found = found(mount.path(), &["docker*"]);
    let of = |name: &str| found.iter().filter(|(_, owner)| owner == name).count();
    assert_eq!(of("docker/quiet"), 2);
    assert_eq!(of("docker/loud"), 256);
    assert_eq!(of("docker/deep"), LEVELS_MAX - 1);
}
