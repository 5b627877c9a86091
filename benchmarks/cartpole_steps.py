"""Environment steps per second of batched CartPole, beside gymnasium's own vectorised CartPole in NumPy."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import torch
from evidence import write_record
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from tqdm import tqdm

from rlkit.environments import CartPole

BATCH_SIZES = (4_096, 65_536)
STEPS_OF_ALL = 20_000_000
SOURCES = ["rlkit/environments/cartpole.py", "rlkit/environments/base.py", "benchmarks/cartpole_steps.py"]


def steps_per_second(batch_size: int, device: str, num_steps: int, seed: int) -> float:
    """Environment steps per second of rlkit under random actions, drawn beforehand.

    CPU seconds on the CPU; wall time on a GPU, waited for at the end.
    """
    generator = torch.Generator(device).manual_seed(seed)
    actions = torch.randint(2, (16, batch_size), generator=generator, device=device)
    environment = CartPole(batch_size, seed, device=device)
    environment.reset()
    on_gpu = torch.device(device).type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    for index in range(min(10, num_steps)):
        environment.step(actions[index % 16])
    if on_gpu:
        torch.cuda.synchronize()
    began = clock()
    for index in range(num_steps):
        environment.step(actions[index % 16])
    if on_gpu:
        torch.cuda.synchronize()
    return batch_size * num_steps / (clock() - began)


def steps_per_second_of_gymnasium(batch_size: int, num_steps: int, seed: int) -> float:
    """The same for gymnasium's vectorised CartPole, in CPU seconds."""
    actions = np.random.default_rng(seed).integers(2, size=(16, batch_size))
    environment = CartPoleVectorEnv(batch_size, max_episode_steps=500)
    environment.reset(seed=seed)
    for index in range(min(10, num_steps)):
        environment.step(actions[index % 16])
    began = time.process_time()
    for index in range(num_steps):
        environment.step(actions[index % 16])
    elapsed = time.process_time() - began
    environment.close()
    return batch_size * num_steps / elapsed


def measure(batch_size: int, runs: int, steps_of_all: int = STEPS_OF_ALL) -> dict[str, Any]:
    """Time every device that is there and the peer in turn, ``runs`` times; return medians in steps per second."""
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    num_steps = max(2, steps_of_all // batch_size)
    speeds: dict[str, list[float]] = {name: [] for name in [*devices, "gymnasium"]}
    for run in tqdm(range(runs), desc=f"{batch_size:,} poles", unit="run"):
        for device in devices:
            speeds[device].append(steps_per_second(batch_size, device, num_steps, run))
        speeds["gymnasium"].append(steps_per_second_of_gymnasium(batch_size, num_steps, run))
    return {name: statistics.median(values) for name, values in speeds.items()}


def show(batch_size: int, found: dict[str, float]) -> None:
    """Print one line a side."""
    for name, speed in found.items():
        print(f"  {batch_size:6,} poles  {name:10s} {speed:16,.0f} steps/s  {speed / found['gymnasium']:6.2f} x")


def write(batch_size: int, found: dict[str, float], runs: int) -> None:
    """Write one record for the CPU, and one for the GPU where it was measured."""
    for device, suffix, place in [("cpu", "", "on one CPU thread"), ("cuda", "-gpu", "on a GPU")]:
        if device not in found:
            continue
        ratio = found[device] / found["gymnasium"]
        write_record(
            name=f"cartpole-steps-{batch_size}{suffix}",
            claim=f"{batch_size:,} poles take {found[device]:,.0f} environment steps per second {place}, {ratio:.2g} "
            "times as many as gymnasium's vectorised CartPole on one CPU thread.",
            value=found[device], unit="environment steps per second", sources=SOURCES,
            packages=["torch", "numpy", "gymnasium"], peer="gymnasium CartPoleVectorEnv (NumPy), one CPU thread",
            peer_value=found["gymnasium"], ratio=ratio, seeds=runs, device=device, medians=found,
        )  # fmt: skip
