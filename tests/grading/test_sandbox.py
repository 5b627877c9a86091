"""What student code can reach in the sandbox, tried in real kernels; as root and as an ordinary user."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.errors import CourseError
from autograder.sandboxing.kernels import Kernel, kernel_starter
from autograder.sandboxing.memory_limit import Group, Watched, descendants, remove_groups_left_behind
from autograder.sandboxing.sandbox import Allowance, bubblewrap, readable_folders, require_hidden
from autograder.sandboxing.template import Template, template
from tests.grading.sandbox_attempts import ATTEMPTS

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
SMALL = Allowance(memory_megabytes=1000, disk_megabytes=20)
ROOT = Path(__file__).resolve().parents[2]


def said(kernel: Kernel, code: str, seconds: float = 30) -> str:
    """Run a cell and return everything it shows, or "gone" if the kernel ended."""
    shown: list[str] = []
    question = kernel.client.execute(code)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(Exception):
            message = kernel.client.get_iopub_msg(timeout=0.2)
            content: dict[str, Any] = message["content"]
            if message["parent_header"].get("msg_id") != question:
                continue
            shown.append(content.get("text", "") + content.get("evalue", ""))
            if content.get("execution_state") == "idle":
                return "".join(shown)
            continue
        if not kernel.is_alive():
            return "".join([*shown, "gone"])
    kernel.interrupt()
    return "".join([*shown, "late"])


@pytest.fixture(scope="module")
def start() -> Any:
    """Starts small kernels, all from one template."""
    return kernel_starter(True, SMALL, ("numpy", "torch"), False)


@pytest.fixture
def kernel(start: Any) -> Iterator[Kernel]:
    """A fresh kernel."""
    running = start({"notes.txt": b"a file that came with the notebook"})
    yield running
    running.close()


@pytest.fixture(scope="module")
def outside() -> Iterator[dict[str, Any]]:
    """Things of the user who grades, all of which this process can reach."""
    # Not pytest's folder: the path of a socket is short.
    folder = Path(tempfile.mkdtemp(prefix="outside-"))
    (folder / "secret").write_text("secret")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket() as port, socket.socket(socket.AF_UNIX) as abstract:
        listening.bind(str(folder / "socket"))
        abstract.bind(f"\0autograder-test-{os.getpid()}")
        port.bind(("127.0.0.1", 0))
        for one in (listening, port, abstract):
            one.listen()
        yield {
            "outside": str(folder / "secret"),
            "other": str(folder / "socket"),
            "port": port.getsockname()[1],
            "pid": os.getpid(),
            "own": os.getpid(),
        }
    shutil.rmtree(folder)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_nothing_outside_is_reached(
    kernel: Kernel, outside: dict[str, Any], attempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGRADER_TEST_SECRET", "1")
    shown = said(kernel, ATTEMPTS[attempt].format(**outside))
    assert shown and "reached" not in shown and "late" not in shown


def test_without_the_sandbox_the_same_attempts_reach_it(
    outside: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGRADER_TEST_SECRET", "1")
    plain = kernel_starter(False, SMALL, (), False)({})
    harmless = [
        "reads a file of the user who grades",
        "writes into the folder of the user who grades",
        "connects to this computer",
        "connects to a socket of the user who grades",
        "connects to an abstract socket",
        "sees other processes",
        "signals the process that grades",
        "reads the environment of the user who grades",
        "imports the autograder",
    ]
    try:
        assert [name for name in harmless if "reached" not in said(plain, ATTEMPTS[name].format(**outside))] == []
    finally:
        plain.close()


def test_an_honest_notebook_finds_what_it_needs(kernel: Kernel) -> None:
    code = """
import os, subprocess, sys, tempfile, threading
import matplotlib.pyplot, numpy, torch, gymnasium, rlkit.planning
from pathlib import Path
assert Path("notes.txt").read_text().startswith("a file")
Path("mine.txt").write_text("x"); tempfile.NamedTemporaryFile().write(b"x")
assert Path.home() == Path.cwd(), (Path.home(), Path.cwd())
assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True).stdout == "1\\n"
threading.Thread(target=print).start()
matplotlib.pyplot.plot([1, 2]); matplotlib.pyplot.savefig("picture.png")
env = gymnasium.make("CartPole-v1"); env.reset(seed=0); env.step(0)
torch.save(torch.nn.Linear(100, 100).state_dict(), "weights.pt")
print("all there", torch.ones(1000, 1000).sum().item())
"""
    assert "all there 1000000.0" in said(kernel, code, 60)


def test_a_kernel_finds_nothing_of_the_one_before(start: Any) -> None:
    for _ in range(2):
        kernel = start({})
        shown = said(
            kernel,
            "import os, torch\n"
            "print([os.listdir(place) for place in ('/home/student', '/dev/shm')], os.path.exists('/tmp/left'), "
            "hasattr(torch, 'left'), 'LEFT' in os.environ)\n"
            "torch.left = os.environ['LEFT'] = 'x'\n"
            "for place in ('/home/student', '/tmp', '/dev/shm'): open(place + '/left', 'w')\n"
            "if os.fork() == 0:\n    os.setsid(); import time; time.sleep(600)\n",
        )
        kernel.close()
        assert "[[], []] False False False" in shown


def test_everything_that_a_kernel_started_ends_with_it(start: Any) -> None:
    kernel = start({})
    source = template(("numpy", "torch"), False, SMALL.memory_megabytes)
    before = len(descendants(source._process.pid))
    said(kernel, "import subprocess\nfor _ in range(5): subprocess.Popen(['setsid', 'sleep', '600'])")
    assert len(descendants(source._process.pid)) == before + 5
    kernel.close()
    time.sleep(0.2)
    assert len(descendants(source._process.pid)) == 3, "bubblewrap, its first process, the template"


def test_random_numbers_are_the_same_every_time(start: Any) -> None:
    seen = set()
    for _ in range(2):
        kernel = start({})
        seen.add(
            said(
                kernel,
                "import random, numpy, torch\nprint(random.random(), numpy.random.rand(), torch.rand(1), hash('a'))",
            )
        )
        kernel.close()
    assert len(seen) == 1 and "tensor" in seen.pop()


def test_memory_is_limited_for_all_processes_together(start: Any) -> None:
    kernel = start({})
    code = """
