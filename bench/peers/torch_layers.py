"""What the networks in PyTorch are made of, eager or compiled as the command says."""

import sys

import torch
import torch.nn.functional as F
from torch import nn

compiling = sys.argv[1] == "compile"


def compiled(f):
    return torch.compile(f) if compiling else f


def tensor(array):
    # PyTorch's losses and indexing take int64 classes.
    return torch.from_numpy(array).long() if array.dtype == "int32" else torch.from_numpy(array)


def linear(kernel, bias=True):
    layer = nn.Linear(*kernel.shape, bias=bias)
    layer.weight.data = tensor(kernel).T.contiguous()
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def conv(kernel, stride=1, padding=0, groups=1, bias=True):
    height, _, inputs, outputs = kernel.shape
    layer = nn.Conv2d(inputs * groups, outputs, height, stride, padding, groups=groups, bias=bias)
    layer.weight.data = tensor(kernel).permute(3, 2, 0, 1).contiguous()
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def images(x):
    """[batch, height, width, channels] in PyTorch's order."""
    return tensor(x).permute(0, 3, 1, 2).contiguous()


def adam(parameters):
    return torch.optim.Adam(parameters, 1e-3, eps=1e-8)


def adamw(parameters):
    return torch.optim.AdamW(parameters, 1e-3, eps=1e-8, weight_decay=0.01)


def sgd(rate, momentum=0):
    return lambda parameters: torch.optim.SGD(parameters, rate, momentum=momentum)


def trainer(model, x, labels, optimizer_of=adam, loss_of=F.cross_entropy):
    labels = tensor(labels)
    optimizer = optimizer_of(model.parameters())
    forward = compiled(model)

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(forward(x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def two_layers(first, second, activation=nn.GELU):
    return nn.Sequential(linear(first), activation(), linear(second))


class SelfAttention(nn.Module):
    def __init__(self, heads, causal, packed, joined):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.packed, self.joined = linear(packed), linear(joined)

    def forward(self, x):
        q, k, v = self.packed(x).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.joined(y.transpose(1, 2).reshape(x.shape))


class Residual(nn.Module):
    """x + part(norm(x))."""

    def __init__(self, width, part):
        super().__init__()
        self.norm, self.part = nn.LayerNorm(width), part

    def forward(self, x):
        return x + self.part(self.norm(x))


def transformer_block(heads, causal, packed, joined, wide, narrow, activation=nn.GELU):
    width = packed.shape[0]
    attention = Residual(width, SelfAttention(heads, causal, packed, joined))
    return nn.Sequential(attention, Residual(width, two_layers(wide, narrow, activation)))


def blocks(kernels, heads, causal):
    return nn.Sequential(*(transformer_block(heads, causal, *kernels[i : i + 4]) for i in range(0, len(kernels), 4)))


def embedding(kernel):
    return nn.Embedding.from_pretrained(tensor(kernel).clone(), freeze=False)


def infer(model, x):
    forward = compiled(model.eval())

    def run():
        with torch.inference_mode():
            return forward(x)

    return run
