/** Programs written out for packages/native/checks/replay.cpp, which runs them where Node does not, and read back. */
import type { TypedArray } from "nagare/backend";
import type { RecordedProgram } from "./recordedPrograms.ts";

const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const paddingAfter = (bytes: number): number => (8 - (bytes % 8)) % 8;

function padded(bytes: Uint8Array): Uint8Array[] {
  return [bytes, new Uint8Array(paddingAfter(bytes.length))];
}

function integers(...values: number[]): Uint8Array {
  return bytesOf(BigInt64Array.from(values, BigInt));
}

function writeMemory(array: TypedArray): Uint8Array[] {
  return [integers(array.byteLength), ...padded(bytesOf(array))];
}

/** The programs and their memories before the run, as the replaying program reads them. */
export function writeRecordings(programs: readonly RecordedProgram[]): Uint8Array {
  const parts = programs.flatMap(({ code, constants, memories, arenaBytes }) => [
    integers(code.length, constants.length, memories.length, arenaBytes),
    ...padded(bytesOf(code)),
    ...constants.flatMap(writeMemory),
    ...memories.flatMap(writeMemory),
  ]);
  return Buffer.concat(parts);
}

/** The memories of the programs after the run. Throws RangeError when there are fewer than there were before. */
export function readMemories(programs: readonly RecordedProgram[], output: Uint8Array): TypedArray[][] {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  let at = 0;
  return programs.map(({ memories }) =>
    memories.map((before) => {
      const bytes = Number(view.getBigInt64(at, true));
      if (bytes !== before.byteLength)
        throw new RangeError(`expected ${before.byteLength} bytes of a memory; received ${bytes}`);
      at += 8;
      const copy = output.slice(at, at + bytes);
      at += bytes + paddingAfter(bytes);
      const make = before.constructor as new (
        buffer: ArrayBufferLike,
        byteOffset: number,
        length: number,
      ) => TypedArray;
      return new make(copy.buffer, copy.byteOffset, before.length);
    }),
  );
}
