"""What the author of a check compares with: values, shapes, errors. A failure says what was due and what came."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.subject import Gone, Late, StudentError, Subject

MOST_SHOWN = 12


class Failed(AssertionError):  # noqa: N818 - reads as a statement
    """A check did not pass; the text says what was expected and what came."""


def as_array(value: Any, what: str = "the result") -> np.ndarray:
    """Return numbers, nested lists, arrays and tensors as a float64 (or complex-free bool/int) numpy array."""
    kind = type(value).__module__.split(".")[0]
    if kind == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray([as_array(item, what) for item in value]) if _holds_tensors(value) else np.asarray(value)
    except ValueError:
        raise Failed(f"expected numbers in a regular shape, got {describe(value)}") from None
    if array.dtype.kind not in "bifu":
        raise Failed(f"expected numbers, got {describe(value)}")
    return array.astype(np.float64)


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(type(item).__module__.startswith("torch") for item in value)


def describe(value: Any) -> str:
    """Say briefly what a value is."""
    if value is None:
        return "None (does the function return its result?)"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = "tensor" if type(value).__module__.startswith("torch") else "array"
        if np.prod(value.shape) <= MOST_SHOWN:
            return shown(value.tolist())
        return f"a {kind} of shape {tuple(value.shape)}"
    text = shown(value)
    return text if len(text) <= 200 else f"a {type(value).__name__} beginning {text[:150]} ..."


def shown(value: Any, digits: int = 6) -> str:
    """Numbers with six digits, lists in brackets."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return repr(value)
    if isinstance(value, float):
        whole = np.isfinite(value) and value == int(value) and abs(value) <= 1e15
        return f"{value:.1f}" if whole else f"{value:.{digits}g}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(shown(item, digits) for item in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return repr(value)


def close(actual: Any, expected: Any, tolerance: float = 1e-6) -> None:
    """Fail unless two values agree entry by entry, whatever container and dtype they come in.

    Parameters
    ----------
    actual : Any
        The student's result.
    expected : Any
        Numbers, nested lists, arrays or tensors.
    tolerance : float
        Largest allowed difference, absolute below 1 and relative above.
    """
    due = as_array(expected)
    if actual is None:
        raise Failed(f"expected {_expected_text(due)}, got None (does the function return its result?)")
    came = as_array(actual)
    if came.shape != due.shape:
        raise Failed(f"expected shape {due.shape}, got shape {came.shape}: {describe(actual)}")
    same = agreeing(came, due, tolerance)
    if same.all():
        return
    if due.size <= MOST_SHOWN:
        raise Failed(_told_apart(due.tolist(), came.tolist()))
    place = tuple(int(index) for index in np.argwhere(~same)[0])
    raise Failed(
        f"{(~same).sum()} of {due.size} entries differ; the first at index {list(place)}: "
        + _told_apart(float(due[place]), float(came[place]))
    )


def agreeing(came: np.ndarray, due: np.ndarray, tolerance: float) -> np.ndarray:
    """Which entries agree: finite ones within the tolerance, others only with themselves."""
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.isfinite(due) & (np.abs(came - due) <= tolerance * np.maximum(1.0, np.abs(due)))
    return near | (came == due) | (np.isnan(came) & np.isnan(due))


def _told_apart(due: Any, came: Any) -> str:
    """Show two values that differ with as many digits as it takes to see it."""
    digits = 6 if shown(due) != shown(came) else 17
    return f"expected {shown(due, digits)}, got {shown(came, digits)}"


def _expected_text(array: np.ndarray) -> str:
    return shown(array.tolist()) if array.size <= MOST_SHOWN else f"numbers of shape {array.shape}"


def is_shape(actual: Any, shape: tuple[int, ...]) -> None:
    """Fail unless a result has a shape."""
    came = as_array(actual)
    if came.shape != tuple(shape):
        raise Failed(f"expected shape {tuple(shape)}, got shape {came.shape}")


def numbers(value: Any, shape: tuple[int, ...] | None = None) -> Any:
    """Return a result as a float64 torch tensor, whatever container it came in; fail if its shape is another."""
    import torch

    if shape is not None:
        is_shape(value, shape)
    return torch.from_numpy(as_array(value).copy())


def holds(condition: bool, message: str) -> None:
    """Fail with a message unless a condition holds."""
    if not bool(condition):
        raise Failed(message)


def raises(
    subject: Subject, *args: Any, error: str = "ValueError", mentions: tuple[str, ...] = (), **kwargs: Any
) -> None:
    """Fail unless a call raises an error of the given name whose text mentions all of some words."""
    try:
        result = subject(*args, **kwargs)
    except (Late, Gone):
        raise
    except StudentError as raised:
        if raised.kind != error:
            raise Failed(f"expected {error}, got {raised}") from None
        missing = [word for word in mentions if word not in str(raised)]
        if missing:
            wanted = ", ".join(repr(word) for word in missing)
            raise Failed(f"the {error} should mention {wanted}; it says: {raised}") from None
        return
    raise Failed(f"expected {error}, but the call returned {describe(result)}")


def same_behaviour(first: Any, second: Any, tolerance: float) -> bool:
    """Whether two recorded outcomes are equal, numbers within a tolerance."""
    if isinstance(first, str) or isinstance(second, str) or first is None or second is None:
        return type(first) is type(second) and first == second
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same_behaviour(first[k], second[k], tolerance) for k in first)
    try:
        came, due = as_array(first), as_array(second)
    except Failed:
        if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)) and len(first) == len(second):
            return all(same_behaviour(a, b, tolerance) for a, b in zip(first, second, strict=True))
        return False
    if came.shape != due.shape:
        return False
    return bool(agreeing(came, due, tolerance).all())
