"""Checks of arguments. Each error names what was given, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def require_shapes(*, given: Mapping[str, Any], **expected: str) -> None:
    """Check that tensors have the expected axes, and that equal letters mean equal lengths.

    Parameters
    ----------
    given : mapping
        Name to tensor; usually ``locals()``.
    **expected : str
        Name to axes, for example ``reward="...", next_action_values="... A"`` or ``rewards="T ..."``. ``...``
        may stand first or last and means the same axes everywhere.

    Raises
    ------
    ValueError
        With the names, the expected axes and the shapes that were given.
    """
    lengths: dict[str, Any] = {}
    for name, axes in expected.items():
        value = given[name]
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} is a {type(value).__name__}, expected a tensor of shape ({axes})")
        letters = [letter for letter in axes.split() if letter != "..."]
        count = value.ndim - len(letters)
        if count < 0 or (count > 0 and "..." not in axes):
            raise ValueError(f"{name} has shape {tuple(value.shape)}, expected ({axes})")
        start = 0 if axes.endswith("...") else count
        bindings: list[tuple[str, Any]] = list(zip(letters, value.shape[start : start + len(letters)], strict=True))
        if "..." in axes:
            bindings.append(("...", tuple(value.shape[:start] + value.shape[start + len(letters) :])))
        for letter, length in bindings:
            if lengths.setdefault(letter, length) != length:
                shapes = ", ".join(f"{n} {tuple(given[n].shape)} for ({expected[n]})" for n in expected)
                raise ValueError(f"shapes disagree on {letter!r}: {shapes}")


def require_boolean(**tensors: Tensor) -> None:
    """Raise ``ValueError`` for every tensor that is not of dtype bool."""
    for name, value in tensors.items():
        if value.dtype is not torch.bool:
            raise ValueError(f"{name} has dtype {value.dtype}, expected torch.bool (use {name}.bool())")


def require_finite(**tensors: Tensor) -> None:
    """Raise ``ValueError`` where a tensor has NaN or infinity, with the first such place."""
    for name, value in tensors.items():
        bad = ~torch.isfinite(value)
        if bad.any():
            place = tuple(bad.nonzero()[0].tolist())
            raise ValueError(f"{name}{list(place)} is {value[place].item()}, expected finite numbers")


def require_discount(discount: float) -> None:
    """Raise ``ValueError`` unless the discount is a number in [0, 1]."""
    if isinstance(discount, bool) or not isinstance(discount, (int, float)) or not 0 <= discount <= 1:
        raise ValueError(f"discount is {discount!r}, expected a number in [0, 1]")


def require_probability(**numbers: float) -> None:
    """Raise ``ValueError`` for every number outside [0, 1]."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"{name} is {value!r}, expected a probability in [0, 1]")


def require_distribution(probabilities: Tensor, describe: str) -> None:
    """Check that the last axis holds probability distributions.

    Parameters
    ----------
    probabilities : Tensor, shape (..., N)
    describe : str
        How an error calls row ``index``, for example ``"transition probabilities of state {0}, action {1}"``.

    Raises
    ------
    ValueError
        Naming the first row with a negative entry, NaN, or a sum that is not 1 within 1e-6 (1e-4 in float32).
    """
    tolerance = 1e-6 if probabilities.dtype is torch.float64 else 1e-4
    unusable = ~torch.isfinite(probabilities) | (probabilities < 0)
    if unusable.any():
        place = unusable.nonzero()[0].tolist()
        row = describe.format(*place[:-1])
        raise ValueError(f"{row} contain {probabilities[tuple(place)].item():.6g}, expected numbers in [0, 1]")
    sums = probabilities.sum(-1)
    wrong = (sums - 1).abs() > tolerance
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise ValueError(f"{describe.format(*place)} sum to {sums[tuple(place)].item():.6g}, expected 1")
