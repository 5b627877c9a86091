"""An agent that answers questions from an archive, and keeps what it found for later questions.

A session has several questions about one archive of notes in a full-text index: ``city boss ann`` asks for the city
of ann's boss, so two facts are needed. Every question opens a *fresh context*: the conversation so far is gone, and
only the knowledge base stays, into which ``NOTE`` files the last fact that was found. Searching is dear, recalling is
cheap.
"""

from __future__ import annotations

import random
import sqlite3
from typing import ClassVar

from rlkit.agents.text_environment import CommandError, TextEnvironment, Tool, arguments

PEOPLE = ("ann", "bob", "cy", "dan", "eve", "flo", "gus", "hal")
CITIES = ("rome", "oslo", "lima", "bonn", "kiev", "riga", "baku", "doha")
LANGUAGES = ("thai", "urdu", "welsh", "dutch", "finn", "malay", "czech", "tamil")
RELATIONS = ("boss", "city", "lang")
PHRASES = ("since monday", "according to the archive", "as the memo says", "in the spring report")


class ResearchAgent(TextEnvironment):
    """Search, read, note and recall; see the module's docstring.

    Parameters
    ----------
    num_questions : int
        Questions in a session.
    num_people : int
        People that the questions are about: the fewer, the more a note is worth.
    """

    TOOLS: ClassVar[dict[str, Tool]] = {
        "FIND": Tool(0.30, 5.0),
        "RECALL": Tool(0.02, 0.5),
        "NOTE": Tool(0.02, 0.5),
        "ANSWER": Tool(0.0, 0.0),
    }
    WORDS: ClassVar[tuple[str, ...]] = (
        "FIND", "RECALL", "NOTE", "ANSWER", "ERR", "command", "arguments", "nothing", "none", "done",
        *RELATIONS, *PEOPLE, *CITIES, *LANGUAGES,
    )  # fmt: skip
    TURNS_PER_QUESTION: ClassVar[int] = 8

    def __init__(self, num_questions: int = 6, num_people: int = 2, **options) -> None:
        super().__init__(max_turns=num_questions * self.TURNS_PER_QUESTION, **options)
        self.num_questions, self.num_people = num_questions, num_people
        self.database = sqlite3.connect(":memory:")

    def begin(self) -> str:
        """Write an archive and draw the questions."""
        chance = self.random
        self.database.close()
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        self.database.execute("CREATE VIRTUAL TABLE archive USING fts5(body)")
        self.database.execute(
            "CREATE TABLE knowledge(subject TEXT, relation TEXT, value TEXT, PRIMARY KEY(subject, relation))"
        )
        staff = chance.sample(PEOPLE, len(PEOPLE))
        chiefs, others = staff[:2], staff[2:]
        self.facts: dict[tuple[str, str], str] = {}
        for person in PEOPLE:
            self.facts[person, "boss"] = chance.choice([chief for chief in chiefs if chief != person])
            self.facts[person, "city"], self.facts[person, "lang"] = chance.choice(CITIES), chance.choice(LANGUAGES)
        notes = [
            (f"{chance.choice(PHRASES)} {person} {relation} {value} {chance.choice(PHRASES)}",)
            for (person, relation), value in self.facts.items()
        ]
        chance.shuffle(notes)
        self.database.executemany("INSERT INTO archive VALUES (?)", notes)
        asked = chance.sample(others, self.num_people)
        self.questions = [(chance.choice(("city", "lang")), chance.choice(asked)) for _ in range(self.num_questions)]
        self.number, self.turns_here, self.spent = 0, 0, 0.0
        self.found: tuple[str, ...] | None = None
        self.info |= {"searches": 0.0, "notes": 0.0, "recalls": 0.0, "hits": 0.0}
        return self._question()

    def _question(self) -> str:
        relation, person = self.questions[self.number]
        return f"{relation} boss {person}"

    def step(self, action: str):
        """Carry out a command; a question also ends, wrongly, when its turns are used up."""
        self.turns_here += 1
        number = self.number
        observation, reward, terminated, truncated, info = super().step(action)
        if self.turns_here >= self.TURNS_PER_QUESTION and self.number == number and not terminated:
            observation, self.spent = self._next_question(), 0.0
            info |= {"fresh_context": self.fresh_context}
            terminated = self.finished
            self.history, self.opening = [], observation
        return observation, reward, terminated, truncated, info

    def _next_question(self) -> str:
        self.number, self.turns_here, self.found = self.number + 1, 0, None
        if self.number == self.num_questions:
            self.finished = True
            return "done"
        self.fresh_context = True
        return self._question()

    def tool_find(self, text: str) -> str:
        """Search the archive for one or two words; the best note's middle is shown."""
        words = text.split()
        if not 1 <= len(words) <= 2 or not all(word.isalpha() for word in words):
            raise CommandError("arguments")
        row = self.database.execute(
            "SELECT snippet(archive, 0, '', '', '', 3) FROM archive WHERE archive MATCH ? ORDER BY rank LIMIT 1",
            (" AND ".join(f'"{word}"' for word in words),),
        ).fetchone()
        self.info["searches"] += 1 / self.num_questions
        fact = tuple(row[0].split()) if row else ()
        if len(fact) != 3 or self.facts.get(fact[:2]) != fact[2]:
            return "none"
        self.found = fact
        return " ".join(fact)

    def tool_recall(self, text: str) -> str:
        """Look a fact up in the knowledge base."""
        subject, relation = arguments(text, None, RELATIONS)
        row = self.database.execute(
            "SELECT value FROM knowledge WHERE subject = ? AND relation = ?", (subject, relation)
        ).fetchone()
        self.info["recalls"] += 1 / self.num_questions
        self.info["hits"] += (row is not None) / self.num_questions
        return f"{subject} {relation} {row[0]}" if row else "none"

    def tool_note(self, text: str) -> str:
        """File the last fact that was found."""
        arguments(text)
        if self.found is None:
            raise CommandError("nothing")
        self.database.execute("INSERT OR REPLACE INTO knowledge VALUES (?, ?, ?)", self.found)
        self.info["notes"] += 1 / self.num_questions
        return " ".join(self.found)

    def tool_answer(self, text: str) -> str:
        """Answer the question; the next one opens a fresh context."""
        (answer,) = arguments(text, None)
        relation, person = self.questions[self.number]
        right = answer == self.facts[self.facts[person, "boss"], relation]
        self.info["success"] += right / self.num_questions
        return self._next_question()

    def _reward(self, gained: float, tool: Tool) -> float:
        """A right answer pays 1 less the price of this question's tools; a question that fails costs nothing."""
        self.spent += tool.price
        reward = gained * self.num_questions * (1 - self.price * self.spent)
        if self.turns_here == 0:  # the question has ended
            self.spent = 0.0
        return reward - self.unsafe_price * tool.unsafe

    def anchor(self) -> str:
        """Return the number of the question: what all sessions of a group have in common."""
        return str(self.number)

    # Scripted policies ------------------------------------------------------------------------------------------

    def _needed(self) -> tuple[tuple[str, str], str | None]:
        """Return the fact that is needed next, and its value if it stands in this context."""
        relation, person = self.questions[self.number]
        known = {tuple(seen.split()[:2]): seen.split()[2] for _, seen in self.history if len(seen.split()) == 3}
        boss = known.get((person, "boss"))
        key = (person, "boss") if boss is None else (boss, relation)
        return key, known.get(key)

    def expert(self, chance: random.Random) -> str:
        """Recall first, search what is not known, note what was found."""
        key, value = self._needed()
        action, seen = self.history[-1] if self.history else ("", "")
        if action.startswith("FIND") and seen != "none":
            return "NOTE"
        if value is not None:
            return f"ANSWER {value}"
        return (
            f"FIND {key[0]} {key[1]}" if action.startswith("RECALL") and seen == "none" else f"RECALL {key[0]} {key[1]}"
        )

    def sloppy(self, chance: random.Random) -> str:
        """Forget the knowledge base, search with too few words, misread what was found."""
        key, value = self._needed()
        relation, _ = self.questions[self.number]
        action, seen = self.history[-1] if self.history else ("", "")
        draw = chance.random
        guess = "ANSWER " + chance.choice(CITIES if relation == "city" else LANGUAGES)
        if draw() < 0.06:
            return guess
        if action.startswith("FIND") and seen != "none" and draw() < 0.5:
            return "NOTE"
        if value is not None:
            return f"ANSWER {value}" if draw() < 0.38 else guess
        if action == f"RECALL {key[0]} {key[1]}" or draw() > 0.5:
            return f"FIND {key[0]} {key[1]}" if draw() < 0.9 else f"FIND {key[0]}"
        return f"RECALL {key[0]} {key[1]}"
