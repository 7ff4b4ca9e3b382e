/** Dimensions and parameters of operations as JSON, and the checks that keep hostile ones from reaching a rule. */
import {
  type Aval,
  bytesPerElement,
  type Dim,
  type DType,
  FormatError,
  formatDim,
  isDType,
  NagareError,
  parseDim,
  sizeOf,
} from "../core/index.ts";
import type { Param, Params, Primitive } from "../ops/index.ts";
import type { Field, Json } from "./json.ts";

const maximalRank = 32;
/** More memory than any one result of a served graph needs; larger sizes are refused before anything is allocated. */
const maximalValueBytes = 2 ** 32;
/** Products of symbolic sizes grow with the product of their numbers of terms, and rules multiply sizes. */
const maximalProductTerms = 1024;
const maximalDimText = 2000;
/** The sum over the operands of one node: rules add sizes too. */
const maximalOperandTerms = 512;

/** A dimension as shapes in files hold it: a number, or the text of an expression. */
export function dimToJson(d: Dim): number | string {
  return typeof d === "number" ? d : formatDim(d);
}

/** A shape and dtype as files hold them. */
export function avalToJson(aval: Aval): {
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
} {
  return { dtype: aval.dtype, shape: aval.shape.map(dimToJson) };
}

/** Reads `{ dtype, shape }`. Throws FormatError for unknown dtypes and for shapes that are not sizes or too large. */
export function avalFromJson(field: Field): Aval {
  const dtype = field.get("dtype").string();
  if (!isDType(dtype)) return field.get("dtype").fail("a dtype");
  const shape = field.get("shape").elements().map(dimFromJson);
  const aval = { shape, dtype };
  checkAval(aval, field.where);
  return aval;
}

function dimFromJson(field: Field): Dim {
  return typeof field.value === "string" ? readDim(field) : field.count();
}

function readDim(field: Field): Dim {
  try {
    return parseDim(field.string());
  } catch {
    return field.fail("a dimension such as 32, batch or 2*batch+1");
  }
}

function termCount(d: Dim): number {
  return typeof d === "symbol" ? formatDim(d).split(/[+-]/).length : 1;
}

/** Whether computing with these sizes stays cheap: what is in a file may be made to explode. */
function isSimple(dims: readonly Dim[]): boolean {
  const products = dims.reduce<number>((count, d) => count * termCount(d), 1);
  const texts = dims.every((d) => typeof d === "number" || formatDim(d).length <= maximalDimText);
  return texts && products <= maximalProductTerms;
}

/**
 * Throws FormatError unless a shape and dtype, read or computed from what was read, can belong to a tensor. Rules compute
 * with sizes freely, so that this is where nonsense and absurd sizes end.
 */
export function checkAval({ shape, dtype }: Aval, where: string): void {
  const fail = (expected: string): never => {
    throw new FormatError(
      `${where}: expected ${expected}; received ${String(dtype)}[${shape.map(dimText).join(", ")}].`,
    );
  };
  if (!isDType(dtype)) fail("a dtype");
  if (shape.length > maximalRank) fail(`at most ${maximalRank} axes`);
  const valid = shape.every((d) => typeof d === "symbol" || (Number.isSafeInteger(d) && d >= 0));
  if (!valid) fail("sizes that are whole numbers from 0 up");
  if (!isSimple(shape)) fail("simpler symbolic sizes");
  const size = sizeOf(shape);
  if (typeof size === "number" && !(size * bytesPerElement(dtype) <= maximalValueBytes)) {
    fail(`at most ${maximalValueBytes} bytes`);
  }
}

function dimText(d: unknown): string {
  return typeof d === "symbol" ? formatDim(d) : String(d);
}

/** What JSON cannot say: in records with one key that starts with "$". */
const tags = { dim: "$dim", bigint: "$bigint", number: "$number", undefined: "$undefined" } as const;

/** A parameter as JSON; `paramFromJson` gives the same parameter back. */
export function paramToJson(param: Param): Json {
  if (typeof param === "symbol") return { [tags.dim]: formatDim(param) };
  if (typeof param === "bigint") return { [tags.bigint]: String(param) };
  if (param === undefined) return { [tags.undefined]: true };
  if (typeof param === "number" && (!Number.isFinite(param) || Object.is(param, -0))) {
    return { [tags.number]: Object.is(param, -0) ? "-0" : String(param) };
  }
  if (Array.isArray(param)) return param.map((item: Param) => paramToJson(item));
  if (typeof param === "object" && param !== null) return paramsToJson(param as Params);
  return param as Json;
}

