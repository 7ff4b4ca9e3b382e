/**
 * Calls the engine's functions with programs that are wrong in many ways. Every call must return or throw an error; the
 * parent sees a crash as the end of this process. Prints how many programs were accepted and refused.
 *
 *     node fuzz.ts SEED COUNT
 */
import assert from "node:assert/strict";
import type { TypedArray } from "nagare/backend";
import { addon, everyProgram, type RecordedProgram } from "../recordedPrograms.ts";
import { type Random, seeded } from "../tensors.ts";

const [seed, count] = process.argv.slice(2).map(Number) as [number, number];
const random: Random = seeded(seed);
const below = (limit: number): number => Math.floor(random() * limit);
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;

/** Numbers at which checks go wrong. */
function oddNumber(): number {
  const edges = [
    0,
    1,
    -1,
    2,
    3,
    7,
    8,
    16,
    17,
    64,
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 30,
    2 ** 21 - 1,
    2 ** 21,
    -64,
  ];
  return random() < 0.7 ? pick(edges) : random() < 0.5 ? below(4096) : (random() * 2 ** 32) | 0;
}

function mutatedCode(code: Int32Array, other: Int32Array): Int32Array {
  const numbers = [...code];
  for (let times = 1 + below(random() < 0.8 ? 2 : 8); times > 0; times--) {
    const at = below(numbers.length);
    switch (below(20)) {
      case 0:
        numbers.length = at;
        break;
      case 1:
        numbers.splice(at, 1 + below(3));
        break;
      case 2:
        numbers.splice(at, 0, oddNumber());
        break;
      case 3: {
        const from = below(other.length);
        numbers.splice(at, below(4), ...other.slice(from, from + below(60)));
        break;
      }
      case 4:
        numbers.push(...other);
        break;
      default:
        numbers[at] = random() < 0.3 ? (numbers[at] ?? 0) + pick([1, -1]) : oddNumber();
    }
  }
  return Int32Array.from(numbers);
}

/** The memories as they were, or larger, smaller, shifted or of odd contents. */
function mutatedMemory(memory: TypedArray): TypedArray {
  const bytes = new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength);
  switch (below(8)) {
    case 0:
      return new Uint8Array(new ArrayBuffer(below(bytes.length + 1)));
    case 1: {
      const large = new Uint8Array(1 << 16);
      for (let i = 0; i < large.length; i++) large[i] = below(256);
      return large;
    }
    case 2: {
      const shifted = new Uint8Array(bytes.length + 1).subarray(1);
      shifted.set(bytes);
      return shifted;
    }
    case 3:
      return new Uint8Array(1 << 20);
    case 4: {
      const odd = memory.slice();
      new Uint8Array(odd.buffer).forEach((_, i, all) => {
        if (random() < 0.1) all[i] = below(256);
      });
      return odd;
    }
    default:
      return memory.slice();
  }
}

function isError(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError;
}

/** Whether the engine took the program; what it takes is also run. */
function tryProgram({ code, constants, externals, arenaBytes, memories }: RecordedProgram): boolean {
  let program: ReturnType<typeof addon.createProgram>;
  try {
    program = addon.createProgram(code, constants, externals, arenaBytes);
  } catch (error) {
    assert.ok(isError(error), String(error));
    return false;
  }
  try {
    addon.run(program, ...memories);
  } catch (error) {
    assert.ok(isError(error), String(error));
  }
  return true;
}

const programs = await everyProgram();
let accepted = 0;
for (let i = 0; i < count; i++) {
  const original = pick(programs);
  const changesArguments = random() < 0.15;
  const mutated: RecordedProgram = {
    code: mutatedCode(original.code, pick(programs).code),
    constants: changesArguments ? original.constants.slice(0, below(3)) : original.constants,
    externals: changesArguments ? below(8) : original.externals,
    arenaBytes: random() < 0.1 ? pick([0, 64, 2 ** 30, 2 ** 45, 2 ** 53]) : original.arenaBytes,
    memories: original.memories.map(mutatedMemory),
  };
  if (tryProgram(mutated)) accepted++;
}
console.log(JSON.stringify({ programs: programs.length, accepted, refused: count - accepted }));
