//! A login as another proxy needs it to go on with it. It holds real tokens: it is written down sealed, or not at all.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use serde::{Deserialize, Serialize};

use super::login::{CredentialUsed, Login};
use crate::snowflake::login::RealTokens;
use crate::snowflake::secret::{Secret, revealed};

/// All that a login is made of.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptLogin {
    host: String,
    credential: CredentialUsed,
    #[serde(with = "revealed")]
    session: Secret,
    #[serde(with = "revealed")]
    master: Secret,
    session_validity: Duration,
    master_validity: Duration,
    route: Option<String>,
}

impl Login {
    /// Gives what another proxy goes on with.
    #[must_use]
    pub fn keep(&self) -> KeptLogin {
        let RealTokens {
            session,
            master,
            session_validity,
            master_validity,
        } = self.tokens();
        KeptLogin {
            host: self.host().to_owned(),
            credential: self.credential().clone(),
            session,
            master,
            session_validity,
            master_validity,
            route: self
                .route()
                .and_then(|route| Some(route.to_str().ok()?.to_owned())),
        }
    }
}

impl From<KeptLogin> for Arc<Login> {
    fn from(kept: KeptLogin) -> Self {
        let tokens = RealTokens {
            session: kept.session,
            master: kept.master,
            session_validity: kept.session_validity,
            master_validity: kept.master_validity,
        };
        let route = kept
            .route
            .and_then(|route| HeaderValue::try_from(route).ok());
        Arc::new(Login::of(kept.host, kept.credential, tokens, route))
    }
}
