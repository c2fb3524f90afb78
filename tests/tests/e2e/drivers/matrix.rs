//! Each driver's daily work through the real redirection, one group of facts after the other.

use std::time::Duration;

use anyhow::{Context as _, Result};
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use super::facts::{
    ADBC, Batch, CLI, CONNECTOR_4, CONNECTOR_5, CRATE, Facts, Logins, NODE, SQL_API,
};
use crate::asserts::{all_executed_is_recorded, refused};

const REFUSED: &str = "insert into orders values (9, 'eve', 0)";
const LONG: &str = "select * from wait_90_seconds";

#[test]
fn connector_4_does_its_daily_work() -> Result<()> {
    daily_work(&CONNECTOR_4)
}

#[test]
fn connector_5_does_its_daily_work() -> Result<()> {
    daily_work(&CONNECTOR_5)
}

#[test]
fn node_does_its_daily_work() -> Result<()> {
    daily_work(&NODE)
}

#[test]
fn adbc_does_its_daily_work() -> Result<()> {
    daily_work(&ADBC)
}

#[test]
fn snow_sql_does_its_daily_work() -> Result<()> {
    daily_work(&CLI)
}

#[test]
fn the_crate_does_its_daily_work() -> Result<()> {
    daily_work(&CRATE)
}

#[test]
fn sql_api_client_does_its_daily_work() -> Result<()> {
    daily_work(&SQL_API)
}

/// A driver at work in a world of its own; what failed is named by the group's function in the backtrace and the step.
struct Work {
    facts: &'static Facts,
    world: World,
    driver: Driver,
}

fn daily_work(facts: &'static Facts) -> Result<()> {
    let tuning = Tuning {
        poll_after_ms: 700,
        poll_hold_ms: 700,
        chunk_rows: 5_000,
        partition_rows: 5_000,
        ..Tuning::default()
    };
    let world = World::start(&Plan {
        tuning,
        log: "trace",
        ..Plan::default()
    })?;
    let driver = world.start_driver(facts.product, &steps(facts))?;
    let mut work = Work {
        facts,
        world,
        driver,
    };
    work.login()?;
    work.binds()?;
    work.large_fetch()?;
    work.error_of_the_upstream()?;
    work.refusal_is_shown_once_and_not_tried_again()?;
    work.slow_statement_is_waited_for()?;
    work.cancel()?;
    work.asynchronous()?;
    work.batch()?;
    work.close()?;
    all_executed_is_recorded(&work.world)?;
    Ok(())
}

fn steps(facts: &Facts) -> Value {
    let mut steps = vec![json!({"do": "connect"})];
    if facts.binds {
        let sql = "select customer, amount from orders where id = ? and customer = ?";
        steps.push(json!({"do": "sql", "name": "binds", "sql": sql, "binds": [2, "grace"]}));
    }
    let many = json!({"do": "sql", "sql": "select n from numbers", "sum": true});
    let fetch = |name: &str| {
        let mut step = many.clone();
        step["name"] = json!(name);
        step["as"] = json!(name);
        step
    };
    steps.push(fetch("many"));
    steps.extend(facts.tables.iter().map(|table| fetch(table)));
    steps.extend([
        json!({"do": "sql", "name": "wrong", "sql": "select * from no_such_table"}),
        json!({"do": "pause"}),
        json!({"do": "sql", "name": "refused", "sql": REFUSED}),
        json!({"do": "pause"}),
        json!({"do": "sql", "name": "slow", "sql": "select * from wait_2_seconds"}),
        json!({"do": "cancel", "sql": LONG}),
    ]);
    if facts.asynchronous {
        steps.push(json!({"do": "async", "fetch": true, "sql": "select * from wait_3_seconds"}));
    }
    if facts.batch != Batch::No {
        let sql = "select 1; select customer from orders order by id";
        steps.push(json!({"do": "multi", "name": "batch", "count": 2, "sql": sql}));
        let sql = format!("select 2; {REFUSED}");
        steps.push(json!({"do": "multi", "name": "refused batch", "count": 2, "sql": sql}));
    }
    steps.push(json!({"do": "close"}));
    Value::Array(steps)
}

impl Work {
    #[track_caller]
    fn worked(&mut self, name: &str) -> Result<Value> {
        let step = self.driver.expect(name)?;
        assert_eq!(step["ok"], true, "{step}\n{}", self.driver.output);
        Ok(step)
    }

    fn login(&mut self) -> Result<()> {
        let connect = self.worked("connect")?;
        assert_eq!(connect["version"], self.facts.version, "{connect}");
        Ok(())
    }

    fn binds(&mut self) -> Result<()> {
        if self.facts.binds {
            let binds = self.worked("binds")?;
            assert_eq!(binds["first"], json!(["grace", "99.99"]), "{binds}");
        }
        Ok(())
    }

    /// 20,000 rows, most of them in chunks that the proxy fetches from storage.
    fn large_fetch(&mut self) -> Result<()> {
        let tables = self.facts.tables;
        for name in ["many"].iter().chain(tables) {
            let many = self.worked(name)?;
            assert_eq!(
                (&many["rows"], &many["sum"]),
                (&json!(20_000), &json!(199_990_000)),
                "{many}"
            );
        }
        let fetched = match self.facts.logins {
            Logins::Never => self.requests("partition=")?,
            Logins::PerConnection | Logins::PerStatement => {
                self.world.gate.events(Some("chunk"))?.len()
            }
        };
        assert!(fetched >= 2 * (1 + tables.len()), "{fetched} chunks");
        Ok(())
    }

