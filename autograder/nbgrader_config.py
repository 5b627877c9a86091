"""The course configuration that nbgrader's own commands and formgrader read when they run in this folder.

    cd autograder
    nbgrader autograde bellman
    nbgrader generate_feedback bellman
    jupyter notebook          # then the menu entry Formgrader

A course whose solutions and hidden checks are private keeps them in a folder of its own, laid out like `solutions/`,
and says where in the environment variable AUTOGRADER_SOLUTIONS before it runs any of these commands.
"""

from pathlib import Path

from autograder.configuration import configure
from autograder.course import Course

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (given by traitlets)
configure(c, Course.at(Path(__file__).parent))
