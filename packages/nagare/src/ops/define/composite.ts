/** The maker of compositions that eager execution runs as one program. */
import type { Tensor } from "../../core/index.ts";
import {
  bind,
  currentDynamicTrace,
  type Params,
  type Primitive,
  type Trace,
  Tracer,
} from "../../trace/index.ts";

/** Whether a transform goes through a composition's operations, and not eager execution, forward or in reverse, through all at once. */
function isTakenApart(inputs: readonly Tensor[]): boolean {
  if (currentDynamicTrace()) return true;
  let innermost: Trace | undefined;
  for (const input of inputs)
    if (input instanceof Tracer && input.trace.level > (innermost?.level ?? 0)) innermost = input.trace;
  return innermost !== undefined && !innermost.keepsCompositions;
}

/**
 * A function of several operations. Transforms and graphs see those operations; on concrete operands eager execution runs
 * them, and the way back from their result, as one compiled program each, so they and `params` alone must decide what
 * `compute` does.
 */
export function composite<P extends Params, T extends readonly Tensor[]>(
  name: string,
  compute: (inputs: T, params: P) => Tensor,
): (inputs: T, params: P) => Tensor {
  const record: Primitive<P> = {
    name,
    dtypes: [],
    compiled: true,
    inline: true,
    abstract: () => [],
    decompose: (_, inputs, params) => [compute(inputs as unknown as T, params)],
    samples: () => [],
  };
  return (inputs, params) =>
    isTakenApart(inputs) ? compute(inputs, params) : (bind(record, inputs, params)[0] as Tensor);
}
