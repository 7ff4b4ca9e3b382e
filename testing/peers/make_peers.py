"""Writes the values of other libraries that the tests compare with, one JSON file a subject.

    python make_peers.py [SUBJECT ...]

writes the files whose libraries this Python has (numpy, torch, jax, tensorflow) and says which it left as they are. Each
file names the versions that made it. Inputs lie on a coarse grid, so that they are short and exact in every dtype.
"""

import json
import math
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
folder = Path(__file__).parent


def number(x):
    if isinstance(x, bool):
        return int(x)
    if isinstance(x, int):
        return x
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return int(x) if x == int(x) and abs(x) < 2**53 and (x != 0 or math.copysign(1, x) > 0) else x


def flat(array):
    return [number(x) for x in array.flatten().tolist()]


def tensor(array):
    return {"shape": list(array.shape), "values": flat(array)}


class Grid:
    """Numbers k/8 with k from -16 to 16, from a generator that is the same in every library and version."""

    def __init__(self, seed):
        self.state = seed

    def numbers(self, count, distinct=False):
        values = []
        for i in range(count):
            self.state = (self.state * 1103515245 + 12345) % 2**31
            values.append(((self.state >> 16) % 33 - 16) / 8)
        if distinct:
            order = sorted(range(count), key=lambda i: (values[i], i))
            for rank, i in enumerate(order):
                values[i] = (rank - count // 2) / 4
        return values


special = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.5, -2.5, 3.0, -3.0, 6.0, -6.0, 1e-8, -1e-8, 0.001, 20.0, -20.0]
special += [88.5, -104.0, 709.0, -745.0, 1e4, -1e4, 1e300, -1e300, 1e-300, math.inf, -math.inf, math.nan]
pairs_from = [0.0, -0.0, 0.5, -1.0, 1.0, 2.5, -3.0, 1e-300, -1e300, math.inf, -math.inf, math.nan]
whole = [0, 1, 2, 3, -1, -2, -7, 40, 2147483647, -2147483648]


def pairs(values):
    return [a for a in values for _ in values], [b for _ in values for b in values]


def elementwise_numpy(np):
    np.seterr(all="ignore")
    x = np.array(special)
    a, b = (np.array(side) for side in pairs(pairs_from))
    i, j = (np.array(side, dtype=np.int32) for side in pairs(whole))
    counts = np.array([0, 1, 7, 31] * 10, dtype=np.int32)
    shifted = np.repeat(np.array(whole, dtype=np.int32), 4)
    p, q = (np.array(side, dtype=bool) for side in pairs([False, True]))
    floats = {
        "neg": np.negative, "abs": np.abs, "sign": np.sign, "square": np.square, "sqrt": np.sqrt, "floor": np.floor,
        "ceil": np.ceil, "round": np.round, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
        "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "isNan": np.isnan,
    }  # fmt: skip
    both = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
        "equal": np.equal, "notEqual": np.not_equal, "less": np.less, "lessEqual": np.less_equal,
        "greater": np.greater, "greaterEqual": np.greater_equal,
    }  # fmt: skip
    cases = []

    def case(op, dtype, inputs, output):
        cases.append({"op": op, "dtype": dtype, "inputs": [flat(np.asarray(v)) for v in inputs], "output": flat(output)})

    for name, f in floats.items():
        case(name, "float64", [x], f(x))
    for name, f in {**both, "div": np.divide, "pow": np.power, "remainder": np.remainder}.items():
        case(name, "float64", [a, b], f(a, b))
    for name, f in {**both, "bitwiseAnd": np.bitwise_and, "bitwiseXor": np.bitwise_xor}.items():
        case(name, "int32", [i, j], f(i, j))
    nonzero = j != 0
    case("remainder", "int32", [i[nonzero], j[nonzero]], np.remainder(i[nonzero], j[nonzero]))
    case("shiftRightLogical", "int32", [shifted, counts], (shifted.view(np.uint32) >> counts.view(np.uint32)).view(np.int32))
    case("logicalAnd", "bool", [p, q], np.logical_and(p, q))
    case("logicalOr", "bool", [p, q], np.logical_or(p, q))
    case("logicalNot", "bool", [np.array([False, True])], np.logical_not(np.array([False, True])))
    condition = np.arange(len(a)) % 2 == 0
    case("select", "float64", [condition, a, b], np.where(condition, a, b))
    return cases


