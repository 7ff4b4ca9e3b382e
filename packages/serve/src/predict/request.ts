import { isUtf8 } from "node:buffer";
import type { Tensor } from "nagare";
import { RequestError } from "../errors.ts";
import { JsonReader } from "../json/index.ts";
import type { ServableModel, SignatureSpec, TensorSpec } from "../model.ts";
import { defaultSignature, hasRows } from "../model.ts";
import type { NamedSizes } from "./tensorReader.ts";
import { TensorReader } from "./tensorReader.ts";

/** The two forms of TensorFlow Serving: a list of rows, or a tensor per name. */
export type RequestForm = "row" | "column";

/** A predict request, read and checked. */
export interface PredictRequest {
  readonly signatureName: string;
  readonly signature: SignatureSpec;
  readonly form: RequestForm;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

const formOf: Readonly<Record<string, RequestForm>> = { instances: "row", inputs: "column" };
const remedy = 'Send {"instances": [row, …]} or {"inputs": {name: tensor, …}}.';

/**
 * Reads the body of a predict request. Throws RequestError 400 with what was expected, received and where.
 *
 * Two passes over the bytes: the first finds the members and checks the grammar, because `signature_name`, which
 * decides what the numbers mean, may come last; the second writes the numbers into typed arrays.
 * @param signatureName the signature of requests that name none.
 */
export function readRequest(model: ServableModel, body: Uint8Array, signatureName?: string): PredictRequest {
  if (!isUtf8(body)) throw new RequestError(400, `The body is not valid UTF-8. ${remedy}`);
  const reader = new JsonReader(body);
  const members = findMembers(reader);
  const forms = Object.keys(formOf).filter((key) => members.has(key));
  const [key] = forms;
  if (key === undefined || forms.length > 1) {
    const received = key === undefined ? `received ${listNames([...members.keys()])}` : "received both";
    throw new RequestError(400, `The body: expected either "instances" or "inputs"; ${received}. ${remedy}`);
  }
  const named = readSignatureName(reader, members.get("signature_name"));
  const name = named ?? signatureName ?? defaultSignature;
  const signature = Object.hasOwn(model.signatures, name) ? model.signatures[name] : undefined;
  if (!signature) {
    throw new RequestError(
      400,
      `signature_name: expected ${listNames(Object.keys(model.signatures))}; received ${JSON.stringify(name)}.`,
    );
  }
  reader.at = members.get(key) ?? 0;
  const form = formOf[key] ?? "row";
  const inputs = form === "row" ? readRows(reader, signature) : readColumns(reader, signature);
  return { signatureName: name, signature, form, inputs };
}

/** Where the value of each member of the body begins. */
function findMembers(reader: JsonReader): Map<string, number> {
  const members = new Map<string, number>();
  const kind = reader.kind();
  if (kind !== "an object" && kind !== "no JSON value") {
    throw new RequestError(400, `The body: expected a JSON object; received ${kind}. ${remedy}`);
  }
  for (let more = reader.openObject(); more; more = reader.nextMember()) {
    const key = reader.key();
    if (members.has(key)) {
      throw new RequestError(400, `The body: expected each key once; received ${JSON.stringify(key)} twice.`);
    }
    members.set(key, reader.at);
    reader.skipValue();
  }
  reader.end();
  return members;
}

function readSignatureName(reader: JsonReader, position: number | undefined): string | undefined {
  if (position === undefined) return undefined;
  reader.at = position;
  const kind = reader.kind();
  if (kind !== "a string") {
    throw new RequestError(400, `signature_name: expected a string; received ${kind}.`);
  }
  return reader.string();
}

/** `instances`: a list of values when there is one input, or a list of objects with a value per input. */
function readRows(reader: JsonReader, signature: SignatureSpec): Record<string, Tensor> {
  const names = Object.keys(signature.inputs);
  if (!hasRows(signature.inputs)) {
    throw new RequestError(
      400,
      `instances: expected inputs that have a first axis; received a signature with a scalar among ${listNames(names)}. ` +
        'Send {"inputs": {name: tensor, …}}.',
    );
  }
  const kind = reader.kind();
  if (kind !== "a list") {
    throw new RequestError(400, `instances: expected a list of rows; received ${kind}. ${remedy}`);
  }
  const start = reader.at;
  const holdsObjects = reader.openList() && reader.kind() === "an object" && !startsBase64(reader, signature);
  reader.at = start;
  return holdsObjects ? readObjectRows(reader, signature) : readPlainRows(reader, signature);
}

function readPlainRows(reader: JsonReader, signature: SignatureSpec): Record<string, Tensor> {
  const [name, spec] = onlyInput(signature, "instances", "a list of objects {name: value, …}");
  const tensorReader = new TensorReader(name, spec, reader);
  tensorReader.readAll("instances");
  return { [name]: tensorReader.finish(new Map()) };
}

function readObjectRows(reader: JsonReader, signature: SignatureSpec): Record<string, Tensor> {
  const readers = makeReaders(reader, signature);
  let row = 0;
  for (let more = reader.openList(); more; more = reader.nextElement()) {
    const place = (): string => `instances[${row}]`;
    if (reader.kind() !== "an object") {
      throw new RequestError(
        400,
        `${place()}: expected an object {name: value, …}, like the first row; received ${reader.kind()}.`,
      );
    }
    readMembers(reader, readers, place, (tensorReader, name) => {
      tensorReader.readRow(() => `${place()}.${name}`);
    });
    row += 1;
  }
  return finishAll(readers, row);
}

/** `inputs`: a tensor per name, or the tensor itself when there is one input. */
function readColumns(reader: JsonReader, signature: SignatureSpec): Record<string, Tensor> {
  if (reader.kind() !== "an object" || startsBase64(reader, signature)) {
    const [name, spec] = onlyInput(signature, "inputs", "an object {name: tensor, …}");
    const tensorReader = new TensorReader(name, spec, reader);
    tensorReader.readAll("inputs");
    return { [name]: tensorReader.finish(new Map()) };
  }
  const readers = makeReaders(reader, signature);
  readMembers(
    reader,
    readers,
    () => "inputs",
    (tensorReader, name) => tensorReader.readAll(`inputs.${name}`),
  );
  return finishAll(readers);
}

/** Reads an object that has to hold every input once and nothing else. */
function readMembers(
  reader: JsonReader,
  readers: ReadonlyMap<string, TensorReader>,
  place: () => string,
  read: (tensorReader: TensorReader, name: string) => void,
): void {
  const seen = new Set<string>();
  for (let more = reader.openObject(); more; more = reader.nextMember()) {
    const name = reader.key();
    const tensorReader = readers.get(name);
    if (!tensorReader || seen.has(name)) {
      const received = `${JSON.stringify(name)}${tensorReader ? " twice" : ""}`;
      throw new RequestError(
        400,
        `${place()}: expected each of the inputs ${listNames([...readers.keys()])} once; received ${received}.`,
      );
    }
    seen.add(name);
    read(tensorReader, name);
  }
  const missing = [...readers.keys()].filter((name) => !seen.has(name));
  if (missing.length > 0) {
    throw new RequestError(
      400,
      `${place()}: expected the inputs ${listNames([...readers.keys()])}; received none for ${listNames(missing)}.`,
    );
  }
}

function makeReaders(reader: JsonReader, signature: SignatureSpec): Map<string, TensorReader> {
  return new Map(
    Object.entries(signature.inputs).map(([name, spec]) => [name, new TensorReader(name, spec, reader)]),
  );
}

function finishAll(readers: ReadonlyMap<string, TensorReader>, rows?: number): Record<string, Tensor> {
  const sizes: NamedSizes = new Map();
  return Object.fromEntries([...readers].map(([name, reader]) => [name, reader.finish(sizes, rows)]));
}

/** The signature's only input; a request with bare values cannot say which of several it means. */
function onlyInput(signature: SignatureSpec, key: string, named: string): [string, TensorSpec] {
  const entries = Object.entries(signature.inputs);
  const [first] = entries;
  if (first && entries.length === 1) return first;
  throw new RequestError(
    400,
    `${key}: expected ${named} for the inputs ${listNames(entries.map(([name]) => name))}; received bare values.`,
  );
}

/** Whether the object ahead is TensorFlow Serving's form of a string's bytes, {"b64": …}; the reader does not move. */
function startsBase64(reader: JsonReader, signature: SignatureSpec): boolean {
  if (Object.hasOwn(signature.inputs, "b64")) return false;
  const start = reader.at;
  const isBase64 = reader.openObject() && reader.key() === "b64";
  reader.at = start;
  return isBase64;
}

function listNames(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.map((name) => JSON.stringify(name)).join(", ");
}
