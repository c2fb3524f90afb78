// Drives a real Chromium by its debugging pipe: what a person does with a page, and what they see of it.
//
// Arguments: the browser, a folder for its profile. Takes a JSON step a line, answers a JSON value a line:
//   {"open": URL}                        goes there and waits until the page stands
//   {"until": JS}                        waits until an expression holds, at most 20 s
//   {"eval": JS}                         gives an expression's value
//   {"keys": ["Tab", "Enter"]}           presses keys
//   {"text": TEXT}                       types into what has the focus
//   {"shot": FILE, "dark": true}         takes a picture of the whole page
//   {"complaints": true}                 gives what the page's console and its policy complained of

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [program, profile] = process.argv.slice(2);
const browser = spawn(
  program,
  ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--window-size=1100,900',
    `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank'],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
);
const [, , , to, from] = browser.stdio;

let last = 0;
const waiting = new Map();
const complaints = [];
let left = Buffer.alloc(0);
from.on('data', (part) => {
  left = Buffer.concat([left, part]);
  for (let end = left.indexOf(0); end >= 0; end = left.indexOf(0)) {
    const message = JSON.parse(left.subarray(0, end).toString());
    left = left.subarray(end + 1);
    if (message.id) {
      const { resolve, reject } = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) reject(new Error(message.error.message));
      else resolve(message.result);
    } else if (message.method === 'Log.entryAdded') {
      complaints.push(message.params.entry.text);
    } else if (message.method === 'Runtime.exceptionThrown') {
      complaints.push(message.params.exceptionDetails.text);
    }
  }
});

const ask = (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
  last += 1;
  waiting.set(last, { resolve, reject });
  to.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
});

const { targetInfos } = await ask('Target.getTargets');
const { targetId } = targetInfos.find((target) => target.type === 'page');
const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true });
const page = (method, params) => ask(method, params, sessionId);
for (const domain of ['Page', 'Runtime', 'Log']) await page(`${domain}.enable`);

const evaluate = async (expression) => {
  const { result, exceptionDetails } = await page('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value ?? null;
};

// While a page gives way to the next one, there is nothing to ask.
const until = async (expression) => {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await evaluate(`document.readyState === 'complete' && !!(${expression})`).catch(() => false)) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`never: ${expression}, at ${await evaluate('location.href + document.body.innerText')}`);
};

const KEYS = { Tab: [9, ''], Enter: [13, '\r'], Escape: [27, ''] };
const press = async (name) => {
  const [code, text] = KEYS[name];
  const key = { key: name, code: name, windowsVirtualKeyCode: code, text };
  await page('Input.dispatchKeyEvent', { type: 'keyDown', ...key });
  await page('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
};

const shoot = async (file, dark, width) => {
  const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
  await page('Emulation.setEmulatedMedia', { features });
  await page('Emulation.setDeviceMetricsOverride', { width: width ?? 1100, height: 900, deviceScaleFactor: 1, mobile: false });
  const { data } = await page('Page.captureScreenshot', { captureBeyondViewport: true });
  writeFileSync(file, Buffer.from(data, 'base64'));
  return true;
};

const act = async (step) => {
  if (step.open) {
    await page('Page.navigate', { url: step.open });
    return until('true');
  }
  if (step.until) return until(step.until);
  if (step.eval) return evaluate(step.eval);
  if (step.text) return page('Input.insertText', { text: step.text }).then(() => true);
  if (step.shot) return shoot(step.shot, step.dark, step.width);
  if (step.complaints) return complaints;
  for (const key of step.keys ?? []) await press(key);
  return true;
};

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await act(JSON.parse(line)).then((value) => ({ value }), (error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
browser.kill();
