"""The commands of a course: `python -m autograder COMMAND --help` shows examples of each."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from autograder.errors import CourseError

# Commands import what they need when they run: a student has `check` without nbgrader installed.

COMMANDS: dict[str, tuple[str, str]] = {
    "release": (
        "compile the assignments and write what students get",
        "  python -m autograder release              every assignment in solutions/\n"
        "  python -m autograder release bellman      only this one",
    ),
    "verify": (
        "prove that every exercise accepts right answers and rejects and names wrong ones",
        "  python -m autograder verify\n  python -m autograder verify bellman",
    ),
    "check": (
        "check a notebook as its first cell would, from the shell",
        "  python -m autograder check bellman.ipynb",
    ),
    "collect": (
        "take in a folder of submissions",
        "  python -m autograder collect downloads/ --assignment bellman\n"
        "  python -m autograder collect downloads/ --assignment bellman --roster class.csv\n\n"
        "The folder holds <student>/bellman.ipynb or <student>_bellman.ipynb files and is not changed.\n"
        "class.csv has the column id and, if wanted, first_name, last_name and email.",
    ),
    "grade": (
        "grade what was collected; run again, it grades only what is new or has changed",
        "  python -m autograder grade bellman\n"
        "  python -m autograder grade bellman --student ada --force\n"
        "  python -m autograder grade bellman --solutions private/solutions",
    ),
    "feedback": ("write the pages that go back to students", "  python -m autograder feedback bellman"),
    "export": (
        "write scores as CSV; a score stays empty until every written answer has been graded",
        "  python -m autograder export\n  python -m autograder export --assignment bellman --output bellman.csv",
    ),
    "report": (
        "show points by exercise and the misconceptions found",
        "  python -m autograder report bellman",
    ),
    "demo": (
        "grade a class of three made-up students: right, half right, hostile",
        "  python -m autograder demo\n  python -m autograder demo bellman",
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 1 if something was found wrong, 2 if it could not be done."""
    chosen = make_parser().parse_args(arguments)
    try:
        return RUN[chosen.command](chosen)
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again: it goes on where it stopped.", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("nbgrader", "nbconvert", "jupytext", "rich", "alembic"):
            raise
        print(f"{error.name} is not installed; teaching needs `pip install 'mastering-rl[grade]'`.", file=sys.stderr)
        return 2
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m autograder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {}
    for name, (purpose, examples) in COMMANDS.items():
        parsers[name] = commands.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    for name in ("release", "verify"):
        parsers[name].add_argument("assignments", nargs="*", metavar="ASSIGNMENT", help="all if none is named")
    parsers["verify"].add_argument("--seeds", type=int, default=1, help="random inputs per answer (default: 1)")
    parsers["check"].add_argument("notebook", type=Path, help="the notebook to check; it is not changed")
    parsers["collect"].add_argument("folder", type=Path, help="folder of submissions; it is not changed")
    parsers["collect"].add_argument("--assignment", required=True)
    parsers["collect"].add_argument("--roster", type=Path, help="class list, a CSV file with the column id")
    for name in ("grade", "feedback", "report"):
        parsers[name].add_argument("assignment")
    for name in ("grade", "feedback"):
        parsers[name].add_argument(
            "--student", action="append", default=[], help="only this student; can be given several times"
        )
    parsers["grade"].add_argument("--force", action="store_true", help="grade again what has not changed")
    parsers["export"].add_argument("--assignment", action="append", default=[], help="all if none is named")
    parsers["export"].add_argument("--output", type=Path, help="the file to write (default: grades.csv in the course)")
    parsers["demo"].add_argument("assignment", nargs="?", help="default: bellman, or the first released one")
    for name in COMMANDS:
        if name != "check":
            _add_places(parsers[name])
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--course", type=Path, help="the course folder (default: AUTOGRADER_COURSE, else this package's folder)"
    )
    parser.add_argument(
        "--solutions", type=Path, help="the solutions folder (default: AUTOGRADER_SOLUTIONS, else solutions/)"
    )


