// TensorFlow.js on WebAssembly with SIMD and threads: tfjs_peer.cjs FOLDER, whose node_modules hold the packages.
const { createRequire } = require("node:module");
const { availableParallelism } = require("node:os");
const { dirname, resolve, sep } = require("node:path");
const { serve } = require("../harness/serve.ts");

const from = createRequire(resolve(process.argv[2] ?? ".") + sep);
const tf = from("@tensorflow/tfjs");
const wasm = from("@tensorflow/tfjs-backend-wasm");

const tensor = ({ shape, data }) => tf.tensor(data, shape, data instanceof Int32Array ? "int32" : "float32");

function trainer(layers, x, labels, kernels) {
  const model = tf.sequential({ layers });
  model.compile({
    optimizer: tf.train.adam(1e-3, 0.9, 0.999, 1e-8),
    loss: (target, logits) => tf.losses.softmaxCrossEntropy(target, logits),
  });
  const trained = model.layers.filter((layer) => layer.weights.length > 0);
  trained.forEach((layer, at) => {
    layer.setWeights([tensor(kernels[at]), layer.getWeights()[1]]);
  });
  const [images, classes] = [tensor(x), tf.oneHot(tensor(labels), kernels.at(-1).shape[1])];
  return async () => tf.scalar(await model.trainOnBatch(images, classes));
}

const workloads = {
  matmul1024(inputs) {
    const [a, b] = [tensor(inputs.a), tensor(inputs.b)];
    return () => tf.matMul(a, b);
  },
  gelu_chain_4m(inputs) {
    const x = tensor(inputs.x);
    const inner = () => x.add(x.mul(x).mul(x).mul(0.044715)).mul(0.79788456);
    return () => tf.tidy(() => x.mul(0.5).mul(tf.tanh(inner()).add(1)));
  },
  softmax_64x1024x256(inputs) {
    const x = tensor(inputs.x);
    return () => tf.softmax(x);
  },
  eager_add_x1000(inputs) {
    const [x, y] = [tensor(inputs.x), tensor(inputs.y)];
    return () =>
      tf.tidy(() => {
        let z = x;
        for (let count = 0; count < 1000; count += 1) z = z.add(y);
        return z;
      });
  },
  mlp_train_b128: ({ x, labels, ...kernels }) =>
    trainer(
      Object.values(kernels).map(({ shape: [inputs, units] }, at, { length }) =>
        tf.layers.dense({ units, inputShape: [inputs], ...(at < length - 1 && { activation: "relu" }) }),
      ),
      x,
      labels,
      Object.values(kernels),
    ),
  convnet_train_b128: ({ x, labels, kernel1, kernel2, kernel3 }) =>
    trainer(
      [
        ...[kernel1, kernel2].flatMap(({ shape }) => [
          tf.layers.conv2d({
            filters: shape[3],
            kernelSize: 3,
            activation: "relu",
            inputShape: x.shape.slice(1),
          }),
          tf.layers.maxPooling2d({ poolSize: 2 }),
        ]),
        tf.layers.flatten(),
        tf.layers.dropout({ rate: 0.5 }),
        tf.layers.dense({ units: 10 }),
      ],
      x,
      labels,
      [kernel1, kernel2, kernel3],
    ),
};

async function main() {
  const threads = availableParallelism();
  wasm.setWasmPaths(dirname(from.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
  wasm.setThreadsCount(threads);
  await tf.setBackend("wasm");
  await tf.ready();
  await serve({
    version: tf.version.tfjs,
    threads,
    prepare: (workload, inputs) => workloads[workload]?.(inputs),
    read: (output) => output.data(),
    release: (output) => output.dispose(),
  });
  // The threads of the WebAssembly pool would keep the process alive.
  process.exit(0);
}

main();
