//! What happens to requests, for whoever is told of it beside the store. Nothing rests on it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::approval::{Approval, Counted, Request, State};

/// A change of a request's state; or a yes of somebody, while more are wanted.
#[derive(Clone, Debug)]
pub struct News {
    /// The request.
    pub request: Arc<Request>,
    /// Its digest.
    pub digest: [u8; 32],
    /// How it stands.
    pub state: State,
    /// What was said to it, as far as it counted.
    pub by: Vec<Counted>,
    /// Why, in words.
    pub reason: Option<String>,
    /// Whether one person said yes alone for emergencies.
    pub is_break_glass: bool,
    /// When.
    pub at: DateTime<Utc>,
}

impl News {
    /// Says that people are asked.
    pub(super) fn asked(request: &Arc<Request>, digest: [u8; 32]) -> Self {
        Self {
            request: Arc::clone(request),
            digest,
            state: State::Requested,
            by: Vec::new(),
            reason: None,
            is_break_glass: false,
            at: request.requested_at,
        }
    }

    /// Says what came of people's yes.
    pub(super) fn of_approval(
        approval: &Approval,
        digest: [u8; 32],
        state: State,
        at: DateTime<Utc>,
    ) -> Self {
        let asked = Self::asked(approval.request(), digest);
        Self {
            state,
            by: approval.counted().to_vec(),
            is_break_glass: approval.is_break_glass(),
            at,
            ..asked
        }
    }
}

/// Takes news on; must neither block nor fail.
#[derive(Clone, Default)]
pub struct Herald(Option<Arc<dyn Fn(News) + Send + Sync>>);

impl Herald {
    /// Takes who is told.
    pub fn new(tell: impl Fn(News) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Tells them.
    pub(super) fn tell(&self, news: News) {
        if let Some(tell) = &self.0 {
            tell(news);
        }
    }
}
