"""One episode as every bridge sees it: a conversation with a registered text environment, with the rewards it earned::

    episode = Episode("rlkit/DataAgent-v0", seed=3)
    while not episode.ended:
        reply = episode.reply(write(episode.messages))

A data set holds what an episode is made from (:func:`rows`), not the episode: environment, seed and options decide all
of it but what the policy writes.
"""

from __future__ import annotations

import importlib
import json
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import gymnasium
from gymnasium.envs.registration import load_env_creator

import rlkit.agents  # registers the environments
from rlkit.agents.text_environment import TextEnvironment
from rlkit.lm import chain

Message = dict[str, str]


class Framework(NamedTuple):
    """What is imported, the package that has it, and the version that the bridge was tested with."""

    module: str
    package: str
    version: str


FRAMEWORKS = {
    "trl": Framework("trl", "trl", "1.16.0"),
    "ms_swift": Framework("swift", "ms-swift", "4.6.0"),
    "verl": Framework("verl", "verl", "0.9.1"),
    "art": Framework("art", "openpipe-art", "0.5.18"),
    "agent_lightning": Framework("agentlightning", "agentlightning", "0.3.0"),
}


class FrameworkError(ImportError):
    """A framework that is missing, or of a version that the bridge was not tested with."""


class EpisodeError(RuntimeError):
    """An environment that raised, which none may: what an agent writes is answered, right or wrong."""


class RolloutError(RuntimeError):
    """Episodes that were not played to their end, and are not to be trained on."""


class Reply(NamedTuple):
    """What an agent reads after its turn, what the turn earned, and whether it was the last."""

    observation: str
    reward: float
    ended: bool


class Episode:
    """One conversation with one environment.

    Parameters
    ----------
    environment_id : str
        Of a registered text environment, ``rlkit/DataAgent-v0``.
    seed : int
        Decides everything but what the policy writes.
    instructions : bool
        Say at the start which commands there are, for a model that has not imitated any.
    **options
        For the environment.
    """

    def __init__(self, environment_id: str, seed: int, instructions: bool = False, **options: Any) -> None:
        self.environment_id, self.seed = environment_id, seed
        self.environment = make_environment(environment_id, instructions, **options)
        self.rewards: list[float] = []
        self.actions: list[str] = []
        self.ended = False
        self.opening, self.info = self._guarded(self.environment.reset, seed=seed)
        self.contexts: list[list[Message]] = [[{"role": "user", "content": self.opening}]]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Episode:
        """Begin the episode that a row of :func:`rows` stands for; its other columns are ignored."""
        return cls(row["environment_id"], int(row["seed"]), **json.loads(row.get("options") or "{}"))

    @property
    def messages(self) -> list[Message]:
        """The conversation that the policy goes on with: of the present context, where the environment has several."""
        return self.contexts[-1]

    @property
    def total_reward(self) -> float:
        """Sum of the turns' rewards, the number that a framework has to train on."""
        return float(sum(self.rewards))

    def reply(self, text: str) -> Reply:
        """Carry out what the policy wrote. The last observation is returned, but nobody reads it."""
        if self.ended:
            raise RuntimeError(f"{self._name()} has ended after {len(self.actions)} turns; begin another")
        observation, reward, terminated, truncated, info = self._guarded(self.environment.step, text)
        self.actions.append(text)
        self.rewards.append(float(reward))
        self.info, self.ended = info, terminated or truncated
        self.messages.append({"role": "assistant", "content": text})
        if not self.ended:
            if info["fresh_context"]:
                self.contexts.append([])
            self.messages.append({"role": "user", "content": observation})
        return Reply(observation, float(reward), self.ended)

    def scripted(self, policy: str, chance: random.Random) -> str:
        """Return what a scripted policy, ``expert`` or ``sloppy``, writes now."""
        return str(getattr(self.environment, policy)(chance))

    def _name(self) -> str:
        return f"the episode of {self.environment_id} with seed {self.seed}"

    def _guarded(self, method: Any, *arguments: Any, **named: Any) -> Any:
        """Call the environment; say which episode it was if it raises."""
        try:
            return method(*arguments, **named)
        except Exception as error:
            last = f" on {arguments[0]!r}" if arguments else ""
            raise EpisodeError(
                f"{self._name()} raised {type(error).__name__} in turn {len(self.actions) + 1}{last}: {error}. "
                "This is a mistake in the environment; its rewards so far are not to be trained on"
            ) from error


def make_environment(environment_id: str, instructions: bool = False, **options: Any) -> TextEnvironment:
    """Make a registered text environment, without gymnasium's wrappers."""
    spec = gymnasium.registry.get(environment_id)
    kind: Any = spec.entry_point if spec else None
    kind = load_env_creator(kind) if isinstance(kind, str) else kind
    if not (isinstance(kind, type) and issubclass(kind, TextEnvironment)):
        known = ", ".join(f"rlkit/{name}-v0" for name in rlkit.agents.ENVIRONMENTS)
        raise ValueError(f"environment_id is {environment_id!r}, expected a registered text environment: {known}")
    if instructions:
        from rlkit.agents.instructions import instructed

        kind = instructed(kind)
    return kind(**options)


def rows(environment_id: str, seeds: Iterable[int], **options: Any) -> list[dict[str, Any]]:
    """Return a data set's rows: prompt as chat messages, environment, seed, and options as JSON text.

    Every kind of data set can hold these columns: JSONL, parquet, ``datasets.Dataset``.
    """
    written = json.dumps(options, sort_keys=True)
    return [
        {
            "prompt": list(Episode(environment_id, seed, **options).messages),
            "environment_id": environment_id,
            "seed": seed,
            "options": written,
        }
        for seed in seeds
    ]


def chain_rows(prompts: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows for *Chain*, whose prompts are plain texts: ``77941=``."""
    return [{"prompt": prompt} for prompt in prompts]


def chain_reward(prompts: Sequence[Any], completions: Sequence[Any]) -> list[float]:
    """Return the rewards of *Chain* for texts or for chat messages, of which the last is read."""
    return chain.reward([_text(prompt) for prompt in prompts], [_text(completion) for completion in completions])


def _text(content: Any) -> str:
    return content if isinstance(content, str) else content[-1]["content"]


def write_rows(rows: Sequence[Mapping[str, Any]], path: str | Path) -> Path:
    """Write rows to a ``.jsonl`` or ``.parquet`` file; nothing is there until all of it is."""
    path = Path(path)
    if path.suffix not in (".jsonl", ".parquet"):
        raise ValueError(f"path is {str(path)!r}, expected a name that ends in .jsonl or .parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        if path.suffix == ".parquet":
            import pyarrow
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), unfinished)
        else:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            unfinished.write_text("".join(lines), encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def require(name: str) -> ModuleType:
    """Import a framework, or say which version was found, which was tested and how to install it.

    Raises
    ------
    FrameworkError
        If it is missing, or of another version than the one tested (another last number is let through).
    """
    module, package, tested = FRAMEWORKS[name]
    install = f'python -m pip install "{package}=={tested}"'
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        message = f"{package} is not installed; this bridge was tested with {package} {tested}. Install it: {install}"
        raise FrameworkError(message) from None
    if found.split(".")[:2] != tested.split(".")[:2]:
        raise FrameworkError(
            f"{package} {found} was found; this bridge was tested with {package} {tested}. Install that: {install}"
        )
    return importlib.import_module(module)
