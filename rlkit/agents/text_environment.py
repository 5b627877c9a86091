"""Environments whose observations and actions are texts: an agent writes a command, a tool answers.

A command is the name of a tool and its arguments, ``SUM tb pear``. Every tool has a price and takes time on a virtual
clock. A command that cannot be carried out is answered by ``ERR`` and a reason, inside the episode; nothing that an
agent writes raises. The reward of a turn is what the task pays, less the price of the tools and of unsafe actions:

.. math:: r_t = r_t^{\\text{task}} - \\lambda\\, c_t - \\nu\\, u_t.

The number of turns is limited and the limit is part of the task, so it *terminates* an episode; the conversation so
far, which is the agent's state, tells how many turns are left.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
from gymnasium import spaces

from rlkit.agents.prices import priced_reward

LONGEST_ACTION, LONGEST_OBSERVATION = 2_000, 600
CHARACTERS = string.printable


class CommandError(Exception):
    """A command that cannot be carried out; the text is what the agent reads after ``ERR``."""


@dataclass(frozen=True)
class Tool:
    """What a tool costs, how many seconds of the virtual clock it takes, and whether it is unsafe."""

    price: float = 0.0
    seconds: float = 0.0
    unsafe: bool = False


MISTAKE = Tool(price=0.05, seconds=1.0)


class TextEnvironment(gymnasium.Env):
    """A task with tools; subclasses define ``TOOLS``, a method for each, and how an episode begins.

    Parameters
    ----------
    price : float
        :math:`\\lambda`, what a unit of cost takes off the reward.
    unsafe_price : float
        :math:`\\nu`, what an unsafe action takes off the reward.
    max_turns : int, optional
        Turns after which the episode terminates.
    render_mode : {"ansi"}, optional
    """

    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012
    TOOLS: ClassVar[dict[str, Tool]] = {}
    WORDS: ClassVar[tuple[str, ...]] = ()
    MAX_TURNS: ClassVar[int] = 10
    ONLY_SUCCESS_PAYS: ClassVar[bool] = False
    """Prices are paid out of a success, so that a failure is worth 0 however little it cost."""

    def __init__(
        self,
        price: float = 1.0,
        unsafe_price: float = 1.0,
        max_turns: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.price, self.unsafe_price, self.render_mode = price, unsafe_price, render_mode
        self.max_turns = max_turns or self.MAX_TURNS
        self.observation_space = spaces.Text(LONGEST_OBSERVATION, min_length=0, charset=CHARACTERS)
        self.action_space = spaces.Text(LONGEST_ACTION, min_length=0, charset=CHARACTERS)
        self.random = random.Random(0)
        self.history: list[tuple[str, str]] = []
        self.info: dict[str, float] = {}
        self.opening = ""

    # What a subclass defines ------------------------------------------------------------------------------------

    def begin(self) -> str:
        """Draw a task with ``self.random`` and return the text that opens the conversation."""
        raise NotImplementedError

    def expert(self, chance: random.Random) -> str:
        """Return the command of a scripted policy that solves the task; it may look into the environment."""
        raise NotImplementedError

    def sloppy(self, chance: random.Random) -> str:
        """Return the command of a scripted policy of mixed quality, whose transcripts a base model imitates."""
        raise NotImplementedError

    # gymnasium --------------------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin an episode; the seed decides everything in it but the agent's actions."""
        super().reset(seed=seed)
        self.random = random.Random(int(self.np_random.integers(2**31)))
        self.info = {"success": 0.0, "cost": 0.0, "latency": 0.0, "unsafe": 0.0, "turns": 0.0, "mistakes": 0.0}
        self.history, self.finished, self.fresh_context = [], False, False
        self.opening = fit(self.begin())
        return self.opening, {**self.info, "fresh_context": False}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Carry out a command; return observation, reward, terminated, truncated (never) and key figures so far."""
        if self.finished:
            raise RuntimeError("the episode has ended: call reset before the next step")
        before, self.fresh_context = self.info["success"], False
        name, tool, observation = self._carry_out(action)
        self.info["turns"] += 1
        self.info["cost"] += tool.price
        self.info["latency"] += tool.seconds
        self.info["unsafe"] = max(self.info["unsafe"], float(tool.unsafe))
        self.info["mistakes"] += name == "mistake"
        self.finished = self.finished or self.info["turns"] >= self.max_turns
        reward = self._reward(self.info["success"] - before, tool)
        observation = fit(observation)
        self.history.append((action, observation))
        if self.fresh_context:
            self.history, self.opening = [], observation
        return observation, reward, self.finished, False, {**self.info, "fresh_context": self.fresh_context}

    def render(self) -> str:
        """Return the conversation of the present context."""
        return "\n".join([self.opening, *(line for action, seen in self.history for line in (f"> {action}", seen))])

    def anchor(self) -> str:
        """Return a name of the situation that the agent is in: equal names may be compared with each other."""
        return self.render()

    def _carry_out(self, action: str) -> tuple[str, Tool, str]:
        """Run the tool that a command names; return name, tool and observation."""
        words = action.split()
        tool = self.TOOLS.get(words[0]) if words else None
        try:
            if tool is None:
                raise CommandError("command")
            method = getattr(self, f"tool_{words[0].lower()}")
            return words[0], tool, method(action.strip()[len(words[0]) :].strip())
        except CommandError as error:
            return "mistake", MISTAKE, f"ERR {error}"

    def _reward(self, gained: float, tool: Tool) -> float:
        """Return the turn's reward."""
        if self.ONLY_SUCCESS_PAYS:
            return gained * (1 - self.price * self.info["cost"]) - self.unsafe_price * tool.unsafe
        return priced_reward(gained, tool.price, tool.unsafe, self.price, self.unsafe_price)


def arguments(text: str, *allowed: tuple[str, ...] | None) -> list[str]:
    """Split a command's arguments and check them: as many as ``allowed``, each among those allowed (None: any word)."""
    words = text.split()
    if len(words) != len(allowed):
        raise CommandError("arguments")
    for word, choices in zip(words, allowed, strict=True):
        if choices is not None and word not in choices:
            raise CommandError("arguments")
    return words


def fit(text: str) -> str:
    """Cut a text to the length of an observation, and replace what is not printable ASCII."""
    text = "".join(character if character in CHARACTERS else "?" for character in text)
    return text if len(text) <= LONGEST_OBSERVATION else text[: LONGEST_OBSERVATION - 4] + " ..."
