/**
 * The safetensors format: the length of a JSON header (8 bytes, little-endian), the header, the elements.
 * The header gives each tensor's dtype, shape and byte range; the ranges fill the rest of the file without a gap.
 */
import {
  bytesPerElement,
  ConcreteTensor,
  CpuStorage,
  concreteShape,
  type DType,
  dtypes,
  FormatError,
  type Tensor,
  type TypedArray,
  UnsupportedError,
  ValueError,
} from "../core/index.ts";
import { allocateUninitialized } from "../runtime/index.ts";
import { Field, parseJson } from "./json.ts";

const fileDTypes: { readonly [D in DType]: string } = {
  float32: "F32",
  float64: "F64",
  float16: "F16",
  bfloat16: "BF16",
  int8: "I8",
  uint8: "U8",
  int32: "I32",
  int64: "I64",
  bool: "BOOL",
};
const dtypeOfFile = new Map(dtypes.map((dtype) => [fileDTypes[dtype], dtype]));

const maximalHeaderBytes = 100_000_000;
const maximalRank = 32;
const metadataKey = "__metadata__";

/** Where one tensor lies in a file. */
export interface SafetensorsEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Offset of the first byte in the file. */
  readonly start: number;
  readonly byteLength: number;
}

/** What the header of a file says. */
export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads and checks a header without touching the elements.
 * @param where The file's name, for messages.
 * Throws FormatError for lengths, offsets, shapes or dtypes that do not fit together or do not fill the file.
 */
export function readSafetensorsHeader(bytes: Uint8Array, where: string): SafetensorsHeader {
  if (bytes.byteLength < 8) {
    throw new FormatError(
      `${where}: expected a safetensors file, which has at least 8 bytes; received ${bytes.byteLength}.`,
    );
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  const available = Math.min(bytes.byteLength - 8, maximalHeaderBytes);
  if (length > BigInt(available)) {
    throw new FormatError(
      `${where}: expected a header of at most ${available} bytes (the file's end, or the format's limit); received the ` +
        `length ${length}.`,
    );
  }
  const dataStart = 8 + Number(length);
  const header = new Field(parseJson(bytes.subarray(8, dataStart), `${where}, header`), `${where}, header`);
  const entries: [string, SafetensorsEntry][] = [];
  let metadata: Record<string, string> = {};
  for (const [name, field] of header.members()) {
    if (name === metadataKey) {
      metadata = Object.fromEntries(field.members().map(([key, value]) => [key, value.string()]));
    } else {
      entries.push([name, readEntry(field, dataStart)]);
    }
  }
  entries.sort(([, a], [, b]) => a.start - b.start || a.byteLength - b.byteLength);
  let end = dataStart;
  for (const [name, entry] of entries) {
    if (entry.start !== end) {
      throw new FormatError(
        `${where}: expected tensors without gap or overlap, the next at byte ${end - dataStart}; received ` +
          `${JSON.stringify(name)} at ${entry.start - dataStart}.`,
      );
    }
    end += entry.byteLength;
  }
  if (end !== bytes.byteLength) {
    throw new FormatError(
      `${where}: expected a file of ${end} bytes, as the header says; received ${bytes.byteLength}.`,
    );
  }
  return { tensors: new Map(entries), metadata };
}

function readEntry(field: Field, dataStart: number): SafetensorsEntry {
  const dtype = dtypeOfFile.get(field.get("dtype").string());
  if (!dtype) return field.get("dtype").fail(`one of ${[...dtypeOfFile.keys()].join(", ")}`);
  const sizes = field.get("shape").elements();
  if (sizes.length > maximalRank) return field.get("shape").fail(`at most ${maximalRank} axes`);
  const shape = sizes.map((size) => size.count());
  const offsets = field.get("data_offsets");
  const [first, last, ...more] = offsets.elements();
  if (!first || !last || more.length > 0) return offsets.fail("a first and a last byte");
  const begin = first.count();
  const byteLength = last.count(begin) - begin;
  let expected = bytesPerElement(dtype);
  for (const size of shape) expected *= size;
  // A zero beside a huge size gives 0 · ∞ at worst, which is NaN and equals nothing.
  if (expected !== byteLength) {
    return offsets.fail(`${expected} bytes, as ${dtype}[${shape.join(", ")}] takes`);
  }
  return { dtype, shape, start: dataStart + begin, byteLength };
}

/**
 * The tensors of a file and its metadata. Elements are copied, so that `bytes` may be changed or dropped afterwards and
 * need no alignment. Throws FormatError.
 */
export function readSafetensorsWithMetadata(
  bytes: Uint8Array,
  where: string,
): { tensors: Map<string, Tensor>; metadata: Readonly<Record<string, string>> } {
  checkByteOrder();
  const header = readSafetensorsHeader(bytes, where);
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, start, byteLength }] of header.tensors) {
    const array = allocateUninitialized(dtype, byteLength / bytesPerElement(dtype));
    const elements = bytesOf(array);
    elements.set(bytes.subarray(start, start + byteLength));
    if (dtype === "bool" && elements.some((value) => value > 1)) {
      throw new FormatError(
        `${where}, ${JSON.stringify(name)}: expected bools of 0 and 1; received other bytes.`,
      );
    }
    tensors.set(name, new ConcreteTensor(shape, dtype, new CpuStorage(array)));
  }
  return { tensors, metadata: header.metadata };
}

