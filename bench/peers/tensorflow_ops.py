"""The sweep over operations in TensorFlow: an expression for each name of sweeps/opsArrays.ts and sweeps/opsLayers.ts."""

import keras
import tensorflow as tf
from tensorflow import nn


def normalized(x, axes):
    mean, variance = nn.moments(x, axes, keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + 1e-5)


def attention(q, k, v, causal):
    q, k, v = (tf.transpose(x, (0, 2, 1, 3)) for x in (q, k, v))
    weights = tf.matmul(q, k, transpose_b=True) / q.shape[-1] ** 0.5
    if causal:
        weights = tf.where(tf.range(q.shape[2])[:, None] >= tf.range(q.shape[2]), weights, -1e30)
    y = tf.transpose(tf.matmul(nn.softmax(weights), v), (0, 2, 1, 3))
    return tf.reshape(y, (*y.shape[:2], -1))


def one_axis(f, axis):
    return lambda x: f(x, axis)


def pool(f, size, padding="VALID"):
    return lambda x: f(x, size, 2, padding)


one_cell = [[0, 0], [1, 1], [1, 1], [0, 0]]

expressions = {
    "add": lambda x, y: x + y,
    "div": lambda x, y: x / y,
    "maximum": tf.maximum,
    "power": tf.pow,
    "mulAdd": lambda x, y, z: x * y + z,
    "addScalar": lambda x: x + 1,
    "relu": nn.relu,
    "exp": tf.exp,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "silu": nn.silu,
    "gelu": nn.gelu,
    "softplus": nn.softplus,
    "sin": tf.sin,
    "erf": tf.math.erf,
    "log": tf.math.log,
    "rsqrt": tf.math.rsqrt,
    "abs": tf.abs,
    "clip": lambda x: tf.clip_by_value(x, -0.5, 0.5),
    "addRow": lambda x, y: x + y,
    "addColumn": lambda x, y: x + y,
    "outerSum": lambda x, y: x + y,
    "scaleChannels": lambda x, y, z: x * y + z,
    "where": lambda x, y: tf.where(x > 0, x, y),
    "greater": tf.greater,
    "logicalAnd": lambda x, y: (x > 0) & (y < 0.5),
    "intAdd": lambda x, y: x + y,
    "intMul": lambda x, y: x * y,
    "intMaximum": tf.maximum,
    "intToFloat": lambda x: tf.cast(x, tf.float32),
    "floatToInt": lambda x: tf.cast(x * 100, tf.int32),
    "causalMask": lambda x: tf.where(tf.range(1000)[:, None] >= tf.range(1000), x, -1e9),
    "sumAll": tf.reduce_sum,
    "sumFirst": one_axis(tf.reduce_sum, 0),
    "sumLast": one_axis(tf.reduce_sum, -1),
    "sumMiddle": one_axis(tf.reduce_sum, 1),
    "sumChannels": one_axis(tf.reduce_sum, (0, 1, 2)),
    "meanSpatial": one_axis(tf.reduce_mean, (1, 2)),
    "maxAll": tf.reduce_max,
    "maxFirst": one_axis(tf.reduce_max, 0),
    "maxLast": one_axis(tf.reduce_max, -1),
    "minMiddle": one_axis(tf.reduce_min, 1),
    "prodLast": lambda x: tf.reduce_prod(x / 100 + 1, -1),
    "argMaxLast": one_axis(tf.argmax, -1),
    "argMaxFirst": one_axis(tf.argmax, 0),
    "varianceLast": one_axis(tf.math.reduce_variance, -1),
    "varianceFirst": one_axis(tf.math.reduce_variance, 0),
    "varianceAll": tf.math.reduce_variance,
    "normAll": tf.norm,
    "normLast": lambda x: tf.norm(x, axis=-1),
    "logSumExpLast": one_axis(tf.reduce_logsumexp, -1),
    "logSumExpFirst": one_axis(tf.reduce_logsumexp, 0),
    "anyLast": lambda x: tf.reduce_any(x > 0.999, -1),
    "countPositive": lambda x: tf.math.count_nonzero(x > 0),
    "intSumLast": one_axis(tf.reduce_sum, -1),
    "meanSquaredError": lambda x, y: tf.reduce_mean(tf.square(x - y)),
    "transpose": tf.transpose,
    "toChannelsFirst": lambda x: tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (x.shape[0], x.shape[3], -1)),
    "toChannelsLast": lambda x: tf.reshape(tf.transpose(x, (0, 2, 3, 1)), (x.shape[0], -1, x.shape[1])),
    "splitHeads": lambda x: tf.reshape(tf.transpose(x, (0, 2, 1, 3)), (8, 8, -1)),
    "reverseAxes": tf.transpose,
    "swapFirstAxes": lambda x: tf.transpose(x, (1, 0, 2)),
    "concatFirst": lambda x, y: tf.concat((x, y), 0),
    "concatLast": lambda x, y: tf.concat((x, y), 1),
    "stackLast": lambda x, y: tf.stack((x, y), -1),
    "sliceRows": lambda x: x[100:900],
    "sliceColumns": lambda x: x[:, 100:900],
    "everyOtherRow": lambda x: x[::2],
    "everyOtherColumn": lambda x: x[:, ::2],
    "pad": lambda x: tf.pad(x, [[1, 1], [1, 1]]),
    "padImages": lambda x: tf.pad(x, one_cell),
    "flipFirst": lambda x: tf.reverse(x, [0]),
    "flipLast": lambda x: tf.reverse(x, [1]),
    "tile": lambda x: tf.tile(x, (2, 2)),
    "repeatRows": lambda x: tf.repeat(x, 2, 0),
    "repeatColumns": lambda x: tf.repeat(x, 2, 1),
    "broadcastRow": lambda x: tf.broadcast_to(x, (1000, 1000)),
    "upsample": lambda x: tf.image.resize(x, (56, 56), "nearest"),
    "takeRows": tf.gather,
    "takeElements": tf.gather,
    "takeColumns": lambda x, i: tf.gather(x, i, axis=1),
    "takeAlongLast": lambda x, i: tf.gather(x, i, batch_dims=1),
    "takeAlongFirst": lambda x, i: tf.experimental.numpy.take_along_axis(x, i, 0),
    "segmentSum": tf.gather,
    "oneHot": lambda i: tf.one_hot(i, 1000),
    "matmul": tf.matmul,
    "batchedMatmul": tf.matmul,
    "queriesByKeys": lambda q, k: tf.reshape(tf.einsum("bqhd,bkhd->bhqk", q, k), (8, 8, -1)),
    "denseRelu": lambda x, w, b: nn.relu(tf.matmul(x, w) + b),
    "denseGelu": lambda x, w, b: nn.gelu(tf.matmul(x, w) + b),
    "softmax": nn.softmax,
    "softmaxFirst": lambda x: nn.softmax(x, 0),
    "logSoftmax": nn.log_softmax,
    "crossEntropy": lambda x, labels: tf.reduce_mean(nn.sparse_softmax_cross_entropy_with_logits(labels, x)),
    "layerNorm": lambda x, scale, offset: normalized(x, [-1]) * scale + offset,
    "rmsNorm": lambda x, scale: x * tf.math.rsqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-5) * scale,
    "groupNorm": lambda x, scale, offset: (
        tf.reshape(normalized(tf.reshape(x, (*x.shape[:3], 8, -1)), [1, 2, 4]), x.shape) * scale + offset
    ),
    "batchNorm": lambda x, scale, offset: tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=1e-5)[0],
    "maxPool": pool(nn.max_pool2d, 2),
    "maxPool3": pool(nn.max_pool2d, 3, one_cell),
    "avgPool": pool(nn.avg_pool2d, 2),
    "conv3": lambda x, kernel: nn.conv2d(x, kernel, 1, "SAME"),
    "conv3Strided": lambda x, kernel: nn.conv2d(x, kernel, 2, one_cell),
    "convDepthwise": lambda x, kernel: nn.depthwise_conv2d(x, tf.transpose(kernel, (0, 1, 3, 2)), [1] * 4, "SAME"),
    "attention": lambda q, k, v: attention(q, k, v, False),
    "causalAttention": lambda q, k, v: attention(q, k, v, True),
}


