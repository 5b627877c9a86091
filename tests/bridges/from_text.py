"""The data agent's scripted policies, reading nothing but the conversation: for servers that see only the text."""

import random
from collections.abc import Sequence
from typing import Any

from rlkit.agents.data_agent import DataAgent


def write(messages: Sequence[dict[str, Any]], policy: str, chance: random.Random) -> str:
    """Return what ``expert`` or ``sloppy`` writes after the user's last message."""
    opening, *rest = [str(message["content"]).strip() for message in messages]
    agent = DataAgent()
    agent.parts = [(kind, item) for kind, item in (part.split() for part in opening.split(" then "))]
    agent.history = list(zip(rest[::2], rest[1::2], strict=True))
    agent.open_part = sum(seen == "saved" for _, seen in agent.history)
    return str(getattr(agent, policy)(chance))
