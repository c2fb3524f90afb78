//! Folders that are given away, and what was planted in them.

use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

use tempfile::TempDir;

use super::*;

const OWNER: Owner = Owner {
    uid: 61_111,
    gid: 61_112,
};

/// Gives owner and group of a path; these tests need root, as all that chown does.
fn owned(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.uid(), found.gid())
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("not shown: chown needs root");
    }
    is_root
}

fn state() -> TempDir {
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("state");
    fs::create_dir_all(state.join("spool/chain")).unwrap();
    fs::write(state.join("identity.key"), "key").unwrap();
    fs::write(state.join("spool/chain/frames"), "frames").unwrap();
    fs::hard_link(
        state.join("spool/chain/frames"),
        state.join("spool/chain/sealing"),
    )
    .unwrap();
    folder
}

#[test]
fn a_folder_of_roots_is_given_with_all_in_it_and_its_parent_is_not() {
    if !is_root() {
        return;
    }
    let folder = state();
    let state = folder.path().join("state");
    give(&state, OWNER).unwrap();
    for name in [
        "",
        "identity.key",
        "spool",
        "spool/chain",
        "spool/chain/frames",
    ] {
        let path = state.join(name);
        assert_eq!(owned(&path), (OWNER.uid, OWNER.gid), "{}", path.display());
    }
    assert_eq!(owned(folder.path()).0, 0);
    give(&state, OWNER).unwrap();
}

#[test]
fn links_and_other_peoples_files_stop_it_before_the_folder_is_given() {
    if !is_root() {
        return;
    }
    let secret = TempDir::new().unwrap();
    let secret = secret.path().join("shadow");
    fs::write(&secret, "secret").unwrap();
    let plant: [fn(&Path, &Path); 2] = [
        |state, secret| symlink(secret, state.join("spool/zz")).unwrap(),
        |state, _| {
            fs::write(state.join("spool/zz"), "").unwrap();
            lchown(state.join("spool/zz"), Some(7), None).unwrap();
        },
    ];
    for plant in plant {
        let folder = state();
        let state = folder.path().join("state");
        plant(&state, &secret);
        let error = give(&state, OWNER).unwrap_err().to_string();
        assert!(error.contains("/spool/zz"), "{error}");
        assert_eq!(owned(&state).0, 0, "given all the same");
        assert_eq!(owned(&secret).0, 0, "a link was followed");
    }
}

#[test]
fn a_folder_that_is_the_proxys_already_is_not_walked() {
    if !is_root() {
        return;
    }
    let folder = state();
    let state = folder.path().join("state");
    give(&state, OWNER).unwrap();
    let planted = state.join("planted");
    fs::write(&planted, "").unwrap();
    give(&state, OWNER).unwrap();
    assert_eq!(owned(&planted).0, 0, "root touched what the proxy planted");
    let error = give(&state, Owner { uid: 9, gid: 9 }).unwrap_err();
    assert!(error.to_string().contains("chown -R 9:9"), "{error}");
}

/// What lies deeper in a folder of the proxy's is behind names that it chooses.
#[test]
fn a_folder_behind_a_link_of_the_proxys_is_not_given() {
    if !is_root() {
        return;
    }
    let folder = state();
    let (state, host) = (folder.path().join("state"), folder.path().join("host"));
    fs::create_dir_all(host.join("store")).unwrap();
    fs::create_dir(state.join("store")).unwrap();
    give(&state.join("spool"), OWNER).unwrap();
    lchown(&state, Some(OWNER.uid), None).unwrap();
    symlink(&host, state.join("data")).unwrap();
    lchown(state.join("data"), Some(OWNER.uid), None).unwrap();
    give(&state.join("data/store"), OWNER).unwrap();
    assert_eq!(owned(&host.join("store")).0, 0, "a link was followed");
    // An operator's own folder directly in it is given as ever.
    give(&state.join("store"), OWNER).unwrap();
    assert_eq!(owned(&state.join("store")).0, OWNER.uid);
}

#[test]
fn a_folder_of_the_hosts_is_never_given() {
    if !is_root() {
        return;
    }
    let error = give(Path::new("/var"), OWNER).unwrap_err().to_string();
    assert!(error.contains("found one of the host's"), "{error}");
    assert_eq!(owned(Path::new("/var")).0, 0);
}

#[test]
fn what_lay_in_the_run_folder_moves_into_the_proxys_and_newer_stays() {
    let folder = TempDir::new().unwrap();
    let kept = folder.path().join("proxy");
    fs::create_dir_all(kept.join("chunks")).unwrap();
    fs::create_dir(folder.path().join("chunks")).unwrap();
    fs::write(folder.path().join("used.json"), "used").unwrap();
    move_old(folder.path(), &kept).unwrap();
    assert_eq!(fs::read(kept.join("used.json")).unwrap(), b"used");
    assert!(folder.path().join("chunks").exists());
    assert!(!folder.path().join("used.json").exists());
}

#[test]
fn what_is_done_in_the_proxys_folder_is_done_as_its_user() {
    if !is_root() {
        return;
    }
    let folder = state();
    let state = folder.path().join("state");
    let user = || rustix::process::geteuid().as_raw();
    assert_eq!(
        as_owner(OWNER, &state, user).unwrap(),
        0,
        "it is root's yet"
    );
    give(&state, OWNER).unwrap();
    assert_eq!(as_owner(OWNER, &state, user).unwrap(), OWNER.uid);
    assert_eq!(user(), 0, "another thread's user was changed");
    let secret = folder.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&secret, state.join("led")).unwrap();
    let led = as_owner(OWNER, &state, || fs::read(state.join("led"))).unwrap();
    assert_eq!(led.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}
