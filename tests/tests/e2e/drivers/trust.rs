//! By which variable each driver trusts the proxy, as the README's table has it: by that one alone, and not without it.

use anyhow::Result;
use icecore_tests::drivers::Product;
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use crate::asserts::worked;

/// What `icecore run` sets, or merges, to make programs trust the proxy.
const VARIABLES: [&str; 5] = [
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "JAVA_TOOL_OPTIONS",
];

#[test]
fn connector_4_trusts_by_requests_ca_bundle() -> Result<()> {
    trusts_by(Product::Connector4, "REQUESTS_CA_BUNDLE")
}

#[test]
fn connector_5_trusts_by_ssl_cert_file() -> Result<()> {
    trusts_by(Product::Connector5, "SSL_CERT_FILE")
}

#[test]
fn node_trusts_by_node_extra_ca_certs() -> Result<()> {
    trusts_by(Product::Node, "NODE_EXTRA_CA_CERTS")
}

#[test]
fn adbc_trusts_by_ssl_cert_file() -> Result<()> {
    trusts_by(Product::Adbc, "SSL_CERT_FILE")
}

#[test]
fn snow_sql_trusts_by_requests_ca_bundle() -> Result<()> {
    trusts_by(Product::Cli, "REQUESTS_CA_BUNDLE")
}

#[test]
fn the_crate_trusts_by_ssl_cert_file() -> Result<()> {
    trusts_by(Product::Crate, "SSL_CERT_FILE")
}

fn trusts_by(product: Product, variable: &str) -> Result<()> {
    let world = World::start(&Plan::default())?;
    let others: Vec<&str> = VARIABLES
        .into_iter()
        .filter(|name| *name != variable)
        .collect();
    // `snow` logs in with a statement alone; Node tries again for 300 s and is left after 20.
    let connect = json!({"do": "connect", "login_timeout": 5, "network_timeout": 5, "limit": 20});
    let sql = json!({"do": "sql", "sql": "select 1"});
    let run = |variables: &[&str], steps: Value| {
        world
            .start_driver_without(variables, product, &steps)?
            .finish()
    };
    let alone = run(&others, json!([connect, sql]))?;
    worked(&alone, &["connect", "sql"]);
    assert_eq!(handshakes_failed(&world)?, 0, "{}", alone.output);
    let logins = world.gate.events(Some("login"))?.len();

    let steps = if product == Product::Cli {
        json!([connect, sql])
    } else {
        json!([connect])
    };
    let without = run(&[variable], steps)?;
    let last = without.steps.last().cloned().unwrap_or_default();
    assert_eq!(last["ok"], false, "{}", without.output);
    assert!(handshakes_failed(&world)? > 0, "{}", without.output);
    assert_eq!(world.gate.events(Some("login"))?.len(), logins);
    assert_eq!(world.trap.arrivals(), 0, "something bypassed the proxy");
    Ok(())
}

/// Counts the clients that broke the TLS handshake off.
fn handshakes_failed(world: &World) -> Result<usize> {
    let log = std::fs::read_to_string(world.path("daemon.log"))?;
    Ok(log.matches("TLS handshake failed").count())
}
