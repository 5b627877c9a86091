"""What all training loops share: how a run ends, what its episodes returned, and how a policy is evaluated."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import TracebackType

import torch
from torch import Tensor, nn
from tqdm import tqdm

from rlkit.environments.base import Environment, Step

RECENT_EPISODES = 100


class DivergedError(ArithmeticError):
    """A reward, loss or value that is NaN or infinite; the text names the step and the seed."""


class Run:
    """A loop with a progress bar that keeps what was learned when it is interrupted or diverges.

    Use it as a context around the loop. ``ended`` then says how the run ended: ``"completed"``,
    ``"reached ..."``, ``"interrupted ..."`` or ``"diverged: ..."``. Leaving by Ctrl-C or by :class:`DivergedError`
    does not raise: the history so far is returned, with a warning.
    """

    def __init__(self, num_iterations: int, name: str, progress: bool) -> None:
        self.num_iterations, self.ended, self._done = num_iterations, "completed", 0
        self._bar = tqdm(range(num_iterations), desc=name, unit="iteration", disable=not progress)

    def __iter__(self) -> Iterator[int]:
        for iteration in self._bar:
            self._done = iteration
            yield iteration

    def show(self, **numbers: float) -> None:
        """Show numbers beside the progress bar."""
        if not self._bar.disable:
            self._bar.set_postfix({name: f"{number:.4g}" for name, number in numbers.items()})

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._bar.close()
        if isinstance(error, KeyboardInterrupt):
            self.ended = f"interrupted in iteration {self._done} of {self.num_iterations}"
        elif isinstance(error, DivergedError):
            self.ended = f"diverged: {error}"
        else:
            return False
        warnings.warn(f"training stopped early, {self.ended}; the history so far is kept", stacklevel=3)
        return True


def require_converging(name: str, values: Tensor, step: int, axis: int = 0) -> None:
    """Raise :class:`DivergedError` where a tensor has NaN or infinity; ``axis`` is its axis of seeds."""
    finite = torch.isfinite(values)
    if not finite.all():
        place = (~finite).nonzero()[0].tolist()
        raise DivergedError(f"{name} of seed {place[axis]} is {values[tuple(place)].item()} at step {step}")


class EpisodeTracker:
    """Returns of episodes while they are being played; no value leaves the device.

    Parameters
    ----------
    environment : Environment
        With batch axes (K, N).
    """

    def __init__(self, environment: Environment) -> None:
        shape, device = environment.batch_shape, environment.device
        self._running = torch.zeros(shape, device=device)
        # One place more than is kept: episodes that go on are written there, which saves a mask and a wait.
        self._recent = torch.zeros(shape[0], RECENT_EPISODES + 1, device=device)
        self.count = torch.zeros(shape[0], dtype=torch.int64, device=device)
        self._total = torch.zeros(shape[0], device=device)
        self._reported = (self._total, self.count)

    def record(self, step: Step) -> None:
        """Take in one step of every environment."""
        ended = step.terminated | step.truncated
        running = self._running + step.reward
        order = ended.cumsum(dim=1)
        place = ((self.count[:, None] + order - 1) % RECENT_EPISODES).masked_fill_(~ended, RECENT_EPISODES)
        self._recent.scatter_(1, place, running.to(self._recent.dtype))
        self.count = self.count + order[:, -1]
        self._running = running.masked_fill(ended, 0.0)
        self._total = self._total + (running - self._running).sum(dim=1)

    def recent_return(self) -> Tensor:
        """Mean return of the last 100 episodes (fewer at the start, NaN before the first), shape (K,)."""
        held = self.count.clamp_max(RECENT_EPISODES)
        kept = torch.arange(RECENT_EPISODES, device=held.device) < held[:, None]
        return (self._recent[:, :-1] * kept).sum(dim=1) / held

    def interval_return(self) -> Tensor:
        """Mean return of the episodes that ended since the last call, NaN if there was none, shape (K,)."""
        before_total, before_count = self._reported
        self._reported = (self._total, self.count)
        return (self._total - before_total) / (self.count - before_count)


class Goal:
    """Keeps each seed's parameters from the moment when it first reached a return, as if its run had ended there.

    Parameters
    ----------
    target : float or None
        None never stops.
    parameters : list of Tensor, each of shape (K, ...)
    """

    def __init__(self, target: float | None, parameters: list[nn.Parameter]) -> None:
        self.target, self._parameters = target, parameters
        self.reached = torch.full((len(parameters[0]),), -1, device=parameters[0].device)
        self._kept = [parameter.detach().clone() for parameter in parameters]

    def check(self, recent_return: Tensor, episodes: Tensor, step: int) -> bool:
        """Note which seeds reach the target now; return whether all have."""
        if self.target is None:
            return False
        new = (self.reached < 0) & (recent_return >= self.target) & (episodes >= RECENT_EPISODES)
        self.reached = torch.where(new, step, self.reached)
        if new.any():
            for kept, parameter in zip(self._kept, self._parameters, strict=True):
                kept[new] = parameter.detach()[new]
        return bool((self.reached >= 0).all())

    def restore(self) -> None:
        """Put back what was kept of the seeds that reached the target."""
        done = self.reached >= 0
        with torch.no_grad():
            for kept, parameter in zip(self._kept, self._parameters, strict=True):
                parameter[done] = kept[done]


def greedy_returns(environment: Environment, act: Callable[[Tensor], Tensor], num_steps: int) -> Tensor:
    """Return of the first episode of every environment, shape (K, N).

    Parameters
    ----------
    environment : Environment
    act : callable
        Observations of the batch to actions.
    num_steps : int
        Episodes that last longer are cut there.
    """
    observation = environment.reset()
    returns = torch.zeros(environment.batch_shape, device=environment.device)
    alive = torch.ones(environment.batch_shape, dtype=torch.bool, device=environment.device)
    with torch.no_grad():
        for _ in range(num_steps):
            step = environment.step(act(observation))
            returns = returns + torch.where(alive, step.reward.to(returns.dtype), 0.0)
            alive = alive & ~(step.terminated | step.truncated)
            observation = step.observation
            if not alive.any():
                break
    return returns


def stack_history(records: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Turn one dictionary per record into one tensor per name, records first; empty if there is none."""
    if not records:
        return {}
    return {name: torch.stack([torch.as_tensor(record[name]) for record in records]) for name in records[0]}
