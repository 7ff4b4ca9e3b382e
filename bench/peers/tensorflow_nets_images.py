"""Networks for images in TensorFlow."""

import keras
import tensorflow as tf
from keras import layers, ops
from keras.activations import relu, silu

from tensorflow_layers import (
    Positions,
    adamw,
    conv,
    dense,
    infer,
    initial,
    layer_norm,
    model_of,
    self_attention,
    trainer,
    transformer,
    two_layers,
    windows,
)


def transposed(kernel, padding, activation=None):
    size, _, filters, _ = kernel.shape
    return layers.Conv2DTranspose(filters, size, 2, padding, activation=activation, kernel_initializer=initial(kernel))


def unet(x, labels, **kernels):
    kernels = iter(kernels.values())
    layer = lambda x: relu(conv(x, next(kernels)))
    twice = lambda x: layer(layer(x))
    enlarge = lambda x: transposed(next(kernels), "valid")(x)

    def network(x):
        first = twice(x)
        second = twice(layers.MaxPool2D()(first))
        y = twice(layers.MaxPool2D()(second))
        y = twice(layers.Concatenate()([second, enlarge(y)]))
        y = twice(layers.Concatenate()([first, enlarge(y)]))
        return conv(y, next(kernels))

    return trainer(model_of(network, x), x, labels)


def generator(x, kernel1, **kernels):
    *later, last = kernels.values()
    model = keras.Sequential([
        dense(kernel1, "relu"), layers.Reshape((4, 4, kernel1.shape[1] // 16)),
        *(transposed(kernel, "same", "relu") for kernel in later), transposed(last, "same", "tanh"),
    ])  # fmt: skip
    return infer(model_of(model, x), x)


def diffusion(x, labels, heads, groups, **kernels):
    kernels = iter(kernels.values())
    layer = lambda x, stride=1: conv(x, next(kernels), stride)
    normal = lambda x: layers.GroupNormalization(groups, epsilon=1e-5)(x)

    def residual(x, projects=False):
        y = layer(silu(normal(layer(silu(normal(x))))))
        return y + (layer(x) if projects else x)

    def attend(x):
        pixels = layers.Reshape((-1, x.shape[3]))(normal(x))
        return x + layers.Reshape(x.shape[1:])(self_attention(pixels, next(kernels), next(kernels), heads))

    def network(x):
        high = residual(layer(x))
        low = residual(attend(residual(layer(high, 2))))
        merged = residual(layers.Concatenate()([layer(layers.UpSampling2D()(low)), high]), True)
        return layer(silu(normal(merged)))

    return trainer(model_of(network, x), x, labels, loss_of=keras.losses.MeanSquaredError())


def patches_of(x, kernel):
    return layers.Reshape((-1, kernel.shape[3]))(windows(kernel, kernel.shape[0])(x))


def classified(x, head):
    return dense(head)(layers.GlobalAveragePooling1D()(layer_norm()(x)))


def vit(x, labels, heads, **kernels):
    patches, positions, *kernels, head = kernels.values()
    network = lambda x: classified(transformer(Positions(positions)(patches_of(x, patches)), kernels, heads), head)
    return trainer(model_of(network, x), x, labels, adamw())


def mixer(x, labels, **kernels):
    patches, *kernels, head = kernels.values()
    turned = layers.Permute((2, 1))

    def network(x):
        x = patches_of(x, patches)
        for i in range(0, len(kernels), 4):
            x = x + turned(two_layers(turned(layer_norm()(x)), *kernels[i : i + 2]))
            x = x + two_layers(layer_norm()(x), *kernels[i + 2 : i + 4])
        return classified(x, head)

    return trainer(model_of(network, x), x, labels)


class Drawn(layers.Layer):
    """A code from its distribution."""

    def call(self, mean, log_variance):
        return mean + tf.random.normal(tf.shape(mean)) * tf.exp(0.5 * log_variance)


def vae(x, labels, kernel1, kernel2, kernel3, kernel4):
    def network(x):
        mean, log_variance = ops.split(two_layers(x, kernel1, kernel2, "relu"), 2, -1)
        logits = two_layers(Drawn()(mean, log_variance), kernel3, kernel4, "relu")
        lost = ops.sum(ops.binary_crossentropy(x, logits, from_logits=True), -1)
        return lost - 0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), -1)

    return trainer(model_of(network, x), x, labels, loss_of=lambda _, bound: tf.reduce_mean(bound))
