import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import type { DType, Tensor } from "nagare/backend";
import { assertNear } from "../generator/compare.ts";
import { randomTensor, seededRandom } from "../generator/draw.ts";
import { fromPeer, madeBy, type PeerTensor, readPeer } from "../peers/peerValues.ts";
import { onEachBackend } from "../train/eachBackend.ts";

const { nn, DTypeError, ShapeError, ValueError } = ng;

type Named<T> = Readonly<Record<string, T>>;

interface PeerCase {
  readonly kind: "attention" | "multiHeadAttention" | "embedding";
  readonly options: object;
  readonly inputs: Named<PeerTensor>;
  readonly constants: Named<PeerTensor>;
  readonly y: PeerTensor;
  readonly ct: PeerTensor;
  readonly gradients: Named<PeerTensor>;
}

const peer = readPeer<PeerCase>("attention");
const attend = ng.scaledDotProductAttention;

function tensorsOf(values: Named<PeerTensor>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, fromPeer(value, "float32")]),
  );
}

interface Computation {
  readonly tensors: Named<Tensor>;
  /** Those inputs of the case that are weights of a layer, by path. */
  readonly variables: Named<ng.Variable>;
  readonly compute: (tensors: Named<Tensor>) => Tensor;
}

function named<T>(values: Named<T>, name: string): T {
  const found = values[name];
  assert.ok(found, name);
  return found;
}

/** What a case computes, as a function of its inputs by name. */
function computation({ kind, options, constants, inputs }: PeerCase): Computation {
  const isAdded = constants.mask?.values.some((value) => value !== 0 && value !== 1);
  const mask = constants.mask && fromPeer(constants.mask, isAdded ? "float32" : "bool");
  const all = tensorsOf(inputs);
  if (kind === "attention") {
    const compute = (given: Named<Tensor>) => {
      const [q, k, v] = [named(given, "q"), named(given, "k"), named(given, "v")];
      return attend(q, k, v, { ...options, ...(mask ? { mask } : {}) });
    };
    return { tensors: all, variables: {}, compute };
  }
  const layer: ng.nn.Module = nn[kind](options as never);
  const compute = (given: Named<Tensor>) => {
    if (kind === "embedding") return layer.call(fromPeer(named(constants, "x"), "int32"));
    const sequences = ["query", "key", "value"].map((name) => named(given, name));
    return layer.callAll(mask ? [...sequences, mask] : sequences);
  };
  compute(all);
  const variables = Object.fromEntries(layer.namedVariables().map(({ path, variable }) => [path, variable]));
  for (const [path, variable] of Object.entries(variables)) variable.assign(named(all, path));
  const tensors = Object.fromEntries(Object.entries(all).filter(([name]) => !(name in variables)));
  return { tensors, variables, compute };
}

const random = (label: string, shape: readonly number[], dtype: DType = "float32") =>
  randomTensor(seededRandom(label), shape, dtype);

/** Queries, keys and values. */
function operands(shape: readonly number[], dtype: DType = "float32"): [Tensor, Tensor, Tensor] {
  return [random("q", shape, dtype), random("k", shape, dtype), random("v", shape, dtype)];
}

onEachBackend("attention", () => {
  describe(`equals that of ${madeBy(peer)}`, () => {
    for (const example of peer.cases) {
      const shape = Object.values(example.inputs)[0]?.shape;
      test(`${example.kind} of ${JSON.stringify(shape)} ${JSON.stringify(example.options)}`, () => {
        const { tensors, variables, compute } = computation(example);
        const ct = fromPeer(example.ct, "float32");
        const loss = (given: Named<Tensor>, _variables: Named<ng.Variable>): [Tensor, Tensor] => {
          const y = compute(given);
          return [y.mul(ct).sum(), y];
        };
        const [[, y], [ofTensors, ofVariables]] = ng.valueAndGrad(loss, { argnums: [0, 1], hasAux: true })(
          tensors,
          variables,
        ) as unknown as [[Tensor, Tensor], [Named<Tensor>, Named<Tensor>]];
        const gradients = { ...ofTensors, ...ofVariables };
        assertNear(y, fromPeer(example.y, "float32"), 2e-6, "output");
        for (const [name, expected] of Object.entries(example.gradients)) {
          assertNear(named(gradients, name), fromPeer(expected, "float32"), 2e-5, `gradient by ${name}`);
        }
      });
    }
  });

  test("a query that may see nothing gives zeros, and no gradient of it is NaN", () => {
    const [q, k, v] = operands([1, 2, 1, 3]);
    const mask = ng.tensor([
      [true, false],
      [false, false],
    ]);
    for (const given of [mask, ng.where(mask, 0, Number.NEGATIVE_INFINITY)]) {
      const y = attend(q, k, v, { mask: given });
      assert.deepEqual(y.slice(0, 1, 0).toArray(), [0, 0, 0]);
      const dq = ng.grad((q: Tensor) => attend(q, k, v, { mask: given }).sum())(q);
      assert.deepEqual(dq.slice(0, 1, 0).toArray(), [0, 0, 0]);
    }
  });

  test("halves are computed in float32 and rounded once", () => {
    const [q, k, v] = operands([1, 9, 1, 4], "bfloat16");
    const y = attend(q, k, v);
    const expected = attend(q.astype("float32"), k.astype("float32"), v.astype("float32"));
    assert.equal(y.dtype, "bfloat16");
    assertNear(y.astype("float32"), expected.astype("bfloat16").astype("float32"), 1e-6, "bfloat16");
  });
});

