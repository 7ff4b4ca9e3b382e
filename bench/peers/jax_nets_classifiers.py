"""Networks that classify images by convolutions, in JAX."""

import jax.numpy as jnp
from jax import lax, nn

from jax_layers import Momentum, batch_norm, conv, cross_entropy, jitted, layers, max_pool, trainer


def parameters_of(*kernels):
    """Kernels of convolutions with the scale and offset of the normalization behind each, but for the last, of a dense layer."""
    *kernels, head = kernels
    # Our depthwise kernels are [height, width, channels, 1], JAX's [height, width, 1, channels].
    kernels = [k.transpose(0, 1, 3, 2) if k.shape[3] == 1 else k for k in kernels]
    return [(jnp.asarray(k), jnp.ones(k.shape[3]), jnp.zeros(k.shape[3])) for k in kernels], layers(head)[0]


class Training:
    """Convolutions of a network in order, each normalized by the statistics of the batch."""

    def __init__(self, normalized):
        self.normalized = iter(normalized)

    def __call__(self, x, stride=1):
        kernel, gamma, beta = next(self.normalized)
        return self.normalize(convolved(x, kernel, stride), gamma, beta)

    def normalize(self, x, gamma, beta):
        return batch_norm(x, gamma, beta)


class Inference(Training):
    """The same normalized by moving statistics, which are arrays as the weights are, and no constants."""

    def __init__(self, normalized, statistics):
        super().__init__(normalized)
        self.statistics = iter(statistics)

    def normalize(self, x, gamma, beta):
        mean, variance = next(self.statistics)
        return (x - mean) * (lax.rsqrt(variance + 1e-5) * gamma) + beta


def convolved(x, kernel, stride=1):
    groups = kernel.shape[3] if kernel.shape[2] == 1 else 1
    cells = kernel.shape[0] // 2
    return conv(x, kernel, stride, [(cells, cells)] * 2, groups)


def classified(x, head):
    return x.mean((1, 2)) @ head[0] + head[1]


def train(network, x, labels, *parameters):
    """A step of network(layer, *rest, x), where parameters are those of the layers and the rest."""

    def loss_of(parameters, x, labels, key):
        normalized, *rest = parameters
        return cross_entropy(network(Training(normalized), *rest, x), labels)

    return trainer(loss_of, parameters, x, labels, Momentum())


def infer(network, x, normalized, *rest):
    statistics = [(jnp.zeros_like(beta), jnp.ones_like(gamma)) for _, gamma, beta in normalized]
    run = lambda normalized, statistics, rest, x: network(Inference(normalized, statistics), *rest, x)
    return jitted(run, normalized, statistics, rest, x)


def mobilenet(layer, head, x):
    x = nn.relu6(layer(x, 2))
    for stride in (2, 1) * 3:
        y = layer(nn.relu6(layer(nn.relu6(layer(x)), stride)))
        x = x + y if x.shape == y.shape else y
    return classified(nn.relu6(layer(x)), head)


def mobilenet_train(x, labels, **kernels):
    return train(mobilenet, x, labels, *parameters_of(*kernels.values()))


def mobilenet_infer(x, **kernels):
    return infer(mobilenet, x, *parameters_of(*kernels.values()))


def densenet(x, labels, **kernels):
    first, *kernels, last = kernels.values()
    # Normalized before each convolution and not behind it.
    norms = [(jnp.ones(k.shape[-2]), jnp.zeros(k.shape[-2])) for k in (*kernels, last)]
    parameters = jnp.asarray(first), [jnp.asarray(k) for k in kernels], norms, layers(last)[0]

    def loss_of(parameters, x, labels, key):
        first, kernels, norms, head = parameters
        x = convolved(x, first)
        for kernel, norm in zip(kernels, norms):
            y = convolved(nn.relu(batch_norm(x, *norm)), kernel)
            if kernel.shape[0] == 3:
                x = jnp.concatenate([x, y], -1)
            else:
                x = lax.reduce_window(y, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
        return cross_entropy(classified(nn.relu(batch_norm(x, *norms[-1])), head), labels)

    return trainer(loss_of, parameters, x, labels, Momentum())


def efficientnet(layer, dense, head, x):
    dense = iter(dense)
    x = nn.silu(layer(x, 2))
    for stride in (2, 1, 2, 1, 2, 1):
        y = nn.silu(layer(nn.silu(layer(x)), stride))
        (squeeze, a), (excite, b) = next(dense), next(dense)
        weights = nn.sigmoid(nn.silu(y.mean((1, 2)) @ squeeze + a) @ excite + b)
        y = layer(y * weights[:, None, None])
        x = x + y if x.shape == y.shape else y
    return classified(nn.silu(layer(x)), head)


def efficientnet_parameters(kernels):
    *kernels, last = kernels.values()
    normalized, head = parameters_of(*(k for k in kernels if k.ndim == 4), last)
    return normalized, layers(*(k for k in kernels if k.ndim == 2)), head


def efficientnet_train(x, labels, **kernels):
    return train(efficientnet, x, labels, *efficientnet_parameters(kernels))


def efficientnet_infer(x, **kernels):
    return infer(efficientnet, x, *efficientnet_parameters(kernels))


def resnet50(x, **kernels):
    def network(layer, head, x):
        x = nn.relu(layer(x, 2))
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), [(0, 0), (1, 1), (1, 1), (0, 0)])
        for stage, count in enumerate((3, 4, 6, 3)):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                y = layer(nn.relu(layer(nn.relu(layer(x)), stride)))
                x = nn.relu(y + (layer(x, stride) if block == 0 else x))
        return classified(x, head)

    return infer(network, x, *parameters_of(*kernels.values()))


def vgg(parameters, x):
    *convolutions, first, second, last = parameters
    for i, (kernel, bias) in enumerate(convolutions):
        x = nn.relu(convolved(x, kernel) + bias)
        if i in (0, 1, 3, 5, 7):
            x = max_pool(x)
    x = x.reshape(x.shape[0], -1)
    for kernel, bias in (first, second):
        x = nn.relu(x @ kernel + bias)
    return x @ last[0] + last[1]


def vgg_infer(x, **kernels):
    return jitted(vgg, layers(*kernels.values()), x)


def vgg_train(x, labels, **kernels):
    loss_of = lambda parameters, x, labels, key: cross_entropy(vgg(parameters, x), labels)
    return trainer(loss_of, layers(*kernels.values()), x, labels)
