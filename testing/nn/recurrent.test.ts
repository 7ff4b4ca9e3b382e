import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import type { DType, Tensor } from "nagare/backend";
import { assertNear } from "../generator/compare.ts";
import { fromPeer, madeBy, type PeerTensor, readPeer } from "../peers/peerValues.ts";
import { onEachBackend } from "../train/eachBackend.ts";

const { nn, DTypeError, ShapeError, ValueError } = ng;

type Named<T> = Readonly<Record<string, T>>;

interface PeerCase {
  readonly kind: "lstm" | "gru";
  readonly units: number;
  readonly inputs: Named<PeerTensor>;
  readonly y: PeerTensor;
  readonly ct: PeerTensor;
  readonly gradients: Named<PeerTensor>;
}

const peer = readPeer<PeerCase>("recurrent");
const weights = ["kernel", "recurrentKernel", "bias"] as const;

/** The layer of a case with the case's weights, and its other inputs by name. */
function layerOf({ kind, units, inputs }: PeerCase, dtype: DType) {
  const layer = nn[kind]({ units, returnSequences: true, dtype });
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, fromPeer(value, dtype) as Tensor]),
  );
  const named = (name: string): Tensor => given[name] ?? assert.fail(`the case has no ${name}`);
  layer.call(named("x"));
  const variables = weights.map((name) => layer.cell[name] ?? assert.fail(`the cell has no ${name}`));
  variables.forEach((variable, i) => {
    variable.assign(named(weights[i] ?? ""));
  });
  const state = ["h", "c"].filter((name) => name in given);
  return { layer, variables, x: named("x"), state: state.map(named), names: ["x", ...state, ...weights] };
}

