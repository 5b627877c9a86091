"""What an error of SQLite means for a log of episodes, and what to do about it."""

from __future__ import annotations

import json
import sqlite3

BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
UNUSABLE = "is no log of episodes or is damaged ({error}); move it away, or rescue it: sqlite3 {name} .recover"
REASONS = {
    **dict.fromkeys(BUSY, "is locked: another process is writing; try again when it is done"),
    sqlite3.SQLITE_FULL: "is on a full disk: none of these episodes is logged; make room and append them again",
    sqlite3.SQLITE_READONLY: "may not be written; make the file and its folder writable, or give another",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; is its folder there and writable?",
    sqlite3.SQLITE_IOERR: "cannot be read or written ({error}); is the disk full, or gone?",
    sqlite3.SQLITE_CONSTRAINT: "does not take these episodes ({error}); is a reward or a key figure NaN?",
    sqlite3.SQLITE_CORRUPT: UNUSABLE,
    sqlite3.SQLITE_NOTADB: UNUSABLE,
}


class LogError(Exception):
    """A log that cannot be read or written; the text says which file, why, and what to do."""


def explain(error: Exception, name: str) -> str:
    """Return what an error of SQLite means for a log of this name, and what to do."""
    code = getattr(error, "sqlite_errorcode", None)
    question = "was asked what it cannot answer ({error}); check the condition, and that each question mark has a value"
    reason = UNUSABLE if isinstance(error, json.JSONDecodeError) else REASONS.get((code or 0) & 0xFF, question)
    return reason.format(error=error, name=name)
