/** Samples of the records with one of their sizes set to 0. */
import { NagareError, type Param, type Params, type Primitive, type SampleInput } from "nagare/backend";
import { drawOperands, seededRandom } from "../generator/draw.ts";
import { type EngineCase, labeled } from "./shapeCases.ts";

/** The parameter with 0 wherever it holds the size. */
function withoutSize(param: Param | undefined, size: number): Param {
  if (Array.isArray(param)) return param.map((part) => withoutSize(part, size)) as Param;
  return param === size ? 0 : (param as Param);
}

/** The parameters as they are, and each with a size replaced by 0: some hold shapes, and some mean other things. */
function parameterVariants(params: Params, size: number): Params[] {
  return [
    params,
    ...Object.keys(params).map((name) => ({ ...params, [name]: withoutSize(params[name], size) })),
  ];
}

/** Operands with 0 in place of one size: at all axes that have it, or at one axis of one operand. */
function operandVariants(inputs: readonly SampleInput[], size: number): SampleInput[][] {
  const everywhere = inputs.map((input) => ({
    ...input,
    shape: input.shape.map((own) => (own === size ? 0 : own)),
  }));
  const single = inputs.flatMap((input, i) =>
    input.shape.flatMap((own, axis) =>
      own === size ? [inputs.with(i, { ...input, shape: input.shape.with(axis, 0) })] : [],
    ),
  );
  return [everywhere, ...single, [...inputs]];
}

function sizesIn(inputs: readonly SampleInput[], params: Params): Set<number> {
  const shapes = [...inputs.map(({ shape }) => shape), ...Object.values(params).filter(Array.isArray)];
  return new Set(shapes.flat().filter((size): size is number => typeof size === "number" && size > 0));
}

/** Every combination that the operation's own rule accepts and in which some operand or result is empty. */
export function zeroSizeCases(op: Primitive): EngineCase[] {
  const cases = new Map<string, EngineCase>();
  for (const { inputs, params } of op.samples()) {
    for (const size of sizesIn(inputs, params)) {
      for (const variant of operandVariants(inputs, size)) {
        for (const parameters of parameterVariants(params, size)) {
          const [dtype = "float32"] = op.dtypes;
          const operands = drawOperands(variant, dtype, seededRandom(op.name));
          try {
            const results = op.abstract(operands, parameters);
            if (![...operands, ...results].some(({ shape }) => shape.includes(0))) continue;
          } catch (error) {
            if (error instanceof NagareError) continue;
            throw error;
          }
          const made = labeled(op, operands, parameters);
          cases.set(made.label, made);
        }
      }
    }
  }
  return [...cases.values()];
}
