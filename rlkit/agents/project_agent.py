"""An agent that turns one line of intent into a small project of several files, and runs and mends it.

``b prints 3 main calls b 2`` asks for a module ``b`` that prints 3 and a ``main`` that calls it twice; ``some``
stands for a number that was left open, and only a question (``ASK``) can find out which was meant. Some projects
already hold a file that is out of date, or a start-up file that imports a module that is not there. A question that
was not needed costs as much as one that was. Prices are paid out of a success: were failures charged, giving up at
once would be the best policy.
"""

from __future__ import annotations

import random
from typing import ClassVar

from rlkit.agents.programs import run_program
from rlkit.agents.text_environment import CommandError, TextEnvironment, Tool, arguments

MODULES, EXTRAS = ("a", "b", "c"), ("x", "y", "z")
FILES = (*MODULES, *EXTRAS, "main")
DIGITS = tuple("123456789")


def source(words: list[str]) -> str:
    """Python for ``print 3``, ``call b 2`` or ``pass``."""
    if len(words) == 2 and words[0] == "print" and words[1] in DIGITS:
        return f"def run():\n    print({words[1]})\n"
    if len(words) == 3 and words[0] == "call" and words[1] in MODULES + EXTRAS and words[2] in DIGITS:
        return f"import {words[1]}\n\nfor _ in range({words[2]}):\n    {words[1]}.run()\n".replace("for _", "for k")
    if words == ["pass"]:
        return "pass\n"
    raise CommandError("arguments")


