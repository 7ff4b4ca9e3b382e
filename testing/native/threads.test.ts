/** Threads change when a result is there, and nothing else; whatever is under way, the process ends when it should. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testedBackends } from "../generator/backends.ts";
import { outputOf, runProgram, runSource } from "./runProgram.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

interface Digest {
  readonly threads: number;
  readonly digests: Readonly<Record<string, string>>;
}

async function digestWith(threads: number): Promise<Digest> {
  return JSON.parse(
    outputOf(await runProgram("digest.ts", { env: { NAGARE_THREADS: String(threads) } })),
  ) as Digest;
}

/** `chain(x)` is some tenths of a second of work in one run: products of a matrix that is its own square. */
const chain = `
  import * as ng from "nagare";
  ng.setBackend("native");
  const x = ng.full([512, 512], 1 / 512);
  const chain = ng.jit((x) => {
    let y = x;
    for (let i = 0; i < 40; i++) y = y.matmul(x);
    return y.sum();
  });
`;

describe("the number of threads", { skip }, () => {
  test("1, 2 and 3 threads give the same bits, for every operation and a trained network", async () => {
    const one = await digestWith(1);
    assert.equal(one.threads, 1);
    for (const count of [2, 3]) {
      const { threads, digests } = await digestWith(count);
      assert.equal(threads, count);
      assert.deepEqual(digests, one.digests, `${count} threads`);
    }
  });

  for (const value of ["0", "1.5", "many", "1025"]) {
    test(`NAGARE_THREADS=${value} is refused with what is expected`, async () => {
      const source = `import * as ng from "nagare"; console.log(ng.backend(), ng.tensor([1, 2]).sum().item());`;
      const env = { NAGARE_THREADS: value };
      const message = `NAGARE_THREADS: expected a whole number from 1 to 1024; received "${value}"`;
      const outcome = await runSource(source, { env });
      assert.equal(outputOf(outcome), "reference 3");
      assert.ok(outcome.warnings.includes(message), outcome.warnings);
      const wanted = await runSource(source, { env: { ...env, NAGARE_BACKEND: "native" } });
      assert.equal(wanted.status, 1);
      assert.ok(wanted.warnings.includes(message), wanted.warnings);
    });
  }

  test("setThreads between, during and after runs changes the number and no result", async () => {
    const source = `${chain}
      const sums = [chain(x).item()];
      for (const count of [3, 1, 2, 7, 1]) {
        const pending = chain.runAsync(x);
        ng.setThreads(count);
        sums.push((await pending).item(), chain(x).item());
        console.log(ng.threads());
      }
      console.log(new Set(sums).size, sums[0] > 511.9 && sums[0] < 512.1);
    `;
    assert.equal(outputOf(await runSource(source)), "3\n1\n2\n7\n1\n1 true");
  });

  test("setThreads refuses what is no number of threads", async () => {
    const source = `${chain}
      const before = ng.threads();
      for (const count of [0, -1, 1.5, NaN, 1025, 2 ** 32 + 1]) {
        try {
          ng.setThreads(count);
          console.log("accepted", count);
        } catch (error) {
          if (!(error instanceof ng.ValueError)) throw error;
          console.log(error.message);
        }
      }
      console.log(ng.threads() === before);
    `;
    const lines = outputOf(await runSource(source)).split("\n");
    assert.equal(lines.length, 7);
    for (const line of lines.slice(0, 6))
      assert.match(line, /^setThreads: expected a whole number from 1 .*; received /);
    assert.equal(lines[6], "true");
  });
});

describe("threads of JavaScript", { skip }, () => {
  test("the main thread and two workers compute at once on one pool, as large as the main thread said", async () => {
    const result = JSON.parse(outputOf(await runProgram("workers.ts"))) as {
      added: number;
      threads: number;
      backends: string[];
    };
    assert.equal(result.threads, 3);
    assert.deepEqual(result.backends, ["native 3", "native 3"]);
    // Two beside the caller, and the one that carries out what runs off the event loops.
    assert.ok(result.added <= 3, `${result.added} threads were added`);
  });

  test("a worker that is stopped during its run leaves the engine to the others", async () => {
    const source = `${chain}
      import { Worker } from "node:worker_threads";
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(${JSON.stringify(`${chain}
          import { parentPort } from "node:worker_threads";
          for (let i = 0; i < 2; i++) chain.runAsync(x);
          parentPort.postMessage("running");
        `)}, { eval: true, execArgv: ["--conditions=nagare-source", "--input-type=module"] });
        await new Promise((resolve) => worker.once("message", resolve));
        await worker.terminate();
        console.log(Math.round(chain(x).item()));
      }
    `;
    assert.equal(outputOf(await runSource(source)), "512\n512\n512");
  });
});

describe("a process that uses the engine", { skip }, () => {
  test("uses no processor time while it has nothing to do", async () => {
    const source = `${chain}
      import { setTimeout } from "node:timers/promises";
      ng.setThreads(4);
      chain(x).item();
      await chain.runAsync(x);
      await setTimeout(200);
      const { user, system } = process.cpuUsage();
      await setTimeout(300);
      const later = process.cpuUsage();
      console.log(Math.round((later.user + later.system - user - system) / 1000));
    `;
    const milliseconds = Number(outputOf(await runSource(source)));
    // One thread that spins would use 300.
    assert.ok(milliseconds < 100, `${milliseconds} ms of 300`);
  });

  test("ends by itself after an awaited run, after a run that nobody awaits, and after many", async () => {
    for (const end of [
      "console.log(Math.round((await chain.runAsync(x)).item()));",
      "chain.runAsync(x); console.log(512);",
      "for (let i = 0; i < 5; i++) chain.runAsync(x); console.log(512);",
      "chain.runAsync(x).then((y) => console.log(Math.round(y.item())));",
    ]) {
      assert.equal(outputOf(await runSource(`${chain}\n${end}`)), "512", end);
    }
  });

  test("ends by process.exit, and with an error by what it throws, though runs are under way", async () => {
    const started = "for (let i = 0; i < 3; i++) chain.runAsync(x);";
    const exited = await runSource(`${chain}\n${started}\nprocess.exit(7);`);
    assert.deepEqual([exited.status, exited.signal], [7, null], exited.warnings);
    const thrown = await runSource(`${chain}\n${started}\nthrow new Error("on purpose");`);
    assert.deepEqual([thrown.status, thrown.signal], [1, null], thrown.warnings);
    assert.match(thrown.warnings, /on purpose/);
  });

  test("a run that fails rejects, and the process goes on", async () => {
    const source = `${chain}
      const rows = ng.jit((x, i) => ng.take(x, i, { axis: 0 }));
      const bad = ng.tensor([600], { dtype: "int32" });
      try {
        await rows.runAsync(x, bad);
      } catch (error) {
        console.log(error.message);
      }
      console.log(Math.round((await chain.runAsync(x)).item()));
    `;
    const [message = "", sum] = outputOf(await runSource(source)).split("\n");
    assert.match(message, /expected indices from 0 to 511 .*received 600/);
    assert.equal(sum, "512");
  });
});
