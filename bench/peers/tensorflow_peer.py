"""TensorFlow: eager operations where one call is the work, tf.function around the rest, Keras models."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from keras import layers
from keras.activations import relu

from tensorflow_layers import (
    Positions,
    adam,
    adamw,
    dense,
    embedding,
    infer,
    layer_norm,
    lstm,
    model_of,
    momentum,
    normalized_conv,
    trainer,
    transformer,
    windows,
)
from tensorflow_nets import nets
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


def mlp(x, labels, **kernels):
    *hidden, last = kernels.values()
    model = keras.Sequential([*(dense(kernel, "relu") for kernel in hidden), dense(last)])
    return trainer(model_of(model, x), x, labels)


def convnet(x, labels, kernel1, kernel2, kernel3):
    model = keras.Sequential([
        windows(kernel1, activation="relu"), layers.MaxPool2D(),
        windows(kernel2, activation="relu"), layers.MaxPool2D(),
        layers.Flatten(), layers.Dropout(0.5), dense(kernel3),
    ])  # fmt: skip
    return trainer(model_of(model, x), x, labels)


def resnet(x, labels, **kernels):
    kernels = iter(kernels.values())
    layer = lambda x, stride=1: normalized_conv(x, next(kernels), stride)

    def network(x):
        y = relu(layer(x))
        for stage in range(3):
            for block in range(3):
                stride = 2 if stage > 0 and block == 0 else 1
                inner = layer(relu(layer(y, stride)))
                y = relu(inner + (layer(y, stride) if stride > 1 else y))
        return dense(next(kernels))(layers.GlobalAveragePooling2D()(y))

    return trainer(model_of(network, x), x, labels, momentum())


def language_model(x, labels, kernel1, kernel2, kernel3, kernel4):
    model = keras.Sequential([embedding(kernel1), lstm(kernel2, kernel3), dense(kernel4)])
    return trainer(model_of(model, x), x, labels, keras.optimizers.SGD(1.0))


def chargpt(x, labels, heads, **kernels):
    tokens, positions, *kernels, head = kernels.values()

    def network(x):
        y = transformer(Positions(positions)(embedding(tokens)(x)), kernels, heads, True)
        return dense(head, use_bias=False)(layer_norm()(y))

    return trainer(model_of(network, x), x, labels, adamw())


def minilm(x, heads, **kernels):
    tokens, *kernels = kernels.values()
    network = lambda x: layers.GlobalAveragePooling1D()(transformer(embedding(tokens)(x), kernels, heads))
    return infer(model_of(network, x), x)


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
        optimizer = adam()
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
    "lstm512_train_b20t20": language_model,
    "minilm_infer_b8t128": minilm,
    "conv3x3_64_56_b1": conv3x3,
    "dwconv3x3_96_112_b1": depthwise,
    **nets,
}
# A setting of 0 means one thread for each processor the process may use.
threads = tf.config.threading.get_intra_op_parallelism_threads() or len(os.sched_getaffinity(0))
serve(tf.__version__, threads, workloads, lambda result: result.numpy())
