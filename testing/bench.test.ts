import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import type { Answer, Check, Measurement, Outcome, Party, Request, Task } from "../bench/harness/index.ts";
import {
  chart,
  disagreement,
  driftLines,
  failures,
  findPeers,
  glorot,
  jsonLines,
  labelledBatch,
  machineName,
  measure,
  median,
  ownMedians,
  parseBenchArguments,
  peerFamilies,
  ratioOf,
  readArray,
  readBaseline,
  table,
  UsageError,
  uniform,
  usage,
  WorkerParty,
  writeArrays,
  writeBaseline,
} from "../bench/harness/index.ts";

const benchFolder = join(import.meta.dirname, "../bench");
const known = ["alpha", "beta", "gamma"];

function task(name: string, check: Check, more: Partial<Task> = {}): Task {
  const inputs = () => ({ x: uniform([4], 1) });
  return { name, about: `work of ${name}`, unit: "ms", check, peers: true, inputs, ...more };
}

const doubling = task("doubling", { kind: "values", tolerance: 1e-6 });

/** A party that computes nothing: its answers come from `answer`, its output is `output`. */
class FakeParty implements Party {
  readonly about = "";
  readonly requests: Request[] = [];
  readonly name: string;
  readonly #answer: (request: Request, turn: number) => Answer;
  readonly #output: readonly number[];

  constructor(
    name: string,
    answer: (request: Request, turn: number) => Answer,
    output: readonly number[] = [1, 2],
  ) {
    this.name = name;
    this.#answer = answer;
    this.#output = output;
  }

