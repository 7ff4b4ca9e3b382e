"""What the networks in TensorFlow are made of: Keras layers with the kernels they begin with."""

import keras
import tensorflow as tf
from keras import layers


def initial(kernel):
    return keras.initializers.Constant(kernel)


def dense(kernel, activation=None, use_bias=True):
    return layers.Dense(kernel.shape[1], activation, use_bias, kernel_initializer=initial(kernel))


def windows(kernel, stride=1, padding="valid", **options):
    """A convolution; with a kernel [height, width, channels, 1] one of each channel by itself."""
    if kernel.shape[3] == 1:
        return layers.DepthwiseConv2D(kernel.shape[:2], stride, padding, depthwise_initializer=initial(kernel), **options)
    return layers.Conv2D(kernel.shape[3], kernel.shape[:2], stride, padding, kernel_initializer=initial(kernel), **options)


def conv(x, kernel, stride=1, **options):
    """A convolution padded as much as leaves an image its size, but for the stride."""
    if stride > 1 and kernel.shape[0] > 1:
        # The same cells on all sides, which is not what "same" means with strides.
        x = layers.ZeroPadding2D(kernel.shape[0] // 2)(x)
    return windows(kernel, stride, "valid" if stride > 1 else "same", **options)(x)


def batch_norm():
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


def normalized_conv(x, kernel, stride=1):
    return batch_norm()(conv(x, kernel, stride, use_bias=False))


def layer_norm():
    return layers.LayerNormalization(epsilon=1e-5)


def embedding(kernel):
    return layers.Embedding(*kernel.shape, embeddings_initializer=initial(kernel))


class Positions(layers.Layer):
    """Adds what is learnt about each place."""

    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def build(self, shape):
        self.positions = self.add_weight(shape=self.kernel.shape, initializer=initial(self.kernel))

    def call(self, x):
        return x + self.positions


def lstm(kernel, recurrent, **options):
    return layers.LSTM(
        recurrent.shape[0], kernel_initializer=initial(kernel), recurrent_initializer=initial(recurrent),
        return_sequences=True, unit_forget_bias=False, **options,
    )  # fmt: skip


def attention(q, k, v, heads, **options):
    """By heads that lie side by side in [batch, time, width], and likewise in what they find."""
    split = lambda x: layers.Reshape((x.shape[1], heads, x.shape[2] // heads))(x)
    y = keras.ops.dot_product_attention(split(q), split(k), split(v), **options)
    return layers.Reshape(q.shape[1:])(y)


def self_attention(x, packed, joined, heads, causal=False):
    q, k, v = keras.ops.split(dense(packed)(x), 3, -1)
    return dense(joined)(attention(q, k, v, heads, is_causal=causal))


def two_layers(x, first, second, activation="gelu"):
    return dense(second)(dense(first, activation)(x))


def transformer(x, kernels, heads, causal=False, activation="gelu"):
    for i in range(0, len(kernels), 4):
        packed, joined, wide, narrow = kernels[i : i + 4]
        x = x + self_attention(layer_norm()(x), packed, joined, heads, causal)
        x = x + two_layers(layer_norm()(x), wide, narrow, activation)
    return x


def model_of(network, x):
    """A Keras model of network(entry), which takes what is like x."""
    entry = layers.Input(x.shape[1:], dtype=x.dtype.name)
    return keras.Model(entry, network(entry))


cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def adam():
    return keras.optimizers.Adam(1e-3, epsilon=1e-8)


def adamw():
    return keras.optimizers.AdamW(1e-3, epsilon=1e-8, weight_decay=0.01)


def momentum():
    return keras.optimizers.SGD(0.1, momentum=0.9)


def trainer(model, x, labels, optimizer=None, loss_of=cross_entropy):
    x, labels = tf.constant(x), tf.constant(labels)
    optimizer = optimizer or adam()
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x, labels):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        if isinstance(optimizer, keras.optimizers.Adam):
            # An embedding's gradient has one row for each use; Adam would square them before it adds them up.
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return lambda: step(x, labels)


def infer(model, x):
    x = tf.constant(x)
    f = tf.function(lambda x: model(x, training=False))
    return lambda: f(x)
