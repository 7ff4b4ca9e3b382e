"""PyTorch, eager or compiled: torch_peer.py eager|compile."""

import sys

import torch
import torch.nn.functional as F
from torch import nn

from worker import serve

compiling = sys.argv[1] == "compile"


def compiled(f):
    return torch.compile(f) if compiling else f


def tensor(array):
    # PyTorch's losses and indexing take int64 classes.
    return torch.from_numpy(array).long() if array.dtype == "int32" else torch.from_numpy(array)


def matmul(a, b):
    a, b = tensor(a), tensor(b)
    return lambda: a @ b


def gelu(x):
    x = tensor(x)
    f = compiled(lambda x: 0.5 * x * (1 + torch.tanh(0.79788456 * (x + 0.044715 * x * x * x))))
    return lambda: f(x)


def softmax(x):
    x = tensor(x)
    f = compiled(lambda x: torch.softmax(x, -1))
    return lambda: f(x)


def eager_add(x, y):
    x, y = tensor(x), tensor(y)

    def run():
        z = x
        for _ in range(1000):
            z = z + y
        return z

    return run


def linear(kernel):
    layer = nn.Linear(*kernel.shape)
    layer.weight.data = tensor(kernel).T.contiguous()
    nn.init.zeros_(layer.bias)
    return layer


def conv(kernel):
    height, _, inputs, outputs = kernel.shape
    layer = nn.Conv2d(inputs, outputs, height)
    layer.weight.data = tensor(kernel).permute(3, 2, 0, 1).contiguous()
    nn.init.zeros_(layer.bias)
    return layer


def trainer(model, x, labels):
    labels = tensor(labels)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-8)
    forward = compiled(model)

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(forward(x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def mlp(x, labels, kernel1, kernel2, kernel3):
    model = nn.Sequential(linear(kernel1), nn.ReLU(), linear(kernel2), nn.ReLU(), linear(kernel3))
    return trainer(model, tensor(x), labels)


def convnet(x, labels, kernel1, kernel2, kernel3):
    model = nn.Sequential(
        conv(kernel1), nn.ReLU(), nn.MaxPool2d(2),
        conv(kernel2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), linear(kernel3),
    )  # fmt: skip
    return trainer(model, tensor(x).permute(0, 3, 1, 2).contiguous(), labels)


workloads = {
    "gelu_chain_4m": gelu,
    "softmax_64x1024x256": softmax,
    "mlp_train_b128": mlp,
    "convnet_train_b128": convnet,
}
if not compiling:
    # One product is one library call either way, and an eager loop is by definition not compiled.
    workloads |= {"matmul1024": matmul, "eager_add_x1000": eager_add}
torch.manual_seed(0)
serve(torch.__version__, torch.get_num_threads(), workloads, lambda result: result.numpy())
