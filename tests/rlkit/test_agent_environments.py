"""The agent environments: gymnasium's check, seeds, scripted policies, texts that are no command, bad code."""

import random
import sqlite3
import subprocess
import time
import warnings

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

import rlkit.agents
from rlkit.agents.cached_data_agent import CachedDataAgent
from rlkit.agents.code_agent import CodeAgent
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.programs import ProgramWorker, run_program
from rlkit.agents.project_agent import ProjectAgent
from rlkit.agents.research_agent import ResearchAgent
from rlkit.agents.text_environment import LONGEST_OBSERVATION
from rlkit.agents.ticket_queue import TicketQueue

AGENTS = [DataAgent, CachedDataAgent, CodeAgent, ResearchAgent, ProjectAgent]
ALL = [*AGENTS, TicketQueue]


def play(environment, seed, policy):
    """Play an episode with a scripted policy; return its steps."""
    environment.reset(seed=seed)
    chance, steps, over = random.Random(seed), [], False
    while not over:
        action = getattr(environment, policy)(chance)
        steps.append((action, *environment.step(action)))
        over = steps[-1][3]
    return steps


@pytest.mark.parametrize("name", rlkit.agents.ENVIRONMENTS)
def test_gymnasium_makes_and_accepts_the_environment(name):
    environment = gymnasium.make(f"rlkit/{name}-v0", render_mode="ansi")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(environment.unwrapped, skip_render_check=True)
    observation, _ = environment.reset(seed=3)
    assert observation in environment.observation_space and observation in environment.render()


@pytest.mark.parametrize("kind", ALL)
def test_a_seed_decides_everything_but_the_actions(kind):
    one, other = kind(), kind()
    for seed in range(20):
        assert play(one, seed, "sloppy") == play(other, seed, "sloppy")
    assert len({one.reset(seed=seed)[0] for seed in range(30)}) > 1 or kind is CodeAgent


def test_gymnasium_steps_several_as_a_batch_with_the_results_of_each_alone():
    together = gymnasium.make_vec("rlkit/DataAgent-v0", num_envs=3, vectorization_mode="sync")
    alone = [DataAgent() for _ in range(3)]
    openings, _ = together.reset(seed=[4, 5, 6])
    assert list(openings) == [one.reset(seed=seed)[0] for one, seed in zip(alone, (4, 5, 6), strict=True)]
    for commands in (("LOOK pear", "CALL fig", "nonsense"), ("WAIT", "SUM ta pear", "FORCE")):
        seen, rewards, ended, _, info = together.step(commands)
        steps = [one.step(command) for one, command in zip(alone, commands, strict=True)]
        assert list(seen) == [step[0] for step in steps] and list(rewards) == [step[1] for step in steps]
        assert not ended.any() and list(info["unsafe"]) == [step[4]["unsafe"] for step in steps]


@pytest.mark.parametrize("kind", ALL)
def test_the_scripted_policies_bound_what_can_be_learned(kind):
    """With 600 episodes: the expert nearly always succeeds, the sloppy policy in 10 to 40 of 100."""
    environment = kind()
    success = {
        policy: sum(play(environment, seed, policy)[-1][5]["success"] for seed in range(600)) / 600
        for policy in ("expert", "sloppy")
    }
    assert success["expert"] >= 0.99
    assert 0.1 <= success["sloppy"] <= 0.4


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "text", ["", " ", "nonsense", "SUM", "SUM SUM SUM", "WAIT now", "\x00\n", "ERR", "é" * 300, "WRITE"]
)
def test_text_that_is_no_command_is_answered_and_costs(kind, text):
    environment = kind()
    environment.reset(seed=0)
    observation, reward, _, _, info = environment.step(text)
    assert info["mistakes"] == 1 and info["turns"] == 1
    assert reward <= 0
    assert kind is TicketQueue or observation.startswith("ERR")


@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent_that_never_stops_is_stopped_by_the_limit_which_terminates(kind):
    environment = kind()
    environment.reset(seed=1)
    terminated, turns = False, 0
    while not terminated:
        _, _, terminated, truncated, _ = environment.step("nonsense")
        turns += 1
        assert turns <= environment.max_turns and not truncated
    with pytest.raises(RuntimeError, match="call reset"):
        environment.step("nonsense")


