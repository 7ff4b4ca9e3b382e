"""Writes what PyTorch makes of recurrent layers: recurrent.json.

    python make_recurrent.py

Kernels are [inputs, gates · units], with the gates in Keras's order: i, f, g, o and z, r, n. All is computed in float64 from
numbers on a coarse grid.
"""

import json
import math
from pathlib import Path

import torch

from make_peers import Grid, tensor

torch.set_default_dtype(torch.float64)
grid = Grid(13)

# PyTorch's gates in Keras's order.
ORDER = {"lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}


def draw(*shape):
    return 0.5 * torch.tensor(grid.numbers(math.prod(shape))).reshape(shape)


def to_torch(kind, weights):
    """[..., gates · units] with Keras's gates as [gates · units, ...] with PyTorch's."""
    parts = weights.chunk(len(ORDER[kind]), dim=-1)
    return torch.cat([parts[ORDER[kind].index(gate)] for gate in range(len(parts))], dim=-1).movedim(-1, 0)


def run(kind, x, kernel, recurrent, bias, state):
    layer = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(x.shape[2], recurrent.shape[0], batch_first=True)
    biases = bias if kind == "gru" else torch.stack([bias, torch.zeros_like(bias)])
    weights = {
        "weight_ih_l0": to_torch(kind, kernel),
        "weight_hh_l0": to_torch(kind, recurrent),
        "bias_ih_l0": to_torch(kind, biases[0]),
        "bias_hh_l0": to_torch(kind, biases[1]),
    }
    start = [part[None] for part in state]
    hidden = () if not start else (tuple(start) if kind == "lstm" else start[0],)
    outputs, _ = torch.func.functional_call(layer, weights, (x, *hidden))
    return outputs


def case(kind, batch, time, inputs, units, with_state):
    gates = len(ORDER[kind])
    bias = (gates * units,) if kind == "lstm" else (2, gates * units)
    leaves = {
        "x": draw(batch, time, inputs),
        "kernel": draw(inputs, gates * units),
        "recurrentKernel": draw(units, gates * units),
        "bias": draw(*bias),
    }
    if with_state:
        leaves["h"] = draw(batch, units)
        if kind == "lstm":
            leaves["c"] = draw(batch, units)
    leaves = {name: value.requires_grad_() for name, value in leaves.items()}
    names = [name for name in ("h", "c") if name in leaves]
    y = run(kind, *(leaves[name] for name in ("x", "kernel", "recurrentKernel", "bias")), [leaves[n] for n in names])
    ct = draw(*y.shape)
    gradients = torch.autograd.grad((y * ct).sum(), list(leaves.values()))
    return {
        "kind": kind,
        "units": units,
        "inputs": {name: tensor(value.detach()) for name, value in leaves.items()},
        "y": tensor(y.detach()),
        "ct": tensor(ct),
        "gradients": {name: tensor(value) for name, value in zip(leaves, gradients)},
    }


cases = [
    case(kind, batch, time, inputs, units, with_state)
    for kind in ("lstm", "gru")
    for batch, time, inputs, units, with_state in ((2, 3, 4, 3, False), (3, 5, 2, 9, True), (1, 1, 3, 2, True))
]
text = json.dumps({"versions": {"torch": torch.__version__}, "cases": cases}, separators=(",", ":"))
Path(__file__).with_name("recurrent.json").write_text(text + "\n")
