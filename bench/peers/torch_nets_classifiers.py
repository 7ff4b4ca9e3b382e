"""Networks that classify images by convolutions, in PyTorch."""

import torch
from torch import nn

from torch_layers import conv, images, infer, linear, sgd, trainer


def normalized(kernel, *window):
    return conv(kernel, *window, bias=False), nn.BatchNorm2d(kernel.shape[3])


def depthwise(kernel, stride):
    return normalized(kernel.transpose(0, 1, 3, 2), stride, kernel.shape[0] // 2, kernel.shape[2])


def head(kernel):
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear(kernel)


class Inverted(nn.Module):
    """Widened, seen by windows and thinned, and added where the shape stays."""

    def __init__(self, stride, widen, windows, thin, activation, *weigh):
        super().__init__()
        self.body = nn.Sequential(
            *normalized(widen), activation(),
            *depthwise(windows, stride), activation(), *weigh,
            *normalized(thin),
        )  # fmt: skip
        self.adds = stride == 1 and widen.shape[2] == thin.shape[3]

    def forward(self, x):
        y = self.body(x)
        return x + y if self.adds else y


def mobilenet(kernels):
    kernels = iter(kernels.values())
    model = [*normalized(next(kernels), 2, 1), nn.ReLU6()]
    for stride in (2, 1) * 3:
        model.append(Inverted(stride, next(kernels), next(kernels), next(kernels), nn.ReLU6))
    return nn.Sequential(*model, *normalized(next(kernels)), nn.ReLU6(), *head(next(kernels)))


def mobilenet_train(x, labels, **kernels):
    return trainer(mobilenet(kernels), images(x), labels, sgd(0.1, momentum=0.9))


def mobilenet_infer(x, **kernels):
    return infer(mobilenet(kernels), images(x))


class DenseLayer(nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.body = nn.Sequential(*activated(kernel, 1))

    def forward(self, x):
        return torch.cat([x, self.body(x)], 1)


def activated(kernel, padding=0):
    return nn.BatchNorm2d(kernel.shape[2]), nn.ReLU(), conv(kernel, 1, padding, bias=False)


def densenet(x, labels, **kernels):
    first, *kernels, last = kernels.values()
    model = [conv(first, 1, 1, bias=False)]
    for kernel in kernels:
        model += [DenseLayer(kernel)] if kernel.shape[0] == 3 else [*activated(kernel), nn.AvgPool2d(2)]
    model += [nn.BatchNorm2d(last.shape[0]), nn.ReLU(), *head(last)]
    return trainer(nn.Sequential(*model), images(x), labels, sgd(0.1, momentum=0.9))


class SqueezeExcitation(nn.Module):
    def __init__(self, squeeze, excite):
        super().__init__()
        self.body = nn.Sequential(linear(squeeze), nn.SiLU(), linear(excite), nn.Sigmoid())

    def forward(self, x):
        return x * self.body(x.mean((2, 3)))[:, :, None, None]


def efficientnet(kernels):
    kernels = iter(kernels.values())
    model = [*normalized(next(kernels), 2, 1), nn.SiLU()]
    for stride in (2, 1, 2, 1, 2, 1):
        widen, windows, squeeze, excite, thin = (next(kernels) for _ in range(5))
        model.append(Inverted(stride, widen, windows, thin, nn.SiLU, SqueezeExcitation(squeeze, excite)))
    return nn.Sequential(*model, *normalized(next(kernels)), nn.SiLU(), *head(next(kernels)))


def efficientnet_train(x, labels, **kernels):
    return trainer(efficientnet(kernels), images(x), labels, sgd(0.1, momentum=0.9))


def efficientnet_infer(x, **kernels):
    return infer(efficientnet(kernels), images(x))


class Bottleneck(nn.Module):
    def __init__(self, thin, windows, widen, projection, stride):
        super().__init__()
        self.body = nn.Sequential(
            *normalized(thin), nn.ReLU(),
            *normalized(windows, stride, 1), nn.ReLU(),
            *normalized(widen),
        )  # fmt: skip
        self.shortcut = nn.Identity() if projection is None else nn.Sequential(*normalized(projection, stride))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet50(x, **kernels):
    first, *kernels, last = kernels.values()
    kernels = iter(kernels)
    model = [*normalized(first, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for stage, count in enumerate((3, 4, 6, 3)):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            body = [next(kernels) for _ in range(3)]
            model.append(Bottleneck(*body, next(kernels) if block == 0 else None, stride))
    return infer(nn.Sequential(*model, *head(last)), images(x))


def vgg(kernels):
    *convolutions, first, second, last = kernels.values()
    model = []
    for i, kernel in enumerate(convolutions):
        model += [conv(kernel, 1, 1), nn.ReLU()]
        if i in (0, 1, 3, 5, 7):
            model.append(nn.MaxPool2d(2))
    # The pixels of an image come before its channels in our kernel, and behind them in PyTorch's images.
    channels = convolutions[-1].shape[3]
    first = first.reshape(-1, channels, first.shape[1]).transpose(1, 0, 2).reshape(first.shape)
    return nn.Sequential(*model, nn.Flatten(), linear(first), nn.ReLU(), linear(second), nn.ReLU(), linear(last))


def vgg_infer(x, **kernels):
    return infer(vgg(kernels), images(x))


def vgg_train(x, labels, **kernels):
    return trainer(vgg(kernels), images(x), labels)
