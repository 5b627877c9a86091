"""A log of episodes in SQLite: every turn with its token ids, log-probabilities and reward, and the policy that played.

An episode is written whole, in one transaction, or not at all: a process that is killed loses no episode that
``append`` has returned for. Several processes may write to one log; each waits for the other.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlkit.agents.rollouts import Context, Trajectory

SCHEMA = """
CREATE TABLE IF NOT EXISTS episode(
    id INTEGER PRIMARY KEY, policy TEXT NOT NULL, environment TEXT NOT NULL, seed INTEGER NOT NULL,
    group_id INTEGER NOT NULL, terminated INTEGER NOT NULL, truncated INTEGER NOT NULL, final_observation TEXT NOT NULL,
    success REAL NOT NULL, cost REAL NOT NULL, latency REAL NOT NULL, unsafe REAL NOT NULL, turns INTEGER NOT NULL,
    reward REAL NOT NULL, info TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS turn(
    episode INTEGER NOT NULL REFERENCES episode(id), number INTEGER NOT NULL, context INTEGER NOT NULL,
    observation TEXT NOT NULL, action TEXT NOT NULL, anchor TEXT NOT NULL, observation_ids TEXT NOT NULL,
    action_ids TEXT NOT NULL, log_probabilities TEXT NOT NULL, reward REAL NOT NULL, PRIMARY KEY(episode, number)
);
"""
FIGURES = ("success", "cost", "latency", "unsafe", "turns")
SECONDS_TO_WAIT = 30.0


class LogError(Exception):
    """A log that cannot be read or written; the text says which file, why, and what to do."""


class EpisodeLog:
    """Opens a log, and makes it if it is not there.

    Parameters
    ----------
    path : str or Path
        Of the SQLite file.
    seconds_to_wait : float
        For another process that is writing.
    """

    def __init__(self, path: str | Path, seconds_to_wait: float = SECONDS_TO_WAIT) -> None:
        self.path = Path(path)
        with self._explained():
            self.connection = sqlite3.connect(self.path, timeout=seconds_to_wait, isolation_level=None)
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=FULL")
            self.connection.executescript(SCHEMA)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what is wrong with the file, and what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise LogError(
                    f"{self.path} is locked: another process is writing; try again when it is done"
                ) from error
            raise LogError(
                f"{self.path} cannot be opened or written ({error}); is the folder there and writable?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise LogError(
                f"{self.path} is no log of episodes or is damaged ({error}); move it away, or recover it with sqlite3 "
                f"{self.path.name} .recover"
            ) from error

    def append(self, trajectories: Sequence[Trajectory], policy: str, environment: str = "") -> list[int]:
        """Write episodes, each in a transaction of its own; return their ids."""
        return [self._append_one(one, policy, environment) for one in trajectories]

    def _append_one(self, one: Trajectory, policy: str, environment: str) -> int:
        info = {name: float(value) for name, value in one.info.items()}
        row = (policy, environment, one.seed, one.group, one.terminated, one.truncated, one.final_observation,
               *(info.get(name, 0.0) for name in FIGURES), sum(one.rewards), json.dumps(info))  # fmt: skip
        with self._explained():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                places = ", ".join("?" * len(row))
                number = self.connection.execute(
                    "INSERT INTO episode(policy, environment, seed, group_id, terminated, truncated, "
                    f"final_observation, {', '.join(FIGURES)}, reward, info) VALUES ({places})", row
                ).lastrowid  # fmt: skip
                self.connection.executemany(
                    "INSERT INTO turn VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [(number, turn, *fields) for turn, fields in enumerate(turn_rows(one))],
                )
                self.connection.execute("COMMIT")
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
        return int(number or 0)

    def read(self, where: str = "1", parameters: Sequence[Any] = ()) -> list[Trajectory]:
        """Return the episodes that a condition on the table ``episode`` selects, in the order they were written."""
        with self._explained():
            episodes = self.connection.execute(
                "SELECT id, seed, group_id, terminated, truncated, final_observation, info FROM episode "
                f"WHERE {where} ORDER BY id", parameters
            ).fetchall()  # fmt: skip
            return [self._read_one(*row) for row in episodes]

    def _read_one(
        self, number: int, seed: int, group: int, terminated: int, truncated: int, last: str, info: str
    ) -> Trajectory:
        one = Trajectory(seed, group, contexts=[], final_observation=last, info=json.loads(info))
        one.terminated, one.truncated = bool(terminated), bool(truncated)
        rows = self.connection.execute(
            "SELECT context, observation, action, anchor, observation_ids, action_ids, log_probabilities, reward "
            "FROM turn WHERE episode = ? ORDER BY number", (number,)
        )  # fmt: skip
        for turn, (context, observation, action, anchor, seen, written, scores, reward) in enumerate(rows):
            if context == len(one.contexts):
                one.contexts.append(Context())
            one.contexts[-1].add(json.loads(seen))
            one.contexts[-1].add(json.loads(written), turn, json.loads(scores))
            one.observations.append(observation)
            one.actions.append(action)
            one.anchors.append(anchor)
            one.rewards.append(reward)
            one.context_of_turn.append(context)
        return one

    def figures(self, where: str = "1", parameters: Sequence[Any] = ()) -> list[dict[str, float]]:
        """Return key figures of episodes without their turns."""
        names = ", ".join((*FIGURES, "reward"))
        with self._explained():
            rows = self.connection.execute(
                f"SELECT {names} FROM episode WHERE {where} ORDER BY id", parameters
            ).fetchall()
        return [dict(zip((*FIGURES, "reward"), row, strict=True)) for row in rows]

    def export_parquet(self, folder: str | Path) -> list[Path]:
        """Write both tables as Parquet files; needs pyarrow (``pip install 'mastering-rl[agents]'``)."""
        import pyarrow
        import pyarrow.parquet

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for table in ("episode", "turn"):
            with self._explained():
                cursor = self.connection.execute(f"SELECT * FROM {table}")
                names, rows = [column[0] for column in cursor.description], cursor.fetchall()
            columns = zip(*rows, strict=True) if rows else [[] for _ in names]
            written.append(folder / f"{table}.parquet")
            pyarrow.parquet.write_table(
                pyarrow.table(dict(zip(names, (list(one) for one in columns), strict=True))), written[-1]
            )
        return written

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> EpisodeLog:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()


def turn_rows(one: Trajectory) -> Iterator[tuple[Any, ...]]:
    """Yield what is logged of each turn: what was read before it, what was written, what it earned."""
    for turn, context in enumerate(one.context_of_turn):
        ids, turns, scores = (getattr(one.contexts[context], name) for name in ("ids", "turns", "log_probabilities"))
        mine = [place for place, number in enumerate(turns) if number == turn]
        before = max((place + 1 for place in range(mine[0]) if turns[place] >= 0), default=0)
        lists = ids[before : mine[0]], [ids[place] for place in mine], [scores[place] for place in mine]
        texts = (one.observations[turn], one.actions[turn], one.anchors[turn])
        yield (context, *texts, *(json.dumps(part) for part in lists), one.rewards[turn])
