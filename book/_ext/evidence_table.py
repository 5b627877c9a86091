"""The directive ``{evidence}``: the measurements in benchmarks/results/, read when the book is built.

With the name of a subject it shows that subject's records; without one it says how many records there are. A record
whose measured files have changed since is marked: its figure may no longer hold.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from execution_cache import ROOT, benchmark_module
from sphinx.util.docutils import SphinxDirective

RESULTS = ROOT / "benchmarks" / "results"
REQUIRED = ("name", "claim", "value", "unit", "command", "date", "machine", "versions", "source_hash")
# What the name of a record begins with tells its subject. Each subject is a section of book/evidence.md.
SUBJECTS = {
    "planning": ("dp-",),
    "deep-rl": ("tabular-", "dqn-", "ppo-", "cartpole-"),
    "language-models": ("chain-", "trl-"),
    "agents": ("agents-",),
    "frameworks": ("bridge-", "verl-"),
    "grading": ("grading-", "verify-"),
    "website": ("website-",),
}


def subject_of(name: str) -> str:
    """Return the subject that a record belongs to.

    Raises
    ------
    ValueError
        If there is none, which would hide the record.
    """
    for subject, beginnings in SUBJECTS.items():
        if name.startswith(beginnings):
            return subject
    known = ", ".join(beginning for beginnings in SUBJECTS.values() for beginning in beginnings)
    raise ValueError(f"the record {name} has no subject: its name begins with none of {known} (evidence_table.py)")


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


def claim_as_html(record: dict[str, Any]) -> str:
    """Return the claim, with names of the program, such as ``on_policy`` or the record's own, set as code."""
    own = record["name"].partition("-")[2]
    names = r"\b[A-Za-z]\w*_\w+\b" + (rf"|(?<=, ){re.escape(own)}(?=:)" if "-" in own else "")
    return re.sub(names, r"<code>\g<0></code>", html.escape(record["claim"]))


def figures(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return label and HTML of the columns of a record: what was measured, beside what, how often."""
    unit = html.escape(str(record["unit"]))
    columns = [("Measured", f"<b>{shown(record['value'])}</b> {unit}")]
    if record.get("peer"):
        peer_value = record.get("peer_value")
        value = f"<b>{shown(peer_value)}</b> " if peer_value is not None else ""
        columns.append(("Beside", value + html.escape(str(record["peer"]))))
    if record.get("ratio") is not None:
        goal = record.get("goal")
        verdict = "" if goal is None else f"<br>goal {shown(goal)}: {'met' if record.get('met') else 'not met'}"
        columns.append(("Ratio", f"<b>{shown(record['ratio'])}</b>{verdict}"))
    if record.get("seeds") is not None:
        columns.append(("Seeds or runs", f"<b>{shown(record['seeds'])}</b>"))
    return columns


def origin(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return label and HTML of what it takes to judge and to repeat a record."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    code = " ".join(f"<code>{html.escape(source)}</code>" for source in record.get("sources", []))
    name = html.escape(record["name"], quote=True)
    return [
        ("Command", f"<code>{html.escape(record['command'])}</code>"),
        ("Machine", html.escape(record["machine"])),
        ("Versions", html.escape(versions)),
        ("Measured code", code or "none named"),
        ("Every figure", f'<a href="evidence/{name}.json">{name}.json</a>'),
    ]


def as_list(lines: list[tuple[str, str]], name: str) -> str:
    """Return labels and values as a list of descriptions."""
    items = "".join(f"<div><dt>{html.escape(label)}</dt><dd>{value}</dd></div>" for label, value in lines)
    return f'<dl class="{name}">{items}</dl>'


def record_as_html(record: dict[str, Any], stale: bool) -> str:
    """Return one record as a block of the page: the claim, its figures, and, folded, where they come from."""
    mark = '<p class="stale">Older than its code: measured before the code last changed.</p>' if stale else ""
    name, claim = html.escape(record["name"], quote=True), claim_as_html(record)
    folded = f"<summary>Measured {html.escape(record['date'])}: command, machine, versions</summary>"
    return (
        f'<div class="evidence-record" id="{name}"><p class="claim">{claim}</p>{mark}'
        f"{as_list(figures(record), 'figures')}<details>{folded}{as_list(origin(record), 'origin')}</details></div>"
    )


class EvidenceDirective(SphinxDirective):
    """The records of a subject, or how many records there are."""

    optional_arguments = 1
    option_spec: ClassVar[dict] = {}

    def run(self) -> list[nodes.Node]:
        """Return the records as HTML."""
        subject = self.arguments[0] if self.arguments else None
        try:
            records = [one for one in read_records() if subject_of(one["name"]) == subject or subject is None]
        except ValueError as error:
            raise self.error(str(error)) from error
        if subject is not None and subject not in SUBJECTS:
            raise self.error(f"evidence: there is no subject {subject!r}; known are {', '.join(SUBJECTS)}")
        for name in {name for record in records for name in record.get("sources", [])}:
            if (ROOT / name).is_file():  # its change makes the figure old
                self.env.note_dependency(str(ROOT / name))
        if not records:
            return [nodes.paragraph("", "No measurement has been recorded yet.")]
        source_hash = benchmark_module("evidence").source_hash
        stale = [is_stale(record, source_hash) for record in records]
        if subject is None:
            return [nodes.paragraph("", f"{len(records)} records; {sum(stale) or 'none'} older than their code.")]
        blocks = "".join(record_as_html(record, old) for record, old in zip(records, stale, strict=True))
        return [nodes.raw("", blocks, format="html")]


def copy_records(app, error: Exception | None) -> None:
    """Sphinx event: put the records beside the page, for the figures that it does not show."""
    if error is None and app.builder.format == "html":
        shutil.copytree(RESULTS, Path(app.outdir, "evidence"), dirs_exist_ok=True)


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("evidence", EvidenceDirective)
    app.connect("build-finished", copy_records)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
