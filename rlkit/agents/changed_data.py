"""The data agent's world after a change: a copy of the tables is gone, or reading it has become dear.

An agent that was trained before the change knows nothing of it. Commands and answers are in the old words, so that a
tokenizer made for :class:`~rlkit.agents.data_agent.DataAgent` can write and read everything here.
"""

from __future__ import annotations

from typing import ClassVar

from rlkit.agents.data_agent import ITEMS, DataAgent
from rlkit.agents.text_environment import Tool, arguments


class NoCopy(DataAgent):
    """The schema has changed: the copy of all tables, which ``SCAN`` reads, is empty now."""

    def tool_scan(self, text: str) -> str:
        """Read what is left of the copy: as slow and as dear as before, and there is nothing in it."""
        arguments(text, ITEMS)
        return "none"


class DearCopy(DataAgent):
    """The price list has changed: ``SCAN`` costs three times as much."""

    TOOLS: ClassVar[dict[str, Tool]] = DataAgent.TOOLS | {"SCAN": Tool(0.90, 6.0)}
