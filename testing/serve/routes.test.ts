import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { serveModel } from "@nagare/serve";
import { assertError, predict, request, serveFor } from "./client.ts";
import { echoModel, fakeModel, pairModel } from "./fakeModel.ts";

describe("model status", () => {
  const available = {
    model_version_status: [
      { version: "1", state: "AVAILABLE", status: { error_code: "OK", error_message: "" } },
    ],
  };

  test("the model and its version are listed as AVAILABLE", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch"]), { name: "digits" });
    for (const path of ["", "/versions/1"]) {
      const answer = await request(`${server.url}/v1/models/digits${path}`);
      assert.equal(answer.status, 200);
      assert.deepEqual(JSON.parse(answer.text), available);
    }
  });

  test("an unknown model and an unknown version are 404 with what there is", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch"]), { name: "digits" });
    const models = `${server.url}/v1/models`;
    for (const path of ["cats", "cats/metadata", "cats/versions/1", "Digits", "__proto__"]) {
      assertError(await request(`${models}/${path}`), 404, /expected "digits"/);
    }
    for (const version of ["2", "01x", "-1", "1.0", "99999999999999999999"]) {
      assertError(await request(`${models}/digits/versions/${version}`), 404, /expected one of 1;/);
    }
    const body = { method: "POST", body: '{"instances": [1]}' };
    assertError(await request(`${models}/cats:predict`, body), 404, /received "cats"/);
    assertError(await request(`${models}/digits/versions/2:predict`, body), 404, /received "2"/);
  });
});

test("metadata has TensorFlow Serving's form, with -1 and the name for sizes that vary", async (t) => {
  const server = await serveFor(t, pairModel());
  for (const path of ["", "/versions/1"]) {
    const answer = await request(`${server.modelUrl}${path}/metadata`);
    assert.equal(answer.status, 200);
    const { model_spec, metadata } = JSON.parse(answer.text);
    assert.deepEqual(model_spec, { name: "model", signature_name: "", version: "1" });
    const signatures = metadata.signature_def.signature_def;
    assert.deepEqual(Object.keys(signatures), ["serving_default", "columns", "nan", "scalar"]);
    assert.equal(signatures.serving_default.method_name, "tensorflow/serving/predict");
    assert.deepEqual(signatures.serving_default.inputs.a, {
      dtype: "DT_FLOAT",
      tensor_shape: {
        dim: [
          { size: "-1", name: "batch" },
          { size: "2", name: "" },
        ],
        unknown_rank: false,
      },
      name: "serving_default_a:0",
    });
    assert.equal(signatures.serving_default.inputs.b.dtype, "DT_INT32");
    assert.deepEqual(signatures.scalar.outputs.s.tensor_shape.dim, []);
  }
});

test("the probes answer while the server runs", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]));
  assert.deepEqual(await request(`${server.url}/health`).then(({ text }) => JSON.parse(text)), {
    status: "alive",
  });
  assert.deepEqual(await request(`${server.url}/ready`).then(({ text }) => JSON.parse(text)), {
    status: "ready",
  });
});

test("an unknown route is 404 and names the known ones", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]));
  for (const path of [
    "/",
    "/v1",
    "/v1/models",
    "/v1/models/model/labels/x",
    "/v1/models/model:classify",
    "/health/x",
  ]) {
    assertError(
      await request(`${server.url}${path}`),
      404,
      /no such route\. Expected GET \/v1\/models\/model/,
    );
  }
  assertError(
    await request(`${server.url}/v1/models/model:regress`, { method: "POST", body: "{}" }),
    404,
    /no such route/,
  );
});

test("a wrong method is 405 with the Allow header", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]));
  const wrong: [method: string, path: string, allowed: string][] = [
    ["GET", "/v1/models/model:predict", "POST"],
    ["PUT", "/v1/models/model/versions/1:predict", "POST"],
    ["POST", "/v1/models/model", "GET"],
    ["DELETE", "/v1/models/model/metadata", "GET"],
    ["POST", "/health", "GET"],
    ["PATCH", "/ready", "GET"],
  ];
  for (const [method, path, allowed] of wrong) {
    const answer = await request(`${server.url}${path}`, { method });
    assertError(answer, 405, new RegExp(`expected ${allowed}; received ${method}`));
    assert.equal(answer.headers.get("allow"), allowed);
  }
});

