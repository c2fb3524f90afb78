//! What is sent needs an intent, which is durable; a permit is not enough.

use std::sync::Arc;

use icecore::policy::Permit;
use icecore::snowflake::query::QueryRequest;
use icecore::upstream::{Headers, Login, Upstream, execute};

async fn send(upstream: &Upstream, login: &Arc<Login>, permit: Permit, request: &QueryRequest) {
    execute(upstream, login, &Headers::own(), permit, request, "id", |_| {}).await;
}

fn main() {}
