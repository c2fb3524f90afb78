// A model API as tests need one: Anthropic's Messages and OpenAI's Responses as event streams, over TLS, HTTP/1.1 and HTTP/2.
//
// It takes its settings, a file of JSON, as its argument, and prints its address once it listens. What it answers is scripted:
// `turns` says what the model says first, and what once it has the results of the turn before. The ids of tool calls hold
// their turn, so that the next one is known from the request alone, whatever else a client asks in between. Each request
// and answer is a line of the journal. Sources: the providers' references of streaming, as the audit reference 2.2 has them.
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import zlib from "node:zlib";

const settings = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");
const note = (line) => fs.appendFileSync(settings.journal_file, JSON.stringify(line) + "\n");

// What a body is written through, and how it is told to give out all it has: an event is not to wait for the next one.
const codings = {
  gzip: () => [zlib.createGzip(), zlib.constants.Z_SYNC_FLUSH],
  deflate: () => [zlib.createDeflate(), zlib.constants.Z_SYNC_FLUSH],
  br: () => [zlib.createBrotliCompress(), zlib.constants.BROTLI_OPERATION_FLUSH],
};

const read = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
};

// Writes a stream of events, each given out at once; the journal has the digest of the bytes as they left.
class Events {
  constructor(request, response, facts) {
    const asked = settings.encoding;
    const takes = String(request.headers["accept-encoding"] ?? "").split(/[ ,]+/);
    this.coding = asked && takes.includes(asked) ? asked : null;
    this.response = response;
    this.facts = facts;
    this.digest = crypto.createHash("sha256");
    this.plain = crypto.createHash("sha256");
    const headers = { "content-type": "text/event-stream", "request-id": `req_${facts.number}` };
    if (this.coding) headers["content-encoding"] = this.coding;
    response.writeHead(200, headers);
    if (this.coding) {
      [this.through, this.flush] = codings[this.coding]();
      this.through.on("data", (bytes) => this.out(bytes));
    }
  }
  out(bytes) {
    this.digest.update(bytes);
    this.response.write(bytes);
  }
  async send(name, data) {
    const text = `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    this.plain.update(text);
    if (!this.through) return this.out(Buffer.from(text));
    this.through.write(text);
    await new Promise((done) => this.through.flush(this.flush, done));
  }
  async end() {
    if (this.through) await new Promise((done) => this.through.on("end", done).end());
    this.response.end();
    note({ event: "answered", ...this.facts, coding: this.coding, sha256: this.digest.digest("hex"), plain_sha256: this.plain.digest("hex") });
  }
}

// Finds what the model says now: after the results of turn N comes turn N + 1. A conversation that begins with the text of a task,
// a sub-agent's, has turns of its own.
const turnOf = (ids, first) => {
  const task = (settings.tasks ?? []).findIndex((task) => first.includes(task.prompt));
  const turns = task < 0 ? settings.turns : settings.tasks[task].turns;
  const numbers = ids.map((id) => /_(\d+)_\d+$/.exec(String(id))).filter(Boolean).map((found) => Number(found[1]) + 1);
  const turn = turns[Math.max(0, ...numbers)] ?? { text: "done" };
  return { turn, name: `${task < 0 ? "" : `task${task}_`}${turns.indexOf(turn)}` };
};
const pieces = (text) => text.match(/[\s\S]{1,24}/g) ?? [];

async function messages(body, events, number) {
  const blocks = (body.messages ?? []).flatMap((message) => (Array.isArray(message.content) ? message.content : []));
  const results = blocks.filter((block) => block.type === "tool_result").map((block) => block.tool_use_id);
  // Titles and the like are asked for without tools.
  const { turn, name } = (body.tools ?? []).length ? turnOf(results, JSON.stringify(body.messages?.[0] ?? "")) : { turn: { text: "a title" } };
  const message = { id: `msg_${number}`, type: "message", role: "assistant", model: body.model, content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } };
  await events.send("message_start", { type: "message_start", message });
  await events.send("ping", { type: "ping" });
  let at = 0;
  const block = async (content_block, deltas) => {
    await events.send("content_block_start", { type: "content_block_start", index: at, content_block });
    for (const delta of deltas) await events.send("content_block_delta", { type: "content_block_delta", index: at, delta });
    await events.send("content_block_stop", { type: "content_block_stop", index: at++ });
  };
  if (turn.text) await block({ type: "text", text: "" }, pieces(turn.text).map((text) => ({ type: "text_delta", text })));
  for (const [place, tool] of (turn.tools ?? []).entries()) {
    const parts = pieces(JSON.stringify(tool.input)).map((partial_json) => ({ type: "input_json_delta", partial_json }));
    await block({ type: "tool_use", id: `toolu_${name}_${place}`, name: tool.name, input: {} }, parts);
  }
  const stop_reason = turn.tools?.length ? "tool_use" : "end_turn";
  await events.send("message_delta", { type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 2 } });
  await events.send("message_stop", { type: "message_stop" });
}

async function responses(body, events, number) {
  const input = Array.isArray(body.input) ? body.input : [];
  const results = input.filter((item) => item.type === "function_call_output").map((item) => item.call_id);
  // What only warms a connection up is not answered with words.
  const { turn, name } = body.generate === false ? { turn: {} } : turnOf(results, JSON.stringify(input.find((item) => item.role === "user") ?? ""));
  let sequence_number = 0;
  const send = (type, more) => events.send(type, { type, sequence_number: sequence_number++, ...more });
  const response = { id: `resp_${number}`, object: "response", model: body.model, status: "in_progress", output: [] };
  await send("response.created", { response });
  const output = [];
  if (turn.text) {
    const item = { type: "message", id: `msg_${number}`, role: "assistant", status: "in_progress", content: [] };
    const at = { output_index: output.length, item_id: item.id, content_index: 0 };
    await send("response.output_item.added", { output_index: at.output_index, item });
    for (const delta of pieces(turn.text)) await send("response.output_text.delta", { ...at, delta });
    await send("response.output_text.done", { ...at, text: turn.text });
    const done = { ...item, status: "completed", content: [{ type: "output_text", text: turn.text, annotations: [] }] };
    await send("response.output_item.done", { output_index: at.output_index, item: done });
    output.push(done);
  }
  for (const [place, tool] of (turn.tools ?? []).entries()) {
    const text = JSON.stringify(tool.input);
    const item = { type: "function_call", id: `fc_${name}_${place}`, call_id: `call_${name}_${place}`, name: tool.name, arguments: "", status: "in_progress" };
    const at = { output_index: output.length, item_id: item.id };
    await send("response.output_item.added", { output_index: at.output_index, item });
    for (const delta of pieces(text)) await send("response.function_call_arguments.delta", { ...at, delta });
    await send("response.function_call_arguments.done", { ...at, arguments: text });
    const done = { ...item, arguments: text, status: "completed" };
    await send("response.output_item.done", { output_index: at.output_index, item: done });
    output.push(done);
  }
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2, input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } };
  await send("response.completed", { response: { ...response, status: "completed", output, usage } });
}

// Sends an event, and the next one only when the client has said that it got this one.
async function paced(request, response, count) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write("data: 0\n\n");
  let sent = 1;
  for await (const _ of request) {
    if (sent >= count) break;
    response.write(`data: ${sent++}\n\n`);
  }
  response.end();
}

let number = 0;
async function answer(request, response) {
  const url = new URL(request.url, "https://model");
  const facts = { number: ++number, method: request.method, path: url.pathname, http: request.httpVersion, authority: request.headers[":authority"] ?? request.headers.host };
  if (url.pathname === "/paced") return paced(request, response, Number(url.searchParams.get("events")));
  const bytes = await read(request);
  note({ event: "asked", ...facts, headers: request.headers, bytes: bytes.length, sha256: sha256(bytes), body: settings.keep_bodies ? bytes.toString() : undefined });
  const streams = { "/v1/messages": messages, "/v1/responses": responses };
  const stream = request.method === "POST" ? streams[url.pathname] : undefined;
  if (stream) {
    const events = new Events(request, response, facts);
    await stream(JSON.parse(bytes.toString()), events, facts.number);
    return events.end();
  }
  if (url.pathname === "/sink") {
    const told = JSON.stringify({ bytes: bytes.length, sha256: sha256(bytes) });
    return response.writeHead(200, { "content-type": "application/json" }).end(told);
  }
  if (url.pathname === "/large") {
    const large = crypto.randomBytes(Number(url.searchParams.get("bytes")));
    return response.writeHead(200, { "x-sha256": sha256(large) }).end(large);
  }
  if (url.pathname === "/broken") {
    // Half of what was announced, and then the connection is gone without a farewell.
    response.writeHead(200, { "content-length": 20 });
    response.write("0123456789");
    return setTimeout(() => request.socket.destroy(), 50);
  }
  response.writeHead(404, { "content-type": "application/json" });
  response.end(JSON.stringify({ type: "error", error: { type: "not_found_error", message: "not scripted" } }));
}

const guarded = (request, response) => {
  request.on("error", () => {});
  response.on("error", () => {});
  answer(request, response).catch((error) => {
    note({ event: "failed", path: request.url, error: String(error) });
    response.destroy();
  });
};
// Frames of a WebSocket, as much as a test needs: whole texts of a client, which are masked, and texts of a server, each deflated by itself
// where the client takes that. Sources: RFC 6455, 5.2; RFC 7692, 7.2.
class Socket {
  constructor(socket, deflates) {
    this.socket = socket;
    this.deflates = deflates;
    this.rest = Buffer.alloc(0);
  }
  frame(opcode, payload) {
    if (this.deflates && opcode === 1) {
      payload = zlib.deflateRawSync(payload, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
      opcode |= 0x40;
    }
    const size = payload.length < 126 ? Buffer.from([payload.length]) : Buffer.from([126, payload.length >> 8, payload.length & 255]);
    this.socket.write(Buffer.concat([Buffer.from([0x80 | opcode]), size, payload]));
  }
  // An event of a stream is a message by itself.
  async send(_name, data) {
    this.frame(1, Buffer.from(JSON.stringify(data)));
  }
  // Gives the whole frames of what has come.
  *frames(bytes) {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (;;) {
      if (this.rest.length < 6) return;
      let [length, at] = [this.rest[1] & 127, 2];
      if (length === 126) [length, at] = [this.rest.readUInt16BE(2), 4];
      if (length === 127) [length, at] = [Number(this.rest.readBigUInt64BE(2)), 10];
      if (this.rest.length < at + 4 + length) return;
      const mask = this.rest.subarray(at, at + 4);
      let payload = Buffer.from(this.rest.subarray(at + 4, at + 4 + length)).map((byte, index) => byte ^ mask[index % 4]);
      const opcode = this.rest[0] & 15;
      if (this.rest[0] & 0x40) {
        const end = Buffer.from([0, 0, 255, 255]);
        payload = zlib.inflateRawSync(Buffer.concat([payload, end]), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
      }
      this.rest = this.rest.subarray(at + 4 + length);
      yield { opcode, payload };
    }
  }
}

// Answers each `response.create` of a socket as a request would be answered.
function upgraded(request, socket) {
  const facts = { number: ++number, method: request.method, path: request.url, http: "websocket" };
  const accept = crypto.createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.on("error", () => {});
  if (!settings.websocket || request.url !== "/v1/responses") return socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
  const deflates = String(request.headers["sec-websocket-extensions"]).includes("permessage-deflate");
  const extension = deflates ? "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n" : "";
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n${extension}\r\n`);
  const own = new Socket(socket, deflates);
  const received = [];
  socket.on("data", (bytes) => {
    for (const { opcode, payload } of own.frames(bytes)) {
      if (opcode === 8) socket.end();
      if (opcode === 9) own.frame(10, payload);
      if (opcode !== 1) continue;
      const body = JSON.parse(payload.toString());
      note({ event: "asked", ...facts, headers: request.headers, bytes: payload.length, body: settings.keep_bodies ? payload.toString() : undefined });
      // What came before on this socket may be left out of a later message.
      received.push(...(body.input ?? []));
      const coding = deflates ? "permessage-deflate" : null;
      responses({ ...body, input: received }, own, ++number).then(() => note({ event: "answered", ...facts, coding }));
    }
  });
}
const options = () => ({
  key: fs.readFileSync(settings.private_key_file),
  cert: fs.readFileSync(settings.certificate_file),
  allowHTTP1: true,
});
const secure = settings.only_http1 ? https.createServer : http2.createSecureServer;
const server = settings.plain ? http.createServer(guarded) : secure(options(), guarded);
server.on("upgrade", upgraded);
server.on("tlsClientError", () => {});
server.on("sessionError", () => {});
server.listen(settings.port, settings.host, () => {
  const { address, port } = server.address();
  process.stdout.write(`${address}:${port}\n`);
});
