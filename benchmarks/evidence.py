"""Write one evidence record: a measured figure with everything needed to judge and repeat it."""

from __future__ import annotations

import ast
import datetime
import functools
import hashlib
import io
import json
import os
import platform
import sys
import tokenize
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def what_runs(path: Path) -> bytes:
    """Return what of a file can change a measurement: of Python the code without docstrings, comments and empty lines.

    A better worded docstring then leaves a figure as good as it was. The text is cut, not printed anew from the syntax
    tree, so that every version of Python gives the same.
    """
    content = path.read_bytes()
    return code_that_runs(content.decode()) if path.suffix == ".py" else content


@functools.cache
def code_that_runs(text: str) -> bytes:
    """Return the code of a Python file without docstrings, comments and empty lines."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline) if "#" in text else ():
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text_of = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
            if text_of and text_of.end_lineno and not lines[text_of.lineno - 1][: text_of.col_offset].strip():
                lines[text_of.lineno - 1 : text_of.end_lineno] = [""] * (text_of.end_lineno - text_of.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip()).encode()


def source_hash(sources: Sequence[str], root: Path = ROOT) -> str:
    """Hash of the measured code (paths relative to the repository), so that a stale figure can be marked."""
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update(source.encode() + b"\0" + what_runs(root / source) + b"\0")
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
