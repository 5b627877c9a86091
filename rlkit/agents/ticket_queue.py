"""A desk that works through a queue of tickets: many turns, each with a reward of its own.

``bill low`` must go to the right team; every ticket is a context of its own. It is the place to see what credit
assignment is worth: with 24 turns the return of an episode says little about one of them. With ``delay`` the reward
of a ticket arrives so many turns later, so that a turn's own reward belongs to another turn.
"""

from __future__ import annotations

import random
from typing import ClassVar

from rlkit.agents.text_environment import CommandError, TextEnvironment, Tool, arguments

KINDS = ("bill", "refund", "login", "crash", "spam", "ship")
TEAMS = ("fin", "ops", "web", "dev", "bin", "log")
URGENCY = ("low", "high")
RULE = dict(zip(KINDS, TEAMS, strict=True))
EXCEPTIONS = {("login", "high"): "dev", ("ship", "high"): "dev", ("bill", "low"): "bin"}


class TicketQueue(TextEnvironment):
    """Send each ticket to a team, or hold it for a tenth of the reward; see the module's docstring.

    Parameters
    ----------
    num_tickets : int
    delay : int
        Turns after which the reward of a ticket arrives; the last turn pays what is left.
    """

    TOOLS: ClassVar[dict[str, Tool]] = {"SEND": Tool(0.0, 1.0), "HOLD": Tool(0.0, 1.0)}
    WORDS: ClassVar[tuple[str, ...]] = ("SEND", "HOLD", "ERR", "command", "arguments", "end", *KINDS, *URGENCY, *TEAMS)

    def __init__(self, num_tickets: int = 24, delay: int = 0, **options) -> None:
        super().__init__(max_turns=num_tickets, **options)
        self.num_tickets, self.delay = num_tickets, delay

    def begin(self) -> str:
        """Draw the tickets."""
        self.tickets = [(self.random.choice(KINDS), self.random.choice(URGENCY)) for _ in range(self.num_tickets)]
        self.earned: list[float] = []
        self.number = 0
        return self._ticket()

    def _ticket(self) -> str:
        return " ".join(self.tickets[self.number])

    def anchor(self) -> str:
        """Return the ticket, which no action has had an influence on."""
        return self._ticket()

    def right(self) -> str:
        """Team of the ticket that is open."""
        ticket = self.tickets[self.number]
        return EXCEPTIONS.get(ticket, RULE[ticket[0]])

    def _carry_out(self, action: str) -> tuple[str, Tool, str]:
        """Every turn ends a ticket, also one that was no command."""
        self.value = -0.1
        name, tool, _ = super()._carry_out(action)
        self.earned.append(self.value)
        self.number += 1
        self.finished = self.number == self.num_tickets
        self.fresh_context = not self.finished
        return name, tool, "end" if self.finished else self._ticket()

    def tool_send(self, text: str) -> str:
        """Send the ticket to a team."""
        (team,) = arguments(text, TEAMS)
        self.value = float(team == self.right())
        self.info["success"] += self.value / self.num_tickets
        return ""

    def tool_hold(self, text: str) -> str:
        """Leave the ticket to somebody else."""
        if text:
            raise CommandError("arguments")
        self.value = 0.1
        return ""

    def _reward(self, gained: float, tool: Tool) -> float:
        """Pay for the ticket of ``delay`` turns ago."""
        start = max(0, len(self.earned) - 1 - self.delay)
        if self.finished:
            return sum(self.earned[start:])
        return self.earned[start] if len(self.earned) > self.delay else 0.0

    def expert(self, chance: random.Random) -> str:
        """Return the right team."""
        return f"SEND {self.right()}"

    def sloppy(self, chance: random.Random) -> str:
        """Know a quarter, hold some, guess the rest."""
        draw = chance.random()
        return self.expert(chance) if draw < 0.25 else "HOLD" if draw < 0.40 else f"SEND {chance.choice(TEAMS)}"
