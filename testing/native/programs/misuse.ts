/**
 * Calls the engine's functions as no correct caller would. Every call must throw an error that says what is wrong, or
 * return: the parent sees a crash as the end of this process.
 */
import assert from "node:assert/strict";
import * as ng from "nagare";
import { builder, dtypes } from "nagare/backend";
import { addon, type RecordedProgram, recordPrograms } from "../recordedPrograms.ts";

const [ones, indices] = [ng.ones([8]), ng.zeros([4], { dtype: "int32" })];
const addend = ng.arange(8, { dtype: "float32" });
/** y = x + a constant of 8 numbers, and four of 8 numbers by their indices. */
const [sum] = await recordPrograms(() => ng.jit((x: ng.Tensor) => x.add(addend))(ones));
const [rows] = await recordPrograms(() => builder.gather(ones, indices, { axis: 0, batchAxes: 0 }));
/** y = 8 random numbers. */
const [numbers] = await recordPrograms(() =>
  ng.jit((key: ng.Tensor) => ng.random.uniform(key, [8]))(ng.random.key(1)),
);
assert.ok(sum && rows && numbers);

/** The functions, without what the type checker would say about the calls below. */
const engine = addon as unknown as Record<keyof typeof addon, (...values: unknown[]) => unknown>;

function create(
  parts: Partial<Record<keyof RecordedProgram, unknown>>,
  from: RecordedProgram = sum as RecordedProgram,
): unknown {
  const { code, constants, externals, arenaBytes } = { ...from, ...parts };
  return engine.createProgram(code, constants, externals, arenaBytes);
}

const program = create({});
const [x, y] = [new Float32Array(8), new Float32Array(8)];

function detached(): Float32Array {
  const memory = new Float32Array(8);
  structuredClone(memory, { transfer: [memory.buffer] });
  return memory;
}

function refuses(expected: RegExp, call: () => unknown): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
    assert.match(error.message, expected, call.toString());
    return true;
  });
}

const nothing: readonly unknown[] = [
  undefined,
  null,
  7,
  "program",
  {},
  [],
  new Float32Array(8),
  Symbol("s"),
  7n,
  () => {},
];

// createProgram
refuses(/createProgram expects an Int32Array/, () => engine.createProgram());
for (const code of [...nothing, new DataView(new ArrayBuffer(8)), new Uint32Array(4)])
  refuses(/createProgram expects an Int32Array/, () => create({ code }));
for (const constants of [undefined, null, 7, {}, new Float32Array(8)])
  refuses(/constants must be an array/, () => create({ constants }));
for (const constant of [undefined, [1], new ArrayBuffer(32), new DataView(new ArrayBuffer(32))])
  refuses(/constant 0 is not a typed array/, () => create({ constants: [constant] }));
for (const externals of [undefined, "2", -1, 1.5, Number.NaN, 2 ** 20, 2 ** 40, 2n])
  refuses(/not plausible/, () => create({ externals }));
for (const arenaBytes of [undefined, -1, Number.NaN, 2 ** 60, Number.POSITIVE_INFINITY])
  refuses(/not plausible/, () => create({ arenaBytes }));
refuses(/constant 0 has 4 bytes; 32 are used/, () => create({ constants: [new Float32Array(1)] }));
refuses(/constant 0 has 0 bytes; 32 are used/, () => create({ constants: [detached()] }));
refuses(/no memory has the number/, () => create({ externals: 0 }));
refuses(/no instruction has the code -5/, () => create({ code: Int32Array.of(-5, 0) }));
refuses(/no instruction has the code 9999/, () => create({ code: Int32Array.of(9999, 0) }));
for (let length = 1; length < sum.code.length; length++)
  refuses(/invalid program: .*(cut off|too short)/, () => create({ code: sum.code.subarray(0, length) }));