def elementwise_torch(torch):
    """Values, and derivatives by torch's rules, at the same special places."""
    cases = []

    def case(op, f, *inputs):
        xs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in inputs]
        y = f(*xs)
        gradients = torch.autograd.grad(y.sum(), xs)
        cases.append({
            "op": op, "dtype": "float64", "inputs": [flat(x.detach()) for x in xs], "output": flat(y.detach()),
            "gradients": [flat(g) for g in gradients],
        })  # fmt: skip

    finite = [x for x in special if math.isfinite(x)]
    unary = {
        "abs": torch.abs, "square": torch.square, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "exp": torch.exp,
        "expm1": torch.expm1, "log": torch.log, "log1p": torch.log1p, "sin": torch.sin, "cos": torch.cos,
        "tanh": torch.tanh, "sigmoid": torch.sigmoid, "erf": torch.erf, "relu": torch.relu,
    }  # fmt: skip
    dense = [k / 16 for k in range(-100, 101)]
    for name, f in unary.items():
        ends = [math.inf, -math.inf] if name in ("erf", "sigmoid", "relu", "rsqrt") else []
        case(name, f, finite + ends + (dense if name in ("erf", "tanh") else []))
    left, right = pairs([0.0, 0.5, 1.0, 2.5, 7.0])
    positive = [(a, b) for a, b in zip(left, right) if b > 0]
    case("pow", torch.pow, [a for a, b in positive], [b for a, b in positive])
    case("div", torch.div, [a for a, b in positive], [b for a, b in positive])
    for name, f in {"maximum": torch.maximum, "minimum": torch.minimum}.items():
        case(name, f, left, right)
    uneven = [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-7.5, -2.0), (0.5, 3.0)]
    case("remainder", torch.remainder, [a for a, _ in uneven], [b for _, b in uneven])
    return cases


def reductions_numpy(np):
    grid = Grid(3)
    x = np.array(grid.numbers(24)).reshape(2, 3, 4)
    holes = x.copy()
    holes[0, 1, 2], holes[1, 0, 0], holes[1, 2, 3] = math.nan, math.inf, -math.inf
    ints = (x * 8).astype(np.int32)
    functions = {"reduceSum": np.sum, "reduceProd": np.prod, "reduceMax": np.max, "reduceMin": np.min}
    arguments = {"argMax": np.argmax, "argMin": np.argmin}
    cases = []
    for data, dtype in ((x, "float64"), (holes, "float64"), (ints, "int32")):
        for axes in ((0,), (1,), (2,), (0, 2), (0, 1, 2)):
            for name, f in functions.items():
                wide = {"dtype": data.dtype} if name in ("reduceSum", "reduceProd") else {}
                output = np.asarray(f(data, axis=axes, **wide))
                cases.append({"op": name, "dtype": dtype, "x": tensor(data), "params": {"axes": axes}, "output": tensor(output)})
        for axis in range(3):
            for name, f in arguments.items():
                output = f(data, axis=axis)
                cases.append({"op": name, "dtype": dtype, "x": tensor(data), "params": {"axis": axis}, "output": tensor(output)})
    return cases


def matmul_numpy(np):
    cases = []
    for seed, (left, right) in enumerate([
        ((2, 3), (3, 4)), ((5, 1), (1, 2)), ((4, 2, 3), (4, 3, 2)), ((4, 1, 2, 3), (3, 3, 1)), ((2, 2), (3, 2, 2)), ((1, 7), (7, 1)),
    ]):  # fmt: skip
        grid = Grid(seed)
        a = np.array(grid.numbers(math.prod(left))).reshape(left)
        b = np.array(grid.numbers(math.prod(right))).reshape(right)
        cases.append({"a": tensor(a), "b": tensor(b), "output": tensor(np.matmul(a, b))})
    return cases


