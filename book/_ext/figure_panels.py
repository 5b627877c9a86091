"""Figures with panels side by side, taken apart for a phone, where the panels stand one below the other.

A figure of three panels is drawn 7.4 inches wide; on a phone its letters would be two millimetres high. Here the place
of each panel is read from matplotlib's SVG, and the page gets one more small picture a panel that shows the same
elements again (``<use>``), cut to the panel. The style sheet shows the whole on wide screens, the parts on narrow ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
NARROWEST_WHOLE = 400.0  # points; a figure up to this width is readable on a phone as it is
MARGIN = 3.0
NUMBERS = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


@dataclass(frozen=True)
class Box:
    """A rectangle in points."""

    left: float
    top: float
    right: float
    bottom: float

    def around(self, other: Box) -> Box:
        """Return the smallest rectangle that holds both."""
        pairs = zip((self.left, self.top), (other.left, other.top), strict=True)
        ends = zip((self.right, self.bottom), (other.right, other.bottom), strict=True)
        return Box(*(min(pair) for pair in pairs), *(max(pair) for pair in ends))


@dataclass(frozen=True)
class Panel:
    """What a panel shows: the ids of its elements, each with a shift to the right, and the rectangle around them."""

    box: Box
    elements: tuple[tuple[str, float], ...]

    def picture(self, prefix: str) -> str:
        """Return the panel as an element; a screen reader has the description of the whole."""
        box = self.box
        place = (
            box.left - MARGIN,
            box.top - MARGIN,
            box.right - box.left + 2 * MARGIN,
            box.bottom - box.top + 2 * MARGIN,
        )
        uses = "".join(
            f'<use href="#{prefix}-{name}"{f" x={chr(34)}{shift:.2f}{chr(34)}" if shift else ""}></use>'
            for name, shift in self.elements
        )
        view = " ".join(f"{each:.2f}" for each in place)
        return f'<svg class="figure-panel" viewBox="{view}" style="width: {place[2] * 1.6:.0f}px">{uses}</svg>'


def panels(svg: str) -> list[Panel]:
    """Return the panels of a wide figure whose panels stand in one row, or nothing.

    Parameters
    ----------
    svg : str
        A file that matplotlib wrote.
    """
    root = ElementTree.fromstring(svg)
    figure = root.find(f"{SVG}g[@id='figure_1']")
    parts = list(figure) if figure is not None else []
    axes = [part for part in parts if part.get("id", "").startswith("axes_")]
    others = [part for part in parts if part not in axes and part.get("id") != "patch_1"]
    width = float(root.get("viewBox", "0 0 0 0").split()[2])
    if width <= NARROWEST_WHOLE or others or not 2 <= len(axes) <= 4:
        return []
    frames = [_frame(each) for each in axes]
    in_a_row = all(
        left.right < right.left and abs(left.top - right.top) < 1 and abs(left.bottom - right.bottom) < 1
        for left, right in pairwise(frames)
    )
    if not in_a_row:
        return []
    scale = _vertical_axis(axes[0])
    found = []
    for part, frame in zip(axes, frames, strict=True):
        elements, shift = [(part.get("id", ""), 0.0)], frame.left - frames[0].left
        texts, own = _texts(part), _vertical_axis(part)
        if shift and scale is not None and _texts(scale) and (own is None or not _texts(own)):
            # Panels that share an axis have its numbers once; apart from the first one they need them again.
            elements.append((scale.get("id", ""), shift))
            texts += [Box(box.left + shift, box.top, box.right + shift, box.bottom) for box in _texts(scale)]
        box = frame
        for text in texts:
            box = box.around(text)
        found.append(Panel(box, tuple(elements)))
    return found


def with_legend_grounds(svg: str) -> str:
    """Return a figure whose legends have a ground of the paper's colour behind them, so that no line crosses a word."""
    for legend in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        name = legend.get("id", "")
        boxes = _texts(legend) + _lines(legend) if name.startswith("legend_") else []
        if boxes:
            box = boxes[0]
            for other in boxes[1:]:
                box = box.around(other)
            place = f'x="{box.left - 2:.2f}" y="{box.top - 1:.2f}"'
            size = f'width="{box.right - box.left + 4:.2f}" height="{box.bottom - box.top + 2:.2f}"'
            svg = svg.replace(
                f'<g id="{name}">', f'<g id="{name}"><rect class="legend-ground" {place} {size}></rect>', 1
            )
    return svg


def _lines(part: ElementTree.Element) -> list[Box]:
    """Return a rectangle around each line of a legend."""
    paths = [path for group in part for path in group.findall(f"{SVG}path")]
    numbers = [[float(each) for each in NUMBERS.findall(path.get("d", ""))] for path in paths]
    return [Box(min(n[::2]), min(n[1::2]), max(n[::2]), max(n[1::2])) for n in numbers if len(n) >= 4]


def _frame(axes: ElementTree.Element) -> Box:
    """Return the rectangle of the axes, which is the first thing that matplotlib draws."""
    path = axes.find(f"{SVG}g/{SVG}path")
    numbers = [float(each) for each in NUMBERS.findall(path.get("d", ""))] if path is not None else [0.0, 0.0]
    return Box(min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))


def _vertical_axis(axes: ElementTree.Element) -> ElementTree.Element | None:
    """Return the element of the vertical axis: the second of the two axis elements."""
    found = [part for part in axes if part.get("id", "").startswith("matplotlib.axis_")]
    return found[1] if len(found) > 1 else None


def _texts(part: ElementTree.Element) -> list[Box]:
    """Return a rectangle around each text: matplotlib writes its glyphs as paths with their places."""
    found = []
    for group in part.iter(f"{SVG}g"):
        place = re.fullmatch(
            r"translate\((\S+) (\S+)\)(?: rotate\((\S+)\))? scale\((\S+) \S+\)", group.get("transform", "")
        )
        glyphs = [each for each in group.findall(f"{SVG}use") if each.get(LINK)]
        if place and glyphs:
            x, y, angle, size = (float(each or 0) for each in place.groups())
            last = [float(each) for each in NUMBERS.findall(glyphs[-1].get("transform", ""))][:1] or [0.0]
            length, height = (last[0] + 66) * size, 80 * size
            upright = Box(x, y - height, x + length, y + height / 4)
            found.append(Box(x - height, y - length, x + height / 4, y) if abs(angle) == 90 else upright)
    return found