refuses(/too long/, () => {
  const longer = Int32Array.of(...sum.code, 0);
  longer[1] = (longer[1] ?? 0) + 1;
  create({ code: longer });
});
// The memory that is written becomes the constant.
refuses(/constant 0 is written to/, () => {
  const code = sum.code.slice();
  code[code.length - 3] = 1;
  create({ code });
});
refuses(/the arena has 0 bytes; 32 are used/, () => {
  const code = sum.code.slice();
  code[code.length - 3] = 0;
  create({ code, arenaBytes: 0 });
});
// A gather whose result lies over its indices: they would change after they were checked.
refuses(/overlaps another operand/, () => {
  const code = rows.code.slice();
  code[code.length - 3] = code[code.length - 6] ?? 0;
  create({ code }, rows);
});
// The upper half of where a draw begins in the words of its key follows the rank, the size, and that of one load, which is drawn.
for (const upper of [-1, 4, 1 << 20, 1 << 30]) {
  refuses(/more random words than a key has|a size of/, () => {
    const code = numbers.code.slice();
    code[8] = upper;
    create({ code }, numbers);
  });
}
refuses(/memory 0 has 4 bytes; the program uses 8/, () =>
  engine.run(create({}, numbers), new Int32Array(1), new Float32Array(8)),
);
assert.ok(create({ code: new Int32Array(0), constants: [] }), "a program that does nothing");
/** Copies of [2, 20, 3] numbers from memory 0, transposed, to the 1060 of memory 1 from `start` on, where rows are so far apart. */
function transposition(
  row: number,
  start = row < 0 ? -19 * row : 0,
  { whole = 1060, copies = 1 } = {},
): unknown {
  const wides = (...values: number[]) => values.flatMap((value) => [value, value < 0 ? -1 : 0]);
  const walk = [3, ...wides(2, 100, 1000, 20, 1, row, 3, 20, 1), ...wides(start), 1, ...wides(0)];
  const all = Array.from({ length: copies }, () => walk).flat();
  const body = [dtypes.indexOf("float32"), ...wides(whole, copies), ...all, 2, ...wides(0)];
  const code = Int32Array.of(addon.ops().instructions.copy ?? -1, body.length, ...body);
  return create({ code, constants: [], externals: 2, arenaBytes: 0 });
}
refuses(/elements that are written twice/, () => transposition(0));
for (const start of [0, 56, 58, 2 ** 30])
  refuses(/elements beyond the result/, () => transposition(-3, start));
refuses(/elements beyond the result/, () => transposition(-3, 57, { whole: 1059 }));
refuses(/a size of/, () => transposition(-3, -1));
refuses(/cut off|too short/, () => {
  const code = Int32Array.of(addon.ops().instructions.copy ?? -1, 5, 0, 8, 0, 1 << 20, 0);
  create({ code, constants: [], externals: 2, arenaBytes: 0 });
});
for (const copies of [1, 3]) {
  const [from, to] = [Float32Array.from({ length: 200 }, (_, i) => i), new Float32Array(1060)];
  engine.run(transposition(-3, 57, { copies }), from, to);
  assert.deepEqual([...to.subarray(54, 60)], [1, 21, 41, 0, 20, 40], "rows in the opposite order");
}

