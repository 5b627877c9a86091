"""What a recorded trajectory must hold so that the dial of advantages can draw it."""

from __future__ import annotations

import math
from typing import Any

NUMBERS = ("rewards", "values", "next_values")
FLAGS = ("terminated", "truncated")


def what_is_wrong(trajectory: Any) -> str:
    """Return what keeps a trajectory from being drawn, or "".

    Parameters
    ----------
    trajectory : object
        Expected: a dict of lists of equal length, three of numbers and two of booleans; optional are the list
        ``returns`` and the text ``returns_label``.
    """
    if not isinstance(trajectory, dict):
        return f"the trajectory is a {type(trajectory).__name__}, expected an object with {', '.join(NUMBERS + FLAGS)}"
    needed, optional = {*NUMBERS, *FLAGS}, {"returns", "returns_label"}
    if not needed <= trajectory.keys() <= needed | optional:
        return f"the trajectory has {sorted(trajectory)}, expected {sorted(needed)} and perhaps {sorted(optional)}"
    lists = {key: value for key, value in trajectory.items() if key != "returns_label"}
    for key, value in lists.items():
        kind = bool if key in FLAGS else (int, float)
        right = isinstance(value, list) and all(
            isinstance(each, kind) and isinstance(each, bool) == (key in FLAGS) and math.isfinite(each)
            for each in value
        )
        if not right:
            return f"{key} is not a list of {'true and false' if key in FLAGS else 'finite numbers'}"
    lengths = {key: len(value) for key, value in lists.items()}
    if len(set(lengths.values())) != 1 or not lengths["rewards"]:
        return f"lists of lengths {lengths}, expected one length of at least 1"
    return ""