class ProjectAgent(TextEnvironment):
    """Write files, run, read what is missing, ask where the intent is open; see the module's docstring.

    Parameters
    ----------
    open_intent, broken_start, stale_file : float
        Shares of the episodes with a number left open, with a start-up file that imports what is missing, and with an
        old version of the module.
    """

    TOOLS: ClassVar[dict[str, Tool]] = {
        "NEW": Tool(0.02, 4.0),
        "EDIT": Tool(0.02, 4.0),
        "RUN": Tool(0.02, 2.0),
        "ASK": Tool(0.07, 30.0),
        "DONE": Tool(0.02, 0.0),
    }
    WORDS: ClassVar[tuple[str, ...]] = (
        "NEW", "EDIT", "RUN", "ASK", "DONE", "ERR", "command", "arguments", "prints", "main", "calls", "some", "print",
        "call", "pass", "out", "missing", "exists", "absent", "saved", "answer", "clear", "done", "error", "refused",
        "timeout",
        *MODULES, *EXTRAS, *DIGITS,
    )  # fmt: skip
    MAX_TURNS: ClassVar[int] = 11
    ONLY_SUCCESS_PAYS: ClassVar[bool] = True

    def __init__(self, open_intent: float = 0.5, broken_start: float = 0.5, stale_file: float = 0.4, **options) -> None:
        super().__init__(**options)
        self.open_intent, self.broken_start, self.stale_file = open_intent, broken_start, stale_file

    def begin(self) -> str:
        """Draw an intent and what already stands in the project."""
        chance = self.random
        self.module, self.printed, self.times = chance.choice(MODULES), chance.choice(DIGITS), chance.choice("1234")
        self.left_open = chance.choice(("printed", "times")) if chance.random() < self.open_intent else None
        self.files: dict[str, str] = {}
        if chance.random() < self.broken_start:
            self.files["boot"] = f"import {chance.choice(EXTRAS)}\n"
        if chance.random() < self.stale_file:
            self.files[self.module] = source(["print", chance.choice(DIGITS)])
        self.info |= {"needed": float(self.left_open is not None), "asked": 0.0, "wasted": 0.0, "runs": 0.0}
        printed, times = ("some" if self.left_open == name else getattr(self, name) for name in ("printed", "times"))
        return f"{self.module} prints {printed} main calls {self.module} {times}"

    def _run(self) -> tuple[str, tuple[str, ...]]:
        """Run the project: the start-up file first, if there is one."""
        if "main" not in self.files:
            return "missing", ("main",)
        start = ("import boot\n" if "boot" in self.files else "") + "import main\n"
        return run_program({**self.files, "start": start}, "start")

    def _write(self, text: str, exists: bool) -> str:
        words = text.split()
        if len(words) < 2 or words[0] not in FILES:
            raise CommandError("arguments")
        written = text.split(None, 1)[1] + "\n" if "\n" in text else source(words[1:])
        if (words[0] in self.files) != exists:
            return "absent" if exists else "exists"
        self.files[words[0]] = written
        return "saved"

    def tool_new(self, text: str) -> str:
        """Write a file that is not there: a short form, or Python on the lines after the name."""
        return self._write(text, exists=False)

    def tool_edit(self, text: str) -> str:
        """Replace a file that is there."""
        return self._write(text, exists=True)

    def tool_run(self, text: str) -> str:
        """Run the project."""
        arguments(text)
        self.info["runs"] += 1
        kind, lines = self._run()
        return " ".join((kind, *lines[:4]))

    def tool_ask(self, text: str) -> str:
        """Ask what was left open."""
        arguments(text)
        if self.left_open is None:
            self.info["wasted"] = 1.0
            return "clear"
        self.info["asked"] = 1.0
        return f"answer {getattr(self, self.left_open)}"

    def tool_done(self, text: str) -> str:
        """Hand the project over; it is run once more."""
        arguments(text)
        self.finished = True
        kind, lines = self._run()
        self.info["success"] = float(kind == "out" and tuple(lines) == (self.printed,) * int(self.times))
        return "done"

    # Scripted policies ------------------------------------------------------------------------------------------

    def _known(self) -> tuple[str, str, str]:
        """Return module, number and times as far as the conversation tells; ``some`` where it does not."""
        words = self.opening.split()
        printed, times = words[2], words[6]
        for _, seen in self.history:
            if seen.startswith("answer"):
                printed, times = (seen.split()[1] if value == "some" else value for value in (printed, times))
        return words[0], printed, times

    def _saved(self, name: str) -> bool:
        return any(action.split()[1:2] == [name] and seen == "saved" for action, seen in self.history)

    def expert(self, chance: random.Random) -> str:
        """Ask where it must, write, run, add what is missing, hand over."""
        module, printed, times = self._known()
        action, seen = self.history[-1] if self.history else ("", "")
        if "some" in (printed, times):
            return "ASK"
        if seen == "exists":
            return action.replace("NEW", "EDIT")
        if seen.startswith("missing") and seen.split()[1] in EXTRAS:
            return f"NEW {seen.split()[1]} pass"
        if not self._saved(module):
            return f"NEW {module} print {printed}"
        if not self._saved("main"):
            return f"NEW main call {module} {times}"
        return "DONE" if action == "RUN" and seen.startswith("out") else "RUN"

    def sloppy(self, chance: random.Random) -> str:
        """Seldom ask, ship without running, ignore some errors."""
        module, printed, times = self._known()
        action, seen = self.history[-1] if self.history else ("", "")
        draw = chance.random
        if not self.history and draw() < (0.4 if "some" in (printed, times) else 0.1):
            return "ASK"
        if seen == "exists":
            return action.replace("NEW", "EDIT") if draw() < 0.7 else "RUN" if draw() < 0.5 else "DONE"
        if seen.startswith("missing") and seen.split()[1] in EXTRAS:
            return f"NEW {seen.split()[1]} pass" if draw() < 0.65 else "DONE"
        if draw() < 0.06:
            return "DONE"
        printed = chance.choice(DIGITS) if printed == "some" else printed
        times = chance.choice("1234") if times == "some" else times
        tried = any(one.startswith((f"NEW {module}", f"EDIT {module}")) for one, _ in self.history)
        if not self._saved(module) and not tried:
            return f"NEW {module} print {printed}"
        if not self._saved("main"):
            return f"NEW main call {module} {times}"
        if action == "RUN" and seen.startswith("out"):
            return "DONE"
        return "RUN" if draw() < 0.5 else "DONE"
