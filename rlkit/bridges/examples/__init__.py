"""One script for each framework: ``python -m rlkit.bridges.examples.trl`` and so on."""

from collections.abc import Mapping


def describe(name: str, figures: Mapping[str, float]) -> str:
    """Say how well a model of the data agent does on new tasks (:func:`rlkit.agents.training.evaluate`)."""
    return f"{name}: success {figures['success']:.3f}, cost {figures['cost']:.3f}, unsafe {figures['unsafe']:.3f}"
