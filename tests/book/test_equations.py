"""Each equation that the book binds to code says what the code computes."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import bound_equations
import numpy as np
import pytest
import torch
from bound_equations import Formula, Transcription, formulas, latex_hash, other_labels
from rlkit_sources import resolve_name

from tests.book.conftest import ROOT

BOOK = ROOT / "book"
RANDOM_INPUTS = 25
MADE = {"_build", "exercises", "solutions"}  # folders that a build or a release writes
PAGES = sorted(path for path in BOOK.rglob("*.md") if not MADE & set(path.relative_to(BOOK).parts))


def transcriptions_of(page: Path) -> dict[str, Transcription]:
    """Load the transcriptions that stand beside a page."""
    path = page.with_name(f"{page.stem.replace('-', '_')}_equations.py")
    path = path if path.is_file() else page.with_name(f"{page.stem}_equations.py")
    if not path.is_file():
        return {}
    bound_equations.registry.clear()
    spec = importlib.util.spec_from_file_location(f"equations_of_{page.stem.replace('-', '_')}", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    labels = [entry.label for entry in bound_equations.registry]
    assert len(labels) == len(set(labels)), f"{path.name} transcribes a formula twice: {labels}"
    return {entry.label: entry for entry in bound_equations.registry}


BOUND = [(page, formula) for page in PAGES for formula in formulas(page.read_text(encoding="utf-8"))]
NAMES = [f"{page.stem}:{formula.label}" for page, formula in BOUND]


@pytest.mark.parametrize(("page", "formula"), BOUND, ids=NAMES)
def test_the_transcription_was_read_from_the_formula_as_it_stands(page: Path, formula: Formula) -> None:
    assert resolve_name(formula.function), f"{page.name}: rlkit has no {formula.function}"
    transcription = transcriptions_of(page).get(formula.label)
    assert transcription, f"{page.name}: {formula.label} has no transcription in the _equations.py beside it"
    assert transcription.function == formula.function
    assert transcription.latex == formula.hash, (
        f"{page.name}: the LaTeX of {formula.label} has changed since it was transcribed. Read both again, then put "
        f'latex="{formula.hash}" into the _equations.py beside it.'
    )


@pytest.mark.parametrize(("page", "formula"), BOUND, ids=NAMES)
def test_the_formula_and_its_function_agree_on_random_inputs(page: Path, formula: Formula) -> None:
    transcription = transcriptions_of(page)[formula.label]
    with counted_calls(formula.function) as calls:
        by_seed = [list(transcription.pairs(np.random.default_rng(seed))) for seed in range(RANDOM_INPUTS)]
    assert calls() >= RANDOM_INPUTS, f"{formula.label}: the transcription does not call {formula.function}"
    assert all(by_seed), f"{formula.label}: the transcription yields no pair"
    for expected, actual in (pair for pairs in by_seed for pair in pairs):
        np.testing.assert_allclose(as_array(actual), as_array(expected), rtol=1e-9, atol=1e-12, err_msg=formula.label)
    different = {as_array(pairs[0][0]).tobytes() for pairs in by_seed}
    assert len(different) > 1, f"{formula.label}: the same numbers whatever the random generator"


def as_array(value: object) -> np.ndarray:
    """Return numbers as float64."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


@contextlib.contextmanager
def counted_calls(name: str) -> Iterator[Callable[[], int]]:
    """Count how often a function, method or class of rlkit is called, wherever it was imported to."""
    definition = resolve_name(name)
    target = importlib.import_module(definition.module)
    for part in name.removeprefix(f"{definition.module}.").split("."):
        target = getattr(target, part)
    code = (target.__init__ if isinstance(target, type) else target).__code__
    count = 0

    def profile(frame: types.FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code is code

    sys.setprofile(profile)
    try:
        yield lambda: count
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_labelled_equation_is_bound_or_a_step_or_a_definition(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert all(formula.label.startswith("eq-") for formula in formulas(text)), [f.label for f in formulas(text)]
    loose = [label for label in other_labels(text) if not label.startswith(("step-", "def-"))]
    assert not loose, f"{page.name}: bind these to code with a formula, or name them step-… or def-…: {loose}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_transcription_is_left_without_its_formula(page: Path) -> None:
    labels = {formula.label for formula in formulas(page.read_text(encoding="utf-8"))}
    assert set(transcriptions_of(page)) <= labels


def test_spacing_does_not_change_the_hash_but_a_sign_does() -> None:
    assert latex_hash(r"a + \gamma\, b") == latex_hash("a +\n \\gamma b") != latex_hash(r"a - \gamma\, b")


def test_a_formula_is_found_with_its_options() -> None:
    page = "text\n```{formula} eq-x\n:function: rlkit.returns.discounted_return\n\nG = r\n```\n$$ y $$ (def-y)\n"
    assert formulas(page) == [Formula("eq-x", "rlkit.returns.discounted_return", "G = r")]
    assert other_labels(page) == ["def-y"]
