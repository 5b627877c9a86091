"""A log of episodes in SQLite: every turn with its token ids, log-probabilities and reward, and the policy that played.

The episodes of one call of ``append`` are written whole, in one transaction, or not at all: a process that is killed
loses none that ``append`` has returned for. Several processes may write to one log; each waits for the other.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlkit.agents.log_errors import BUSY, LogError, explain
from rlkit.agents.log_schema import APPLICATION, FIGURES, LISTS, TABLES, VERSION
from rlkit.agents.rollouts import Context, Trajectory

SECONDS_TO_WAIT = 30.0
ROWS_AT_ONCE = 5_000


class EpisodeLog:
    """Opens a log, and makes it if it is not there.

    Parameters
    ----------
    path : str or Path
        Of the SQLite file.
    seconds_to_wait : float
        For another process that is writing.

    Raises
    ------
    LogError
        From every method, where the file is locked for longer, damaged, full, not to be written, or no log.
    """

    def __init__(self, path: str | Path, seconds_to_wait: float = SECONDS_TO_WAIT) -> None:
        self.path = Path(path)
        with self._explained():
            self.connection = sqlite3.connect(self.path, timeout=seconds_to_wait, isolation_level=None)
            try:
                self._prepare(time.monotonic() + seconds_to_wait)
            except BaseException:
                self.connection.close()
                raise

    def _prepare(self, deadline: float) -> None:
        """Check that the file is a log of this version, or make its tables."""
        if not self._header()[0]:
            with self._transaction():
                application, _, tables = self._header()  # another process may have been faster
                if not application and not tables:
                    for table in TABLES:
                        self.connection.execute(table)
                    self.connection.execute(f"PRAGMA user_version = {VERSION}")
                    self.connection.execute(f"PRAGMA application_id = {APPLICATION}")
        application, version, tables = self._header()
        if application != APPLICATION:
            names = ", ".join(tables) or "no table"
            older = "an episode log from before logs had a version" if {"episode", "turn"} <= set(tables) else "no log"
            raise LogError(f"{self.path} is a database with {names}, {older} of episodes; give another file name")
        if version != VERSION:
            raise LogError(
                f"{self.path} has schema {version} and this version of rlkit reads {VERSION}; read it with the version "
                "that wrote it, or begin a new log"
            )
        self.connection.execute("PRAGMA synchronous = FULL")
        # SQLite does not wait where two processes turn a new file into one with a write-ahead log at once.
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _header(self) -> tuple[int, int, list[str]]:
        """Application and schema version as written in the file, and the names of its tables."""
        (application,), (version,) = (
            self.connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        rows = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return application, version, [name for (name,) in rows]

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """All or nothing."""
        self.connection.execute(f"BEGIN {kind}")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # a full disk has already rolled back
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what is wrong with the file, and what to do."""
        try:
            yield
        except (sqlite3.Error, json.JSONDecodeError) as error:
            raise LogError(f"{self.path} {explain(error, self.path.name)}") from error

    def append(
        self,
        trajectories: Sequence[Trajectory],
        policy: str,
        environment: str = "",
        version: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """Write episodes, all or none; return their ids once they are on the disk.

        Parameters
        ----------
        trajectories : sequence of Trajectory
        policy, environment : str
            Names.
        version : int
            Of the policy, such as the number of updates that it has had.
        settings : mapping, optional
            What an episode does not tell: prices, temperature of sampling. Written as JSON.
        """
        written = []
        names = (
            "policy, version, environment, settings, seed, group_id, terminated, truncated, contexts, "
            f"final_observation, reward, info, {', '.join(FIGURES)}"
        )
        about = (policy, version, environment, json.dumps(settings or {}))
        with self._explained(), self._transaction():
            for one in trajectories:
                row = (
                    *about, one.seed, one.group, one.terminated, one.truncated, len(one.contexts),
                    one.final_observation, sum(one.rewards), json.dumps(one.info, default=float),
                    *(float(one.info.get(name, 0.0)) for name in FIGURES),
                )  # fmt: skip
                places = ", ".join("?" * len(row))
                number = self.connection.execute(f"INSERT INTO episode({names}) VALUES ({places})", row).lastrowid
                self.connection.executemany(
                    "INSERT INTO turn VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    ((number, *turn) for turn in turn_rows(one)),
                )
                written.append(int(number or 0))
        return written

    def read(self, where: str = "1", parameters: Sequence[Any] = ()) -> list[Trajectory]:
        """Return the episodes that a condition on the table ``episode`` selects, in the order they were written.

        Values belong into ``parameters``, with a question mark in the condition for each.
        """
        with self._explained():
            episodes = self.connection.execute(
                "SELECT id, seed, group_id, terminated, truncated, contexts, final_observation, info FROM episode "
                f"WHERE {where} ORDER BY id", parameters
            ).fetchall()  # fmt: skip
            return [self._read_one(*row) for row in episodes]

    def _read_one(
        self, number: int, seed: int, group: int, terminated: int, truncated: int, contexts: int, last: str, info: str
    ) -> Trajectory:
        one = Trajectory(seed, group, [Context() for _ in range(contexts)], final_observation=last)
        one.terminated, one.truncated, one.info = bool(terminated), bool(truncated), json.loads(info)
        rows = self.connection.execute(
            "SELECT context, observation, action, anchor, observation_ids, action_ids, log_probabilities, reward "
            "FROM turn WHERE episode = ? ORDER BY number", (number,)
        )  # fmt: skip
        for turn, (context, observation, action, anchor, seen, written, scores, reward) in enumerate(rows):
            one.contexts[context].add(json.loads(seen))
            one.contexts[context].add(json.loads(written), turn, json.loads(scores))
            one.observations.append(observation)
            one.actions.append(action)
            one.anchors.append(anchor)
            one.rewards.append(reward)
            one.context_of_turn.append(context)
        return one

    def figures(self, where: str = "1", parameters: Sequence[Any] = ()) -> list[dict[str, float]]:
        """Return key figures of episodes without their turns; the arguments are those of :meth:`read`."""
        names = (*FIGURES, "reward")
        query = f"SELECT {', '.join(names)} FROM episode WHERE {where} ORDER BY id"
        with self._explained():
            return [dict(zip(names, row, strict=True)) for row in self.connection.execute(query, parameters)]

    def export_parquet(self, folder: str | Path) -> list[Path]:
        """Write both tables, as they are at one moment, as Parquet files; lists of ids and numbers become lists.

        Needs pyarrow (``pip install 'mastering-rl[agents]'``).
        """
        import pyarrow
        import pyarrow.parquet

        folder, written = Path(folder), []
        folder.mkdir(parents=True, exist_ok=True)
        kinds = {"INTEGER": pyarrow.int64(), "REAL": pyarrow.float64(), "TEXT": pyarrow.string()}
        with self._explained(), self._transaction("DEFERRED"):
            for table in ("episode", "turn"):
                columns = self.connection.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
                schema = pyarrow.schema(
                    (name, pyarrow.list_(getattr(pyarrow, LISTS[name])()) if name in LISTS else kinds[kind])
                    for name, kind in columns
                )
                cursor = self.connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
                written.append(folder / f"{table}.parquet")
                with pyarrow.parquet.ParquetWriter(written[-1], schema) as writer:
                    while rows := cursor.fetchmany(ROWS_AT_ONCE):
                        data = dict(zip(schema.names, zip(*rows, strict=True), strict=True))
                        data |= {name: [json.loads(text) for text in data[name]] for name in LISTS if name in data}
                        writer.write_table(pyarrow.table(data, schema))
        return written

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> EpisodeLog:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()


def places_of_turns(one: Trajectory) -> Iterator[tuple[int, int, int, int]]:
    """Yield for each turn its context's number and three places in that context's ids.

    They are where the turn before it ended, where its own tokens begin, and where they end: between the first two
    stands what the environment wrote, between the last two what the policy did.
    """
    ended = [0] * len(one.contexts)
    for turn, number in enumerate(one.context_of_turn):
        writers, start = one.contexts[number].turns, ended[number]
        first = writers.index(turn, start)
        ended[number] = next((place for place in range(first, len(writers)) if writers[place] != turn), len(writers))
        yield number, start, first, ended[number]


def turn_rows(one: Trajectory) -> Iterator[tuple[Any, ...]]:
    """Yield what is logged of each turn: what was read before it, what was written, what it earned."""
    for turn, (number, start, first, end) in enumerate(places_of_turns(one)):
        context = one.contexts[number]
        lists = context.ids[start:first], context.ids[first:end], context.log_probabilities[first:end]
        texts = (one.observations[turn], one.actions[turn], one.anchors[turn])
        yield (turn, number, *texts, *(json.dumps(part) for part in lists), one.rewards[turn])
