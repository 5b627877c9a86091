"""The flywheel's benchmark without its trainings: which runs there are, what is kept, what a record says."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUN = {"success": 0.5, "unsafe": 0.1, "cost": 0.2, "seconds": 3.0, "cost_per_success": 0.4}


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module("agent_flywheel")
    monkeypatch.setattr(module, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(importlib.import_module("evidence"), "RESULTS", tmp_path)
    return module


def test_every_arm_has_five_seeds_the_unstable_one_ten_and_none_was_used_for_tuning(benchmark):
    jobs = benchmark.jobs([*benchmark.ARMS, "adaptation"], 5)
    seeds = {}
    for name, _, seed, _ in jobs:
        seeds.setdefault(name, []).append(seed)
    assert seeds.pop("agents-flywheel-no-ratio") == list(range(300, 310))
    assert all(sorted(some) == list(range(300, 305)) for some in seeds.values())
    assert len(seeds) == len(benchmark.ARMS) - 1 + 2 * 2


def test_a_run_that_was_made_is_not_made_again_unless_asked_for(benchmark):
    made = []

    def run():
        made.append(1)
        return {"success": len(made)}

    assert [benchmark.kept_run("x", 1, run, anew)["success"] for anew in (False, False, True)] == [1, 1, 2]


def test_cost_per_success_is_that_of_all_episodes_and_missing_without_a_success(benchmark, tmp_path):
    benchmark.write("x", "x", {"1": RUN, "2": RUN | {"success": 0.1, "cost": 0.4}, "3": RUN | {"success": 0.0}})
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["details"]["mean"]["cost_per_success"] == pytest.approx(0.8 / 0.6)
    benchmark.write("x", "x", {"1": RUN | {"success": 0.0, "cost_per_success": None}})
    assert "at a cost of - a success" in json.loads((tmp_path / "x.json").read_text())["claim"]
