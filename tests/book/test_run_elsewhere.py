"""The links of a chapter's header to places where its exercises run without being set up."""

import re
from urllib.parse import unquote

import pytest
from run_elsewhere import GUIDE, repository_of, run_elsewhere

from tests.book.conftest import ROOT


@pytest.mark.parametrize(
    ("site", "repository"),
    [
        ("https://ada.github.io/course/", "ada/course"),
        ("https://ada.github.io/course/v1", "ada/course"),
        ("https://ada.github.io", "ada/ada.github.io"),
        ("https://example.org/course", None),
        ("https://github.io.example.org/course", None),
        ("", None),
        (None, None),
    ],
)
def test_a_repository_is_known_from_its_pages_address_only(site, repository):
    assert repository_of(site) == repository


def test_colab_and_binder_open_the_released_notebook():
    links = dict(
        re.findall(r'<a href="([^"]+)">([^<]+)</a>', run_elsewhere("https://ada.github.io/course", "mdp", "../"))
    )
    by_name = {name: unquote(address) for address, name in links.items()}
    assert by_name["Colab"].endswith("/github/ada/course/blob/gh-pages/exercises/mdp/mdp.ipynb")
    assert by_name["Binder"].endswith("/v2/gh/ada/course/main?urlpath=lab/tree/book/exercises/mdp/mdp.ipynb")
    assert by_name["container or zip"] == f"../{GUIDE}"


def test_without_an_address_only_the_guide_is_linked():
    assert run_elsewhere("", "mdp", "../") == f'<a href="../{GUIDE}">container or zip</a>'


def test_the_guide_has_the_section_that_is_linked():
    text = (ROOT / "book" / "guide" / "student.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (.+)$", text, re.M)
    assert GUIDE.split("#")[1] in [title.lower().replace(" ", "-") for title in titles]
