"""The sweep over operations in JAX: an expression for each name of sweeps/opsArrays.ts and sweeps/opsLayers.ts."""

import functools

import jax
import jax.numpy as jnp
from jax import lax, nn

from jax_layers import batch_norm, group_norm, gru_layer, layer_norm, lstm_layer, rms_norm

nhwc = ("NHWC", "HWIO", "NHWC")
index = jnp.arange


def conv(x, kernel, stride=1, groups=1):
    return lax.conv_general_dilated(x, kernel, (stride, stride), [(1, 1)] * 2, dimension_numbers=nhwc, feature_group_count=groups)


def pool(x, initial, f, size, cells=0):
    cells = ((0, 0), (cells, cells), (cells, cells), (0, 0))
    return lax.reduce_window(x, initial, f, (1, size, size, 1), (1, 2, 2, 1), cells)


def attention(q, k, v, causal):
    return nn.dot_product_attention(q, k, v, is_causal=causal).reshape(*q.shape[:2], -1)


expressions = {
    "add": lambda x, y: x + y,
    "div": lambda x, y: x / y,
    "maximum": jnp.maximum,
    "power": jnp.power,
    "mulAdd": lambda x, y, z: x * y + z,
    "addScalar": lambda x: x + 1,
    "relu": nn.relu,
    "exp": jnp.exp,
    "tanh": jnp.tanh,
    "sigmoid": nn.sigmoid,
    "silu": nn.silu,
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "softplus": nn.softplus,
    "sin": jnp.sin,
    "erf": lax.erf,
    "log": jnp.log,
    "rsqrt": lax.rsqrt,
    "abs": jnp.abs,
    "clip": lambda x: jnp.clip(x, -0.5, 0.5),
    "addRow": lambda x, y: x + y,
    "addColumn": lambda x, y: x + y,
    "outerSum": lambda x, y: x + y,
    "scaleChannels": lambda x, y, z: x * y + z,
    "where": lambda x, y: jnp.where(x > 0, x, y),
    "greater": lambda x, y: x > y,
    "logicalAnd": lambda x, y: (x > 0) & (y < 0.5),
    "intAdd": lambda x, y: x + y,
    "intMul": lambda x, y: x * y,
    "intMaximum": jnp.maximum,
    "intToFloat": lambda x: x.astype(jnp.float32),
    "floatToInt": lambda x: (x * 100).astype(jnp.int32),
    "causalMask": lambda x: jnp.where(index(1000)[:, None] >= index(1000), x, -1e9),
    "sumAll": jnp.sum,
    "sumFirst": lambda x: x.sum(0),
    "sumLast": lambda x: x.sum(-1),
    "sumMiddle": lambda x: x.sum(1),
    "sumChannels": lambda x: x.sum((0, 1, 2)),
    "meanSpatial": lambda x: x.mean((1, 2)),
    "maxAll": jnp.max,
    "maxFirst": lambda x: x.max(0),
    "maxLast": lambda x: x.max(-1),
    "minMiddle": lambda x: x.min(1),
    "prodLast": lambda x: (x / 100 + 1).prod(-1),
    "argMaxLast": lambda x: x.argmax(-1),
    "argMaxFirst": lambda x: x.argmax(0),
    "varianceLast": lambda x: x.var(-1),
    "varianceFirst": lambda x: x.var(0),
    "varianceAll": jnp.var,
    "normAll": lambda x: jnp.sqrt(jnp.sum(x * x)),
    "normLast": lambda x: jnp.linalg.norm(x, axis=-1),
    "logSumExpLast": lambda x: nn.logsumexp(x, -1),
    "logSumExpFirst": lambda x: nn.logsumexp(x, 0),
    "anyLast": lambda x: (x > 0.999).any(-1),
    "countPositive": lambda x: jnp.count_nonzero(x > 0),
    "intSumLast": lambda x: x.sum(-1),
    "meanSquaredError": lambda x, y: jnp.mean((x - y) ** 2),
    "transpose": jnp.transpose,
    "toChannelsFirst": lambda x: x.transpose(0, 3, 1, 2).reshape(x.shape[0], x.shape[3], -1),
    "toChannelsLast": lambda x: x.transpose(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1]),
    "splitHeads": lambda x: x.swapaxes(1, 2).reshape(8, 8, -1),
    "reverseAxes": jnp.transpose,
    "swapFirstAxes": lambda x: x.swapaxes(0, 1),
    "concatFirst": lambda x, y: jnp.concatenate((x, y)),
    "concatLast": lambda x, y: jnp.concatenate((x, y), 1),
    "stackLast": lambda x, y: jnp.stack((x, y), -1),
    "sliceRows": lambda x: x[100:900],
    "sliceColumns": lambda x: x[:, 100:900],
    "everyOtherRow": lambda x: x[::2],
    "everyOtherColumn": lambda x: x[:, ::2],
    "pad": lambda x: jnp.pad(x, 1),
    "padImages": lambda x: jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))),
    "flipFirst": lambda x: x[::-1],
    "flipLast": lambda x: x[:, ::-1],
    "tile": lambda x: jnp.tile(x, (2, 2)),
    "repeatRows": lambda x: jnp.repeat(x, 2, 0),
    "repeatColumns": lambda x: jnp.repeat(x, 2, 1),
    "broadcastRow": lambda x: jnp.broadcast_to(x, (1000, 1000)),
    "upsample": lambda x: jnp.repeat(jnp.repeat(x, 2, 1), 2, 2),
    "takeRows": lambda x, i: x[i],
    "takeElements": lambda x, i: x[i],
    "takeColumns": lambda x, i: x[:, i],
    "takeAlongLast": lambda x, i: jnp.take_along_axis(x, i, -1),
    "takeAlongFirst": lambda x, i: jnp.take_along_axis(x, i, 0),
    "segmentSum": lambda x, i: x[i],
    "oneHot": lambda i: nn.one_hot(i, 1000),
    "matmul": jnp.matmul,
    "batchedMatmul": jnp.matmul,
    "queriesByKeys": lambda q, k: jnp.einsum("bqhd,bkhd->bhqk", q, k).reshape(8, 8, -1),
    "denseRelu": lambda x, w, b: nn.relu(x @ w + b),
    "denseGelu": lambda x, w, b: nn.gelu(x @ w + b, approximate=False),
    "softmax": nn.softmax,
    "softmaxFirst": lambda x: nn.softmax(x, 0),
    "logSoftmax": nn.log_softmax,
    "crossEntropy": lambda x, labels: -jnp.mean(jnp.take_along_axis(nn.log_softmax(x), labels[:, None], -1)),
    "layerNorm": layer_norm,
    "rmsNorm": rms_norm,
    "groupNorm": lambda x, scale, offset: group_norm(x, scale, offset, 8),
    "batchNorm": batch_norm,
    "maxPool": lambda x: pool(x, -jnp.inf, lax.max, 2),
    "maxPool3": lambda x: pool(x, -jnp.inf, lax.max, 3, 1),
    "avgPool": lambda x: pool(x, 0.0, lax.add, 2) / 4,
    "conv3": conv,
    "conv3Strided": functools.partial(conv, stride=2),
    "convDepthwise": functools.partial(conv, groups=96),
    "attention": functools.partial(attention, causal=False),
    "causalAttention": functools.partial(attention, causal=True),
    "lstm": lstm_layer,
    "gru": gru_layer,
}


