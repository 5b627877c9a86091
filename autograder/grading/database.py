"""The gradebook's database: a file by default, or a server that several computers reach.

export AUTOGRADER_GRADEBOOK=postgresql://teacher:PASSWORD@db.example.org/course
python -m autograder grade bellman
"""

from __future__ import annotations

from nbgrader.api import Gradebook
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from autograder.errors import CourseError

EXPECTED = "expected an address such as postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:////FOLDER/gradebook.db"
INSTALL = "pip install 'mastering-rl[scale]'"


def database_url(address: str) -> str:
    """Return the address as the database library wants it; the driver for PostgreSQL is psycopg.

    Raises
    ------
    CourseError
        If it is no address. The message does not repeat it: it may hold a password.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise CourseError(f"the gradebook's address cannot be read: {EXPECTED}") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def open_gradebook(url: str) -> Gradebook:
    """Open a gradebook, or say why it cannot be reached, without its password."""
    place = make_url(url).render_as_string()
    try:
        return Gradebook(url)
    except NoSuchModuleError:
        raise CourseError(f"no database of the kind {make_url(url).drivername!r} is known: {EXPECTED}") from None
    except ModuleNotFoundError as error:
        raise CourseError(f"the gradebook {place} needs the Python package {error.name}: {INSTALL}") from None
    except DBAPIError as error:
        raise CourseError(
            f"the gradebook {place} cannot be opened: {str(error.orig).strip()}\n"
            "Check that the server runs, and the user, the password and the database in its address."
        ) from None
