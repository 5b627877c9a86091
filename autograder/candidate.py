"""The half of the conversation that stands beside a student's code: it answers the examiner's requests.

The source of this file and of `wire.py` runs in the candidate kernel (see `opening`), and the same functions serve a
student's own notebook in one process. It knows nothing of checks, misconceptions or solutions.
"""

import importlib
import json
import sys
import traceback
from pathlib import Path

from autograder import wire

LARGEST_ANSWER = 32_000_000
LONGEST_TEXT = 4_000
ASK = "__import__('sys').modules['autograder.candidate'].serve_kernel()"


def value_and_gradients(function, args, kwargs, wrt):
    """Scalar ``function(*args)`` and its gradients for the arguments at the positions *wrt*."""
    import torch

    for position in wrt:
        args[position].requires_grad_(True)
    value = function(*args, **kwargs)
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        raise TypeError("expected a tensor with one number to differentiate")
    if not value.requires_grad:
        raise TypeError(
            "the result does not depend on its inputs in a way that can be differentiated "
            "(.item(), .detach(), .data or torch.tensor(...) cut the graph)"
        )
    return value, list(torch.autograd.grad(value.sum(), [args[position] for position in wrt], allow_unused=True))


def _target(request, namespace, handles):
    if "handle" in request:
        target, label = handles[request["handle"]], "the object"
    elif request["name"] in namespace:
        target, label = namespace[request["name"]], request["name"]
    else:
        raise NameError(f"`{request['name']}` is not defined; run the cell that defines it")
    if request.get("attribute"):
        label = request["attribute"]
        target = getattr(target, label)
    return target, label


def _carry_out(request, buffers, target, label):
    verb = request["verb"]
    if verb == "value":
        return target
    if not callable(target):
        raise TypeError(f"`{label}` is of type {type(target).__name__}, expected a function")
    args, kwargs = wire.unpack(request["args"], buffers, trusted=True)
    if verb == "gradients":
        return value_and_gradients(target, args, kwargs, request["wrt"])
    if verb == "repeat":
        return [target(*args, **kwargs) for _ in range(request["times"])]
    return target(*args, **kwargs)


def serve(request, buffers, namespace, handles):
    """Answer one request beside the student's code; never raises, except for the student's own Ctrl-C at home."""
    out = []
    try:
        target, label = _target(request, namespace, handles)
        result = _carry_out(request, buffers, target, label)
        if request["verb"] == "make":
            handles.append(result)
            return {"ok": len(handles) - 1}, []
        try:
            tree = wire.pack(result, out)
        except wire.NotPlainError as error:
            expected = "numbers, text, lists, tuples, dicts, tensors or arrays"
            raise wire.NotPlainError(f"`{label}` returned {error}; expected {expected}") from None
        size = sum(map(len, out)) + len(json.dumps(tree))
        if size > LARGEST_ANSWER:
            limit = f"{LARGEST_ANSWER / 1e6:.0f} MB"
            raise wire.NotPlainError(f"`{label}` returned {size / 1e6:.0f} MB; at most {limit} can be examined")
        return {"ok": tree}, out
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return {**_describe(error), "traceback": _student_part_of_traceback(error)}, []


def _describe(error):
    """Name and text of an error; a student's exception may fail even at that."""
    try:
        return {"error": str(type(error).__name__), "message": str(error)[:1000]}
    except BaseException:
        return {"error": "Exception", "message": "an error that cannot be shown"}


def _student_part_of_traceback(error):
    try:
        frame = error.__traceback__
        while frame and frame.tb_frame.f_code.co_filename == serve.__code__.co_filename:
            frame = frame.tb_next
        lines = traceback.format_exception(type(error), error, frame) if frame else []
        return "".join(lines)[-LONGEST_TEXT:]
    except BaseException:
        return ""


HANDLES: list = []  # objects kept for the examiner by ``make``


def serve_kernel():
    """Entry point in the candidate kernel: read the request from the current message, publish the answer."""
    from IPython import get_ipython

    shell = get_ipython()
    kernel = shell.kernel
    message = kernel.get_parent("shell")
    request = json.loads(message["content"]["examiner"])
    reply, buffers = serve(request, message["buffers"], shell.user_ns, HANDLES)
    sys.stdout.flush()
    sys.stderr.flush()
    content = {"reply": json.dumps(reply)}
    kernel.session.send(
        kernel.iopub_socket, "examiner_reply", content, parent=message, ident=b"examiner_reply", buffers=buffers
    )


def forbid(paths):
    """Make functions of rlkit that an exercise asks for refuse to be called from a student's code.

    Parameters
    ----------
    paths : dict of str to str
        ``"rlkit.module.function"`` to the exercise that asks for it. rlkit itself may go on calling them.

    Returns
    -------
    list of tuple
        Module, name and function of everything that was replaced, for `allow_again`.
    """
    replaced = []
    for path, exercise in paths.items():
        module_name, _, name = path.rpartition(".")
        module = importlib.import_module(module_name)
        original = getattr(module, name)
        if getattr(original, "is_forbidden", False):
            continue
        guard = _guard(original, path, exercise)
        for known in list(sys.modules.values()):
            if getattr(known, "__name__", "").split(".")[0] == "rlkit" and getattr(known, name, None) is original:
                setattr(known, name, guard)
                replaced.append((known, name, original))
    return replaced


def allow_again(replaced):
    """Undo what `forbid` did."""
    for module, name, original in replaced:
        setattr(module, name, original)


def _guard(original, path, exercise):
    def refuse(*args, **kwargs):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.split(".")[0] == "rlkit":
            return original(*args, **kwargs)
        raise RuntimeError(f"{path} is what the exercise {exercise!r} asks you to write: write it without calling it")

    refuse.__name__, refuse.__doc__, refuse.is_forbidden = original.__name__, original.__doc__, True
    return refuse


def opening(forbidden):
    """Code that prepares a candidate kernel: this file and `wire.py` as source text, and the forbidden functions.

    Nothing is imported from where the student could have put a file of the same name.
    """
    sources = {
        name: Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in ("wire", "candidate")
    }
    return "\n".join(
        [
            "import sys, types",
            "_package = sys.modules['autograder'] = types.ModuleType('autograder'); _package.__path__ = []",
            f"for _name, _source in {sources!r}.items():",
            "    _module = sys.modules[f'autograder.{_name}'] = types.ModuleType(f'autograder.{_name}')",
            "    _module.__file__ = f'<autograder/{_name}>'; setattr(_package, _name, _module)",
            "    exec(compile(_source, _module.__file__, 'exec'), vars(_module))",
            "_package.exam = lambda name: lambda *things, **options: None  # the examiner binds its own `check`",
            f"sys.modules['autograder.candidate'].forbid({forbidden!r})",
            "del _package, _name, _source, _module",
        ]
    )
