/** Operations that sum: reductions, convolutions, pooling, gathering by index. */
import { type DType, type Graph, type Node, producers, required, type Value } from "nagare/backend";
import { InstructionWriter, type Place } from "../instructions.ts";
import { chainBefore } from "./chain.ts";
import { writeMaking } from "./elementwise.ts";
import {
  type FusedLowering,
  headOf,
  type Lowering,
  type LoweringContext,
  operandOf,
  product,
  productOf,
  resultOf,
  sizes,
  writeEpilogue,
} from "./lowering.ts";
import { lowerMatmul } from "./matmul.ts";

/**
 * Adjacent axes reduce as one: legalize.ts has split all others. The operand of a fused reduction is made by its chain, and so are
 * those of several, which are of one shape.
 */
function lowerReduction(node: Node, context: LoweringContext): void {
  const { writer, reductions, place } = context;
  const { op, params, inputs } = headOf(node) ?? node;
  const { body } = node;
  const [x = operandOf(node, 0)] = inputs;
  const shape = sizes(x);
  const axes = (params.axes ?? [params.axis]) as readonly number[];
  const first = axes[0] ?? shape.length;
  const last = axes.at(-1) ?? first - 1;
  writer.instruction("reduce", () => {
    writer.int(reductions.get(op.name) ?? -1);
    writer.dtype(x.dtype);
    writer.wides([
      product(shape.slice(0, first)),
      product(shape.slice(first, last + 1)),
      product(shape.slice(last + 1)),
    ]);
    writer.int(node.outputs.length);
    for (const y of node.outputs) writer.place(place(y));
    writer.flag(body !== undefined);
    if (body) writeMaking(chainBefore(node, body, reducedBy(body), context), shape, context);
    else writer.place(place(x));
  });
}

/** What the reductions of a body reduce, in the order of its results. */
function reducedBy(body: Graph): Value[] {
  const producer = producers(body);
  return body.outputs.map((output) => operandOf(required(producer, output), 0));
}

type Convolved = "conv2d" | "conv2dInputGrad" | "conv2dFilterGrad";

/** Which of operand 0, operand 1 and the result are the images x, the kernel w and the windows' values y. */
const roles: { readonly [K in Convolved]: readonly ["x" | "w" | "y", "x" | "w" | "y", "x" | "w" | "y"] } = {
  conv2d: ["x", "w", "y"],
  conv2dInputGrad: ["y", "w", "x"],
  conv2dFilterGrad: ["x", "y", "w"],
};

/** A convolution as its instructions begin: the dtype, and all sizes, those of the kernel among them. */
interface Sizes {
  readonly dtype: DType;
  readonly all: readonly number[];
  readonly kernel: readonly number[];
}

/** The filters of a forward pass as the engine lays them out, if they are a constant for which that is worth it. */
function packedFilters(
  filters: Value,
  { dtype, all, kernel }: Sizes,
  context: LoweringContext,
): { readonly layout: number; readonly place: Place } | undefined {
  const numbers = new InstructionWriter(new Map());
  numbers.dtype(dtype);
  numbers.wides(all);
  const layout = context.filterLayout(numbers.finish());
  if (layout === 0) return undefined;
  const place = context.prepared(filters, {
    dtype,
    write: (writer, from, to) =>
      writer.instruction("packFilters", () => {
        writer.dtype(dtype);
        writer.wides(kernel);
        writer.int(layout);
        writer.place(from);
        writer.place(to);
      }),
  });
  return place && { layout, place };
}

function lowerConvolution(node: Node, context: LoweringContext): void {
  const { writer, place } = context;
  const convolution = productOf(node);
  const values = [convolution.a.value, convolution.b.value, convolution.result] as const;
  const shapes = Object.fromEntries(
    roles[convolution.name as Convolved].map((role, i) => [role, sizes(values[i] ?? values[2])]),
  );
  const { x = [], w = [], y = [] } = shapes as Record<"x" | "w" | "y", readonly number[]>;
  const { strides, padding, dilation, groups } = convolution.params as {
    strides: readonly number[];
    padding: readonly number[];
    dilation: readonly number[];
    groups: number;
  };
  const [top = 0, , left = 0] = padding;
  const [batch = 0, inH = 0, inW = 0, inC = 0] = x;
  const [, outH = 0, outW = 0, outC = 0] = y;
  const [kH = 0, kW = 0] = w;
  const { dtype } = values[2];
  const all = [batch, inH, inW, inC, outH, outW, outC, kH, kW, ...strides, top, left, ...dilation, groups];
  const kernel = [kH, kW, inC, outC, groups];
  const packed =
    convolution.name === "conv2d" ? packedFilters(values[1], { dtype, all, kernel }, context) : undefined;
  writer.instruction(convolution.name, () => {
    writer.dtype(dtype);
    writer.wides(all);
    writer.int(packed?.layout ?? 0);
    writeEpilogue(convolution, ["scale", "bias", "residual"], context, () => {
      values.forEach((value, i) => {
        writer.place((i === 1 && packed?.place) || place(value));
      });
    });
  });
}

