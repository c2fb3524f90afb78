//! Runs steps with an unmodified `snowflake-connector-rs` and prints one JSON line a step.
//!
//! `drivers/run_steps.py` tells the language; the steps are a JSON list in the first argument.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use snowflake_connector_rs::{
    AuthConfig, Client, ClientConfig, DynamicRow, QueryConfig, ResultCursor, Session,
    SessionConfig, Statement,
};

type Outcome = Result<Value, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let steps: Vec<Value> = serde_json::from_str(&std::env::args().nth(1).ok_or("no steps")?)?;
    let mut session = None;
    for step in steps {
        let action = step["do"].as_str().unwrap_or_default();
        let started = Instant::now();
        let outcome = match action {
            "connect" => connect(&mut session, &step).await,
            "sql" => sql(&mut session, &step).await,
            "cancel" => cancel(&mut session, &step).await,
            // It has no logout; what it holds is let go.
            "close" => {
                session = None;
                Ok(json!({}))
            }
            "pause" => told(&step),
            "sleep" => {
                tokio::time::sleep(seconds(&step, "seconds", 1)).await;
                Ok(json!({}))
            }
            other => Err(format!("no step `{other}`").into()),
        };
        if action != "pause" {
            print(&step, outcome, started);
        }
    }
    Ok(())
}

fn print(step: &Value, outcome: Outcome, started: Instant) {
    let mut line = Map::new();
    line.insert(
        "step".into(),
        step.get("name").unwrap_or(&step["do"]).clone(),
    );
    line.insert("ok".into(), json!(outcome.is_ok()));
    let shown = outcome.unwrap_or_else(|error| failure(error.as_ref()));
    line.extend(shown.as_object().cloned().unwrap_or_default());
    line.insert("seconds".into(), json!(started.elapsed().as_secs_f64()));
    println!("{}", Value::Object(line));
}

async fn connect(session: &mut Option<Session>, step: &Value) -> Outcome {
    let settings = SessionConfig::new()
        .with_role("ANALYST")
        .with_warehouse("WH")
        .with_database("ACME_DB")
        .with_schema("PUBLIC");
    let waiting =
        QueryConfig::new().with_query_response_timeout(seconds(step, "network_timeout", 60));
    let config = ClientConfig::new("agent", "acme", AuthConfig::password("dummy-password-3b1c"))
        .with_session(settings)
        .with_query(waiting);
    *session = Some(Client::new(config)?.create_session().await?);
    Ok(json!({"version": "1.1.1"}))
}

async fn opened<'a>(session: &'a mut Option<Session>) -> Result<&'a Session, Box<dyn Error>> {
    if session.is_none() {
        connect(session, &json!({})).await?;
    }
    session.as_ref().ok_or_else(|| "no session".into())
}

async fn sql(session: &mut Option<Session>, step: &Value) -> Outcome {
    let text = match step["sql"].as_str() {
        Some(text) => text.to_owned(),
        None => step["repeat"][0]
            .as_str()
            .unwrap_or_default()
            .repeat(step["repeat"][1].as_u64().unwrap_or(1) as usize),
    };
    let mut statement = Statement::new_positional(text);
    for bind in step["binds"].as_array().into_iter().flatten() {
        statement = match bind.as_i64() {
            Some(number) => statement.bind(number),
            None => statement.bind(bind.as_str().unwrap_or_default().to_owned()),
        };
    }
    rows(opened(session).await?.query(statement).await?, step).await
}

async fn rows(cursor: ResultCursor, step: &Value) -> Outcome {
    let mut line = json!({"query_id": cursor.query_id()});
    line["columns"] = cursor
        .schema()
        .columns()
        .iter()
        .map(|column| column.name())
        .collect();
    let found: Vec<DynamicRow> = cursor.collect().await?;
    let found: Vec<Vec<Value>> = found.into_iter().map(cells).collect();
    line["rows"] = json!(found.len());
    if let (Some(first), Some(last)) = (found.first(), found.last()) {
        line["first"] = json!(first);
        line["last"] = json!(last);
    }
    if step["sum"] == true {
        line["sum"] = found
            .iter()
            .filter_map(|row| row.first()?.as_i64())
            .sum::<i64>()
            .into();
    }
    Ok(line)
}

fn cells(row: DynamicRow) -> Vec<Value> {
    let (_, values) = row.into_parts();
    let shown = |value: Value| {
        if value.is_f64() {
            json!(value.to_string())
        } else {
            value
        }
    };
    values
        .into_vec()
        .into_iter()
        .map(|value| shown(value.into_json_value()))
        .collect()
}

async fn cancel(session: &mut Option<Session>, step: &Value) -> Outcome {
    let text = step["sql"].as_str().unwrap_or_default().to_owned();
    let query = opened(session).await?.query_handle(text)?;
    let canceller = query.canceller();
    let stop = async {
        let line = step.clone();
        // A task that fails to wait cancels at once, which the caller sees.
        drop(
            tokio::task::spawn_blocking(move || told(&line).map_err(|error| error.to_string()))
                .await,
        );
        canceller.cancel().await
    };
    let (ended, answer) = tokio::join!(query.execute(), stop);
    let mut line = match ended {
        Ok(_) => json!({"cancelled": false}),
        Err(error) => {
            let mut line = failure(&error);
            line["cancelled"] = json!(error.is_cancelled());
            line
        }
    };
    line["answer"] =
        json!(answer.map_or_else(|error| error.to_string(), |status| format!("{status:?}")));
    Ok(line)
}

/// Says that the step goes on once its caller writes a line, and waits for it.
fn told(step: &Value) -> Outcome {
    println!(
        "{}",
        json!({"step": step.get("name").unwrap_or(&step["do"]), "ok": true, "waiting": true})
    );
    std::io::stdout().flush()?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(json!({}))
}

fn failure(error: &(dyn Error + 'static)) -> Value {
    let Some(known) = error.downcast_ref::<snowflake_connector_rs::Error>() else {
        return json!({"error": "step", "message": error.to_string()});
    };
    let mut message = known.to_string();
    let mut cause = Error::source(known);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    json!({
        "error": format!("{:?}", known.kind()),
        "errno": known.snowflake_code().and_then(|code| code.parse::<i64>().ok()),
        "query_id": known.query_id(),
        "message": message,
    })
}

fn seconds(step: &Value, key: &str, default: u64) -> Duration {
    Duration::from_secs_f64(step[key].as_f64().unwrap_or(default as f64))
}
