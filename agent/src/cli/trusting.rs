//! Which CAs of hosts' own a process that runs trusts: those in all the files of roots that its environment names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use super::looking::{environment, open_inside};
use crate::connection::ca;

/// The variables that name such files, each read by some drivers and clients of models: Node; OpenSSL, Go, Rust; Python's
/// requests; curl.
const VARIABLES: [&str; 4] = [
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];

/// Longest file of roots that is read.
const ROOTS_MAX_BYTES: u64 = 4 << 20;

/// Lists the certificates: SHA-256, in hexadecimal.
///
/// Which of a process's programs makes its model calls is not known, so that only what is in every named file counts. One that
/// cannot be read has none. A process that says so untruly does harm to its own calls alone.
pub(super) fn own_cas(pid: u32) -> BTreeSet<String> {
    let environment = environment(pid).unwrap_or_default();
    let named: BTreeMap<&[u8], &[u8]> = environment
        .split(|byte| *byte == 0)
        .filter_map(|one| {
            let end = one.iter().position(|byte| *byte == b'=')?;
            let (name, value) = one.split_at(end);
            Some((name, value.get(1..)?))
        })
        .collect();
    let files = VARIABLES
        .iter()
        .filter_map(|name| named.get(name.as_bytes()));
    let files = files.filter(|value| !value.is_empty());
    let each = files.map(|value| in_file(pid, value));
    each.reduce(|one, other| &one & &other).unwrap_or_default()
}

/// Lists those of a file, as the process sees it.
fn in_file(pid: u32, value: &[u8]) -> BTreeSet<String> {
    let read = || {
        let path = Path::new(std::str::from_utf8(value).ok()?);
        // From which folder another one is read, its programs decide.
        let file = open_inside(pid, path).ok().filter(|_| path.is_absolute())?;
        let mut pem = Vec::new();
        file.take(ROOTS_MAX_BYTES + 1).read_to_end(&mut pem).ok()?;
        let is_whole = u64::try_from(pem.len()).is_ok_and(|length| length <= ROOTS_MAX_BYTES);
        is_whole.then(|| ca::own_among(&pem))
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Child, Command};
    use std::thread;

    use chrono::Utc;

    use super::super::looking::has;
    use super::*;
    use crate::connection::ca::{Ca, models_certificate};

    fn sleeping(variables: &[(&str, &str)]) -> Child {
        let mut sleep = Command::new("sleep");
        sleep.arg("30").env_clear().env("MARK", "1");
        let child = sleep.envs(variables.iter().copied()).spawn().unwrap();
        // Until it has executed, it still has this process's.
        while !has(child.id(), "MARK=1") {
            thread::yield_now();
        }
        child
    }

    #[test]
    fn a_ca_counts_that_is_in_every_file_that_a_process_names() {
        let folder = tempfile::TempDir::new().unwrap();
        let names = ["api.example".to_owned()].into();
        let (id, _) = Ca::of_models(folder.path(), "host", &names, Utc::now()).unwrap();
        let models = folder.path().join(models_certificate(&id).unwrap());
        Ca::open(folder.path(), "host", Utc::now()).unwrap();
        let other = folder.path().join("ca.pem");
        let (models, other) = (models.to_str().unwrap(), other.to_str().unwrap());
        let both = folder.path().join("both.pem");
        let text = fs::read_to_string(other).unwrap() + &fs::read_to_string(models).unwrap();
        fs::write(&both, text).unwrap();
        let both = both.to_str().unwrap();
        let own = ca::own_among(&fs::read(models).unwrap());
        assert_eq!(own.len(), 1);
        for (variables, is_trusted) in [
            (vec![("NODE_EXTRA_CA_CERTS", models)], true),
            (
                vec![("SSL_CERT_FILE", both), ("NODE_EXTRA_CA_CERTS", both)],
                true,
            ),
            (
                vec![("SSL_CERT_FILE", both), ("NODE_EXTRA_CA_CERTS", other)],
                false,
            ),
            (
                vec![("SSL_CERT_FILE", both), ("REQUESTS_CA_BUNDLE", "/none")],
                false,
            ),
            (
                vec![("SSL_CERT_FILE", both), ("REQUESTS_CA_BUNDLE", "")],
                true,
            ),
            (vec![("SSL_CERT_FILE", "both.pem")], false),
            (vec![], false),
        ] {
            let mut child = sleeping(&variables);
            let found = own_cas(child.id());
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(
                own.is_subset(&found),
                is_trusted,
                "{variables:?}: {found:?}"
            );
        }
        assert!(own_cas(u32::MAX).is_empty());
    }
}
