// Calls a model API by Node's own clients, and prints one JSON line a step. Argument: the steps.
// A step has `protocol` ("http/1.1" or "h2"), `call`, and what that takes; `issuer` tells whose certificate was shown.
"use strict";

const crypto = require("node:crypto");
const http = require("node:http");
const http2 = require("node:http2");
const https = require("node:https");

const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const within = (promise) =>
  Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(Object.assign(new Error("late"), { code: "LATE" })), 30_000).unref())]);

// Opens a request; gives how to write it, and a promise of its answer: headers, and an iterable of its body.
async function open(step, method, path, headers) {
  const host = step.host ?? "api.anthropic.com";
  if (step.protocol === "h2") {
    const session = http2.connect(`https://${host}`);
    await new Promise((done, fail) => session.once("connect", done).once("error", fail));
    const stream = session.request({ ":method": method, ":path": path, ...headers });
    const answer = new Promise((done, fail) => {
      stream.once("response", (heard) => done({ headers: heard, body: stream }));
      stream.once("error", fail);
    });
    return { write: stream, answer, socket: session.socket, close: () => session.close() };
  }
  const client = step.plain ? http : https;
  const agent = new client.Agent({ keepAlive: false, ALPNProtocols: ["http/1.1"] });
  const request = client.request({ host, method, path, headers, agent });
  const shown = {};
  request.once("socket", (socket) => (shown.socket = socket));
  const answer = new Promise((done, fail) => {
    request.once("response", (response) => done({ headers: response.headers, body: response }));
    request.once("error", fail);
  });
  return { write: request, answer, get socket() { return shown.socket; }, close: () => agent.destroy() };
}

async function whole(body) {
  const parts = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

async function ask(step, method, path, headers, sent) {
  const call = await open(step, method, path, headers);
  call.answer.catch(() => {});
  call.write.end(sent);
  const { headers: heard, body } = await call.answer;
  const bytes = await whole(body);
  const issuer = call.socket.getPeerCertificate ? call.socket.getPeerCertificate().issuer?.CN : null;
  call.close();
  return { heard, bytes, issuer };
}

const calls = {
  async messages(step) {
    const sent = JSON.stringify({ model: "m", stream: true, tools: [{ name: "Bash" }], messages: [{ role: "user", content: "go" }] });
    const headers = { "content-type": "application/json", "accept-encoding": "gzip, deflate, br" };
    const { heard, bytes, issuer } = await ask(step, "POST", step.path ?? "/v1/messages", headers, sent);
    return { issuer, coding: heard["content-encoding"] ?? null, sha256: sha256(bytes), bytes: bytes.length, sent_sha256: sha256(sent) };
  },
  async sink(step) {
    const sent = crypto.randomBytes(step.bytes);
    const { bytes, issuer } = await ask(step, "POST", "/sink", {}, sent);
    const told = JSON.parse(bytes.toString());
    return { issuer, bytes: told.bytes, same: told.sha256 === sha256(sent) };
  },
  async large(step) {
    const { heard, bytes, issuer } = await ask(step, "GET", `/large?bytes=${step.bytes}`, {});
    return { issuer, bytes: bytes.length, same: heard["x-sha256"] === sha256(bytes) };
  },
  // Says that it got an event before the next one is sent: both ways carry at once, or this never ends.
  async paced(step) {
    const call = await open(step, "POST", `/paced?events=${step.events}`, {});
    call.write.write("first");
    const { body } = await call.answer;
    let events = 0;
    for await (const part of body) {
      events += part.toString().match(/data: \d+\n\n/g)?.length ?? 0;
      if (events < step.events) call.write.write("next");
      else call.write.end();
    }
    call.close();
    return { events };
  },
  async broken(step) {
    const call = await open(step, "GET", "/broken", {});
    call.write.end();
    const { body } = await call.answer;
    try {
      return { whole: (await whole(body)).length };
    } catch (error) {
      return { broken: true };
    }
  },
};

(async () => {
  for (const step of JSON.parse(process.argv[2])) {
    const line = { step: step.step };
    try {
      Object.assign(line, await within(calls[step.call](step)));
    } catch (error) {
      line.error = error.code ?? String(error);
    }
    print(line);
  }
  process.exit(0);
})();
