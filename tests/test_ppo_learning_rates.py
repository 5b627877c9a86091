"""The learning rates of chapter 7's ablations were searched for the arms that the chapter trains."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import ppo_learning_rates  # noqa: E402

RECORD = json.loads((ROOT / "benchmarks" / "results" / f"{ppo_learning_rates.NAME}.json").read_text(encoding="utf-8"))


def test_the_chapter_trains_the_arms_that_were_searched() -> None:
    chapter = (ROOT / "book" / "algorithms" / "ppo.md").read_text(encoding="utf-8")
    written = re.search(r"^arms = (\{.*?^\})", chapter, re.M | re.S)
    assert written, "chapter 7 has no arms"
    assert eval(written.group(1)) == ppo_learning_rates.ARMS
    assert set(RECORD["details"]["best"]) == set(ppo_learning_rates.ARMS)


def test_the_chapter_reports_other_seeds_than_those_of_the_search() -> None:
    chapter = (ROOT / "book" / "algorithms" / "ppo.md").read_text(encoding="utf-8")
    reported = {int(seed) for seed in re.findall(r"\bseed=(\d+)", chapter)}
    assert reported and RECORD["details"]["master_seed"] not in reported


def test_the_best_rate_of_an_arm_earned_most_and_lies_inside_the_range_that_was_tried() -> None:
    for arm, values in RECORD["details"]["mean_returns"].items():
        best = RECORD["details"]["best"][arm]
        assert values[best] == max(values.values())
        rates = sorted(map(float, values))
        assert rates[0] < float(best) < rates[-1], f"{arm}: the best rate is the last one tried, so try further"
