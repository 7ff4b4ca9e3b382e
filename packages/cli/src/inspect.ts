import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { formatSpec } from "@nagare/serve";
import { type LoadedModel, NagareError, ValueError } from "nagare";
import { bytesPerElement, formatBytes, formatTable, indent } from "nagare/backend";
import type { OpenedModel } from "./openModel.ts";
import { openModel } from "./openModel.ts";

/** The options of `nagare inspect`. */
export interface InspectOptions {
  readonly graph: boolean;
  readonly json?: true;
  /** Sizes by name. */
  readonly size?: Readonly<Record<string, number>>;
}

/** The bytes one call takes, at certain sizes; or why it cannot be made at them. */
type SignatureMemory = { readonly sizes: Readonly<Record<string, number>> } & (
  | ReturnType<LoadedModel["memoryUse"]>
  | { readonly error: string }
);

interface Parameter {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
}

/** Everything `inspect` tells, in the form of --json. */
interface Inspection {
  readonly name: string;
  readonly version: number;
  readonly folder: string;
  readonly signatures: OpenedModel["model"]["signatures"];
  /** Per signature, the lines of its graph. */
  readonly graphs?: Readonly<Record<string, readonly string[]>>;
  /** Per signature. */
  readonly memory: Readonly<Record<string, SignatureMemory>>;
  readonly parameters: readonly Parameter[];
  readonly totals: { readonly parameters: number; readonly elements: number; readonly bytes: number };
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Prints what is in a saved model. */
export async function inspect(path: string, options: InspectOptions): Promise<void> {
  const inspection = inspectModel(await openModel(path), options);
  process.stdout.write(`${options.json ? JSON.stringify(inspection) : formatInspection(inspection)}\n`);
}

function inspectModel({ name, version, folder, model }: OpenedModel, options: InspectOptions): Inspection {
  const parameters = [...model.weights].map(([key, weight]): Parameter => {
    const elements = weight.size;
    return {
      name: key,
      dtype: weight.dtype,
      shape: weight.shape as readonly number[],
      elements,
      bytes: elements * bytesPerElement(weight.dtype),
    };
  });
  const sum = (field: "elements" | "bytes"): number =>
    parameters.reduce((total, parameter) => total + parameter[field], 0);
  const graphs = Object.keys(model.signatures).map((key) => [key, model.describe(key).split("\n")] as const);
  return {
    name,
    version,
    folder,
    signatures: model.signatures,
    ...(options.graph ? { graphs: Object.fromEntries(graphs) } : {}),
    memory: memoryOf(model, options.size ?? {}),
    parameters,
    totals: { parameters: parameters.length, elements: sum("elements"), bytes: sum("bytes") },
    files: readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => ({ name: entry.name, bytes: statSync(join(folder, entry.name)).size })),
    metadata: model.metadata,
  };
}

function memoryOf(model: LoadedModel, given: Readonly<Record<string, number>>): Inspection["memory"] {
  const signatures = Object.keys(model.signatures);
  const known = signatures.flatMap((key) => model.sizeNames(key));
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const expected = known.length > 0 ? [...new Set(known)].join(", ") : "none, as all sizes are fixed";
    throw new ValueError(`--size: expected ${expected}; received ${JSON.stringify(unknown)}.`);
  }
  return Object.fromEntries(
    signatures.map((key) => {
      const sizes = Object.fromEntries(model.sizeNames(key).map((name) => [name, given[name] ?? 1]));
      try {
        return [key, { sizes, ...model.memoryUse(sizes, key) }];
      } catch (error) {
        // A size of 1 may be too small for a window; the rest of the model can still be shown.
        if (!(error instanceof NagareError)) throw error;
        return [key, { sizes, error: error.message }];
      }
    }),
  );
}

function formatMemory(memory: SignatureMemory): string {
  if ("error" in memory) return `${memory.error} Give sizes with --size.`;
  const { inputBytes, outputBytes, weightBytes, arenaBytes, peakBytes } = memory;
  const rows = [
    ["inputs", formatBytes(inputBytes)],
    ["outputs", formatBytes(outputBytes)],
    ["weights", formatBytes(weightBytes)],
    ["intermediate values", formatBytes(arenaBytes)],
    ["peak", formatBytes(peakBytes)],
  ];
  return formatTable(rows, [1]);
}

function formatInspection(inspection: Inspection): string {
  const { name, version, folder, signatures, graphs, memory, parameters, totals, files, metadata } =
    inspection;
  const section = (title: string, body: string): string => `\n${title}\n${indent(body)}`;
  const parts = [`${name}, version ${version}, in ${folder}`];
  for (const [key, { inputs, outputs }] of Object.entries(signatures)) {
    const rows = [
      ...Object.entries(inputs).map(([input, spec]) => ["in", input, formatSpec(spec)]),
      ...Object.entries(outputs).map(([output, spec]) => ["out", output, formatSpec(spec)]),
    ];
    parts.push(section(`Signature ${key}`, formatTable(rows)));
  }
  for (const [key, lines] of Object.entries(graphs ?? {})) {
    parts.push(section(`Graph of ${key}`, lines.join("\n")));
  }
  for (const [key, use] of Object.entries(memory)) {
    const sizes = Object.entries(use.sizes).map(([size, value]) => `, ${size} = ${value}`);
    parts.push(section(`Memory of ${key}${sizes.join("")}`, formatMemory(use)));
  }
  const rows = parameters.map((parameter) => [
    parameter.name,
    parameter.dtype,
    `[${parameter.shape.join(", ")}]`,
    String(parameter.elements),
    String(parameter.bytes),
  ]);
  const table = [
    ["name", "dtype", "shape", "elements", "bytes"],
    ...rows,
    ["total", "", "", String(totals.elements), String(totals.bytes)],
  ];
  parts.push(section(`Parameters (${formatBytes(totals.bytes)})`, formatTable(table, [3, 4])));
  const sizes = files.map((file) => [file.name, String(file.bytes), formatBytes(file.bytes)]);
  parts.push(section("Files", formatTable(sizes, [1, 2])));
  if (Object.keys(metadata).length > 0) parts.push(section("Metadata", JSON.stringify(metadata, null, 2)));
  return parts.join("\n");
}
