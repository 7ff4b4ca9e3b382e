"""Writes what PyTorch makes of layers, losses and optimizers: trainingLayers.json, trainingLosses.json, trainingOptimizers.json.

    python make_training.py

Images are [batch, height, width, channels] and kernels [height, width, inputs / groups, outputs] in the files. All is
computed in float64 from numbers on a coarse grid.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

from make_peers import Grid, tensor

torch.set_default_dtype(torch.float64)
grid = Grid(7)


def draw(*shape, distinct=False):
    return torch.tensor(grid.numbers(math.prod(shape), distinct)).reshape(shape)


def write(subject, cases):
    text = json.dumps({"versions": {"torch": torch.__version__}, "cases": cases}, separators=(",", ":"))
    Path(__file__).with_name(f"{subject}.json").write_text(text + "\n")


def tensors(values):
    return {name: tensor(value.detach()) for name, value in values.items()}


def layer_case(layer, options, x, weights, forward, draw=draw):
    """Output, and the gradients of Σ ct·y by the input and every weight."""
    leaves = [x.requires_grad_(), *(w.requires_grad_() for w in weights.values())]
    y = forward(x, **weights)
    ct = draw(*y.shape)
    dx, *gradients = torch.autograd.grad((y * ct).sum(), leaves)
    return {
        "layer": layer,
        "options": options,
        **tensors({"x": x, "y": y, "ct": ct, "dx": dx}),
        "weights": tensors(weights),
        "gradients": tensors(dict(zip(weights, gradients))),
    }


def same_cells(size, window, stride, dilation):
    """TensorFlow's "same": the odd cell goes behind."""
    total = max(0, (math.ceil(size / stride) - 1) * stride + dilation * (window - 1) + 1 - size)
    return total // 2, total - total // 2


def padded(x, padding, window, strides, dilation, value=0.0):
    """x as [batch, channels, height, width] with cells around it."""
    if padding == "valid":
        return x
    if padding == "same":
        rows = same_cells(x.shape[2], window[0], strides[0], dilation[0])
        columns = same_cells(x.shape[3], window[1], strides[1], dilation[1])
    else:
        rows, columns = padding[:2], padding[2:]
    return F.pad(x, (*columns, *rows), value=value)


