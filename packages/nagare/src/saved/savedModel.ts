/**
 * Saved models: a folder of `graph.json` (functions with named inputs and outputs), `weights.safetensors` (their
 * constants) and `metadata.json` (lengths and SHA-256 of the other two, and what the user adds).
 */
import { FormatError, nodeModule, type Tensor, ValueError } from "../core/index.ts";
import { existingFolder, writeFolderAtomically } from "./atomic.ts";
import { readWhole } from "./files.ts";
import { graphFromJson, graphToJson, type NamedGraph } from "./graphJson.ts";
import { sha256 } from "./hash.ts";
import { Field, formatJson, type Json, parseJson } from "./json.ts";
import { LoadedModel } from "./loadedModel.ts";
import { readSafetensors, writeSafetensorsAsync } from "./safetensors.ts";
import { type Saveable, type SaveOptions, traceSaveable } from "./traceSaveable.ts";

const modelFormat = "nagare.model";
const graphFormat = "nagare.graph";
const formatVersion = 1;
const fileNames = { graph: "graph.json", weights: "weights.safetensors", metadata: "metadata.json" } as const;
const maximalMetadataBytes = 16 * 2 ** 20;

/**
 * Saves a model for use without the code that made it: its graph, its weights, and metadata. The batch size stays free.
 * The folder is replaced as a whole, even if the process is killed; by custom its name is the model's version.
 * @param model A module, as it computes while not training, or a function of tensors.
 * @param folder Made with its parents. An existing one is replaced when it holds a saved model and nothing else.
 * Throws ValueError when the inputs are not known, the model changes variables, or the folder holds other files.
 * @example
 * await ng.save(model, "digits/1");
 * const { y } = (await ng.load("digits/1")).call({ x });
 */
export async function save(model: Saveable, folder: string, options: SaveOptions = {}): Promise<void> {
  const files = await modelFiles(traceSaveable(model, options), options.metadata ?? {});
  await checkReplaceable(folder);
  await writeFolderAtomically(folder, files);
}

/** The three files of a model. Reads them back first: what cannot be loaded must not replace what can. */
async function modelFiles(
  { graphs, weights }: ReturnType<typeof traceSaveable>,
  userMetadata: Readonly<Record<string, Json>>,
): Promise<Map<string, Uint8Array>> {
  const names = new Map([...weights].map(([name, tensor]) => [tensor as Tensor, name]));
  const signatures: Record<string, Json> = {};
  for (const [name, named] of graphs) {
    signatures[name] = await graphToJson(named, (tensor) => names.get(tensor) ?? "");
  }
  const graphBytes = encodeJson({ format: graphFormat, version: formatVersion, signatures });
  const weightBytes = await writeSafetensorsAsync(weights, { format: graphFormat });
  const metadata = {
    format: modelFormat,
    version: formatVersion,
    files: { [fileNames.graph]: describeFile(graphBytes), [fileNames.weights]: describeFile(weightBytes) },
    metadata: userMetadata,
  };
  const metadataBytes = encodeJson(metadata);
  readModel({ graph: graphBytes, weights: weightBytes, metadata: metadataBytes }, "save");
  return new Map([
    [fileNames.graph, graphBytes],
    [fileNames.weights, weightBytes],
    [fileNames.metadata, metadataBytes],
  ]);
}

function encodeJson(value: Json): Uint8Array {
  return new TextEncoder().encode(`${formatJson(value, "save")}\n`);
}

function describeFile(bytes: Uint8Array): { bytes: number; sha256: string } {
  return { bytes: bytes.byteLength, sha256: sha256(bytes) };
}

/** Throws ValueError unless a folder is missing, empty, or nothing but a saved model: replacing deletes what is in it. */
async function checkReplaceable(folder: string): Promise<void> {
  const fs = nodeModule<typeof import("node:fs/promises")>("node:fs/promises", "save");
  let entries: string[];
  try {
    entries = await fs.readdir(folder);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return;
    throw new ValueError(
      `save: expected a folder that can be written; received ${(error as Error).message}.`,
    );
  }
  const own = new Set<string>(Object.values(fileNames));
  const other = entries.find((entry) => !own.has(entry));
  if (other !== undefined) {
    throw new ValueError(
      `save: expected a new folder or one with a saved model; received ${folder}, which holds ${JSON.stringify(other)} ` +
        "too. Choose another folder, or move that away.",
    );
  }
}

/**
 * Loads a saved model. Everything in it is checked first: lengths, hashes, names, shapes, and that every operation fits
 * its operands.
 * Throws FormatError when a file is damaged, truncated or hostile, ValueError when the folder holds no model.
 * @example
 * const model = await ng.load("digits/1");
 * const { y } = model.call({ x: ng.zeros([1, 28, 28, 1]) });
 */
export async function load(folder: string): Promise<LoadedModel> {
  const { join } = nodeModule<typeof import("node:path")>("node:path", "load");
  const found = await existingFolder(folder);
  const metadata = await readWhole(join(found, fileNames.metadata), maximalMetadataBytes);
  const lengths = new Field(
    parseJson(metadata, join(folder, fileNames.metadata)),
    join(folder, fileNames.metadata),
  );
  const read = (name: string) =>
    readWhole(join(found, name), lengths.get("files").get(name).get("bytes").count());
  const [graph, weights] = await Promise.all([read(fileNames.graph), read(fileNames.weights)]);
  return readModel({ graph, weights, metadata }, folder);
}

/** A model from the contents of its files. Throws FormatError. */
function readModel(files: Readonly<Record<keyof typeof fileNames, Uint8Array>>, where: string): LoadedModel {
  const place = (name: keyof typeof fileNames) => `${where}/${fileNames[name]}`;
  const metadata = new Field(parseJson(files.metadata, place("metadata")), place("metadata"));
  checkVersion(metadata, modelFormat);
  for (const name of ["graph", "weights"] as const) checkFile(files[name], metadata, name, place(name));
  const weights = readSafetensors(files.weights, place("weights"));
  const root = new Field(parseJson(files.graph, place("graph")), place("graph"));
  checkVersion(root, graphFormat);
  const graphs = new Map<string, NamedGraph>();
  for (const [name, signature] of root.get("signatures").members())
    graphs.set(name, graphFromJson(signature, weights));
  if (graphs.size === 0) root.get("signatures").fail("at least one signature");
  return new LoadedModel(graphs, weights, metadata.get("metadata").object());
}

function checkVersion(field: Field, format: string): void {
  field.get("format").is(format);
  const version = field.get("version").count(1);
  if (version > formatVersion) {
    throw new FormatError(
      `${field.where}: expected version ${formatVersion} of the format; received ${version}. Update nagare to read it.`,
    );
  }
}

function checkFile(bytes: Uint8Array, metadata: Field, name: "graph" | "weights", where: string): void {
  const described = metadata.get("files").get(fileNames[name]);
  const length = described.get("bytes").count();
  if (bytes.byteLength !== length) {
    throw new FormatError(
      `${where}: expected ${length} bytes; received ${bytes.byteLength}: the file is damaged.`,
    );
  }
  const expected = described.get("sha256").string();
  const received = sha256(bytes);
  if (received !== expected) {
    throw new FormatError(
      `${where}: expected the SHA-256 ${expected}; received ${received}: the file is damaged.`,
    );
  }
}
