/** The native backend: graphs become programs of the engine; eager operations are programs of one instruction. */
import { availableParallelism } from "node:os";
import {
  type Aval,
  type Backend,
  type ConcreteTensor,
  type Graph,
  GraphBuilder,
  type KernelObserver,
  type Params,
  type PreparedCall,
  type Primitive,
  type Reachability,
  type Roofline,
  type Storage,
  ValueError,
} from "nagare/backend";
import { type Addon, loadAddon } from "./addon.ts";
import { type EngineCodes, takesFused } from "./compile.ts";
import { clockOffset, NativeExecutable, type Observation } from "./executable.ts";
import { PreparedConstants } from "./preparedConstants.ts";
import { collectYoungGarbage } from "./youngGarbage.ts";

/** Operations whose result is their operand's elements in their order: nothing to compute, because storage never changes. */
const sharesStorage: ReadonlySet<string> = new Set(["reshape", "stopGradient", "barrier"]);

function shareStorage([x]: readonly ConcreteTensor[]): Storage[] {
  if (!x) return [];
  x.storage.shared = true;
  return [x.storage];
}

function graphOf(op: Primitive, inputs: readonly Aval[], params: Params): Graph {
  const builder = new GraphBuilder();
  const values = inputs.map((input) => builder.input(input));
  return builder.finish(builder.add(op, values, params));
}

/** Computes with the C++ engine on the CPU. */
export class NativeBackend implements Backend {
  readonly name = "native";
  readonly threads: Required<Backend>["threads"];
  readonly reachability: Reachability;
  readonly #addon: Addon;
  readonly #codes: EngineCodes;
  readonly #constants: PreparedConstants;
  readonly #observation: Observation = { observer: undefined, offset: 0 };
  /** By number of threads. */
  readonly #rooflines = new Map<number, Roofline>();

  constructor(addon: Addon) {
    this.#addon = addon;
    const { instructions, scalars, reductions, givesBool } = addon.ops();
    this.#codes = {
      instructions: new Map(Object.entries(instructions)),
      scalars: new Map(Object.entries(scalars)),
      givesBool: new Set(Object.keys(givesBool).filter((name) => givesBool[name])),
      reductions: new Map(Object.entries(reductions)),
    };
    this.#constants = new PreparedConstants(addon, this.#codes.instructions);
    this.reachability = {
      watch: addon.watch,
      collected: addon.collected,
      collectYoung: collectYoungGarbage,
      place: addon.place,
    };
    this.threads = {
      get: () => addon.threads(),
      set: (count) => addon.setThreads(checkThreads(count, count, "setThreads")),
    };
  }

  get instructionSet(): string {
    return this.#addon.isa();
  }

  get description(): string {
    return `C++ engine, ${this.instructionSet}, ${this.#addon.threads()} thread(s)`;
  }

  prepare(op: Primitive, inputs: readonly Aval[], params: Params): PreparedCall {
    if (sharesStorage.has(op.name)) return shareStorage;
    const executable = this.compile(graphOf(op, inputs, params));
    return (operands) => executable.runEagerly(operands);
  }

  hasKernel(op: Primitive, inputs: readonly Aval[], params: Params): boolean {
    return takesFused(op, inputs, params);
  }

  compile(graph: Graph): NativeExecutable {
    return new NativeExecutable(this.#addon, graph, this.#codes, this.#constants, this.#observation);
  }

  workingBytes(): number {
    return this.#addon.workingBytes();
  }

  roofline({ again = false }: { readonly again?: boolean } = {}): Roofline {
    const threads = this.#addon.threads();
    const known = this.#rooflines.get(threads);
    if (known && !again) return known;
    const measured = this.#addon.roofline();
    this.#rooflines.set(threads, measured);
    return measured;
  }

  observe(observer: KernelObserver | undefined): void {
    this.#observation.observer = observer;
    this.#observation.offset = clockOffset(this.#addon);
  }
}

/** More threads than this are a mistake: the engine refuses them too. */
const maximalThreads = 1024;

/** The count, if it is a number of threads. Throws ValueError, which says what was received for it, otherwise. */
function checkThreads(count: number, received: unknown, where: string): number {
  if (Number.isSafeInteger(count) && count >= 1 && count <= maximalThreads) return count;
  throw new ValueError(
    `${where}: expected a whole number from 1 to ${maximalThreads}; received ${JSON.stringify(received)}.`,
  );
}

/** NAGARE_THREADS, or as many threads as the process may use processors. Throws ValueError for a count below 1. */
function wantedThreads(): number {
  const wanted = process.env.NAGARE_THREADS;
  if (wanted === undefined || wanted === "") return Math.min(availableParallelism(), maximalThreads);
  return checkThreads(Number(wanted), wanted, "NAGARE_THREADS");
}

/** Loads the engine. Throws NagareError with the reason when it cannot work here. */
export function createBackend(): Backend {
  const addon = loadAddon();
  addon.setDefaultThreads(wantedThreads());
  return new NativeBackend(addon);
}
