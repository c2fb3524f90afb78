// Logs in and asks as a job of Node's does, with nothing but what its environment gives it, and prints one line.
const [sdk, host, account, password] = process.argv.slice(1);
const told = { stage: "import", version: null, error: null };
const end = (error) => {
  if (error) told.error = String(error.message || error).slice(0, 2000) + (error.cause ? ": " + error.cause : "");
  process.stdout.write("\n" + JSON.stringify(told) + "\n", () => process.exit(0));
};
setTimeout(() => end(new Error("no answer within 30 s")), 30000).unref();
try {
  const snowflake = require(sdk);
  told.version = "snowflake-sdk " + require(sdk + "/package.json").version;
  // Its log file would otherwise land in the working folder.
  snowflake.configure({ logLevel: "OFF", additionalLogToConsole: false });
  told.stage = "login";
  const connection = snowflake.createConnection({
    account,
    host,
    accessUrl: "https://" + host,
    username: "icecore_doctor",
    password,
    timeout: 20000,
    sfRetryMaxLoginRetries: 1,
  });
  connection.connect((error) => {
    if (error) return end(error);
    told.stage = "query";
    connection.execute({
      sqlText: "select 1",
      complete: (error) => {
        if (error) return end(error);
        told.stage = "done";
        connection.destroy(() => end(null));
      },
    });
  });
} catch (error) {
  end(error);
}
