"""JAX: jit on XLA's CPU backend."""

import functools
import os

import jax
import jax.numpy as jnp

import jax_ops
from worker import serve


def jitted(f, *arguments):
    f = jax.jit(f)
    arguments = [jnp.asarray(argument) for argument in arguments]
    return lambda: jax.block_until_ready(f(*arguments))


def matmul(a, b):
    return jitted(lambda a, b: a @ b, a, b)


def gelu(x):
    return jitted(lambda x: 0.5 * x * (1 + jnp.tanh(0.79788456 * (x + 0.044715 * x * x * x))), x)


def softmax(x):
    return jitted(lambda x: jax.nn.softmax(x, -1), x)


def eager_add(x, y):
    x, y = jnp.asarray(x), jnp.asarray(y)

    def run():
        z = x
        for _ in range(1000):
            z = z + y
        return jax.block_until_ready(z)

    return run


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


def mlp(x, labels, **kernels):
    def loss_of(parameters, x, labels, key):
        *hidden, (w, b) = parameters
        for kernel, bias in hidden:
            x = jax.nn.relu(x @ kernel + bias)
        return cross_entropy(x @ w + b, labels)

    return trainer(loss_of, layers(*kernels.values()), x, labels)


def conv(x, kernel, stride=1, padding="VALID", groups=1):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=layout, feature_group_count=groups
    )


def max_pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def convnet(x, labels, kernel1, kernel2, kernel3):
    def loss_of(parameters, x, labels, key):
        *convolutions, (w, b) = parameters
        for kernel, bias in convolutions:
            x = max_pool(jax.nn.relu(conv(x, kernel) + bias))
        x = x.reshape(x.shape[0], -1)
        x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x * 2, 0)
        return cross_entropy(x @ w + b, labels)

    return trainer(loss_of, layers(kernel1, kernel2, kernel3), x, labels)


def batch_norm(x, gamma, beta):
    """By the statistics of the batch. Moving statistics, which no loss of a training step depends on, are left out."""
    return (x - x.mean((0, 1, 2))) * jax.lax.rsqrt(x.var((0, 1, 2)) + 1e-5) * gamma + beta


def resnet(x, labels, **kernels):
    *kernels, head = kernels.values()
    normalized = [(jnp.asarray(k), jnp.ones(k.shape[3]), jnp.zeros(k.shape[3])) for k in kernels]

    def loss_of(parameters, x, labels, key):
        normalized, (w, b) = parameters
        normalized = iter(normalized)

        def layer(x, stride=1):
            kernel, gamma, beta = next(normalized)
            cells = kernel.shape[0] // 2
            return batch_norm(conv(x, kernel, stride, [(cells, cells)] * 2), gamma, beta)

        x = jax.nn.relu(layer(x))
        for stage in range(3):
            for block in range(3):
                halves = stage > 0 and block == 0
                y = layer(jax.nn.relu(layer(x, 2 if halves else 1)))
                x = jax.nn.relu(y + (layer(x, 2) if halves else x))
        return cross_entropy(x.mean((1, 2)) @ w + b, labels)

    return trainer(loss_of, (normalized, layers(head)[0]), x, labels, Momentum())


def lstm(x, labels, kernel1, kernel2, kernel3, kernel4):
    def loss_of(parameters, x, labels, key):
        embeddings, (wx, b), recurrent, (w, c) = parameters
        gates = embeddings[x].swapaxes(0, 1) @ wx + b

        def cell(state, gates):
            h, c = state
            i, f, g, o = jnp.split(gates + h @ recurrent, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((x.shape[0], recurrent.shape[0]))
        _, hidden = jax.lax.scan(cell, (zeros, zeros), gates)
        return cross_entropy((hidden.swapaxes(0, 1) @ w + c).reshape(-1, w.shape[1]), labels.ravel())

    parameters = (jnp.asarray(kernel1), layers(kernel2)[0], jnp.asarray(kernel3), layers(kernel4)[0])
    return trainer(loss_of, parameters, x, labels, Sgd())


def layer_norm(x, gamma, beta):
    return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * gamma + beta


def norm(width):
    return jnp.ones(width), jnp.zeros(width)


def transformer(x, blocks, heads, causal):
    batch, time, width = x.shape
    for (packed, joined, wide, narrow), norm1, norm2 in blocks:
        y = layer_norm(x, *norm1) @ packed[0] + packed[1]
        q, k, v = jnp.moveaxis(y.reshape(batch, time, 3, heads, width // heads), 2, 0)
        y = jax.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(x.shape)
        x = x + y @ joined[0] + joined[1]
        y = jax.nn.gelu(layer_norm(x, *norm2) @ wide[0] + wide[1], approximate=False)
        x = x + y @ narrow[0] + narrow[1]
    return x


def transformer_blocks(kernels):
    width = kernels[0].shape[0]
    return [(layers(*kernels[i : i + 4]), norm(width), norm(width)) for i in range(0, len(kernels), 4)]


def chargpt(x, labels, heads, **kernels):
    tokens, positions, *kernels, head = kernels.values()
    parameters = jnp.asarray(tokens), jnp.asarray(positions), transformer_blocks(kernels), norm(tokens.shape[1]), jnp.asarray(head)

    def loss_of(parameters, x, labels, key):
        tokens, positions, blocks, norm, head = parameters
        x = transformer(tokens[x] + positions, blocks, heads, True)
        return cross_entropy(layer_norm(x, *norm) @ head, labels)

    return trainer(loss_of, parameters, x, labels, Adam(decay=0.01))


def minilm(x, heads, **kernels):
    tokens, *kernels = kernels.values()
    f = jax.jit(lambda x, tokens, blocks: transformer(tokens[x], blocks, heads, False).mean(1))
    arguments = jnp.asarray(x), jnp.asarray(tokens), transformer_blocks(kernels)
    return lambda: jax.block_until_ready(f(*arguments))


def conv3x3(x, kernel):
    return jitted(lambda x, kernel: conv(x, kernel, padding="SAME"), x, kernel)


def depthwise(x, kernel):
    kernel = kernel.transpose(0, 1, 3, 2)
    return jitted(lambda x, kernel: conv(x, kernel, padding="SAME", groups=kernel.shape[3]), x, kernel)


def gemm(a, b, transposeA, transposeB):
    flip = lambda x, flipped: x.swapaxes(-1, -2) if flipped else x
    return jitted(lambda a, b: flip(a, transposeA) @ flip(b, transposeB), a, b)


def sweep_conv(x, kernel, stride, groups, padding):
    return jitted(lambda x, kernel: conv(x, kernel, stride, [(padding, padding)] * 2, groups), x, kernel)


def memory(operation, x, y=None, gradient=None):
    if operation == "adam":
        return jax_ops.optimizer_step(Adam(), jnp.array(x), jnp.asarray(gradient), lambda weights: weights[:1000])
    if operation == "add":
        return jitted(lambda x, y: x + y, x, y)
    return jitted({
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "softmax": lambda x: jax.nn.softmax(x, -1),
        "layerNorm": lambda x: jax_ops.normalized(x, -1),
    }[operation], x)  # fmt: skip


workloads = {
    "memory": memory,
    "gemm": gemm,
    "conv": sweep_conv,
    "ops": jax_ops.operations({"adam": Adam(), "sgdMomentum": Momentum()}),
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
# XLA's pool has one thread for each processor the process may use, and no setting that says so.
serve(jax.__version__, len(os.sched_getaffinity(0)), workloads, jax.device_get)
