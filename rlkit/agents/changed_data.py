"""The data agent's world after a change: the tables moved and nobody told the catalogue, or the tools have new prices.

An agent that was trained before the change knows nothing of it. The words are the same, so that a tokenizer made for
:class:`~rlkit.agents.data_agent.DataAgent` can write and read everything here.
"""

from __future__ import annotations

import random
from typing import ClassVar

from rlkit.agents.data_agent import TABLES, DataAgent
from rlkit.agents.text_environment import Tool

NEW_NAMES = dict(zip(TABLES, (*TABLES[1:], TABLES[0]), strict=True))
"""What each table is called after the change: ``ta`` is now ``tb``, and the last has the first one's name."""


class MovedTables(DataAgent):
    """Every table has a new name (``NEW_NAMES``), and the catalogue still tells the old one."""

    def begin(self) -> str:
        """Fill the database as ever, then let the catalogue fall behind."""
        question = super().begin()
        old_names = {new: old for old, new in NEW_NAMES.items()}
        told = self.database.execute("SELECT item, tab FROM catalog").fetchall()
        self.database.executemany(
            "UPDATE catalog SET tab = ? WHERE item = ?", [(old_names[table], item) for item, table in told]
        )
        return question

    def expert(self, chance: random.Random) -> str:
        """As before the change, with the new name in place of the one that the catalogue told."""
        action = super().expert(chance)
        tool, *words = action.split()
        return f"SUM {NEW_NAMES[words[0]]} {words[1]}" if tool == "SUM" else action


class NewPrices(DataAgent):
    """The catalogue has become dear and the copy of all tables cheap."""

    TOOLS: ClassVar[dict[str, Tool]] = DataAgent.TOOLS | {"LOOK": Tool(0.30, 1.0), "SCAN": Tool(0.05, 6.0)}

    def expert(self, chance: random.Random) -> str:
        """Scan, where the expert of before would look and sum."""
        action = super().expert(chance)
        tool, *words = action.split()
        return f"SCAN {words[-1]}" if tool in ("LOOK", "SUM") else action