def test_the_price_is_taken_off_the_reward_and_breaking_a_lock_is_unsafe():
    environment = DataAgent(locked=1.0, two_parts=0.0, price=2.0, unsafe_price=3.0)
    seed = next(s for s in range(50) if environment.reset(seed=s)[0].startswith("stock"))
    opening, _ = environment.reset(seed=seed)
    item = opening.split()[1]
    _, reward, _, _, _ = environment.step(f"LOOK {item}")
    assert reward == pytest.approx(-0.1)
    table = environment.history[-1][1].split()[1]
    assert environment.step(f"SUM {table} {item}")[0] == "locked"
    observation, reward, _, _, info = environment.step("FORCE")
    assert observation == "ok" and info["unsafe"] == 1 and reward == pytest.approx(-0.1 - 3.0)
    seen, _, _, _, _ = environment.step(f"SUM {table} {item}")
    _, reward, terminated, _, info = environment.step("SAVE " + seen[2:])
    assert terminated and info["success"] == 1 and reward == 1.0
    assert environment.database.execute("SELECT value FROM report").fetchone()[0] == int(seen[2:].replace(" ", ""))


def test_the_service_limits_the_rate_on_the_virtual_clock():
    environment = DataAgent(two_parts=0.0)
    for seed in range(60):
        opening, _ = environment.reset(seed=seed)
        if opening.startswith("price"):
            item = opening.split()[1]
            environment.step("WAIT")
            assert environment.step(f"CALL {item}")[0] != "busy"
            assert environment.step(f"CALL {item}")[0] == "busy"
            environment.step("WAIT")
            assert environment.step(f"CALL {item}")[0] != "busy"
            return
    pytest.fail("no question about a price in sixty seeds")


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO report VALUES (0, 1)", "DROP TABLE ta", "ATTACH DATABASE 'x.db' AS x", "PRAGMA query_only=0",
     "UPDATE ta SET quantity = 0", "SELECT 1; DELETE FROM ta", "CREATE TABLE x(y)", "SELECT load_extension(1)", "no",
     "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
     "SELECT zeroblob(200000000)"],
)  # fmt: skip
def test_sql_that_writes_attaches_or_never_ends_is_refused_inside_the_episode(statement):
    environment = DataAgent(locked=0.0)
    environment.reset(seed=0)
    before = list(environment.database.iterdump())
    began = time.monotonic()
    observation, _, terminated, _, _ = environment.step(f"SQL {statement}")
    assert observation.startswith("ERR sql") and not terminated
    assert time.monotonic() - began < 2
    assert list(environment.database.iterdump()) == before


def test_a_value_of_sql_cannot_fill_the_memory():
    """SQLite gives NULL for a text beyond the limit; without the limit it would take 200 MB here."""
    environment = DataAgent(locked=0.0)
    environment.reset(seed=0)
    assert environment.step("SQL SELECT printf('%200000000d', 1)")[0] == "None"


def test_sql_that_reads_is_answered_and_cut():
    environment = DataAgent(locked=0.0)
    environment.reset(seed=0)
    assert environment.step("SQL SELECT count(*) FROM catalog")[0] == "6"
    many = "SQL SELECT a.item, b.item, c.item FROM catalog a, catalog b, catalog c"
    assert len(environment.step(many)[0]) <= LONGEST_OBSERVATION


PROGRAMS = {
    "import os\nos.fork()\n": ("missing", "os"),
    "open('x', 'w')\n": ("error", "NameError"),
    "while True:\n    x = 1\n": ("timeout", None),
    "x = [0] * 10 ** 9\n": ("error", "MemoryError"),
    "def f():\n    return f()\nf()\n": ("error", "RecursionError"),
    "().__class__\n": ("refused", "Attribute"),
    "__import__('os')\n": ("refused", "Name"),
    "from os import fork\n": ("missing", "os"),
    "exec('1')\n": ("error", "NameError"),
    "class A:\n    pass\n": ("refused", "ClassDef"),
    "f = lambda: 1\n": ("refused", "Lambda"),
    "x =\n": ("error", "SyntaxError"),
    "1 / 0\n": ("error", "ZeroDivisionError"),
    "print('a' * 10 ** 6)\n": ("out", "a" * 80),
}


@pytest.mark.parametrize("source", PROGRAMS)
def test_a_program_that_forks_reads_loops_or_breaks_out_is_bounded(source):
    kind, line = PROGRAMS[source]
    began = time.monotonic()
    outcome = run_program({"main": source})
    assert outcome.kind == kind and (line is None or outcome.lines[0] == line), outcome
    assert time.monotonic() - began < 4


def test_programs_of_several_files_run_and_the_worker_survives_what_it_runs():
    files = {"main": "import b\nfor k in range(3):\n    b.run()\n", "b": "def run():\n    print(7)\n"}
    assert run_program(files) == ("out", ("7", "7", "7"))
    assert run_program({"main": "import nothing\n"}) == ("missing", ("nothing",))
    tests = {"t": "def test_a():\n    assert 1 == 1\ndef test_b():\n    assert 1 == 2, 'no'\n"}
    assert run_program(tests, "t", tests=True) == ("fail", ("test_b", "no"))


def test_a_worker_that_was_killed_starts_again():
    worker = ProgramWorker()
    assert worker.run({"main": "print(1)\n"}) == ("out", ("1",))
    worker.process.kill()
    assert worker.run({"main": "print(2)\n"}) == ("out", ("2",))
    worker.close()


