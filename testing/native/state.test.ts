/** State of compiled steps, where memory is written in place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";

for (const backend of ng.backendNames()) {
  test(`two variables that exchange reshaped values keep both, ${backend}`, (t) => {
    try {
      ng.setBackend(backend);
    } catch (error) {
      t.skip(String(error));
      return;
    }
    const flat = ng.variable(ng.tensor([1, 2, 3, 4]));
    const square = ng.variable(
      ng.tensor([
        [5, 6],
        [7, 8],
      ]),
    );
    const bump = ng.jit(() => {
      flat.assign(flat.value.add(0.5));
      square.assign(square.value.add(0.5));
    });
    const exchange = ng.jit(() => {
      const before = flat.value;
      flat.assign(square.value.reshape([4]));
      square.assign(before.reshape([2, 2]));
    });
    // After a step that owns the storage, the next ones write in place.
    bump();
    exchange();
    exchange();
    exchange();
    assert.deepEqual(flat.value.toArray(), [5.5, 6.5, 7.5, 8.5]);
    assert.deepEqual(square.value.toArray(), [
      [1.5, 2.5],
      [3.5, 4.5],
    ]);
  });
}
