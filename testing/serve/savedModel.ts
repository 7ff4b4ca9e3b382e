/** A real saved model with a known answer in closed form, for the tests of the server and of the command. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ng from "nagare";

/** A folder that is gone after the test or suite. */
export function temporaryFolder(t: { after(remove: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "nagare-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Saves y = scale · (x W + b), x [batch, 3], W = [[1, 2], [3, 4], [5, 6]], b = [0.5, −0.5]. The signature "pair" takes
 * a and b [batch, 2] and gives sum = a + b and product = a · b; "pick" takes index [batch] and gives rows of W.
 */
export async function saveAffine(folder: string, scale = 1): Promise<void> {
  const weights = ng.tensor([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  const bias = ng.tensor([0.5, -0.5]);
  const vector = { shape: ["batch", 2] };
  await ng.save((x) => x.matmul(weights).add(bias).mul(scale), folder, {
    inputs: { x: { shape: ["batch", 3] } },
    signatures: {
      pair: { call: (a, b) => ({ sum: a.add(b), product: a.mul(b) }), inputs: { a: vector, b: vector } },
      pick: {
        call: (index) => ng.take(weights, index, { axis: 0 }),
        inputs: { index: { shape: ["batch"], dtype: "int32" } },
      },
    },
    metadata: { labels: ["left", "right"] },
  });
}

/** What the model saved by `saveAffine` gives for one row. */
export function affine([x = 0, y = 0, z = 0]: readonly number[], scale = 1): [number, number] {
  return [scale * (x + 3 * y + 5 * z + 0.5), scale * (2 * x + 4 * y + 6 * z - 0.5)];
}