def convolution_torch(torch):
    configurations = [
        # batch, height, width, channels in, channels out, kernel, strides, padding, dilation, groups
        (2, 5, 6, 3, 4, (3, 3), (1, 1), (0, 0), (1, 1), 1),
        (1, 7, 5, 2, 3, (3, 2), (2, 1), (1, 2), (1, 1), 1),
        (2, 6, 6, 2, 2, (2, 3), (1, 2), (1, 1), (2, 2), 1),
        (1, 5, 5, 4, 6, (3, 3), (2, 2), (1, 1), (1, 1), 2),
        (1, 6, 5, 3, 6, (3, 3), (1, 1), (1, 1), (1, 1), 3),
        (2, 4, 4, 3, 2, (1, 1), (2, 2), (0, 0), (1, 1), 1),
        (1, 1, 8, 2, 2, (1, 4), (1, 3), (0, 2), (1, 1), 1),
    ]
    cases = []
    for seed, (n, h, w, cin, cout, kernel, stride, padding, dilation, groups) in enumerate(configurations):
        grid = Grid(seed + 1)

        def draw(*shape):
            return torch.tensor(grid.numbers(math.prod(shape)), dtype=torch.float64).reshape(shape)

        x = draw(n, h, w, cin).requires_grad_()
        k = draw(*kernel, cin // groups, cout).requires_grad_()
        y = torch.nn.functional.conv2d(
            x.permute(0, 3, 1, 2), k.permute(3, 2, 0, 1), stride=stride, padding=padding, dilation=dilation, groups=groups
        ).permute(0, 2, 3, 1)
        ct = draw(*y.shape)
        dx, dk = torch.autograd.grad(y, (x, k), ct)
        cases.append({
            "params": {
                "strides": stride, "padding": [padding[0], padding[0], padding[1], padding[1]], "dilation": dilation, "groups": groups,
            },
            "x": tensor(x.detach()), "w": tensor(k.detach()), "ct": tensor(ct),
            "y": tensor(y.detach()), "dx": tensor(dx), "dw": tensor(dk),
        })  # fmt: skip
    return cases


def pooling_torch(torch):
    functional = torch.nn.functional
    configurations = [
        # batch, height, width, channels, window, strides, padding
        (2, 4, 6, 2, (2, 2), (2, 2), (0, 0)),
        (1, 5, 5, 3, (3, 3), (2, 2), (1, 1)),
        (1, 4, 7, 1, (2, 3), (1, 2), (1, 0)),
        (2, 3, 3, 2, (3, 2), (1, 1), (1, 1)),
    ]
    cases = []
    for seed, (n, h, w, c, window, strides, padding) in enumerate(configurations):
        grid = Grid(seed + 20)
        x = torch.tensor(grid.numbers(n * h * w * c, distinct=True), dtype=torch.float64).reshape(n, h, w, c).requires_grad_()
        channels_first = x.permute(0, 3, 1, 2)
        params = {"window": window, "strides": strides, "padding": [padding[0], padding[0], padding[1], padding[1]]}
        pools = [
            ("maxPool2d", {}, functional.max_pool2d(channels_first, window, strides, padding)),
            ("avgPool2d", {"countPadding": True}, functional.avg_pool2d(channels_first, window, strides, padding, count_include_pad=True)),
            ("avgPool2d", {"countPadding": False}, functional.avg_pool2d(channels_first, window, strides, padding, count_include_pad=False)),
        ]  # fmt: skip
        for op, more, pooled in pools:
            y = pooled.permute(0, 2, 3, 1)
            ct = torch.tensor(grid.numbers(y.numel()), dtype=torch.float64).reshape(y.shape)
            (dx,) = torch.autograd.grad(y, x, ct, retain_graph=True)
            cases.append({
                "op": op, "params": {**params, **more}, "x": tensor(x.detach()), "ct": tensor(ct), "y": tensor(y.detach()), "dx": tensor(dx),
            })  # fmt: skip
    return cases


def losses_torch(torch):
    """Softmax, its logarithm, log-sum-exp and cross-entropy over the last axis, with gradients, large logits included."""
    functional = torch.nn.functional
    grid = Grid(77)
    ordinary = torch.tensor(grid.numbers(15), dtype=torch.float64).reshape(3, 5)
    large = torch.tensor([[1000.0, 0, -1000], [-1000, -1000, -1000], [0, 0, 0], [500, 500, -3]], dtype=torch.float64)
    cases = []
    for logits, labels in ((ordinary, [4, 0, 2]), (large, [0, 2, 1, 2])):
        x = logits.clone().requires_grad_()
        target = torch.tensor(labels)
        ct = torch.tensor(grid.numbers(x.numel()), dtype=torch.float64).reshape(x.shape)
        row = torch.tensor(grid.numbers(x.shape[0]), dtype=torch.float64)
        outputs = {
            "softmax": (functional.softmax(x, -1), ct),
            "logSoftmax": (functional.log_softmax(x, -1), ct),
            "logSumExp": (torch.logsumexp(x, -1), row),
            "crossEntropy": (functional.cross_entropy(x, target), torch.tensor(1.0, dtype=torch.float64)),
        }
        for name, (y, cotangent) in outputs.items():
            (dx,) = torch.autograd.grad(y, x, cotangent, retain_graph=True)
            cases.append({
                "name": name, "logits": tensor(logits), "labels": labels, "ct": tensor(cotangent), "y": tensor(y.detach()), "dx": tensor(dx),
            })  # fmt: skip
    return cases


def philox_tensorflow(tf):
    """Words of Philox 4x32-10 for a key and a counter: the three known answers of Random123, and others."""
    ones, state = 2**32 - 1, 12345
    inputs = [([0, 0], [0, 0, 0, 0]), ([ones, ones], [ones] * 4)]
    inputs.append(([0xA4093822, 0x299F31D0], [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]))
    for _ in range(6):
        words = []
        for _ in range(6):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            words.append(state >> 32)
        inputs.append((words[:2], words[2:]))
    inputs += [(key, [block, 0, 0, 0]) for key, _ in inputs[3:6] for block in (0, 1, 2)]

    def join(low, high):
        return low | high << 32

    cases = []
    for key, counter in inputs:
        words = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[4],
            key=tf.constant([join(*key)], tf.uint64),
            counter=tf.constant([join(*counter[:2]), join(*counter[2:])], tf.uint64),
            alg=1,
            dtype=tf.uint32,
        )
        cases.append({"key": key, "counter": counter, "words": words.numpy().tolist()})
    return cases


