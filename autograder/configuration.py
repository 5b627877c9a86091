"""What nbgrader is told about a course: folders, the examiner, intake before grading, and safe pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from traitlets.config import Config, PyFileConfigLoader

from autograder.course import CONFIGURATION, Course, find_commands_of_this_python

AUTOGRADE_STEPS = [
    "autograder.grading.examiner.ExaminerExecute",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "autograder.grading.manual_grading.SaveGrades",
    "autograder.grading.late_policy.SaveLatePenalty",
    "nbgrader.preprocessors.CheckCellMetadata",
]


def configure(c: Any, course: Course) -> None:
    """Fill nbgrader's configuration *c* for *course*."""
    find_commands_of_this_python()
    exchange = course.data / "exchange"
    exchange.mkdir(parents=True, exist_ok=True)

    c.CourseDirectory.root = str(course.folder)
    c.CourseDirectory.db_url = course.gradebook_url
    if course.database:
        # Without a name nbgrader enters assignments for a course that does not exist; only a file lets it.
        c.CourseDirectory.course_id = "default_course"
    c.CourseDirectory.source_directory = "course/source"
    c.CourseDirectory.release_directory = str(course.release)
    c.CourseDirectory.source_with_tests_directory = "course/source_with_tests"
    c.CourseDirectory.submitted_directory = "course/submitted"
    c.CourseDirectory.autograded_directory = "course/autograded"
    c.CourseDirectory.feedback_directory = "course/feedback"
    c.CourseDirectory.solution_directory = "course/solution"
    c.Exchange.root = str(exchange)  # not used by this course, but formgrader reports an error without one
    c.NbGrader.logfile = str(course.data / "nbgrader.log")

    # Names instead of functions: formgrader writes the configuration down.
    c.Autograde.pre_convert_hook = "autograder.receiving.intake.before_autograde"
    c.Autograde.autograde_preprocessors = AUTOGRADE_STEPS
    c.ExaminerExecute.course_folder = str(course.folder)
    c.ExaminerExecute.solutions_folder = str(course.solutions)
    c.SaveLatePenalty.course_folder = str(course.folder)

    # A student's HTML is shown in formgrader, in the instructor's browser: scripts must not survive.
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.filters = {
        "markdown2html": "autograder.reporting.safe_html.markdown_to_safe_html",
        "clean_html": "autograder.reporting.safe_html.clean_html",
    }


def load_configuration(course: Course) -> Config:
    """Return the configuration that nbgrader's own commands read in the course's folder.

    The folders are *course*'s, also where they were given on the command line.
    """
    course.prepare()
    config = PyFileConfigLoader(CONFIGURATION, path=str(course.folder)).load_config()
    configure(config, course)
    return config


def source_folder(course: Course, assignment: str) -> Path:
    """Folder with the compiled notebook of an assignment and the files that go with it."""
    return course.data / "source" / assignment
