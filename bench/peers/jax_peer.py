"""JAX: jit on XLA's CPU backend."""

import functools
import os

import jax
import jax.numpy as jnp

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
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], -1))


def trainer(loss_of, parameters, x, labels):
    """Adam (Kingma and Ba 2015, algorithm 1) around a loss, in one jitted step whose state is donated."""

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, x, labels):
        parameters, m, v, t = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels, jax.random.fold_in(jax.random.key(0), t))
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
        scale, root = 1e-3 / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        parameters = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + 1e-8), parameters, m, v)
        return (parameters, m, v, t), loss

    x, labels = jnp.asarray(x), jnp.asarray(labels)
    zeros = functools.partial(jax.tree.map, jnp.zeros_like)
    state = (parameters, zeros(parameters), zeros(parameters), jnp.zeros((), jnp.int32))

    def run():
        nonlocal state
        state, loss = jax.block_until_ready(step(state, x, labels))
        return loss

    return run


def layers(*kernels):
    return [(jnp.asarray(kernel), jnp.zeros(kernel.shape[-1])) for kernel in kernels]


def mlp(x, labels, kernel1, kernel2, kernel3):
    def loss_of(parameters, x, labels, key):
        *hidden, (w, b) = parameters
        for kernel, bias in hidden:
            x = jax.nn.relu(x @ kernel + bias)
        return cross_entropy(x @ w + b, labels)

    return trainer(loss_of, layers(kernel1, kernel2, kernel3), x, labels)


def conv(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


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


workloads = {
    "matmul1024": matmul,
    "gelu_chain_4m": gelu,
    "softmax_64x1024x256": softmax,
    "eager_add_x1000": eager_add,
    "mlp_train_b128": mlp,
    "convnet_train_b128": convnet,
}
# XLA's pool has one thread for each processor the process may use, and no setting that says so.
serve(jax.__version__, len(os.sched_getaffinity(0)), workloads, jax.device_get)
