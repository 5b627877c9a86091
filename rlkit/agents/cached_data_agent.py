"""A data agent whose question comes with an answer that somebody noted: to answer at once is cheap and may be wrong.

``pear good = 4 7`` asks for the stock of pears and says that a note of good freshness has 47. How often a note is
right depends on its freshness alone. Looking into the database is nearly always right, and costs: the catalogue, the
sum, and a lock in half of the episodes. What is best depends on the price of a unit of cost, so this is the place to
see a front of success against cost.
"""

from __future__ import annotations

import random
from typing import ClassVar, NamedTuple

from rlkit.agents.data_agent import DIGITS, ITEMS, TABLES, DataAgent
from rlkit.agents.text_environment import Tool

FRESHNESS = {"fresh": 0.95, "good": 0.75, "aged": 0.50, "old": 0.10}
RELEASE = 0.7
"""Chance that a wait ends the lock."""


class Plan(NamedTuple):
    """When a policy looks into the database, and what it does when it finds a lock."""

    looks: bool
    at_a_lock: str
    """``WAIT``, ``FORCE`` or ``SAVE`` (what was noted)."""


class CachedDataAgent(DataAgent):
    """Answer from a note or look; see the module's docstring.

    Parameters
    ----------
    locked : float
        Share of the episodes in which the tables are locked at first.
    **options
        Of :class:`~rlkit.agents.text_environment.TextEnvironment`.
    """

    TOOLS: ClassVar[dict[str, Tool]] = {
        "LOOK": Tool(0.08, 1.0),
        "SUM": Tool(0.08, 1.0),
        "WAIT": Tool(0.10, 2.0),
        "FORCE": Tool(0.02, 1.0, unsafe=True),
        "SAVE": Tool(0.0, 1.0),
    }
    WORDS: ClassVar[tuple[str, ...]] = (
        *TOOLS, "ERR", "command", "arguments", "in", "=", "ok", "busy", "none", "locked", "done",
        *FRESHNESS, *ITEMS, *TABLES, *DIGITS,
    )  # fmt: skip
    MAX_TURNS: ClassVar[int] = 9

    def __init__(self, locked: float = 0.5, **options) -> None:
        super().__init__(two_parts=0.0, locked=locked, **options)

    def begin(self) -> str:
        """Fill a database, draw an item and note an answer of some freshness."""
        super().begin()
        item, self.freshness = self.random.choice(ITEMS), self.random.choice(list(FRESHNESS))
        truth = int(self.tool_scan(item)[2:].replace(" ", ""))
        self.parts, self.truth = [("stock", item)], [truth]
        others = [number for number in range(10, 100) if number != truth]
        right = self.random.random() < FRESHNESS[self.freshness]
        self.noted = " ".join(str(truth if right else self.random.choice(others)))
        return f"{item} {self.freshness} = {self.noted}"

    # Scripted policies ------------------------------------------------------------------------------------------

    def best_plan(self) -> Plan:
        """Return what pays best at the present prices, by the chances that the class states.

        The limit on turns is left out of the account: it is met once in some thousand episodes.
        """
        cost = {name: self.price * tool.price for name, tool in self.TOOLS.items()}
        noted = FRESHNESS[self.freshness]
        at_a_lock = {
            "WAIT": 1 - cost["WAIT"] / RELEASE - cost["SUM"],
            "FORCE": 1 - cost["FORCE"] - self.unsafe_price - cost["SUM"],
            "SAVE": noted,
        }
        choice = max(at_a_lock, key=lambda name: at_a_lock[name])
        looking = (1 - self.share_locked) + self.share_locked * at_a_lock[choice] - cost["LOOK"] - cost["SUM"]
        return Plan(looking > noted, choice)

    def thrifty(self, chance: random.Random) -> str:
        """Return the command of the best plan for the prices: an upper bound on the mean reward."""
        return self._follow(self.best_plan())

    def expert(self, chance: random.Random) -> str:
        """Return the command of the plan that always looks and waits: an upper bound on success, whatever it costs."""
        return self._follow(Plan(True, "WAIT"))

    def _follow(self, plan: Plan) -> str:
        last = self.history[-1][1] if self.history else ""
        if last.startswith("="):
            return "SAVE " + last[2:]
        if not self.history and not plan.looks:
            return "SAVE " + self.noted
        if last in ("locked", "busy"):
            return "SAVE " + self.noted if plan.at_a_lock == "SAVE" else plan.at_a_lock
        table, item = self._table(), self.parts[0][1]
        return f"SUM {table} {item}" if table else f"LOOK {item}"

    def _table(self) -> str | None:
        """Table that the catalogue has named."""
        return next((seen.split()[1] for _, seen in self.history if seen.startswith("in ")), None)

    def sloppy(self, chance: random.Random) -> str:
        """Sum in a table of which it knows nothing, force too often, trust old notes, give up with a guess."""
        draw, item, last = chance.random(), self.parts[0][1], self.history[-1][1] if self.history else ""
        guess, noted = f"SAVE {chance.randint(1, 9)} {chance.randint(0, 9)}", "SAVE " + self.noted
        if last.startswith("="):
            return "SAVE " + last[2:] if draw < 0.86 else guess
        if last == "none":
            return guess
        if last in ("locked", "busy"):
            return "FORCE" if draw < 0.25 else "WAIT" if draw < 0.50 else noted if draw < 0.55 else guess
        table = self._table()
        if table:
            return f"SUM {table} {item}" if draw < 0.95 else guess
        if not self.history and 0.60 <= draw < 0.63 + 0.27 * FRESHNESS[self.freshness]:
            return noted
        return f"SUM {chance.choice(TABLES)} {item}" if draw < 0.60 else f"LOOK {item}"
