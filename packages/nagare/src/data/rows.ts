/** Examples that are rows of tensors: any order of them is a list of indices, and a batch is one gather. */
import {
  ConcreteTensor,
  CpuStorage,
  concreteSize,
  DTypeError,
  flatten,
  formatAval,
  type Shape,
  ShapeError,
  type Tensor,
  type TreeDef,
  type TypedArray,
  unflatten,
  ValueError,
} from "../core/index.ts";
import { asTensor } from "../ops/index.ts";
import { allocateUninitialized } from "../runtime/index.ts";
import { copyElements, isPlainRecord, tensorOfTypedArray } from "./collate.ts";
import { permutation } from "./permutation.ts";
import { batchCount, type Source } from "./source.ts";

/** A tree of tensors whose first axes have one size. */
interface Table {
  readonly columns: readonly Tensor[];
  readonly def: TreeDef;
  readonly count: number;
}

/** The rows of an epoch in their order. */
type Order = (epoch: number) => Uint32Array;

/** A tree of tensors and typed arrays as a table. Throws ShapeError, DTypeError or ValueError that names the leaf. */
function tableOf(tree: unknown): Table {
  const paths: string[] = [];
  const tensors = (node: unknown, path: string): unknown => {
    const where = `fromTensors${path === "" ? "" : ` (${path.slice(1)})`}`;
    if (Array.isArray(node)) return node.map((child, i) => tensors(child, `${path}.${i}`));
    if (isPlainRecord(node)) {
      const keys = Object.keys(node).sort();
      return Object.fromEntries(keys.map((key) => [key, tensors(node[key], `${path}.${key}`)]));
    }
    if (
      typeof node === "number" ||
      typeof node === "bigint" ||
      typeof node === "boolean" ||
      typeof node === "string"
    ) {
      throw new DTypeError(`${where}: expected a tensor or a typed array; received ${String(node)}.`);
    }
    const leaf = tensorOfTypedArray(node, where) ?? asTensor(node as Tensor, where);
    if (leaf.rank === 0) {
      throw new ShapeError(
        `${where}: expected tensors whose first axis counts the examples; received ${formatAval(leaf)}.`,
      );
    }
    paths.push(where);
    return leaf;
  };
  const { leaves, def } = flatten(tensors(tree, ""));
  const columns = leaves as Tensor[];
  const [first] = columns;
  if (!first) throw new ValueError("fromTensors: expected at least one tensor; received none.");
  const count = concreteSize([first.shape[0] ?? 0]);
  columns.forEach((column, i) => {
    if (column.shape[0] !== count) {
      throw new ShapeError(
        `${paths[i]}: expected ${count} examples on the first axis, as ${formatAval(first)} has; received ${formatAval(column)}.`,
      );
    }
  });
  if (count === 0)
    throw new ValueError(`fromTensors: expected at least one example; received ${formatAval(first)}.`);
  return { columns, def, count };
}

/** A column whose elements are at hand. */
interface ReadColumn {
  readonly tensor: Tensor;
  readonly array: TypedArray;
  readonly rowShape: Shape;
  readonly rowSize: number;
}

async function readColumns(table: Table): Promise<ReadColumn[]> {
  return Promise.all(
    table.columns.map(async (tensor) => {
      const rowShape = tensor.shape.slice(1);
      return { tensor, array: await tensor.readStorage().read(), rowShape, rowSize: concreteSize(rowShape) };
    }),
  );
}

/** The rows `order[first]` … `order[limit − 1]` as fresh tensors of the given leading shape. */
function gatherRows(
  table: Table,
  columns: readonly ReadColumn[],
  order: Uint32Array,
  first: number,
  limit: number,
  leading: Shape,
): unknown {
  const leaves = columns.map(({ tensor, array, rowShape, rowSize }) => {
    const result = allocateUninitialized(tensor.dtype, (limit - first) * rowSize);
    for (let i = first; i < limit; i++) {
      copyElements(array, (order[i] ?? 0) * rowSize, result, (i - first) * rowSize, rowSize);
    }
    return new ConcreteTensor([...leading, ...rowShape], tensor.dtype, new CpuStorage(result));
  });
  return unflatten(table.def, leaves);
}

/** The rows of a table in an order of each epoch. */
export class RowSource<T> implements Source<T> {
  readonly size: number;
  readonly #table: Table;
  readonly #order: Order;

  constructor(table: Table, size: number, order: Order) {
    this.#table = table;
    this.size = size;
    this.#order = order;
  }

  static of<T>(tree: T): RowSource<T> {
    const table = tableOf(tree);
    const order = Uint32Array.from({ length: table.count }, (_, i) => i);
    return new RowSource(table, table.count, () => order);
  }

  async *open(epoch: number, skip: number): AsyncIterable<T> {
    const columns = await readColumns(this.#table);
    const order = this.#order(epoch);
    for (let i = skip; i < order.length; i++) {
      yield gatherRows(this.#table, columns, order, i, i + 1, []) as T;
    }
  }

  /** The same rows in another order each epoch. */
  shuffle(seed: number): RowSource<T> {
    return new RowSource(this.#table, this.size, (epoch) => {
      const order = this.#order(epoch);
      return permutation(seed, epoch, this.size).map((i) => order[i] ?? 0);
    });
  }

  /** Rows `first` up to, but not including, `limit`. */
  range(first: number, limit: number): RowSource<T> {
    const size = Math.max(0, Math.min(this.size, limit) - first);
    return new RowSource(this.#table, size, (epoch) => this.#order(epoch).subarray(first, first + size));
  }

  /** `count` rows at a time, gathered straight into the batch. */
  batch(count: number, dropRemainder: boolean): Source<T> {
    const table = this.#table;
    const orderOf = this.#order;
    const size = batchCount(this.size, count, dropRemainder) ?? 0;
    return {
      size,
      async *open(epoch, skip) {
        const columns = await readColumns(table);
        const order = orderOf(epoch);
        for (let batch = skip; batch < size; batch++) {
          const first = batch * count;
          const limit = Math.min(first + count, order.length);
          yield gatherRows(table, columns, order, first, limit, [limit - first]) as T;
        }
      },
    };
  }
}
