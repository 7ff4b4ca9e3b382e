"""Writes what PyTorch makes of attention and embeddings: attention.json.

    python make_attention.py

Sequences are [batch, time, heads, depth] in the file. All is computed in float64 from numbers on a coarse grid.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

from make_peers import Grid, tensor

torch.set_default_dtype(torch.float64)
grid = Grid(11)


def draw(*shape):
    return torch.tensor(grid.numbers(math.prod(shape))).reshape(shape)


def tensors(values):
    return {name: tensor(value.detach()) for name, value in values.items()}


def case(kind, options, inputs, forward, constants={}):
    """Output, and the gradients of Σ ct·y by every input; constants have none."""
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    y = forward(**leaves, **constants)
    ct = draw(*y.shape)
    gradients = dict(zip(leaves, torch.autograd.grad((y * ct).sum(), list(leaves.values()))))
    return {
        "kind": kind,
        "options": options,
        "inputs": tensors(inputs),
        "constants": tensors(constants),
        **tensors({"y": y, "ct": ct}),
        "gradients": tensors(gradients),
    }


def exchange(x):
    return x.transpose(1, 2)


def attention(q_shape, keys, value_depth, options, mask=None):
    batch, _, heads, depth = q_shape
    inputs = {"q": draw(*q_shape), "k": draw(batch, keys, heads, depth), "v": draw(batch, keys, heads, value_depth)}

    def forward(q, k, v, mask=None):
        y = F.scaled_dot_product_attention(
            exchange(q), exchange(k), exchange(v), mask, is_causal=options.get("causal", False), scale=options.get("scale")
        )
        return exchange(y)

    return case("attention", options, inputs, forward, {} if mask is None else {"mask": mask})


def multi_head(units, heads, query, key, value, causal=False, mask=None):
    """Weights by the paths of our variables; kernels are [inputs, outputs]."""
    widths = {"query": query[2], "key": key[2], "value": value[2], "output": units}
    weights = {}
    for name, width in widths.items():
        weights |= {f"{name}.kernel": draw(width, units), f"{name}.bias": draw(units)}

    def forward(query, key, value, mask=None, **weights):
        kernel = lambda name: weights[f"{name}.kernel"].T
        bias = torch.cat([weights[f"{name}.bias"] for name in ("query", "key", "value")])
        if causal:
            mask = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool).tril()
        # PyTorch's mask marks what may not be seen.
        y, _ = F.multi_head_attention_forward(
            *(x.transpose(0, 1) for x in (query, key, value)), units, heads, None, bias, None, None, False, 0.0,
            kernel("output"), weights["output.bias"], need_weights=False, attn_mask=None if mask is None else ~mask,
            use_separate_proj_weight=True, q_proj_weight=kernel("query"), k_proj_weight=kernel("key"), v_proj_weight=kernel("value"),
        )  # fmt: skip
        return y.transpose(0, 1)

    inputs = {"query": draw(*query), "key": draw(*key), "value": draw(*value)}
    options = {"heads": heads, "units": units, "causal": causal}
    return case("multiHeadAttention", options, inputs | weights, forward, {} if mask is None else {"mask": mask})


def cases():
    yield attention((2, 3, 2, 4), 3, 4, {})
    yield attention((1, 5, 2, 3), 5, 2, {"causal": True})
    yield attention((2, 2, 1, 4), 5, 3, {"causal": True, "scale": 0.5})
    yield attention((1, 4, 2, 2), 3, 2, {"causal": True})
    hidden = torch.tensor([[True, False, True], [False, False, False]])
    yield attention((2, 2, 2, 3), 3, 3, {}, hidden)
    yield attention((2, 2, 2, 3), 3, 3, {}, hidden.any(0).expand(2, 1, 1, 3))
    yield attention((2, 3, 2, 2), 4, 2, {"scale": 1.0}, draw(2, 1, 3, 4))
    yield multi_head(4, 2, (2, 3, 4), (2, 3, 4), (2, 3, 4))
    yield multi_head(4, 2, (2, 3, 4), (2, 3, 4), (2, 3, 4), causal=True)
    yield multi_head(6, 3, (1, 2, 6), (1, 4, 5), (1, 4, 3), mask=torch.tensor([[True, True, False, True], [False, True, True, True]]))
    tokens = torch.tensor([[0, 3], [3, 1], [4, 3]])
    yield case("embedding", {"inputDim": 6, "outputDim": 3}, {"embeddings": draw(6, 3)}, lambda embeddings, x: F.embedding(x, embeddings), {"x": tokens})


text = json.dumps({"versions": {"torch": torch.__version__}, "cases": list(cases())}, separators=(",", ":"))
Path(__file__).with_name("attention.json").write_text(text + "\n")
