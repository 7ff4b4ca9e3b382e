/** The loop of a party written in JavaScript: reads requests from stdin, times, answers on stdout. */
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Answer, Ready, Request } from "./exchange.ts";
import { readArray } from "./exchange.ts";
import type { InputArray, Parameters } from "./workload.ts";

/** A party's framework, as far as the loop needs it. `T` is its tensor. */
export interface Framework<T> {
  readonly version: string;
  readonly threads: number;
  /** Sets a workload up; the returned function does what one timing covers. Undefined when it is not offered. */
  prepare(
    workload: string,
    inputs: Readonly<Record<string, InputArray>>,
    parameters: Parameters,
  ): (() => T | Promise<T>) | undefined;
  /** The elements of what a run returned. */
  read(output: T): Promise<ArrayLike<number>>;
  /** Frees what a run returned, in frameworks where someone must. */
  release?(output: T): void;
}

/** Untimed runs before the timed ones: the first turn compiles and fills pools, later ones warm the caches again. */
const warmUps = { first: 5, later: 2 };

async function takeTurn<T>(
  framework: Framework<T>,
  run: () => T | Promise<T>,
  { samples, inputs, output, losses }: Request,
): Promise<Answer> {
  const times: number[] = [];
  const lossesOfTurn: number[] = [];
  const finish = async (result: T): Promise<void> => {
    if (losses) lossesOfTurn.push((await framework.read(result))[0] ?? Number.NaN);
    framework.release?.(result);
  };
  const warmUp = inputs ? warmUps.first : warmUps.later;
  for (let count = 0; count < warmUp; count += 1) await finish(await run());
  for (let count = 0; count < samples; count += 1) {
    const start = performance.now();
    let result = run();
    if (result instanceof Promise) result = await result;
    times.push(performance.now() - start);
    await finish(result);
  }
  if (output) {
    const result = await run();
    await writeFile(output, Float32Array.from(await framework.read(result)));
    framework.release?.(result);
  }
  return { times, ...(losses ? { losses: lossesOfTurn } : {}) };
}

function send(message: Ready | Answer): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Answers requests until stdin ends. */
export async function serve<T>(framework: Framework<T>): Promise<void> {
  let run: (() => T | Promise<T>) | undefined;
  send({ ready: true, version: framework.version, threads: framework.threads });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    try {
      if (request.inputs) {
        run = undefined;
        const arrays: Record<string, InputArray> = {};
        for (const [name, file] of Object.entries(request.inputs)) arrays[name] = await readArray(file);
        run = framework.prepare(request.workload, arrays, request.parameters ?? {});
      }
      send(run ? await takeTurn(framework, run, request) : { unsupported: `has no ${request.workload}` });
    } catch (error) {
      send({ error: error instanceof Error ? error.message : String(error) });
    }
  }
}
