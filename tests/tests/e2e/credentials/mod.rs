//! The host's credential in place of the agent's: every kind, every form of host, rotated, and never another's.

mod accounts;
pub(crate) mod rotation;

use anyhow::Result;
use icecore_tests::harness::credential::CredentialKind;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::asserts::worked;

#[test]
fn each_kind_of_credential_logs_in_for_the_agent() -> Result<()> {
    for kind in CredentialKind::ALL {
        let world = World::start(&Plan {
            credential: kind,
            ..Plan::default()
        })?;
        let steps = json!([{"do": "connect"}, {"do": "sql", "sql": "select 1"}, {"do": "close"}]);
        for generation in Generation::ALL {
            let finished = world.drive(generation, &steps)?;
            worked(&finished, &["connect", "sql", "close"]);
        }
        assert!(
            world.gate.events(Some("login_refused"))?.is_empty(),
            "{kind:?}"
        );
        world.flush()?;
        let logins = world.query("select distinct auth_injected, credential_ref from logins")?;
        let [login] = logins.as_slice() else {
            panic!("{kind:?}: {logins:?}");
        };
        let expected = match kind {
            CredentialKind::KeyPair | CredentialKind::EncryptedKeyPair => "keypair",
            CredentialKind::Pat => "pat",
            CredentialKind::Password => "password",
            CredentialKind::OAuth => "oauth",
        };
        assert_eq!(login["auth_injected"], expected);
    }
    Ok(())
}
