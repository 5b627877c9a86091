"""The repairs of finished pages do what their reasons say, and nothing else."""

from __future__ import annotations

from page_repairs import REPAIRS


def repaired(text: str) -> str:
    for pattern, replacement in REPAIRS:
        text = pattern.sub(replacement, text)
    return text


def test_a_link_in_the_title_of_a_folded_answer_becomes_its_words_and_the_answer_keeps_its_links() -> None:
    title = (
        '<summary class="sd-summary-title sd-card-header"><span>See <a class="x" href="#y"><b>Figure 1</b></a>?</span>'
    )
    answer = '<div><p>Yes, <a href="#z">there</a>.</p></div>'
    expected = '<summary class="sd-summary-title sd-card-header"><span>See <b>Figure 1</b>?</span></summary>'
    assert repaired(f"<details>{title}</summary>{answer}</details>") == f"<details>{expected}{answer}</details>"


def test_code_that_scrolls_can_be_reached_with_the_keyboard() -> None:
    assert (
        repaired('<div class="highlight"><pre>x</pre></div>')
        == '<div class="highlight"><pre tabindex="0">x</pre></div>'
    )


def test_code_in_a_table_breaks_between_its_words_and_code_elsewhere_is_left_alone() -> None:
    code = '<code><span class="pre">--by_hand</span> <span class="pre">a.py</span></code>'
    broken = '<code><span class="pre">--by_<wbr>hand</span> <span class="pre">a.<wbr>py</span></code>'
    assert repaired(f"<td><p>{code}</p></td><p>{code}</p>") == f"<td><p>{broken}</p></td><p>{code}</p>"
