"""The directive ``{trace-player}``: embeds book/_static/trace-player.js with the episodes of a file beside the page.

    ```{trace-player}
    :file: data_agent-traces.json
    :tokens:

    What a reader without JavaScript sees.
    ```

The file holds ``{"title": ..., "chosen": {"rule": ..., "seed": ...}, "traces": [...]}``; ``title`` and ``chosen`` (how
the task was picked) may be left out. A trace is what :func:`rlkit.agents.traces.trace` returns. ``:tokens:`` begins
with the tokens.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from docutils.parsers.rst import directives
from widgets import Widget

MOST_TRACES = 4
ROUNDING = {"reward": 0.5e-4, "cost": 0.5e-4, "seconds": 0.5e-2}  # largest error of one number in the file
TRACE = {"label": str, "turns": list, "final": str, "reward": float, "terminated": bool, "truncated": bool}
TURN = {"context": int, "read": str, "wrote": str, "reward": float}
PRICED = {"cost": float, "seconds": float, "unsafe": bool}
TOKENS = {"read_tokens": list, "wrote_tokens": list, "probabilities": list}
NAMES = {str: "a text", list: "a list", float: "a finite number", int: "a whole number", bool: "true or false"}


class TracePlayer(Widget):
    """Episodes of an agent, turn by turn."""

    option_spec: ClassVar[dict] = {
        "file": directives.unchanged_required,
        "tokens": directives.flag,
        "name": directives.unchanged,
    }

    def attributes(self) -> dict[str, str]:
        """Return whether the tokens are shown at first."""
        return {"tokens": ""} if "tokens" in self.options else {}

    def data(self) -> str:
        """Return the file as a script of type JSON."""
        if "file" not in self.options:
            raise self.error("trace-player: give :file: (JSON beside the page)")
        return self.checked_script(self.file_beside_page(), self.options["file"], what_is_wrong)


def is_a(value: Any, kind: type) -> bool:
    """Whether a value of JSON is of a kind; a whole number is a number, true is none."""
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind)


def wrong_fields(record: Any, where: str, fields: dict[str, type]) -> str:
    """Return the first field that is missing or of another kind, or ""."""
    if not isinstance(record, dict):
        return f"{where} is a {type(record).__name__}, expected an object"
    for name, kind in fields.items():
        if name not in record:
            return f"{where} has no {name}"
        if not is_a(record[name], kind):
            return f"{name} of {where} is {record[name]!r}, expected {NAMES[kind]}"
    return ""


def what_is_wrong(record: Any) -> str:
    """Return what keeps a record from being played, or ""."""
    if found := wrong_fields(record, "the file", {"traces": list}):
        return found
    if unknown := record.keys() - {"title", "chosen", "traces"}:
        return f"the file has {', '.join(sorted(unknown))}, expected title, chosen and traces"
    if not isinstance(record.get("title", ""), str):
        return f"title is {record['title']!r}, expected a text"
    if "chosen" in record and (found := wrong_fields(record["chosen"], "chosen", {"rule": str, "seed": int})):
        return found
    if not 1 <= len(record["traces"]) <= MOST_TRACES:
        return f"there are {len(record['traces'])} traces, expected 1 to {MOST_TRACES}"
    for number, one in enumerate(record["traces"], start=1):
        if found := wrong_trace(one, number):
            return found
    labels = [one["label"] for one in record["traces"]]
    return "" if len(set(labels)) == len(labels) else f"the labels are {', '.join(labels)}, expected each once"


def wrong_trace(trace: Any, number: int) -> str:
    """Return what is wrong with one trace, or ""."""
    if found := wrong_fields(trace, f"trace {number}", TRACE):
        return found
    name, turns = f"trace {trace['label']!r}", trace["turns"]
    if not trace["label"].strip() or not turns:
        return f"trace {number} has no {'turn' if trace['label'].strip() else 'label'}"
    optional = {key: float for key in ("success", "cost", "latency", "unsafe") if key in trace}
    if found := wrong_fields(trace, name, optional):
        return found
    given = {key for turn in turns if isinstance(turn, dict) for key in turn}
    # What one turn has of a group, all turns have.
    expected = TURN | (PRICED if given & PRICED.keys() else {}) | (TOKENS if given & TOKENS.keys() else {})
    context = 0
    for k, turn in enumerate(turns, start=1):
        where = f"turn {k} of {name}"
        if found := wrong_fields(turn, where, expected):
            return found
        if turn["context"] - context not in ((0, 1) if k > 1 else (0,)):
            return f"context of {where} is {turn['context']} after {context}, expected from 0 on and no number left out"
        context = turn["context"]
        if "wrote_tokens" in expected and (found := wrong_tokens(turn, where)):
            return found
    sums = {"reward": "reward"} | ({"cost": "cost", "latency": "seconds"} if "cost" in expected else {})
    for total, each in sums.items():
        added = sum(turn[each] for turn in turns)
        if total in trace and abs(added - trace[total]) > (len(turns) + 1) * ROUNDING[each]:
            return f"{each} of the turns of {name} sums to {added:g}, its {total} is {trace[total]:g}"
    return ""


def wrong_tokens(turn: dict, where: str) -> str:
    """Return what is wrong with the tokens of one turn, or ""."""
    for name in ("read_tokens", "wrote_tokens"):
        if not all(isinstance(one, str) for one in turn[name]):
            return f"{name} of {where} are not all texts"
    if not all(is_a(one, float) and 0 <= one <= 1 for one in turn["probabilities"]):
        return f"probabilities of {where} are not all from 0 to 1"
    if len(turn["probabilities"]) != len(turn["wrote_tokens"]):
        return f"{where} has {len(turn['wrote_tokens'])} wrote_tokens and {len(turn['probabilities'])} probabilities"
    return ""


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("trace-player", TracePlayer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
