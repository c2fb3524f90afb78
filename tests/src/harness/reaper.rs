//! Takes a world away when the test that made it is killed and cannot: a process that outlives it by a moment.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use std::os::unix::process::CommandExt as _;

use anyhow::Result;

/// Waits for the end of its standard input, then takes away cgroup, mounts and folder, as far as they are still there.
const REAP: &str = r#"
trap '' INT TERM HUP
cat > /dev/null
if [ -d "$1" ]; then
    echo 1 > "$1/cgroup.kill"
    sleep 1
    find "$1" -depth -type d -exec rmdir {} +
fi
if [ -d "$2" ]; then
    awk -v at="$2/" 'index($5, at) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
        umount --lazy "$mount"
    done
    rm -rf --one-file-system "$2"
fi
"#;

/// A process that waits for this value's end, however it comes.
#[derive(Debug)]
pub struct Reaper {
    child: Child,
}

impl Reaper {
    /// Starts to watch over a cgroup and a folder.
    pub fn watch(cgroup: &Path, folder: &Path) -> Result<Self> {
        let child = Command::new("/bin/sh")
            .args(["-c", REAP, "reaper"])
            .arg(cgroup)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is not for it.
            .process_group(0)
            .spawn()?;
        Ok(Self { child })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Not waited for when it is not done: it finds nothing left to do.
        drop(self.child.try_wait());
    }
}
