"""Networks for sequences, and for the rows of tables, in PyTorch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_layers import (
    Residual,
    SelfAttention,
    adamw,
    embedding,
    infer,
    linear,
    sgd,
    tensor,
    trainer,
    transformer_block,
    two_layers,
)


class CrossAttention(nn.Module):
    """x + attention(norm(x), source)."""

    def __init__(self, heads, query, key, value, joined):
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(query.shape[0])
        self.query, self.key, self.value, self.joined = map(linear, (query, key, value, joined))

    def forward(self, x, source):
        split = lambda y: y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(self.query(self.norm(x))), split(self.key(source)), split(self.value(source)))
        return x + self.joined(y.transpose(1, 2).reshape(x.shape))


class DecoderBlock(nn.Module):
    def __init__(self, heads, packed, joined, *others):
        super().__init__()
        *cross, wide, narrow = others
        width = packed.shape[0]
        self.own, self.cross = Residual(width, SelfAttention(heads, True, packed, joined)), CrossAttention(heads, *cross)
        self.mlp = Residual(width, two_layers(wide, narrow, nn.ReLU))

    def forward(self, x, source):
        return self.mlp(self.cross(self.own(x), source))


class Translator(nn.Module):
    def __init__(self, heads, words, *kernels):
        super().__init__()
        kernels = list(kernels)
        take = lambda count: [kernels.pop(0) for _ in range(count)]
        self.words = embedding(words)
        self.encoder = nn.Sequential(*(transformer_block(heads, False, *take(4), nn.ReLU) for _ in range(2)))
        self.decoder = nn.ModuleList(DecoderBlock(heads, *take(8)) for _ in range(2))
        self.head = linear(*kernels)

    def forward(self, x):
        x = self.words(x)
        source = self.encoder(x)
        for block in self.decoder:
            x = block(x, source)
        return self.head(x).flatten(0, 1)


def translator(x, labels, heads, **kernels):
    return trainer(Translator(heads, *kernels.values()), tensor(x), labels.ravel())


class BertBlock(nn.Module):
    """Normalized behind each part."""

    def __init__(self, heads, query, key, value, joined, wide, narrow):
        super().__init__()
        self.heads, self.mlp = heads, two_layers(wide, narrow)
        self.query, self.key, self.value, self.joined = map(linear, (query, key, value, joined))
        self.norm1, self.norm2 = nn.LayerNorm(query.shape[0]), nn.LayerNorm(query.shape[0])

    def forward(self, x, mask):
        split = lambda y: y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(self.query(x)), split(self.key(x)), split(self.value(x)), mask)
        x = self.norm1(x + self.joined(y.transpose(1, 2).reshape(x.shape)))
        return self.norm2(x + self.mlp(x))


class Bert(nn.Module):
    def __init__(self, heads, words, positions, *kernels):
        super().__init__()
        self.words, self.positions, self.norm = embedding(words), embedding(positions), nn.LayerNorm(words.shape[1])
        self.blocks = nn.ModuleList(BertBlock(heads, *kernels[i : i + 6]) for i in range(0, len(kernels) - 1, 6))
        self.head = linear(kernels[-1])

    def forward(self, x):
        mask = (x != 0)[:, None, None]
        x = self.norm(self.words(x) + self.positions(torch.arange(x.shape[1])))
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x).flatten(0, 1)


def bert(x, labels, heads, **kernels):
    return trainer(Bert(heads, *kernels.values()), tensor(x), labels.ravel(), adamw)


class Turned(nn.Module):
    """Rotary positions, for [batch, heads, time, depth]."""

    def __init__(self, time, depth):
        super().__init__()
        half = depth // 2
        angles = torch.outer(torch.arange(time), 1e4 ** (-torch.arange(half) / half))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, x):
        a, b = x.chunk(2, -1)
        return torch.cat([a * self.cos - b * self.sin, b * self.cos + a * self.sin], -1)


class LlamaBlock(nn.Module):
    def __init__(self, heads, time, packed, joined, gate, wide, narrow):
        super().__init__()
        width = packed.shape[0]
        self.heads, self.turned = heads, Turned(time, width // heads)
        self.norm1, self.norm2 = nn.RMSNorm(width, 1e-5), nn.RMSNorm(width, 1e-5)
        self.packed, self.joined, self.gate, self.wide, self.narrow = (
            linear(kernel, bias=False) for kernel in (packed, joined, gate, wide, narrow)
        )

    def forward(self, x):
        q, k, v = self.packed(self.norm1(x)).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(self.turned(q), self.turned(k), v, is_causal=True)
        x = x + self.joined(y.transpose(1, 2).reshape(x.shape))
        y = self.norm2(x)
        return x + self.narrow(F.silu(self.gate(y)) * self.wide(y))


class Llama(nn.Module):
    def __init__(self, heads, time, words, *kernels):
        super().__init__()
        self.words, self.norm = embedding(words), nn.RMSNorm(words.shape[1], 1e-5)
        self.blocks = nn.Sequential(*(LlamaBlock(heads, time, *kernels[i : i + 5]) for i in range(0, len(kernels) - 1, 5)))
        self.head = linear(kernels[-1], bias=False)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.words(x)))).flatten(0, 1)


def llama(x, labels, heads, **kernels):
    return trainer(Llama(heads, x.shape[1], *kernels.values()), tensor(x), labels.ravel(), adamw)


class Decoder(nn.Module):
    def __init__(self, heads, arrays):
        super().__init__()
        tensors = {name: tensor(array) for name, array in arrays.items()}
        self.caches = [cache.transpose(1, 2).contiguous() for name, cache in tensors.items() if name.startswith("cache")]
        self.kernels = [kernel for name, kernel in tensors.items() if name.startswith("kernel")]
        self.heads = heads

    def forward(self, x):
        for i, cache in enumerate(self.caches):
            packed, joined, wide, narrow = self.kernels[4 * i : 4 * i + 4]
            heads = (F.layer_norm(x, x.shape[-1:]) @ packed).view(3, self.heads, 1, -1)
            cache = torch.cat([cache, heads[1:]], 2)
            y = F.scaled_dot_product_attention(heads[:1], cache[:1], cache[1:])
            x = x + y.view(x.shape) @ joined
            x = x + F.gelu(F.layer_norm(x, x.shape[-1:]) @ wide) @ narrow
        return x


def gpt_decode(x, heads, **arrays):
    return infer(Decoder(heads, arrays), tensor(x))


def gates_in_order(kernel):
    """PyTorch's GRU has the gates r, z, n where our kernels have z, r, n."""
    z, r, n = np.split(kernel, 3, 1)
    return tensor(np.concatenate([r, z, n], 1)).T.contiguous()


