"""The directive ``{evidence}``: every measurement in benchmarks/results/, read when the book is built.

A record whose measured files have changed since is marked: its figure may no longer hold.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from execution_cache import ROOT, benchmark_module
from sphinx.util.docutils import SphinxDirective

RESULTS = ROOT / "benchmarks" / "results"
REQUIRED = ("name", "claim", "value", "unit", "command", "date", "machine", "versions", "source_hash")


def read_records(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Read the records in the order of their names.

    Raises
    ------
    ValueError
        If a file is not a record; says which and what is missing.
    """
    records = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path.name} is not JSON: {error}") from error
        missing = [key for key in REQUIRED if key not in record]
        if missing:
            raise ValueError(f"{path.name} lacks {', '.join(missing)}; benchmarks/evidence.py writes complete records")
        records.append(record)
    return records


def is_stale(record: dict[str, Any], source_hash: Callable[[Sequence[str]], str]) -> bool:
    """Whether a file that the record measured has changed or gone since."""
    try:
        return source_hash(record.get("sources", [])) != record["source_hash"]
    except FileNotFoundError:
        return True


def shown(value: Any) -> str:
    """Return a figure with three digits, whole numbers in full, everything else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return html.escape(str(value))
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return label and HTML of each line of a record."""
    unit = html.escape(str(record["unit"]))
    found = [("Measured", f"{shown(record['value'])} {unit}")]
    if record.get("peer"):
        peer_value = record.get("peer_value")
        found.append((str(record["peer"]), f"{shown(peer_value)} {unit}" if peer_value is not None else "compared"))
    if record.get("ratio") is not None:
        goal = record.get("goal")
        verdict = "" if goal is None else f" (goal {shown(goal)}: {'met' if record.get('met') else 'not met'})"
        found.append(("Ratio", shown(record["ratio"]) + verdict))
    if record.get("seeds") is not None:
        found.append(("Seeds or runs", shown(record["seeds"])))
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    found += [
        ("Command", f"<code>{html.escape(record['command'])}</code>"),
        ("When and where", f"{html.escape(record['date'])}, {html.escape(record['machine'])}"),
        ("Versions", html.escape(versions)),
    ]
    return found


def record_as_html(record: dict[str, Any], stale: bool) -> str:
    """Return one record as a block of the page."""
    lines = "".join(f"<div><dt>{html.escape(label)}</dt><dd>{value}</dd></div>" for label, value in facts(record))
    mark = '<p class="stale">The measured code has changed since: this figure may no longer hold.</p>' if stale else ""
    name = html.escape(record["name"], quote=True)
    claim = html.escape(record["claim"])
    return f'<div class="evidence-record" id="{name}"><p class="claim">{claim}</p>{mark}<dl>{lines}</dl></div>'


class EvidenceDirective(SphinxDirective):
    """Every record, or a sentence where there is none."""

    def run(self) -> list[nodes.Node]:
        """Return the records as HTML."""
        self.env.note_reread()
        try:
            records = read_records()
        except ValueError as error:
            raise self.error(str(error)) from error
        if not records:
            return [nodes.paragraph("", "No measurement has been recorded yet.")]
        source_hash = benchmark_module("evidence").source_hash
        stale = [is_stale(record, source_hash) for record in records]
        number = f"{len(records)} record{'s' if len(records) > 1 else ''}"
        count = f"{number}; {sum(stale) or 'none'} marked because its code has changed since."
        blocks = "".join(record_as_html(record, old) for record, old in zip(records, stale, strict=True))
        return [nodes.paragraph("", count), nodes.raw("", blocks, format="html")]


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("evidence", EvidenceDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
