/**
 * Measures one workload with all parties, in turns: one party computes at a time, and the order rotates from round to
 * round, so that what drifts on the machine drifts for everybody.
 */
import { rmSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Evidence } from "./agreement.ts";
import { disagreement } from "./agreement.ts";
import type { Answer, Request } from "./exchange.ts";
import { writeArrays } from "./exchange.ts";
import type { Party } from "./party.ts";
import type { Task } from "./workload.ts";

/** How a party fared. */
export type Outcome =
  /** Milliseconds of every timed run. */
  | { readonly kind: "measured"; readonly times: readonly number[] }
  /** The party has no such workload. */
  | { readonly kind: "unsupported" }
  /** It was not timed to the end, or its result is not ours. */
  | { readonly kind: "failed"; readonly reason: string };

/** One workload's outcomes by party, ours first. */
export interface Measurement {
  readonly task: Task;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

/** How long one turn shall last, and how many runs it may have. */
const workloadTurn = { milliseconds: 300, fewest: 3, most: 20 };
/** Tasks that share their work are many, and short; of those that take microseconds the first dozens tell how a process wakes up. */
const sweepTurn = { milliseconds: 60, fewest: 3, most: 500 };

/** Timings of the first turn: of training so many that the loss falls where later turns have few, and otherwise one. */
const firstSamples = { training: 8, other: 1 };

function samplesPerTurn(times: readonly number[], turn: typeof workloadTurn): number {
  const typical = times[0] ?? turn.milliseconds;
  return Math.min(turn.most, Math.max(turn.fewest, Math.round(turn.milliseconds / Math.max(typical, 1e-3))));
}

/** A party while its workload is measured. */
class Contestant {
  readonly party: Party;
  readonly #task: Task;
  readonly #times: number[] = [];
  readonly #losses: number[] = [];
  #output: Float32Array | undefined;
  #samples = 1;
  #outcome: Outcome | undefined;

  constructor(party: Party, task: Task) {
    this.party = party;
    this.#task = task;
  }

  /** The first turn: compiles, warms up, leaves its result. Its first timing tells how long later turns may be. */
  async prepare(inputs: Request["inputs"], folder: string): Promise<void> {
    const output = join(folder, `${this.party.name}.output.bin`);
    const keepsOutput = this.#task.check.kind === "values";
    const { parameters } = this.#task;
    const answer = await this.#ask({
      samples: this.#task.check.kind === "losses" ? firstSamples.training : firstSamples.other,
      inputs,
      ...(parameters ? { parameters } : {}),
      ...(keepsOutput ? { output } : {}),
    });
    if (!answer) return;
    this.#samples = samplesPerTurn(answer.times ?? [], this.#task.work ? sweepTurn : workloadTurn);
    if (!keepsOutput) return;
    const { buffer, byteOffset, byteLength } = await readFile(output);
    this.#output = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
    await rm(output);
  }

  async measure(): Promise<void> {
    const answer = await this.#ask({ samples: this.#samples });
    if (answer) this.#times.push(...(answer.times ?? []));
  }

  get evidence(): Evidence {
    return { ...(this.#output ? { output: this.#output } : {}), losses: this.#losses };
  }

  outcome(ours: Evidence): Outcome {
    if (this.#outcome) return this.#outcome;
    const reason = disagreement(this.#task.check, ours, this.evidence);
    return reason === undefined ? { kind: "measured", times: this.#times } : { kind: "failed", reason };
  }

  /** A turn; undefined when the party is out. */
  async #ask(request: Omit<Request, "workload">): Promise<Answer | undefined> {
    if (this.#outcome) return undefined;
    const losses = this.#task.check.kind === "losses";
    const answer = await this.party.ask({
      workload: this.#task.work ?? this.#task.name,
      ...request,
      ...(losses ? { losses } : {}),
    });
    if (answer.unsupported !== undefined) this.#outcome = { kind: "unsupported" };
    else if (answer.error !== undefined) this.#outcome = { kind: "failed", reason: answer.error };
    if (this.#outcome) return undefined;
    this.#losses.push(...(answer.losses ?? []));
    return answer;
  }
}

/**
 * Measures a workload.
 * @param parties ours first; the others' results are compared with it.
 * @param say receives a word about what is going on.
 */
export async function measure(
  task: Task,
  parties: readonly Party[],
  rounds: number,
  say: (what: string) => void,
): Promise<Measurement> {
  const contestants = parties
    .filter((_, place) => place === 0 || task.peers)
    .map((party) => new Contestant(party, task));
  const folder = await mkdtemp(join(tmpdir(), "nagare-bench-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeFolder);
  try {
    const inputs = await writeArrays(folder, task.inputs());
    for (const contestant of contestants) {
      say(`preparing ${contestant.party.name}`);
      await contestant.prepare(inputs, folder);
    }
  } finally {
    process.removeListener("exit", removeFolder);
    removeFolder();
  }
  for (let round = 0; round < rounds; round += 1) {
    say(`round ${round + 1} of ${rounds}`);
    for (let place = 0; place < contestants.length; place += 1) {
      await contestants[(place + round) % contestants.length]?.measure();
    }
  }
  const ours = contestants[0]?.evidence ?? { losses: [] };
  return {
    task,
    outcomes: new Map(contestants.map((contestant) => [contestant.party.name, contestant.outcome(ours)])),
  };
}