    /// Code, SQL state and text are the upstream's.
    fn error_of_the_upstream(&mut self) -> Result<()> {
        let wrong = self.driver.expect("wrong")?;
        assert_eq!(
            (&wrong["ok"], &wrong["errno"]),
            (&json!(false), &json!(2003)),
            "{wrong}"
        );
        if self.facts.sql_state {
            assert_eq!(wrong["sqlstate"], "42S02", "{wrong}");
        }
        let message = wrong["message"].to_string();
        assert!(message.contains("NO_SUCH_TABLE"), "{wrong}");
        assert!(message.contains("does not exist"), "{wrong}");
        assert!(!message.contains("Icecore"), "{wrong}");
        Ok(())
    }

    fn refusal_is_shown_once_and_not_tried_again(&mut self) -> Result<()> {
        self.driver.expect("pause")?;
        let before = self.submits()?;
        self.driver.go_on()?;
        let step = self.driver.expect("refused")?;
        self.driver.expect("pause")?;
        if self.facts.sql_state {
            refused(&step);
        } else {
            assert_eq!(
                (&step["ok"], &step["errno"]),
                (&json!(false), &json!(3001)),
                "{step}"
            );
        }
        let text = step["message"].to_string();
        assert_eq!(
            text.matches("Icecore refused this statement").count(),
            1,
            "{step}"
        );
        assert_eq!(
            self.submits()? - before,
            1,
            "the refused statement came again"
        );
        self.world.flush()?;
        let sql = format!(
            "select status from trail where sql_text = '{}'",
            REFUSED.replace('\'', "''")
        );
        let rows = self.world.query(&sql)?;
        assert_eq!(rows, [json!({"status": "blocked"})]);
        let executed = self.world.gate.executed()?;
        assert!(
            !executed.iter().any(|sql| sql.contains("insert")),
            "{executed:?}"
        );
        self.driver.go_on()
    }

    /// Counts the requests of a kind that reached the emulator.
    fn requests(&self, holds: &str) -> Result<usize> {
        let requests = self.world.gate.events(Some("request"))?;
        let of_the_kind = |request: &&Value| request.to_string().contains(holds);
        Ok(requests.iter().filter(of_the_kind).count())
    }

    /// Counts the requests by which a statement came to the proxy.
    fn submits(&self) -> Result<usize> {
        let log = std::fs::read_to_string(self.world.path("daemon.log"))?;
        let submit = |line: &&str| {
            line.contains("request taken")
                && (line.contains("endpoint=Query") || line.contains("endpoint=Submit"))
        };
        Ok(log.lines().filter(submit).count())
    }

    fn slow_statement_is_waited_for(&mut self) -> Result<()> {
        let slow = self.worked("slow")?;
        assert_eq!(slow["first"], json!(["waited 2 seconds"]), "{slow}");
        Ok(())
    }

    fn cancel(&mut self) -> Result<()> {
        let started = self.driver.expect("cancel")?;
        assert_eq!(started["waiting"], true, "{}", self.driver.output);
        executed(&self.world, LONG)?;
        self.driver.go_on()?;
        let cancel = self.worked("cancel")?;
        assert_eq!(cancel["cancelled"], true, "{cancel}");
        let cancelled = || Ok(self.world.gate.events(Some("cancelled"))?.len() == 1);
        until("the statement is cancelled upstream", cancelled)?;
        Ok(())
    }

    fn asynchronous(&mut self) -> Result<()> {
        if self.facts.asynchronous {
            let later = self.worked("async")?;
            assert_eq!(later["first"], json!(["waited 3 seconds"]), "{later}");
        }
        Ok(())
    }

    fn batch(&mut self) -> Result<()> {
        if self.facts.batch == Batch::No {
            return Ok(());
        }
        let batch = self.worked("batch")?;
        let firsts: Vec<&Value> = batch["results"]
            .as_array()
            .context("results")?
            .iter()
            .map(|part| &part["first"])
            .collect();
        assert_eq!(firsts, [&json!([1]), &json!(["ada"])], "{batch}");
        // In one request they are refused together; a program that cuts them itself has run what came before.
        let step = self.driver.expect("refused batch")?;
        let message = step["message"].to_string();
        assert!(
            step["ok"] == false && message.contains("Icecore refused"),
            "{step}"
        );
        let ran = self
            .world
            .gate
            .executed()?
            .iter()
            .any(|sql| sql.starts_with("select 2"));
        assert_eq!(ran, self.facts.batch == Batch::ItsOwn, "{step}");
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.worked("close")?;
        let logins = self.world.gate.events(Some("login"))?.len();
        match self.facts.logins {
            Logins::PerConnection | Logins::Never => assert_eq!(logins, 1),
            Logins::PerStatement => assert!(logins > 1, "{logins}"),
        }
        // What the driver does not close, the end of its session does.
        if !self.facts.closes {
            self.driver.wait()?;
        }
        let all_closed = || Ok(self.world.gate.events(Some("closed"))?.len() == logins);
        until("every login is closed", all_closed)?;
        assert_eq!(
            self.world.trap.arrivals(),
            0,
            "something bypassed the proxy"
        );
        Ok(())
    }
}

/// Waits until the emulator executes a text.
pub(super) fn executed(world: &World, sql: &str) -> Result<()> {
    until(sql, || {
        Ok(world
            .gate
            .executed()?
            .iter()
            .any(|executed| executed == sql))
    })
}

/// Waits for a fact, but not longer than 60 s.
fn until(fact: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..1200 {
        if holds()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("waited 60 s for: {fact}")
}
