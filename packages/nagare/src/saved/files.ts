/** Reading files whole, of any length an array can hold. */
import { FormatError, NagareError, nodeModule, ValueError } from "../core/index.ts";

/** The operating system's limit for one read, and the engine's. */
const pieceBytes = 1 << 30;

/**
 * The contents of a file. Throws ValueError when it cannot be read, FormatError when it is longer than `maximalBytes` or
 * shrinks meanwhile.
 */
export async function readWhole(path: string, maximalBytes = Number.MAX_SAFE_INTEGER): Promise<Uint8Array> {
  const fs = nodeModule<typeof import("node:fs/promises")>("node:fs/promises", "readWhole");
  try {
    const file = await fs.open(path, "r");
    try {
      const { size } = await file.stat();
      if (size > maximalBytes) {
        throw new FormatError(`${path}: expected at most ${maximalBytes} bytes; received ${size}.`);
      }
      const bytes = new Uint8Array(size);
      let at = 0;
      while (at < size) {
        const { bytesRead } = await file.read(bytes, at, Math.min(size - at, pieceBytes), at);
        if (bytesRead === 0) throw new FormatError(`${path}: expected ${size} bytes; received ${at}.`);
        at += bytesRead;
      }
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof NagareError) throw error;
    throw new ValueError(`${path}: expected a file that can be read; received ${(error as Error).message}.`);
  }
}
