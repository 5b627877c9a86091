"""When did a training run reach the goal, what had it cost by then, and did it fall back later?

The same clock and the same rule for every learner: CPU seconds of this process, and the mean return of the last 100
training episodes.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

RECENT_EPISODES = 100
GOAL = 475.0
RELAPSE = 400.0


@dataclass(frozen=True)
class TrainingRun:
    """One run of one seed.

    Attributes
    ----------
    reached : bool
        Whether the mean return of the last 100 episodes reached the goal.
    seconds : float
        CPU seconds until then, or of the whole run if it did not.
    steps : int
        Environment steps until then, or of the whole run.
    relapsed : bool
        Whether that mean later fell below 400, in the part of the budget that was run.
    """

    reached: bool
    seconds: float
    steps: int
    relapsed: bool


class EpisodeWatch:
    """Takes in finished episodes in the order in which they end; the clock starts when it is made."""

    def __init__(self, goal: float = GOAL, relapse: float = RELAPSE) -> None:
        self.goal, self.relapse = goal, relapse
        self._recent: deque[float] = deque(maxlen=RECENT_EPISODES)
        self._reached: tuple[float, int] | None = None
        self._relapsed = False
        self._began = time.process_time()

    @property
    def reached(self) -> bool:
        """Whether the goal has been reached at some time."""
        return self._reached is not None

    def add(self, episode_return: float, steps: int) -> None:
        """Take in one episode that ended after ``steps`` environment steps of the run."""
        self._recent.append(episode_return)
        if len(self._recent) < RECENT_EPISODES:
            return
        mean = sum(self._recent) / RECENT_EPISODES
        if self._reached is not None:
            self._relapsed |= mean < self.relapse
        elif mean >= self.goal:
            self._reached = (time.process_time() - self._began, steps)

    def result(self, steps: int) -> TrainingRun:
        """Result of a run that ended after ``steps``."""
        if self._reached is None:
            return TrainingRun(False, time.process_time() - self._began, steps, False)
        return TrainingRun(True, *self._reached, self._relapsed)
