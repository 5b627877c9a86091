"""The error that is shown to people instead of a traceback."""


class CourseError(Exception):
    """Something an instructor can put right; the message says what was given, what was expected and what to do."""
