import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";

const { nn, ShapeError, ValueError } = ng;

/** Variables in fields, arrays and records, one of them shared. */
class Net extends nn.Module {
  readonly scale = ng.variable(ng.ones([2]));
  readonly blocks = [nn.dense({ units: 2 }), nn.dropout({ rate: 0.5 })];
  readonly named = { first: nn.batchNormalization(), shared: this.scale, note: "text" };
  readonly training: boolean[] = [];

  override forward(x: ng.Tensor): ng.Tensor {
    this.training.push(nn.isTraining());
    const hidden = this.blocks.reduce((value, block) => block.call(value), x.mul(this.scale));
    return this.named.first.call(hidden);
  }
}

describe("modules", () => {
  test("list their variables by path, shared ones once", () => {
    const net = new Net();
    net.call(ng.ones([3, 2]));
    assert.deepEqual(
      net.namedVariables().map(({ path }) => path),
      [
        "scale",
        "blocks.0.kernel",
        "blocks.0.bias",
        "named.first.gamma",
        "named.first.beta",
        "named.first.movingMean",
        "named.first.movingVariance",
      ],
    );
    assert.equal(net.variables().length, 7);
    assert.equal(net.trainableVariables().length, 5);
    assert.equal(net.countParameters(), 2 + 4 + 2 + 2 + 2);
  });

  test("two variables of one path are refused", () => {
    class Dotted extends nn.Module {
      readonly a = { b: ng.variable(1) };
      readonly "a.b" = ng.variable(2);
      override forward(x: ng.Tensor): ng.Tensor {
        return x;
      }
    }
    assert.throws(() => new Dotted().stateDict(), ValueError);
  });

  test("training is inherited from the calling module and ends with the call, also by an error", () => {
    const net = new Net();
    const x = ng.ones([3, 2]);
    net.call(x);
    net.call(x, { training: true });
    net.call(x);
    assert.throws(() => net.call(ng.ones([3, 5]), { training: true }), ShapeError);
    assert.equal(nn.isTraining(), false);
    const outer = nn.sequential([net]);
    outer.call(x, { training: true });
    assert.deepEqual(net.training, [false, true, false, true, true]);
    class Frozen extends nn.Module {
      readonly inner = net;
      override forward(input: ng.Tensor): ng.Tensor {
        return this.inner.call(input, { training: false });
      }
    }
    new Frozen().call(x, { training: true });
    assert.equal(net.training.at(-1), false);
  });

  test("a state taken before a compiled update keeps its values", () => {
    const layer = nn.dense({ units: 1, kernelInitializer: "ones" });
    layer.call(ng.ones([1, 2]));
    const step = ng.jit(() => {
      const { kernel } = layer;
      kernel?.assign(kernel.value.add(1));
      return ng.tensor(0);
    });
    step();
    const state = layer.stateDict();
    step();
    step();
    assert.deepEqual(state.get("kernel")?.toArray(), [[2], [2]]);
    assert.deepEqual(layer.stateDict().get("kernel")?.toArray(), [[4], [4]]);
  });

  test("a state that does not fit is refused whole", () => {
    const layer = nn.dense({ units: 1, kernelInitializer: "ones" });
    layer.call(ng.ones([1, 2]));
    const good = layer.stateDict();
    const bad: [Map<string, ng.Tensor>, typeof ShapeError | typeof ValueError, RegExp][] = [
      [new Map(), ValueError, /missing: kernel, bias; unknown: none/],
      [new Map([...good, ["gamma", ng.ones([1])]]), ValueError, /missing: none; unknown: gamma/],
      [
        new Map([...good, ["kernel", ng.zeros([2, 1])], ["bias", ng.ones([2])]]),
        ShapeError,
        /bias is float32\[1\]/,
      ],
      [new Map([...good, ["bias", ng.ones([1], { dtype: "float64" })]]), ShapeError, /float64\[1\]/],
    ];
    for (const [state, kind, says] of bad) {
      assert.throws(
        () => layer.loadStateDict(state),
        (error: Error) => error instanceof kind && says.test(error.message),
      );
      assert.deepEqual(layer.kernel?.value.toArray(), [[1], [1]]);
    }
  });

  test("variables are made while a function is traced, with the same values as eagerly", () => {
    const outputs = [false, true].map((compiled) => {
      ng.random.seed(5);
      const net = new Net();
      const forward = (x: ng.Tensor) => net.call(x);
      return (compiled ? ng.jit(forward) : forward)(ng.ones([3, 2])).toArray();
    });
    assert.deepEqual(outputs[0], outputs[1]);
  });

  test("a network may be differentiated by its variables and mapped over", () => {
    ng.random.seed(1);
    const layer = nn.dense({ units: 1 });
    const x = ng.tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    layer.call(x);
    const loss = (net: ng.nn.Module, row: ng.Tensor) => net.call(row).square().sum();
    const each = ng.vmap(
      (row: ng.Tensor) => ng.grad((net: ng.nn.Module) => loss(net, row))(layer) as { kernel: ng.Tensor },
    )(x);
    const whole = ng.grad((net: ng.nn.Module) => loss(net, x))(layer) as { kernel: ng.Tensor };
    assert.deepEqual(each.kernel.shape, [3, 2, 1]);
    const difference = each.kernel.sum({ axis: 0 }).sub(whole.kernel).abs().max();
    assert.ok(Number(difference.item()) < 1e-4);
  });
});

