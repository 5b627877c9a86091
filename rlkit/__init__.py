"""Reinforcement learning from Markov decision processes to agents, small enough to read whole.

Each module is one topic and can be read on its own: ``rlkit.mdp``, ``rlkit.gridworld``,
``rlkit.dynamic_programming`` and so on. Formulas are pure functions; nothing runs at import.
"""

__version__ = "0.1.0"
