/** Trees of sums: what passes that put addends together look at. */
import { sameShape } from "../../core/index.ts";
import { type Graph, type Node, producers, useCounts, type Value } from "../graph.ts";

/** The sums of a graph whose addends have the sum's shape, joined where a sum is read by a sum alone. */
export interface SumTrees {
  readonly usedOnce: ReadonlySet<Value>;
  /**
   * What the tree under this node adds up, or undefined for a node that is no root. `producer` gives the nodes of the graph
   * as it is being rewritten.
   */
  termsOf(node: Node, producer: (value: Value) => Node | undefined): readonly Value[] | undefined;
}

function isSum({ op, inputs, outputs: [output] }: Node): boolean {
  return op.name === "add" && inputs.every((input) => sameShape(input.shape, output?.shape ?? []));
}

/** Finds the trees. */
export function sumTrees(graph: Graph): SumTrees {
  const usedOnce = new Set([...useCounts(graph)].filter(([, count]) => count === 1).map(([value]) => value));
  const makers = producers(graph);
  const branches = new Set<Value>();
  for (const node of graph.nodes.filter(isSum)) {
    for (const input of node.inputs) {
      const maker = usedOnce.has(input) ? makers.get(input) : undefined;
      if (maker && isSum(maker)) branches.add(input);
    }
  }
  return {
    usedOnce,
    termsOf(node, producer) {
      const [output] = node.outputs;
      if (!isSum(node) || !output || branches.has(output)) return undefined;
      const terms: Value[] = [];
      const rest = [...node.inputs];
      for (let value = rest.pop(); value; value = rest.pop()) {
        const branch = branches.has(value) ? producer(value) : undefined;
        if (branch) rest.push(...branch.inputs);
        else terms.push(value);
      }
      return terms;
    },
  };
}
