"""The networks of the sweep `nets` in JAX: a function for each name of nets/."""

import functools

import jax
import jax.numpy as jnp
from jax import lax, nn

from jax_layers import (
    Adam,
    Momentum,
    Sgd,
    batch_norm,
    conv,
    cross_entropy,
    gru_layer,
    layer_norm,
    layers,
    lstm_layer,
    max_pool,
    norm,
    trainer,
    transformer,
    transformer_blocks,
)


def called(f, *arguments):
    """A jitted function of trees of arrays."""
    f = jax.jit(f)
    arguments = jax.tree.map(jnp.asarray, arguments)
    return lambda: jax.block_until_ready(f(*arguments))


def mobilenet(normalized, head, x, normalize):
    normalized = iter(normalized)

    def layer(x, stride=1):
        kernel, gamma, beta = next(normalized)
        groups = kernel.shape[3] if kernel.shape[2] == 1 else 1
        cells = kernel.shape[0] // 2
        return normalize(conv(x, kernel, stride, [(cells, cells)] * 2, groups), gamma, beta)

    x = nn.relu6(layer(x, 2))
    for stride in (2, 1) * 3:
        y = layer(nn.relu6(layer(nn.relu6(layer(x)), stride)))
        x = x + y if x.shape == y.shape else y
    return nn.relu6(layer(x)).mean((1, 2)) @ head[0] + head[1]


def mobilenet_parameters(kernels):
    *kernels, head = kernels.values()
    # Our depthwise kernels are [height, width, channels, 1], JAX's [height, width, 1, channels].
    kernels = [k.transpose(0, 1, 3, 2) if k.shape[3] == 1 else k for k in kernels]
    return [(jnp.asarray(k), jnp.ones(k.shape[3]), jnp.zeros(k.shape[3])) for k in kernels], layers(head)[0]


def mobilenet_train(x, labels, **kernels):
    loss_of = lambda parameters, x, labels, key: cross_entropy(mobilenet(*parameters, x, batch_norm), labels)
    return trainer(loss_of, mobilenet_parameters(kernels), x, labels, Momentum())


def mobilenet_infer(x, **kernels):
    # The moving statistics are arrays as the weights are, and no constants.
    normalized, head = mobilenet_parameters(kernels)
    statistics = [(jnp.zeros_like(beta), jnp.ones_like(gamma)) for _, gamma, beta in normalized]

    def infer(normalized, statistics, head, x):
        statistics = iter(statistics)

        def normalize(x, gamma, beta):
            mean, variance = next(statistics)
            return (x - mean) * (lax.rsqrt(variance + 1e-5) * gamma) + beta

        return mobilenet(normalized, head, x, normalize)

    return called(infer, normalized, statistics, head, x)


def transposed(x, kernel, padding):
    return lax.conv_transpose(x, kernel, (2, 2), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=True)


def unet(x, labels, **kernels):
    parameters = [(jnp.asarray(k), jnp.zeros(k.shape[2] if k.shape[0] == 2 else k.shape[3])) for k in kernels.values()]

    def loss_of(parameters, x, labels, key):
        parameters = iter(parameters)

        def layer(x):
            kernel, bias = next(parameters)
            return nn.relu(conv(x, kernel, padding="SAME") + bias)

        def enlarge(x):
            kernel, bias = next(parameters)
            return transposed(x, kernel, "VALID") + bias

        first = layer(layer(x))
        second = layer(layer(max_pool(first)))
        y = layer(layer(max_pool(second)))
        y = layer(layer(jnp.concatenate([second, enlarge(y)], -1)))
        y = layer(layer(jnp.concatenate([first, enlarge(y)], -1)))
        kernel, bias = next(parameters)
        return cross_entropy(conv(y, kernel) + bias, labels)

    return trainer(loss_of, parameters, x, labels)