test("HEAD is answered like GET without a body", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]));
  const answer = await request(server.modelUrl, { method: "HEAD" });
  assert.equal(answer.status, 200);
  assert.equal(answer.text, "");
});

test("an address that cannot be decoded is 400", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]));
  assertError(await request(`${server.url}/v1/models/%ZZ`), 400, /not a valid url/);
});

test("any content type is read as JSON; a compressed body is 415", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]));
  const url = `${server.modelUrl}:predict`;
  const body = '{"instances": [1]}';
  for (const type of [
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain; charset=utf-8",
    "image/png",
  ]) {
    const answer = await request(url, { method: "POST", body, headers: { "content-type": type } });
    assert.equal(answer.text, '{"predictions":[1.0]}', type);
  }
  const gzip = await request(url, { method: "POST", body, headers: { "content-encoding": "gzip" } });
  assertError(gzip, 415, /received gzip/);
  const garbage = await request(url, { method: "POST", body, headers: { "content-type": ";;" } });
  assertError(garbage, 415, /content-type/);
});

test("a body above maxBodyBytes is 413, at the limit it is read", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]), { maxBodyBytes: 1000 });
  const body = '{"instances": [1]}';
  assert.equal((await predict(server, body.padEnd(1000))).status, 200);
  assertError(await predict(server, body.padEnd(1001)), 413, /at most 1000 bytes/);
  assertError(await predict(server, body.padEnd(20_000_000)), 413, /at most 1000 bytes/);
  assert.equal((await predict(server, body)).status, 200);
});

test("a model that fails is 500 without its innards, which go to the log", async (t) => {
  const spec = { dtype: "float32" as const, shape: ["batch"] };
  const model = fakeModel({ serving_default: { inputs: { x: spec }, outputs: { y: spec } } }, () => () => {
    throw new Error("secret pointer 0xdeadbeef");
  });
  const errors: string[] = [];
  const infos: string[] = [];
  const logger = {
    info: (message: string) => infos.push(message),
    error: (message: string) => errors.push(message),
  };
  const server = await serveFor(t, model, { logger });
  assertError(await predict(server, { instances: [1] }), 500, /^The model failed on this request/);
  assert.match(errors.join("\n"), /:predict: Error: secret pointer/);
  assert.equal((await request(`${server.url}/health`)).status, 200);
  assert.ok(infos.some((line) => /POST \/v1\/models\/model:predict 500 [\d.]+ ms/.test(line)));
});

describe("options are checked before anything starts", () => {
  const model = echoModel("float32", ["batch"]);
  const wrong: [options: object, message: RegExp][] = [
    [{ port: 70_000 }, /port: expected a whole number from 0 to 65535; received 70000/],
    [{ port: 1.5 }, /port: .*received 1\.5/],
    [{ maxBodyBytes: 0 }, /maxBodyBytes: expected a whole number from 1/],
    [{ drainTimeoutMs: -1 }, /drainTimeoutMs/],
    [{ name: "a/b" }, /name: expected letters, digits/],
    [{ name: "" }, /name: expected letters, digits/],
    [{ model: "no/such/folder" }, /model: expected a folder with graph\.json.*does not exist/],
  ];
  for (const [options, message] of wrong) {
    test(JSON.stringify(options), async () => {
      await assert.rejects(serveModel({ model, port: 0, ...options }), { name: "ValueError", message });
    });
  }

  test("a port in use rejects", async (t) => {
    const server = await serveFor(t, model);
    await assert.rejects(serveModel({ model, port: server.port }), { code: "EADDRINUSE" });
  });
});

test("the server listens on loopback unless told otherwise", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch"]));
  assert.equal(server.host, "127.0.0.1");
  assert.equal(server.url, `http://127.0.0.1:${server.port}`);
});
