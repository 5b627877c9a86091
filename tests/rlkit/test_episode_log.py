"""A log of episodes: what is read is what was written, whole or not at all, and errors that say what to do."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlkit.agents.episode_log import EpisodeLog, turn_rows
from rlkit.agents.log_errors import LogError
from rlkit.agents.rollouts import Context, Trajectory

ROOT = Path(__file__).resolve().parents[2]


def make_episode(seed=0, turns=3, tokens=4, fresh_context_before=(), cut=False):
    """An episode with random ids and numbers, some of whose turns begin a fresh context."""
    chance = random.Random(seed)
    one = Trajectory(seed=seed, group=seed // 2)
    for turn in range(turns):
        if turn in fresh_context_before:
            one.contexts.append(Context())
        one.contexts[-1].add([chance.randrange(50_000) for _ in range(chance.randint(1, tokens))])
        ids = [chance.randrange(50_000) for _ in range(chance.randint(1, tokens))]
        one.contexts[-1].add(ids, turn, [-chance.expovariate(1.0) for _ in ids])
        one.observations.append(f'observation {turn} of {seed}: it\'s "quoted" \u00fc \n')
        one.actions.append(f"action {chance.random()}")
        one.anchors.append(f"anchor {turn}")
        one.rewards.append(chance.gauss(0, 1))
        one.context_of_turn.append(len(one.contexts) - 1)
    one.terminated, one.truncated, one.final_observation = not cut, cut, "done"
    one.info = {"success": float(seed % 2), "cost": 0.1 * turns, "latency": 2.0, "unsafe": 0.0, "turns": float(turns)}
    one.info |= {"mistakes": 1.0, "fresh_context": False}
    return one


def integrity(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "episodes.db"


# What is read is what was written ---------------------------------------------------------------------------------


def test_an_episode_comes_back_as_it_was_written_to_the_last_bit(path):
    written = [
        make_episode(0),
        make_episode(1, turns=1, tokens=1),
        make_episode(2, turns=6, fresh_context_before=(2, 5)),
        make_episode(3, cut=True),
    ]
    with EpisodeLog(path) as log:
        assert log.append(written[:3], "policy", "Data", version=7) == [1, 2, 3]
        assert log.append(written[3:], "policy") == [4]
    with EpisodeLog(path) as log:  # opened again: from the disk
        assert log.read() == written


def test_a_context_in_which_no_turn_had_room_comes_back_too(path):
    one = make_episode(0, cut=True)
    one.contexts.append(Context())
    with EpisodeLog(path) as log:
        log.append([one], "policy")
        assert log.read() == [one]


def test_real_episodes_come_back(path):
    """Of an environment that opens fresh contexts, played by a model through its chat template."""
    from rlkit.agents.research_agent import ResearchAgent
    from rlkit.agents.rollouts import rollout
    from rlkit.lm.checkpoints import tiny_llama, word_tokenizer
    from rlkit.seeding import make_generator

    tokenizer = word_tokenizer(ResearchAgent.WORDS)
    model = tiny_llama(tokenizer, context_length=96)
    environments = [ResearchAgent() for _ in range(4)]
    played = rollout(model, tokenizer, environments, range(4), 5, make_generator(0, "sampling"))
    with EpisodeLog(path) as log:
        log.append(played, "untrained", "ResearchAgent")
        assert log.read() == played
        assert [row["success"] for row in log.figures()] == [one.info["success"] for one in played]


def test_a_condition_selects_and_its_values_are_values(path):
    with EpisodeLog(path) as log:
        log.append([make_episode(seed) for seed in range(4)], "it's me", version=1)
        log.append([make_episode(seed) for seed in range(4, 6)], "x' OR '1'='1", version=2)
        assert [one.seed for one in log.read("policy = ?", ("it's me",))] == [0, 1, 2, 3]
        assert [one.seed for one in log.read("policy = ?", ("x' OR '1'='1",))] == [4, 5]
        assert log.read("policy = ?", ("' OR 1 --",)) == []
        assert [one.seed for one in log.read("success = 1 AND version < ?", (2,))] == [1, 3]
        assert len(log.figures("version = ?", (2,))) == 2
        with pytest.raises(LogError, match="one statement at a time"):
            log.read("1; DROP TABLE turn")
        with pytest.raises(LogError, match=r"episodes\.db was asked what it cannot answer .*no such column: colour"):
            log.read("colour = 1")
        with pytest.raises(LogError, match="each question mark has a value"):
            log.figures("seed = ?")
        assert len(log.read()) == 6


def test_a_large_episode_takes_seconds_not_minutes_and_comes_back(path):
    one = make_episode(0, turns=2_000, tokens=120, fresh_context_before=(500, 1_000, 1_500))
    assert sum(len(context.ids) for context in one.contexts) > 200_000
    began = time.process_time()
    with EpisodeLog(path) as log:
        log.append([one], "policy")
        assert log.read() == [one]
    assert time.process_time() - began < 20


def test_parquet_holds_what_the_tables_hold(path, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    with EpisodeLog(path) as log:
        log.append([make_episode(seed, turns=1 + seed) for seed in range(5)], "policy", settings={"price": 0.5})
        files = log.export_parquet(tmp_path / "export")
        for file in files:
            rows = log.connection.execute(f"SELECT * FROM {file.stem} ORDER BY 1, 2")
            names = [column[0] for column in rows.description]
            table = pyarrow.read_table(file)
            assert table.column_names == names
            expected = [dict(zip(names, row, strict=True)) for row in rows]
            for row in expected:
                lists = row.keys() & {"observation_ids", "action_ids", "log_probabilities"}
                row.update({name: json.loads(row[name]) for name in lists})
            assert table.to_pylist() == expected
        assert [file.name for file in files] == ["episode.parquet", "turn.parquet"]
    assert pyarrow.read_table(files[1]).num_rows == 1 + 2 + 3 + 4 + 5


def test_an_empty_log_is_exported_with_its_columns(path, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    with EpisodeLog(path) as log:
        files = log.export_parquet(tmp_path)
        assert log.read() == [] and log.figures() == []
    tables = [pyarrow.read_table(file) for file in files]
    assert [table.num_rows for table in tables] == [0, 0]
    assert str(tables[1].schema.field("log_probabilities").type) == "list<element: double>"


def test_what_was_read_before_each_turn_is_logged_with_it():
    one = Trajectory(0, 0)
    for turn, (seen, wrote) in enumerate([([1, 2], [3]), ([4], [5, 6])]):
        one.contexts[0].add(seen)
        one.contexts[0].add(wrote, turn, [-0.5] * len(wrote))
        one.context_of_turn.append(0)
    one.observations, one.actions, one.anchors, one.rewards = ["a", "b"], ["c", "d"], ["", ""], [0.0, 1.0]
    rows = [row[5:] for row in turn_rows(one)]
    assert rows == [("[1, 2]", "[3]", "[-0.5]", 0.0), ("[4]", "[5, 6]", "[-0.5, -0.5]", 1.0)]


# Killed, and two at once ------------------------------------------------------------------------------------------

WRITER = """
import sys
sys.path.insert(0, {root!r})
from rlkit.agents.episode_log import EpisodeLog
from tests.rlkit.test_episode_log import make_episode
log = EpisodeLog({path!r})
print("ready", flush=True)
for call in range({calls}):
    episodes = [make_episode(1_000 * {first} + 3 * call + k, turns=30, tokens=60) for k in range(3)]
    numbers = log.append(episodes, "writer {first}")
    print(*[f"{{number}}:{{one.seed}}" for number, one in zip(numbers, episodes)], flush=True)