def generator(x, kernel1, **kernels):
    def infer(first, later, x):
        y = nn.relu(x @ first[0] + first[1]).reshape(x.shape[0], 4, 4, -1)
        for kernel, bias in later[:-1]:
            y = nn.relu(transposed(y, kernel, "SAME") + bias)
        kernel, bias = later[-1]
        return jnp.tanh(transposed(y, kernel, "SAME") + bias)

    later = [(kernel, jnp.zeros(kernel.shape[2])) for kernel in kernels.values()]
    return called(infer, layers(kernel1)[0], later, x)


def group_norm(x, gamma, beta, groups):
    y = x.reshape(*x.shape[:3], groups, -1)
    mean, variance = y.mean((1, 2, 4), keepdims=True), y.var((1, 2, 4), keepdims=True)
    return ((y - mean) * lax.rsqrt(variance + 1e-5)).reshape(x.shape) * gamma + beta


def diffusion(x, labels, heads, groups, **kernels):
    width = kernels["kernel1"].shape[3]
    norms = [norm(times * width) for times in (1, 1, 2, 2, 2, 2, 2, 2, 1, 1)]

    def loss_of(parameters, x, labels, key):
        kernels, norms = map(iter, parameters)

        def normal(x):
            return group_norm(x, *next(norms), groups)

        def layer(x, stride=1):
            kernel, bias = next(kernels)
            cells = kernel.shape[0] // 2
            return conv(x, kernel, stride, [(cells, cells)] * 2) + bias

        def residual(x, projects=False):
            y = layer(nn.silu(normal(layer(nn.silu(normal(x))))))
            return y + (layer(x) if projects else x)

        def attend(x):
            pixels = normal(x).reshape(x.shape[0], -1, x.shape[3])
            (packed, b), (joined, c) = next(kernels), next(kernels)
            q, k, v = jnp.moveaxis((pixels @ packed + b).reshape(*pixels.shape[:2], 3, heads, -1), 2, 0)
            y = nn.dot_product_attention(q, k, v).reshape(pixels.shape) @ joined + c
            return x + y.reshape(x.shape)

        high = residual(layer(x))
        low = residual(attend(residual(layer(high, 2))))
        doubled = low.repeat(2, 1).repeat(2, 2)
        merged = residual(jnp.concatenate([layer(doubled), high], -1), True)
        return jnp.mean((layer(nn.silu(normal(merged))) - labels) ** 2)

    return trainer(loss_of, (layers(*kernels.values()), norms), x, labels)


def patches_of(x, kernel, bias):
    return (conv(x, kernel, kernel.shape[0]) + bias).reshape(x.shape[0], -1, kernel.shape[3])


def vit(x, labels, heads, **kernels):
    patches, positions, *kernels, head = kernels.values()
    parameters = layers(patches)[0], jnp.asarray(positions), transformer_blocks(kernels), norm(positions.shape[1]), layers(head)[0]

    def loss_of(parameters, x, labels, key):
        patches, positions, blocks, norm, head = parameters
        y = transformer(patches_of(x, *patches) + positions, blocks, heads, False)
        return cross_entropy(layer_norm(y, *norm).mean(1) @ head[0] + head[1], labels)

    return trainer(loss_of, parameters, x, labels, Adam(decay=0.01))


gelu = functools.partial(nn.gelu, approximate=False)


def two_layers(x, first, second, activation=gelu):
    return activation(x @ first[0] + first[1]) @ second[0] + second[1]


def mixer(x, labels, **kernels):
    patches, *kernels, head = kernels.values()
    width = patches.shape[3]
    blocks = [(layers(*kernels[i : i + 4]), norm(width), norm(width)) for i in range(0, len(kernels), 4)]

    def loss_of(parameters, x, labels, key):
        patches, blocks, norm, head = parameters
        y = patches_of(x, *patches)
        for block, norm1, norm2 in blocks:
            y = y + two_layers(layer_norm(y, *norm1).swapaxes(1, 2), *block[:2]).swapaxes(1, 2)
            y = y + two_layers(layer_norm(y, *norm2), *block[2:])
        return cross_entropy(layer_norm(y, *norm).mean(1) @ head[0] + head[1], labels)

    return trainer(loss_of, (layers(patches)[0], blocks, norm(width), layers(head)[0]), x, labels)


