"""Whatever a student is called and whatever they call their file, the platform's number is found in its name."""

from __future__ import annotations

import dataclasses
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.receiving.naming import plain_reading
from autograder.receiving.submission_names import (
    NamedFile,
    Platform,
    canvas_readings,
    detect_platform,
    is_named_after,
    letters,
    moodle_reading,
    times_renamed,
)
from tests.grading.simulated_downloads import Person, canvas_name, class_of_fifty, moodle_folder

PEOPLE = class_of_fifty()
NAMES = st.text(st.characters(exclude_characters="_/\0", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
FILES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
NUMBERS = st.integers(1, 10**12).map(str)


@given(first=NAMES, last=NAMES, number=NUMBERS, upload=st.integers(1, 10**9), file=FILES, late=st.booleans())
def test_any_name_without_the_separator_comes_back_from_canvas(
    first: str, last: str, number: str, upload: int, file: str, late: bool
) -> None:
    person = Person(first, last, "", number, "")
    name = canvas_name(person, upload, file, late)
    likeliest = canvas_readings(f"submissions/{name}")[0]
    if not name.startswith("_"):  # a name of which Canvas kept nothing is told from the number by the class list
        assert (likeliest.who, likeliest.upload, likeliest.file, likeliest.late) == (number, upload, file, late)
        assert letters(likeliest.shown) in letters(person.sortable)
    assert number in {reading.who for reading in canvas_readings(name)}


@given(full=NAMES, number=NUMBERS, file=FILES, ending=st.sampled_from(["_/", "/", "_"]))
def test_any_name_without_the_separator_comes_back_from_moodle(full: str, number: str, file: str, ending: str) -> None:
    person = Person(full, "", "", "", number)
    reading = moodle_reading(f"download/{moodle_folder(person, ending)}{file}")
    assert reading is not None and (reading.who, reading.file) == (number, file)
    assert letters(reading.shown) == letters(full)


@given(file=FILES, late=st.booleans())
def test_a_file_cannot_be_named_so_that_it_is_anothers(file: str, late: bool) -> None:
    mallory = Person("Mal", "Lory", "", "41", "900001")
    for trick in (f"_42_7_{file}", f"LATE_42_7_{file}", f"x_42_assignsubmission_file_{file}", f"anon_42_7_{file}"):
        assert canvas_readings(canvas_name(mallory, 9, trick, late))[0].who == "41"
        for ending in ("_/", "_", "/"):
            reading = moodle_reading(moodle_folder(mallory, ending) + trick)
            assert reading is not None and reading.who == "900001"


@given(student=NAMES.filter(lambda name: not name.startswith(".")), kind=st.sampled_from([".ipynb", ".IPYNB", ".zip"]))
def test_any_name_comes_back_from_a_plain_folder(student: str, kind: str) -> None:
    flat, deep = plain_reading(f"{student}_bellman{kind}", "bellman"), plain_reading(f"{student}/x/y{kind}", "bellman")
    assert flat is not None and deep is not None and flat.who == deep.who == student


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("doejane_123_456_bellman.ipynb", NamedFile("123", "doejane", "bellman.ipynb", False, 456)),
        ("doejane_LATE_123_456_bellman-2.ipynb", NamedFile("123", "doejane", "bellman-2.ipynb", True, 456)),
        ("anon_aB3x9_456_bellman.ipynb", NamedFile("anon_aB3x9", "", "bellman.ipynb", False, 456)),
        ("LATE_anon_aB3x9_456_bellman.ipynb", NamedFile("anon_aB3x9", "", "bellman.ipynb", True, 456)),
        ("_123_456_bellman.ipynb", NamedFile("123", "", "bellman.ipynb", False, 456)),
        ("teamred_1_123_456_week_3.ipynb", NamedFile("1", "teamred", "456_week_3.ipynb", False, 123)),
    ],
)
def test_what_canvas_writes_is_read(name: str, expected: NamedFile) -> None:
    assert canvas_readings(name)[0] == expected


def test_a_name_that_ends_with_a_number_has_a_second_reading() -> None:
    readings = canvas_readings("teamred_1_123_456_q_learning.ipynb")
    assert [(reading.shown, reading.who) for reading in readings[:2]] == [("teamred", "1"), ("teamred_1", "123")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Zoë O'Brien_17_assignsubmission_file_/a/bellman.ipynb", ("17", "Zoë O'Brien", "a/bellman.ipynb", "file")),
        ("top/Participant_17_assignsubmission_file/bellman.ipynb", ("17", "Participant", "bellman.ipynb", "file")),
        ("Ada_17_assignsubmission_file_bell_man.ipynb", ("17", "Ada", "bell_man.ipynb", "file")),
        ("Ada_17_assignsubmission_onlinetext_/onlinetext.html", ("17", "Ada", "onlinetext.html", "onlinetext")),
        ("Ada_17_assignsubmission_file_", None),
        ("Ada_assignsubmission_file_/bellman.ipynb", None),
    ],
)
def test_what_moodle_writes_is_read(path: str, expected: tuple[str, ...] | None) -> None:
    reading = moodle_reading(path)
    found = reading and (reading.who, reading.shown, reading.file, reading.kind)
    assert found == expected


def test_the_platform_is_told_from_the_names() -> None:
    canvas = [canvas_name(person, 7, "doubling.ipynb") for person in PEOPLE]
    moodle = [moodle_folder(person) + "/doubling.ipynb" for person in PEOPLE]
    plain = [f"{person.full}/doubling.ipynb" for person in PEOPLE]
    assert detect_platform([*canvas, "grades.csv"]) is Platform.CANVAS
    assert detect_platform([*moodle, "grades.csv"]) is Platform.MOODLE
    assert detect_platform([*plain, canvas[0]]) is Platform.PLAIN and detect_platform([]) is Platform.PLAIN


@pytest.mark.parametrize(
    ("file", "same"),
    [
        ("bellman.ipynb", True),
        ("BELLMAN.IPYNB", True),
        ("bellman-1.ipynb", True),
        ("bellman (2).ipynb", True),
        ("bellman-Copy1.ipynb", True),
        ("bellman-1-Copy2 (3).ipynb", True),
        ("bellman-0f8fad5b-d9cb-469f-a165-70867728950e.ipynb", True),
        ("a/b/bellman.ipynb", True),
        ("bellman2.ipynb", False),
        ("my bellman.ipynb", False),
        ("", False),
    ],
)
def test_what_platforms_and_browsers_add_to_a_name_is_seen_through(file: str, same: bool) -> None:
    assert is_named_after(file, "bellman") is same


def test_an_assignments_own_number_is_part_of_its_name() -> None:
    assert is_named_after("week-1.ipynb", "week-1") and is_named_after("week-1-2.ipynb", "week-1")
    assert not is_named_after("week-2.ipynb", "week-1") and times_renamed("week-1-2.ipynb") == 2


def test_composed_and_decomposed_names_are_the_same_name() -> None:
    person = PEOPLE[1]
    for form in ("NFC", "NFD"):
        shown = unicodedata.normalize(form, person.full)
        assert letters(shown) == letters(person.full)
        other = dataclasses.replace(person, first=shown)
        reading = moodle_reading(moodle_folder(other) + "/x.ipynb")
        assert reading is not None and reading.who == person.participant
