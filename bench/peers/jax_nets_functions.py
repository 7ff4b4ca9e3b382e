"""Networks in JAX whose work lies in how they are differentiated."""

import jax
import jax.numpy as jnp
from jax import nn

from jax_layers import conv, cross_entropy, jitted, layers, max_pool, trainer


def pinn(x, labels, viscosity, **kernels):
    def u(parameters, at):
        *hidden, last = parameters
        for kernel, bias in hidden:
            at = jnp.tanh(at @ kernel + bias)
        return (at @ last[0] + last[1])[0]

    def residual(parameters, at):
        slopes = jax.grad(u, 1)
        first = slopes(parameters, at)
        second = jax.grad(lambda at: slopes(parameters, at)[1])(at)
        return first[0] + u(parameters, at) * first[1] - viscosity * second[1]

    def loss_of(parameters, x, labels, key):
        return jnp.mean((jax.vmap(residual, (None, 0))(parameters, x)[:, None] - labels) ** 2)

    return trainer(loss_of, layers(*kernels.values()), x, labels)


def dpsgd(x, labels, **kernels):
    def loss_of(kernels, image, label):
        first, second, last = kernels
        y = max_pool(nn.relu(conv(image[None], first)))
        y = max_pool(nn.relu(conv(y, second)))
        return cross_entropy(y.reshape(1, -1) @ last, label[None])

    def step(kernels, x, labels):
        gradients = jax.vmap(jax.grad(loss_of), (None, 0, 0))(kernels, x, labels)
        together = jnp.concatenate([one.reshape(len(x), -1) for one in gradients], 1)
        norms = jnp.sqrt((together**2).sum(1, keepdims=True))
        return (together * jnp.minimum(1 / norms, 1)).mean(0)

    return jitted(step, list(kernels.values()), x, labels)
