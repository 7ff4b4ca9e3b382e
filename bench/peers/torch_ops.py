"""The sweep over operations in PyTorch: an expression for each name of sweeps/opsArrays.ts and sweeps/opsLayers.ts."""

import torch
import torch.nn.functional as F

images = {
    "scaleChannels", "sumChannels", "meanSpatial", "padImages", "upsample", "groupNorm", "batchNorm",
    "maxPool", "maxPool3", "avgPool", "conv3", "conv3Strided", "convDepthwise",
}  # fmt: skip

expressions = {
    "add": lambda x, y: x + y,
    "div": lambda x, y: x / y,
    "maximum": torch.maximum,
    "power": torch.pow,
    "mulAdd": lambda x, y, z: x * y + z,
    "addScalar": lambda x: x + 1,
    "relu": torch.relu,
    "exp": torch.exp,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "gelu": F.gelu,
    "softplus": F.softplus,
    "sin": torch.sin,
    "erf": torch.erf,
    "log": torch.log,
    "rsqrt": torch.rsqrt,
    "abs": torch.abs,
    "clip": lambda x: x.clamp(-0.5, 0.5),
    "addRow": lambda x, y: x + y,
    "addColumn": lambda x, y: x + y,
    "outerSum": lambda x, y: x + y,
    "scaleChannels": lambda x, y, z: x * y[:, None, None] + z[:, None, None],
    "where": lambda x, y: torch.where(x > 0, x, y),
    "greater": lambda x, y: x > y,
    "logicalAnd": lambda x, y: (x > 0) & (y < 0.5),
    "intAdd": lambda x, y: x + y,
    "intMul": lambda x, y: x * y,
    "intMaximum": torch.maximum,
    "intToFloat": lambda x: x.float(),
    "floatToInt": lambda x: (x * 100).int(),
    "causalMask": lambda x: torch.where(torch.arange(1000)[:, None] >= torch.arange(1000), x, -1e9),
    "sumAll": torch.sum,
    "sumFirst": lambda x: x.sum(0),
    "sumLast": lambda x: x.sum(-1),
    "sumMiddle": lambda x: x.sum(1),
    "sumChannels": lambda x: x.sum((0, 2, 3)),
    "meanSpatial": lambda x: x.mean((2, 3)),
    "maxAll": torch.max,
    "maxFirst": lambda x: x.amax(0),
    "maxLast": lambda x: x.amax(-1),
    "minMiddle": lambda x: x.amin(1),
    "prodLast": lambda x: (x / 100 + 1).prod(-1),
    "argMaxLast": lambda x: x.argmax(-1),
    "argMaxFirst": lambda x: x.argmax(0),
    "varianceLast": lambda x: x.var(-1, correction=0),
    "varianceFirst": lambda x: x.var(0, correction=0),
    "varianceAll": lambda x: x.var(correction=0),
    "normAll": lambda x: torch.linalg.vector_norm(x),
    "normLast": lambda x: torch.linalg.vector_norm(x, dim=-1),
    "logSumExpLast": lambda x: x.logsumexp(-1),
    "logSumExpFirst": lambda x: x.logsumexp(0),
    "anyLast": lambda x: (x > 0.999).any(-1),
    "countPositive": lambda x: torch.count_nonzero(x > 0),
    "intSumLast": lambda x: x.sum(-1, dtype=torch.int32),
    "meanSquaredError": lambda x, y: F.mse_loss(x, y),
    "transpose": lambda x: x.T.contiguous(),
    "toChannelsFirst": lambda x: x.permute(0, 3, 1, 2).contiguous().flatten(2),
    "toChannelsLast": lambda x: x.permute(0, 2, 3, 1).contiguous().flatten(1, 2),
    "splitHeads": lambda x: x.transpose(1, 2).flatten(2),
    "reverseAxes": lambda x: x.permute(2, 1, 0).contiguous(),
    "swapFirstAxes": lambda x: x.transpose(0, 1).contiguous(),
    "concatFirst": lambda x, y: torch.cat((x, y)),
    "concatLast": lambda x, y: torch.cat((x, y), 1),
    "stackLast": lambda x, y: torch.stack((x, y), -1),
    "sliceRows": lambda x: x[100:900].clone(),
    "sliceColumns": lambda x: x[:, 100:900].contiguous(),
    "everyOtherRow": lambda x: x[::2].contiguous(),
    "everyOtherColumn": lambda x: x[:, ::2].contiguous(),
    "pad": lambda x: F.pad(x, (1, 1, 1, 1)),
    "padImages": lambda x: F.pad(x, (1, 1, 1, 1)),
    "flipFirst": lambda x: x.flip(0),
    "flipLast": lambda x: x.flip(1),
    "tile": lambda x: x.repeat(2, 2),
    "repeatRows": lambda x: x[:, None].expand(-1, 2, -1).flatten(0, 1),
    "repeatColumns": lambda x: x[..., None].expand(-1, -1, 2).flatten(1),
    "broadcastRow": lambda x: x.expand(1000, -1).contiguous(),
    "upsample": lambda x: F.interpolate(x, scale_factor=2),
    "takeRows": lambda x, i: F.embedding(i, x),
    "takeElements": torch.take,
    "takeColumns": lambda x, i: x.index_select(1, i),
    "takeAlongLast": lambda x, i: x.gather(-1, i),
    "takeAlongFirst": lambda x, i: x.gather(0, i),
    "segmentSum": lambda x, i: x[i],
    "oneHot": lambda i: F.one_hot(i, 1000),
    "matmul": torch.matmul,
    "batchedMatmul": torch.bmm,
    "queriesByKeys": lambda q, k: (q.transpose(1, 2) @ k.permute(0, 2, 3, 1)).flatten(2),
    "denseRelu": lambda x, w, b: torch.addmm(b, x, w).relu(),
    "denseGelu": lambda x, w, b: F.gelu(torch.addmm(b, x, w)),
    "softmax": lambda x: x.softmax(-1),
    "softmaxFirst": lambda x: x.softmax(0),
    "logSoftmax": lambda x: x.log_softmax(-1),
    "crossEntropy": F.cross_entropy,
    "layerNorm": lambda x, scale, offset: F.layer_norm(x, x.shape[-1:], scale, offset),
    "rmsNorm": lambda x, scale: F.rms_norm(x, x.shape[-1:], scale, 1e-5),
    "groupNorm": lambda x, scale, offset: F.group_norm(x, 8, scale, offset),
    "batchNorm": lambda x, scale, offset: F.batch_norm(
        x, torch.zeros_like(scale), torch.ones_like(scale), scale, offset, training=True
    ),
    "maxPool": lambda x: F.max_pool2d(x, 2),
    "maxPool3": lambda x: F.max_pool2d(x, 3, 2, 1),
    "avgPool": lambda x: F.avg_pool2d(x, 2),
    "conv3": lambda x, kernel: F.conv2d(x, kernel, padding=1),
    "conv3Strided": lambda x, kernel: F.conv2d(x, kernel, stride=2, padding=1),
    "convDepthwise": lambda x, kernel: F.conv2d(x, kernel, padding=1, groups=kernel.shape[0]),
    "attention": lambda q, k, v: attention(q, k, v, False),
    "causalAttention": lambda q, k, v: attention(q, k, v, True),
    "lstm": lambda x, *weights: recurrent(torch.lstm, x, weights, 2),
    "gru": lambda x, *weights: recurrent(torch.gru, x, weights, 1),
}
# What a compiler can join or shorten, for a compilation of seconds.
worth_compiling = {
    "mulAdd", "silu", "scaleChannels", "where", "logicalAnd", "floatToInt", "causalMask", "prodLast", "anyLast", "countPositive",
    "varianceLast", "logSumExpLast", "meanSquaredError", "gelu", "softmax", "crossEntropy", "layerNorm", "rmsNorm", "groupNorm",
    "batchNorm", "maxPool", "takeRows", "denseGelu",
}  # fmt: skip