"""


def start_writer(path, first, calls):
    code = WRITER.format(root=str(ROOT), path=str(path), first=first, calls=calls)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def returned(text):
    """Number and seed of each episode for which ``append`` has returned; a line that was cut off does not count."""
    lines = [line for line in text.split("\n")[:-1] if ":" in line]
    return [tuple(map(int, pair.split(":"))) for line in lines for pair in line.split()]


def test_a_writer_that_is_killed_loses_no_episode_that_it_was_told_is_written(path):
    chance, promised = random.Random(0), []
    for attempt in range(6):
        writer = start_writer(path, attempt, calls=10_000)
        assert writer.stdout.readline() == "ready\n"
        text = writer.stdout.readline()  # it is at work
        time.sleep(chance.uniform(0.0, 0.3))
        writer.send_signal(signal.SIGKILL)
        text += writer.stdout.read()
        assert writer.wait() == -signal.SIGKILL
        assert returned(text)
        promised += returned(text)
        assert integrity(path) == "ok"
    with EpisodeLog(path) as log:
        found = {number: one for number, one in zip(numbers_of(log), log.read(), strict=True)}
        orphans = log.connection.execute("SELECT COUNT(*) FROM turn WHERE episode NOT IN (SELECT id FROM episode)")
        assert orphans.fetchone() == (0,)
    assert {number for number, _ in promised} <= found.keys()
    for number, seed in promised:
        assert found[number] == make_episode(seed, turns=30, tokens=60)
    # What was written beyond the promises, between commit and print, is whole too.
    for one in found.values():
        assert one == make_episode(one.seed, turns=30, tokens=60)


def numbers_of(log):
    return [number for (number,) in log.connection.execute("SELECT id FROM episode ORDER BY id")]


def test_two_writers_at_once_lose_nothing_and_may_both_make_the_file(path):
    writers = [start_writer(path, first, calls=15) for first in (1, 2)]
    texts = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    promised = [pair for text in texts for pair in returned(text)]
    assert len(promised) == 90 and len({number for number, _ in promised}) == 90
    with EpisodeLog(path) as log:
        assert [one.seed for one in log.read()] == [seed for _, seed in sorted(promised)]
        assert len(log.figures("policy = ?", ("writer 1",))) == 45
    assert integrity(path) == "ok"


def test_many_processes_may_open_a_new_log_at_the_same_moment(path):
    code = f"from rlkit.agents.episode_log import EpisodeLog; EpisodeLog({str(path)!r}).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4


# Errors that say what to do ---------------------------------------------------------------------------------------


def test_a_log_that_stays_locked_is_named_with_advice(path):
    with EpisodeLog(path, seconds_to_wait=0.2) as log:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(LogError, match=r"episodes\.db is locked: another process is writing; try again"):
            log.append([make_episode()], "policy")
        assert 0.15 < time.monotonic() - began < 10
        assert log.read() == []  # reading goes on
        other.execute("COMMIT")
        assert log.append([make_episode()], "policy") == [1]
        other.close()


def test_a_writer_that_is_done_in_time_is_waited_for(path):
    code = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); time.sleep(0.5); c.execute('COMMIT')"
    )
    with EpisodeLog(path) as log:
        other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "locked\n"
        assert log.append([make_episode()], "policy") == [1]
        assert other.wait() == 0


def test_a_file_that_is_no_database_is_left_as_it_is(path):
    path.write_text("step,reward\n1,0.5\n" * 100)
    with pytest.raises(LogError, match=r"episodes\.db is no log of episodes or is damaged .*move it away"):
        EpisodeLog(path)
    assert path.read_text().startswith("step,reward")


def test_a_damaged_log_is_named_with_advice(path):
    with EpisodeLog(path) as log:
        log.append([make_episode(seed, turns=40, tokens=40) for seed in range(40)], "policy")
    with path.open("r+b") as file:
        size = path.stat().st_size
        for place in range(3 * 4096, size - 4096, 2 * 4096):
            file.seek(place)
            file.write(os.urandom(4096))
    with pytest.raises(LogError, match=r"damaged .*rescue it: sqlite3 episodes\.db \.recover"), EpisodeLog(path) as log:
        log.read()


def test_lists_that_were_spoiled_by_hand_are_damage_too(path):
    with EpisodeLog(path) as log:
        log.append([make_episode()], "policy")
        log.connection.execute("UPDATE turn SET action_ids = '[1, 2'")
        with pytest.raises(LogError, match="damaged"):
            log.read()


def test_a_database_of_something_else_is_left_alone(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers(name TEXT)")
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(LogError, match=r"episodes\.db is a database with customers, no log of episodes"):
        EpisodeLog(path)
    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("customers",)]


def test_a_log_of_another_schema_is_named(path):
    with EpisodeLog(path) as log:
        log.connection.execute("PRAGMA user_version = 9")
    with pytest.raises(LogError, match="has schema 9 and this version of rlkit reads 1; read it with the version"):
        EpisodeLog(path)
    path.unlink()
    with sqlite3.connect(path) as connection:  # as logs were before they had a version
        connection.executescript("CREATE TABLE episode(id INTEGER); CREATE TABLE turn(episode INTEGER);")
    with pytest.raises(LogError, match="from before logs had a version"):
        EpisodeLog(path)


def test_a_full_disk_loses_these_episodes_and_no_others(path):
    with EpisodeLog(path) as log:
        log.append([make_episode(1)], "policy")
        pages = log.connection.execute("PRAGMA page_count").fetchone()[0]
        log.connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(LogError, match="full disk: none of these episodes is logged; make room"):
            log.append([make_episode(2), make_episode(3, turns=200, tokens=60)], "policy")
        assert log.read() == [make_episode(1)]
        log.connection.execute("PRAGMA max_page_count = 100000")
        assert len(log.append([make_episode(2)], "policy")) == 1
    assert integrity(path) == "ok"


def test_a_real_file_size_limit_ends_in_the_same_way(path):
    """The kernel refuses to let the file grow, as a quota does."""
    resource = pytest.importorskip("resource")
    code = (
        "import resource, sys\n"
        "from rlkit.agents.episode_log import EpisodeLog\n"
        "from rlkit.agents.log_errors import LogError\n"
        "from tests.rlkit.test_episode_log import make_episode\n"
        "log = EpisodeLog(sys.argv[1]); log.append([make_episode(1)], 'policy')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try: log.append([make_episode(2, turns=500, tokens=200)], 'policy')\n"
        "except LogError as error: print(error)\n"
    )
    assert resource
    run = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "episodes.db" in run.stdout and "disk" in run.stdout, run
    with EpisodeLog(path) as log:
        assert log.read() == [make_episode(1)]


def test_a_folder_that_is_not_there_or_not_writable_is_named(tmp_path):
    with pytest.raises(LogError, match=r"log\.db cannot be opened; is its folder there and writable\?"):
        EpisodeLog(tmp_path / "missing" / "log.db")
    if sys.platform == "linux":
        with pytest.raises(LogError, match="cannot be opened"):
            EpisodeLog("/proc/log.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_log_is_named(path):
    EpisodeLog(path).close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        with pytest.raises(LogError, match="writable"), EpisodeLog(path) as log:
            log.append([make_episode()], "policy")
    finally:
        path.parent.chmod(0o755)


def test_a_reward_that_is_no_number_is_refused_and_nothing_of_the_call_is_written(path):
    spoiled = make_episode(1)
    spoiled.rewards[1] = float("nan")
    with EpisodeLog(path) as log:
        with pytest.raises(LogError, match="is a reward or a key figure NaN"):
            log.append([make_episode(0), spoiled], "policy")
        assert log.read() == []
        assert log.append([make_episode(0)], "policy") == [1]
