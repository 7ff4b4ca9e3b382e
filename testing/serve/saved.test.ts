import assert from "node:assert/strict";
import { cpSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { serveModel } from "@nagare/serve";
import * as ng from "nagare";
import { answerOf, assertError, predict, request, serveFor } from "./client.ts";
import { affine, saveAffine, temporaryFolder } from "./savedModel.ts";

const rows = [
  [1, 2, 3],
  [-1, 0.5, 0],
];

describe("a saved model", () => {
  test("is served at any batch size, with the answers it gives in code", async (t) => {
    const folder = join(temporaryFolder(t), "affine", "1");
    await saveAffine(folder);
    const server = await serveFor(t, folder);
    assert.equal(server.name, "affine");
    assert.deepEqual(await answerOf(server, { instances: rows }), {
      predictions: rows.map((row) => affine(row)),
    });
    assert.deepEqual(await answerOf(server, { inputs: { x: [rows[0]] } }), {
      outputs: [affine(rows[0] ?? [])],
    });
    const { y } = (await ng.load(folder)).call({ x: ng.tensor(rows) });
    assert.deepEqual((await answerOf(server, { inputs: rows })) as object, { outputs: y?.toArray() });
  });

  test("answers each of its signatures", async (t) => {
    const folder = join(temporaryFolder(t), "1");
    await saveAffine(folder);
    const server = await serveFor(t, folder, { name: "affine" });
    const inputs = { a: [[1, 2]], b: [[3, -4]] };
    assert.deepEqual(await answerOf(server, { signature_name: "pair", inputs }), {
      outputs: { sum: [[4, -2]], product: [[3, -8]] },
    });
    assert.deepEqual(await answerOf(server, { signature_name: "pick", instances: [2, 0] }), {
      predictions: [
        [5, 6],
        [1, 2],
      ],
    });
    assertError(await predict(server, { signature_name: "pick", instances: [1.5] }), 400, /a whole number/);
    assertError(await predict(server, { signature_name: "pick", instances: [0, 3] }), 400, /3/);
    const metadata = JSON.parse((await request(`${server.modelUrl}/metadata`)).text);
    const { serving_default } = metadata.metadata.signature_def.signature_def;
    assert.deepEqual(serving_default.outputs.y.tensor_shape.dim, [
      { size: "-1", name: "batch" },
      { size: "2", name: "" },
    ]);
  });

  test("answers 50 requests of different batch sizes at once", async (t) => {
    const folder = join(temporaryFolder(t), "1");
    await saveAffine(folder);
    const server = await serveFor(t, folder, { name: "affine" });
    const batches = Array.from({ length: 50 }, (_, i) =>
      Array.from({ length: (i % 7) + 1 }, (_, j) => [i, j, i - j]),
    );
    const answers = await Promise.all(batches.map((instances) => answerOf(server, { instances })));
    assert.deepEqual(
      answers,
      batches.map((batch) => ({ predictions: batch.map((row) => affine(row)) })),
    );
  });
});

describe("versions", () => {
  const predictOf = async (server: { url: string; name: string }, version = ""): Promise<unknown> => {
    const url = `${server.url}/v1/models/${server.name}${version}:predict`;
    const answer = await request(url, { method: "POST", body: '{"instances": [[1, 0, 0]]}' });
    return answer.status === 200 ? JSON.parse(answer.text).predictions[0] : answer.status;
  };

  test("the highest number is served, or those asked for", async (t) => {
    const folder = join(temporaryFolder(t), "affine");
    for (const version of [1, 2, 10]) await saveAffine(join(folder, String(version)), version);
    mkdirSync(join(folder, "11"));
    mkdirSync(join(folder, "latest"));

    const newest = await serveFor(t, folder);
    assert.deepEqual([...newest.versions.keys()], [10]);
    assert.deepEqual(await predictOf(newest), affine([1, 0, 0], 10));
    assert.equal(await predictOf(newest, "/versions/2"), 404);

    const all = await serveFor(t, folder, { versions: "all" });
    assert.deepEqual(await predictOf(all), affine([1, 0, 0], 10));
    assert.deepEqual(await predictOf(all, "/versions/2"), affine([1, 0, 0], 2));
    const status = JSON.parse((await request(all.modelUrl)).text);
    assert.deepEqual(
      status.model_version_status.map(({ version }: { version: string }) => version),
      ["10", "2", "1"],
    );

    const some = await serveFor(t, folder, { versions: [1, 2] });
    assert.deepEqual(await predictOf(some), affine([1, 0, 0], 2));
    assert.equal(await predictOf(some, "/versions/10"), 404);
    await assert.rejects(serveModel({ model: folder, port: 0, versions: [3] }), {
      name: "ValueError",
      message: /versions: expected some of 10, 2, 1, .*; received 3/,
    });
  });

  test("a folder that is a model itself is its number, else version 1", async (t) => {
    const folder = temporaryFolder(t);
    await saveAffine(join(folder, "affine", "7"), 7);
    const numbered = await serveFor(t, join(folder, "affine", "7"));
    assert.deepEqual([numbered.name, ...numbered.versions.keys()], ["affine", 7]);
    cpSync(join(folder, "affine", "7"), join(folder, "plain"), { recursive: true });
    const plain = await serveFor(t, join(folder, "plain"));
    assert.deepEqual([plain.name, ...plain.versions.keys()], ["plain", 1]);
  });

  test("a version whose replacement was cut short is served in its old form", async (t) => {
    const folder = join(temporaryFolder(t), "affine");
    await saveAffine(join(folder, "1"), 3);
    renameSync(join(folder, "1"), join(folder, "1.nagare-previous"));
    const server = await serveFor(t, folder);
    assert.deepEqual(await predictOf(server, "/versions/1"), affine([1, 0, 0], 3));
  });

  test("a damaged model is refused before the port is opened", async (t) => {
    const folder = join(temporaryFolder(t), "affine", "1");
    await saveAffine(folder);
    writeFileSync(join(folder, "weights.safetensors"), "not weights");
    await assert.rejects(serveModel({ model: folder, port: 0 }), { name: "FormatError", message: /weights/ });
  });
});
