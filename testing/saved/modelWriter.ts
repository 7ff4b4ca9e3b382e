/** Saves a model into the same folder again and again until it is killed; prints the number of each when it is saved. */
import { add } from "nagare";
import { ConcreteTensor, CpuStorage } from "nagare/backend";
import { save } from "../../packages/nagare/src/saved/index.ts";

const [folder = "", first = "0", elements = "1"] = process.argv.slice(2);
for (let number = Number(first); ; number++) {
  const array = new Float32Array(Number(elements)).fill(number);
  const weight = new ConcreteTensor([array.length], "float32", new CpuStorage(array));
  await save((x) => add(x, weight), folder, { inputs: { x: { shape: [1] } }, metadata: { number } });
  process.stdout.write(`${number}\n`);
}
