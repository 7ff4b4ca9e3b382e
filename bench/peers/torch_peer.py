"""PyTorch, eager or compiled: torch_peer.py eager|compile."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_layers import (
    adamw,
    blocks,
    compiled,
    compiling,
    conv,
    embedding,
    images,
    infer,
    linear,
    sgd,
    tensor,
    trainer,
)
from torch_nets import nets
from torch_ops import operations
from worker import serve


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


def mlp(x, labels, **kernels):
    *hidden, last = map(linear, kernels.values())
    model = nn.Sequential(*(part for layer in hidden for part in (layer, nn.ReLU())), last)
    return trainer(model, tensor(x), labels)


def convnet(x, labels, kernel1, kernel2, kernel3):
    model = nn.Sequential(
        conv(kernel1), nn.ReLU(), nn.MaxPool2d(2),
        conv(kernel2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), linear(kernel3),
    )  # fmt: skip
    return trainer(model, images(x), labels)


class ResidualBlock(nn.Module):
    def __init__(self, stride, first, second, projection=None):
        super().__init__()
        normalized = lambda kernel, *window: nn.Sequential(conv(kernel, *window, bias=False), nn.BatchNorm2d(kernel.shape[3]))
        self.first = normalized(first, stride, 1)
        self.second = normalized(second, 1, 1)
        self.shortcut = nn.Identity() if projection is None else normalized(projection, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


def resnet(x, labels, **kernels):
    kernels = iter(kernels.values())
    entry = next(kernels)
    model = [conv(entry, 1, 1, bias=False), nn.BatchNorm2d(entry.shape[3]), nn.ReLU()]
    for stage in range(3):
        for block in range(3):
            halves = stage > 0 and block == 0
            model.append(ResidualBlock(2 if halves else 1, *(next(kernels) for _ in range(3 if halves else 2))))
    model += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear(next(kernels))]
    return trainer(nn.Sequential(*model), images(x), labels, sgd(0.1, momentum=0.9))


class LanguageModel(nn.Module):
    def __init__(self, embeddings, kernel, recurrent, head):
        super().__init__()
        self.embeddings = nn.Embedding.from_pretrained(tensor(embeddings), freeze=False)
        self.lstm = nn.LSTM(kernel.shape[0], recurrent.shape[0], batch_first=True)
        self.lstm.weight_ih_l0.data = tensor(kernel).T.contiguous()
        self.lstm.weight_hh_l0.data = tensor(recurrent).T.contiguous()
        nn.init.zeros_(self.lstm.bias_ih_l0)
        # The second bias of each gate would learn as the first does, and so twice as fast as one.
        nn.init.zeros_(self.lstm.bias_hh_l0).requires_grad_(False)
        self.head = linear(head)

    def forward(self, x):
        hidden, _ = self.lstm(self.embeddings(x))
        return self.head(hidden).flatten(0, 1)


def lstm(x, labels, kernel1, kernel2, kernel3, kernel4):
    model = LanguageModel(kernel1, kernel2, kernel3, kernel4)
    return trainer(model, tensor(x), labels.ravel(), sgd(1.0))


class CharGpt(nn.Module):
    def __init__(self, heads, tokens, positions, *kernels):
        super().__init__()
        self.tokens, self.positions = embedding(tokens), embedding(positions)
        self.blocks = blocks(kernels[:-1], heads, True)
        self.norm, self.head = nn.LayerNorm(tokens.shape[1]), linear(kernels[-1], bias=False)

    def forward(self, x):
        x = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        return self.head(self.norm(self.blocks(x))).flatten(0, 1)


def chargpt(x, labels, heads, **kernels):
    return trainer(CharGpt(heads, *kernels.values()), tensor(x), labels.reshape(-1), adamw)


class MiniLm(nn.Module):
    def __init__(self, heads, tokens, *kernels):
        super().__init__()
        self.tokens, self.blocks = embedding(tokens), blocks(kernels, heads, False)

    def forward(self, x):
        return self.blocks(self.tokens(x)).mean(1)


def minilm(x, heads, **kernels):
    return infer(MiniLm(heads, *kernels.values()), tensor(x))


def conv3x3(x, kernel):
    return infer(conv(kernel, padding=1), images(x))


def depthwise(x, kernel):
    kernel = kernel.transpose(0, 1, 3, 2)
    return infer(conv(kernel, padding=1, groups=kernel.shape[3]), images(x))


def to_numpy(result):
    return (result.permute(0, 2, 3, 1) if result.dim() == 4 else result).numpy()


def gemm(a, b, transposeA, transposeB):
    a, b = tensor(a), tensor(b)
    a, b = a.mT if transposeA else a, b.mT if transposeB else b
    return lambda: a @ b


def sweep_conv(x, kernel, stride, groups, padding):
    x, kernel = images(x), tensor(kernel).permute(3, 2, 0, 1).contiguous()

    def run():
        with torch.inference_mode():
            return F.conv2d(x, kernel, None, stride, padding, 1, groups)

    return run


def memory(operation, x, y=None, gradient=None):
    x, y = tensor(x), y is not None and tensor(y)
    if operation == "adam":
        weights = nn.Parameter(x)
        weights.grad = tensor(gradient)
        optimizer = torch.optim.Adam([weights], 1e-3, eps=1e-8, fused=True)
        step = compiled(optimizer.step)

        def run():
            step()
            return weights.detach()[:1000]

        return run
    if operation == "add":
        f = compiled(lambda x, y: x + y)
        return lambda: f(x, y)
    f = compiled({
        "gelu": F.gelu,
        "softmax": lambda x: torch.softmax(x, -1),
        "layerNorm": lambda x: F.layer_norm(x, x.shape[-1:]),
    }[operation])  # fmt: skip
    return lambda: f(x)


workloads = {
    "memory": memory,
    "ops": operations(compiling),
    "gelu_chain_4m": gelu,
    "softmax_64x1024x256": softmax,
    "mlp_train_b128": mlp,
    "convnet_train_b128": convnet,
    "chargpt_train_b12": chargpt,
    "resnet20_train_b32": resnet,
    "lstm512_train_b20t20": lstm,
    "minilm_infer_b8t128": minilm,
    "conv3x3_64_56_b1": conv3x3,
    "dwconv3x3_96_112_b1": depthwise,
    **nets,
}
if not compiling:
    # One product is one library call either way, and an eager loop is by definition not compiled.
    workloads |= {"matmul1024": matmul, "eager_add_x1000": eager_add, "gemm": gemm, "conv": sweep_conv}
torch.manual_seed(0)
serve(torch.__version__, torch.get_num_threads(), workloads, to_numpy)