describe("initializers", () => {
  const shape = [3, 3, 20, 40];
  const [fanIn, fanOut] = [9 * 20, 9 * 40];
  const variances = {
    zeros: 0,
    ones: 0,
    glorotUniform: 2 / (fanIn + fanOut),
    glorotNormal: 2 / (fanIn + fanOut),
    heUniform: 2 / fanIn,
    heNormal: 2 / fanIn,
    // Orthonormal columns: the squares of each sum to 1 over its 180 rows.
    orthogonal: 1 / fanIn,
  };
  for (const name of nn.initializerNames) {
    test(`${name} has its mean and variance, and comes again with the seed`, () => {
      const draw = () => {
        ng.random.seed(2);
        return nn.initializer(name)(shape, "float32");
      };
      const values = draw();
      assert.deepEqual([values.shape, values.dtype], [shape, "float32"]);
      assert.deepEqual(values.dataSync(), draw().dataSync());
      const [mean, variance] = [Number(values.mean().item()), Number(ng.variance(values).item())];
      const expected = variances[name];
      // 7,200 draws: the mean errs by σ/85, the variance by at most 1.7 % of itself (normal draws).
      assert.ok(Math.abs(mean - (name === "ones" ? 1 : 0)) <= 0.06 * Math.sqrt(expected));
      assert.ok(Math.abs(variance - expected) <= 0.09 * expected);
    });
  }

  test("uniform weights stay within their limit, of vectors too", () => {
    const weights = nn.initializer("heUniform")([24], "float32");
    assert.ok(Number(weights.abs().max().item()) <= Math.sqrt(6 / 24));
    assert.deepEqual(nn.initializer(nn.constant(0.5))([2], "float64").toArray(), [0.5, 0.5]);
  });
});

describe("dropout", () => {
  test("drops the given share and keeps the expectation", () => {
    ng.random.seed(4);
    const layer = nn.dropout({ rate: 0.25 });
    const y = layer.call(ng.ones([20000]), { training: true });
    const values = [...new Set(y.dataSync() as Float32Array)].toSorted((a, b) => a - b);
    assert.deepEqual(values, [0, Math.fround(1 / 0.75)]);
    assert.ok(Math.abs(Number(y.mean().item()) - 1) < 0.02);
  });

  test("draws another mask at each call, also compiled", () => {
    const layer = nn.dropout({ rate: 0.5 });
    const draw = ng.jit((x: ng.Tensor) => layer.call(x, { training: true }));
    const masks = [0, 1, 2].map(() =>
      draw(ng.ones([64]))
        .dataSync()
        .join(),
    );
    assert.equal(new Set(masks).size, 3);
  });

  test("keeps the dtype of its input", () => {
    for (const dtype of ["float16", "bfloat16", "float64"] as const) {
      assert.equal(nn.dropout({ rate: 0.5 }).call(ng.ones([4], { dtype }), { training: true }).dtype, dtype);
    }
  });
});

describe("batch normalization", () => {
  for (const dtype of ["float16", "bfloat16"] as const) {
    test(`of ${dtype} is computed in float32`, () => {
      const layer = nn.batchNormalization();
      // The sum of squares of 4,096 numbers around 100 is beyond float16.
      const x = ng.random.normal(ng.random.key(1), [4096, 2], { mean: 100 }).astype(dtype);
      const y = layer.call(x, { training: true });
      assert.equal(y.dtype, dtype);
      assert.equal(layer.movingVariance?.dtype, "float32");
      const wide = y.astype("float32");
      assert.ok(Math.abs(Number(wide.mean().item())) < 0.02);
      assert.ok(Math.abs(Number(ng.std(wide).item()) - 1) < 0.05);
    });
  }
});

describe("losses", () => {
  const { sparseCategoricalCrossentropy } = nn.losses;

  test("a label outside the classes makes the sparse cross-entropy NaN, never a number", () => {
    for (const label of [-1, 3, 256]) {
      const loss = sparseCategoricalCrossentropy(ng.tensor([0, label], { dtype: "int32" }), ng.ones([2, 3]));
      assert.ok(Number.isNaN(loss.item()));
    }
  });

  test("labels of any integer dtype name the same classes, also where the dtype cannot count them", () => {
    const logits = ng.random.normal(ng.random.key(0), [2, 300]);
    const losses = (["int8", "uint8", "int32", "int64"] as const).map((dtype) =>
      sparseCategoricalCrossentropy(ng.tensor([3, 100], { dtype }), logits).item(),
    );
    assert.equal(new Set(losses).size, 1);
  });

  test("a confident mistake costs much but not infinitely much, from logits and from probabilities", () => {
    const labels = ng.tensor([0], { dtype: "int32" });
    assert.equal(sparseCategoricalCrossentropy(labels, ng.tensor([[-1000, 1000]])).item(), 2000);
    const loss = sparseCategoricalCrossentropy(labels, ng.tensor([[0, 1]]), { fromLogits: false }).item();
    assert.ok(Math.abs(Number(loss) + Math.log(1e-7)) < 1e-3);
  });
});
