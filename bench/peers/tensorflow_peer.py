"""TensorFlow: eager operations where one call is the work, tf.function around the rest, Keras models."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from keras import layers

from tensorflow_ops import normalized, operations
from worker import serve


# On the CPU an eager operation or tf.function returns when its result is there.
def matmul(a, b):
    a, b = tf.constant(a), tf.constant(b)
    return lambda: tf.matmul(a, b)


def gelu(x):
    x = tf.constant(x)
    f = tf.function(lambda x: 0.5 * x * (1 + tf.tanh(0.79788456 * (x + 0.044715 * x * x * x))))
    return lambda: f(x)


def softmax(x):
    x = tf.constant(x)
    return lambda: tf.nn.softmax(x)


def eager_add(x, y):
    x, y = tf.constant(x), tf.constant(y)

    def run():
        z = x
        for _ in range(1000):
            z = z + y
        return z

    return run


def assign(with_kernel, kernels):
    for layer, kernel in zip(with_kernel, kernels, strict=True):
        layer.kernel.assign(kernel)


def trainer(model, x, labels, optimizer=None, dense=False):
    x, labels = tf.constant(x), tf.constant(labels)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizer or keras.optimizers.Adam(1e-3, epsilon=1e-8)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x, labels):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        if dense:
            # An embedding's gradient has one row for each use; Adam would square them before it adds them up.
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return lambda: step(x, labels)


def mlp(x, labels, **kernels):
    *hidden, classes = (kernel.shape[1] for kernel in kernels.values())
    model = keras.Sequential([*(layers.Dense(units, "relu") for units in hidden), layers.Dense(classes)])
    model.build(x.shape)
    assign(model.layers, kernels.values())
    return trainer(model, x, labels)


def convnet(x, labels, kernel1, kernel2, kernel3):
    model = keras.Sequential([
        layers.Conv2D(kernel1.shape[3], 3, activation="relu"), layers.MaxPool2D(),
        layers.Conv2D(kernel2.shape[3], 3, activation="relu"), layers.MaxPool2D(),
        layers.Flatten(), layers.Dropout(0.5), layers.Dense(10),
    ])  # fmt: skip
    model.build(x.shape)
    assign([layer for layer in model.layers if layer.weights], [kernel1, kernel2, kernel3])
    return trainer(model, x, labels)


def resnet(x, labels, **kernels):
    with_kernel = []

    def added(layer):
        with_kernel.append(layer)
        return layer

    def layer(x, filters, size, stride=1):
        if stride > 1 and size > 1:
            # The same cells on all sides, which is not what "same" means with strides.
            x = layers.ZeroPadding2D(size // 2)(x)
        padding = "valid" if stride > 1 else "same"
        x = added(layers.Conv2D(filters, size, stride, padding, use_bias=False))(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    entry = layers.Input(x.shape[1:])
    width = kernels["kernel1"].shape[3]
    y = layers.ReLU()(layer(entry, width, 3))
    for stage, filters in enumerate((width, 2 * width, 4 * width)):
        for block in range(3):
            stride = 2 if stage > 0 and block == 0 else 1
            inner = layers.ReLU()(layer(y, filters, 3, stride))
            inner = layer(inner, filters, 3)
            y = layers.ReLU()(layers.Add()([inner, layer(y, filters, 1, stride) if stride > 1 else y]))
    logits = added(layers.Dense(10))(layers.GlobalAveragePooling2D()(y))
    assign(with_kernel, kernels.values())
    return trainer(keras.Model(entry, logits), x, labels, keras.optimizers.SGD(0.1, momentum=0.9))


def lstm(x, labels, kernel1, kernel2, kernel3, kernel4):
    (words, width), units = kernel1.shape, kernel3.shape[0]
    model = keras.Sequential([
        layers.Embedding(words, width),
        layers.LSTM(units, return_sequences=True, unit_forget_bias=False),
        layers.Dense(words),
    ])  # fmt: skip
    model.build(x.shape)
    embedding, recurrent, dense = model.layers
    embedding.embeddings.assign(kernel1)
    recurrent.cell.kernel.assign(kernel2)
    recurrent.cell.recurrent_kernel.assign(kernel3)
    dense.kernel.assign(kernel4)
    return trainer(model, x, labels, keras.optimizers.SGD(1.0))


class TransformerBlock(layers.Layer):
    def __init__(self, heads, causal, *kernels):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norms = [layers.LayerNormalization(epsilon=1e-5) for _ in range(2)]
        self.denses = [layers.Dense(kernel.shape[1]) for kernel in kernels]
        self.kernels = kernels

    def build(self, shape):
        for norm in self.norms:
            norm.build(shape)
        for dense, kernel in zip(self.denses, self.kernels, strict=True):
            dense.build((*shape[:2], kernel.shape[0]))
        assign(self.denses, self.kernels)

    def call(self, x):
        packed, joined, wide, narrow = self.denses
        _, time, width = x.shape
        y = tf.reshape(packed(self.norms[0](x)), [-1, time, 3, self.heads, width // self.heads])
        y = keras.ops.dot_product_attention(*tf.unstack(y, axis=2), is_causal=self.causal)
        x = x + joined(tf.reshape(y, [-1, time, width]))
        return x + narrow(keras.activations.gelu(wide(self.norms[1](x)), approximate=False))


def transformer(x, kernels, heads, causal):
    for i in range(0, len(kernels), 4):
        x = TransformerBlock(heads, causal, *kernels[i : i + 4])(x)
    return x


def embedding(kernel):
    return layers.Embedding(*kernel.shape, embeddings_initializer=keras.initializers.Constant(kernel))


def chargpt(x, labels, heads, **kernels):
    tokens, positions, *kernels, head = kernels.values()
    entry = layers.Input(x.shape[1:], dtype="int32")
    places = tf.range(x.shape[1])[None]
    y = transformer(embedding(tokens)(entry) + embedding(positions)(places), kernels, heads, True)
    logits = layers.Dense(head.shape[1], use_bias=False, kernel_initializer=keras.initializers.Constant(head))
    model = keras.Model(entry, logits(layers.LayerNormalization(epsilon=1e-5)(y)))
    return trainer(model, x, labels, keras.optimizers.AdamW(1e-3, epsilon=1e-8, weight_decay=0.01), dense=True)


def minilm(x, heads, **kernels):
    tokens, *kernels = kernels.values()
    entry = layers.Input(x.shape[1:], dtype="int32")
    y = transformer(embedding(tokens)(entry), kernels, heads, False)
    model, x = keras.Model(entry, layers.GlobalAveragePooling1D()(y)), tf.constant(x)
    f = tf.function(lambda x: model(x, training=False))
    return lambda: f(x)


def conv3x3(x, kernel):
    x, kernel = tf.constant(x), tf.constant(kernel)
    return lambda: tf.nn.conv2d(x, kernel, 1, "SAME")


def depthwise(x, kernel):
    x, kernel = tf.constant(x), tf.constant(kernel)
    return lambda: tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME")


def gemm(a, b, transposeA, transposeB):
    a, b = tf.constant(a), tf.constant(b)
    return lambda: tf.matmul(a, b, transposeA, transposeB)


def sweep_conv(x, kernel, stride, groups, padding):
    cells = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    x = tf.constant(x)
    if groups == 1:
        kernel = tf.constant(kernel)
        return lambda: tf.nn.conv2d(x, kernel, stride, cells)
    kernel = tf.constant(kernel.transpose(0, 1, 3, 2))
    return lambda: tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], cells)


def memory(operation, x, y=None, gradient=None):
    x, y = tf.constant(x), y is not None and tf.constant(y)
    if operation == "adam":
        weights, gradient = tf.Variable(x), tf.constant(gradient)
        optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
        optimizer.build([weights])

        @tf.function
        def step(gradient):
            optimizer.apply([gradient], [weights])
            return weights[:1000]

        return lambda: step(gradient)

    if operation == "add":
        return lambda: x + y
    f = tf.function({
        "gelu": lambda x: tf.nn.gelu(x, approximate=False),
        "softmax": tf.nn.softmax,
        "layerNorm": lambda x: normalized(x, [-1]),
    }[operation])  # fmt: skip
    return lambda: f(x)


workloads = {
    "memory": memory,
    "gemm": gemm,
    "conv": sweep_conv,
    "ops": operations,
    "matmul1024": matmul,
    "gelu_chain_4m": gelu,
    "softmax_64x1024x256": softmax,
    "eager_add_x1000": eager_add,
    "mlp_train_b128": mlp,
    "convnet_train_b128": convnet,
    "chargpt_train_b12": chargpt,
    "resnet20_train_b32": resnet,
    "lstm512_train_b20t20": lstm,
    "minilm_infer_b8t128": minilm,
    "conv3x3_64_56_b1": conv3x3,
    "dwconv3x3_96_112_b1": depthwise,
}
# A setting of 0 means one thread for each processor the process may use.
threads = tf.config.threading.get_intra_op_parallelism_threads() or len(os.sched_getaffinity(0))
serve(tf.__version__, threads, workloads, lambda result: result.numpy())
