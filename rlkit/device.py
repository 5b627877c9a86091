"""Which device to compute on: an argument wins, then ``RLKIT_DEVICE``, then the best one present."""

from __future__ import annotations

import os

import torch

ENVIRONMENT_VARIABLE = "RLKIT_DEVICE"


def available_devices() -> list[str]:
    """Devices of this machine, best first: ``cuda``, ``mps`` (Apple), ``cpu``."""
    devices = ["cpu"]
    if torch.backends.mps.is_available():
        devices.insert(0, "mps")
    if torch.cuda.is_available():
        devices[:0] = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return devices


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to compute on.

    Parameters
    ----------
    device : str, torch.device or None
        For example ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``. ``None`` takes the environment
        variable ``RLKIT_DEVICE`` if it is set, and otherwise the best device present.

    Raises
    ------
    ValueError
        If the device is unknown, or known but not present on this machine.
    """
    source = "argument device"
    if device is None:
        device = os.environ.get(ENVIRONMENT_VARIABLE) or None
        source = f"environment variable {ENVIRONMENT_VARIABLE}"
    present = available_devices()
    if device is None:
        return torch.device(present[0])
    if str(device) not in [*present, "cpu:0", "mps:0"]:
        raise ValueError(
            f"{source} asks for device {str(device)!r}, but this machine has: {', '.join(present)}; "
            f"choose one of these, or leave it out to take {present[0]!r}"
        )
    return torch.device(device)