class Gru(nn.Module):
    def __init__(self, *kernels):
        super().__init__()
        self.gru = nn.GRU(kernels[0].shape[0], kernels[1].shape[0], 2, batch_first=True)
        names = "weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"
        for name, kernel in zip(names, kernels[:4], strict=True):
            getattr(self.gru, name).data = gates_in_order(kernel)
        for name, bias in self.gru.named_parameters():
            if "bias" in name:
                nn.init.zeros_(bias)
        self.head = linear(kernels[4])

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1])


def gru(x, labels, **kernels):
    return trainer(Gru(*kernels.values()), tensor(x), labels)


class Tagger(nn.Module):
    def __init__(self, words, *kernels):
        super().__init__()
        self.words = embedding(words)
        self.lstm = nn.LSTM(words.shape[1], kernels[1].shape[0], batch_first=True, bidirectional=True)
        names = "weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse"
        for name, kernel in zip(names, kernels[:4], strict=True):
            getattr(self.lstm, name).data = tensor(kernel).T.contiguous()
        for name, bias in self.lstm.named_parameters():
            if "bias" in name:
                # The second bias of each gate would learn as the first does, and so twice as fast as one.
                nn.init.zeros_(bias).requires_grad_("bias_ih" in name)
        self.head = linear(kernels[4])

    def forward(self, x):
        return self.head(self.lstm(self.words(x))[0]).flatten(0, 1)


def bilstm(x, labels, **kernels):
    return trainer(Tagger(*kernels.values()), tensor(x), labels.ravel())


def window(kernel, dilation=1):
    """A convolution along time with a kernel [1, taps, inputs, outputs]."""
    _, taps, inputs, outputs = kernel.shape
    layer = nn.Conv1d(inputs, outputs, taps, dilation=dilation)
    layer.weight.data = tensor(kernel[0]).permute(2, 1, 0).contiguous()
    nn.init.zeros_(layer.bias)
    return layer


class TextNet(nn.Module):
    def __init__(self, words, *kernels):
        super().__init__()
        self.words, self.windows, self.head = embedding(words), nn.ModuleList(map(window, kernels[:-1])), linear(kernels[-1])

    def forward(self, x):
        x = self.words(x).transpose(1, 2)
        return self.head(torch.cat([F.relu(window(x)).amax(2) for window in self.windows], 1))


def textcnn(x, labels, **kernels):
    return trainer(TextNet(*kernels.values()), tensor(x), labels)


class PastBlock(nn.Module):
    def __init__(self, kernel, dilation):
        super().__init__()
        self.past = (kernel.shape[1] - 1) * dilation
        self.window = window(kernel, dilation)

    def forward(self, x):
        return x + F.relu(self.window(F.pad(x, (self.past, 0))))


def tcn(x, labels, kernel1, kernel2, kernel3, kernel4, kernel5, kernel6):
    pasts = [PastBlock(kernel, 2**i) for i, kernel in enumerate((kernel2, kernel3, kernel4, kernel5))]
    model = nn.Sequential(window(kernel1), *pasts, nn.AdaptiveAvgPool1d(1), nn.Flatten(), linear(kernel6))
    return trainer(model, tensor(x[:, 0]).transpose(1, 2).contiguous(), labels)


class Recommender(nn.Module):
    def __init__(self, *kernels):
        super().__init__()
        *tables, first, second, third = kernels
        # Sparse gradients: only the rows that a batch uses are touched.
        self.tables = nn.ModuleList(nn.Embedding.from_pretrained(tensor(table).clone(), freeze=False, sparse=True) for table in tables)
        self.judge = nn.Sequential(linear(first), nn.ReLU(), linear(second), nn.ReLU(), linear(third))

    def forward(self, x):
        return self.judge(torch.cat([table(x[:, i]) for i, table in enumerate(self.tables)], 1))


def recommender(x, labels, **kernels):
    return trainer(Recommender(*kernels.values()), tensor(x), labels, sgd(1.0))
