/**
 * A plain synchronous loop that disposes of nothing and never forces a collection. Prints the live
 * bytes and the process's memory in the middle of its first half, after warm-up, and of its second.
 *
 *     node plainLoop.ts eager|compiled COUNT
 */
import * as ng from "nagare";

const [kind = "eager", total = "0"] = process.argv.slice(2);
const count = Number(total);
ng.setBackend("native");

/** Results of 32 bytes, which share blocks, of 16 KiB and of 1 MiB. */
function eagerStep(): () => void {
  const operands = [[8], [64, 64], [512, 512]].map((shape) => ng.ones(shape));
  let next = 0;
  return () => {
    // Most operations in a loop are on small tensors.
    const x = operands[next % 50 === 0 ? 2 : next % 2] as ng.Tensor;
    next++;
    ng.add(x, x);
  };
}

/** A step of a small network, whose loss is read. */
function compiledStep(): () => void {
  const [w, b] = [ng.variable(ng.full([256, 64], 0.01)), ng.variable(ng.zeros([64]))];
  const x = ng.ones([32, 256]);
  const step = ng.jit((x: ng.Tensor) => {
    const loss = (w: ng.Variable, b: ng.Variable) => x.matmul(w.value).add(b.value).tanh().square().mean();
    const [value, [dw, db]] = ng.valueAndGrad(loss, { argnums: [0, 1] })(w, b) as unknown as [
      ng.Tensor,
      [ng.Tensor, ng.Tensor],
    ];
    w.assign(w.value.sub(dw.mul(0.01)));
    b.assign(b.value.sub(db.mul(0.01)));
    return value;
  });
  return () => {
    if (Number.isNaN(step(x).item())) throw new Error("The loss is not a number.");
  };
}

const step = kind === "eager" ? eagerStep() : compiledStep();
const live: number[] = [];
const resident: number[] = [];
const every = Math.max(1, Math.floor(count / 2000));
for (let i = 0; i < count; i++) {
  step();
  if (i % every !== 0) continue;
  live.push(ng.memory().liveBytes);
  resident.push(process.memoryUsage.rss());
}

/** The middle one of the values in a part of the loop, given in tenths. */
function median(values: readonly number[], from: number, to: number): number {
  const part = values.slice((from * values.length) / 10, (to * values.length) / 10).toSorted((a, b) => a - b);
  return part[Math.floor(part.length / 2)] ?? 0;
}
const course = (values: readonly number[]) => ({
  before: median(values, 2, 5),
  after: median(values, 5, 10),
});
console.log(JSON.stringify({ live: course(live), resident: course(resident) }));
