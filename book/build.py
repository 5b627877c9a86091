"""Build the website: run the chapters that changed, side by side, then write the pages.

    python book/build.py                          the site, into _build/html
    python book/build.py --without-solutions      the same, and nothing in it tells of the exercises' solutions
    python book/build.py --run foundations/mdp    run one chapter and say what it costs
    python book/build.py --serve                  build, then serve on this computer only

Outputs of chapters are kept in _build/.jupyter_cache until their cells, the rlkit modules that they import or the
pinned versions change. A build can be interrupted and started again; it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
OUTPUT = ROOT / "_build"
SITE = OUTPUT / "html"
CACHE = OUTPUT / ".jupyter_cache"
CONTENTS = OUTPUT / "_toc.yml"  # of this build: with solutions, or without
BUILT_FROM = OUTPUT / ".built_from"
CELL_TIMEOUT = 180
sys.path.insert(0, str(BOOK / "_ext"))

from execution_cache import is_notebook, peak_memory, with_last_cell  # noqa: E402
from solution_pages import pages_of_solutions  # noqa: E402
from table_of_contents import pages_in_contents  # noqa: E402

# One thread a kernel, since chapters run side by side; and the kernel of this environment, not one of the user's.
ENVIRONMENT = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "JUPYTER_PREFER_ENV_PATH")}


@contextlib.contextmanager
def only_one_build() -> Iterator[None]:
    """Hold a lock: two builds at once would write over each other."""
    import fcntl

    OUTPUT.mkdir(exist_ok=True)
    with (OUTPUT / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another build is running; waiting for it to end.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_chapter(path: Path):
    """Return a chapter as a notebook exactly as the build reads it, or None where a page has no cells."""
    from myst_nb.core.read import read_myst_markdown_notebook
    from myst_parser.config.main import MdParserConfig

    text = path.read_text(encoding="utf-8")
    if not is_notebook(text):
        return None
    return read_myst_markdown_notebook(with_last_cell(text), config=MdParserConfig(), add_source_map=True, path=path)


def execute(path: Path) -> tuple[Path, object, float, str]:
    """Run a chapter's cells in a fresh kernel.

    Returns
    -------
    tuple
        The path, the notebook with outputs, seconds, and the error's text ("" if every cell ran).
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    from autograder.private_kernel import private_sockets

    os.environ.update(ENVIRONMENT)
    notebook = read_chapter(path)
    start = time.perf_counter()
    with private_sockets() as settings:
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT,
            record_timing=False,  # times in the cells would change the cache's key
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=["--log-level=ERROR"],
            config=settings,
        )
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            return path, notebook, time.perf_counter() - start, str(error)
    return path, notebook, time.perf_counter() - start, ""


def chapters_to_run(pages: list[str]) -> list[Path]:
    """Return the chapters whose outputs are not in the cache."""
    from jupyter_cache import get_cache

    cache = get_cache(str(CACHE))
    waiting = []
    for path in (BOOK / f"{page}.md" for page in pages):
        notebook = read_chapter(path)
        if notebook is not None:
            try:
                cache.match_cache_notebook(notebook)
            except KeyError:
                waiting.append(path)
    return waiting


def run_chapters(waiting: list[Path]) -> bool:
    """Run chapters, as many at a time as there are processors, and keep their outputs."""
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    if not waiting:
        return True
    print(f"Running {len(waiting)} chapter{'s' if len(waiting) > 1 else ''}:", flush=True)
    cache = get_cache(str(CACHE))
    succeeded = True
    workers = max(1, min(len(waiting), os.cpu_count() or 1))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(execute, path) for path in waiting]
        for number, future in enumerate(as_completed(running), start=1):
            path, notebook, seconds, error = future.result()
            name = path.relative_to(BOOK).with_suffix("")
            print(f"  {number}/{len(waiting)}  {name}  {seconds:.0f} s{'  FAILED' if error else ''}", flush=True)
            if error:
                print(error, file=sys.stderr)
                succeeded = False
            else:
                bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return succeeded


