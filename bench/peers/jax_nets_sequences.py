"""Networks for sequences, and for the rows of tables, in JAX."""

import jax.numpy as jnp
from jax import lax, nn

from jax_layers import (
    Adam,
    Sgd,
    conv,
    cross_entropy,
    gelu,
    gru_layer,
    jitted,
    layer_norm,
    layers,
    lstm_layer,
    norm,
    normalized,
    rms_norm,
    self_attention,
    trainer,
    two_layers,
)


def translator(x, labels, heads, **kernels):
    words, *kernels, head = kernels.values()
    width = words.shape[1]
    kernels = iter(kernels)
    take = lambda count: (layers(*(next(kernels) for _ in range(count))), [norm(width) for _ in range(3)])
    parameters = jnp.asarray(words), [take(4) for _ in range(2)], [take(8) for _ in range(2)], layers(head)[0]

    def look(x, source, query, key, value, joined, norm):
        split = lambda y, layer: (y @ layer[0] + layer[1]).reshape(*y.shape[:2], heads, -1)
        y = nn.dot_product_attention(split(layer_norm(x, *norm), query), split(source, key), split(source, value))
        return x + y.reshape(x.shape) @ joined[0] + joined[1]

    def loss_of(parameters, x, labels, key):
        words, encoder, decoder, head = parameters
        source = target = words[x]
        for (packed, joined, *mlp), (norm1, norm2, _) in encoder:
            source = source + self_attention(layer_norm(source, *norm1), packed, joined, heads)
            source = source + two_layers(layer_norm(source, *norm2), *mlp, nn.relu)
        for (packed, joined, *other, wide, narrow), (norm1, norm2, norm3) in decoder:
            target = target + self_attention(layer_norm(target, *norm1), packed, joined, heads, True)
            target = look(target, source, *other, norm2)
            target = target + two_layers(layer_norm(target, *norm3), wide, narrow, nn.relu)
        return cross_entropy(target @ head[0] + head[1], labels)

    return trainer(loss_of, parameters, x, labels)


def bert(x, labels, heads, **kernels):
    words, positions, *kernels, head = kernels.values()
    width = words.shape[1]
    blocks = [(layers(*kernels[i : i + 6]), norm(width), norm(width)) for i in range(0, len(kernels), 6)]
    parameters = jnp.asarray(words), jnp.asarray(positions), norm(width), blocks, layers(head)[0]

    def loss_of(parameters, x, labels, key):
        words, positions, norm, blocks, head = parameters
        mask = (x != 0)[:, None, None]
        y = layer_norm(words[x] + positions, *norm)
        for (query, key, value, joined, wide, narrow), norm1, norm2 in blocks:
            split = lambda layer: (y @ layer[0] + layer[1]).reshape(*y.shape[:2], heads, -1)
            found = nn.dot_product_attention(split(query), split(key), split(value), mask=mask)
            y = layer_norm(y + found.reshape(y.shape) @ joined[0] + joined[1], *norm1)
            y = layer_norm(y + two_layers(y, wide, narrow), *norm2)
        return cross_entropy(y @ head[0] + head[1], labels)

    return trainer(loss_of, parameters, x, labels, Adam(decay=0.01))


def llama(x, labels, heads, **kernels):
    words, *kernels, head = map(jnp.asarray, kernels.values())
    time, half = x.shape[1], words.shape[1] // heads // 2
    ones = lambda: jnp.ones(words.shape[1])
    blocks = [(kernels[i : i + 5], ones(), ones()) for i in range(0, len(kernels), 5)]

    def loss_of(parameters, x, labels, key):
        words, blocks, norm, head = parameters
        angles = jnp.outer(jnp.arange(time), 1e4 ** (-jnp.arange(half) / half))[:, None]
        cos, sin = jnp.cos(angles), jnp.sin(angles)

        def turned(y):
            a, b = jnp.split(y, 2, -1)
            return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

        y = words[x]
        for (packed, joined, gate, wide, narrow), norm1, norm2 in blocks:
            q, k, v = jnp.moveaxis((rms_norm(y, norm1) @ packed).reshape(*y.shape[:2], 3, heads, -1), 2, 0)
            y = y + nn.dot_product_attention(turned(q), turned(k), v, is_causal=True).reshape(y.shape) @ joined
            normal = rms_norm(y, norm2)
            y = y + (nn.silu(normal @ gate) * (normal @ wide)) @ narrow
        return cross_entropy(rms_norm(y, norm) @ head, labels)

    return trainer(loss_of, (words, blocks, ones(), head), x, labels, Adam(decay=0.01))