import os, time
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        held = bytearray(400 << 20)
        for place in range(0, len(held), 4096): held[place] = 1
        time.sleep(3); os._exit(0)
    children.append(pid)
ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print("reached" if all(code == 0 for code in ended) else ended)
"""
    try:
        shown = said(kernel, code, 60)
    finally:
        kernel.close()
    assert "reached" not in shown
    again = start({})
    assert "4" in said(again, "print(2 + 2)"), "the template survives, and the next kernel starts"
    again.close()


def test_an_interrupt_reaches_the_code_and_the_kernel_goes_on(kernel: Kernel) -> None:
    assert said(kernel, "while True: pass", 1).endswith("late")
    time.sleep(0.5)
    assert "4" in said(kernel, "print(2 + 2)")


def test_a_template_that_dies_is_replaced(start: Any) -> None:
    template(("numpy", "torch"), False, SMALL.memory_megabytes)._process.kill()
    time.sleep(0.2)
    kernel = start({})
    assert "4" in said(kernel, "print(2 + 2)")
    kernel.close()


def test_the_template_has_one_thread_when_it_is_copied() -> None:
    assert template(("numpy", "torch"), False, SMALL.memory_megabytes).threads == 1


def test_a_template_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.sandboxing.template.command", lambda *_: ["bwrap", "--no-such-option"])
    with pytest.raises(RuntimeError, match=r"did not start: .*no-such-option"):
        Template((), False, 500)


def test_where_no_group_can_be_made_memory_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.sandboxing.template.memory_limit", Watched)
    source = Template((), False, 400)
    monkeypatch.setattr("autograder.sandboxing.kernels.template", lambda *_: source)
    kernel = kernel_starter(True, Allowance(memory_megabytes=400), (), False)({})
    try:
        shown = said(
            kernel,
            "import os, time\nfor _ in range(3): os.fork()\nheld = bytearray(150 << 20)\n"
            "for place in range(0, len(held), 4096): held[place] = 1\ntime.sleep(20)\nprint('reached')",
        )
        assert "reached" not in shown and "gone" in shown
        assert source.runs, "only the kernel was ended"
    finally:
        kernel.close()
        source.close()


def test_a_group_is_made_in_either_version_of_control_groups(tmp_path: Path) -> None:
    # Which version this machine has cannot be chosen: these are folders that look like each. The real one runs above.
    for version, limit in {"1": "memory/memory.limit_in_bytes", "2": "memory.max"}.items():
        root = tmp_path / version
        (root / limit).parent.mkdir(parents=True)
        (root / limit).write_text("max")
        group = Group(100, root)
        assert (group.folder / Path(limit).name).read_text() == str(100 << 20)
        assert group.folder.parent == (root / limit).parent


def test_groups_of_killed_runs_are_removed_and_those_in_use_are_not(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, used = (tmp_path / "memory" / f"autograder-{pid}-abc" for pid in (gone.pid, os.getpid()))
    for folder in (left, used):
        folder.mkdir(parents=True)
    remove_groups_left_behind(tmp_path)
    assert used.exists() and not left.exists()


def test_a_course_inside_what_students_read_is_refused() -> None:
    inside = Path(readable_folders()[0]) / "course"
    with pytest.raises(CourseError, match=r"lies inside .* Keep the course"):
        require_hidden(Path("/nowhere"), inside)
    require_hidden(ROOT / "solutions", Path("/nowhere"))


def test_without_bubblewrap_grading_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CourseError, match=r"apt-get install bubblewrap.*--no-sandbox"):
        bubblewrap()


@pytest.mark.skipif(os.geteuid() != 0, reason="this run is already by an ordinary user")
def test_all_of_this_holds_for_an_ordinary_user_too() -> None:
    hidden = [folder for folder in readable_folders() if Path(folder).is_relative_to("/root")]
    # Root's home is closed to others; where Python lies in it, this run gets a view in which that part is open.
    view = ["bwrap", "--dev-bind", "/", "/", "--perms", "0755", "--tmpfs", "/root", "--cap-add", "ALL"]
    for folder in hidden:
        for parent in reversed(Path(folder).relative_to("/root").parents):
            view += ["--perms", "0755", "--dir", str("/root" / parent)]
        view += ["--ro-bind", folder, folder]
    view += ["--perms", "1777", "--tmpfs", "/var/tmp", "--setenv", "TMPDIR", "/var/tmp", "--setenv", "HOME", "/var/tmp"]
    user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    tests = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", __file__]
    result = subprocess.run([*view, *user, *tests], cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert " passed" in result.stdout or "100%" in result.stdout
