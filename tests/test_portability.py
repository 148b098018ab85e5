"""Nothing outside of two modules needs a name that Windows or macOS do not have.

The names come from typeshed, the stubs of the standard library that mypy brings: what they declare for one system only.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src" / "automl_vision"
MAY = {"core/locks.py", "core/system.py"}
"""The modules that know what differs, behind a condition on `sys.platform`."""

SYSTEMS = ("win32", "darwin")
MODULES = (
    "asyncio", "ctypes", "errno", "faulthandler", "fcntl", "grp", "mmap", "os", "posix", "pty", "pwd",
    "readline", "resource", "select", "signal", "socket", "socketserver", "spwd", "subprocess", "syslog", "termios",
    "threading", "time", "tty",
)  # fmt: skip
PROGRAMS = {"bash", "chmod", "cp", "kill", "ls", "mv", "ps", "rm", "sh", "sleep", "true", "uname"}
LINKS = {"symlink_to", "hardlink_to", "symlink"}
ARGUMENTS = {"preexec_fn", "pass_fds", "start_new_session", "process_group"}
FOLDERS = ("/dev/", "/proc/", "/sys/", "/tmp/", "/var/", "/etc/", "/usr/")
MAY_FAIL = {  # what these modules try, and do without
    "compute/targets.py": {"/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/kfd", "/dev/dxg"},
    "core/files.py": {"symlink_to"},
    "serving/device.py": {"/sys/fs/cgroup", "/proc/cpuinfo"},
}


_OF_A_MODULE = re.compile(rf"\b({'|'.join(MODULES)})\.(\w+)")
_SUSPECT = re.compile(
    rf"\bimport ({'|'.join(MODULES)})(, | as)|\bfrom ({'|'.join(MODULES)}) import|({'|'.join(sorted(ARGUMENTS))})=|"
    rf"get_context|set_start_method|\.({'|'.join(sorted(LINKS))})\(|({'|'.join(FOLDERS)})|"
    rf"""\(\[["']({"|".join(sorted(PROGRAMS))})["']|/ f?"[^"]*[<>:|?*\\]|/ f?'[^']*[<>:"|?*\\]"""
)


def is_worth_parsing(code: str) -> bool:
    """Whether a module may have a fault, by its text; most have none, and parsing all takes two seconds."""
    used = (f"{module}.{name}" for module, name in _OF_A_MODULE.findall(code))
    missing = {name for name in missing_names() if "." not in name}
    return bool(_SUSPECT.search(code)) or any(map(is_missing, used)) or bool(missing & set(re.findall(r"\w+", code)))


def faults(code: str) -> Iterator[tuple[int, str]]:
    """The lines of a module that need a POSIX system, with what they need."""
    nodes = list(ast.walk(ast.parse(code)))
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {each.asname or each.name.partition(".")[0]: each.name for each in node.names}
            yield from ((node.lineno, each.name) for each in node.names if is_missing(each.name))
        elif isinstance(node, ast.ImportFrom) and node.module:
            found = [f"{node.module}.{each.name}" for each in node.names]
            yield from ((node.lineno, name) for name in found if is_missing(name))
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if is_missing(name := f"{names.get(node.value.id, '')}.{node.attr}"):
                yield node.lineno, name
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _called(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(FOLDERS):
            yield node.lineno, node.value
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and (mark := _refused_mark(node.right)):
            yield node.lineno, f"{mark} in the name of a file"


def _called(node: ast.Call) -> Iterator[str]:
    """What a call needs, by its name and arguments."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    first = node.args[0] if node.args else None
    if name in LINKS:
        yield name
    if name in ("get_context", "set_start_method") and not isinstance(first, ast.Call):
        yield f"{name} of one system"
    if isinstance(first, ast.List) and first.elts and getattr(first.elts[0], "value", None) in PROGRAMS:
        yield ast.unparse(first.elts[0])
    yield from (each.arg for each in node.keywords if each.arg in ARGUMENTS)


def _refused_mark(name: ast.expr) -> str:
    """A mark in the fixed parts of a file's name that Windows does not allow there."""
    parts = name.values if isinstance(name, ast.JoinedStr) else [name]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return next((mark for text in texts for mark in text if mark in '<>:"\\|?*'), "")


def is_missing(name: str) -> bool:
    """Whether a name of the standard library, such as `os.fork`, is missing on some system."""
    module = name.rpartition(".")[0]
    return name in missing_names() or (module in MODULES and name.partition(".")[0] in missing_names())


@cache
def missing_names() -> frozenset[str]:
    """The names that Linux has and some other system has not; of a module without any names its own."""
    stubs = importlib.util.find_spec("mypy")
    assert stubs is not None and stubs.submodule_search_locations
    root = Path(stubs.submodule_search_locations[0]) / "typeshed" / "stdlib"
    found: set[str] = set()
    for module in MODULES:
        file = root / module / "__init__.pyi"
        tree = ast.parse((file if file.exists() else root / f"{module}.pyi").read_text(encoding="utf-8"))
        linux = {name for name in _declared(tree.body, "linux") if not name.startswith("_")}
        for system in SYSTEMS:
            there = set(_declared(tree.body, system))
            found |= {f"{module}.{name}" for name in linux - there}
            if not there & linux:
                found.add(module)
    return frozenset(found)


def _declared(statements: list[ast.stmt], system: str) -> Iterator[str]:
    """The public names that a stub declares on a system, with those that it imports from other stubs for users."""
    for node in statements:
        if isinstance(node, ast.If):
            yield from _declared(node.body if _holds(node.test, system) else node.orelse, system)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(("typing", "_typeshed")):
            yield from (each.asname or each.name for each in node.names)


def _holds(test: ast.expr, system: str) -> bool:
    """The value of a stub's condition, which is about the system, or the version of Python."""
    names = {"sys": sys, "TYPE_CHECKING": True}
    text = ast.unparse(test).replace("sys.platform", repr(system))
    return bool(eval(text, names))


def test_no_other_module_needs_posix():
    found = []
    for file in sorted(SOURCES.rglob("*.py")):
        place, code = file.relative_to(SOURCES).as_posix(), file.read_text(encoding="utf-8")
        if place not in MAY and is_worth_parsing(code):
            allowed = MAY_FAIL.get(place, set())
            found += [f"{place}:{line}: {what}" for line, what in faults(code) if what not in allowed]
    assert not found


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os, fcntl\nos.fork()", [(1, "fcntl"), (2, "os.fork")]),
        ("import os as system\nif 1:\n  system.sched_getaffinity(0)", [(3, "os.sched_getaffinity")]),
        ("from os import getuid, getpid", [(1, "os.getuid")]),
        ("from resource import getrusage", [(1, "resource.getrusage")]),
        ("import signal\nsignal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGUSR1",
         [(2, "signal.SIGKILL"), (2, "signal.SIGUSR1")]),
        ("import socket\nsocket.AF_UNIX, socket.AF_INET, socket.SO_REUSEPORT",
         [(2, "socket.AF_UNIX"), (2, "socket.SO_REUSEPORT")]),
        ("import select\nselect.poll()", [(2, "select.poll")]),
        ("import os\nos.open('x', os.O_RDWR | os.O_DIRECTORY)", [(2, "os.O_DIRECTORY")]),
        ("import time\ntime.sleep(1), time.clock_gettime(1)", [(2, "time.clock_gettime")]),
        ("multiprocessing.get_context('forkserver')", [(1, "get_context of one system")]),
        ("subprocess.Popen(['sleep', '60'], start_new_session=True)", [(1, "'sleep'"), (1, "start_new_session")]),
        ("Path('a').symlink_to('b')\nPath('/dev/shm')", [(1, "symlink_to"), (2, "/dev/shm")]),
        ("folder / 'a.json'\nfolder / f'{name}:{version}.json'", [(2, ": in the name of a file")]),
        ("import os, pathlib\nos.replace('a', 'b'), os.getpid(), pathlib.Path('a').rename('b')", []),
    ],
)  # fmt: skip
def test_the_check_finds_what_only_posix_has(code: str, expected: list[tuple[int, str]]):
    assert sorted(faults(code)) == expected
    assert not expected or is_worth_parsing(code)