test("self-attention by names and by default is one", () => {
  const layer = nn.multiHeadAttention({ heads: 2, units: 4 });
  const x = random("x", [2, 3, 4]);
  const expected = layer.call(x);
  for (const inputs of [
    [x, x],
    [x, x, x],
  ])
    assertNear(layer.callAll(inputs), expected, 0, `${inputs.length} inputs`);
});

test("self-attention with packed weights is attention with the same weights apart", () => {
  const [layer, apart] = [
    nn.selfAttention({ heads: 2, units: 4, causal: true }),
    nn.multiHeadAttention({ heads: 2, units: 4, causal: true }),
  ];
  const x = random("x", [2, 5, 4]);
  layer.call(x);
  apart.call(x);
  const packed = named(Object.fromEntries(layer.stateDict()), "projection.kernel");
  [apart.query, apart.key, apart.value].forEach(({ kernel }, i) => {
    kernel?.assign(packed.slice("...", [4 * i, 4 * i + 4]));
  });
  apart.output.loadStateDict(layer.output.stateDict());
  assertNear(layer.call(x), apart.call(x), 1e-6, "output");
});

describe("operands that do not go together are refused", () => {
  const x = (...shape: number[]) => ng.ones(shape);
  const q = x(1, 2, 2, 3);
  const ints = q.astype("int32");
  const cases: readonly (readonly [string, () => unknown, new (...args: never[]) => Error, RegExp])[] = [
    [
      "matrices",
      () => attend(x(2, 3), x(2, 3), x(2, 3)),
      ShapeError,
      /\[batch, queries, heads, depth\].*\[2, 3\]/,
    ],
    ["other depths", () => attend(q, x(1, 2, 2, 4), q), ShapeError, /\[1, 2, 2, 4\].*transpose/],
    ["other heads", () => attend(q, x(1, 2, 1, 3), x(1, 2, 1, 3)), ShapeError, /\[1, 2, 1, 3\]/],
    ["values of other times", () => attend(q, q, x(1, 3, 2, 3)), ShapeError, /\[1, 3, 2, 3\]/],
    ["other dtypes", () => attend(q, q, q.astype("float64")), DTypeError, /one float dtype.*float64.*astype/],
    ["integers", () => attend(ints, ints, ints), DTypeError, /int32/],
    [
      "a mask of integers",
      () => attend(q, q, q, { mask: ng.ones([2, 2]).astype("int32") }),
      DTypeError,
      /bools.*int32/,
    ],
    [
      "a mask that is too large",
      () => attend(q, q, q, { mask: ng.ones([3, 1, 1, 2, 2]) }),
      ShapeError,
      /mask.*\[1, 2, 2, 2\]/,
    ],
    ["a mask that does not broadcast", () => attend(q, q, q, { mask: ng.ones([3, 2]) }), ShapeError, /mask/],
    ["a scale of NaN", () => attend(q, q, q, { scale: Number.NaN }), ValueError, /finite scale.*NaN/],
  ];
  for (const [what, act, kind, says] of cases) {
    test(what, () =>
      assert.throws(act, (error: Error) => error.constructor === kind && says.test(error.message)),
    );
  }
});
