import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as ng from "nagare";
import { ConcreteTensor, isDifferentiable, type Storage, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "./backends.ts";
import { apply, type Case, casesOf, differentiableOperands, testedPrimitives } from "./cases.ts";
import { curvedLoss } from "./derivatives.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Small results share blocks of 64 KiB, the last of which stays in use. */
const slack = 2 * 65536;

/** Everything an operation is used for; the results are known only to the list of weak references. */
function useOnce(test: Case, compiled: (...xs: Tensor[]) => unknown, seen: WeakRef<Storage>[]): void {
  const inputs = test.redraw("memory");
  const results: Tensor[] = [...inputs, ...apply(test, inputs), ...(compiled(...inputs) as Tensor[])];
  const positions = differentiableOperands(test);
  if (positions.length > 0 && results.some(isDifferentiable)) {
    const points = positions.map((i) => inputs[i] as Tensor);
    const [dtype] = points.map((point) => point.dtype);
    const argnums = positions.map((_, i) => i);
    results.push(
      ...(ng.grad(curvedLoss(test, positions, dtype ?? "float32"), { argnums })(
        ...points,
      ) as unknown as Tensor[]),
    );
  }
  for (const result of results) if (result instanceof ConcreteTensor) seen.push(new WeakRef(result.storage));
}

/** Collects until nothing more goes: weak references and finalizers are served between turns of the event loop. */
async function collect(done: () => boolean): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await sleep(0);
    collectGarbage();
    if (done()) return;
  }
}

for (const op of testedPrimitives) {
  describe(op.name, () => {
    for (const backend of testedBackends) {
      test(`live bytes return to baseline on ${backend}`, async () => {
        const [dtype] = op.dtypes;
        const uses = (dtype ? casesOf(op, dtype) : []).map((test) => ({
          test,
          compiled: ng.jit((...xs: Tensor[]) => apply(test, xs)),
        }));
        const seen: WeakRef<Storage>[] = [];
        const use = () =>
          onBackend(backend, () => {
            for (const { test, compiled } of uses) useOnce(test, compiled, seen);
          });
        // A compiled program keeps its constants, which may be results: as many after six uses as after one.
        const alive = () => new Set(seen.map((reference) => reference.deref()).filter(Boolean)).size;
        use();
        await collect(() => alive() === 0);
        const [kept, baseline] = [alive(), ng.memory().liveBytes];
        for (let i = 0; i < 5; i++) use();
        await collect(() => alive() <= kept && ng.memory().liveBytes <= baseline + slack);
        assert.ok(kept <= uses.length, `${op.name} on ${backend}: ${kept} results are kept after one use`);
        assert.equal(
          alive(),
          kept,
          `${op.name} on ${backend}: of ${seen.length} results, something keeps more and more`,
        );
        const { liveBytes } = ng.memory();
        assert.ok(
          liveBytes <= baseline + slack,
          `${op.name} on ${backend}: ${baseline} bytes before, ${liveBytes} after`,
        );
      });
    }
  });
}
