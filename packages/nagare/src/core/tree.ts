/**
 * Trees: nested arrays and records (and objects that say how, such as modules) whose leaves are tensors.
 * Every transform takes and returns trees.
 */
import { ValueError } from "./errors.ts";
import type { TensorHolder } from "./tensor.ts";
import { Tensor } from "./tensor.ts";

/** Objects with this method are inner nodes of a tree: it names their children. */
export const treeChildren: unique symbol = Symbol("nagare.treeChildren");

/** An object that is an inner node of a tree, such as a module: its children by name. */
export interface TreeNode {
  [treeChildren](): Readonly<Record<string, unknown>>;
}

/** A leaf: a tensor, something that holds one (a Variable), or a JavaScript number. */
export type Leaf = Tensor | TensorHolder | number | bigint | boolean;

/** The structure of a tree without its leaves. */
export type TreeDef =
  | { readonly kind: "leaf" }
  | { readonly kind: "static"; readonly value: unknown }
  | { readonly kind: "array"; readonly children: readonly TreeDef[] }
  | { readonly kind: "record"; readonly keys: readonly string[]; readonly children: readonly TreeDef[] }
  | {
      readonly kind: "object";
      readonly object: object;
      readonly keys: readonly string[];
      readonly children: readonly TreeDef[];
    };

const leafDef: TreeDef = { kind: "leaf" };

/** Whether `value` is a leaf of trees. */
export function isLeaf(value: unknown): value is Leaf {
  return (
    value instanceof Tensor ||
    typeof value === "number" ||
    typeof value === "bigint" ||
    typeof value === "boolean" ||
    isHolder(value)
  );
}

/** Whether `value` holds a tensor, as a Variable does. */
export function isHolder(value: unknown): value is TensorHolder {
  return typeof value === "object" && value !== null && holderMark in value;
}

/** Objects that hold a tensor carry this mark. */
export const holderMark: unique symbol = Symbol("nagare.tensorHolder");

/**
 * The leaves of a tree in a fixed order (records by sorted key), and its structure.
 * Strings, null, undefined and functions are part of the structure.
 */
export function flatten(tree: unknown): { leaves: Leaf[]; def: TreeDef } {
  const leaves: Leaf[] = [];
  const visit = (node: unknown): TreeDef => {
    if (isLeaf(node)) {
      leaves.push(node);
      return leafDef;
    }
    if (Array.isArray(node)) return { kind: "array", children: node.map(visit) };
    if (typeof node !== "object" || node === null) return { kind: "static", value: node };
    if (treeChildren in node) {
      const children = (node as TreeNode)[treeChildren]();
      const keys = Object.keys(children);
      return { kind: "object", object: node, keys, children: keys.map((key) => visit(children[key])) };
    }
    const prototype: unknown = Object.getPrototypeOf(node);
    if (prototype !== Object.prototype && prototype !== null) return { kind: "static", value: node };
    const record = node as Record<string, unknown>;
    const keys = Object.keys(record).sort();
    return { kind: "record", keys, children: keys.map((key) => visit(record[key])) };
  };
  const def = visit(tree);
  return { leaves, def };
}

/**
 * The tree of structure `def` with the given leaves. An object node becomes a plain record of its children, unless
 * `keepObjects` asks for the object itself (whose leaves are then left out of what is built).
 */
export function unflatten(def: TreeDef, leaves: readonly unknown[], { keepObjects = false } = {}): unknown {
  let next = 0;
  const build = (node: TreeDef): unknown => {
    switch (node.kind) {
      case "leaf":
        return leaves[next++];
      case "static":
        return node.value;
      case "array":
        return node.children.map(build);
      case "record":
      case "object": {
        const entries = node.children.map((child, i) => [node.keys[i], build(child)] as const);
        return node.kind === "object" && keepObjects ? node.object : Object.fromEntries(entries);
      }
    }
  };
  const tree = build(def);
  if (next !== leaves.length) {
    throw new ValueError(`unflatten: the structure has ${next} leaves; received ${leaves.length}.`);
  }
  return tree;
}

/** `f` applied to every leaf; the structure stays. */
export function mapTree(tree: unknown, f: (leaf: Leaf) => unknown): unknown {
  const { leaves, def } = flatten(tree);
  return unflatten(def, leaves.map(f));
}

const objectIds = new WeakMap<object, number>();
let nextObjectId = 0;

function identity(value: unknown): string {
  if ((typeof value !== "object" || value === null) && typeof value !== "function") {
    return `${typeof value}:${String(value)}`;
  }
  let id = objectIds.get(value);
  if (id === undefined) {
    id = nextObjectId++;
    objectIds.set(value, id);
  }
  return `#${id}`;
}

/** A string equal for equal structures; objects count by identity. */
export function treeKey(def: TreeDef): string {
  switch (def.kind) {
    case "leaf":
      return "*";
    case "static":
      return identity(def.value);
    case "array":
      return `[${def.children.map(treeKey).join(",")}]`;
    case "record":
      return `{${def.children.map((child, i) => `${JSON.stringify(def.keys[i])}:${treeKey(child)}`).join(",")}}`;
    case "object":
      return identity(def.object);
  }
}

/** Throws ValueError unless two trees have the same structure. */
export function checkSameStructure(a: TreeDef, b: TreeDef, where: string): void {
  const [keyA, keyB] = [treeKey(a), treeKey(b)];
  if (keyA !== keyB) {
    throw new ValueError(`${where}: expected the structure ${keyA}; received ${keyB}.`);
  }
}