onEachBackend("recurrent layers", () => {
  peer.cases.forEach((peerCase, i) => {
    for (const [dtype, tolerance] of [
      ["float32", 2e-6],
      ["float64", 1e-12],
    ] as const) {
      test(`${peerCase.kind} ${i}: values and gradients are those of ${madeBy(peer)}, ${dtype}`, () => {
        const { layer, variables, x, state, names } = layerOf(peerCase, dtype);
        const ct = fromPeer(peerCase.ct, dtype);
        const run = (inputs: readonly Tensor[]) => layer.forward(inputs[0] as Tensor, ...inputs.slice(1));
        assertNear(run([x, ...state]), fromPeer(peerCase.y, dtype), tolerance, "outputs");
        const loss = (inputs: readonly Tensor[], _weights: readonly ng.Variable[]) =>
          run(inputs).mul(ct).sum();
        const [ofInputs, ofWeights] = ng.grad(loss, { argnums: [0, 1] })(
          [x, ...state],
          variables,
        ) as unknown as [Tensor[], Tensor[]];
        [...ofInputs, ...ofWeights].forEach((gradient, k) => {
          const name = names[k] ?? "";
          const expected = peerCase.gradients[name] ?? assert.fail(`the case has no gradient of ${name}`);
          assertNear(gradient, fromPeer(expected, dtype), tolerance, `the gradient of ${name}`);
        });
      });
    }
  });

  for (const kind of ["lstm", "gru"] as const) {
    test(`${kind}: a sequence in two parts, with the state handed on, is the sequence`, () => {
      const layer = nn[kind]({ units: 5, returnSequences: true });
      const x = ng.random.normal(ng.random.key(3), [2, 7, 4]);
      const whole = layer.run(x);
      const first = layer.run(x.slice(null, [0, 3]));
      const second = layer.run(x.slice(null, [3, 7]), first.state);
      const outputs = ng.concat([first.outputs, second.outputs], { axis: 1 });
      assertNear(outputs, whole.outputs, 1e-6, "outputs");
      second.state.forEach((part, k) => {
        assertNear(part, whole.state[k] ?? part, 1e-6, `state ${k}`);
      });
    });

    test(`${kind}: steps of its cell are the sequence`, () => {
      const layer = nn[kind]({ units: 5, returnSequences: true });
      const x = ng.random.normal(ng.random.key(4), [2, 3, 4]);
      const { outputs } = layer.run(x);
      let state = layer.cell.zeroState(2);
      for (let t = 0; t < 3; t++) {
        state = layer.cell.next(x.slice(null, t), state);
        assertNear(state[0] as Tensor, outputs.slice(null, t), 1e-6, `step ${t}`);
      }
    });

    test(`${kind}: backwards is the flipped sequence, and both directions are side by side`, () => {
      const x = ng.random.normal(ng.random.key(5), [2, 4, 3]);
      const layer = nn.bidirectional({ layer: nn[kind]({ units: 2, returnSequences: true }) });
      const merged = layer.call(x);
      assert.deepEqual(merged.shape, [2, 4, 4]);
      assert.ok(layer.backwards.goBackwards);
      const backwards = ng.flip(layer.backwards.call(x), 1);
      assertNear(merged.slice(null, null, [2, 4]), backwards, 0, "the half that reads backwards");
    });
  }

  test("a GRU that resets before the product equals its formula", () => {
    const cell = new nn.GruCell({ units: 2, resetAfter: false, dtype: "float64" });
    const x = ng.random.normal(ng.random.key(6), [3, 4], { dtype: "float64" });
    const h = ng.random.normal(ng.random.key(7), [3, 2], { dtype: "float64" });
    const [next] = cell.next(x, [h]);
    const [kernel, recurrent] = [cell.kernel, cell.recurrentKernel];
    assert.ok(kernel && recurrent && next);
    const part = (w: ng.Variable, gate: number) => w.value.slice(null, [2 * gate, 2 * gate + 2]);
    const z = x
      .matmul(part(kernel, 0))
      .add(h.matmul(part(recurrent, 0)))
      .sigmoid();
    const r = x
      .matmul(part(kernel, 1))
      .add(h.matmul(part(recurrent, 1)))
      .sigmoid();
    const n = x
      .matmul(part(kernel, 2))
      .add(r.mul(h).matmul(part(recurrent, 2)))
      .tanh();
    assertNear(next, z.mul(h).add(ng.sub(1, z).mul(n)), 1e-12, "the next state");
  });

  test("the forget gate's bias begins at one", () => {
    const layer = nn.lstm({ units: 2 });
    layer.call(ng.ones([1, 1, 3]));
    assert.deepEqual(layer.cell.bias?.value.toArray(), [0, 0, 1, 1, 0, 0, 0, 0]);
  });
});

describe("recurrent layers refuse", () => {
  const layer = nn.lstm({ units: 3 });
  const x = ng.ones([2, 4, 5]);

  test("inputs that are no sequences, or of another width", () => {
    assert.throws(() => layer.call(ng.ones([2, 5])), ShapeError);
    assert.throws(() => layer.call(ng.ones([2, 0, 5])), ShapeError);
    layer.call(x);
    assert.throws(() => layer.call(ng.ones([2, 4, 6])), /expected an input \[\.\.\., 5\]/);
  });

  test("states that do not go with the sequences", () => {
    assert.throws(() => layer.run(x, [ng.ones([2, 3])]), /expected a state of 2 tensors \[2, 3\]/);
    assert.throws(() => layer.run(x, [ng.ones([3, 3]), ng.ones([3, 3])]), ShapeError);
  });

  test("impossible options", () => {
    assert.throws(() => nn.gru({ units: 0 }), ValueError);
    assert.throws(() => nn.lstm({ units: 2, dtype: "int32" }), DTypeError);
    assert.throws(() => nn.bidirectional({ layer: nn.dense({ units: 2 }) as never }), ValueError);
    assert.throws(() => nn.bidirectional({ layer, mergeMode: "max" as never }), ValueError);
    assert.throws(() => nn.initializer("orthogonal")([3], "float32"), ShapeError);
  });
});