  async ask(request: Request): Promise<Answer> {
    this.requests.push(request);
    if (request.output) await writeFile(request.output, Float32Array.from(this.#output));
    return this.#answer(request, this.requests.length - 1);
  }

  async close(): Promise<void> {}
}

const steady = (milliseconds: number) => (request: Request) => ({
  times: new Array<number>(request.samples).fill(milliseconds),
});
const silent = (): void => {};

function measured(...times: number[]): Outcome {
  return { kind: "measured", times };
}

function measurement(outcomes: Record<string, Outcome>, of: Task = doubling): Measurement {
  return { task: of, outcomes: new Map(Object.entries(outcomes)) };
}

describe("the command line of the benchmark", () => {
  test("without arguments it runs every workload against every peer", () => {
    const options = parseBenchArguments([], known);
    assert.deepEqual(options.workloads, known);
    assert.deepEqual(options.peers, peerFamilies);
    assert.equal(options.json, false);
  });

  test("named workloads run in the catalogue's order", () => {
    assert.deepEqual(parseBenchArguments(["gamma", "alpha"], known).workloads, ["alpha", "gamma"]);
  });

  test("peers, rounds and JSON are options", () => {
    const { peers, rounds, json } = parseBenchArguments(
      ["--peers", "jax,torch", "--rounds=3", "--json"],
      known,
    );
    assert.deepEqual({ peers, rounds, json }, { peers: ["torch", "jax"], rounds: 3, json: true });
    assert.deepEqual(parseBenchArguments(["--peers", "none"], known).peers, []);
  });

  for (const [argv, message] of [
    [["delta"], /workloads from alpha, beta, gamma; received "delta"/],
    [["--peers", "mxnet"], /torch, jax, tf, tfjs; received "mxnet"/],
    [["--rounds", "0"], /whole number from 1 to 1000 after --rounds; received "0"/],
    [["--rounds", "2.5"], /received "2.5"/],
    [["--fast"], /Unknown option '--fast'.*--help/],
  ] as const) {
    test(`${argv.join(" ")} is refused with what was expected`, () => {
      assert.throws(
        () => parseBenchArguments(argv, known),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }

  test("the help lists every workload with what it covers", () => {
    assert.match(usage([doubling]), /doubling {2}work of doubling/);
  });
});

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

describe("inputs", () => {
  test("the same seed gives the same numbers, another seed others", () => {
    assert.deepEqual(uniform([100], 1), uniform([100], 1));
    assert.notDeepEqual(uniform([100], 1), uniform([100], 2));
  });

  test("uniform numbers fill their range evenly", () => {
    const { data } = uniform([100_000], 3, -2, 2);
    const counts = new Array<number>(8).fill(0);
    for (const value of data) {
      assert.ok(value >= -2 && value < 2);
      const bin = Math.floor((value + 2) * 2);
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    for (const count of counts) assert.ok(Math.abs(count - 12_500) < 500, `a bin holds ${count} of 100,000`);
  });

  test("initial kernels keep Glorot's limit, with a convolution's receptive field", () => {
    const limit = Math.sqrt(6 / (9 * 32 + 9 * 64));
    const largest = glorot([3, 3, 32, 64], 5).data.reduce(
      (most, value) => Math.max(most, Math.abs(value)),
      0,
    );
    assert.ok(largest <= limit && largest > 0.99 * limit);
  });

  test("a labelled batch has every class in range and pixels from 0 to 1", () => {
    const { x, labels } = labelledBatch([128, 28, 28, 1], 7);
    assert.deepEqual([x.shape, labels.shape], [[128, 28, 28, 1], [128]]);
    assert.equal(new Set(labels.data).size, 10);
    assert.ok(labels.data.every((label) => label >= 0 && label < 10));
    assert.ok(x.data.every((value) => value >= 0 && value < 1));
  });

  test("arrays written for the parties are read back bit for bit", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nagare-bench-test-"));
    const arrays = { x: uniform([3, 5], 1), labels: { shape: [3], data: Int32Array.of(-1, 0, 7) } };
    const files = await writeArrays(folder, arrays);
    assert.deepEqual(files.x && (await readArray(files.x)), arrays.x);
    assert.deepEqual(files.labels && (await readArray(files.labels)), arrays.labels);
    await rm(folder, { recursive: true });
  });
});

describe("agreement of results", () => {
  const values: Check = { kind: "values", tolerance: 1e-3 };
  const losses: Check = { kind: "losses", sameSteps: 2, tolerance: 0.01 };
  const output = (...elements: number[]) => ({ output: Float32Array.from(elements), losses: [] });

  test("outputs may differ by the tolerance times our largest magnitude", () => {
    assert.equal(disagreement(values, output(1, -100), output(1.09, -100)), undefined);
    assert.match(
      disagreement(values, output(1, -100), output(1.2, -100)) ?? "",
      /gives 1\.2\d* at 0 where Nagare gives 1$/,
    );
  });

  test("NaN, and an output of another size, agree with nothing", () => {
    assert.match(disagreement(values, output(1, 2), output(1, Number.NaN)) ?? "", /gives NaN at 1/);
    assert.match(disagreement(values, output(1, 2), output(1)) ?? "", /1 elements where Nagare has 2/);
    assert.equal(disagreement(values, output(1), { losses: [] }), "returned no output");
  });

  test("losses agree in the first steps and fall later", () => {
    const ours = { losses: [2, 1.9, 1.5, 1] };
    assert.equal(disagreement(losses, ours, { losses: [2.01, 1.9, 1.7, 1.2] }), undefined);
    assert.match(disagreement(losses, ours, { losses: [2, 1.8, 1] }) ?? "", /the loss 1\.8 after 1 steps/);
    assert.match(disagreement(losses, ours, { losses: [2, 1.9, 2] }) ?? "", /does not learn/);
    assert.match(disagreement(losses, ours, { losses: [2] }) ?? "", /the loss NaN after 1 steps/);
  });
});

describe("measuring", () => {
  test("parties take turns: one at a time, the first of a round changing", async () => {
    const order: string[] = [];
    let computing = 0;
    const parties = ["nagare", "a", "b"].map(
      (name) =>
        new FakeParty(name, (request) => {
          computing += 1;
          assert.equal(computing, 1);
          order.push(name);
          computing -= 1;
          return steady(1)(request);
        }),
    );
    await measure(doubling, parties, 3, silent);
    assert.deepEqual(order, ["nagare", "a", "b", "nagare", "a", "b", "a", "b", "nagare", "b", "nagare", "a"]);
  });

  test("only the first turn brings inputs, and its time is not counted", async () => {
    const party = new FakeParty("nagare", (request, turn) => steady(turn === 0 ? 1000 : 20)(request));
    const { outcomes } = await measure(doubling, [party], 2, silent);
    assert.deepEqual(
      party.requests.map(({ inputs, output }) => [inputs !== undefined, output !== undefined]),
      [
        [true, true],
        [false, false],
        [false, false],
      ],
    );
    assert.deepEqual(outcomes.get("nagare"), measured(20, 20, 20, 20, 20, 20));
  });

  test("short work is timed more often in a turn than long work", async () => {
    const [quick, slow] = [new FakeParty("nagare", steady(0.1)), new FakeParty("a", steady(5000))];
    await measure(doubling, [quick, slow], 1, silent);
    assert.deepEqual([quick.requests[1]?.samples, slow.requests[1]?.samples], [20, 3]);
  });

  test("a party that fails, lacks the workload or disagrees has no time", async () => {
    const parties = [
      new FakeParty("nagare", steady(1)),
      new FakeParty("fails", () => ({ error: "no such kernel" })),
      new FakeParty("fails later", (request, turn) => (turn > 1 ? { error: "ended" } : steady(1)(request))),
      new FakeParty("lacks", () => ({ unsupported: "has no doubling" })),
      new FakeParty("disagrees", steady(1), [1, 3]),
    ];
    const { outcomes } = await measure(doubling, parties, 2, silent);
    assert.equal(outcomes.get("nagare")?.kind, "measured");
    assert.deepEqual(outcomes.get("fails"), { kind: "failed", reason: "no such kernel" });
    assert.deepEqual(outcomes.get("fails later"), { kind: "failed", reason: "ended" });
    assert.deepEqual(outcomes.get("lacks"), { kind: "unsupported" });
    assert.deepEqual(outcomes.get("disagrees"), {
      kind: "failed",
      reason: "gives 3 at 1 where Nagare gives 2",
    });
    assert.equal(parties[1]?.requests.length, 1, "a party that is out is not asked again");
  });

  test("losses of all turns count as one training", async () => {
    const training = task("training", { kind: "losses", sameSteps: 1, tolerance: 0.1 });
    const learner = (name: string, rate: number) =>
      new FakeParty(name, (request, turn) => ({ ...steady(1)(request), losses: [2 - rate * turn] }));
    const { outcomes } = await measure(training, [learner("nagare", 0.5), learner("stuck", 0)], 2, silent);
    assert.equal(outcomes.get("nagare")?.kind, "measured");
    assert.deepEqual(outcomes.get("stuck"), {
      kind: "failed",
      reason: "does not learn: its loss goes from 2 to 2 in 3 steps",
    });
  });

  test("a workload without counterpart is ours alone", async () => {
    const peer = new FakeParty("a", steady(1));
    const own = task("own", { kind: "none" }, { peers: false });
    const { outcomes } = await measure(own, [new FakeParty("nagare", steady(1)), peer], 1, silent);
    assert.deepEqual([...outcomes.keys()], ["nagare"]);
    assert.equal(peer.requests.length, 0);
  });
});

describe("the report", () => {
  test("the median of an even count is the mean of the middle two", () => {
    assert.equal(median([5, 1, 3]), 3);
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  test("the ratio is ours to the fastest peer's, whoever failed", () => {
    const failed: Outcome = { kind: "failed", reason: "crashed" };
    const outcomes = { nagare: measured(6, 6), a: measured(4), b: measured(3), c: failed };
    assert.deepEqual(ratioOf(measurement(outcomes)), { ratio: 2, fastest: "b" });
    assert.equal(ratioOf(measurement({ nagare: failed, a: measured(4) })), undefined);
    assert.equal(ratioOf(measurement({ nagare: measured(4), a: failed })), undefined);
  });

  const measurements = [
    measurement({
      nagare: measured(12.345, 12.345),
      "jax-jit": measured(10),
      "tfjs-wasm": { kind: "failed", reason: "has no kernel" },
    }),
    measurement({ nagare: measured(1.5) }, task("dispatch", { kind: "none" }, { unit: "us", peers: false })),
    measurement(
      { nagare: measured(1234.5), "jax-jit": { kind: "unsupported" } },
      task("large", doubling.check),
    ),
  ];

  test("the table has a row for each workload and a column for each party", () => {
    assert.equal(
      table(measurements, ["nagare", "jax-jit", "tfjs-wasm"]),
      [
        "workload  unit  nagare  jax-jit  tfjs-wasm  ours ÷ fastest peer",
        "doubling  ms      12.3     10.0     failed       1.23 (jax-jit)",
        "dispatch  µs      1.50        –          –                    –",
        "large     ms      1235        –          –                    –",
      ].join("\n"),
    );
    assert.deepEqual(failures(measurements), ["doubling: tfjs-wasm has no kernel"]);
  });

  test("JSON has a line for each workload and party, and one for the ratio", () => {
    assert.deepEqual(
      measurements.flatMap(jsonLines).map((line) => JSON.parse(line)),
      [
        { peer: "nagare", workload: "doubling", ms: 12.345, min: 12.345, samples: 2 },
        { peer: "jax-jit", workload: "doubling", ms: 10, min: 10, samples: 1 },
        { peer: "tfjs-wasm", workload: "doubling", error: "has no kernel" },
        { workload: "doubling", ratio: 1.2345, fastest: "jax-jit" },
        { peer: "nagare", workload: "dispatch", us: 1.5, min: 1.5, samples: 1 },
        { peer: "nagare", workload: "large", ms: 1234.5, min: 1234.5, samples: 1 },
        { peer: "jax-jit", workload: "large", unsupported: true },
      ],
    );
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

test("the command times our own party and prints JSON", async () => {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      "--conditions=nagare-source",
      join(benchFolder, "main.ts"),
      ...["--json", "--peers", "none", "--rounds", "1", "eager_add_x1000"],
    ],
    { env: { ...environment, NAGARE_BACKEND: "reference" } },
  );
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 1);
  assert.equal(lines[0].workload, "eager_add_x1000");
  assert.ok(lines[0].ms > 0 && lines[0].samples >= 3);
});

describe("a baseline", () => {
  test("keeps the times of workloads that did not run, and marks what is more than 5 % slower", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nagare-baseline-"));
    try {
      const file = join(folder, "machines", "this.json");
      await writeBaseline(file, { alpha: 10, beta: 20 });
      await writeBaseline(file, { beta: 40 });
      assert.deepEqual(await readBaseline(file), { alpha: 10, beta: 40 });
      assert.deepEqual(driftLines({ alpha: 10.4, beta: 44, gamma: 1 }, await readBaseline(file)), [
        "alpha  10.4, baseline 10: +4.0 %",
        "beta   44, baseline 40: +10.0 %  SLOWER",
        "gamma  1, without a baseline",
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("has our medians alone, and a machine's name is a file's", () => {
    const run = measurement({ nagare: measured(3, 1, 2), torch: measured(1) });
    assert.deepEqual(ownMedians([run]), { doubling: 2 });
    assert.match(machineName(), /^[a-z0-9-]+-x\d+$/);
  });

  test("is written or compared", () => {
    assert.equal(parseBenchArguments(["--baseline", "write"], known).baseline, "write");
    assert.throws(() => parseBenchArguments(["--baseline", "keep"], known), /expected write or compare/);
  });
});

test("the chart has a bar for each workload with a ratio", () => {
  const text = chart(
    [measurement({ nagare: measured(1), torch: measured(2) }), measurement({ nagare: measured(1) })],
    "a < b",
  );
  assert.equal(text.match(/fill="#2a9d8f"/g)?.length, 1);
  assert.match(text, /a &lt; b/);
  assert.match(text, /0\.50 \(torch\)/);
});
