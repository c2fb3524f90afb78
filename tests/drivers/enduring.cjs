// Runs numbered statements with the Node driver until its input ends; `enduring.py` tells what it prints.
// Arguments: the folder of Node's packages, then what its numbers begin with.
"use strict";

const path = require("node:path");

const [modules, first] = process.argv.slice(2);
const snowflake = require(path.join(modules, "snowflake-sdk"));
snowflake.configure({ logLevel: "OFF", additionalLogToConsole: false });

const PATIENCE_MS = 15000;
const STATEMENTS_A_LOGIN = 40;
let stopped = false;
process.stdin.on("end", () => (stopped = true));
process.stdin.on("close", () => (stopped = true));
process.stdin.resume();

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const failure = (error) => `${error.name}: ${String(error.message).split(/\s+/).join(" ").slice(0, 300)}`;

// The driver tries again for up to 300 s, whatever it is told.
function within(work) {
  let patience;
  const limit = new Promise((_, fail) => {
    patience = setTimeout(() => fail(new Error("the script's patience is over")), PATIENCE_MS);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(patience));
}

async function connect() {
  const connection = snowflake.createConnection({
    account: "acme",
    host: "acme.snowflakecomputing.com",
    accessUrl: "https://acme.snowflakecomputing.com",
    username: "agent",
    password: "dummy-password-3b1c",
    role: "ANALYST",
    warehouse: "WH",
    database: "ACME_DB",
    schema: "PUBLIC",
    timeout: PATIENCE_MS,
    sfRetryMaxLoginRetries: 3,
    rowMode: "array",
  });
  await new Promise((done, fail) => connection.connect((error) => (error ? fail(error) : done())));
  return connection;
}

function execute(connection, sqlText) {
  return new Promise((done, fail) => {
    connection.execute({ sqlText, complete: (error, _, found) => (error ? fail(error) : done(found)) });
  });
}

async function main() {
  let connection = null;
  let number = Number(first);
  while (!stopped) {
    const began = performance.now();
    const seconds = () => (performance.now() - began) / 1000;
    if (connection === null) {
      try {
        connection = await within(connect());
        say({ do: "connect", ok: true, s: seconds() });
      } catch (error) {
        say({ do: "connect", ok: false, s: seconds(), error: failure(error) });
        await sleep(200);
      }
      continue;
    }
    number += 1;
    try {
      const found = await within(execute(connection, `select ${number} as A`));
      const right = found.length === 1 && Number(found[0][0]) === number;
      say({ do: "sql", ok: true, n: number, s: seconds(), right });
    } catch (error) {
      say({ do: "sql", ok: false, n: number, s: seconds(), error: failure(error) });
      connection.destroy(() => {});
      connection = null;
    }
    if (connection !== null && number % STATEMENTS_A_LOGIN === 0) {
      connection.destroy(() => {});
      connection = null;
    }
    await sleep(50);
  }
  if (connection !== null) await within(new Promise((done) => connection.destroy(done)));
}

main().then(
  () => process.exit(0),
  () => process.exit(1),
);
