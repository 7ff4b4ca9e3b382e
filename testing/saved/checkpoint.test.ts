import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { FormatError, ValueError } from "../../packages/nagare/src/core/index.ts";
import {
  type Json,
  latestCheckpoint,
  readCheckpoint,
  readSafetensorsWithMetadata,
  saveCheckpoint,
  writeSafetensors,
} from "../../packages/nagare/src/saved/index.ts";
import { assertAsyncProperty } from "../property.ts";
import { writeUntilKilled } from "./killedWriter.ts";
import { anyTensors, assertSameTensors, floats } from "./tensors.ts";

const root = mkdtempSync(join(tmpdir(), "nagare-checkpoint-"));
after(() => rmSync(root, { recursive: true, force: true }));
let folder = "";
let folders = 0;
beforeEach(() => {
  folder = join(root, String(folders++), "run");
});

const state = (step: number) => ({
  step,
  tensors: new Map([["w", floats([step, -step])]]),
  json: { epoch: step },
});

describe("checkpoints", () => {
  test("any tensors and JSON come back", async () => {
    await assertAsyncProperty(
      fc.asyncProperty(anyTensors, fc.jsonValue({ maxDepth: 4 }), fc.nat(), async (tensors, value, step) => {
        // JSON has one zero: text cannot tell −0 from it.
        const json = JSON.parse(JSON.stringify(value)) as Json;
        const file = await saveCheckpoint(folder, { step, tensors, json });
        const checkpoint = await readCheckpoint(file);
        assertSameTensors(checkpoint.tensors, tensors);
        assert.deepEqual(checkpoint.json, json);
        assert.equal(checkpoint.step, step);
      }),
      30,
    );
  });

  test("equal states give equal files", async () => {
    const first = readFileSync(await saveCheckpoint(folder, state(7)));
    const second = readFileSync(await saveCheckpoint(join(folder, "other"), state(7)));
    assert.deepEqual(second, first);
  });

  test("the newest is the one with the greatest step, not the last name in the alphabet", async () => {
    for (const step of [8, 9, 10]) await saveCheckpoint(folder, state(step), { keep: 3 });
    const { checkpoint, skipped } = await latestCheckpoint(folder);
    assert.deepEqual([checkpoint?.step, checkpoint?.json, skipped], [10, { epoch: 10 }, []]);
  });

  test("two are kept unless told otherwise", async () => {
    for (const step of [1, 2, 3, 4]) await saveCheckpoint(folder, state(step));
    assert.deepEqual(readdirSync(folder).sort(), ["checkpoint-3.safetensors", "checkpoint-4.safetensors"]);
    await saveCheckpoint(folder, state(5), { keep: 1 });
    assert.deepEqual(readdirSync(folder), ["checkpoint-5.safetensors"]);
  });

  test("a checkpoint of a later step stays when an earlier one is written", async () => {
    await saveCheckpoint(folder, state(100));
    await saveCheckpoint(folder, state(1), { keep: 1 });
    assert.deepEqual(readdirSync(folder).sort(), ["checkpoint-1.safetensors", "checkpoint-100.safetensors"]);
  });

  test("other files in the folder are left alone", async () => {
    await saveCheckpoint(folder, state(1));
    writeFileSync(join(folder, "notes.txt"), "");
    writeFileSync(join(folder, "checkpoint-x.safetensors"), "");
    await saveCheckpoint(folder, state(2), { keep: 1 });
    assert.deepEqual(readdirSync(folder).sort(), [
      "checkpoint-2.safetensors",
      "checkpoint-x.safetensors",
      "notes.txt",
    ]);
  });

  test("a folder that does not exist has none", async () => {
    assert.deepEqual(await latestCheckpoint(folder), { checkpoint: undefined, skipped: [] });
  });

  test("what JSON cannot hold is refused before anything is written", async () => {
    let deep: Json = 0;
    for (let i = 0; i < 100; i++) deep = [deep];
    const wrong = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      undefined,
      new Date(),
      () => 1,
      { a: [undefined] },
      1n,
      deep,
    ];
    for (const json of wrong) {
      await assert.rejects(
        saveCheckpoint(folder, { ...state(1), json: json as Json }),
        ValueError,
        String(json),
      );
    }
    for (const step of [-1, 0.5, Number.NaN])
      await assert.rejects(saveCheckpoint(folder, { ...state(1), step }), ValueError);
    await assert.rejects(saveCheckpoint(folder, state(1), { keep: 0 }), ValueError);
    assert.deepEqual(await latestCheckpoint(folder), { checkpoint: undefined, skipped: [] });
  });
});

