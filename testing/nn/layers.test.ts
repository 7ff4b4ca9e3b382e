import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import * as ng from "nagare";
import { evaluateShape, formatShape, type Tensor } from "nagare/backend";
import { traceGraph } from "../../packages/nagare/src/transforms/index.ts";
import { assertClose, assertNear, exact } from "../generator/compare.ts";
import { randomTensor, seededRandom } from "../generator/draw.ts";
import { onEachBackend } from "../train/eachBackend.ts";
import { type LayerCase, layerCases } from "./layerCases.ts";

const folder = mkdtempSync(join(tmpdir(), "nagare-layers-"));
after(() => rmSync(folder, { recursive: true }));

/** Compiled and eager code round in another order. */
const rounding = { kind: "relative", roundings: 64 } as const;

function inputOf(layer: LayerCase, batch: number, dtype: "float32" | "float64" = "float32"): Tensor {
  const [random, shape] = [seededRandom(`${layer.label} ${batch}`), [batch, ...layer.input]];
  if (layer.below === undefined) return randomTensor(random, shape, dtype);
  return randomTensor(random, shape, "int32", 0, layer.below);
}

/** The dtype of the inputs of a layer that computes in float32. */
function inputDType(layer: LayerCase): "float32" | "int32" {
  return layer.below === undefined ? "float32" : "int32";
}

function builtLayer(layer: LayerCase, dtype: "float32" | "float64" = "float32"): ng.nn.Module {
  ng.random.seed(11);
  const module = layer.make(dtype);
  module.call(inputOf(layer, 2, dtype));
  return module;
}

/** Names, shapes and trainability as the cases write them. */
function describeVariables(module: ng.nn.Module): Record<string, readonly unknown[]> {
  return Object.fromEntries(
    module
      .namedVariables()
      .map(({ path, variable }) => [`${path}${variable.trainable ? "" : "*"}`, variable.shape]),
  );
}

function checkGradients(layer: LayerCase, training: boolean): void {
  const module = builtLayer(layer, "float64");
  const x = inputOf(layer, 3, "float64");
  const weights = randomTensor(seededRandom("weights"), [3, ...layer.output], "float64");
  const loss = (input: Tensor, _variables: readonly ng.Variable[]): Tensor => {
    // The same masks each time.
    ng.random.seed(3);
    return module.call(input, { training }).mul(weights).sum();
  };
  const variables = module.trainableVariables();
  const gradients = ng.grad((weights: readonly ng.Variable[]) => loss(x, weights))(variables);
  const h = 1e-5;
  const check = (label: string, at: Tensor, gradient: Tensor, evaluate: (moved: Tensor) => Tensor): void => {
    const direction = randomTensor(seededRandom(label), at.shape as number[], "float64");
    const [above, below] = [h, -h].map((step) => evaluate(at.add(direction.mul(step))));
    assertNear(
      gradient.mul(direction).sum(),
      (above as Tensor).sub(below as Tensor).div(2 * h),
      1e-7,
      `${layer.label}: ${label}`,
    );
  };
  if (layer.below === undefined) {
    const dx = ng.grad((input: Tensor) => loss(input, variables))(x);
    check("input", x, dx, (moved) => loss(moved, variables));
  }
  variables.forEach((variable, i) => {
    const value = variable.value;
    check(variable.name, value, gradients[i] as Tensor, (moved) => {
      variable.assign(moved);
      const result = loss(x, variables);
      variable.assign(value);
      return result;
    });
  });
}

test("every layer that nn exports is checked", () => {
  const checked = new Set(layerCases.map(({ make }) => make("float32").constructor));
  const layers = Object.values(ng.nn).filter(
    (value): value is typeof ng.nn.Module =>
      typeof value === "function" &&
      value.prototype instanceof ng.nn.Module &&
      typeof value.prototype.forward === "function",
  );
  assert.ok(layers.length >= 9);
  assert.deepEqual(
    layers.filter((layer) => !checked.has(layer as never)).map(({ name }) => name),
    [],
  );
});

