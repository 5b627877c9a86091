"""One update of a language model, and the weights to go back to when the next one fails."""

from __future__ import annotations

from types import TracebackType

import torch
from torch import Tensor, nn

from rlkit.training import DivergedError, require_converging


class LastGood:
    """Keeps the weights after the last update but one, and puts them back when a run diverges.

    A loss that is NaN tells of the weights that gave it, so the last update is the one to undo.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters: list[Tensor] = list(model.parameters())
        self._kept = [parameter.detach().clone() for parameter in self._parameters]
        self._next = [parameter.detach().clone() for parameter in self._parameters]

    def keep(self) -> None:
        """Note the weights after an update whose loss was finite."""
        self._kept, self._next = self._next, self._kept
        torch._foreach_copy_(self._next, [parameter.detach() for parameter in self._parameters])

    def __enter__(self) -> LastGood:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, DivergedError):
            with torch.no_grad():
                torch._foreach_copy_(self._parameters, self._kept)


def take_step(optimizer: torch.optim.Optimizer, loss: Tensor, largest_gradient_norm: float, step: int) -> Tensor:
    """Backward pass, clipping and update; return the gradient's norm before clipping.

    Raises
    ------
    DivergedError
        If the norm is NaN or infinite; the weights are then as they were.
    """
    optimizer.zero_grad()
    loss.backward()
    return clip_and_step(optimizer, largest_gradient_norm, step)


def clip_and_step(optimizer: torch.optim.Optimizer, largest_gradient_norm: float, step: int) -> Tensor:
    """Clip the gradients that are there, and update."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, largest_gradient_norm)
    require_converging("gradient norm", norm.reshape(1), step)
    optimizer.step()
    return norm.detach()
