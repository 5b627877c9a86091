"""Plain data between the examiner and a student's code, and the half of the conversation beside that code.

This file is self-contained: its source text is run inside the candidate kernel, and the same file is imported by the
examiner and by a student's own notebook, so that copying, dtypes and errors are the same at home and when graded.

A value travels as a JSON tree plus raw array buffers; an array is ``{"$": "torch" | "numpy", "dtype": str, "shape":
[int], "buffer": index}``. Nothing is pickled. ``pack`` runs beside student code and is lenient about what it is given;
``unpack`` in the examiner believes nothing. Only the examiner may send generators and recipes (``build``).
"""

import importlib
import math
import sys

WIDTHS = {
    "bool": 1, "uint8": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "float16": 2, "float32": 4, "float64": 8,
}  # fmt: skip
MOST_NODES = 100_000
MOST_ENTRIES = 10_000
DEEPEST = 20


class NotPlainError(TypeError):
    """A value that cannot be sent as plain data."""


class Recipe:
    """An object that the examiner asks the student's side to construct: ``module:attribute`` called with arguments."""

    def __init__(self, path, args=(), kwargs=None):
        self.path, self.args, self.kwargs = path, tuple(args), dict(kwargs or {})

    def construct(self):
        """Import and call."""
        module, _, attribute = self.path.partition(":")
        return getattr(importlib.import_module(module), attribute)(*self.args, **self.kwargs)


def pack(value, buffers, depth=0):
    """Describe *value* as a JSON tree; contents of arrays are appended to *buffers*."""
    if depth > DEEPEST:
        raise NotPlainError("something nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise NotPlainError("an integer of more than 64 bits")
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$": "float", "value": repr(float(value))}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple, dict)):
        most = MOST_ENTRIES if isinstance(value, dict) else MOST_NODES
        if len(value) > most:
            raise NotPlainError(f"a {type(value).__name__} of {len(value)} entries, more than {most}")
    if isinstance(value, list):
        return [pack(item, buffers, depth + 1) for item in value]
    if isinstance(value, tuple):
        return {"$": "tuple", "value": [pack(item, buffers, depth + 1) for item in value]}
    if isinstance(value, dict):
        pairs = [[pack(key, buffers, depth + 1), pack(item, buffers, depth + 1)] for key, item in value.items()]
        return {"$": "dict", "value": pairs}
    if isinstance(value, Recipe):
        inside = [pack(list(value.args), buffers, depth + 1), pack(value.kwargs, buffers, depth + 1)]
        return {"$": "recipe", "path": value.path, "value": inside}
    return _pack_array(value, buffers)


def _pack_array(value, buffers):
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch and isinstance(value, torch.Generator):
        tag, array = "generator", value.get_state().numpy()
    elif torch and isinstance(value, torch.Tensor):
        if value.dtype is torch.bfloat16 or value.is_meta:
            raise NotPlainError("a tensor without data" if value.is_meta else "a bfloat16 tensor")
        tag, array = "torch", value.detach().cpu().resolve_conj().resolve_neg().to_dense().numpy()
    elif numpy and isinstance(value, numpy.generic):
        item = value.item()
        if isinstance(item, numpy.generic):  # a longdouble stays one
            raise NotPlainError(f"a number of type {value.dtype}")
        return pack(item, buffers)
    elif numpy and isinstance(value, numpy.ndarray):
        tag, array = "numpy", numpy.asarray(value)
    else:
        raise NotPlainError(f"a {type(value).__name__} object")
    if array.dtype.name not in WIDTHS:
        raise NotPlainError(f"an array of {array.dtype}")
    buffers.append(array.astype(array.dtype.name).tobytes())  # native byte order, C order
    return {"$": tag, "dtype": array.dtype.name, "shape": list(array.shape), "buffer": len(buffers) - 1}


def unpack(tree, buffers, trusted=False):
    """Rebuild a value; ``ValueError`` on anything irregular.

    Generators and recipes are rebuilt only where the sender is trusted: in the candidate, from the examiner.
    """
    try:
        return _Reader(buffers, trusted).read(tree, 0)
    except Exception as error:
        raise ValueError(f"malformed data: {type(error).__name__}: {str(error)[:200]}") from None


class _Reader:
    """Reads one tree; each buffer may be used once, and nodes are counted."""

    def __init__(self, buffers, trusted):
        self.buffers, self.trusted, self.used, self.nodes = buffers, trusted, set(), 0

    def read(self, tree, depth):
        self.nodes += 1
        if depth > 2 * DEEPEST or self.nodes > MOST_NODES:
            raise ValueError("too much nested data")
        if tree is None or type(tree) in (bool, int, float, str):
            return tree
        if type(tree) is list:
            return [self.read(item, depth + 1) for item in tree]
        if type(tree) is not dict:
            raise ValueError("a node of unknown kind")
        return self.read_tagged(tree.get("$"), tree, depth)

    def read_tagged(self, tag, tree, depth):
        if tag == "float" and tree["value"] in ("nan", "inf", "-inf"):
            return float(tree["value"])
        if tag == "tuple" and type(tree["value"]) is list:
            return tuple(self.read(item, depth + 1) for item in tree["value"])
        if tag == "dict" and type(tree["value"]) is list:
            if len(tree["value"]) > MOST_ENTRIES:
                raise ValueError("too many dictionary entries")
            return {self.read(key, depth + 1): self.read(item, depth + 1) for key, item in tree["value"]}
        if tag == "numpy":
            return self.array(tree)
        if tag == "torch":
            import torch

            return torch.from_numpy(self.array(tree))
        if tag == "generator" and self.trusted:
            import torch

            generator = torch.Generator()
            generator.set_state(torch.from_numpy(self.array(tree)))
            return generator
        if tag == "recipe" and self.trusted:
            args, kwargs = (self.read(item, depth + 1) for item in tree["value"])
            return Recipe(tree["path"], args, kwargs).construct()
        raise ValueError(f"unknown tag {tag!r}")

    def array(self, tree):
        import numpy

        name, shape, index = tree["dtype"], tree["shape"], tree["buffer"]
        if name not in WIDTHS or type(index) is not int or not 0 <= index < len(self.buffers) or index in self.used:
            raise ValueError("an array of unknown type or without its own buffer")
        if type(shape) is not list or len(shape) > 8 or any(type(n) is not int or not 0 <= n <= 2**40 for n in shape):
            raise ValueError("a shape that is none")
        self.used.add(index)
        raw = bytes(self.buffers[index])
        if math.prod(max(n, 1) for n in shape) > max(MOST_NODES, len(raw)):  # no entries, in ever so many empty rows
            raise ValueError("a shape that is too large")
        if math.prod(shape) * WIDTHS[name] != len(raw):
            raise ValueError("a shape that does not match its data")
        if name == "bool":  # the byte of a bool may only be 0 or 1
            return (numpy.frombuffer(raw, "uint8") != 0).reshape(shape)
        return numpy.frombuffer(raw, name).reshape(shape).copy()
