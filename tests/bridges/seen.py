"""What a framework's tests saw, for its evidence record: each framework's tests run in a process of their own."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

REPORT: dict[str, object] = {}
LARGEST: dict[str, float] = {}
DEVICES: dict[str, str] = {}


def runs():
    """What was run, where, and what came of it, for a record."""
    return [{"what": what, "where": DEVICES.get(what, "CPU"), "result": result} for what, result in REPORT.items()]


def equal(name, ours, theirs, tolerance=1e-6):
    """Compare, and remember the largest difference under a name."""
    difference = (ours.detach().double() - theirs.detach().double()).abs().max().item()
    LARGEST[name] = max(LARGEST.get(name, 0.0), difference)
    assert difference <= tolerance, name


@contextmanager
def recorded(
    framework: str, claim: str, sources: Sequence[str], packages: Sequence[str], peer: str, of: str = ""
) -> Iterator[None]:
    """Write ``bridge-<framework>.json`` when the tests have run, if that was asked for.

    Parameters
    ----------
    claim : str
        One sentence, in which ``{worst}`` is the largest difference.
    sources : sequence of str
        Files that were measured beside the bridge, its example, its tests and the shared episode.
    of : str
        The one difference that the record is about; the largest of all if empty.
    """
    started = time.perf_counter()
    yield
    if os.environ.get("RLKIT_RECORD") and LARGEST:
        from benchmarks.evidence import write_record

        worst = LARGEST[of] if of else max(LARGEST.values())
        own = [f"rlkit/bridges/{framework}.py", f"rlkit/bridges/examples/{framework}.py"]
        write_record(
            f"bridge-{framework.replace('_', '-')}",
            claim.format(worst=f"{worst:.0e}"),
            worst,
            f"largest difference of {of}" if of else "largest difference",
            sources=[*own, "rlkit/bridges/episodes.py", f"tests/bridges/test_{framework}.py", *sources],
            packages=packages,
            command=f"python -m tests.bridges.run {framework} --record",
            peer=peer,
            seconds=round(time.perf_counter() - started, 1),
            runs=runs(),
            largest_differences=LARGEST,
        )
