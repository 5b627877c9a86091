"""The process from which the kernels of students are copied: it has imported what they need, and then waits.

It runs inside the sandbox (see sandbox.py), where it is a program and no part of a package.
Each request on the control socket makes one kernel: a copy of this process in a user, mount, process, network and IPC
namespace of its own, without privileges, with private temporary space and limits. A copy must be made while there is
one thread and no event loop, so nothing here may start one.

Requests are one JSON object a message: ``{"start": folder, "key", "ports", "limits", ...}`` and ``{"signal": number}``;
answers are ``{"started": true}``, ``{"failed": reason}`` and ``{"ended": exit code}``. There is one kernel at a time.
"""

import contextlib
import gc
import importlib
import json
import os
import random
import selectors
import signal
import socket
import sys
from pathlib import Path

from namespaces import HOME, NO_DEVICES, NO_PROGRAMS, NO_SETUID, enter, map_users, mount

RUN = "/run/kernel"


def read_files(folder):
    """Contents of the files that lie beside the student's notebook."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def listeners(folder, ports):
    """Sockets on which the kernel will listen, bound here: the student's code cannot write to their folder."""
    found = {}
    for port in ports.values():
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{folder}/s-{port}")
        listener.listen(16)
        listener.setblocking(False)
        found[port] = listener.detach()
    return found


def become_kernel(request, files, sockets, ready):
    """Run a kernel in this process; does not return."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.chdir(HOME)
    for name, content in files.items():
        Path(HOME, name).write_bytes(content)
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    # The student's folder comes last: no file of theirs takes the place of a module.
    sys.argv, sys.path[:] = ["kernel"], [*sys.path[1:], HOME]
    import zmq
    from ipykernel.kernelapp import IPKernelApp

    class SandboxedKernel(IPKernelApp):
        def _try_bind_socket(self, s, port):
            s.setsockopt(zmq.USE_FD, sockets[port])
            s.bind(f"ipc://{self.ip}-{port}")
            return port

        def init_heartbeat(self):
            pass

    app = SandboxedKernel.instance(transport="ipc", ip=f"{RUN}/s", **request["ports"])
    app.session.key = request["key"].encode()
    app.initialize(["--HistoryManager.enabled=False", "--log-level=50", "--InteractiveShellApp.ignore_cwd=True",
                    "--IPKernelApp.exec_PYTHONSTARTUP=False"])  # fmt: skip
    # The debugger would go on looking for this kernel's socket, which is not seen from inside.
    app.debug_shell_socket.disconnect(app.shell_socket.getsockopt(zmq.LAST_ENDPOINT))
    ready()
    app.start()


def start(request, own):
    """Copy this process; return the process ids of the copy's parent and of the copy.

    What is in *own* stays with this process: also its selector, through which a copy could make it wait for ever.
    """
    folder = f"{RUN}s/{request['start']}"
    files, sockets = read_files(f"{folder}/files"), listeners(folder, request["ports"])
    report, report_there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mapped, mapped_there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    watcher = os.fork()
    if watcher == 0:
        status = 97
        try:
            for one in (*own, report, mapped):
                one.close()
            os.setsid()
            enter(request, mapped_there, report_there)
            mapped_there.close()
            signal.signal(signal.SIGINT, signal.default_int_handler)

            def ready():
                report_there.send(b"ready")
                report_there.close()

            become_kernel(request, files, sockets, ready)
            status = 0
        except SystemExit:
            status = 0
        except BaseException as error:
            with contextlib.suppress(OSError):
                report_there.send(f"! {type(error).__name__}: {error}".encode()[:4000])
        finally:
            os._exit(status)
    for one in (report_there, mapped_there):
        one.close()
    for descriptor in sockets.values():
        os.close(descriptor)
    kernel = 0
    with report, mapped:
        said = report.recv(4096)
        if said == b"unshared":
            map_users(watcher, request["outer_user"])
            with contextlib.suppress(OSError):  # where memory runs out, this process stays; root's word is final
                Path(f"/proc/{watcher}/oom_score_adj").write_text("1000")
            mapped.send(b"m")
            for _ in range(2):  # its process id, from its parent, and its own word that it listens
                said = report.recv(4096)
                kernel = int(said) if said.isdigit() else kernel
                if said[:1] in (b"!", b""):
                    break
    if not kernel or said[:1] in (b"!", b""):
        os.kill(watcher, signal.SIGKILL)
        os.waitpid(watcher, 0)
        raise OSError(said.decode(errors="replace") or "the copy ended at once")
    return watcher, kernel


def become_template(modules):
    """Import everything; return how many threads that left, of which there should be one."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import ipykernel.ipkernel
    import ipykernel.kernelapp
    import ipykernel.zmqshell  # noqa: F401

    if os.geteuid() == 0:
        # bubblewrap hides parts of /proc from root; then the kernel of a namespace may not mount one of its own.
        with contextlib.suppress(OSError):
            mount("proc", "/proc", "proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS)
    with contextlib.suppress(OSError):  # an ordinary user may not, and has then none that matter
        os.setgroups([])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    return len(os.listdir("/proc/self/task"))


class Copies:
    """The loop that makes kernels when it is asked to, and tells when they end."""

    def __init__(self, control):
        self.control, self.kernel, self.watcher, self.end = control, 0, 0, -1
        self.waiting = selectors.DefaultSelector()
        self.waiting.register(control, selectors.EVENT_READ)

    def tell(self, **answer):
        """Answer whoever grades."""
        self.control.send(json.dumps(answer).encode())

    def serve(self):
        """Wait for the next request or the end of a kernel, for ever."""
        while True:
            for key, _ in self.waiting.select():
                if key.fileobj is self.control:
                    message = self.control.recv(1 << 16)
                    if not message:
                        os._exit(0)  # whoever graded has gone
                    self.answer(json.loads(message))
                else:
                    self.ended()

    def answer(self, request):
        """Carry out one request."""
        if "signal" in request:
            for process in (self.kernel, self.watcher if request["signal"] == signal.SIGKILL else 0):
                if process:
                    with contextlib.suppress(OSError):
                        os.kill(process, request["signal"])
            return
        try:
            self.watcher, self.kernel = start(request, (self.control, self.waiting))
        except OSError as error:
            self.tell(failed=str(error))
            return
        self.end = os.pidfd_open(self.watcher)
        self.waiting.register(self.end, selectors.EVENT_READ)
        self.tell(started=True)

    def ended(self):
        """Say that the kernel has ended, and how."""
        self.waiting.unregister(self.end)
        os.close(self.end)
        code = os.waitstatus_to_exitcode(os.waitpid(self.watcher, 0)[1])
        self.kernel, self.watcher, self.end = 0, 0, -1
        self.tell(ended=code)


if __name__ == "__main__":
    copies = Copies(socket.socket(fileno=int(sys.argv[1])))
    copies.tell(ready=True, threads=become_template(sys.argv[2:]))
    copies.serve()
