"""Words are spelt right, in British English, and an idea has one name.

A word that the dictionary does not know stands in words.txt, sorted; it got there after someone had looked at it. An
entry in small letters covers the word in any case, one with capitals is that name only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import codespell_lib
from spellchecker import SpellChecker

from tests.book.conftest import ROOT
from tests.book.prose import Line, course_prose, docstrings, prose_of_markdown

WORDS = Path(__file__).with_name("words.txt")
WORD = re.compile(r"(?<![\w./@\\^-])[^\W\d_]+(?:['’][^\W\d_]+)?(?![\w@\\]|[./]\w|\()")
# American in codespell's list, and British as well: nouns, and words of another meaning.
BRITISH_TOO = {"biased", "practice", "practices", "program", "programs", "stories", "story"}
PROPER = re.compile(r"generalized advantage", re.I)  # its name in the literature, and in rlkit

# What is not said, and what is said for it: an idea has one name, as in the glossary and the notation.
TERMS = {
    r"discount (factor|rate)s?": "discount",
    r"step[- ]size parameters?": "step size",
    r"roll-?outs?": "episode, or trajectory",
    r"time limits?": "step limit",
    r"log[- ]?probs?|logprobs?|log probabilit(y|ies)": "log-probability",
    r"log ratios?": "log-ratio",
    r"(off|on) policy (learn|method|data|update)\w*": "off-policy, on-policy",
    r"preference models?|reward networks?": "reward model",
    r"replay memor(y|ies)": "replay buffer",
    r"state[- ]action values?|Q[- ]functions?": "action values",
    r"(state[- ])?value functions?": "values",
    r"grid[- ]worlds?": "gridworld",
    r"mini[- ]batch(es)?": "minibatch",
    r"datasets?": "data set",
    r"fine ?tun\w+": "fine-tuning",
    r"hyper-parameters?": "hyperparameter",
    r"sup(remum)?[- ]norm|infinity[- ]norm|max[- ]norm": "maximum norm",
    r"KL[- ]divergence": "Kullback–Leibler divergence, or KL",
    r"look[- ]ahead": "lookahead",
    r"cumulative rewards?|total discounted rewards?": "return",
    r"responses?": "answer",
    r"behaviou?r polic(y|ies)": "the policy that acts",
    r"tokenizers?": "tokeniser",
    r"web site": "website",
    r"e-mail": "email",
    r"simply|obviously|trivially|of course": "no word for it",
}
QUOTED = re.compile(r"[\"“”*]$")  # another's word, when it is named as such


@cache
def prose() -> list[Line]:
    return [*course_prose(), *docstrings()]


@cache
def known() -> tuple[frozenset[str], frozenset[str]]:
    """Return the words of words.txt: names with capitals, and the others."""
    words = WORDS.read_text(encoding="utf-8").split()
    return frozenset(word for word in words if word != word.lower()), frozenset(words)


def unknown_words(text: str, dictionary: SpellChecker) -> list[str]:
    """Words that neither the dictionary nor words.txt has; a plural or a genitive of a known name is known."""
    names, words = known()
    found = []
    for word in WORD.findall(text):
        plain = re.sub(r"['’]s?$", "", word)
        singular = plain[:-1] if plain.endswith("s") and plain[:-1].isupper() else plain
        if (
            len(plain) == 1
            or not re.fullmatch(r"[A-Za-zÀ-ž]+", plain)
            or {plain, singular} & names
            or plain.lower() in words
        ):
            continue
        if word.lower().replace("’", "'") not in dictionary.word_frequency and plain.lower() not in dictionary:
            found.append(word)
    return found


@cache
def dictionary() -> SpellChecker:
    return SpellChecker(language="en", distance=1)


@cache
def american() -> dict[str, str]:
    """American spellings and their British ones, from codespell's list, without words that are both."""
    lines = (Path(codespell_lib.__file__).parent / "data" / "dictionary_en-GB_to_en-US.txt").read_text().splitlines()
    pairs = [(new.strip(), old) for old, _, news in (line.partition("->") for line in lines) for new in news.split(",")]
    return {new: old for new, old in pairs if new}


def test_every_word_is_in_the_dictionary_or_has_been_looked_at() -> None:
    found = {f"{line.place}: {word}" for line in prose() for word in unknown_words(line.text, dictionary())}
    assert not found, "misspelt, or new words for tests/book/words.txt:\n" + "\n".join(sorted(found))


def test_the_project_s_words_are_sorted_each_is_used_and_none_is_in_the_dictionary() -> None:
    words = WORDS.read_text(encoding="utf-8").split()
    assert words == sorted(set(words), key=lambda word: (word.lower(), word))
    used = {re.sub(r"['’]s?$", "", word) for line in prose() for word in WORD.findall(line.text)}
    used |= {word[:-1] for word in used if word.endswith("s") and word[:-1].isupper()}
    lower = {word.lower() for word in used}
    idle = [word for word in words if word not in used and not (word == word.lower() and word in lower)]
    assert not idle, f"not used any more: {idle}"
    assert not [word for word in words if word in dictionary()], "the dictionary has these already"


def test_spelling_is_british() -> None:
    found = [
        f"{line.place}: {word}, expected {american()[plain]}"
        for line in prose()
        for word in WORD.findall(PROPER.sub(" ", line.text))
        if (plain := re.sub(r"['’]s?$", "", word.lower())) in american() and plain not in BRITISH_TOO
    ]
    assert not found, "\n".join(found)


def test_common_typing_mistakes_are_not_made() -> None:
    lines = [" ".join(WORD.findall(line.text)) for line in prose()]
    command = [sys.executable, "-m", "codespell_lib", "--ignore-words", str(WORDS), "-"]
    told = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    assert told.stderr == ""
    found = [re.match(r"(\d+): (.+)", line) for line in told.stdout.splitlines()]
    assert not any(found), "\n".join(f"{prose()[int(one[1]) - 1].place}: {one[2]}" for one in found if one)


def test_an_idea_has_one_name() -> None:
    found = [
        f"{line.place}: {match.group()!r}, say {term}"
        for line in course_prose()
        for pattern, term in TERMS.items()
        for match in re.finditer(rf"\b(?:{pattern})\b", line.text, re.I)
        if not QUOTED.search(line.text[: match.start()])
    ]
    assert not found, "\n".join(found)


def test_a_mistake_of_each_kind_would_be_found() -> None:
    page = "# Title\n\nA polciy has `no_such_nmae` and $vlaue$; see {ref}`sec-nmaes` and [teh link](nmae.md).\n"
    page += "\n```{code-cell}\nvlaues = 1\n```\n\n:::{admonition} Anser\nIt lerans.\n:::\n"
    words = [word for line in prose_of_markdown(page, "page") for word in unknown_words(line.text, dictionary())]
    assert words == ["polciy", "teh", "Anser", "lerans"]
    assert american()["optimizer"] == "optimiser" and ROOT.is_dir()
