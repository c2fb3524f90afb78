//! What is kept for the next proxy is what was loaded, whatever becomes of the files.

use super::*;

const READ: &str =
    r#"@id("reads") permit (principal, action == Icecore::Action::"read", resource);"#;

fn source(text: &str) -> Source {
    Source {
        file: "/p/a.cedar".to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn the_next_proxy_gets_the_same_policies_by_the_same_digest() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(KEPT);
    assert!(matches!(recall(&place), Err(PoliciesError::Kept { .. })));
    Draft::write(&place, &[source(READ)])
        .unwrap()
        .keep()
        .unwrap();
    let users = Users::read();
    let names = Names {
        accounts: None,
        users: &users,
        issuers: None,
        approvers: None,
    };
    let loaded = Bundle::load(&[source(READ)], &names).unwrap();
    assert_eq!(told(&recall(&place).unwrap()), told(&loaded));
    // One that is not in place yet, or was cut, changes nothing.
    let draft = Draft::write(&place, &[source("permit (")]).unwrap();
    assert_eq!(told(&recall(&place).unwrap()), told(&loaded));
    draft.keep().unwrap();
    assert!(matches!(recall(&place), Err(PoliciesError::NotGood(_))));
}
