import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { FormatError, ValueError } from "nagare";
import { load, writeSafetensors } from "../../packages/nagare/src/saved/index.ts";
import {
  folder,
  type GraphFile,
  loadWith,
  type Node,
  readGraph,
  refused,
  replaceFile,
  root,
  sound,
} from "./hostileFiles.ts";
import { floats } from "./tensors.ts";

describe("a damaged saved model", () => {
  test("is noticed wherever a bit flips in its graph and weights, and wherever they end", async () => {
    cpSync(sound, folder, { recursive: true });
    for (const name of ["graph.json", "weights.safetensors"]) {
      const whole = readFileSync(join(sound, name));
      const path = join(folder, name);
      for (let at = 0; at < whole.length; at += 3) {
        writeFileSync(path, whole.with(at, (whole[at] ?? 0) ^ (1 << (at & 7))));
        await assert.rejects(load(folder), refused(/SHA-256/), `${name}, byte ${at}`);
      }
      for (let length = 0; length < whole.length; length += 7) {
        writeFileSync(path, whole.subarray(0, length));
        await assert.rejects(load(folder), refused(/expected \d+ bytes/), `${name}, ${length} bytes`);
      }
      writeFileSync(path, Buffer.concat([whole, whole]));
      await assert.rejects(load(folder), refused(/expected at most \d+ bytes/));
      rmSync(path);
      await assert.rejects(load(folder), ValueError);
      writeFileSync(path, whole);
    }
  });

  test("is read or refused whatever happens to its metadata", async () => {
    cpSync(sound, folder, { recursive: true });
    const path = join(folder, "metadata.json");
    const whole = readFileSync(path);
    for (let bit = 0; bit < 8 * whole.length; bit += 3) {
      writeFileSync(path, whole.with(bit >> 3, (whole[bit >> 3] ?? 0) ^ (1 << (bit & 7))));
      await load(folder).catch((error) =>
        assert.ok(error instanceof FormatError, `bit ${bit}: ${String(error)}`),
      );
    }
    for (let length = 0; length < whole.length - 1; length++) {
      writeFileSync(path, whole.subarray(0, length));
      await assert.rejects(load(folder), FormatError, `${length} bytes`);
    }
    writeFileSync(path, " ".repeat(17 * 2 ** 20));
    await assert.rejects(load(folder), refused(/at most 16777216 bytes/));
  });

  test("a folder without a model is a ValueError that names the file", async () => {
    await assert.rejects(
      load(join(root, "nowhere")),
      (error) => error instanceof ValueError && /metadata\.json/.test(error.message),
    );
  });
});

