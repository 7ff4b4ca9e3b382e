"""What the networks in JAX are made of."""

import functools

import jax
import jax.numpy as jnp


def jitted(f, *arguments):
    """A jitted function of arrays, or trees of them."""
    f = jax.jit(f)
    arguments = jax.tree.map(jnp.asarray, arguments)
    return lambda: jax.block_until_ready(f(*arguments))


def cross_entropy(logits, labels):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1))


zeros_like = functools.partial(jax.tree.map, jnp.zeros_like)


class Adam:
    """Kingma and Ba 2015, algorithm 1; with a decay AdamW, Loshchilov and Hutter 2019."""

    def __init__(self, decay=0):
        self.decay = decay

    def init(self, parameters):
        return zeros_like(parameters), zeros_like(parameters)

    def update(self, parameters, gradients, moments, t):
        m, v = moments
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
        scale, root = 1e-3 / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        step = lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + 1e-8) - 1e-3 * self.decay * p
        return jax.tree.map(step, parameters, m, v), (m, v)


class Momentum:
    def init(self, parameters):
        return zeros_like(parameters)

    def update(self, parameters, gradients, velocities, t):
        velocities = jax.tree.map(lambda v, g: 0.9 * v + g, velocities, gradients)
        return jax.tree.map(lambda p, v: p - 0.1 * v, parameters, velocities), velocities


class Sgd:
    def init(self, parameters):
        return ()

    def update(self, parameters, gradients, slots, t):
        return jax.tree.map(lambda p, g: p - g, parameters, gradients), slots


def trainer(loss_of, parameters, x, labels, optimizer=Adam()):
    """An optimizer around a loss, in one jitted step whose state is donated."""

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, x, labels):
        parameters, slots, t = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels, jax.random.fold_in(jax.random.key(0), t))
        parameters, slots = optimizer.update(parameters, gradients, slots, t + 1)
        return (parameters, slots, t + 1), loss

    x, labels = jnp.asarray(x), jnp.asarray(labels)
    state = (parameters, optimizer.init(parameters), jnp.zeros((), jnp.int32))

    def run():
        nonlocal state
        state, loss = jax.block_until_ready(step(state, x, labels))
        return loss

    return run


def layers(*kernels):
    return [(jnp.asarray(kernel), jnp.zeros(kernel.shape[-1])) for kernel in kernels]


def conv(x, kernel, stride=1, padding="VALID", groups=1):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=layout, feature_group_count=groups
    )


def max_pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def normalized(x, axes):
    return (x - x.mean(axes, keepdims=True)) * jax.lax.rsqrt(x.var(axes, keepdims=True) + 1e-5)


def batch_norm(x, gamma, beta):
    """By the statistics of the batch. Moving statistics, which no loss of a training step depends on, are left out."""
    return normalized(x, (0, 1, 2)) * gamma + beta


def layer_norm(x, gamma, beta):
    return normalized(x, -1) * gamma + beta


def group_norm(x, gamma, beta, groups):
    return normalized(x.reshape(*x.shape[:3], groups, -1), (1, 2, 4)).reshape(x.shape) * gamma + beta


def rms_norm(x, scale):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale


def norm(width):
    return jnp.ones(width), jnp.zeros(width)


gelu = functools.partial(jax.nn.gelu, approximate=False)


def two_layers(x, first, second, activation=gelu):
    return activation(x @ first[0] + first[1]) @ second[0] + second[1]


def self_attention(x, packed, joined, heads, causal=False):
    q, k, v = jnp.moveaxis((x @ packed[0] + packed[1]).reshape(*x.shape[:2], 3, heads, -1), 2, 0)
    return jax.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(x.shape) @ joined[0] + joined[1]


def transformer(x, blocks, heads, causal):
    for (packed, joined, wide, narrow), norm1, norm2 in blocks:
        x = x + self_attention(layer_norm(x, *norm1), packed, joined, heads, causal)
        x = x + two_layers(layer_norm(x, *norm2), wide, narrow)
    return x


def transformer_blocks(kernels):
    width = kernels[0].shape[0]
    return [(layers(*kernels[i : i + 4]), norm(width), norm(width)) for i in range(0, len(kernels), 4)]


def lstm_layer(x, kernel, recurrent, bias=0, reverse=False):
    def cell(state, gates):
        h, c = state
        i, f, g, o = jnp.split(gates + h @ recurrent, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[0], recurrent.shape[0]))
    return jax.lax.scan(cell, (zeros, zeros), x.swapaxes(0, 1) @ kernel + bias, reverse=reverse)[1].swapaxes(0, 1)


def gru_layer(x, kernel, recurrent, bias=0, recurrent_bias=0):
    def cell(h, gates):
        xz, xr, xn = jnp.split(gates, 3, -1)
        hz, hr, hn = jnp.split(h @ recurrent + recurrent_bias, 3, -1)
        z, r = jax.nn.sigmoid(xz + hz), jax.nn.sigmoid(xr + hr)
        h = z * h + (1 - z) * jnp.tanh(xn + r * hn)
        return h, h

    zeros = jnp.zeros((x.shape[0], recurrent.shape[0]))
    return jax.lax.scan(cell, zeros, x.swapaxes(0, 1) @ kernel + bias)[1].swapaxes(0, 1)
