"""Write one evidence record: a measured figure with everything needed to judge and repeat it."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def source_hash(sources: Sequence[str]) -> str:
    """Hash of the measured files (paths relative to the repository), so that a stale figure can be marked."""
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update(source.encode() + b"\0" + (ROOT / source).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def describe_machine(device: str = "cpu") -> str:
    """Processor, cores and operating system; the name of the GPU where one was used."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    text = f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    if device != "cpu":
        import torch

        text += f", {torch.cuda.get_device_name()}"
    return text


def write_record(
    name: str,
    claim: str,
    value: float,
    unit: str,
    sources: Sequence[str],
    packages: Sequence[str],
    peer: str | None = None,
    peer_value: float | None = None,
    ratio: float | None = None,
    goal: float | None = None,
    seeds: int | None = None,
    device: str = "cpu",
    command: str | None = None,
    **details: Any,
) -> dict[str, Any]:
    """Write ``benchmarks/results/<name>.json`` and return the record.

    Parameters
    ----------
    name : str
        Of the file and of the record.
    claim : str
        One sentence.
    value, peer_value : float
        In ``unit``; ``ratio`` and ``goal`` are compared as ``ratio >= goal``.
    sources : sequence of str
        Files that were measured, relative to the repository.
    packages : sequence of str
        Whose versions matter.
    seeds : int, optional
        Number of seeds or of timed runs behind the figure.
    command : str, optional
        What to type to measure again; the running script with its arguments, if not given.
    **details
        Further figures, kept under ``details``.
    """
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
    record = {
        "name": name,
        "claim": claim,
        "value": value,
        "unit": unit,
        "peer": peer,
        "peer_value": peer_value,
        "ratio": ratio,
        "goal": goal,
        "met": None if ratio is None or goal is None else ratio >= goal,
        "seeds": seeds,
        "command": command or " ".join(["python", os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": describe_machine(device),
        "versions": versions,
        "source_hash": source_hash(sources),
        "sources": sorted(sources),
        "details": details,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return record
