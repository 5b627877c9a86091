"""The rules of the architecture: who may import whom, and files short enough to read."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    path.relative_to(ROOT) for package in ("rlkit", "autograder") for path in (ROOT / package).rglob("*.py")
)
MODULES = [path for path in MODULES if "course" not in path.parts[1:-1]]
LONGEST_MODULE = 250
BRIDGES = [path for path in MODULES if path.parts[:2] == ("rlkit", "bridges")]
PLUGINS = [path for path in BRIDGES if "plugins" in path.parts]  # frameworks import these by themselves
LONGEST_BRIDGE = 120
SHARED_BY_BRIDGES = ("episodes.py", "local_model.py", "openai_requests.py", "server.py")
FRAMEWORKS = {"trl", "swift", "verl", "art", "agentlightning"}
THEIR_PARTS = {
    "datasets",
    "hydra",
    "pyarrow",
    "accelerate",
    "peft",
    "openai",
    "starlette",
    "uvicorn",
    "yaml",
    "omegaconf",
    "ray",
}


def imported_names(path):
    """Every dotted name that a file imports, at any depth."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] == "rlkit"], ids=str)
def test_rlkit_imports_neither_the_autograder_nor_the_book(path):
    forbidden = {"autograder", "book", "solutions", "tests", "benchmarks"}
    assert not {name for name in imported_names(path) if name.split(".")[0] in forbidden}


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] == "rlkit"], ids=str)
def test_rlkit_needs_only_its_own_dependencies(path):
    allowed = {"rlkit", "torch", "numpy", "gymnasium", "transformers", "tokenizers", "matplotlib", "cycler", "tqdm"}
    allowed |= {"pyarrow"} if path.name == "episode_log.py" else set()  # the extra "agents", for the export alone
    allowed |= FRAMEWORKS | THEIR_PARTS if path in BRIDGES else set()
    assert {name.split(".")[0] for name in imported_names(path)} <= allowed | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", [path for path in BRIDGES if path not in PLUGINS], ids=str)
def test_a_bridge_imports_its_framework_only_when_it_is_called(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(part) for node in functions for part in ast.walk(node)}
    named = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in inside
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [part.name for part in node.names])
    }
    assert not {name.split(".")[0] for name in named} & (FRAMEWORKS | THEIR_PARTS)


ADAPTERS = [path for path in BRIDGES if len(path.parts) == 3 and path.name not in SHARED_BY_BRIDGES]


@pytest.mark.parametrize("path", ADAPTERS, ids=str)
def test_a_bridge_is_short(path):
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) < LONGEST_BRIDGE


def test_importing_rlkit_loads_neither_transformers_nor_matplotlib():
    ours = [path for path in MODULES if path.parts[0] == "rlkit" and path not in PLUGINS]
    light = [".".join(path.with_suffix("").parts) for path in ours]
    pictures = ("rlkit.plotting", "rlkit.agents.figures")
    light = [name.removesuffix(".__init__") for name in light if name not in pictures]
    code = f"import sys, importlib; [importlib.import_module(name) for name in {light!r}]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "rlkit.planning" in loaded and "transformers" not in loaded and "matplotlib" not in loaded


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_can_be_read_in_one_go(path):
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) < LONGEST_MODULE


def test_the_book_imports_no_solution():
    pages = [*(ROOT / "book").rglob("*.md"), *(ROOT / "book").rglob("*_equations.py")]
    offenders = [
        page.relative_to(ROOT)
        for page in pages
        if not {"_build", "solutions"} & set(page.relative_to(ROOT).parts)
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from ")) and line.split()[1].split(".")[0] in {"solutions", "autograder"}
    ]
    assert offenders == []