def attention(q, k, v, causal):
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)


def recurrent(f, x, weights, states):
    # Without biases, which are zeros for all.
    zeros = torch.zeros(1, x.shape[0], weights[1].shape[1])
    state = (zeros, zeros) if states == 2 else zeros
    return f(x, state, weights, False, 1, 0.0, False, False, True)[0]


def in_own_order(operation, index, x):
    """An operand as PyTorch keeps it: images and kernels with channels in front, weights of layers transposed."""
    if operation in images and x.dim() == 4:
        is_kernel = operation.startswith("conv") and index == 1
        return x.permute(*((3, 2, 0, 1) if is_kernel else (0, 3, 1, 2))).contiguous()
    if operation in ("lstm", "gru") and x.dim() == 2:
        if operation == "gru":
            update, reset, candidate = x.chunk(3, 1)
            x = torch.cat((reset, update, candidate), 1)
        return x.T.contiguous()
    return x


def optimizer_step(operation, weights, gradient):
    weights = [torch.nn.Parameter(part.clone()) for part in weights]
    for part, its_gradient in zip(weights, gradient):
        part.grad = its_gradient
    if operation == "adam":
        optimizer = torch.optim.Adam(weights, 1e-3, eps=1e-8, fused=True)
    else:
        optimizer = torch.optim.SGD(weights, 0.1, momentum=0.9, foreach=True)

    def run():
        optimizer.step()
        return weights[0].detach().clone()

    return run


def operations(compiling):
    def prepare(operation, gradient, **arrays):
        given = [in_own_order(operation, index, torch.from_numpy(x)) for index, x in enumerate(arrays.values())]
        if not operation.startswith("int"):
            # Integers that number something are int64 in PyTorch.
            given = [x.long() if x.dtype == torch.int32 else x for x in given]
        if compiling and operation not in worth_compiling:
            return None
        if operation in ("adam", "sgdMomentum"):
            return optimizer_step(operation, *given)
        f = expressions[operation]
        if compiling:
            # A shape is compiled as if it were the only one.
            torch._dynamo.reset()
            f = torch.compile(f, dynamic=False)
        if not gradient:
            return lambda: f(*given)
        *given, cotangent = given
        wanted = [x.requires_grad_() for x in given if x.is_floating_point()]

        def backward():
            first, *_ = torch.autograd.grad(f(*given), wanted, cotangent)
            # What has four axes is taken for images.
            return first if operation in images or first.dim() < 4 else first.flatten(2)

        return backward

    return prepare
