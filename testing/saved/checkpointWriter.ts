/**
 * Writes checkpoints into a folder as fast as it can until it is killed; prints the step of each when it is done.
 * Every element of step s is s, so that a reader can tell a whole checkpoint from a mixed one.
 */
import { ConcreteTensor, CpuStorage } from "../../packages/nagare/src/core/index.ts";
import { saveCheckpoint } from "../../packages/nagare/src/saved/index.ts";

const [folder = "", first = "0", elements = "1"] = process.argv.slice(2);
for (let step = Number(first); ; step++) {
  const array = new Float32Array(Number(elements)).fill(step);
  const tensors = new Map([["x", new ConcreteTensor([array.length], "float32", new CpuStorage(array))]]);
  await saveCheckpoint(folder, { step, tensors, json: { step, padding: "x".repeat(step % 50) } });
  process.stdout.write(`${step}\n`);
}
