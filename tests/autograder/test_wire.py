"""Plain data survives the way between two processes; anything else is refused, whoever made it."""

import json
import math
import random

import numpy as np
import pytest
import torch

from autograder import wire


def there_and_back(value, trusted=False):
    buffers = []
    tree = wire.pack(value, buffers)
    return wire.unpack(json.loads(json.dumps(tree)), buffers, trusted)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        2**63 - 1,
        0.1,
        -0.0,
        math.inf,
        "text with \u00fc, \u0000 and \ud800",
        [],
        (1, (2.5, [None])),
        {"a": 1, 2: "b", (1, 2): [3]},
        {"$": "tuple", "value": [1]},
    ],
    ids=repr,
)
def test_plain_values_come_back_as_they_were(value):
    back = there_and_back(value)
    assert back == value and type(back) is type(value)


def test_not_a_number_comes_back():
    assert math.isnan(there_and_back(math.nan))


@pytest.mark.parametrize("dtype", sorted(wire.WIDTHS))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)], ids=str)
def test_tensors_and_arrays_keep_dtype_shape_and_entries(dtype, shape):
    array = np.asarray(np.arange(math.prod(shape)).reshape(shape) % 2, dtype=dtype)
    back = there_and_back([array, torch.from_numpy(array)])
    assert isinstance(back[0], np.ndarray) and isinstance(back[1], torch.Tensor)
    for one in (back[0], back[1].numpy()):
        assert one.dtype == array.dtype and one.shape == array.shape and (one == array).all()


def test_views_and_gradients_are_sent_as_the_numbers_that_they_show():
    matrix = torch.arange(6.0).reshape(2, 3).requires_grad_()
    back = there_and_back([matrix.T, matrix[:, ::2], matrix.expand(2, 2, 3)])
    assert [one.shape for one in back] == [(3, 2), (2, 2), (2, 2, 3)]
    assert torch.equal(back[0], matrix.detach().T) and not back[0].requires_grad


def test_what_comes_back_is_a_copy():
    sent = torch.zeros(2)
    there_and_back(sent).add_(1)
    assert sent.sum() == 0


def test_numpy_scalars_become_python_numbers():
    assert there_and_back([np.float32(0.5), np.int64(3), np.bool_(True)]) == [0.5, 3, True]


def test_a_generator_keeps_its_state_on_the_way_to_a_student():
    sent = torch.Generator().manual_seed(7)
    received = there_and_back(sent, trusted=True)
    assert torch.equal(torch.rand(4, generator=received), torch.rand(4, generator=sent))


def test_a_recipe_is_constructed_on_the_student_side_only():
    recipe = wire.Recipe("collections:Counter", (["a", "a"],))
    assert there_and_back(recipe, trusted=True)["a"] == 2
    with pytest.raises(ValueError, match="recipe"):
        there_and_back(recipe)


def test_a_student_cannot_make_the_examiner_import_anything():
    for tree in (
        {"$": "recipe", "path": "os:system", "value": [[], {"$": "dict", "value": []}]},
        {"$": "generator", "dtype": "uint8", "shape": [5056], "buffer": 0},
        {"$": "pickle", "value": "gASVBQ=="},
    ):
        with pytest.raises(ValueError, match="malformed"):
            wire.unpack(tree, [bytes(5056)])


class Itself(list):
    """A list that contains itself."""


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


ENDLESS = Itself()
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (2**63, "64 bits"),
        (1j, "complex object"),
        (object(), "object object"),
        (b"bytes", "bytes object"),
        ({1, 2}, "set object"),
        (lambda: 1, "function object"),
        (torch.zeros(1, dtype=torch.bfloat16), "bfloat16"),
        (torch.zeros(1, dtype=torch.complex64), "complex64"),
        (torch.zeros(3, device="meta"), "without data"),
        (np.array(["text"]), "array of <U4"),
        (np.array([None]), "array of object"),
        (np.longdouble(1), "number of type"),
        (nested(wire.DEEPEST + 1), "nested too deeply"),
        (ENDLESS, "nested too deeply"),
        ([0] * (wire.MOST_NODES + 1), "entries"),
        (dict.fromkeys(range(wire.MOST_ENTRIES + 1)), "entries"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_not_plain_is_refused_with_its_name(value, says):
    with pytest.raises(wire.NotPlainError, match=says):
        wire.pack(value, [])


FLOATS = {"$": "torch", "dtype": "float32", "shape": [2], "buffer": 0}
HOSTILE = {
    "no tag": {},
    "unknown tag": {"$": "class", "value": "os.system"},
    "unhashable tag": {"$": ["torch"]},
    "tag without content": {"$": "tuple"},
    "tuple of a string": {"$": "tuple", "value": "abc"},
    "dict of triples": {"$": "dict", "value": [[1, 2, 3]]},
    "dict with an unhashable key": {"$": "dict", "value": [[[1], 2]]},
    "float of words": {"$": "float", "value": "1e999"},
    "dtype of objects": {**FLOATS, "dtype": "object"},
    "dtype that is a list": {**FLOATS, "dtype": ["float32"]},
    "shape too large for its data": {**FLOATS, "shape": [3]},
    "shape too small for its data": {**FLOATS, "shape": [1]},
    "negative shape": {**FLOATS, "shape": [-2]},
    "shape of booleans": {**FLOATS, "shape": [True, 2]},
    "shape of floats": {**FLOATS, "shape": [2.0]},
    "overflowing shape": {**FLOATS, "shape": [2**40] * 8},
    "overflowing shape with nothing in it": {**FLOATS, "shape": [0] + [2**40] * 7, "buffer": 1},
    "too many axes": {**FLOATS, "shape": [1] * 8 + [2]},
    "buffer that is not there": {**FLOATS, "buffer": 2},
    "negative buffer": {**FLOATS, "buffer": -1},
    "buffer number that is a boolean": {**FLOATS, "buffer": False},
    "one buffer twice": [FLOATS, FLOATS],
    "missing buffer number": {"$": "torch", "dtype": "float32", "shape": [2]},
    "too deep": json.loads("[" * 60 + "]" * 60),
    "too many": [0] * (wire.MOST_NODES + 1),
    "a number that is no number": object(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_data_is_refused(name):
    with pytest.raises(ValueError, match="malformed"):
        wire.unpack(HOSTILE[name], [bytes(8), b""])


def test_every_byte_of_a_bool_tensor_is_read_as_a_truth_value():
    tree = {"$": "torch", "dtype": "bool", "shape": [4], "buffer": 0}
    assert wire.unpack(tree, [bytes([0, 1, 2, 255])]).tolist() == [False, True, True, True]


def test_damaged_data_is_read_or_refused_and_nothing_else():
    """Twenty thousand random changes: no other error than ValueError, and no value that is not plain."""
    source = random.Random(3)
    buffers = []
    tree = wire.pack([torch.ones(2, 2), {"a": (1, 2.5)}, math.inf, np.ones(3, dtype="int8"), "x"], buffers)
    text = json.dumps(tree)
    pieces = ['"$"', "torch", "numpy", "tuple", "dict", "[", "]", "{", "}", "0", "-1", "9e9", "null", '"', ":", ","]
    read = 0
    for _ in range(20_000):
        start = source.randrange(len(text))
        changed = text[:start] + source.choice(pieces) + text[start + source.randrange(4) :]
        try:
            damaged = json.loads(changed)
        except ValueError:
            continue
        try:
            wire.pack(wire.unpack(damaged, buffers), [])
            read += 1
        except ValueError:
            pass
    assert read > 100