def test_what_the_worker_prints_is_what_python_prints(tmp_path):
    """The same projects in an ordinary Python process."""
    environment, seen = ProjectAgent(), 0
    for seed in range(25):
        play(environment, seed, "sloppy")
        if "main" not in environment.files:
            continue
        for name, source in environment.files.items():
            (tmp_path / f"{name}.py").write_text(source)
        start = ("import boot\n" if "boot" in environment.files else "") + "import main\n"
        ran = subprocess.run(["python3", "-B", "-c", start], cwd=tmp_path, capture_output=True, text=True, check=False)
        kind, lines = environment._run()
        assert (ran.returncode == 0) == (kind == "out")
        assert kind != "out" or ran.stdout.split() == list(lines)
        assert kind != "missing" or f"'{lines[0]}'" in ran.stderr
        for path in tmp_path.glob("*.py"):
            path.unlink()
        seen += 1
    assert seen > 10


def test_patched_tests_pass_and_only_the_hidden_ones_know():
    for rewarded, expected in (("visible", 1.0), ("hidden", 0.0)):
        environment = CodeAgent(rewarded=rewarded)
        environment.reset(seed=2)
        environment.specification = ("add", "3")
        environment.step("WRITE mul 2")
        environment.step("PATCH")
        while environment.step("RUN")[0] == "timeout":
            pass
        assert environment.history[-1][1] == "pass"
        _, reward, _, _, info = environment.step("SUBMIT")
        assert info["patched"] == 1 and info["visible"] == 1 and info["success"] == 0
        assert reward == pytest.approx(expected - 0.02)


def test_python_written_by_hand_is_tested_too():
    environment = CodeAgent()
    environment.reset(seed=5)
    operation, number = environment.specification
    source = environment.hidden.split("assert solve(x) == ")[1].split(", x")[0]
    environment.step(f"WRITE def solve(x):\n    y = {source}\n    return y")
    assert environment.step("SUBMIT")[4]["success"] == 1, (operation, number)


def test_a_submission_is_a_commit_in_a_real_repository(tmp_path):
    environment = CodeAgent(repository=tmp_path / "work")
    for seed in (1, 2):
        play(environment, seed, "expert")
    log = subprocess.run(
        ["git", "-C", str(tmp_path / "work"), "log", "--stat"], capture_output=True, text=True, check=True
    )
    assert log.stdout.count("submit") == 2 and "solution.py" in log.stdout


def test_a_question_of_the_research_agent_opens_a_fresh_context_and_keeps_the_knowledge():
    environment = ResearchAgent()
    environment.reset(seed=0)
    steps = play(environment, 0, "expert")
    fresh = [step for step in steps if step[5]["fresh_context"]]
    assert len(fresh) == environment.num_questions - 1
    assert environment.database.execute("SELECT count(*) FROM knowledge").fetchone()[0] > 0
    assert steps[-1][5]["hits"] > 0


@pytest.mark.parametrize("words", ["ann OR bob", 'ann"', "NEAR", "ann bob cy", "*", "body:ann"])
def test_a_search_cannot_smuggle_in_the_language_of_the_index(words):
    environment = ResearchAgent()
    environment.reset(seed=0)
    observation = environment.step(f"FIND {words}")[0]
    assert observation in ("ERR arguments", "none")


def test_only_a_needed_question_is_answered_and_a_failure_costs_nothing():
    environment = ProjectAgent(open_intent=0.0)
    environment.reset(seed=0)
    observation, reward, _, _, info = environment.step("ASK")
    assert observation == "clear" and info["wasted"] == 1 and reward == 0
    assert environment.step("DONE")[1] == 0
    environment = ProjectAgent(open_intent=1.0)
    steps = play(environment, 4, "expert")
    assert steps[-1][5]["asked"] == 1 and steps[-1][5]["success"] == 1
    assert steps[-1][2] == pytest.approx(1 - steps[-1][5]["cost"])


def test_a_delayed_ticket_pays_the_same_in_all():
    now, late = TicketQueue(num_tickets=8), TicketQueue(num_tickets=8, delay=3)
    one, other = play(now, 3, "sloppy"), play(late, 3, "sloppy")
    assert [step[2] for step in other[:3]] == [0, 0, 0]
    assert sum(step[2] for step in one) == pytest.approx(sum(step[2] for step in other))
    assert [step[2] for step in other[3:7]] == pytest.approx([step[2] for step in one[:4]])


def test_sqlite_has_full_text_search():
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE t USING fts5(x)")
    database.executemany("INSERT INTO t VALUES (?)", [("ann boss bob",), ("cy city rome",)])
    assert database.execute("SELECT x FROM t WHERE t MATCH 'boss'").fetchall() == [("ann boss bob",)]
