"""The commands of a course: `python -m autograder COMMAND --help` shows examples of each."""

from __future__ import annotations

import argparse
import logging
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from autograder.errors import CourseError

if TYPE_CHECKING:
    from autograder.course import Course

COMMANDS = (
    "release", "verify", "check", "progress", "collect", "grade", "regrade", "rubric", "deadline", "feedback", "export",
    "report", "demo",
)  # fmt: skip
WITHOUT_COURSE = ("check", "progress")
FOR_TEACHING = ("nbgrader", "nbconvert", "jupytext", "rich", "alembic", "sqlalchemy")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 1 if something was found wrong, 2 if it could not be done."""
    chosen = make_parser().parse_args(arguments)
    try:
        return module_of(chosen.command).run(chosen, None if chosen.command in WITHOUT_COURSE else _course(chosen))
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again: it goes on where it stopped.", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in FOR_TEACHING:
            raise
        print(f"{error.name} is not installed; teaching needs `pip install 'mastering-rl[grade]'`.", file=sys.stderr)
        return 2
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def module_of(command: str) -> ModuleType:
    """The module of a command."""
    return import_module(f"autograder.commands.{command}")


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m autograder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = module_of(name)
        command = commands.add_parser(
            name,
            help=module.PURPOSE,
            description=module.PURPOSE[0].upper() + module.PURPOSE[1:] + ".",
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        if name not in WITHOUT_COURSE:
            _add_places(command)
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--course", type=Path, help="the course folder (default: AUTOGRADER_COURSE, else this package's folder)"
    )
    parser.add_argument(
        "--solutions", type=Path, help="the solutions folder (default: AUTOGRADER_SOLUTIONS, else solutions/)"
    )
    parser.add_argument(
        "--gradebook",
        metavar="URL",
        help="the gradebook's database (default: AUTOGRADER_GRADEBOOK, else gradebook.db in the course folder)",
    )


def _course(chosen: argparse.Namespace) -> Course:
    """Return the course that was named, with a log of its own."""
    from autograder.course import Course, with_gradebook, with_solutions

    course = Course.at(chosen.course)
    course = with_solutions(course, chosen.solutions) if chosen.solutions else course
    course = with_gradebook(course, chosen.gradebook) if chosen.gradebook else course
    course.data.mkdir(parents=True, exist_ok=True)
    log = logging.FileHandler(course.data / "autograder.log", delay=True)
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("autograder").addHandler(log)
    return course


if __name__ == "__main__":
    sys.exit(main())
