"""Writes arrayFunctions.json: what NumPy and PyTorch answer to calls of the functions of src/array.

Run in an environment with numpy and torch (CPU) installed:  python make_array_functions.py > arrayFunctions.json
A case is {fn, args, expect}; an argument is {"tensor": …} or {"value": …}.
"""

import json
import random
import sys

import numpy as np
import torch
import torch.nn.functional as F

generator = np.random.default_rng(0)
random.seed(0)
cases = []


def tensor(array):
    array = np.asarray(array)
    data = [v if np.isfinite(v) else str(v) for v in array.astype(np.float64).ravel().tolist()]
    return {"shape": list(array.shape), "dtype": str(array.dtype), "data": data}


def argument(value):
    return {"tensor": tensor(value)} if isinstance(value, np.ndarray) else {"value": value}


def case(fn, *arguments, expect):
    results = expect if isinstance(expect, list) else [expect]
    results = [r.detach().numpy() if isinstance(r, torch.Tensor) else r for r in results]
    cases.append({"fn": fn, "args": [argument(a) for a in arguments], "expect": [tensor(r) for r in results]})


def draw(*shape):
    """Multiples of 1/64: short in the file and exact in every float dtype."""
    return generator.integers(-128, 129, size=shape) / 64


def reductions():
    x = draw(2, 3, 4)
    numpy_names = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min, "variance": np.var, "std": np.std}
    for axis in (None, 0, -1, [0, 2]):
        axes = tuple(axis) if isinstance(axis, list) else axis
        for keep in (True, False):
            options = {"keepDims": keep} if axis is None else {"axis": axis, "keepDims": keep}
            where = {"axis": axes, "keepdims": keep}
            for name, function in numpy_names.items():
                case(name, x, options, expect=np.asarray(function(x, **where)))
            case("variance", x, {**options, "correction": 1}, expect=np.asarray(np.var(x, ddof=1, **where)))
            case("any", x > 1, options, expect=np.asarray(np.any(x > 1, **where)))
            case("all", x > -1, options, expect=np.asarray(np.all(x > -1, **where)))
            case("norm", x, options, expect=np.asarray(np.sqrt(np.sum(x * x, **where))))
            every = (0, 1, 2) if axis is None else axes
            case("logSumExp", x * 500, options, expect=torch.logsumexp(torch.tensor(x * 500), every, keep))
            if not isinstance(axis, list):
                case("argMax", x, options, expect=np.asarray(np.argmax(x, **where)).astype(np.int32))
                case("argMin", x, options, expect=np.asarray(np.argmin(x, **where)).astype(np.int32))
    case("sum", x > 0, expect=np.asarray(np.sum(x > 0)).astype(np.int32))
    case("mean", x > 0, expect=np.asarray(np.mean(x > 0)).astype(np.float32))


def activations():
    x = np.append(draw(20) * 4, [0, 800, -800])
    t = torch.tensor(x)
    for name, function in {"gelu": F.gelu, "relu6": F.relu6, "leakyRelu": F.leaky_relu, "elu": F.elu, "silu": F.silu, "softplus": F.softplus}.items():
        case(name, x, expect=function(t))
    case("gelu", x, {"approximate": True}, expect=F.gelu(t, approximate="tanh"))
    scores = draw(2, 3, 4) * 200
    for axis in (0, 1, -1):
        case("softmax", scores, {"axis": axis}, expect=torch.softmax(torch.tensor(scores), axis))
        case("logSoftmax", scores, {"axis": axis}, expect=torch.log_softmax(torch.tensor(scores), axis))


def random_slice(size):
    choice = random.random()
    if choice < 0.2:
        return None
    if choice < 0.45:
        return random.randint(-size, size - 1)
    bound = [random.choice([None, random.randint(-size - 3, size + 3)]) for _ in range(2)]
    return [*bound, random.choice([None, 1, 2, 3, -1, -2, -3])]


