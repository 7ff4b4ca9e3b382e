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
    if (!isRecord(node)) return { kind: "static", value: node };
    const keys = Object.keys(node).sort();
    return { kind: "record", keys, children: keys.map((key) => visit(node[key])) };
  };
  const def = visit(tree);
  return { leaves, def };
}

function isRecord(node: object): node is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(node);
  return prototype === Object.prototype || prototype === null;
}

/**
 * Whether `flatten(tree)` gives the structure `def`; then its leaves are added to `leaves`, otherwise perhaps some of them.
 * Makes nothing: for callers that see the same structure again and again.
 */
export function flattenLike(def: TreeDef, tree: unknown, leaves: Leaf[]): boolean {
  if (def.kind === "leaf") {
    if (!isLeaf(tree)) return false;
    leaves.push(tree);
    return true;
  }
  if (def.kind === "static") return Object.is(def.value, tree);
  if (def.kind === "array") {
    if (!Array.isArray(tree) || tree.length !== def.children.length) return false;
    for (let i = 0; i < tree.length; i++) {
      const child = def.children[i];
      if (!child || !flattenLike(child, tree[i], leaves)) return false;
    }
    return true;
  }
  const children = childrenLike(def, tree);
  if (!children || Object.keys(children).length !== def.keys.length) return false;
  for (let i = 0; i < def.keys.length; i++) {
    const [key, child] = [def.keys[i], def.children[i]];
    if (key === undefined || !child || !Object.hasOwn(children, key)) return false;
    if (!flattenLike(child, children[key], leaves)) return false;
  }
  return true;
}

/** What `flatten` looks into at a node of the kind of `def`; nothing where the node is of another. */
function childrenLike(
  def: Extract<TreeDef, { readonly keys: readonly string[] }>,
  node: unknown,
): Readonly<Record<string, unknown>> | undefined {
  if (typeof node !== "object" || node === null || isLeaf(node)) return undefined;
  if (def.kind === "object") return node === def.object ? (node as TreeNode)[treeChildren]() : undefined;
  return !(treeChildren in node) && isRecord(node) ? node : undefined;
}

/**
 * The tree of structure `def` with the given leaves. An object node becomes a plain record of its children, unless
 * `keepObjects` asks for the object itself (whose leaves are then left out of what is built).
 */
export function unflatten(def: TreeDef, leaves: readonly unknown[], { keepObjects = false } = {}): unknown {
  if (def.kind === "leaf" && leaves.length === 1) return leaves[0];
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
