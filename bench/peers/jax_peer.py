"""JAX: jit on XLA's CPU backend."""

import os

import jax
import jax.numpy as jnp

import jax_ops
from jax_layers import (
    Adam,
    Momentum,
    Sgd,
    batch_norm,
    conv,
    cross_entropy,
    jitted,
    layer_norm,
    layers,
    lstm_layer,
    max_pool,
    norm,
    normalized,
    trainer,
    transformer,
    transformer_blocks,
)
from jax_nets import nets
from worker import serve


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


def mlp(x, labels, **kernels):
    def loss_of(parameters, x, labels, key):
        *hidden, (w, b) = parameters
        for kernel, bias in hidden:
            x = jax.nn.relu(x @ kernel + bias)
        return cross_entropy(x @ w + b, labels)

    return trainer(loss_of, layers(*kernels.values()), x, labels)


def convnet(x, labels, kernel1, kernel2, kernel3):
    def loss_of(parameters, x, labels, key):
        *convolutions, (w, b) = parameters
        for kernel, bias in convolutions:
            x = max_pool(jax.nn.relu(conv(x, kernel) + bias))
        x = x.reshape(x.shape[0], -1)
        x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x * 2, 0)
        return cross_entropy(x @ w + b, labels)

    return trainer(loss_of, layers(kernel1, kernel2, kernel3), x, labels)


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
        hidden = lstm_layer(embeddings[x], wx, recurrent, b)
        return cross_entropy((hidden @ w + c).reshape(-1, w.shape[1]), labels.ravel())

    parameters = (jnp.asarray(kernel1), layers(kernel2)[0], jnp.asarray(kernel3), layers(kernel4)[0])
    return trainer(loss_of, parameters, x, labels, Sgd())


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
        "layerNorm": lambda x: normalized(x, -1),
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
    **nets,
}
# XLA's pool has one thread for each processor the process may use, and no setting that says so.
serve(jax.__version__, len(os.sched_getaffinity(0)), workloads, jax.device_get)
