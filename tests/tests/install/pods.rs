//! Kubernetes as far as it can be had without a cluster: the manifests as kubectl reads them, and a process that sits in a
//! container's kind of place (nested cgroups, PID and mount namespaces of its own) and uses the node's network.

use std::fs;
use std::process::Command;

use icecore_tests::python::folder;

use crate::place::Place;

#[test]
fn kubectl_reads_the_manifests_and_nothing_in_them_is_a_folder_of_links() {
    let manifests = folder("../packaging/kubernetes");
    let pack = fs::read(folder("../policies/read-only.cedar")).unwrap();
    assert_eq!(fs::read(manifests.join("read-only.cedar")).unwrap(), pack);
    let Ok(output) = Command::new("kubectl")
        .arg("kustomize")
        .arg(&manifests)
        .output()
    else {
        eprintln!("not shown: this host has no kubectl");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for kind in ["Namespace", "ServiceAccount", "ConfigMap", "DaemonSet"] {
        assert!(
            text.contains(&format!("\nkind: {kind}\n")),
            "{kind} in\n{text}"
        );
    }
    // Files of a ConfigMap are links, which the config's checks refuse; by subPath they are files.
    let mounts = text.split("volumeMounts:").nth(1).unwrap();
    let mounts = mounts.split("volumes:").next().unwrap();
    for mount in mounts.split("- mountPath: ").skip(1) {
        let is_kept_by_cluster = mount.contains("name: config\n") || mount.contains("name: key\n");
        assert_eq!(mount.contains("subPath:"), is_kept_by_cluster, "{mount}");
    }
}

#[test]
fn a_process_in_a_containers_place_is_governed_and_leaves_it_for_its_session() {
    let place = Place::installed();
    let fresh = &place.fresh;
    let daemon = place.start();
    let pod = fresh.cgroup.path().join("kubepods.slice/pod1/container1");
    fs::create_dir_all(&pod).unwrap();
    fs::write(fresh.path("/usr/local/share/work.txt"), crate::place::WORK).unwrap();
    // The shell is the container's first process; its cgroups are the node's, nested.
    let script = "echo $$ > $1/kubepods.slice/pod1/container1/cgroup.procs
        exec unshare --pid --fork --mount --mount-proc --kill-child \
            setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs env HOME=/tmp PYTHONPATH=/opt \
            icecore run -- python3 /usr/local/share/piece.py \"$(cat /usr/local/share/work.txt)\"";
    let told = fresh.run(&["sh", "-euc", script, "container", &fresh.cgroup_inside()]);
    assert!(
        told.contains("\"rows\": [[1]]") || told.contains("\"rows\":[[1]]"),
        "{told}"
    );
    assert!(told.contains("3001"), "{told}");
    assert_eq!(place.gate.executed().unwrap(), ["select 1"]);
    assert_eq!(place.trap.arrivals(), 0);
    daemon.end();
}
