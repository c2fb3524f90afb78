// Serves azurite with one container, and ends with the process that started it.
//
// Prints one line: its port. Arguments: the container's name, the account's key in base64.

const crypto = require('node:crypto');
const http = require('node:http');
const path = require('node:path');
const { spawn } = require('node:child_process');

const [container, key] = process.argv.slice(2);
const account = 'acmeaudit';
const main = path.join(__dirname, 'node_modules/azurite/dist/src/blob/main.js');
const options = ['--blobHost', '127.0.0.1', '--blobPort', '0', '--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry'];
const served = spawn(process.execPath, [main, ...options], {
  env: { ...process.env, AZURITE_ACCOUNTS: `${account}:${key}` },
  stdio: ['ignore', 'pipe', 'inherit'],
});
process.stdin.resume();
process.stdin.on('end', () => served.kill('SIGKILL'));
served.on('exit', () => process.exit(1));

let said = '';
served.stdout.on('data', (piece) => {
  const before = /listens on http:\/\/127\.0\.0\.1:(\d+)/;
  const knew = before.test(said);
  said += piece;
  const found = before.exec(said);
  if (found && !knew) make(Number(found[1]));
});

// Source: Azure Storage, "Authorize with Shared Key".
function make(port) {
  const date = new Date().toUTCString();
  const resource = `/${account}/${account}/${container}`;
  const signed = [
    'PUT', '', '', '', '', '', '', '', '', '', '', '',
    `x-ms-date:${date}`, 'x-ms-version:2023-11-03', `${resource}\nrestype:container`,
  ].join('\n');
  const sum = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest('base64');
  const headers = {
    'x-ms-date': date,
    'x-ms-version': '2023-11-03',
    authorization: `SharedKey ${account}:${sum}`,
    'content-length': 0,
  };
  const request = { host: '127.0.0.1', port, method: 'PUT', path: `/${account}/${container}?restype=container`, headers };
  http.request(request, (answer) => {
    if (answer.statusCode !== 201) {
      answer.pipe(process.stderr);
      return;
    }
    console.log(port);
  }).end();
}
