"""The real Triton server of the wheel `nvidia-pytriton`, on loopback and on this machine's CPU.

The processes of its Python backend break with NumPy 2. They use an environment of their own that has NumPy 1, and after
it the modules of this one; `make test` makes it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

import automl_vision
from processes import free_port, wait_for

_MEMORY = "--backend-config=python,shm-default-byte-size=16777216"


def server_files(place: Path) -> tuple[Path, Path]:
    """The server's program, and its backends with the stub for this interpreter; without the wheel tests skip."""
    found = find_spec("pytriton")
    if found is None or found.origin is None:
        pytest.skip("nvidia-pytriton is not installed; `make test` does it")
    server = Path(found.origin).parent / "tritonserver"
    backends = place / "backends"
    shutil.copytree(server / "backends", backends)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy2(server / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")
    program = place / "tritonserver"
    shutil.copy2(server / "bin" / "tritonserver", program)
    for file in (program, backends / "python" / "triton_python_backend_stub"):
        file.chmod(0o755)
    return program, backends


def _environment(libraries: Path) -> dict[str, str]:
    """Variables by which the processes of the Python backend find their modules."""
    own = Path(sys.prefix) / "triton"
    if not own.exists():
        pytest.skip(f"{own} does not exist; `make test` makes it")
    (packages,) = own.glob("lib/python*/site-packages")
    source = Path(automl_vision.__file__).parents[1]
    (packages / "tests.pth").write_text(f"{source}\n{sysconfig.get_path('purelib')}\n")
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    path = os.pathsep.join([str(own / "bin"), os.environ["PATH"]])
    return {**kept, "LD_LIBRARY_PATH": str(libraries), "PATH": path}


@contextmanager
def triton_server(repository: Path, place: Path) -> Iterator[str]:
    """The server on a model repository; gives host and port for HTTP."""
    from tritonclient.http import InferenceServerClient, InferenceServerException

    program, backends = server_files(place)
    libraries = Path(str(find_spec("pytriton").origin)).parents[1] / "nvidia_pytriton.libs"  # type: ignore[union-attr]
    port, grpc = free_port(), free_port()
    command = [str(program), f"--model-repository={repository}", f"--backend-directory={backends}", _MEMORY]
    command += ["--http-address=127.0.0.1", f"--http-port={port}", "--grpc-address=127.0.0.1", f"--grpc-port={grpc}"]
    command += ["--allow-metrics=false", "--exit-timeout-secs=1"]
    environment = _environment(libraries)
    log = place / "triton.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        client = InferenceServerClient(f"127.0.0.1:{port}")
        try:
            return bool(client.is_server_ready())
        except (OSError, InferenceServerException):
            return False
        finally:
            client.close()

    try:
        wait_for(is_ready, 90)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(40)