describe("a damaged checkpoint", () => {
  test("is passed over with the reason, and the one before it is used", async () => {
    await saveCheckpoint(folder, state(1), { keep: 5 });
    for (const step of [2, 3, 4]) await saveCheckpoint(folder, state(step), { keep: 5 });
    const damage = (step: number, change: (bytes: Uint8Array) => Uint8Array) => {
      const file = join(folder, `checkpoint-${step}.safetensors`);
      writeFileSync(file, change(readFileSync(file)));
    };
    damage(4, (bytes) => bytes.subarray(0, bytes.length - 1));
    damage(3, (bytes) => bytes.with(-1, (bytes.at(-1) ?? 0) ^ 1));
    damage(2, () => new Uint8Array(0));
    const { checkpoint, skipped } = await latestCheckpoint(folder);
    assert.equal(checkpoint?.step, 1);
    assert.deepEqual(
      skipped.map(({ file }) => file),
      [4, 3, 2].map((step) => join(folder, `checkpoint-${step}.safetensors`)),
    );
    assert.match(skipped[0]?.reason ?? "", /expected a file of/);
    assert.match(skipped[1]?.reason ?? "", /SHA-256/);
    assert.match(skipped[2]?.reason ?? "", /at least 8 bytes/);
  });

  test("is noticed wherever a bit flips and wherever it ends", async () => {
    const file = await saveCheckpoint(folder, state(1));
    const whole = readFileSync(file);
    const rejects = async (bytes: Uint8Array, what: string) => {
      writeFileSync(file, bytes);
      await assert.rejects(readCheckpoint(file), FormatError, what);
    };
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const at = bit >> 3;
      await rejects(whole.with(at, (whole[at] ?? 0) ^ (1 << (bit & 7))), `bit ${bit}`);
    }
    for (let length = 0; length < whole.length; length++)
      await rejects(whole.subarray(0, length), `${length} bytes`);
  });

  test("a safetensors file that is no checkpoint is a FormatError", async () => {
    const file = await saveCheckpoint(folder, state(1));
    const { metadata } = readSafetensorsWithMetadata(readFileSync(file), file);
    const wrong: Record<string, string>[] = [
      {},
      { ...metadata, format: "other" },
      { ...metadata, version: "2" },
      { ...metadata, state: "{" },
      { ...metadata, step: "-1" },
      { ...metadata, sha256: "" },
    ];
    for (const changed of wrong) {
      writeFileSync(file, writeSafetensors(new Map([["w", floats([1])]]), changed));
      await assert.rejects(readCheckpoint(file), FormatError, JSON.stringify(changed));
    }
    await assert.rejects(readCheckpoint(join(folder, "missing")), ValueError);
  });
});

describe("a writer that is killed", () => {
  const elements = 60_000;

  test("leaves a newest checkpoint that loads and is no older than the last one it reported", async () => {
    let first = 0;
    for (let round = 0; round < 8; round++) {
      const reported = await writeUntilKilled(
        "checkpointWriter.ts",
        [folder, first, elements],
        round % 4,
        (round * 7) % 11,
      );
      const { checkpoint, skipped } = await latestCheckpoint(folder);
      assert.deepEqual(skipped, []);
      assert.ok(checkpoint && checkpoint.step >= reported, `reported ${reported}, found ${checkpoint?.step}`);
      const x = checkpoint.tensors.get("x")?.dataSync() as Float32Array;
      assert.ok(x.length === elements && x.every((value) => value === checkpoint.step));
      assert.equal((checkpoint.json as { step: number }).step, checkpoint.step);
      first = checkpoint.step + 1;
    }
    await saveCheckpoint(folder, state(first));
    const leftovers = readdirSync(folder).filter((name) => !/^checkpoint-\d+\.safetensors$/.test(name));
    assert.deepEqual(leftovers, []);
  });
});