/** Operands come as the engine takes them; the images are x, the windows y. */
function lowerPooling(images: "input" | "result", order: readonly number[]): Lowering {
  return (node, { writer, place }) => {
    const y = resultOf(node);
    const [large, small] =
      images === "input"
        ? [sizes(operandOf(node, order[0] ?? 0)), sizes(y)]
        : [sizes(y), sizes(operandOf(node, 0))];
    const { window, strides, padding, countPadding } = node.params as {
      window: readonly number[];
      strides: readonly number[];
      padding: readonly number[];
      countPadding?: boolean;
    };
    const [top = 0, , left = 0] = padding;
    const [batch = 0, inH = 0, inW = 0, channels = 0] = large;
    const [, outH = 0, outW = 0] = small;
    writer.instruction(node.op.name, () => {
      writer.dtype(y.dtype);
      writer.wides([batch, inH, inW, channels, outH, outW, ...window, ...strides, top, left]);
      writer.flag(countPadding ?? false);
      for (const index of order) writer.place(place(operandOf(node, index)));
      writer.place(place(y));
    });
  };
}

/** gather and scatterAdd walk the same picks, from x to the picked rows or back. */
function lowerIndexing(scatter: boolean): Lowering {
  return (node, { writer, place }) => {
    const [from, indices, to] = [operandOf(node, 0), operandOf(node, 1), resultOf(node)];
    const { axis, batchAxes: batched } = node.params as { axis: number; batchAxes: number };
    const whole = sizes(scatter ? to : from);
    writer.instruction(node.op.name, () => {
      writer.dtype(to.dtype);
      writer.flag(indices.dtype === "int64");
      writer.wides([
        product(whole.slice(0, batched)),
        product(whole.slice(batched, axis)),
        whole[axis] ?? 1,
        product(whole.slice(axis + 1)),
        product(sizes(indices).slice(batched)),
      ]);
      for (const value of [from, indices, to]) writer.place(place(value));
    });
  };
}

/** subtractRows, on operands of the dtypes it has kernels for. */
export const indexing: { readonly [name: string]: FusedLowering } = {
  subtractRows: {
    takes: ([x]) => x?.dtype === "float32" || x?.dtype === "float64",
    lower: (node, { writer, place }) => {
      const [x, indices] = [operandOf(node, 0), operandOf(node, 1)];
      const [n = 0, ...rest] = sizes(x);
      writer.instruction("subtractRows", () => {
        writer.dtype(x.dtype);
        writer.flag(indices.dtype === "int64");
        writer.wides([n, product(rest), product(sizes(indices))]);
        for (const value of [...node.inputs, ...node.outputs]) writer.place(place(value));
      });
    },
  },
};

export const sums: { readonly [name: string]: Lowering } = {
  reduceSum: lowerReduction,
  reduceProd: lowerReduction,
  reduceMax: lowerReduction,
  reduceMin: lowerReduction,
  argMax: lowerReduction,
  argMin: lowerReduction,
  matmul: lowerMatmul,
  conv2d: lowerConvolution,
  conv2dInputGrad: lowerConvolution,
  conv2dFilterGrad: lowerConvolution,
  maxPool2d: lowerPooling("input", [0]),
  maxPool2dSelect: lowerPooling("input", [1, 0]),
  maxPool2dScatter: lowerPooling("result", [1, 0]),
  avgPool2d: lowerPooling("input", [0]),
  avgPool2dGrad: lowerPooling("result", [0]),
  gather: lowerIndexing(false),
  scatterAdd: lowerIndexing(true),
};