def gpt_decode(x, heads, **arrays):
    def step(x, caches, kernels):
        grown = []
        for i, cache in enumerate(caches):
            packed, joined, wide, narrow = kernels[4 * i : 4 * i + 4]
            fresh = (normalized(x, -1) @ packed).reshape(3, 1, heads, -1)
            cache = jnp.concatenate([cache, fresh[1:]], 1)
            y = nn.dot_product_attention(fresh[:1], cache[:1], cache[1:])
            x = x + y.reshape(x.shape) @ joined
            x = x + gelu(normalized(x, -1) @ wide) @ narrow
            grown.append(cache)
        return x, grown

    of = lambda kind: [array for name, array in arrays.items() if name.startswith(kind)]
    run = jitted(step, x, of("cache"), of("kernel"))
    return lambda: run()[0]


def gru(x, labels, **kernels):
    *kernels, head = map(jnp.asarray, kernels.values())
    zeros = [jnp.zeros(kernel.shape[1]) for kernel in kernels]
    parameters = (*kernels[:2], *zeros[:2]), (*kernels[2:], *zeros[2:]), layers(head)[0]

    def loss_of(parameters, x, labels, key):
        first, second, head = parameters
        y = gru_layer(gru_layer(x, *first), *second)
        return cross_entropy(y[:, -1] @ head[0] + head[1], labels)

    return trainer(loss_of, parameters, x, labels)


def bilstm(x, labels, **kernels):
    words, *kernels, head = map(jnp.asarray, kernels.values())
    bias = jnp.zeros(kernels[0].shape[1])
    parameters = words, (*kernels[:2], bias), (*kernels[2:], jnp.copy(bias)), layers(head)[0]

    def loss_of(parameters, x, labels, key):
        words, forwards, backwards, head = parameters
        y = words[x]
        y = jnp.concatenate([lstm_layer(y, *forwards), lstm_layer(y, *backwards, reverse=True)], -1)
        return cross_entropy(y @ head[0] + head[1], labels)

    return trainer(loss_of, parameters, x, labels)


def textcnn(x, labels, **kernels):
    words, *kernels = kernels.values()

    def loss_of(parameters, x, labels, key):
        words, (*windows, head) = parameters
        line = words[x][:, None]
        strongest = [nn.relu(conv(line, kernel) + bias).max((1, 2)) for kernel, bias in windows]
        return cross_entropy(jnp.concatenate(strongest, -1) @ head[0] + head[1], labels)

    return trainer(loss_of, (jnp.asarray(words), layers(*kernels)), x, labels)


def tcn(x, labels, **kernels):
    def loss_of(parameters, x, labels, key):
        (kernel, bias), *windows, head = parameters
        y = conv(x, kernel) + bias
        for i, (kernel, bias) in enumerate(windows):
            past = (kernel.shape[1] - 1) * 2**i
            layout = ("NHWC", "HWIO", "NHWC")
            window = lax.conv_general_dilated(
                y, kernel, (1, 1), [(0, 0), (past, 0)], rhs_dilation=(1, 2**i), dimension_numbers=layout
            )
            y = y + nn.relu(window + bias)
        return cross_entropy(y.mean((1, 2)) @ head[0] + head[1], labels)

    return trainer(loss_of, layers(*kernels.values()), x, labels)


def recommender(x, labels, **kernels):
    *tables, first, second, third = kernels.values()

    def loss_of(parameters, x, labels, key):
        tables, (first, second, third) = parameters
        y = jnp.concatenate([table[x[:, i]] for i, table in enumerate(tables)], -1)
        y = nn.relu(two_layers(y, first, second, nn.relu))
        return cross_entropy(y @ third[0] + third[1], labels)

    return trainer(loss_of, ([jnp.asarray(table) for table in tables], layers(first, second, third)), x, labels, Sgd())