def convolution(options, shape):
    window, strides, dilation = (options.get(key, [1, 1]) for key in ("kernelSize", "strides", "dilation"))
    groups, filters, padding = options.get("groups", 1), options["filters"], options.get("padding", "valid")

    def forward(x, kernel, bias=None):
        images = padded(x.permute(0, 3, 1, 2), padding, window, strides, dilation)
        y = F.conv2d(images, kernel.permute(3, 2, 0, 1).contiguous(), bias, strides, 0, dilation, groups)
        return y.permute(0, 2, 3, 1)

    weights = {"kernel": draw(*window, shape[3] // groups, filters)}
    if options.get("useBias", True):
        weights["bias"] = draw(filters)
    return layer_case("conv2d", options, draw(*shape), weights, forward)


def depthwise(options, shape):
    window, strides, dilation = (options.get(key, [1, 1]) for key in ("kernelSize", "strides", "dilation"))
    channels, multiplier, padding = shape[3], options.get("depthMultiplier", 1), options.get("padding", "valid")

    def forward(x, kernel, bias):
        images = padded(x.permute(0, 3, 1, 2), padding, window, strides, dilation)
        filters = kernel.permute(2, 3, 0, 1).reshape(channels * multiplier, 1, *window)
        return F.conv2d(images, filters, bias, strides, 0, dilation, channels).permute(0, 2, 3, 1)

    weights = {"kernel": draw(*window, channels, multiplier), "bias": draw(channels * multiplier)}
    return layer_case("depthwiseConv2d", options, draw(*shape), weights, forward)


def transposed(options, shape):
    window, strides, dilation = (options.get(key, [1, 1]) for key in ("kernelSize", "strides", "dilation"))
    padding, filters = options.get("padding", "valid"), options["filters"]

    def along(axis):
        """Cells that the whole result of all windows has too many in front, and the size of ours."""
        stride, size = strides[axis], shape[axis + 1]
        overlap = max(0, dilation[axis] * (window[axis] - 1) + 1 - stride)
        if padding == "valid":
            return 0, size * stride + overlap
        if padding == "same":
            return overlap // 2, size * stride
        before, after = padding[2 * axis : 2 * axis + 2]
        return before, (size - 1) * stride + dilation[axis] * (window[axis] - 1) + 1 - before - after

    def forward(x, kernel, bias):
        whole = F.conv_transpose2d(
            x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1).contiguous(), None, strides, 0, 0, 1, dilation
        )
        (top, rows), (left, columns) = along(0), along(1)
        # Strides longer than the window leave cells behind the last one.
        whole = F.pad(whole, (0, max(0, left + columns - whole.shape[3]), 0, max(0, top + rows - whole.shape[2])))
        return whole[:, :, top : top + rows, left : left + columns].permute(0, 2, 3, 1) + bias

    weights = {"kernel": draw(*window, filters, shape[3]), "bias": draw(filters)}
    return layer_case("conv2dTranspose", options, draw(*shape), weights, forward)


def pooling(layer, options, shape):
    window, padding = options["poolSize"], options.get("padding", "valid")
    strides = options.get("strides", window)

    def forward(x):
        images = x.permute(0, 3, 1, 2)
        if layer == "maxPooling2d":
            y = F.max_pool2d(padded(images, padding, window, strides, [1, 1], -math.inf), window, strides)
        else:
            sums = F.avg_pool2d(padded(images, padding, window, strides, [1, 1]), window, strides)
            shares = F.avg_pool2d(padded(torch.ones_like(images), padding, window, strides, [1, 1]), window, strides)
            y = sums / shares
        return y.permute(0, 2, 3, 1)

    return layer_case(layer, options, draw(*shape, distinct=True), {}, forward)


def layers():
    linear = lambda x, kernel, bias=None: F.linear(x, kernel.T, bias)
    relu = lambda x, kernel, bias: F.relu(linear(x, kernel, bias))
    yield layer_case("dense", {"units": 3}, draw(4, 5), {"kernel": draw(5, 3), "bias": draw(3)}, linear)
    yield layer_case("dense", {"units": 2, "useBias": False}, draw(2, 3, 4), {"kernel": draw(4, 2)}, linear)
    options = {"units": 4, "activation": "relu"}
    yield layer_case("dense", options, draw(3, 2), {"kernel": draw(2, 4), "bias": draw(4)}, relu)

    yield convolution({"filters": 2, "kernelSize": [3, 3]}, (2, 5, 4, 3))
    yield convolution({"filters": 2, "kernelSize": [3, 2], "strides": [2, 1]}, (1, 7, 4, 2))
    yield convolution({"filters": 2, "kernelSize": [3, 4], "padding": "same"}, (1, 4, 5, 1))
    yield convolution({"filters": 1, "kernelSize": [3, 3], "strides": [2, 2], "padding": "same"}, (2, 6, 5, 2))
    yield convolution({"filters": 2, "kernelSize": [2, 3], "dilation": [3, 2]}, (1, 6, 6, 1))
    yield convolution({"filters": 4, "kernelSize": [2, 2], "groups": 2, "useBias": False}, (1, 3, 4, 6))
    yield convolution({"filters": 3, "kernelSize": [3, 3], "groups": 3, "padding": [1, 0, 2, 1]}, (1, 3, 3, 3))

    yield depthwise({"kernelSize": [3, 3], "padding": "same"}, (2, 4, 5, 3))
    yield depthwise({"kernelSize": [2, 3], "depthMultiplier": 2, "strides": [2, 1]}, (1, 5, 4, 3))
    yield depthwise({"kernelSize": [3, 2], "depthMultiplier": 3, "dilation": [1, 2], "padding": [1, 0, 0, 2]}, (1, 4, 4, 2))

    yield transposed({"filters": 2, "kernelSize": [3, 3], "strides": [2, 2], "padding": "same"}, (2, 3, 4, 3))
    yield transposed({"filters": 3, "kernelSize": [3, 2], "dilation": [1, 2]}, (1, 3, 4, 2))
    yield transposed({"filters": 1, "kernelSize": [2, 2], "strides": [3, 1], "padding": [1, 0, 0, 1]}, (1, 3, 3, 2))
    yield transposed({"filters": 2, "kernelSize": [1, 2], "strides": [2, 3]}, (1, 2, 2, 1))

    yield pooling("maxPooling2d", {"poolSize": [2, 2]}, (2, 5, 4, 2))
    yield pooling("maxPooling2d", {"poolSize": [3, 2], "strides": [2, 1], "padding": "same"}, (1, 5, 4, 2))
    yield pooling("averagePooling2d", {"poolSize": [2, 3]}, (2, 5, 6, 1))
    yield pooling("averagePooling2d", {"poolSize": [3, 3], "strides": [2, 2], "padding": "same"}, (1, 6, 5, 2))

    mean = lambda x: x.mean((1, 2))
    yield layer_case("globalAveragePooling2d", {}, draw(2, 3, 4, 2), {}, mean)
    yield batch_norm((6, 3), {"momentum": 0.9, "epsilon": 1e-3})
    yield batch_norm((3, 2, 2, 4), {"momentum": 0.75, "epsilon": 1e-5})
    yield from layer_norm()
    yield from group_norm()
    yield from rms_norm()


def batch_norm(shape, options):
    """Two training steps, the gradients of the second, and inference with the statistics they left."""
    channels, momentum = shape[-1], 1 - options["momentum"]
    count = math.prod(shape[:-1])
    gamma, beta = draw(channels), draw(channels)
    module = torch.nn.BatchNorm1d(channels, options["epsilon"], momentum)
    module.weight.data, module.bias.data = gamma.clone(), beta.clone()
    moving_variance = torch.ones(channels)
    first, second = draw(*shape), draw(*shape)

    def forward(x, gamma, beta):
        rows = x.reshape(-1, channels)
        return F.batch_norm(rows, None, None, gamma, beta, True, 0.0, options["epsilon"]).reshape(x.shape)

    for x in (first, second):
        before = module.running_var.clone()
        module(x.reshape(-1, channels))
        # PyTorch moves towards the unbiased variance of the batch.
        unbiased = (module.running_var - (1 - momentum) * before) / momentum
        moving_variance = (1 - momentum) * moving_variance + momentum * unbiased * (count - 1) / count
    case = layer_case("batchNormalization", options, second, {"gamma": gamma, "beta": beta}, forward)
    inferred = F.batch_norm(
        first.reshape(-1, channels), module.running_mean, moving_variance, gamma, beta, False, 0.0, options["epsilon"]
    )
    statistics = {"movingMean": module.running_mean, "movingVariance": moving_variance}
    return {**case, "first": tensor(first), "statistics": tensors(statistics), "inferred": tensor(inferred.detach().reshape(shape))}


def layer_norm():
    own = Grid(13)
    take = lambda *shape: torch.tensor(own.numbers(math.prod(shape))).reshape(shape)
    for shape, options in [((2, 3, 5), {}), ((4, 19), {"epsilon": 1e-5}), ((3, 4), {"center": False}), ((3, 4), {"scale": False})]:
        width = shape[-1:]
        weights = {name: take(*width) for name, key in [("gamma", "scale"), ("beta", "center")] if options.get(key, True)}
        forward = lambda x, gamma=None, beta=None: F.layer_norm(x, width, gamma, beta, options.get("epsilon", 1e-3))
        yield layer_case("layerNormalization", options, take(*shape), weights, forward, take)


def rms_norm():
    own = Grid(19)
    take = lambda *shape: torch.tensor(own.numbers(math.prod(shape))).reshape(shape)
    for shape, options in [((2, 3, 5), {}), ((4, 19), {"epsilon": 1e-3}), ((3, 4), {"scale": False})]:
        width = shape[-1:]
        weights = {"gamma": take(*width)} if options.get("scale", True) else {}
        forward = lambda x, gamma=None: F.rms_norm(x, width, gamma, options.get("epsilon", 1e-6))
        yield layer_case("rmsNormalization", options, take(*shape), weights, forward, take)


def group_norm():
    own = Grid(17)
    take = lambda *shape: torch.tensor(own.numbers(math.prod(shape))).reshape(shape)
    for shape, options in [
        ((2, 3, 2, 6), {"groups": 3}),
        ((3, 5, 4), {"groups": 1, "epsilon": 1e-5}),
        ((2, 4, 3), {"groups": 3, "center": False}),
        ((4, 8), {"groups": 2, "scale": False}),
    ]:
        weights = {name: take(shape[-1]) for name, key in [("gamma", "scale"), ("beta", "center")] if options.get(key, True)}

        def forward(x, gamma=None, beta=None):
            # Its derivative wants factors where there are offsets.
            factors = torch.ones(x.shape[-1]) if gamma is None else gamma
            y = F.group_norm(x.movedim(-1, 1), options["groups"], factors, beta, options.get("epsilon", 1e-3))
            return y.movedim(1, -1)

        yield layer_case("groupNormalization", options, take(*shape), weights, forward, take)


def losses():
    logits = draw(5, 4).requires_grad_()
    classes = torch.tensor([0, 3, 1, 1, 2])
    soft = draw(5, 4).abs() + 0.125
    soft = soft / soft.sum(-1, keepdim=True)

    def case(loss, labels, predictions, options, value):
        (gradient,) = torch.autograd.grad(value, predictions)
        return {"loss": loss, "labels": tensor(labels), "options": options, "predictions": tensor(predictions.detach()), "value": value.item(), "gradient": tensor(gradient)}

    yield case("sparseCategoricalCrossentropy", classes, logits, {}, F.cross_entropy(logits, classes))
    yield case("categoricalCrossentropy", soft, logits, {}, F.cross_entropy(logits, soft))
    probabilities = torch.softmax(logits.detach(), -1).requires_grad_()
    known = {"fromLogits": False}
    yield case("sparseCategoricalCrossentropy", classes, probabilities, known, F.nll_loss(probabilities.log(), classes))
    yield case("categoricalCrossentropy", soft, probabilities, known, -(soft * probabilities.log()).sum(-1).mean())
    targets = draw(5, 4)
    yield case("meanSquaredError", targets, logits, {}, F.mse_loss(logits, targets))


def optimizers():
    steps = 10
    start = draw(6)
    gradients = [draw(6) for _ in range(steps)]
    kinds = [
        ("sgd", 0.1, {}, torch.optim.SGD, {}),
        ("sgd", 0.1, {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
        ("sgd", 0.05, {"momentum": 0.8, "nesterov": True}, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ("adam", 0.01, {}, torch.optim.Adam, {}),
        ("adam", 0.1, {"beta1": 0.5, "beta2": 0.9, "epsilon": 0.001}, torch.optim.Adam, {"betas": (0.5, 0.9), "eps": 0.001}),
        ("adam", 0.1, {"beta1": 0, "beta2": 0}, torch.optim.Adam, {"betas": (0.0, 0.0)}),
        ("adamw", 0.01, {}, torch.optim.AdamW, {}),
        ("adamw", 0.1, {"weightDecay": 0.5}, torch.optim.AdamW, {"weight_decay": 0.5}),
    ]
    for name, rate, options, kind, theirs in kinds:
        weight = start.clone().requires_grad_()
        optimizer = kind([weight], lr=rate, **theirs)
        path = []
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
            path.append(weight.detach().clone())
        yield {"optimizer": name, "rate": rate, "options": options, "start": tensor(start), "gradients": [tensor(g) for g in gradients], "path": [tensor(w) for w in path]}


write("trainingLayers", list(layers()))
write("trainingLosses", list(losses()))
write("trainingOptimizers", list(optimizers()))
