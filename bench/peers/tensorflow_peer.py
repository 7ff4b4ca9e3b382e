"""TensorFlow: eager operations where one call is the work, tf.function around the rest, Keras models."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from keras import layers

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


def trainer(model, x, labels, kernels):
    x, labels = tf.constant(x), tf.constant(labels)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    model(x)
    with_kernel = [layer for layer in model.layers if layer.weights]
    for layer, kernel in zip(with_kernel, kernels, strict=True):
        layer.kernel.assign(kernel)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x, labels):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return lambda: step(x, labels)


def mlp(x, labels, kernel1, kernel2, kernel3):
    model = keras.Sequential([layers.Dense(512, "relu"), layers.Dense(256, "relu"), layers.Dense(10)])
    return trainer(model, x, labels, [kernel1, kernel2, kernel3])


def convnet(x, labels, kernel1, kernel2, kernel3):
    model = keras.Sequential([
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPool2D(),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPool2D(),
        layers.Flatten(), layers.Dropout(0.5), layers.Dense(10),
    ])  # fmt: skip
    return trainer(model, x, labels, [kernel1, kernel2, kernel3])


workloads = {
    "matmul1024": matmul,
    "gelu_chain_4m": gelu,
    "softmax_64x1024x256": softmax,
    "eager_add_x1000": eager_add,
    "mlp_train_b128": mlp,
    "convnet_train_b128": convnet,
}
# A setting of 0 means one thread for each processor the process may use.
threads = tf.config.threading.get_intra_op_parallelism_threads() or len(os.sched_getaffinity(0))
serve(tf.__version__, threads, workloads, lambda result: result.numpy())
