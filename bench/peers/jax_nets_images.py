"""Networks for images in JAX."""

import jax
import jax.numpy as jnp
from jax import lax, nn

from jax_layers import (
    Adam,
    conv,
    cross_entropy,
    group_norm,
    jitted,
    layer_norm,
    layers,
    max_pool,
    norm,
    self_attention,
    trainer,
    transformer,
    transformer_blocks,
    two_layers,
)


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
    return jitted(infer, layers(kernel1)[0], later, x)


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
            return x + self_attention(pixels, next(kernels), next(kernels), heads).reshape(x.shape)

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


def vae(x, labels, **kernels):
    def loss_of(parameters, x, labels, key):
        first, codes, second, last = parameters
        mean, log_variance = jnp.split(two_layers(x, first, codes, nn.relu), 2, -1)
        code = mean + jax.random.normal(key, mean.shape) * jnp.exp(0.5 * log_variance)
        logits = two_layers(code, second, last, nn.relu)
        lost = (nn.softplus(logits) - x * logits).sum(-1)
        return (lost - 0.5 * (1 + log_variance - mean**2 - jnp.exp(log_variance)).sum(-1)).mean()

    return trainer(loss_of, layers(*kernels.values()), x, labels)
