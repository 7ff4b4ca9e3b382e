/** Tasks, parties and outcomes that no work stands behind. */
import { writeFile } from "node:fs/promises";
import type { Answer, Check, Measurement, Outcome, Party, Request, Task } from "../../bench/harness/index.ts";
import { uniform } from "../../bench/harness/index.ts";

export function task(name: string, check: Check, more: Partial<Task> = {}): Task {
  const inputs = () => ({ x: uniform([4], 1) });
  return { name, about: `work of ${name}`, unit: "ms", check, peers: true, inputs, ...more };
}

export const doubling = task("doubling", { kind: "values", tolerance: 1e-6 });

/** A party that computes nothing: its answers come from `answer`, its output is `output`. */
export class FakeParty implements Party {
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

export const steady = (milliseconds: number) => (request: Request) => ({
  times: new Array<number>(request.samples).fill(milliseconds),
});
export const silent = (): void => {};

export function measured(...times: number[]): Outcome {
  return { kind: "measured", times };
}

export function measurement(outcomes: Record<string, Outcome>, of: Task = doubling): Measurement {
  return { task: of, outcomes: new Map(Object.entries(outcomes)) };
}