def transforms_jax(jax):
    """Derivatives of every kind and order, nested, of one function of a matrix product, and of one of a number."""
    jax.config.update("jax_enable_x64", True)
    np = jax.numpy
    grid = Grid(5)
    x, w, u, v = (np.array(grid.numbers(6)).reshape(shape) for shape in ((2, 3), (3, 2), (2, 3), (3, 2)))

    def loss(x, w):
        y = np.tanh(x @ w)
        return np.sum(y * y * np.exp(-y)) + np.log(np.sum(np.exp(x)))

    def wave(t):
        return np.sin(t) * np.exp(t / 2)

    hessian = jax.hessian(loss, argnums=(0, 1))(x, w)
    _, tangent = jax.jvp(loss, (x, w), (u, v))
    _, along = jax.jvp(jax.grad(loss, argnums=(0, 1)), (x, w), (u, v))
    rows = np.array(grid.numbers(15)).reshape(5, 3)
    per_row = jax.vmap(jax.grad(lambda r: np.sum(np.sin(r) * r[::-1])))(rows)
    orders, f = [], wave
    for _ in range(5):
        orders.append(number(float(f(0.75))))
        f = jax.grad(f)
    return [
        {"name": "value", "x": tensor(x), "w": tensor(w), "output": number(float(loss(x, w)))},
        {"name": "gradients", "outputs": [tensor(g) for g in jax.grad(loss, argnums=(0, 1))(x, w)]},
        {"name": "hessian", "outputs": [[tensor(block) for block in row] for row in hessian]},
        {"name": "jvp", "u": tensor(u), "v": tensor(v), "output": number(float(tangent))},
        {"name": "hessianVectorProduct", "outputs": [tensor(g) for g in along]},
        {"name": "perRowGradients", "rows": tensor(rows), "output": tensor(per_row)},
        {"name": "orders", "at": 0.75, "outputs": orders},
    ]


subjects = {
    "elementwise": ("numpy", elementwise_numpy),
    "elementwiseGradients": ("torch", elementwise_torch),
    "reductions": ("numpy", reductions_numpy),
    "matmul": ("numpy", matmul_numpy),
    "convolution": ("torch", convolution_torch),
    "pooling": ("torch", pooling_torch),
    "losses": ("torch", losses_torch),
    "transforms": ("jax", transforms_jax),
    "philox": ("tensorflow", philox_tensorflow),
}


def main():
    wanted = sys.argv[1:] or list(subjects)
    for subject in wanted:
        if subject not in subjects:
            sys.exit(f"expected some of {', '.join(subjects)}; received {subject}")
        library, make = subjects[subject]
        try:
            module = import_module(library)
        except ImportError:
            print(f"{subject}: left as it is, this Python has no {library}", file=sys.stderr)
            continue
        versions = {library: module.__version__, "python": platform.python_version()}
        lines = ",\n".join(json.dumps(case, separators=(",", ":"), allow_nan=False) for case in make(module))
        (folder / f"{subject}.json").write_text(f'{{"versions":{json.dumps(versions)},"cases":[\n{lines}\n]}}\n')
        print(f"{subject}: {library} {module.__version__}")


if __name__ == "__main__":
    main()