def _course(chosen: argparse.Namespace):
    """Return the course that was named, with a log of its own."""
    from autograder.course import Course, with_solutions

    course = Course.at(chosen.course)
    course = with_solutions(course, chosen.solutions) if chosen.solutions else course
    course.data.mkdir(parents=True, exist_ok=True)
    log = logging.FileHandler(course.data / "autograder.log", delay=True)
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("autograder").addHandler(log)
    return course


def run_release(chosen: argparse.Namespace) -> int:
    """Compile and release assignments."""
    from autograder.release import release

    course = _course(chosen)
    for one in release(course, chosen.assignments):
        print(
            f"{one.assignment}: {one.exercises} exercises, {one.automatic:g} points by checks and {one.by_hand:g} by "
            f"hand; {one.folder} and {one.archive.name}"
        )
    print(f"notebooks for students: {course.release}")
    return 0


def run_verify(chosen: argparse.Namespace) -> int:
    """Verify assignments."""
    from autograder.release import assignment_folders
    from autograder.verify import print_verification, verify

    return print_verification(verify(assignment_folders(_course(chosen), chosen.assignments), chosen.seeds))


def run_check(chosen: argparse.Namespace) -> int:
    """Check a student's notebook."""
    from autograder.check_notebook import check_notebook, print_notebook_report

    return print_notebook_report(check_notebook(chosen.notebook))


def run_collect(chosen: argparse.Namespace) -> int:
    """Take in submissions and list every oddity."""
    from autograder.collect import collect
    from autograder.course import add_students

    course = _course(chosen)
    if chosen.roster:
        print(f"{add_students(course, chosen.roster)} students in the class list")
    collection = collect(course, chosen.folder, chosen.assignment)
    for received in collection.received:
        for note in received.notes:
            print(f"{received.student}: {note}")
    for problem in collection.problems:
        print(f"not as expected: {problem}")
    new = sum(received.changed for received in collection.received)
    print(f"{len(collection.received)} submissions taken in, {new} of them new or changed: {course.data / 'submitted'}")
    return 0 if collection.received else 1


def run_grade(chosen: argparse.Namespace) -> int:
    """Grade and print the score table."""
    from autograder.grade import grade
    from autograder.scores import Status, print_scores

    course = _course(chosen)
    scores = grade(course, chosen.assignment, chosen.student, chosen.force)
    print_scores(scores, chosen.assignment)
    print(f"gradebook.db, graded notebooks in autograded/, and autograder.log: {course.data}")
    return 1 if any(score.status is Status.FAILED for score in scores) else 0


def run_feedback(chosen: argparse.Namespace) -> int:
    """Write feedback pages."""
    from autograder.feedback import write_feedback

    course = _course(chosen)
    result = write_feedback(course, chosen.assignment, chosen.student)
    for problem in result.problems:
        print(problem)
    print(f"{len(result.pages)} pages in {course.data / 'feedback'}")
    return 0 if result.pages else 1


def run_export(chosen: argparse.Namespace) -> int:
    """Write the scores as CSV."""
    from autograder.export import export_scores

    course = _course(chosen)
    path = chosen.output or course.data / "grades.csv"
    print(f"{export_scores(course, path, chosen.assignment)} rows in {path}")
    return 0


def run_report(chosen: argparse.Namespace) -> int:
    """Print how the class did."""
    from rich.console import Console

    from autograder.report import class_report

    Console().print(class_report(_course(chosen), chosen.assignment))
    return 0


def run_demo(chosen: argparse.Namespace) -> int:
    """Grade the demo class."""
    from autograder.demo import run

    return run(_course(chosen), chosen.assignment)


RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "release": run_release,
    "verify": run_verify,
    "check": run_check,
    "collect": run_collect,
    "grade": run_grade,
    "feedback": run_feedback,
    "export": run_export,
    "report": run_report,
    "demo": run_demo,
}

if __name__ == "__main__":
    sys.exit(main())