def hash_of_inputs() -> str:
    """Return a hash of every file that the pages are made from."""
    patterns = ("_config.yml", "constraints.txt", "book/**/*", "rlkit/**/*.py", "benchmarks/**/*", "solutions/**/*")
    digest = hashlib.sha256(CONTENTS.read_bytes())
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()):
        if path.suffix != ".pyc":
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_current() -> bool:
    """Whether the site was built from the files as they are."""
    return SITE.is_dir() and BUILT_FROM.is_file() and BUILT_FROM.read_text(encoding="utf-8") == hash_of_inputs()


def build_pages(verbose: bool) -> bool:
    """Run Jupyter Book; every warning is an error."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(BOOK)]
    command += ["--config", str(ROOT / "_config.yml"), "--toc", str(CONTENTS), "--path-output", str(ROOT)]
    command += ["-W", "-n", "--keep-going", *([] if verbose else ["-q"])]
    print("Writing the pages.", flush=True)
    inputs = hash_of_inputs()
    BUILT_FROM.unlink(missing_ok=True)
    # An incremental build would leave pages that are gone, and would not repeat the warnings of the last one.
    for folder in (SITE, OUTPUT / ".doctrees", OUTPUT / "jupyter_execute"):
        shutil.rmtree(folder, ignore_errors=True)
    environment = {**os.environ, **ENVIRONMENT, "NO_COLOR": "1"}
    result = subprocess.run(command, env=environment, check=False, capture_output=not verbose, text=True)
    if result.returncode != 0 and not verbose:
        # Jupyter Book ends with a traceback of its own, which says nothing about the page.
        print(result.stderr.split("Traceback (most recent call last)")[0].strip(), file=sys.stderr)
    if result.returncode == 0:
        BUILT_FROM.write_text(inputs, encoding="utf-8")
    return result.returncode == 0


def report_run(page: str) -> bool:
    """Run one chapter without the cache and print what it cost."""
    _, notebook, seconds, error = execute(BOOK / f"{page.removesuffix('.md')}.md")
    if error:
        print(error, file=sys.stderr)
        return False
    print(f"{page}: every cell ran, {seconds:.0f} s, {peak_memory(notebook)} MB")
    return True


def serve(port: int) -> None:
    """Serve the site on this computer until interrupted."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"The book is at http://127.0.0.1:{server.server_address[1]}/ until you press Ctrl-C.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the site stands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", metavar="PAGE", help="run one chapter, such as foundations/mdp, and build nothing")
    parser.add_argument("--without-solutions", action="store_true", help="leave every page of solutions out")
    parser.add_argument("--serve", action="store_true", help="serve the site afterwards")
    parser.add_argument("--port", type=int, default=8000, help="port for --serve; 0 takes a free one")
    parser.add_argument("--verbose", action="store_true", help="show what Sphinx does")
    options = parser.parse_args(arguments)
    with_solutions = not options.without_solutions
    if options.run:
        with contextlib.ExitStack() as stack:
            if options.run.startswith("solutions/"):  # such a page exists while a build goes on
                stack.enter_context(only_one_build())
                stack.enter_context(pages_of_solutions(True, CONTENTS))
            return 0 if report_run(options.run) else 1
    start = time.perf_counter()
    with only_one_build(), pages_of_solutions(with_solutions, CONTENTS):
        if is_current():
            print(f"Nothing has changed since the last build. Read: {SITE / 'index.html'}", flush=True)
        else:
            if not run_chapters(chapters_to_run(pages_in_contents(CONTENTS))):
                print("A chapter failed (above); the site was not built.", file=sys.stderr)
                return 1
            if not build_pages(options.verbose):
                print("The site has warnings or errors (above), which count as failures.", file=sys.stderr)
                return 1
            print(f"Built in {time.perf_counter() - start:.0f} s. Read: {SITE / 'index.html'}", flush=True)
    if options.serve:
        serve(options.port)
    else:
        print("Serve it with `make serve`, or `python book/build.py --serve`.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted. What has run is kept; the same command goes on from here.", file=sys.stderr)
        sys.exit(130)
