import { uniform } from "../harness/index.ts";
import { input, type Size, type Workload } from "./workload.ts";

const sized = (size: number, name = `eager_add_x1000_${size}`): Size => ({
  name,
  about: `1,000 dependent eager additions of ${size.toLocaleString("en")} floats`,
  inputs: () => ({ x: uniform([size], 5), y: uniform([size], 6) }),
});

/** What an eager operation costs beside its kernel. */
export const eagerAdd: Workload = {
  ...sized(100, "eager_add_x1000"),
  others: [sized(1), sized(1000), sized(10_000), sized(100_000)],
  unit: "ms",
  check: { kind: "values", tolerance: 1e-6 },
  peers: true,
  prepare(inputs) {
    const [x, y] = [input(inputs, "x"), input(inputs, "y")];
    return () => {
      let z = x;
      for (let count = 0; count < 1000; count += 1) z = z.add(y);
      return z;
    };
  },
};
