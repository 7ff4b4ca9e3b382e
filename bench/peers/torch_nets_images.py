"""Networks for images in PyTorch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_layers import SelfAttention, adamw, blocks, conv, images, infer, linear, tensor, trainer, two_layers


def transposed(kernel, stride, padding=0):
    size, _, outputs, inputs = kernel.shape
    layer = nn.ConvTranspose2d(inputs, outputs, size, stride, padding)
    layer.weight.data = tensor(kernel).permute(3, 2, 0, 1).contiguous()
    nn.init.zeros_(layer.bias)
    return layer


class Unet(nn.Module):
    def __init__(self, kernels):
        super().__init__()
        kernels = iter(kernels)
        twice = lambda: nn.Sequential(conv(next(kernels), 1, 1), nn.ReLU(), conv(next(kernels), 1, 1), nn.ReLU())
        self.down1, self.down2, self.bottom = twice(), twice(), twice()
        self.up2, self.merge2 = transposed(next(kernels), 2), twice()
        self.up1, self.merge1 = transposed(next(kernels), 2), twice()
        self.head = conv(next(kernels))

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        y = self.up2(self.bottom(F.max_pool2d(second, 2)))
        y = self.up1(self.merge2(torch.cat([second, y], 1)))
        return self.head(self.merge1(torch.cat([first, y], 1)))


def unet(x, labels, **kernels):
    return trainer(Unet(kernels.values()), images(x), labels)


def generator(x, kernel1, **kernels):
    parts = [part for kernel in kernels.values() for part in (transposed(kernel, 2, 1), nn.ReLU())]
    channels = kernel1.shape[1] // 16
    # The pixels of an image come before its channels in our kernel, and behind them in PyTorch's images.
    first = kernel1.reshape(-1, 16, channels).transpose(0, 2, 1).reshape(kernel1.shape)
    model = nn.Sequential(linear(np.ascontiguousarray(first)), nn.ReLU(), nn.Unflatten(1, (channels, 4, 4)), *parts[:-1], nn.Tanh())
    return infer(model, tensor(x))


def group_norm(groups, channels):
    return nn.GroupNorm(groups, channels, 1e-5)


class DenoisingBlock(nn.Module):
    def __init__(self, groups, first, second, projection=None):
        super().__init__()
        _, _, entering, filters = first.shape
        self.body = nn.Sequential(
            group_norm(groups, entering), nn.SiLU(), conv(first, 1, 1),
            group_norm(groups, filters), nn.SiLU(), conv(second, 1, 1),
        )  # fmt: skip
        self.shortcut = nn.Identity() if projection is None else conv(projection)

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class PixelAttention(nn.Module):
    def __init__(self, groups, heads, packed, joined):
        super().__init__()
        self.norm, self.attention = group_norm(groups, joined.shape[1]), SelfAttention(heads, False, packed, joined)

    def forward(self, x):
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        return x + self.attention(pixels).transpose(1, 2).reshape(x.shape)


class Denoiser(nn.Module):
    def __init__(self, groups, heads, *kernels):
        super().__init__()
        entry, high1, high2, halve, low1, low2, packed, joined, lower1, lower2, smooth, merge1, merge2, projection, last = kernels
        self.high = nn.Sequential(conv(entry, 1, 1), DenoisingBlock(groups, high1, high2))
        self.low = nn.Sequential(
            conv(halve, 2, 1), DenoisingBlock(groups, low1, low2), PixelAttention(groups, heads, packed, joined),
            DenoisingBlock(groups, lower1, lower2), nn.Upsample(scale_factor=2), conv(smooth, 1, 1),
        )  # fmt: skip
        self.merge = nn.Sequential(
            DenoisingBlock(groups, merge1, merge2, projection), group_norm(groups, last.shape[2]), nn.SiLU(), conv(last, 1, 1)
        )

    def forward(self, x):
        high = self.high(x)
        return self.merge(torch.cat([self.low(high), high], 1))


def diffusion(x, labels, heads, groups, **kernels):
    labels = images(labels).contiguous().numpy()
    return trainer(Denoiser(groups, heads, *kernels.values()), images(x), labels, loss_of=F.mse_loss)


def patches_of(kernel):
    return nn.Sequential(conv(kernel, kernel.shape[0]), nn.Flatten(2))


class VisionTransformer(nn.Module):
    def __init__(self, heads, patches, positions, *kernels):
        super().__init__()
        self.patches, self.positions = patches_of(patches), nn.Parameter(tensor(positions).clone())
        self.blocks, self.norm, self.head = blocks(kernels[:-1], heads, False), nn.LayerNorm(positions.shape[1]), linear(kernels[-1])

    def forward(self, x):
        words = self.patches(x).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(words)).mean(1))


def vit(x, labels, heads, **kernels):
    return trainer(VisionTransformer(heads, *kernels.values()), images(x), labels, adamw)


class MixerBlock(nn.Module):
    def __init__(self, *kernels):
        super().__init__()
        self.norm1, self.along = nn.LayerNorm(kernels[3].shape[1]), two_layers(*kernels[:2])
        self.norm2, self.across = nn.LayerNorm(kernels[3].shape[1]), two_layers(*kernels[2:])

    def forward(self, x):
        x = x + self.along(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.across(self.norm2(x))


class Mixer(nn.Module):
    def __init__(self, patches, *kernels):
        super().__init__()
        self.patches = patches_of(patches)
        self.blocks = nn.Sequential(*(MixerBlock(*kernels[i : i + 4]) for i in range(0, len(kernels) - 1, 4)))
        self.norm, self.head = nn.LayerNorm(patches.shape[3]), linear(kernels[-1])

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.patches(x).transpose(1, 2))).mean(1))


def mixer(x, labels, **kernels):
    return trainer(Mixer(*kernels.values()), images(x), labels)


class Autoencoder(nn.Module):
    def __init__(self, *kernels):
        super().__init__()
        first, codes, second, last = kernels
        self.encode = nn.Sequential(linear(first), nn.ReLU(), linear(codes))
        self.decode = nn.Sequential(linear(second), nn.ReLU(), linear(last))

    def forward(self, x):
        mean, log_variance = self.encode(x).chunk(2, -1)
        logits = self.decode(mean + torch.randn_like(mean) * (0.5 * log_variance).exp())
        lost = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        return lost - 0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1)


def vae(x, labels, **kernels):
    return trainer(Autoencoder(*kernels.values()), tensor(x), labels, loss_of=lambda bound, _: bound.mean())
