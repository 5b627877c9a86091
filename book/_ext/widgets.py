"""The directives that embed the widgets of book/_static, and what they have in common.

A widget is a custom element that a script of the same name defines: ``{gae-dial}`` writes ``<gae-dial ...>`` around
the directive's content, which is what a reader without JavaScript sees. A page loads only the scripts that it uses.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from trajectories import what_is_wrong


class Widget(SphinxDirective):
    """A directive whose options become the attributes of the element of the same name."""

    has_content = True
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}

    def attributes(self) -> dict[str, str]:
        """Return the attributes of the element: the options that are numbers."""
        given = {option: self.options[option] for option in self.ranges if option in self.options}
        for option, value in given.items():
            lowest, highest = self.ranges[option]
            if not lowest <= value <= highest:
                raise self.error(f"{self.name}: :{option}: is {value:g}, expected {lowest:g} to {highest:g}")
        return {option: f"{value:.12g}" for option, value in given.items()}

    def several_numbers(self, option: str, fewest: int, most: int, lowest: float, highest: float) -> str:
        """Return an option that is a row of numbers with spaces between, or say what is wrong with it."""
        text = self.options.get(option, "")
        try:
            right = all(lowest <= float(each) <= highest for each in text.split())
        except ValueError:
            right = False
        if not right or not fewest <= len(text.split()) <= most:
            count = str(most) if fewest == most else f"{fewest} to {most}"
            expected = f"expected {count} numbers from {lowest:g} to {highest:g}"
            raise self.error(f"{self.name}: :{option}: is {text!r}, {expected}")
        return text

    def data(self) -> str:
        """Return HTML to put into the element before the fallback text."""
        return ""

    def file_beside_page(self) -> str:
        """Return the text of the file that :file: names."""
        relative, absolute = self.env.relfn2path(self.options["file"])
        self.env.note_dependency(relative)
        try:
            return Path(absolute).read_text(encoding="utf-8")
        except OSError as error:
            raise self.error(f"{self.name}: cannot read :file: {relative}: {error.strerror}") from error

    def checked_script(self, text: str, origin: str, complaint: Callable[[Any], str]) -> str:
        """Return JSON as a script of type JSON, or say what is wrong with it and where it came from."""
        try:
            value = json.loads(text)
        except ValueError as error:
            raise self.error(f"{self.name}: {origin} is not JSON: {error}") from error
        if complaint(value):
            raise self.error(f"{self.name}: {origin}: {complaint(value)}")
        written = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
        return f'<script type="application/json">{written}</script>'

    def run(self) -> list[nodes.Node]:
        """Return the element around its fallback text."""
        attributes, data = self.attributes(), self.data()
        self.assert_has_content()
        name = self.options.get("name", f"{self.name}-{self.env.new_serialno(self.name)}")
        opening = " ".join(f'{key}="{html.escape(value)}"' for key, value in {"id": name, **attributes}.items())
        fallback = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, fallback)
        metadata = self.env.metadata[self.env.docname]
        metadata["widgets"] = f"{metadata.get('widgets', '')} {self.name}".strip()
        return [
            nodes.raw("", f"<{self.name} {opening}>{data}", format="html"),
            *fallback.children,
            nodes.raw("", f"</{self.name}>", format="html"),
        ]


class CliffWalking(Widget):
    """Q-learning and SARSA side by side on the cliff."""

    ranges: ClassVar[dict] = {"epsilon": (0, 0.5), "alpha": (0.05, 1), "seed": (0, 2**32 - 1)}
    option_spec: ClassVar[dict] = {
        "epsilon": float,
        "alpha": float,
        "seed": directives.nonnegative_int,
        "name": directives.unchanged,
    }


class ClippedSurrogate(Widget):
    """The clipped objective of one step against the probability ratio."""

    ranges: ClassVar[dict] = {"ratio": (0, 2), "advantage": (-1.5, 1.5), "clip-range": (0, 0.5)}
    option_spec: ClassVar[dict] = {**dict.fromkeys(ranges, float), "name": directives.unchanged}


class GaeDial(Widget):
    """The advantages of a recorded trajectory, with a dial for lambda."""

    ranges: ClassVar[dict] = {"gae-lambda": (0, 1), "discount": (0, 1)}
    option_spec: ClassVar[dict] = {
        **dict.fromkeys(ranges, float),
        "trajectory": directives.unchanged_required,
        "file": directives.unchanged_required,
        "name": directives.unchanged,
    }

    def data(self) -> str:
        """Return the trajectory as a script of type JSON."""
        if ("trajectory" in self.options) == ("file" in self.options):
            raise self.error("gae-dial: give either :file: or :trajectory:")
        text = self.file_beside_page() if "file" in self.options else self.options["trajectory"]
        return self.checked_script(text, self.options.get("file", ":trajectory:"), what_is_wrong)


class PreferenceDial(Widget):
    """The probability of a preference and its loss, from two rewards or from a policy beside its reference."""

    ranges: ClassVar[dict] = {
        **dict.fromkeys(("better", "worse"), (-3, 3)),
        "beta": (0.01, 5),
        **dict.fromkeys(("chosen", "rejected", "reference-chosen", "reference-rejected"), (0.001, 0.98)),
    }
    option_spec: ClassVar[dict] = {
        **dict.fromkeys(ranges, float),
        "kind": lambda given: directives.choice(given, ("rewards", "policy")),
        "name": directives.unchanged,
    }

    def attributes(self) -> dict[str, str]:
        """Return what the two sliders stand for beside the numbers."""
        given = super().attributes()
        for start in ("", "reference-"):
            both = sum(self.options.get(f"{start}{side}", 0) for side in ("chosen", "rejected"))
            if both >= 1:
                raise self.error(
                    f"preference-dial: :{start}chosen: and :{start}rejected: sum to {both:g}, expected < 1"
                )
        return {"kind": self.options.get("kind", "rewards"), **given}


class GroupAdvantages(Widget):
    """The rewards of a group of answers and the advantages that they get."""

    option_spec: ClassVar[dict] = {"rewards": directives.unchanged_required, "name": directives.unchanged}

    def attributes(self) -> dict[str, str]:
        """Return the rewards."""
        return {"rewards": self.several_numbers("rewards", 2, 12, 0, 1)}


class PolicySimplex(Widget):
    """A bandit with three arms: the exact policy gradient and sampled steps in the triangle of all policies."""

    ranges: ClassVar[dict] = {"step-size": (0.05, 2), "entropy": (0, 1), "seed": (0, 2**32 - 1)}
    option_spec: ClassVar[dict] = {
        "rewards": directives.unchanged_required,
        "start": directives.unchanged_required,
        "step-size": float,
        "entropy": float,
        "seed": directives.nonnegative_int,
        "name": directives.unchanged,
    }

    def attributes(self) -> dict[str, str]:
        """Return rewards and a start of positive probabilities beside the numbers."""
        given = super().attributes()
        if "rewards" in self.options:
            given["rewards"] = self.several_numbers("rewards", 3, 3, -5, 5)
        if "start" in self.options:
            given["start"] = self.several_numbers("start", 3, 3, 0.001, 1)
            total = sum(float(each) for each in given["start"].split())
            if abs(total - 1) > 1e-6:
                raise self.error(f"policy-simplex: :start: sums to {total:g}, expected probabilities that sum to 1")
        return given


class FramePlayer(Widget):
    """A player for a figure that is a strip of frames side by side."""

    ranges: ClassVar[dict] = {"frames": (2, 100), "width": (40, 700), "margin": (1, 60)}
    option_spec: ClassVar[dict] = {
        **dict.fromkeys(ranges, directives.positive_int),
        "figure": directives.unchanged_required,
        "rows": directives.unchanged_required,
        "name": directives.unchanged,
    }

    def attributes(self) -> dict[str, str]:
        """Return the name of the figure and of the rows of a frame beside the numbers."""
        given = super().attributes()
        if "figure" not in self.options or "frames" not in given:
            raise self.error("frame-player: give :figure: (the name of a strip of frames) and :frames: (how many)")
        rows = {"rows": self.options["rows"]} if "rows" in self.options else {}
        return {"figure": self.options["figure"], **given, **rows}


WIDGETS = {
    "cliff-walking": CliffWalking,
    "clipped-surrogate": ClippedSurrogate,
    "frame-player": FramePlayer,
    "gae-dial": GaeDial,
    "group-advantages": GroupAdvantages,
    "policy-simplex": PolicySimplex,
    "preference-dial": PreferenceDial,
}


def keep_scripts_apart(app, config) -> None:
    """Sphinx event: load each widget's script only where the widget stands (offline_assets does it)."""
    config.page_widgets = [*config.page_widgets, *(f"{name}.js" for name in WIDGETS)]


def setup(app) -> dict[str, bool]:
    """Register the directives."""
    for name, directive in WIDGETS.items():
        app.add_directive(name, directive)
    app.connect("config-inited", keep_scripts_apart)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
