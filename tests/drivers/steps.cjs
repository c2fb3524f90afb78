// Runs steps with an unmodified Node driver and prints one JSON line a step; `run_steps.py` tells the language.
// Arguments: the folder of Node's packages, then the steps.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const [modules, argument] = process.argv.slice(2);
const snowflake = require(path.join(modules, "snowflake-sdk"));
const { version } = require(path.join(modules, "snowflake-sdk", "package.json"));
// Its log file would otherwise land in the working folder.
snowflake.configure({ logLevel: "OFF", additionalLogToConsole: false });

let connection = null;
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const shown = (row) =>
  row.map((value) => (value === null || typeof value === "boolean" || Number.isInteger(value) ? value : String(value)));

function rows(line, found, step) {
  line.rows = found.length;
  if (found.length > 0) {
    line.first = shown(found[0]);
    line.last = shown(found[found.length - 1]);
  }
  if (step.sum) line.sum = found.reduce((sum, row) => sum + row[0], 0);
  return line;
}

async function connect(step) {
  connection = snowflake.createConnection({
    account: "acme",
    host: "acme.snowflakecomputing.com",
    accessUrl: "https://acme.snowflakecomputing.com",
    username: "agent",
    password: "dummy-password-3b1c",
    role: "ANALYST",
    warehouse: "WH",
    database: "ACME_DB",
    schema: "PUBLIC",
    timeout: (step.network_timeout ?? 60) * 1000,
    sfRetryMaxLoginRetries: 3,
    rowMode: "array",
    ...step.settings,
  });
  await new Promise((done, fail) => connection.connect((error) => (error ? fail(error) : done())));
  return { version };
}

// Executes and gives the statement and its rows; `started` gets the statement before it has ended.
async function execute(options, started = () => {}) {
  if (connection === null) await connect({});
  return new Promise((done, fail) => {
    const complete = (error, statement, found) => (error ? fail(error) : done([statement, found]));
    started(connection.execute({ ...options, complete }));
  });
}

async function sql(step) {
  const text = step.sql ?? step.repeat[0].repeat(step.repeat[1]);
  const [statement, found] = await execute({ sqlText: text, binds: step.binds });
  const line = rows({ query_id: statement.getQueryId() }, found ?? [], step);
  line.columns = (statement.getColumns() ?? []).map((column) => column.getName());
  return line;
}

// Gives a cell as text that says as much as the driver does; `every_cell.py` tells how.
function cell(value, column) {
  if (value === null || value === undefined) return null;
  // So the driver writes a null that is fetched as text.
  if (value === "NULL" && !column.isString()) return null;
  if (Buffer.isBuffer(value)) return value.toString("hex").toUpperCase();
  if (column.isDate()) return String(value.getEpochSeconds() / 86400);
  if (typeof value.getEpochSeconds === "function") {
    return `ns:${BigInt(value.getEpochSeconds()) * 1000000000n + BigInt(value.getNanoSeconds())}`;
  }
  return typeof value === "object" ? JSON.stringify(value instanceof Map ? Object.fromEntries(value) : value) : String(value);
}

// Executes a statement and writes all of its result into a file; numbers and JSON are fetched as text, to be exact.
async function read(step) {
  const [statement, found] = await execute({ sqlText: step.sql, fetchAsString: ["Number", "JSON"] });
  const told = statement.getColumns();
  const names = told.map((column) => column.getName());
  const columns = told.map((column, at) => found.map((row) => cell(row[at], column)));
  fs.writeFileSync(path.join(process.env.HOME, step.file), JSON.stringify({ names, columns }));
  return { rows: found.length };
}

// Several statements as one request: the callback is called once for each.
async function multi(step) {
  if (connection === null) await connect({});
  const results = [];
  await new Promise((done, fail) => {
    connection.execute({
      sqlText: step.sql,
      parameters: { MULTI_STATEMENT_COUNT: step.count },
      complete: (error, statement, found) => {
        if (error) return fail(error);
        results.push(rows({}, found ?? [], step));
        return statement.hasNext() ? statement.NextResult() : done();
      },
    });
  });
  return { results };
}

async function cancel(step) {
  let answer;
  const started = (statement) =>
    told(step).then(() => statement.cancel((error) => (answer = error ? error.message : "accepted")));
  try {
    await execute({ sqlText: step.sql }, started);
    return { cancelled: false, answer };
  } catch (error) {
    return { cancelled: true, answer, ...failure(error) };
  }
}

async function asynchronous(step) {
  const [statement] = await execute({ sqlText: step.sql, asyncExec: true });
  const query_id = statement.getQueryId();
  let polls = 0;
  let status = await connection.getQueryStatus(query_id);
  for (; connection.isStillRunning(status); polls += 1) {
    await sleep(0.2);
    status = await connection.getQueryStatus(query_id);
  }
  const line = { query_id, status, polls };
  if (step.fetch) {
    const later = await connection.getResultsFromQueryId({ queryId: query_id });
    const found = [];
    await new Promise((done, fail) =>
      later
        .streamRows()
        .on("data", (row) => found.push(row))
        .on("error", fail)
        .on("end", done),
    );
    rows(line, found, step);
  }
  return line;
}

async function close() {
  if (connection !== null) {
    const closing = connection;
    connection = null;
    await new Promise((done, fail) => closing.destroy((error) => (error ? fail(error) : done())));
  }
  return {};
}

// Says that the step goes on once its caller writes a line, and waits for it.
async function told(step) {
  print({ step: step.name ?? step.do, ok: true, waiting: true });
  await lines.next();
}

function failure(error) {
  return {
    error: error.name,
    errno: Number.parseInt(error.code, 10),
    sqlstate: error.sqlState ?? null,
    query_id: error.data?.queryId ?? null,
    message: error.message,
  };
}

const actions = { connect, sql, read, multi, cancel, async: asynchronous, close, pause: told, sleep: (step) => sleep(step.seconds) };

async function main() {
  for (const step of JSON.parse(argument)) {
    const started = performance.now();
    const line = { step: step.name ?? step.do, ok: true };
    // The driver tries again for up to 300 s, whatever it is told; a test does not wait that long.
    let patience;
    const limit = new Promise((_, fail) => {
      patience = setTimeout(() => fail(new Error("the step's patience is over")), (step.limit ?? 120) * 1000);
    });
    try {
      Object.assign(line, await Promise.race([actions[step.do](step), limit]));
    } catch (error) {
      Object.assign(line, { ok: false }, failure(error));
    }
    clearTimeout(patience);
    line.seconds = Math.round(performance.now() - started) / 1000;
    if (step.do !== "pause") print(line);
  }
}

main().then(() => process.exit(0));
