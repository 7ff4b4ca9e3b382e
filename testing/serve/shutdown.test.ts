import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, test } from "node:test";
import type { ModelServer, ServableModel } from "@nagare/serve";
import { serveModel } from "@nagare/serve";
import { predict, request, serveFor } from "./client.ts";
import { echoModel, fakeModel } from "./fakeModel.ts";

/** An echo model whose calls wait until they are released, and that says when one has begun. */
function gatedModel(): { model: ServableModel; begun: Promise<void>; release: () => void } {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const spec = { dtype: "float32" as const, shape: ["batch"] };
  const echo = echoModel("float32", ["batch"]);
  const model = fakeModel(
    { serving_default: { inputs: { x: spec }, outputs: { y: spec } } },
    () => async (inputs) => {
      begun.resolve();
      await gate.promise;
      return echo.callAsync(inputs);
    },
  );
  return { model, begun: begun.promise, release: gate.resolve };
}

/** A raw connection on which a request has begun but not ended. */
async function openRequest(server: ModelServer, head: string) {
  const socket = connect(server.port, server.host);
  await once(socket, "connect");
  socket.setEncoding("utf8");
  let received = "";
  socket.on("data", (chunk: string) => {
    received += chunk;
  });
  socket.on("error", () => {});
  const closed = once(socket, "close").then(() => received);
  socket.write(head);
  // The server must have read the beginning before the test goes on: a complete request behind it proves that.
  await request(`${server.url}/health`);
  return { socket, closed };
}

describe("close", () => {
  test("answers requests in flight, refuses new connections, then ends", async (t) => {
    const { model, begun, release } = gatedModel();
    const server = await serveFor(t, model);
    const inFlight = predict(server, { instances: [7] });
    await begun;
    let over = false;
    const closed = server.close().then(() => {
      over = true;
    });
    await assert.rejects(fetch(`${server.url}/health`), TypeError);
    assert.equal(over, false);
    release();
    const answer = await inFlight;
    assert.equal(answer.text, '{"predictions":[7.0]}');
    assert.equal(answer.headers.get("connection"), "close");
    await closed;
  });

  test("twenty requests in flight are all answered", async (t) => {
    const { model, begun, release } = gatedModel();
    const server = await serveFor(t, model);
    const inFlight = Array.from({ length: 20 }, (_, i) => predict(server, { instances: [i] }));
    await begun;
    await request(`${server.url}/health`);
    const closed = server.close();
    release();
    const answers = await Promise.all(inFlight);
    assert.deepEqual(
      answers.map(({ text }) => text),
      answers.map((_, i) => `{"predictions":[${i}.0]}`),
    );
    await closed;
  });

  test("while draining, /ready is 503, /health stays 200, and predictions are refused with 503", async (t) => {
    const { model, begun, release } = gatedModel();
    const server = await serveFor(t, model);
    const inFlight = predict(server, { instances: [1] });
    await begun;
    const ready = await openRequest(server, "GET /ready HTTP/1.1\r\nHost: x\r\n");
    const health = await openRequest(server, "GET /health HTTP/1.1\r\nHost: x\r\n");
    const late = await openRequest(server, "GET /v1/models/model HTTP/1.1\r\nHost: x\r\n");
    const closed = server.close();
    for (const { socket } of [ready, health, late]) socket.write("\r\n");
    assert.match(await ready.closed, /^HTTP\/1\.1 503 [\s\S]*\{"status":"draining"\}$/);
    assert.match(await health.closed, /^HTTP\/1\.1 200 [\s\S]*\{"status":"alive"\}$/);
    assert.match(await late.closed, /^HTTP\/1\.1 503 [\s\S]*\{"error":"The server is shutting down/);
    release();
    await inFlight;
    await closed;
  });

  test("a client that never finishes its request does not hold up the end beyond the drain timeout", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch"]), { drainTimeoutMs: 50 });
    const head = "POST /v1/models/model:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{";
    const stuck = await openRequest(server, head);
    await server.close();
    await stuck.closed;
  });

  test("idle kept connections do not hold it up", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch"]), { drainTimeoutMs: 2 ** 31 - 1 });
    const socket = connect(server.port, server.host);
    await once(socket, "connect");
    socket.write("GET /health HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    await once(socket, "data");
    await server.close();
  });

  test("may be called again", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch"]));
    await Promise.all([server.close(), server.close()]);
    await server.close();
  });

  test("an aborted signal closes the server", async (t) => {
    const abort = new AbortController();
    const server = await serveFor(t, echoModel("float32", ["batch"]), { signal: abort.signal });
    abort.abort();
    await server.close();
    await assert.rejects(fetch(server.url), TypeError);
    await assert.rejects(serveModel({ model: echoModel("float32", []), port: 0, signal: abort.signal }), {
      name: "AbortError",
    });
  });
});

test("bytes that are no HTTP get a 400 and leave the server alive", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]));
  const { socket, closed } = await openRequest(server, "\u0000\u0001\u0002 nonsense\r\n\r\n");
  assert.match(
    await closed,
    /^HTTP\/1\.1 400 Bad Request[\s\S]*\{"error":"The request is not valid HTTP\."\}$/,
  );
  socket.destroy();
  assert.equal((await request(`${server.url}/health`)).status, 200);
});
