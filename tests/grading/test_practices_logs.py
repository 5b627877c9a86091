"""The logs of *practices*: the table in its notebook is what the checks show at home, and every run can be told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from autograder.assignment import load_assignment
from autograder.checks import HOME_KEY
from autograder.subject import subject_of

FOLDER = Path(__file__).resolve().parents[2] / "solutions" / "practices"
ASSIGNMENT = load_assignment(FOLDER)
CHECKS = ASSIGNMENT.checks_module


def table_of_the_notebook() -> dict[str, dict[str, list[float]]]:
    """The six logs as the text shows them: by name and column, the means of the first and of the last quarter."""
    lines = [line for line in (FOLDER / "practices.py").read_text().splitlines() if line.startswith("# | ")]
    rows = [[cell.strip() for cell in line[4:].strip(" |").split("|")] for line in lines]
    begin = next(number for number, row in enumerate(rows) if row[:2] == ["name", "`reward`"])
    columns = [cell.strip("`") for cell in rows[begin][1:]]
    shown = {}
    for name, *cells in rows[begin + 1 : begin + 7]:
        pairs = ([float(number) for number in re.findall(r"[\d.]+", cell)] for cell in cells)
        shown[name] = dict(zip(columns, pairs, strict=True))
    return shown


def test_the_table_in_the_notebook_shows_the_logs_of_the_first_check_at_home() -> None:
    seen = {}

    def find(log: dict[str, torch.Tensor]) -> str:
        name = names[len(seen)]
        seen[name] = log
        return name

    shown = table_of_the_notebook()
    names = list(shown)
    first = ASSIGNMENT.visible.run("find_the_bug", subject_of(find), HOME_KEY).checks[0]
    assert first.passed, first.problem
    for name, columns in shown.items():
        for column, ends in columns.items():
            values = seen[name][column]
            assert [values[:6].mean().item(), values[-6:].mean().item()] == pytest.approx(ends, abs=0.0051)
        assert not seen[name]["weight_spread"].any()


@pytest.mark.parametrize("run", CHECKS.RUNS)
def test_nearly_every_run_is_clear_at_once(run: str) -> None:
    fault, settings = CHECKS.RUNS[run]
    random = torch.Generator().manual_seed(7)
    clear = [CHECKS.is_clear(CHECKS.simulate(random, **settings), fault) for _ in range(10)]
    assert sum(clear) >= 8  # 2,195 of 2,200 were


def test_what_a_rule_goes_by_differs_between_every_two_runs_with_other_names() -> None:
    signs = {}
    for run, (fault, _) in CHECKS.RUNS.items():
        log = CHECKS.log_of(run, 3)
        rise = {name: float(log[name][-6:].mean() - log[name][:6].mean()) for name in ("reward", "success")}
        sign = (
            bool((log["mask_share"] > log["written_share"] + 0.1).all()),
            bool(log["log_ratio"].any()) and not bool(log["weight_spread"].any()),
            *((value > 0.2) - (value < -0.2) for value in rise.values()),
        )
        signs.setdefault(sign, set()).add(fault)
    assert all(len(faults) == 1 for faults in signs.values()), signs