def translator(x, labels, heads, **kernels):
    words, *kernels, head = kernels.values()
    width = words.shape[1]
    kernels = iter(kernels)
    take = lambda count: (layers(*(next(kernels) for _ in range(count))), [norm(width) for _ in range(3)])
    parameters = jnp.asarray(words), [take(4) for _ in range(2)], [take(8) for _ in range(2)], layers(head)[0]

    def attend(x, packed, joined, norm, causal):
        q, k, v = jnp.moveaxis((layer_norm(x, *norm) @ packed[0] + packed[1]).reshape(*x.shape[:2], 3, heads, -1), 2, 0)
        return x + nn.dot_product_attention(q, k, v, is_causal=causal).reshape(x.shape) @ joined[0] + joined[1]

    def look(x, source, query, key, value, joined, norm):
        split = lambda y, layer: (y @ layer[0] + layer[1]).reshape(*y.shape[:2], heads, -1)
        y = nn.dot_product_attention(split(layer_norm(x, *norm), query), split(source, key), split(source, value))
        return x + y.reshape(x.shape) @ joined[0] + joined[1]

    def loss_of(parameters, x, labels, key):
        words, encoder, decoder, head = parameters
        source = target = words[x]
        for (packed, joined, *mlp), (norm1, norm2, _) in encoder:
            source = attend(source, packed, joined, norm1, False)
            source = source + two_layers(layer_norm(source, *norm2), *mlp, nn.relu)
        for (packed, joined, *other, wide, narrow), (norm1, norm2, norm3) in decoder:
            target = look(attend(target, packed, joined, norm1, True), source, *other, norm2)
            target = target + two_layers(layer_norm(target, *norm3), wide, narrow, nn.relu)
        return cross_entropy(target @ head[0] + head[1], labels)

    return trainer(loss_of, parameters, x, labels)


def rms_norm(x, scale):
    return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale


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


def normalized(x):
    return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)


def gpt_decode(x, heads, **arrays):
    def step(x, caches, kernels):
        grown = []
        for i, cache in enumerate(caches):
            packed, joined, wide, narrow = kernels[4 * i : 4 * i + 4]
            fresh = (normalized(x) @ packed).reshape(3, 1, heads, -1)
            cache = jnp.concatenate([cache, fresh[1:]], 1)
            y = nn.dot_product_attention(fresh[:1], cache[:1], cache[1:])
            x = x + y.reshape(x.shape) @ joined
            x = x + gelu(normalized(x) @ wide) @ narrow
            grown.append(cache)
        return x, grown

    of = lambda kind: [array for name, array in arrays.items() if name.startswith(kind)]
    run = called(step, x, of("cache"), of("kernel"))
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


def vae(x, labels, **kernels):
    def loss_of(parameters, x, labels, key):
        first, codes, second, last = parameters
        mean, log_variance = jnp.split(two_layers(x, first, codes, nn.relu), 2, -1)
        code = mean + jax.random.normal(key, mean.shape) * jnp.exp(0.5 * log_variance)
        logits = two_layers(code, second, last, nn.relu)
        lost = (nn.softplus(logits) - x * logits).sum(-1)
        return (lost - 0.5 * (1 + log_variance - mean**2 - jnp.exp(log_variance)).sum(-1)).mean()

    return trainer(loss_of, layers(*kernels.values()), x, labels)


nets = {
    "mobilenet_train_b16": mobilenet_train,
    "mobilenet_infer_b1": mobilenet_infer,
    "unet_train_b4": unet,
    "dcgan_infer_b16": generator,
    "diffusion_train_b8": diffusion,
    "vit_train_b32": vit,
    "mixer_train_b32": mixer,
    "translator_train_b8t32": translator,
    "llama_train_b4t128": llama,
    "gpt_decode_b1": gpt_decode,
    "gru_train_b32t64": gru,
    "bilstm_train_b32t50": bilstm,
    "textcnn_train_b64t60": textcnn,
    "tcn_train_b16t256": tcn,
    "recommender_train_b1024": recommender,
    "vae_train_b128": vae,
}
