"""Build the website: run the chapters that changed, side by side, then write the pages.

    python book/build.py                          the site, into _build/html
    python book/build.py --without-solutions      the same, and nothing in it tells of the exercises' solutions
    python book/build.py --run foundations/mdp    run one chapter and say what it costs
    python book/build.py --pdf --zip              build, then print the book as a PDF and pack the site as a zip
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
import json
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
DOCTREES = OUTPUT / ".doctrees"
EXECUTED = OUTPUT / "jupyter_execute"
CONTENTS = OUTPUT / "_toc.yml"  # of this build: with solutions, or without
BUILT_FROM = OUTPUT / ".built_from"
CELL_TIMEOUT = 600  # seconds; no cell needs two minutes on an idle core, and a busy machine is no error
sys.path[:0] = [str(BOOK), str(BOOK / "_ext")]

import quick_start  # noqa: E402, F401

# isort: split
import publish  # noqa: E402
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


def hashes_of_inputs() -> dict[str, str]:
    """Return a hash of every file that the pages are made from."""
    patterns = ("_config.yml", "constraints.txt", "book/**/*", "rlkit/**/*.py", "benchmarks/**/*", "solutions/**/*")
    files = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file() and path.suffix != ".pyc"}
    files -= {*(BOOK / "api").glob("*")}  # written while the pages are, and left only by an interrupted build
    return {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted({*files, CONTENTS})
    }


def last_build() -> dict[str, str]:
    """Return what the site was built from; nothing where the last build had warnings, or its files are gone."""
    if not all(path.exists() for path in (BUILT_FROM, SITE, DOCTREES, EXECUTED, CACHE)):
        return {}
    try:
        return json.loads(BUILT_FROM.read_text(encoding="utf-8"))
    except ValueError:  # an interrupted build, or one of an older version
        return {}


def changed_texts(before: dict[str, str], now: dict[str, str]) -> list[str] | None:
    """Return the pages whose text has changed, where nothing else has: what is known of the others then holds.

    None where all has to be read anew. A page that is new or gone, a change in code, in a measurement or in the
    configuration is such a case.
    """
    changed = [name for name in now if before.get(name) != now[name]]
    texts = [name for name in changed if name.startswith("book/") and name.endswith(".md")]
    looks = [name for name in changed if name.startswith("book/_static/")]
    return texts if before.keys() == now.keys() and len(texts) + len(looks) == len(changed) else None


def looks_changed(before: dict[str, str], now: dict[str, str]) -> bool:
    """Return whether a style sheet, a script or a picture of the site has changed."""
    return any(before.get(name) != now[name] for name in now if name.startswith("book/_static/"))


def build_pages(verbose: bool, now: dict[str, str], texts: list[str] | None, keep: bool) -> bool:
    """Read the pages whose text has changed (all, if None) and write every page; every warning is an error.

    The last build, if it is taken up again, had no warning. What a page says to others is resolved while it is
    written, so that a link which the change has broken is found wherever it stands. Where ``keep`` says that prose is
    all that has changed, the pages that would be the same stay.
    """
    print("Writing the pages.", flush=True)
    BUILT_FROM.unlink(missing_ok=True)
    for folder in (*(() if keep else (SITE,)), *(() if texts is not None else (DOCTREES, EXECUTED))):
        shutil.rmtree(folder, ignore_errors=True)
    for name in (publish.PDF, publish.ZIP):  # copies of what the book was
        (SITE / name).unlink(missing_ok=True)
    for name in now if texts is not None else ():
        if name.startswith("book/solutions/") and name not in texts:
            os.utime(ROOT / name, (0, 0))  # written again for this build, with the same text
    options = [*(["--verbose"] if verbose else []), *(["--changed"] if keep else [])]
    command = [sys.executable, str(BOOK / "write_pages.py"), str(CONTENTS), *options]
    environment = {**os.environ, **ENVIRONMENT, "NO_COLOR": "1"}
    result = subprocess.run(command, env=environment, check=False, capture_output=not verbose, text=True)
    if result.returncode != 0 and not verbose:
        print(result.stderr.strip(), file=sys.stderr)
    if result.returncode == 0:
        BUILT_FROM.write_text(json.dumps(now), encoding="utf-8")
    return result.returncode == 0


def report_run(page: str) -> bool:
    """Run one chapter without the cache and print what it cost."""
    _, notebook, seconds, error = execute(BOOK / f"{page.removesuffix('.md')}.md")
    if error:
        print(error, file=sys.stderr)
        return False
    print(f"{page}: every cell ran, {seconds:.0f} s, {peak_memory(notebook)} MB")
    return True


def write_copies(pdf: bool, as_zip: bool) -> bool:
    """Write what readers can take along into the site, and lead to it from the landing page."""
    try:
        if pdf:
            print("Printing the PDF.", flush=True)
            number = publish.write_pdf(SITE, publish.pages_of_pdf(pages_in_contents(CONTENTS)), SITE / publish.PDF)
            print(f"{number} pages: {SITE / publish.PDF}", flush=True)
            publish.link_copies(SITE)
        if as_zip:
            number = publish.write_zip(SITE, SITE / publish.ZIP)
            print(f"{number} files: {SITE / publish.ZIP}", flush=True)
            publish.link_copies(SITE)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return False
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
    parser.add_argument("--pdf", action="store_true", help="print the book as a PDF beside the site, with Chromium")
    parser.add_argument("--zip", action="store_true", help="pack the site as a zip that opens without a server")
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
        before, now = last_build(), hashes_of_inputs()
        if before == now:
            print(f"Nothing has changed since the last build. Read: {SITE / 'index.html'}", flush=True)
        else:
            texts = changed_texts(before, now)
            pages = [page for page in pages_in_contents(CONTENTS) if texts is None or f"book/{page}.md" in texts]
            waiting = chapters_to_run(pages)
            if not run_chapters(waiting):
                print("A chapter failed (above); the site was not built.", file=sys.stderr)
                return 1
            # A style sheet's or a script's version stands in every page; a run makes pictures of new names.
            keep = texts is not None and not waiting and not looks_changed(before, now)
            if not build_pages(options.verbose, now, texts, keep):
                print("The site has warnings or errors (above), which count as failures.", file=sys.stderr)
                return 1
            print(f"Built in {time.perf_counter() - start:.0f} s. Read: {SITE / 'index.html'}", flush=True)
        if not write_copies(options.pdf, options.zip):
            return 1
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
