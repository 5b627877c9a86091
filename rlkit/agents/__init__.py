"""Agents: text environments, episodes of many turns, credit, a log of episodes, and what to read from it.

The environments are registered with gymnasium as ``rlkit/DataAgent-v0``, ``rlkit/CachedDataAgent-v0``,
``rlkit/CodeAgent-v0``, ``rlkit/ResearchAgent-v0`` and ``rlkit/ProjectAgent-v0`` when this package is imported.
"""

import gymnasium

ENVIRONMENTS = {
    "DataAgent": "rlkit.agents.data_agent",
    "CachedDataAgent": "rlkit.agents.cached_data_agent",
    "CodeAgent": "rlkit.agents.code_agent",
    "ResearchAgent": "rlkit.agents.research_agent",
    "ProjectAgent": "rlkit.agents.project_agent",
}

for name, module in ENVIRONMENTS.items():
    gymnasium.register(f"rlkit/{name}-v0", entry_point=f"{module}:{name}")
