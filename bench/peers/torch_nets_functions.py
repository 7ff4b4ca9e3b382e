"""Networks in PyTorch whose work lies in how they are differentiated."""

import torch
import torch.nn.functional as F
from torch import func, nn

from torch_layers import compiled, images, linear, tensor, trainer


class PhysicsNet(nn.Module):
    def __init__(self, kernels, viscosity):
        super().__init__()
        *hidden, last = map(linear, kernels)
        self.u = nn.Sequential(*(part for layer in hidden for part in (layer, nn.Tanh())), last)
        self.viscosity = viscosity

    def forward(self, x):
        slopes = lambda of: torch.autograd.grad(of.sum(), x, create_graph=True)[0]
        u = self.u(x)
        first = slopes(u)
        second = slopes(first[:, 1])
        return first[:, :1] + u * first[:, 1:] - second[:, 1:] * self.viscosity


def pinn(x, labels, viscosity, **kernels):
    return trainer(PhysicsNet(kernels.values(), viscosity), tensor(x).requires_grad_(), labels, loss_of=F.mse_loss)


def dpsgd(x, labels, kernel1, kernel2, kernel3):
    windows = lambda kernel: tensor(kernel).permute(3, 2, 0, 1).contiguous()
    # The pixels of an image come before its channels in our kernel, and behind them in PyTorch's images.
    channels = kernel2.shape[3]
    first, second = windows(kernel1), windows(kernel2)
    last = tensor(kernel3.reshape(-1, channels, 10).transpose(1, 0, 2).reshape(kernel3.shape).copy())
    x, labels = images(x), tensor(labels)

    def loss_of(kernels, image, label):
        first, second, last = kernels
        y = F.max_pool2d(F.conv2d(image[None], first).relu(), 2)
        y = F.max_pool2d(F.conv2d(y, second).relu(), 2)
        return F.cross_entropy(y.flatten(1) @ last, label[None])

    gradients = func.vmap(func.grad(loss_of), (None, 0, 0))

    def step(x, labels):
        first_, second_, last_ = gradients((first, second, last), x, labels)
        ours = (
            first_.permute(0, 3, 4, 2, 1), second_.permute(0, 3, 4, 2, 1),
            last_.reshape(len(x), channels, -1, 10).transpose(1, 2),
        )  # fmt: skip
        together = torch.cat([one.reshape(len(x), -1) for one in ours], 1)
        norms = together.square().sum(1, keepdim=True).sqrt()
        return (together * (1 / norms).clamp(max=1)).mean(0)

    step = compiled(step)
    return lambda: step(x, labels)
