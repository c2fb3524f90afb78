//! What policies see beside principal, action and account: the statement's kind and what the session's token proved.

use cedar_policy::{Context, RestrictedExpression};

use crate::identity::Identity;
use crate::statement::Kind;

/// Makes the context of one request. A fact that is not known is absent, so that no policy can take it for an empty one.
pub(super) fn context(identity: &Identity, kind: Kind) -> Result<Context, String> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let ci = identity.ci();
    let facts = [
        ("issuer", identity.issuer_name()),
        ("kind", identity.kind().map(|kind| kind.as_str())),
        ("agent", identity.agent()),
        ("ci", ci.provider.as_deref()),
    ];
    let facts = facts
        .into_iter()
        .chain(ci.facts())
        .filter_map(|(name, fact)| Some((name.to_owned(), text(fact?))));
    let scopes = identity.scopes().iter().map(|scope| text(scope));
    let always = [
        (
            "verified".to_owned(),
            RestrictedExpression::new_bool(identity.is_verified()),
        ),
        ("protocol".to_owned(), text(identity.protocol().as_str())),
        ("scopes".to_owned(), RestrictedExpression::new_set(scopes)),
    ];
    let identity = RestrictedExpression::new_record(always.into_iter().chain(facts))
        .map_err(|error| error.to_string())?;
    Context::from_pairs([
        ("kind".to_owned(), text(kind.name())),
        ("identity".to_owned(), identity),
    ])
    .map_err(|error| error.to_string())
}
