"""Apply the course's deadlines to the gradebook and show them: due dates and policies, and who was late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from nbgrader.api import Gradebook
from rich.table import Table

from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.course_lock import only_run
from autograder.grading.deadlines import Deadlines, Policy, deadlines_file, extensions_file, read_deadlines
from autograder.grading.late_policy import due_date, duration, extra_time, lateness, refresh_penalties


def apply_deadlines(course: Course, assignments: Sequence[str] = ()) -> tuple[list[Table], list[str]]:
    """Enter due dates, extra time and penalties in the gradebook; return tables of them and what cannot be right.

    Raises
    ------
    CourseError
        If an assignment is not in the gradebook, or one of the files cannot be read.
    """
    deadlines = read_deadlines(course)
    with only_run(course, "bringing penalties up to date"), course.gradebook() as gradebook:
        known = sorted(assignment.name for assignment in gradebook.assignments)
        unknown = sorted(set(assignments) - set(known))
        if unknown:
            raise CourseError(
                f"no assignment {', '.join(unknown)} in the gradebook; it has {', '.join(known) or 'none'}"
            )
        for name in known:
            if name in deadlines.due:
                gradebook.find_assignment(name).duedate = deadlines.due[name].astimezone(UTC).replace(tzinfo=None)
            refresh_penalties(course, gradebook, name)
        tables = [due_table(deadlines, gradebook, assignments or known)]
        tables += [late_table(deadlines, gradebook, name) for name in assignments]
        return tables, list(_problems(course, deadlines, known, {student.id for student in gradebook.students}))


def _problems(course: Course, deadlines: Deadlines, known: Sequence[str], students: set[str]) -> Iterator[str]:
    """Names in the files that nothing in the gradebook has: most likely typing mistakes."""
    for name in sorted({*deadlines.due, *deadlines.policies} - set(known)):
        yield f"{deadlines_file(course)}: no assignment {name} in the gradebook; it has {', '.join(known) or 'none'}"
    for student, name in deadlines.extensions or ():
        if student not in students:
            yield f"{extensions_file(course)}: no student {student} in the gradebook"
        if name not in known:
            yield f"{extensions_file(course)}: no assignment {name} in the gradebook; it has {', '.join(known)}"


def due_table(deadlines: Deadlines, gradebook: Gradebook, assignments: Sequence[str]) -> Table:
    """One row for each assignment: when it is due and what lateness costs."""
    table = Table(title=f"due dates, in {deadlines.zone}", title_justify="left")
    for column in ("assignment", "due", "lateness costs", "students with extra time"):
        table.add_column(column, overflow="fold")
    for name in assignments:
        due = gradebook.find_assignment(name).duedate
        extended = [student for student, which in deadlines.extensions or () if which == name]
        table.add_row(name, _shown(deadlines, due), cost(deadlines.policy(name)), ", ".join(sorted(extended)))
    return table


def late_table(deadlines: Deadlines, gradebook: Gradebook, assignment: str) -> Table:
    """One row for each student who was late or has extra time."""
    table = Table(title=f"{assignment}: late, or with extra time", title_justify="left")
    for column in ("student", "due", "handed in", "extra time", "lateness"):
        table.add_column(column, overflow="fold")
    for submission in sorted(gradebook.assignment_submissions(assignment), key=lambda one: one.student_id):
        late, extra = lateness(deadlines, submission), extra_time(deadlines, submission)
        if late.reason or extra:
            table.add_row(
                submission.student_id,
                _shown(deadlines, due_date(deadlines, submission)),
                _shown(deadlines, submission.timestamp),
                duration(extra.total_seconds()) if extra else "",
                late.reason or "in time",
            )
    return table


def _shown(deadlines: Deadlines, moment: datetime | None) -> str:
    """A time of the gradebook in the course's time zone."""
    return f"{moment.replace(tzinfo=UTC).astimezone(deadlines.zone):%Y-%m-%d %H:%M}" if moment else ""


def cost(policy: Policy) -> str:
    """Say what a policy takes off."""
    if not policy.percent_per_day:
        return "nothing"
    text = (
        f"{policy.percent_per_day:g} % of the points {policy.of} for each day begun, at most {policy.most_percent:g} %"
    )
    return f"{text}, after {policy.grace_minutes:g} minutes of grace" if policy.grace_minutes else text
