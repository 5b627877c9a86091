"""Make a chapter's cached outputs depend on the rlkit code that it runs.

jupyter-cache knows a notebook by its code cells and its kernel, so a change in rlkit would leave old outputs on
the page. Each chapter therefore gets, when it is read, one more hidden cell at its end. Its comment holds a hash of
the rlkit modules that the chapter imports, directly or through others, of the measurements that its cells name, and of
the pinned versions of what computes and draws; it also prints the peak memory of the run, which the chapter's header
shows.
"""

from __future__ import annotations

import ast
import fnmatch
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import nbformat
from jupyter_cache import get_cache

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "rlkit"
RECORDS = ROOT / "benchmarks" / "results"
RECORD_NAME = re.compile(r"(?=[\w*-]*[a-z]{3})[\w*-]+(\.json)?")
# Packages that a chapter's outputs can depend on; a new version of a spelling checker runs no chapter again.
OUTPUTS_DEPEND_ON = frozenset(
    "gymnasium ipykernel ipython matplotlib matplotlib-inline myst-nb numpy pillow pyarrow tokenizers torch tqdm "
    "transformers".split()
)
CODE_CELL = re.compile(r"^(`{3,}|~{3,})\{code-cell\}[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
PEAK_MEMORY = re.compile(r"peak memory (\d+) MB")

LAST_CELL = """

```{{code-cell}} ipython3
:tags: [remove-cell]

# {fingerprint}: hash of the rlkit modules above and of the pinned versions
import resource
import sys

_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("peak memory", _peak // (2**20 if sys.platform == "darwin" else 2**10), "MB")
```
"""


def benchmark_module(name: str) -> ModuleType:
    """Load a module of benchmarks/, which is no package, so that the book and the measurements share its functions."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


what_runs = benchmark_module("evidence").what_runs


def code_of(chapter: str) -> str:
    """Return the Python code of a chapter's cells, without options and IPython magics."""
    cells = (match.group(2) for match in CODE_CELL.finditer(chapter))
    bodies = (re.sub(r"\A---\n.*?\n---\n", "", cell, flags=re.DOTALL) for cell in cells)
    lines = (line for body in bodies for line in body.splitlines())
    return "\n".join(line for line in lines if not re.match(r"\s*[%!:]", line))


@cache
def imported_modules(code: str, module: str = "") -> frozenset[str]:
    """Return the modules of rlkit that a piece of Python code imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(name for name in names if name.split(".")[0] == PACKAGE)


def module_path(name: str) -> Path | None:
    """Return the file of a module of rlkit, or None where the name is that of a function or class."""
    path = ROOT.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def with_packages(name: str) -> Iterator[str]:
    """Yield a module's name and those of the packages it lies in: importing it runs them all."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        yield ".".join(parts[:length])


def sources_of(chapter: str) -> list[Path]:
    """Return the files of rlkit that running a chapter depends on, in a fixed order."""
    waiting = [part for name in imported_modules(code_of(chapter)) for part in with_packages(name)]
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        path = module_path(name)
        if name in found or path is None:
            continue
        found[name] = path
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        inner = imported_modules(path.read_text(encoding="utf-8"), module=f"{package}.x")
        waiting += [part for inner_name in inner for part in with_packages(inner_name)]
    return [found[name] for name in sorted(found)]


def texts_in(code: str) -> Iterator[str]:
    """Yield the strings of a piece of code; of an f-string that names a file, a star stands for what is put in."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
            if text.endswith(".json"):
                yield text


def records_of(chapter: str) -> list[Path]:
    """Return the measurements that a chapter's cells name, or name by a pattern such as ``bridge-*.json``."""
    patterns = {text.removesuffix(".json") for text in texts_in(code_of(chapter)) if RECORD_NAME.fullmatch(text)}
    known = {path.stem: path for path in sorted(RECORDS.glob("*.json"))}
    named = {stem for pattern in patterns for stem in fnmatch.filter(known, pattern)}
    return [path for stem, path in known.items() if stem in named]


def pinned_versions() -> list[str]:
    """Return the lines of constraints.txt that outputs depend on."""
    path = ROOT / "constraints.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line for line in lines if line.partition("==")[0].strip().lower() in OUTPUTS_DEPEND_ON]


def fingerprint(chapter: str) -> str:
    """Return a hash of what a chapter's outputs depend on beside its own cells."""
    digest = hashlib.sha256()
    for path in [*sources_of(chapter), *records_of(chapter)]:
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(what_runs(path))
    digest.update("\n".join(pinned_versions()).encode())
    return digest.hexdigest()[:16]


def is_notebook(text: str) -> bool:
    """Whether a page has code cells to run."""
    return text.startswith("---") and "format_name: myst" in text.split("\n---", 1)[0] and "{code-cell}" in text


def with_last_cell(chapter: str) -> str:
    """Return a chapter with the hidden cell that carries its fingerprint."""
    return chapter.rstrip() + LAST_CELL.format(fingerprint=fingerprint(chapter))


def add_last_cell(app, docname: str, source: list[str]) -> None:
    """Sphinx event: a page's source has been read."""
    if is_notebook(source[0]):
        for path in [*sources_of(source[0]), *records_of(source[0])]:
            app.env.note_dependency(str(path))
        source[0] = with_last_cell(source[0])


@cache
def executed_notebook(outdir: str, docname: str) -> dict | None:
    """Return a chapter as it was run, with its outputs; None for a page without cells.

    myst-nb leaves the notebook without outputs beside the site's folder when these came from the cache.
    """
    path = Path(outdir).parent / "jupyter_execute" / f"{docname}.ipynb"
    if not path.is_file():
        return None
    notebook = nbformat.read(path, as_version=4)
    try:
        return get_cache(str(Path(outdir).parent / ".jupyter_cache")).merge_match_into_notebook(notebook)[1]
    except KeyError:
        return notebook


def peak_memory(notebook: dict) -> int | None:
    """Return the megabytes that a chapter's kernel held at most, from the output of its last cell."""
    match = PEAK_MEMORY.search("".join(output.get("text", "") for output in notebook["cells"][-1]["outputs"]))
    return int(match.group(1)) if match else None


def setup(app) -> dict[str, bool]:
    """Register the extension."""
    app.connect("source-read", add_last_cell)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
