"""A figure of several panels is taken apart for phones, and nothing that belongs to a panel is cut off or lost."""

from __future__ import annotations

import re
from pathlib import Path

import figures
import pytest
from figure_panels import Box, panels, with_legend_grounds

from rlkit.plotting import plt, use_course_style


def drawn(
    folder: Path, columns: int, width: float, shared: bool = False, rows: int = 1, above: str = ""
) -> tuple[str, list[Box]]:
    """Return the SVG of a figure with panels as in the book, and where matplotlib itself says that they are."""
    use_course_style()
    figure, axes = plt.subplots(rows, columns, figsize=(width, 2.5), sharey=shared, squeeze=False)
    for panel in axes.flat:
        panel.plot([0, 10_000], [0, 1_000])
        panel.set(title="share of tests passed", xlabel="iteration", xlim=(0, 10_000))
    axes[0, 0].set_ylabel("reward")
    if above:
        figure.suptitle(above)
    figure.savefig(folder / "figure.svg")
    figure.canvas.draw()
    scale = 72 / figure.dpi
    boxes = [panel.get_tightbbox() for panel in axes.flat]
    height = figure.get_size_inches()[1] * 72
    places = [Box(b.x0 * scale, height - b.y1 * scale, b.x1 * scale, height - b.y0 * scale) for b in boxes]
    plt.close(figure)
    return (folder / "figure.svg").read_text(encoding="utf-8"), places


@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("shared", [False, True])
def test_each_panel_is_whole(tmp_path: Path, columns: int, shared: bool) -> None:
    svg, places = drawn(tmp_path, columns, 7.4, shared)
    found = panels(svg)
    assert len(found) == columns
    for panel, true in zip(found, places, strict=True):
        assert panel.box.left <= true.left + 1 and panel.box.right >= true.right - 1
        assert panel.box.top <= true.top + 1 and panel.box.bottom >= true.bottom - 1
        assert panel.box.right - panel.box.left < 7.4 * 72 / columns * 1.35  # and not half of its neighbour with it


def test_panels_that_share_an_axis_get_its_numbers_each(tmp_path: Path) -> None:
    first, second, third = panels(drawn(tmp_path, 3, 7.4, shared=True)[0])
    assert first.elements == (("axes_1", 0.0),)
    axis, shift = second.elements[1]
    assert axis == "matplotlib.axis_2" and shift > 100
    assert third.elements[1] == (axis, pytest.approx(2 * shift, rel=0.01))
    assert all(len(panel.elements) == 1 for panel in panels(drawn(tmp_path, 3, 7.4, shared=False)[0]))


@pytest.mark.parametrize(
    "settings",
    [
        {"columns": 1, "width": 7.4},
        {"columns": 2, "width": 5.0},
        {"columns": 5, "width": 9.0},
        {"columns": 2, "width": 7.4, "rows": 2},
        {"columns": 2, "width": 7.4, "above": "A title of all panels"},
    ],
)
def test_other_figures_stay_in_one_piece(tmp_path: Path, settings: dict) -> None:
    svg, _ = drawn(tmp_path, **settings)
    assert panels(svg) == []
    assert "figure-panel" not in figures.inline_svg(svg, "x", "figure-1")


def test_the_parts_show_elements_of_the_whole_and_only_the_whole_is_described(tmp_path: Path) -> None:
    written = figures.inline_svg(drawn(tmp_path, 2, 7.4, shared=True)[0], "two panels", "figure-3")
    whole, parts = written.split('<div class="figure-panels" aria-hidden="true">')
    assert 'class="figure-svg wide in-panels"' in whole and 'aria-label="two panels"' in whole
    ids = set(re.findall(r'\bid="([^"]+)"', whole))
    uses = re.findall(r'<use href="#([^"]+)"', parts)
    assert len(uses) == 3 and set(uses) <= ids
    assert "id=" not in parts and parts.count("<svg") == 2


def test_a_legend_stands_on_a_ground_of_its_own_that_covers_its_lines_and_words(tmp_path: Path) -> None:
    use_course_style()
    figure, axes = plt.subplots()
    for number in range(3):
        axes.plot([0, 1], [0, number], label=f"curve number {number}")
    legend = axes.legend(fontsize=9)
    figure.savefig(tmp_path / "figure.svg")
    figure.canvas.draw()
    true, height = legend.get_window_extent(), figure.get_size_inches()[1] * 72
    scale = 72 / figure.dpi
    plt.close(figure)
    written = with_legend_grounds((tmp_path / "figure.svg").read_text(encoding="utf-8"))
    assert written.count("legend-ground") == 1
    (ground,) = re.findall(
        r'<g id="legend_1"><rect class="legend-ground" x="(.+?)" y="(.+?)" width="(.+?)" hei', written
    )
    left, top, width = (float(each) for each in ground)
    padding = 0.4 * 9 + 1
    assert true.x0 * scale <= left <= true.x0 * scale + padding
    assert true.x1 * scale - padding <= left + width <= true.x1 * scale + 3
    assert height - true.y1 * scale <= top <= height - true.y1 * scale + padding
    assert "legend-ground" not in figures.inline_svg(drawn(tmp_path, 2, 7.4)[0], "x", "figure-1")