// run and runAsync
const gather = create({}, rows);
const shared = new Int32Array(4);
const both = [
  ["run", (handle: unknown, ...memories: unknown[]) => engine.run(handle, ...memories)],
  ["runAsync", (handle: unknown, ...memories: unknown[]) => engine.runAsync(handle, memories)],
] as const;
for (const [name, run] of both) {
  for (const handle of nothing) refuses(/expected a program made by createProgram/, () => run(handle, x, y));
  refuses(new RegExp(`${name} expects 2 memories; received 0`), () => run(program));
  refuses(new RegExp(`${name} expects 2 memories; received 1`), () => run(program, x));
  refuses(new RegExp(`${name} expects 2 memories; received 3`), () => run(program, x, y, y));
  refuses(new RegExp(`${name} expects 2 memories; received 40`), () =>
    run(program, ...new Array(40).fill(x)),
  );
  for (const memory of [
    undefined,
    null,
    7,
    {},
    [1, 2],
    new ArrayBuffer(32),
    new DataView(new ArrayBuffer(32)),
  ])
    refuses(/memory 1 is not a typed array/, () => run(program, x, memory));
  refuses(/memory 0 has 28 bytes; the program uses 32/, () => run(program, new Float32Array(7), y));
  refuses(/memory 1 has 31 bytes; the program uses 32/, () => run(program, x, new Uint8Array(31)));
  refuses(/memory 0 has 0 bytes; the program uses 32/, () => run(program, detached(), y));
  refuses(/memory 1 is not aligned/, () => run(program, x, new Uint8Array(33).subarray(1)));
}
refuses(/runAsync expects a program and an array/, () => engine.runAsync(program));
refuses(/runAsync expects a program and an array/, () => engine.runAsync(program, x));
refuses(/run expects a program and its memories/, () => engine.run());
refuses(/gather: expected a result apart from the indices/, () =>
  engine.run(gather, new Float32Array(8), shared, shared),
);

// The times of a run
refuses(/runTimed expects times, a program and its memories/, () => engine.runTimed(new Float64Array(2)));
for (const times of [...nothing, new Float64Array(1), new Float32Array(8), new BigInt64Array(2)])
  refuses(/times of a run go into a Float64Array of 2 elements/, () => engine.runTimed(times, program, x, y));
for (const times of [null, 7, {}, new Float64Array(1), new Float32Array(8)])
  refuses(/times of a run go into a Float64Array of 2 elements/, () =>
    engine.runAsync(program, [x, y], times),
  );
const times = new Float64Array(3);
const before = engine.now() as number;
engine.runTimed(times, program, x, y);
assert.ok((times[0] ?? 0) >= before && (times[1] ?? 0) >= (times[0] ?? 0) && times[2] === 0, times.join());
const asynchronous = new Float64Array(2);
await (engine.runAsync(program, [x, y], asynchronous) as [number, Promise<void>])[1];
assert.ok((asynchronous[0] ?? 0) >= (times[1] ?? 0), asynchronous.join());

// What is unusual and yet right.
engine.run(program, new Float32Array(new SharedArrayBuffer(64), 4, 9), new Uint8Array(40));
engine.run(program, new Float32Array(new ArrayBuffer(64, { maxByteLength: 128 })), y);
engine.run(program, x, x);
assert.deepEqual([...x], [0, 1, 2, 3, 4, 5, 6, 7], "a sum over its own operand");

// wait: no number makes it wait for what will never be.
const waits = [0, 1, 0.5, 1e6, 2 ** 52];
for (const number of [undefined, null, "1", {}, 1n, -1, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])
  refuses(/wait expects the number of a run/, () => engine.wait(number));
for (const number of waits) engine.wait(number);
const [number, done] = engine.runAsync(program, [new Float32Array(8), y]) as [number, Promise<void>];
for (const other of [...waits, number, number, number + 1]) engine.wait(other);
await done;
engine.wait(number);
// The promise is told of a failure, and so is who waits before it is settled.
const [failing, failure] = engine.runAsync(gather, [new Float32Array(8), Int32Array.of(0, 9, 0, 0), y]) as [
  number,
  Promise<void>,
];
refuses(/expected indices from 0 to 7 .*received 9/, () => engine.wait(failing));
await assert.rejects(failure, RangeError);
engine.wait(failing);

for (const set of ["setThreads", "setDefaultThreads"] as const) {
  for (const count of [undefined, null, "2", {}, 0, -1, 1025, 2 ** 32, Number.NaN])
    refuses(/a number of threads is a whole number from 1 to 1024/, () => engine[set](count));
}
console.log("done");