/**
 * The tensors of a safetensors file by name.
 * @param bytes The whole file.
 * @param where The file's name, for messages.
 * Throws FormatError for a damaged, truncated or hostile file, or a dtype that Nagare does not hold.
 * @example
 * const weights = readSafetensors(await readFile("model.safetensors"), "model.safetensors");
 */
export function readSafetensors(bytes: Uint8Array, where: string): Map<string, Tensor> {
  return readSafetensorsWithMetadata(bytes, where).tensors;
}

/**
 * A safetensors file of the given tensors. Equal tensors and metadata give equal bytes, in whatever order they come.
 * Throws ValueError for the name `__metadata__`, which the format reserves.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  return encode(
    [...tensors].map(([name, tensor]) => ({ name, tensor, array: tensor.readStorage().readSync() })),
    metadata,
  );
}

/** The same as `writeSafetensors`, for devices that can only be read asynchronously. */
export async function writeSafetensorsAsync(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const entries = [...tensors].map(async ([name, tensor]) => ({
    name,
    tensor,
    array: await tensor.readStorage().read(),
  }));
  return encode(await Promise.all(entries), metadata);
}

interface ReadTensor {
  readonly name: string;
  readonly tensor: Tensor;
  readonly array: TypedArray;
}

/** Wide elements first, so that every tensor is aligned to its element when the header is a multiple of 8 bytes. */
function byWidthAndName(a: ReadTensor, b: ReadTensor): number {
  const width = bytesPerElement(b.tensor.dtype) - bytesPerElement(a.tensor.dtype);
  return width || compareText(a.name, b.name);
}

/** The order of UTF-16 code units, the same in every locale. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function encode(entries: readonly ReadTensor[], metadata: Readonly<Record<string, string>>): Uint8Array {
  checkByteOrder();
  const sorted = entries.toSorted(byWidthAndName);
  const fields: string[] = [];
  const keys = Object.keys(metadata).sort(compareText);
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    fields.push(`"${metadataKey}":{${pairs.join(",")}}`);
  }
  let end = 0;
  for (const { name, tensor, array } of sorted) {
    if (name === metadataKey) {
      throw new ValueError(
        `writeSafetensors: the format keeps the name "${metadataKey}" for itself. Rename that tensor.`,
      );
    }
    const begin = end;
    end += array.byteLength;
    const shape = concreteShape(tensor.shape).join(",");
    // Text is put together by hand because an object would move names such as "0" to the front and lose "__proto__".
    fields.push(
      `${JSON.stringify(name)}:{"dtype":"${fileDTypes[tensor.dtype]}","shape":[${shape}],"data_offsets":[${begin},${end}]}`,
    );
  }
  const header = new TextEncoder().encode(`{${fields.join(",")}}`);
  const headerLength = Math.ceil(header.byteLength / 8) * 8;
  if (headerLength > maximalHeaderBytes) {
    throw new ValueError(
      `writeSafetensors: expected names and metadata of at most ${maximalHeaderBytes} bytes; received ${headerLength}.`,
    );
  }
  const bytes = new Uint8Array(8 + headerLength + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.fill(0x20, 8, 8 + headerLength);
  bytes.set(header, 8);
  let at = 8 + headerLength;
  for (const { array } of sorted) {
    bytes.set(bytesOf(array), at);
    at += array.byteLength;
  }
  return bytes;
}

function bytesOf(array: TypedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function checkByteOrder(): void {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
    throw new UnsupportedError("Safetensors files are little-endian, and this processor is not.");
  }
}
