/**
 * The IDX format of the MNIST files: two zero bytes, a code for the dtype, the number of axes, their sizes (32 bits,
 * big-endian), the elements (big-endian). http://yann.lecun.com/exdb/mnist/
 */
import {
  ConcreteTensor,
  CpuStorage,
  type DType,
  FormatError,
  formatShape,
  nodeModule,
  type Tensor,
  type TypedArray,
} from "../core/index.ts";
import { allocateUninitialized } from "../runtime/index.ts";
import { readWhole } from "../saved/index.ts";

interface ElementFormat {
  readonly dtype: DType;
  readonly bytes: number;
  /** Reads `to.length` elements that start at byte `from`. */
  read(from: DataView, to: TypedArray): void;
}

/** A format whose elements are read one by one. */
function swapped(
  dtype: DType,
  bytes: number,
  get: (view: DataView, offset: number) => number,
): ElementFormat {
  return {
    dtype,
    bytes,
    read(from, to) {
      for (let i = 0; i < to.length; i++) to[i] = get(from, i * bytes);
    },
  };
}

/** A format of single bytes, which have no order. */
function plain(dtype: DType): ElementFormat {
  return {
    dtype,
    bytes: 1,
    read(from, to) {
      const bytes = new Uint8Array(to.buffer, to.byteOffset, to.byteLength);
      bytes.set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength));
    },
  };
}

const elementFormats: ReadonlyMap<number, ElementFormat> = new Map([
  [0x08, plain("uint8")],
  [0x09, plain("int8")],
  [0x0b, swapped("int32", 2, (view, offset) => view.getInt16(offset))],
  [0x0c, swapped("int32", 4, (view, offset) => view.getInt32(offset))],
  [0x0d, swapped("float32", 4, (view, offset) => view.getFloat32(offset))],
  [0x0e, swapped("float64", 8, (view, offset) => view.getFloat64(offset))],
]);

const maximalRank = 16;
const maximalHeaderBytes = 4 + 4 * maximalRank;
/** Above this, files are a mistake or an attack: no engine reads them in one piece. */
const maximalFileBytes = 2 ** 31;

interface Header {
  readonly format: ElementFormat;
  readonly shape: readonly number[];
  readonly dataStart: number;
  /** The length that the whole file must have. */
  readonly fileBytes: number;
}

/** Reads what the first bytes of a file say. Throws FormatError. */
function readHeader(bytes: Uint8Array, where: string): Header {
  const fail = (expected: string, received: string | number): never => {
    throw new FormatError(`${where}: expected ${expected}; received ${received}.`);
  };
  if (bytes.byteLength < 4) fail("an IDX file, which has at least 4 bytes", bytes.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const format = elementFormats.get((magic >>> 8) & 0xff);
  if (magic >>> 16 !== 0 || !format) {
    const codes = [...elementFormats.keys()]
      .map((code) => `0x${code.toString(16).padStart(2, "0")}`)
      .join(", ");
    return fail(
      `an IDX file: two zero bytes and a dtype code of ${codes}`,
      `0x${magic.toString(16).padStart(8, "0")}`,
    );
  }
  const rank = magic & 0xff;
  if (rank < 1 || rank > maximalRank) fail(`1 to ${maximalRank} axes`, rank);
  const dataStart = 4 + 4 * rank;
  if (bytes.byteLength < dataStart) fail(`${dataStart} bytes of header`, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const fileBytes = shape.reduce((product, size) => product * size, format.bytes) + dataStart;
  if (!(fileBytes <= maximalFileBytes))
    fail(`at most ${maximalFileBytes} bytes`, `the shape ${formatShape(shape)}`);
  return { format, shape, dataStart, fileBytes };
}

/**
 * The tensor in an IDX file: uint8, int8, int32, float32 or float64; 16-bit integers become int32.
 * @param bytes The whole file, not compressed.
 * @param where The file's name, for messages.
 * Throws FormatError unless the header is sound and the file has exactly the length it states.
 */
export function readIdx(bytes: Uint8Array, where: string): Tensor {
  const { format, shape, dataStart, fileBytes } = readHeader(bytes, where);
  if (bytes.byteLength !== fileBytes) {
    throw new FormatError(
      `${where}: expected ${fileBytes} bytes for the shape ${formatShape(shape)}; received ${bytes.byteLength}.`,
    );
  }
  const array = allocateUninitialized(format.dtype, (fileBytes - dataStart) / format.bytes);
  format.read(new DataView(bytes.buffer, bytes.byteOffset + dataStart, fileBytes - dataStart), array);
  return new ConcreteTensor(shape, format.dtype, new CpuStorage(array));
}

/**
 * Reads an IDX file, compressed with gzip or not.
 * Throws FormatError for a damaged, truncated or hostile file, and ValueError when it cannot be opened.
 * @example
 * const labels = await ng.data.readIdxFile("train-labels-idx1-ubyte.gz");
 */
export async function readIdxFile(path: string): Promise<Tensor> {
  const bytes = await readWhole(path, maximalFileBytes);
  const isCompressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return readIdx(isCompressed ? await inflate(bytes, path) : bytes, path);
}

/** Inflates as much as the IDX header inside announces, and not a byte more. */
async function inflate(compressed: Uint8Array, where: string): Promise<Uint8Array> {
  const zlib = nodeModule<typeof import("node:zlib")>("node:zlib", "readIdxFile");
  const stream = zlib.createGunzip();
  const chunks: Uint8Array[] = [];
  let received = 0;
  let limit: number | undefined;
  stream.end(compressed);
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      received += chunk.byteLength;
      if (limit === undefined && received >= maximalHeaderBytes)
        limit = readHeader(joined(chunks), where).fileBytes;
      if (limit !== undefined && received > limit) {
        throw new FormatError(`${where}: expected ${limit} bytes after decompression; received more.`);
      }
    }
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(
      `${where}: expected gzip data; received a damaged stream (${(error as Error).message}).`,
    );
  } finally {
    stream.destroy();
  }
  return joined(chunks);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
