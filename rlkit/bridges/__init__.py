"""Bridges: rlkit's agent environments and verifiable rewards inside other frameworks, one module for each.

A bridge imports its framework only when it is called. All of them share one notion of an episode
(:mod:`rlkit.bridges.episodes`).
"""
