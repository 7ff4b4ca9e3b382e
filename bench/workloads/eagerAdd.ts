import { uniform } from "../harness/index.ts";
import { input, type Workload } from "./workload.ts";

/** What an eager operation costs beside its kernel. */
export const eagerAdd: Workload = {
  name: "eager_add_x1000",
  about: "1,000 dependent eager additions of 100 floats",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-6 },
  peers: true,
  inputs: () => ({ x: uniform([100], 5), y: uniform([100], 6) }),
  prepare(inputs) {
    const [x, y] = [input(inputs, "x"), input(inputs, "y")];
    return () => {
      let z = x;
      for (let count = 0; count < 1000; count += 1) z = z.add(y);
      return z;
    };
  },
};