onEachBackend("layers", (backend) => {
  for (const layer of layerCases) {
    describe(layer.label, () => {
      test("building makes the variables", () => {
        const module = layer.make("float32");
        assert.equal(module.built, false);
        assert.equal(module.builtFor, undefined);
        module.call(inputOf(layer, 2));
        assert.equal(module.built, true);
        assert.deepEqual(module.builtFor, [{ shape: [2, ...layer.input], dtype: inputDType(layer) }]);
        assert.deepEqual(describeVariables(module), layer.variables ?? {});
        const trained = Object.entries(layer.variables ?? {}).filter(([path]) => !path.endsWith("*"));
        const sizes = trained.map(([, shape]) => shape.reduce((a, b) => a * b, 1));
        assert.equal(
          module.countParameters(),
          sizes.reduce((a, b) => a + b, 0),
        );
      });

      test("eager, compiled and symbolic shapes are one", () => {
        const module = builtLayer(layer);
        for (const batch of [1, 3]) {
          const x = inputOf(layer, batch);
          const eager = module.call(x);
          assert.deepEqual(eager.shape, [batch, ...layer.output]);
          assert.equal(eager.dtype, "float32");
          assertClose(ng.jit((t: Tensor) => module.call(t))(x), eager, rounding, layer.label);
          const symbolic = { shape: [ng.dim("batch"), ...layer.input], dtype: inputDType(layer) };
          const { graph } = traceGraph([symbolic], (xs) => ({
            outputs: [module.callAll(xs)],
            result: undefined,
          }));
          const shape = evaluateShape(graph.outputs[0]?.shape ?? [], new Map([["batch", batch]]));
          assert.equal(formatShape(shape), formatShape(eager.shape));
        }
      });

      test("inference changes nothing and repeats itself", () => {
        const module = builtLayer(layer);
        const before = module.stateDict();
        const x = inputOf(layer, 3);
        assertClose(module.call(x), module.call(x, { training: false }), exact, layer.label);
        for (const [path, value] of module.stateDict())
          assertClose(value, before.get(path) as Tensor, exact, path);
      });

      test("training changes the output and the statistics where it should, and no trained variable", () => {
        const module = builtLayer(layer);
        const before = module.stateDict();
        const drawn = inputOf(layer, 8);
        const x = layer.below === undefined ? drawn.add(0.5) : drawn;
        const [resting, training] = [module.call(x), module.call(x, { training: true })];
        assert.deepEqual(training.shape, resting.shape);
        const differs = Number(resting.sub(training).abs().max().item()) > 1e-4;
        assert.equal(differs, layer.trainsDifferently ?? false);
        for (const { path, variable } of module.namedVariables()) {
          const moved = variable.value.notEqual(before.get(path) as Tensor).any();
          assert.equal(moved.item(), !variable.trainable, path);
        }
      });

      test("gradients equal central differences", () => {
        checkGradients(layer, false);
        checkGradients(layer, true);
      });

      test("saved and loaded it computes the same, at any batch size", async () => {
        const module = builtLayer(layer);
        const place = join(folder, backend, layer.label.replaceAll(" ", "_"), "1");
        await ng.save(module, place);
        const loaded = await ng.load(place);
        for (const batch of [1, 3]) {
          const x = inputOf(layer, batch);
          const { y } = loaded.call({ x });
          assertClose(y as Tensor, module.call(x), rounding, layer.label);
        }
      });

      test("another layer with its state computes the same, bit for bit", () => {
        const [first, second] = [builtLayer(layer), layer.make("float32")];
        const x = inputOf(layer, 3);
        second.call(x);
        second.loadStateDict(first.stateDict());
        assertClose(second.call(x), first.call(x), exact, layer.label);
      });
    });
  }
});
