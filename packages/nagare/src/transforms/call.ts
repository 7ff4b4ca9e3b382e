/** Calls of functions that are traced: their arguments taken apart, and put together again around tracers. */
import {
  type Aval,
  flatten,
  flattenLike,
  type Leaf,
  sameShape,
  Tensor,
  type TreeDef,
  treeKey,
  unflatten,
  ValueError,
} from "../core/index.ts";
import { asTensor } from "../ops/index.ts";
import { Variable } from "../runtime/index.ts";
import { returned } from "../trace/index.ts";
import { type Traced, type TraceOptions, traceGraph } from "./graphTrace.ts";

/** A call as tracing sees it: which arguments are tensors, and everything else. */
export interface Call {
  /** The structure, shapes and dtypes, booleans and static arguments. */
  readonly key: string;
  readonly inputs: readonly Tensor[];
  readonly def: TreeDef;
  readonly leaves: readonly Leaf[];
  /** The places, among the inputs, of tensors that are given away. */
  readonly donated: readonly number[];
}

/** Booleans steer the function as plain JavaScript and so belong to the signature; variables are state. */
function isInput(leaf: Leaf): boolean {
  return typeof leaf !== "boolean" && !(leaf instanceof Variable);
}

function leafKey(leaf: Leaf, tensor: Tensor | undefined): string {
  if (tensor) {
    // Every call of a compiled function comes through here: no lists.
    let key = `${tensor.dtype}[`;
    for (let axis = 0; axis < tensor.rank; axis++) key += `${String(tensor.shape[axis])},`;
    return key;
  }
  return typeof leaf === "boolean" ? String(leaf) : treeKey({ kind: "static", value: leaf });
}

const none: readonly number[] = [];

/** Static arguments hidden from flattening; the others as they are. */
function withStatics(args: readonly unknown[], statics: readonly number[]): readonly unknown[] {
  return statics.length === 0 ? args : args.map((arg, i) => (statics.includes(i) ? staticPart(arg) : arg));
}

/** Reads the arguments of a call; those at the places `statics` are not looked into, those at `donate` are given away. */
export function readCall(
  args: readonly unknown[],
  statics: readonly number[] = none,
  donate: readonly number[] = none,
): Call {
  const { leaves, def } = flatten(withStatics(args, statics));
  const given = donate.length > 0 && new Set<unknown>(donate.flatMap((index) => flatten(args[index]).leaves));
  const inputs: Tensor[] = [];
  const donated: number[] = [];
  let key = treeKey(def);
  for (const leaf of leaves) {
    const tensor = isInput(leaf) ? asTensor(leaf, "jit") : undefined;
    // Numbers become tensors that others have too.
    const isGiven = given && leaf instanceof Tensor && given.has(leaf);
    if (isGiven) donated.push(inputs.length);
    if (tensor) inputs.push(tensor);
    key += `|${leafKey(leaf, tensor)}${isGiven ? ", donated" : ""}`;
  }
  return { key, inputs, def, leaves, donated: given ? donated : none };
}

/** What the key says of a leaf: shape and dtype of what becomes an input; of anything else, which one it is. */
type LeafSignature = Aval | { readonly leaf: Leaf };

/** What is remembered of a call. */
interface Signature {
  readonly def: TreeDef;
  readonly key: string;
  readonly leaves: readonly LeafSignature[];
}

function signatureOf({ def, key, leaves, inputs }: Call): Signature {
  let next = 0;
  return {
    def,
    key,
    // Not the tensors themselves: they would stay alive.
    leaves: leaves.map((leaf) => {
      const input = isInput(leaf) ? inputs[next++] : undefined;
      return input ? { shape: input.shape, dtype: input.dtype } : { leaf };
    }),
  };
}

/**
 * Reads the calls of one function. A call of the same signature as the one before is known without its key being put together,
 * which takes longer than a small program runs.
 */
export class CallReader {
  readonly #statics: readonly number[];
  readonly #donate: readonly number[];
  #last: Signature | undefined;

  /** The places of static arguments and of those that are given away. */
  constructor(statics: readonly number[], donate: readonly number[]) {
    this.#statics = statics;
    this.#donate = donate;
  }

  /** The same as `readCall`. */
  read(args: readonly unknown[]): Call {
    // Which inputs are given away depends on which leaves are the same object: that is looked at anew.
    if (this.#donate.length > 0) return readCall(args, this.#statics, this.#donate);
    const again = this.#readAgain(args);
    if (again) return again;
    const call = readCall(args, this.#statics);
    this.#last = signatureOf(call);
    return call;
  }

  #readAgain(args: readonly unknown[]): Call | undefined {
    const last = this.#last;
    const leaves: Leaf[] = [];
    if (!last || !flattenLike(last.def, withStatics(args, this.#statics), leaves)) return undefined;
    const inputs: Tensor[] = [];
    for (let i = 0; i < leaves.length; i++) {
      const [leaf, signature] = [leaves[i], last.leaves[i]];
      if (leaf === undefined || !signature) return undefined;
      if ("leaf" in signature) {
        if (leaf !== signature.leaf) return undefined;
        continue;
      }
      const input = isInput(leaf) ? asTensor(leaf, "jit") : undefined;
      if (!input || input.dtype !== signature.dtype || !sameShape(input.shape, signature.shape))
        return undefined;
      inputs.push(input);
    }
    return { key: last.key, inputs, def: last.def, leaves, donated: none };
  }
}

/** A static argument hides its leaves from tracing: numbers and strings count by value, objects by identity. */
class Static {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}
const staticValues = new Map<unknown, Static>();

function staticPart(value: unknown): Static {
  if (value instanceof Tensor) {
    throw new ValueError(
      "jit: a tensor cannot be a static argument; static are numbers, strings, booleans and objects that steer the function.",
    );
  }
  if (typeof value === "object" && value !== null) return objectStatic(value);
  let part = staticValues.get(value);
  if (!part) {
    part = new Static(value);
    staticValues.set(value, part);
  }
  return part;
}

const staticObjects = new WeakMap<object, Static>();

function objectStatic(value: object): Static {
  let part = staticObjects.get(value);
  if (!part) {
    part = new Static(value);
    staticObjects.set(value, part);
  }
  return part;
}

/** The graph of a function for arguments like those of the call. */
export function traceCall(
  f: (...args: never[]) => unknown,
  call: Call,
  where = "jit",
  options: TraceOptions = {},
): Traced<TreeDef> {
  const body = (inputs: readonly Tensor[]) => {
    let next = 0;
    const leaves = call.leaves.map((leaf) => (isInput(leaf) ? inputs[next++] : leaf));
    const args = unflatten(call.def, leaves, { keepObjects: true }) as unknown[];
    const given = args.map((arg) => (arg instanceof Static ? arg.value : arg));
    const result = returned(f(...(given as never[])), where);
    const flat = flatten(result);
    return { outputs: flat.leaves.map((leaf) => asTensor(leaf, where)), result: flat.def };
  };
  return traceGraph(call.inputs, body, options);
}
