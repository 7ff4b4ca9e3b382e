import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Request } from "../../bench/harness/index.ts";
import { findPeers, uniform, WorkerParty, writeArrays } from "../../bench/harness/index.ts";

const benchFolder = join(import.meta.dirname, "../../bench");

describe("finding peers", () => {
  const installed: Record<string, string[]> = {
    "torch/bin/python": ["torch", "numpy"],
    "jax/bin/python": ["jax", "tensorflow", "keras", "numpy"],
  };
  const probe = async (interpreter: string): Promise<string[]> => {
    const modules = installed[interpreter];
    if (!modules) throw new Error(`spawn ${interpreter} ENOENT`);
    return modules;
  };

  for (const separator of [",", ":"]) {
    test(`interpreters separated by "${separator}" are each asked for each framework`, async () => {
      const NAGARE_PEER_PYTHON = Object.keys(installed).join(separator);
      const { commands, missing } = await findPeers(["torch", "jax", "tf"], { NAGARE_PEER_PYTHON }, probe);
      assert.deepEqual(missing, []);
      assert.deepEqual(
        commands.map(({ name, command }) => `${name} ${command}`),
        [
          "torch-eager torch/bin/python",
          "torch-compile torch/bin/python",
          "jax-jit jax/bin/python",
          "tf-function jax/bin/python",
        ],
      );
    });
  }

  test("a peer without an interpreter is reported as not installed, with the remedy", async () => {
    const { commands, missing } = await findPeers(
      ["torch", "jax"],
      { NAGARE_PEER_PYTHON: "torch/bin/python" },
      probe,
    );
    assert.equal(commands.length, 2);
    assert.equal(missing.length, 1);
    assert.match(missing[0] ?? "", /JAX is not installed.*NAGARE_PEER_PYTHON/);
  });

  test("an interpreter that cannot be run is named with the reason", async () => {
    const { missing } = await findPeers(["jax"], { NAGARE_PEER_PYTHON: "nowhere/python" }, probe);
    assert.match(missing[0] ?? "", /nowhere\/python cannot be used: spawn nowhere\/python ENOENT/);
  });

  test("a folder without TensorFlow.js, and no folder, are reported", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nagare-bench-test-"));
    for (const environment of [{}, { NAGARE_PEER_TFJS: folder }]) {
      const { commands, missing } = await findPeers(["tfjs"], environment, probe);
      assert.deepEqual(commands, []);
      assert.match(missing[0] ?? "", /TensorFlow\.js is not installed.*NAGARE_PEER_TFJS/);
    }
    await rm(folder, { recursive: true });
  });

  test("peers do not inherit OPENBLAS_CORETYPE", async () => {
    const environment = {
      NAGARE_PEER_PYTHON: "jax/bin/python",
      OPENBLAS_CORETYPE: "Haswell",
      LANG: "C",
    };
    const { commands } = await findPeers(["jax"], environment, probe);
    assert.equal(commands[0]?.environment?.OPENBLAS_CORETYPE, undefined);
    assert.equal(commands[0]?.environment?.LANG, "C");
  });
});

describe("a party in a process of its own", () => {
  const script = (body: string, patienceMs?: number): WorkerParty =>
    new WorkerParty({
      name: "script",
      command: process.execPath,
      arguments: ["-e", body],
      ...(patienceMs === undefined ? {} : { patienceMs }),
    });
  const ready = 'console.log(JSON.stringify({ ready: true, version: "1.2", threads: 2 }));';
  const onLine = (body: string): string =>
    `${ready} require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => { ${body} });`;
  const request: Request = { workload: "doubling", samples: 3 };

  test("it answers what it is asked and ends when it is closed", async () => {
    const party = script(
      onLine("console.log(JSON.stringify({ times: Array(JSON.parse(line).samples).fill(1) }));"),
    );
    assert.deepEqual(await party.ask(request), { times: [1, 1, 1] });
    assert.deepEqual(await party.ask({ ...request, samples: 1 }), { times: [1] });
    assert.equal(party.about, "1.2, 2 threads");
    await party.close();
  });

  test("one that dies says why, and is started again by the next request", async () => {
    const party = script(onLine('throw new RangeError("out of luck");'));
    for (let turn = 0; turn < 2; turn += 1) {
      assert.deepEqual(await party.ask(request), {
        error: "ended with exit code 1: RangeError: out of luck",
      });
    }
    await party.close();
  });

  test("one that cannot be started, talks nonsense or says nothing gives an error and is ended", async () => {
    const absent = new WorkerParty({ name: "absent", command: join(benchFolder, "absent"), arguments: [] });
    assert.match((await absent.ask(request)).error ?? "", /could not be started: .*ENOENT/);
    const talker = script('console.log("hello"); setInterval(() => {}, 1000);');
    assert.match((await talker.ask(request)).error ?? "", /JSON/);
    const mute = script("setInterval(() => {}, 1000);", 100);
    assert.equal((await mute.ask(request)).error, "gave no answer in 0.1 s");
    await Promise.all([absent.close(), talker.close(), mute.close()]);
  });
});

test("the loop of the Python peers computes with the inputs and reports failures", async (t) => {
  const numpy = spawnSync("python3", ["-c", "import numpy"], { encoding: "utf8" });
  if (numpy.status !== 0) return t.skip("no python3 with NumPy in PATH");
  const program = [
    "import sys",
    "sys.path.insert(0, sys.argv[1])",
    "from worker import serve",
    "def broken(x):",
    "    print('what a library says')",
    "    raise ValueError('nothing to see')",
    "serve('1.2', 1, {'doubling': lambda x: lambda: 2 * x, 'broken': broken}, lambda result: result)",
  ].join("\n");
  const party = new WorkerParty({
    name: "python",
    command: "python3",
    arguments: ["-c", program, join(benchFolder, "peers")],
    environment: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  const folder = await mkdtemp(join(tmpdir(), "nagare-bench-test-"));
  const x = uniform([2, 3], 1);
  const inputs = await writeArrays(folder, { x });
  const output = join(folder, "output.bin");
  const answer = await party.ask({ workload: "doubling", samples: 3, inputs, output });
  assert.equal(answer.times?.length, 3);
  const { buffer } = Uint8Array.from(await readFile(output));
  assert.deepEqual(
    new Float32Array(buffer),
    x.data.map((value) => 2 * value),
  );
  assert.deepEqual(await party.ask({ workload: "broken", samples: 1, inputs }), {
    error: "ValueError: nothing to see",
  });
  assert.deepEqual(await party.ask({ workload: "other", samples: 1, inputs }), {
    unsupported: "has no other",
  });
  await party.close();
  await rm(folder, { recursive: true });
});
