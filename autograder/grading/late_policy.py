"""What lateness costs: computed from the due date, the student's extra time and the policy, and kept in the gradebook.

nbgrader has fields for all of it (due date, extension, penalty), which formgrader, `nbgrader export` and its feedback
read. They are filled here from the course's deadlines. Its own step looks at the due date only, knows no assignment
when it asks for a penalty, and sees the score before anything was graded by hand; so this one stands in its place, and
`refresh_penalties` repeats it after a score or a deadline has changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading.deadlines import Deadlines, Policy, read_deadlines

DAY = 86_400.0


@dataclass(frozen=True)
class Lateness:
    """How late a submission was, and what that costs.

    Attributes
    ----------
    seconds : float
        After the due date and the student's extra time; 0 if in time or if nothing is known.
    penalty : float
        Points taken off.
    reason : str
        For the student and the instructor, empty without lateness.
    """

    seconds: float = 0.0
    penalty: float = 0.0
    reason: str = ""


def percent_off(policy: Policy, seconds: float) -> float:
    """Return the percent that a submission loses."""
    if seconds <= 60 * policy.grace_minutes:
        return 0.0
    return min(policy.percent_per_day * math.ceil(seconds / DAY), policy.most_percent)


def penalty(policy: Policy, earned: float, possible: float, seconds: float) -> float:
    """Return the points that lateness costs: in hundredths, and never more than were earned."""
    points = (earned if policy.of == "earned" else possible) * percent_off(policy, seconds) / 100
    # Half a hundredth is rounded up, also where a binary fraction lies just below it.
    return max(0.0, min(earned, math.floor(points * 100 + 0.5 + 1e-9) / 100))


def due_date(deadlines: Deadlines, submission: SubmittedAssignment) -> datetime | None:
    """Return when a student's work is due, extra time included, as the gradebook counts time: UTC, without a zone."""
    due = deadlines.due.get(submission.name)
    moment = due.astimezone(UTC).replace(tzinfo=None) if due else submission.assignment.duedate
    extra = extra_time(deadlines, submission)
    return moment + extra if moment and extra else moment


def extra_time(deadlines: Deadlines, submission: SubmittedAssignment) -> timedelta | None:
    """Return a student's extra time: what the course's file says; without that file, what is in the gradebook."""
    if deadlines.extensions is None:
        return submission.extension
    return deadlines.extensions.get((submission.student_id, submission.name))


def lateness(deadlines: Deadlines, submission: SubmittedAssignment) -> Lateness:
    """Return how late a submission is, for its score as it stands now."""
    due = due_date(deadlines, submission)
    if due is None or submission.timestamp is None:
        return Lateness()
    seconds = (submission.timestamp - due).total_seconds()
    if seconds <= 0:
        return Lateness()
    policy = deadlines.policy(submission.name)
    points = penalty(policy, submission.score, submission.max_score, seconds)
    percent, basis = percent_off(policy, seconds), "earned" if policy.of == "earned" else "possible"
    cost = f"{percent:g} % of the points {basis}, {points:g} off" if percent else "no points off"
    return Lateness(seconds, points, f"{duration(seconds)} late: {cost}")


def duration(seconds: float) -> str:
    """Say a time as people do: ``3 minutes``, ``5 hours``, ``2 days and 5 hours``."""
    minutes = math.ceil(seconds / 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{_counted(days, 'day')} and {_counted(hours, 'hour')}" if hours else _counted(days, "day")
    return _counted(hours, "hour") if hours else _counted(minutes, "minute")


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def enter_penalty(deadlines: Deadlines, submission: SubmittedAssignment) -> None:
    """Enter due date, extra time and penalty into nbgrader's fields; the caller commits."""
    due = deadlines.due.get(submission.name)
    if due is not None:
        submission.assignment.duedate = due.astimezone(UTC).replace(tzinfo=None)
    submission.extension = extra_time(deadlines, submission) if submission.assignment.duedate else None
    late = lateness(deadlines, submission)
    for notebook in submission.notebooks:
        # An assignment of this course has one notebook; of several, the first would carry it.
        notebook.late_submission_penalty = late.penalty or None if notebook is submission.notebooks[0] else None


def refresh_penalties(course: Course, gradebook: Gradebook, assignment: str, students: Sequence[str] = ()) -> None:
    """Bring the penalties in the gradebook up to date, for everyone who has been graded."""
    deadlines = read_deadlines(course)
    for submission in gradebook.assignment_submissions(assignment):
        if not students or submission.student_id in students:
            enter_penalty(deadlines, submission)
    gradebook.db.commit()


class SaveLatePenalty(NbGraderPreprocessor):
    """nbgrader's step `AssignLatePenalties`, with the deadlines of the course."""

    course_folder = Unicode("", help="the folder in which nbgrader's commands run").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Enter the penalty of one submission; nbgrader calls this."""
        details = resources["nbgrader"]
        try:
            deadlines = read_deadlines(Course.at(self.course_folder or None))
        except CourseError as error:
            # Not a reason to throw away what was examined: whoever reads the scores is told, and can put it right.
            self.log.error("no penalty was entered: %s", error)
            return nb, resources
        with Gradebook(details["db_url"]) as gradebook:
            submission = gradebook.find_submission(details["assignment"], details["student"])
            enter_penalty(deadlines, submission)
            gradebook.db.commit()
        return nb, resources
