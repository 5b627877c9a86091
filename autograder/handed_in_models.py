"""A student hands in ``list(model.parameters())``; here they go into a model of the examiner's own.

Nothing of what the student's process says about a model is believed: what it can do is measured by the examiner.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from autograder.checks import Failed, describe, holds, numbers


def model_from(base: Any, answer: Any) -> Any:
    """Return a copy of a model with the parameters of an answer.

    Raises
    ------
    Failed
        Unless the answer is a list of finite tensors of the shapes of the model's parameters.
    """
    model = copy.deepcopy(base)
    expected = [tuple(parameter.shape) for parameter in model.parameters()]
    if not isinstance(answer, (list, tuple)) or len(answer) != len(expected):
        raise Failed(f"expected a list of {len(expected)} tensors, as list(model.parameters()), got {describe(answer)}")
    parts = [numbers(part) for part in answer]
    shapes = [tuple(part.shape) for part in parts]
    holds(shapes == expected, f"the tensors have other shapes than the model's parameters: {shapes[:3]} ...")
    holds(all(bool(part.isfinite().all()) for part in parts), "the parameters hold NaN or infinity: training diverged")
    with torch.no_grad():
        for parameter, part in zip(model.parameters(), parts, strict=True):
            parameter.copy_(part)
    return model