/** The parameters of an operation as JSON; those that are undefined are left out. */
export function paramsToJson(params: Params): Json {
  const entries = Object.entries(params).filter(([, value]) => value !== undefined);
  const reserved = entries.find(([key]) => key.startsWith("$"));
  if (reserved) throw new NagareError(`A parameter cannot be named ${reserved[0]} in a saved graph.`);
  return Object.fromEntries(entries.map(([key, value]) => [key, paramToJson(value)]));
}

/** Reads what `paramToJson` wrote. Throws FormatError. */
export function paramFromJson(field: Field): Param {
  const { value } = field;
  if (Array.isArray(value)) return field.elements().map(paramFromJson);
  if (typeof value !== "object" || value === null) return value;
  const [key, ...more] = Object.keys(value);
  if (!key?.startsWith("$") || more.length > 0) return paramsFromJson(field);
  const content = field.get(key);
  if (key === tags.dim) return readDim(content);
  if (key === tags.undefined) return undefined;
  const text = content.string();
  if (key === tags.bigint && /^-?\d{1,20}$/.test(text)) return BigInt(text);
  if (key === tags.number && /^(?:NaN|-?Infinity|-0)$/.test(text)) return Number(text);
  return field.fail(`one of ${Object.values(tags).join(", ")} with its text`);
}

/** Reads what `paramsToJson` wrote. Throws FormatError. */
export function paramsFromJson(field: Field): Params {
  const members = field.members();
  if (members.some(([name]) => name.startsWith("$")))
    return field.fail("parameters, whose names begin with letters");
  return Object.fromEntries(members.map(([name, member]) => [name, paramFromJson(member)]));
}

/** The kinds of value that rules tell apart: where a number may stand, so may a symbolic size or a bigint. */
function kindOf(param: Param): string {
  if (typeof param === "symbol" || typeof param === "bigint") return "number";
  if (Array.isArray(param)) return "array";
  return param === null ? "null" : typeof param;
}

/** Whether a parameter has the form of a sample's. Lists hold whole numbers: sizes, axes, strides. */
function hasForm(param: Param, sample: Param): boolean {
  if (kindOf(param) !== kindOf(sample)) return false;
  if (Array.isArray(param) && Array.isArray(sample)) {
    const [example] = sample as readonly Param[];
    return param.every((item: Param) => {
      if (typeof item === "number" && !Number.isSafeInteger(item)) return false;
      return example === undefined ? kindOf(item) === "number" : hasForm(item, example);
    });
  }
  return true;
}

/**
 * Throws FormatError unless the parameters and the number of operands have the form of the operation's own samples: what
 * its rules were written for.
 */
export function checkForm(op: Primitive, operands: readonly Aval[], params: Params, where: string): void {
  const operandCount = operands.length;
  const samples = op.samples();
  const counts = new Set(samples.map((sample) => sample.inputs.length));
  // Operations on lists show it by samples of different lengths.
  if (counts.size > 1 ? operandCount < 1 : !counts.has(operandCount)) {
    const expected = counts.size > 1 ? "at least one operand" : `${[...counts].join()} operand(s)`;
    throw new FormatError(`${where}: expected ${expected} of ${op.name}; received ${operandCount}.`);
  }
  const forms = samples.map((sample) => sample.params as Params);
  const names = new Set([...forms.flatMap((form) => Object.keys(form)), ...Object.keys(params)]);
  for (const name of names) {
    const given = Object.hasOwn(params, name) ? params[name] : undefined;
    if (!forms.some((form) => hasForm(given, form[name]))) {
      throw new FormatError(
        `${where}: expected parameters of ${op.name} such as ${JSON.stringify(paramsToJson(forms[0] ?? {}))}; received ` +
          `${JSON.stringify(paramToJson(given))} for ${JSON.stringify(name)}.`,
      );
    }
  }
  const dims = symbolsIn(Object.values(params));
  const operandDims = operands.flatMap(({ shape }) => shape.filter((d) => typeof d === "symbol"));
  const operandTerms = operandDims.reduce<number>((sum, d) => sum + termCount(d), 0);
  if (!isSimple(dims) || operandTerms > maximalOperandTerms) {
    throw new FormatError(
      `${where}: expected simpler symbolic sizes; received ${dims.length + operandDims.length} of them.`,
    );
  }
}

function symbolsIn(params: readonly Param[]): symbol[] {
  return params.flatMap((param) => {
    if (typeof param === "symbol") return [param];
    if (typeof param !== "object" || param === null) return [];
    return symbolsIn(Object.values(param as Params));
  });
}