describe("a hostile graph is a FormatError", () => {
  type Change = (
    graph: GraphFile,
    signature: GraphFile["signatures"]["serving_default"],
    nodes: Node[],
  ) => unknown;
  const node = (nodes: Node[], op: string): Node => nodes.find((candidate) => candidate.op === op) as Node;
  const changes: Readonly<Record<string, readonly [Change, RegExp]>> = {
    "no JSON": [() => "{", /expected JSON/],
    "a million levels": [() => "[".repeat(1e6), /at most 64 levels/],
    "another format": [
      (graph) => ({ ...graph, format: "onnx" }),
      /format: expected "nagare\.graph"; received "onnx"/,
    ],
    "a newer version": [(graph) => ({ ...graph, version: 2 }), /expected version 1.*received 2\. Update/],
    "no signatures": [(graph) => ({ ...graph, signatures: {} }), /at least one signature/],
    "a signature that is no object": [
      (graph) => ({ ...graph, signatures: { a: 1 } }),
      /expected an object; received 1/,
    ],
    "no nodes": [
      (_, signature) => Object.assign(signature, { nodes: undefined }),
      /nodes: expected an array; received nothing/,
    ],
    "no outputs": [(_, signature) => Object.assign(signature, { outputs: {} }), /at least one output/],
    "an unknown operation": [
      (_, __, [first]) => Object.assign(first ?? {}, { op: "exec" }),
      /no operation named "exec"/,
    ],
    "an operation named like a method": [
      (_, __, [first]) => Object.assign(first ?? {}, { op: "toString" }),
      /no operation named/,
    ],
    "an operation only passes make": [
      (_, __, [first]) => Object.assign(first ?? {}, { op: "fusion" }),
      /no operation named/,
    ],
    "an operand too few": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d"), { inputs: [0] }),
      /2 operand\(s\) of conv2d; received 1/,
    ],
    "an operand too many": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d"), { inputs: [0, 1, 1] }),
      /received 3/,
    ],
    "no operands at all": [
      (_, __, nodes) => Object.assign(node(nodes, "concat"), { inputs: [] }),
      /at least one operand of concat/,
    ],
    "an operand that comes later": [
      (_, __, [first]) => Object.assign(first ?? {}, { inputs: [0, 20] }),
      /inputs\[1\]: expected a whole number from 0 to/,
    ],
    "an operand that is the node itself": [
      (_, signature, [first]) => Object.assign(first ?? {}, { inputs: [0, 1 + signature.constants.length] }),
      /inputs\[1\]: expected a whole number from 0 to/,
    ],
    "a negative operand": [
      (_, __, [first]) => Object.assign(first ?? {}, { inputs: [-1, 0] }),
      /inputs\[0\]/,
    ],
    "an operand by name": [
      (_, __, [first]) => Object.assign(first ?? {}, { inputs: ["length", 0] }),
      /inputs\[0\]/,
    ],
    "an operand of another shape": [
      (_, __, nodes) => Object.assign(node(nodes, "matmul"), { inputs: [0, 0] }),
      /nodes\[\d+\]: matmul/,
    ],
    "a result of another shape": [
      (_, __, nodes) =>
        Object.assign(node(nodes, "conv2d"), { results: [{ dtype: "float32", shape: ["batch", 9, 9, 2] }] }),
      /expected float32\[batch, 9, 9, 2\]; received float32\[batch, 4, 4, 2\]/,
    ],
    "a result too many": [
      (_, __, nodes) => Object.assign(node(nodes, "relu") ?? nodes[0] ?? {}, { results: [] }),
      /results: expected 1 result/,
    ],
    "an output that nothing makes": [
      (_, { outputs: { y } }) => Object.assign(y ?? {}, { value: 999 }),
      /value: expected a whole number/,
    ],
    "an output of another dtype": [
      (_, { outputs: { y } }) => Object.assign(y ?? {}, { dtype: "int8" }),
      /expected int8.*received float32/,
    ],
    "an unknown dtype": [
      (_, { inputs: { x } }) => Object.assign(x ?? {}, { dtype: "float8" }),
      /dtype: expected a dtype; received "float8"/,
    ],
    "a negative size": [
      (_, { inputs: { x } }) => Object.assign(x ?? {}, { shape: [-1, 6, 6, 1] }),
      /shape\[0\]: expected a whole number/,
    ],
    "a negative size as text": [
      (_, { inputs: { x } }) => Object.assign(x ?? {}, { shape: ["-1", 6, 6, 1] }),
      /whole numbers from 0 up/,
    ],
    "a size that is no expression": [
      (_, { inputs: { x } }) => Object.assign(x ?? {}, { shape: ["batch()", 6, 6, 1] }),
      /a dimension such as/,
    ],
    "a size longer than any": [
      (_, { inputs: { x } }) => Object.assign(x ?? {}, { shape: ["a+".repeat(1e6), 6, 6, 1] }),
      /a dimension such as/,
    ],
    "sizes that explode when multiplied": [
      (_, { inputs: { x } }) => {
        const sum = (letter: string) =>
          Array.from({ length: 100 }, (_unused, i) => `${letter}${i}`).join("+");
        return Object.assign(x ?? {}, { shape: [..."abcdefgh"].map(sum) });
      },
      /simpler symbolic sizes/,
    ],
    "a name no input carries": [
      (_, { inputs: { x } }) => Object.assign(x ?? {}, { shape: ["2*batch", 6, 6, 1] }),
      /./,
    ],
    "an input larger than any memory": [
      (_, { inputs: { x } }) => Object.assign(x ?? {}, { shape: [2 ** 40, 2 ** 40, 6, 1] }),
      /at most 4294967296 bytes/,
    ],
    "two inputs with one number": [
      (_, { inputs }) => Object.assign(inputs, { z: { ...inputs.x } }),
      /a number of its own/,
    ],
    "an input number left out": [
      (_, { inputs: { x } }) => Object.assign(x ?? {}, { value: 1 }),
      /from 0 to 0/,
    ],
    "a weight that is not there": [
      (_, { constants }) => Object.assign(constants.at(-1) ?? {}, { weight: "none" }),
      /the name of a weight; received "none"/,
    ],
    "a weight of another shape": [
      (_, { constants }) => Object.assign(constants.at(-1) ?? {}, { shape: [99] }),
      /expected float32\[99\]; received/,
    ],
    "a weight of another dtype": [
      (_, { constants }) => Object.assign(constants.at(-1) ?? {}, { dtype: "int32" }),
      /expected int32/,
    ],
    "an element that is no number": [
      (_, { constants }) => constants.push({ dtype: "float32", shape: [], element: "1" }),
      /an element of float32/,
    ],
    "an element with a shape": [
      (_, { constants }) => constants.push({ dtype: "float32", shape: [3], element: 1 }),
      /./,
    ],
    "an int64 that is no bigint": [
      (_, { constants }) => constants.push({ dtype: "int64", shape: [], element: 1 }),
      /an element of int64/,
    ],
    "a bigint that is none": [
      (_, { constants }) => constants.push({ dtype: "int64", shape: [], element: { $bigint: "1e9" } }),
      /one of \$dim, \$bigint/,
    ],
    "an unknown tag": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { groups: { $eval: "1" } }),
      /one of \$dim/,
    ],
    "a parameter left out": [
      (_, __, nodes) => delete node(nodes, "conv2d").params.strides,
      /parameters of conv2d such as/,
    ],
    "a parameter too many": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { extra: 1 }),
      /for "extra"/,
    ],
    "a parameter of another kind": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { strides: "11" }),
      /for "strides"/,
    ],
    "a fraction among whole numbers": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { strides: [0.5, 1] }),
      /for "strides"/,
    ],
    "a stride of 0": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { strides: [0, 1] }),
      /./,
    ],
    "a negative dilation": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { dilation: [-1, 1] }),
      /./,
    ],
    "a negative padding": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { padding: [-1, 0, 0, 0] }),
      /./,
    ],
    "groups that do not divide": [
      (_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { groups: 3 }),
      /./,
    ],
    "no groups": [(_, __, nodes) => Object.assign(node(nodes, "conv2d").params, { groups: 0 }), /./],
    "a window of 0": [
      (_, __, nodes) => Object.assign(node(nodes, "maxPool2d").params, { window: [0, 2] }),
      /./,
    ],
    "an axis that is not there": [
      (_, __, nodes) => Object.assign(node(nodes, "concat").params, { axis: 2 }),
      /./,
    ],
    "an axis of one half": [
      (_, __, nodes) => Object.assign(node(nodes, "concat").params, { axis: 0.5 }),
      /./,
    ],
    "a permutation with an axis twice": [
      (_, __, nodes) => Object.assign(node(nodes, "transpose").params, { permutation: [0, 0] }),
      /./,
    ],
  };
  for (const [name, [change, message]] of Object.entries(changes)) {
    test(name, async () => {
      const graph = readGraph();
      const { serving_default: signature } = graph.signatures;
      const changed = change(graph, signature, signature.nodes);
      const isWhole =
        typeof changed === "string" || (changed as GraphFile | undefined)?.signatures !== undefined;
      await assert.rejects(loadWith(isWhole ? changed : graph), refused(message));
    });
  }

  test("weights that the graph does not fit are refused, whatever their file says", async () => {
    cpSync(sound, folder, { recursive: true });
    replaceFile("weights.safetensors", writeSafetensors(new Map([["layers.0.kernel", floats([1, 2])]])));
    await assert.rejects(load(folder), FormatError);
    replaceFile("weights.safetensors", new Uint8Array(8).fill(0xff));
    await assert.rejects(load(folder), refused(/weights\.safetensors/));
  });
});
