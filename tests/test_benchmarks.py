"""The benchmarks' parts that need no long training: records, the rules for a goal and a relapse, the peers."""

import importlib
import json
import sys
from pathlib import Path

import gymnasium
import pytest
import torch

from rlkit.environments import TableEnvironment
from rlkit.tabular import TabularConfig, train
from rlkit.toy_text import mdp_from_gymnasium

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def benchmarks_can_be_imported(monkeypatch):
    """As when a file of the folder is run: its neighbours are importable."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.fixture
def module():
    return importlib.import_module


@pytest.fixture
def written(monkeypatch, tmp_path, module):
    """Records go to a temporary folder; return a function that reads them back."""
    monkeypatch.setattr(module("evidence"), "RESULTS", tmp_path)
    return lambda: {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("*.json")}


# Benchmarks are started from the command line; their records name that command.
def as_command(monkeypatch, name):
    monkeypatch.setattr(sys, "argv", [str(ROOT / "benchmarks" / name)])


def test_the_goal_is_the_mean_of_the_last_hundred_episodes_and_a_relapse_comes_after_it(module):
    watch = module("episode_watch").EpisodeWatch(goal=10.0, relapse=5.0)
    for index in range(99):
        watch.add(20.0, index)
    assert not watch.reached, "99 episodes are not 100"
    watch.add(20.0, 1_000)
    assert watch.reached
    run = watch.result(5_000)
    assert (run.reached, run.steps, run.relapsed) == (True, 1_000, False)
    for _ in range(74):
        watch.add(0.0, 2_000)
    assert not watch.result(5_000).relapsed  # the mean is 5.2
    for _ in range(2):
        watch.add(0.0, 2_000)
    run = watch.result(5_000)
    assert (run.reached, run.steps, run.relapsed) == (True, 1_000, True)


def test_a_run_that_never_reaches_the_goal_counts_with_its_whole_budget(module):
    watch = module("episode_watch").EpisodeWatch()
    watch.add(500.0, 500)
    run = watch.result(777)
    assert (run.reached, run.steps, run.relapsed) == (False, 777, False)


def test_the_textbook_loop_and_rlkit_make_the_same_updates_along_one_path(module):
    """A corridor in which only one action counts: whatever the random numbers, both fill the same table."""
    textbook_loop = module("tabular_peers").textbook_loop

    class Corridor(gymnasium.Env):
        """Three states in a row and an end; reward 1 a step."""

        observation_space, action_space = gymnasium.spaces.Discrete(4), gymnasium.spaces.Discrete(1)

        def __init__(self):
            rows = {state: {0: [(1.0, state + 1, 1.0, state == 2)]} for state in range(3)}
            self.P = {**rows, 3: {0: [(1.0, 3, 0.0, True)]}}
            self.initial_state_distrib = [1.0, 0.0, 0.0, 0.0]

        def reset(self, *, seed=None, options=None):
            self.state = 0
            return 0, {}

        def step(self, action):
            self.state += 1
            return self.state, 1.0, self.state == 3, False, {}

    for steps in (1, 2, 7, 40):
        loop = textbook_loop(Corridor(), steps, 0.9, 0.25, 0.5, seed=0)
        environment = TableEnvironment(mdp_from_gymnasium(Corridor(), 0.9), (1, 1), seed=0)
        config = TabularConfig(num_steps=steps, discount=0.9, learning_rate=0.25, epsilon=0.5)
        assert train(environment, config).action_values[0, :, 0].tolist() == pytest.approx(loop[:, 0].tolist())


def test_the_textbook_loop_learns_and_the_exact_judge_says_so(module):
    peers = module("tabular_peers")
    mdp = mdp_from_gymnasium("CliffWalking-v1", peers.DISCOUNT)
    environment = gymnasium.make("CliffWalking-v1")
    tables = [peers.textbook_loop(environment, steps, peers.DISCOUNT, 0.5, 0.1, seed=3) for steps in (10, 20_000)]
    shape = (2, mdp.num_states, mdp.num_actions)
    values = torch.zeros(shape, dtype=torch.float64)
    for index, table in enumerate(tables):
        values[index, : len(table)] = torch.as_tensor(table)
    assert peers.near_optimal_seeds(mdp, values[:1]) == 0
    assert peers.near_optimal_seeds(mdp, values) == 1


def test_a_tabular_record_is_complete(module, written, monkeypatch):
    peers = module("tabular_peers")
    as_command(monkeypatch, "control.py")
    problem = peers.PROBLEMS[1]
    found = peers.measure(problem, runs=1, loop_steps=1_000)
    peers.write(problem, found, runs=1)
    record = written()["tabular-textbook-cliffwalking"]
    assert record["command"] == "python benchmarks/control.py"
    assert record["ratio"] == pytest.approx(record["value"] / record["peer_value"])
    assert record["details"]["near_optimal"] == 20 and record["seeds"] == 20
    assert record["source_hash"] == module("evidence").source_hash(record["sources"])
    assert set(record["versions"]) == {"python", "torch", "numpy", "gymnasium"}


def test_a_record_grows_old_by_a_change_of_code_and_not_of_words(module, tmp_path):
    source_hash = module("evidence").source_hash

    def hashed(text: str, name: str = "code.py") -> str:
        (tmp_path / name).write_text(text)
        return source_hash([name], tmp_path)

    code = '"""Says."""\n\n\ndef f(x):\n    """One.\n\n    Two.\n    """\n    return x + 1  # why\n'
    reworded = '"""Says more."""\n\ndef f(x):\n    """Other."""\n    # for this reason\n    return x + 1\n'
    assert hashed(code) == hashed(reworded)
    for change in ("x + 2", 'x + "# 1"', "x + 1 if x else 0"):
        assert hashed(code) != hashed(code.replace("x + 1", change))
    assert hashed('TEXT = """one"""\n') != hashed('TEXT = """two"""\n'), "not every long string is a docstring"
    assert hashed("def f(): 'one'\n") != hashed("def f(): 'two'\n"), "a docstring on the line of code is not cut"
    assert hashed("# one\n", "data.json") != hashed("# two\n", "data.json")


def test_cleanrl_ppo_counts_steps_and_stops_at_its_budget(module):
    run = module("cleanrl_ppo").train(seed=1, budget=1_024)
    assert (run.reached, run.steps) == (False, 1_024) and run.seconds > 0


def test_cleanrl_advantages_treat_every_end_as_an_end(module):
    peer = module("cleanrl_ppo")
    rewards, values = torch.ones(3, 1), torch.tensor([[1.0], [2.0], [3.0]])
    ended_before = torch.tensor([[0.0], [1.0], [0.0]])  # the second observation began an episode
    found = peer.advantages_of(rewards, values, ended_before, torch.tensor([4.0]), torch.tensor([0.0]))
    last = 1 + 0.99 * 4.0 - 3.0
    second = 1 + 0.99 * 3.0 - 2.0 + 0.99 * 0.95 * last
    assert found[:, 0].tolist() == pytest.approx([1 - 1.0, second, last])


def test_stable_baselines3_runs_with_the_settings_of_the_zoo(module):
    peers = module("stable_baselines3_peers")
    run = peers.train_ppo(seed=0, total_steps=512)
    assert (run.reached, run.steps) == (False, 512)
    schedule = peers.PPO_SETTINGS["learning_rate"]
    assert (schedule(1.0), schedule(0.25), schedule(0.0)) == (0.001, 0.00025, 0.0)


def test_ppo_and_deep_q_records_say_what_was_counted(module, written, monkeypatch):
    as_command(monkeypatch, "control.py")
    ppo, dqn = module("ppo_peers"), module("dqn_peers")
    run = module("episode_watch").TrainingRun
    theirs = ppo.summary_of_peer(
        [run(True, 12.0, 60_000, False), run(True, 10.0, 50_000, True), run(False, 20.0, 1, False)]
    )
    assert (theirs["reached"], theirs["relapsed"], theirs["median_seconds"]) == (2, 1, 12.0)
    ours = {"seeds": 30, "reached": 29, "relapsed": 2, "median_seconds": 6.0}
    ppo.write({"rlkit": ours, "stable-baselines3": theirs, "cleanrl": theirs})
    calls = [(3.0, torch.tensor([1.0, 1.0])), (5.0, torch.tensor([1.0, 0.99]))]
    dqn.write_catch({"rlkit": dqn.summary(calls, 1.0)})
    records = written()
    assert set(records) == {"ppo-stable-baselines3-cartpole", "ppo-cleanrl-cartpole", "dqn-catch"}
    record = records["ppo-stable-baselines3-cartpole"]
    assert (record["ratio"], record["goal"], record["met"]) == (2.0, 2.0, True)
    assert "29 of 30" in record["claim"] and "2 of 3" in record["claim"]
    assert "3 of 4 seeds" in records["dqn-catch"]["claim"] and records["dqn-catch"]["peer"] is None


def test_the_ratio_of_deep_q_learning_is_of_solved_seeds_and_not_of_seconds(module, written, monkeypatch):
    as_command(monkeypatch, "control.py")
    dqn = module("dqn_peers")
    theirs = {"runs": 10, "solved": 8, "greedy_returns": [], "seconds": [], "median_seconds": 60.0}
    quick = [(30.0, torch.tensor([500.0, 9.0, 9.0, 9.0, 9.0]))]  # half as long, a quarter as often
    dqn.write_cartpole({"rlkit": dqn.summary(quick, 475.0), "stable-baselines3": theirs})
    record = written()["dqn-stable-baselines3-cartpole"]
    assert (record["value"], record["peer_value"], record["ratio"]) == (0.2, 0.8, 0.25)
    assert "1 of 5 seeds" in record["claim"] and "8 of 10" in record["claim"]
    dqn.write_cartpole({"rlkit": dqn.summary(quick, 475.0), "stable-baselines3": theirs | {"solved": 0}})
    assert written()["dqn-stable-baselines3-cartpole"]["ratio"] is None


def test_no_gpu_record_without_a_gpu(module, written, monkeypatch):
    as_command(monkeypatch, "control.py")
    steps = module("cartpole_steps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = steps.measure(64, runs=1, steps_of_all=6_400)
    steps.write(64, found, runs=1)
    assert set(found) == {"cpu", "gymnasium"} and set(written()) == {"cartpole-steps-64"}