def indexing():
    x = np.arange(60, dtype=np.float64).reshape(3, 5, 4)
    for _ in range(80):
        entries = [random_slice(size) for size in x.shape][: random.randint(0, 3)]
        index = tuple(slice(None) if e is None else e if isinstance(e, int) else slice(*e) for e in entries)
        case("slice", x, *entries, expect=np.asarray(x[index]))
    case("slice", x, "...", 1, expect=x[..., 1])
    case("slice", x, -1, "...", [None, None, -1], expect=x[-1, ..., ::-1])
    picks = np.array([[0, -1], [2, 1]], dtype=np.int32)
    case("take", x, picks, expect=np.take(x, picks))
    for axis in (0, 1, 2):
        case("take", x, picks, {"axis": axis}, expect=np.take(x, picks, axis=axis))
        shape = [2 if i == axis else size for i, size in enumerate(x.shape)]
        own = generator.integers(-x.shape[axis], x.shape[axis], size=shape)
        case("takeAlongAxis", x, own, axis, expect=np.take_along_axis(x, own, axis))
    for parts in (3, [1], [0, 2, 9], [2, 1]):
        case("split", x, parts, expect=np.split(x, parts))
    case("split", x, 2, {"axis": -1}, expect=np.split(x, 2, axis=-1))


def arrangements():
    x = draw(2, 3, 4)
    for counts in ([2, 1, 3], [2], [2, 1, 1, 2]):
        case("tile", x, counts, expect=np.tile(x, counts))
    for axis in (0, 1, 2):
        case("repeat", x, 2, axis, expect=np.repeat(x, 2, axis))
        case("moveAxis", x, axis, -1, expect=np.moveaxis(x, axis, -1))
        case("moveAxis", x, -1, axis, expect=np.moveaxis(x, -1, axis))
        case("swapAxes", x, axis, 1, expect=np.swapaxes(x, axis, 1))
        case("flip", x, axis, expect=np.flip(x, axis))
    case("flip", x, expect=np.flip(x))
    case("transpose", x, expect=x.T)
    case("transpose", x, [1, -1, 0], expect=x.transpose(1, -1, 0))
    case("pad", x, [[1, 0], [0, 2], 1], expect=np.pad(x, [(1, 0), (0, 2), (1, 1)]))
    case("pad", x, 1, {"value": 3}, expect=np.pad(x, 1, constant_values=3))
    case("expandDims", x, [0, -1], expect=x[None, ..., None])
    case("squeeze", x[:1, :, :1], expect=x[:1, :, :1].squeeze())
    case("clip", x, -0.5, 0.5, expect=np.clip(x, -0.5, 0.5))


def products():
    pairs = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (3,)),
             ((3,), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((2, 0), (0, 3))]
    for left, right in pairs:
        a, b = draw(*left), draw(*right)
        case("matmul", a, b, expect=np.asarray(a @ b))
        case("dot", a, b, expect=np.asarray(np.dot(a, b)))
    a, b = draw(2, 2), draw(3)
    case("outer", a, b, expect=np.outer(a, b))


def ranges():
    double = {"dtype": "float64"}
    case("linspace", -1, 2, 7, double, expect=np.linspace(-1, 2, 7))
    case("linspace", -1, 2, 7, {**double, "endpoint": False}, expect=np.linspace(-1, 2, 7, endpoint=False))
    case("linspace", 3, 4, 1, double, expect=np.linspace(3, 4, 1))
    for numbers in ((3,), (1, 4), (1, 2, 0.25), (5, 0, -2), (0, -3), (2.5,)):
        case("arange", *numbers, double, expect=np.arange(*numbers).astype(np.float64))
    case("eye", 2, 3, double, expect=np.eye(2, 3))


reductions()
activations()
indexing()
arrangements()
products()
ranges()
json.dump({"numpy": np.__version__, "torch": torch.__version__, "cases": cases}, sys.stdout, separators=(",", ":"))
print()