def optimizer_step(operation, weights, gradients):
    weights, gradients = ([x[0] for x in tf.split(both, 100)] for both in (weights, gradients))
    weights = [tf.Variable(part) for part in weights]
    if operation == "adam":
        optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    else:
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(weights)

    @tf.function
    def step(gradients):
        optimizer.apply(gradients, weights)
        return tf.identity(weights[0])

    return lambda: step(gradients)


def layer_of(operation, x, kernel, recurrent):
    kind = keras.layers.LSTM if operation == "lstm" else keras.layers.GRU
    layer = kind(recurrent.shape[0], return_sequences=True, use_bias=False)
    layer.build(x.shape)
    layer.cell.kernel.assign(kernel)
    layer.cell.recurrent_kernel.assign(recurrent)
    return layer


def operations(operation, gradient, **arrays):
    given = [tf.constant(x) for x in arrays.values()]
    if operation in ("adam", "sgdMomentum"):
        return optimizer_step(operation, *given)
    weights = []
    if operation in ("lstm", "gru"):
        f = layer_of(operation, *given[:3])
        given, weights = given[:1] + given[3:], f.trainable_variables
    else:
        f = expressions[operation]
    if not gradient:
        forward = tf.function(f)
        return lambda: forward(*given)
    *operands, cotangent = given

    @tf.function
    def backward(operands, cotangent):
        floats = [x for x in operands if x.dtype == tf.float32]
        with tf.GradientTape() as tape:
            for x in floats:
                tape.watch(x)
            y = f(*operands)
        return [tf.convert_to_tensor(x) for x in tape.gradient(y, [*floats, *weights], cotangent)]

    return lambda: backward(operands, cotangent)[0]
