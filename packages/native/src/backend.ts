/** The native backend: graphs become programs of the engine; eager operations are programs of one instruction, kept. */
import { availableParallelism } from "node:os";
import {
  type Aval,
  type Backend,
  type ConcreteTensor,
  type DType,
  type Graph,
  GraphBuilder,
  type KernelObserver,
  type Param,
  type Params,
  type Primitive,
  type Reachability,
  type Roofline,
  type Shape,
  type Storage,
  ValueError,
} from "nagare/backend";
import { type Addon, loadAddon } from "./addon.ts";
import { type EngineCodes, takesFused } from "./compile.ts";
import { clockOffset, NativeExecutable, type Observation } from "./executable.ts";
import { PreparedConstants } from "./preparedConstants.ts";
import { collectYoungGarbage } from "./youngGarbage.ts";

/** Eager programs that are kept; the oldest make room. */
const maximalEagerPrograms = 4096;

/** Operations whose result is their operand's elements in their order: nothing to compute, because storage never changes. */
const sharesStorage: ReadonlySet<string> = new Set(["reshape", "stopGradient", "barrier"]);

function paramKey(param: Param): string {
  if (Array.isArray(param)) return `[${param.map(paramKey).join(",")}]`;
  if (typeof param === "object" && param !== null) {
    return Object.entries(param)
      .map(([key, value]) => `${key}:${paramKey(value as Param)}`)
      .join(";");
  }
  return Object.is(param, -0) ? "-0" : String(param);
}

/** The program an operation ran last: the next one of a loop is nearly always the same, and is known by its very objects. */
interface Recent {
  readonly inputs: readonly { readonly shape: Shape; readonly dtype: DType }[];
  readonly params: Params;
  readonly executable: NativeExecutable;
}

function isSameCall(recent: Recent, inputs: readonly ConcreteTensor[], params: Params): boolean {
  if (recent.params !== params || recent.inputs.length !== inputs.length) return false;
  for (let i = 0; i < inputs.length; i++) {
    const [known, input] = [recent.inputs[i], inputs[i]];
    if (known?.shape !== input?.shape || known?.dtype !== input?.dtype) return false;
  }
  return true;
}

/** What decides which program an eager operation runs. */
function eagerKey(op: Primitive, inputs: readonly ConcreteTensor[], params: Params): string {
  let key = op.name;
  for (const { dtype, shape } of inputs) key += `|${dtype}${shape.join(",")}`;
  for (const name in params) key += `|${name}=${paramKey(params[name])}`;
  return key;
}

function graphOf(op: Primitive, inputs: readonly ConcreteTensor[], params: Params): Graph {
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
  readonly #eager = new Map<string, NativeExecutable>();
  readonly #recent = new Map<Primitive, Recent>();

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

  execute(
    op: Primitive,
    inputs: readonly ConcreteTensor[],
    params: Params,
    _outputs: readonly Aval[],
  ): Storage[] {
    const [x] = inputs;
    if (sharesStorage.has(op.name) && x) {
      x.storage.shared = true;
      return [x.storage];
    }
    const recent = this.#recent.get(op);
    if (recent && isSameCall(recent, inputs, params)) return recent.executable.runEagerly(inputs);
    const executable = this.#eagerProgram(op, inputs, params);
    const seen = inputs.map(({ shape, dtype }) => ({ shape, dtype }));
    this.#recent.set(op, { inputs: seen, params, executable });
    return executable.runEagerly(inputs);
  }

  #eagerProgram(op: Primitive, inputs: readonly ConcreteTensor[], params: Params): NativeExecutable {
    const key = eagerKey(op, inputs, params);
    let executable = this.#eager.get(key);
    if (!executable) {
      executable = this.compile(graphOf(op, inputs, params));
      if (this.#eager.size >= maximalEagerPrograms) this.#eager.delete(this.#eager.keys().next().value ?? "");
      this.#eager.set(key, executable);
    }
    return executable;
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
