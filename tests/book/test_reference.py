"""The reference of rlkit: everything public is in it, with a docstring, a true signature and its equations."""

from __future__ import annotations

import ast
import fnmatch
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from api_names import Module, definition_name, definitions, first_lines, parsed, public_modules
from api_reference import equations_by_function, share_contents
from api_text import entry_text, module_text
from bound_equations import formulas
from page_repairs import REPAIRS
from table_of_contents import chapters_in_contents

from tests.book.conftest import ROOT

SAMPLE = '''"""A sample.

More about it.
"""

from dataclasses import dataclass, field

from rlkit.mdp import FiniteMDP
from rlkit.planning import Solution

LIMIT = 3
_hidden = 4


@dataclass(frozen=True)
class Settings:
    """What is set."""

    model: FiniteMDP
    rate: float = 1e-6
    names: list[str] = field(default_factory=list)
    kept: list[str] = field(repr=False)

    @property
    def half(self) -> float:
        """Half the rate."""

    @staticmethod
    def read(path: str) -> "Settings":
        """Read them."""

    def _inner(self) -> None: ...


def solve(model: FiniteMDP, tolerance: float = 1e-6, *, sweeps: int = 1_000) -> Solution | None:
    """Solve it.

    Parameters
    ----------
    model : FiniteMDP
        What is solved.
    """


def _private() -> None: ...
'''


@pytest.fixture
def sample() -> Module:
    return Module("rlkit.sample", Path("rlkit/sample.py"), parsed(SAMPLE))


def test_everything_public_has_a_docstring() -> None:
    silent = [name for name, node in definitions().items() if not ast.get_docstring(node)]
    silent += [name for name, module in public_modules().items() if not module.summary]
    assert len(definitions()) > 500
    assert not silent, f"without docstring: {silent}"


def test_every_module_is_on_the_landing_page_once() -> None:
    page = (ROOT / "book" / "reference.md").read_text(encoding="utf-8")
    patterns = " ".join(re.findall(r"```\{api-modules\}\n(.*?)```", page, re.S)).split()
    matching = {name: [one for one in patterns if fnmatch.fnmatch(name, one)] for name in public_modules()}
    wrong = {name: found for name, found in matching.items() if len(found) != 1}
    assert not wrong, f"modules that book/reference.md does not list exactly once: {wrong}"


def test_every_equation_of_a_chapter_is_shown_at_the_function_that_computes_it() -> None:
    shown = equations_by_function()
    assert set(shown) <= set(definitions()), "a formula names what has no entry"
    for chapter in chapters_in_contents():
        for formula in formulas((ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8")):
            text = "\n".join(shown[formula.function])
            assert f":eq:`{formula.label}` of :doc:`/{chapter}`" in text
            assert formula.latex.splitlines()[0] in text
            written = "\n".join(module_text(public_modules()[formula.function.rpartition(".")[0]], shown))
            entry = written[written.index(f":: {formula.function.rpartition('.')[2]}(") :]
            following = entry.find("\n.. py:", 1)
            assert formula.label in entry[: following if following > 0 else None], formula.label


def test_private_names_have_no_entry(sample: Module) -> None:
    text = "\n".join(module_text(sample, {}))
    assert "_private" not in text and "_inner" not in text and "_hidden" not in text


def test_a_dataclass_is_shown_with_its_fields(sample: Module) -> None:
    text = "\n".join(module_text(sample, {}))
    fields = "model: rlkit.mdp.FiniteMDP, rate: float = 1e-6, names: list[str] = ..., kept: list[str]"
    assert f".. py:class:: Settings({fields})" in text


def test_a_signature_has_no_self_and_links_to_the_classes_of_rlkit(sample: Module) -> None:
    text = "\n".join(module_text(sample, {}))
    assert ".. py:function:: solve(model: rlkit.mdp.FiniteMDP, tolerance: float=1e-6, *, sweeps: int=1_000)" in text
    assert "-> rlkit.planning.Solution | None" in text
    assert ".. py:property:: half\n      :type: float" in text
    assert ".. py:method:: read(path: str) -> 'Settings'\n      :staticmethod:" in text


def test_numpydoc_sections_become_fields(sample: Module) -> None:
    text = "\n".join(module_text(sample, {}))
    assert ":Parameters: **model** (*FiniteMDP*) -- What is solved." in text
    assert "----" not in text


def test_an_equation_stands_in_the_entry_of_its_function(sample: Module) -> None:
    solve = next(node for node in sample.tree.body if getattr(node, "name", "") == "solve")
    lines = entry_text(solve, "rlkit.sample", {}, {"rlkit.sample.solve": ["EQUATION"], "rlkit.sample.other": ["NO"]})
    assert "   EQUATION" in lines and "   NO" not in lines


def test_what_a_package_passes_on_is_found_where_it_is_defined() -> None:
    assert definition_name("rlkit.environments.CartPole") == "rlkit.environments.cartpole.CartPole"
    assert definition_name("rlkit.planning.Solution") == "rlkit.planning.Solution"
    assert definition_name("rlkit.nothing.There") == "rlkit.nothing.There"


def test_a_link_to_the_source_leads_to_the_line_of_the_definition() -> None:
    module = public_modules()["rlkit.planning"]
    lines = module.path.read_text(encoding="utf-8").splitlines()
    found = first_lines(module)
    assert lines[found["rlkit.planning.value_iteration"] - 1].startswith("def value_iteration(")
    assert lines[found["rlkit.planning.Solution"] - 1].startswith("@dataclass")


def test_the_parameters_of_a_long_signature_are_no_list_of_definitions() -> None:
    repaired = (
        '<dt>f(<dl>\n<dd><em class="sig-param">a</em>,</dd>\n<dd><em class="sig-param">b</em>,</dd>\n</dl>\n)</dt>'
    )
    for pattern, replacement in REPAIRS:
        repaired = pattern.sub(replacement, repaired)
    assert "<dd>" not in repaired and "<dl>" not in repaired and repaired.count("</div>") == 3
    ordinary = "<dl>\n<dt>term</dt>\n<dd>meaning</dd>\n</dl>"
    for pattern, replacement in REPAIRS:
        assert pattern.sub(replacement, ordinary) == ordinary


def test_the_contents_are_made_once_a_folder_and_for_each_chapter_anew() -> None:
    app, asked = SimpleNamespace(contents_of_folders={}), []

    def contents_of(page: str, **options) -> str:
        def make(**given) -> str:
            asked.append(page)
            return f"contents in {page.rpartition('/')[0]} {given}"

        context = {"toctree": make}
        share_contents(app, page, "page.html", context, None)
        return context["toctree"](**options)

    assert contents_of("api/rlkit.mdp", depth=1) == contents_of("api/rlkit.dpo", depth=1)
    assert contents_of("api/rlkit.dpo", depth=2) != contents_of("code/rlkit.dpo", depth=2)
    contents_of("algorithms/ppo"), contents_of("algorithms/reinforce")
    assert asked == ["api/rlkit.mdp", "api/rlkit.dpo", "code/rlkit.dpo", "algorithms/ppo", "algorithms/reinforce"]