def optimizer_step(optimizer, weights, gradients, shown):
    """Steps whose state is donated, and what is `shown` of the weights after each."""

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, gradients):
        weights, slots, t = state
        weights, slots = optimizer.update(weights, gradients, slots, t + 1)
        return (weights, slots, t + 1), shown(weights)

    state = (weights, optimizer.init(weights), jnp.zeros((), jnp.int32))

    def run():
        nonlocal state
        state, part = jax.block_until_ready(step(state, gradients))
        return part

    return run


def operations(optimizers):
    def prepare(operation, gradient, **arrays):
        given = [jnp.asarray(x) for x in arrays.values()]
        if operation in optimizers:
            weights, gradients = (jnp.split(x, 100) for x in given)
            return optimizer_step(optimizers[operation], weights, gradients, lambda weights: weights[0] + 0)
        f = expressions[operation]
        if not gradient:
            f = jax.jit(f)
            return lambda: jax.block_until_ready(f(*given))
        floats = [i for i, x in enumerate(given[:-1]) if x.dtype == jnp.float32]

        @jax.jit
        def backward(operands, cotangent):
            def of_floats(*values):
                all = list(operands)
                for i, value in zip(floats, values):
                    all[i] = value
                return f(*all)

            _, pullback = jax.vjp(of_floats, *(operands[i] for i in floats))
            return pullback(cotangent)

        *operands, cotangent = given
        return lambda: jax.block_until_ready(backward(operands, cotangent))[0]

    return prepare
