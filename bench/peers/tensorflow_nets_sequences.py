"""Networks for sequences, and for the rows of tables, in TensorFlow."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tensorflow_layers import (
    Positions,
    adamw,
    attention,
    dense,
    embedding,
    initial,
    layer_norm,
    lstm,
    model_of,
    self_attention,
    trainer,
    transformer,
    two_layers,
)
from tensorflow_ops import normalized


def translator(x, labels, heads, **kernels):
    words, *kernels, head = kernels.values()
    encoder, decoder = kernels[:8], kernels[8:]

    def network(x):
        target = embedding(words)(x)
        source = transformer(target, encoder, heads, activation="relu")
        for i in range(0, len(decoder), 8):
            own, joined_own, query, key, value, joined, *mlp = decoder[i : i + 8]
            target = target + self_attention(layer_norm()(target), own, joined_own, heads, True)
            q, k, v = dense(query)(layer_norm()(target)), dense(key)(source), dense(value)(source)
            target = target + dense(joined)(attention(q, k, v, heads))
            target = target + two_layers(layer_norm()(target), *mlp, activation="relu")
        return dense(head)(target)

    return trainer(model_of(network, x), x, labels)


def bert(x, labels, heads, **kernels):
    words, positions, *kernels, head = kernels.values()

    def network(x):
        mask = ops.not_equal(x, 0)[:, None, None]
        y = layer_norm()(Positions(positions)(embedding(words)(x)))
        for i in range(0, len(kernels), 6):
            query, key, value, joined, *mlp = kernels[i : i + 6]
            found = attention(dense(query)(y), dense(key)(y), dense(value)(y), heads, mask=mask)
            y = layer_norm()(y + dense(joined)(found))
            y = layer_norm()(y + two_layers(y, *mlp))
        return dense(head)(y)

    return trainer(model_of(network, x), x, labels, adamw())


def llama(x, labels, heads, **kernels):
    words, *kernels, head = kernels.values()
    time, width = x.shape[1], words.shape[1]
    half = width // heads // 2
    angles = np.outer(np.arange(time), 1e4 ** (-np.arange(half) / half)).astype("float32")[:, None]
    cos, sin = np.cos(angles), np.sin(angles)
    free = lambda kernel, activation=None: dense(kernel, activation, use_bias=False)
    normal = lambda x: layers.RMSNormalization(epsilon=1e-5)(x)

    def turned(x):
        a, b = ops.split(x, 2, -1)
        return ops.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def network(x):
        x = embedding(words)(x)
        for i in range(0, len(kernels), 5):
            packed, joined, gate, wide, narrow = kernels[i : i + 5]
            q, k, v = ops.unstack(layers.Reshape((time, 3, heads, 2 * half))(free(packed)(normal(x))), axis=2)
            y = ops.dot_product_attention(turned(q), turned(k), v, is_causal=True)
            x = x + free(joined)(layers.Reshape((time, width))(y))
            y = normal(x)
            x = x + free(narrow)(free(gate, "silu")(y) * free(wide)(y))
        return free(head)(normal(x))

    return trainer(model_of(network, x), x, labels, adamw())


def gpt_decode(x, heads, **arrays):
    of = lambda kind: [tf.constant(array) for name, array in arrays.items() if name.startswith(kind)]
    x, kernels = tf.constant(x), of("kernel")
    caches = [tf.transpose(cache, (0, 2, 1, 3)) for cache in of("cache")]

    @tf.function
    def step(x, caches, kernels):
        grown = []
        for i, cache in enumerate(caches):
            packed, joined, wide, narrow = kernels[4 * i : 4 * i + 4]
            fresh = tf.reshape(normalized(x, [-1]) @ packed, (3, heads, 1, -1))
            cache = tf.concat([cache, fresh[1:]], 2)
            weights = tf.nn.softmax(tf.matmul(fresh[0], cache[0], transpose_b=True) / cache.shape[3] ** 0.5)
            x += tf.reshape(weights @ cache[1], x.shape) @ joined
            x += tf.nn.gelu(normalized(x, [-1]) @ wide) @ narrow
            grown.append(cache)
        return x, grown

    return lambda: step(x, caches, kernels)[0]


def gru(x, labels, kernel1, kernel2, kernel3, kernel4, kernel5):
    layer = lambda kernel, recurrent, **options: layers.GRU(
        recurrent.shape[0], kernel_initializer=initial(kernel), recurrent_initializer=initial(recurrent), **options
    )
    model = keras.Sequential([layer(kernel1, kernel2, return_sequences=True), layer(kernel3, kernel4), dense(kernel5)])
    return trainer(model_of(model, x), x, labels)


def bilstm(x, labels, kernel1, kernel2, kernel3, kernel4, kernel5, kernel6):
    both = layers.Bidirectional(lstm(kernel2, kernel3), backward_layer=lstm(kernel4, kernel5, go_backwards=True))
    return trainer(model_of(keras.Sequential([embedding(kernel1), both, dense(kernel6)]), x), x, labels)


def window(kernel, **options):
    """A convolution along time with a kernel [1, taps, inputs, outputs]."""
    _, taps, _, filters = kernel.shape
    return layers.Conv1D(filters, taps, kernel_initializer=initial(kernel[0]), **options)


def textcnn(x, labels, **kernels):
    words, *kernels, head = kernels.values()

    def network(x):
        x = embedding(words)(x)
        strongest = [layers.GlobalMaxPooling1D()(window(kernel, activation="relu")(x)) for kernel in kernels]
        return dense(head)(layers.Concatenate()(strongest))

    return trainer(model_of(network, x), x, labels)


def tcn(x, labels, **kernels):
    first, *kernels, head = kernels.values()

    def network(x):
        x = window(first)(x)
        for i, kernel in enumerate(kernels):
            x = x + window(kernel, padding="causal", dilation_rate=2**i, activation="relu")(x)
        return dense(head)(layers.GlobalAveragePooling1D()(x))

    x = x[:, 0]
    return trainer(model_of(network, x), x, labels)


def recommender(x, labels, **kernels):
    *tables, first, second, third = kernels.values()

    def network(x):
        y = layers.Concatenate()([embedding(table)(x[:, i]) for i, table in enumerate(tables)])
        return dense(third)(dense(second, "relu")(dense(first, "relu")(y)))

    return trainer(model_of(network, x), x, labels, keras.optimizers.SGD(1.0))
