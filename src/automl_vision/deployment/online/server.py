"""Serves an endpoint: on loopback unless told otherwise, with a key and TLS elsewhere, in one or several processes."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from automl_vision.deployment.online.definition import EndpointError
from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from automl_vision.serving.device import usable_cores
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.web.listening import address_of, is_loopback, listening_socket

DEFAULT_PORT = 8080
_CORES_PER_WORKER = 4
_GRACE_SECONDS = 30  # in which accepted requests are finished
_BACKLOG = 2048
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which workers count together; Prometheus' client reads it when it is imported."""


@dataclass(frozen=True)
class ServerSettings:
    """How an endpoint is served.

    Attributes:
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        certificate, key: PEM files for HTTPS; without them HTTP is spoken.
        insecure: also listen on other addresses than loopback without a key or without TLS, such as behind a proxy.
        workers: processes; 0 takes one for every four cores.
        threads: cores to use in all; 0 uses all that this process may use.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False
    workers: int = 0
    threads: int = 0

    @property
    def cores(self) -> int:
        """To be used by all workers."""
        return self.threads or usable_cores()

    @property
    def worker_count(self) -> int:
        """Processes to be started."""
        return self.workers or max(1, self.cores // _CORES_PER_WORKER)


def serve(
    folder: EndpointFolder, settings: ServerSettings = ServerSettings(), *, announce: Callable[[str], None] = print
) -> None:
    """Serve an endpoint until the process is told to end; what was accepted is answered first.

    Args:
        folder: of the endpoint.
        settings: how.
        announce: called with what the user should read.

    Raises:
        AddressTakenError: the server cannot listen there.
        EndpointError: the definition cannot be used, or the address would be open to everyone.
        ModelFolderError: a deployment's folder is not a usable model folder.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    _check(folder, settings)
    is_encrypted = settings.certificate is not None
    with listening_socket(settings.host, settings.port) as listener, tempfile.TemporaryDirectory() as made:
        shared = Path(made)
        os.environ[MULTIPROCESS_VARIABLE] = str(shared)
        workers = settings.worker_count
        config = uvicorn.Config(
            partial(_worker_app, folder.path, max(1, settings.cores // workers), shared),
            factory=True,
            http="automl_vision.deployment.online.protocol:PromptProtocol",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            workers=workers,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        address = address_of(listener, settings.host, is_encrypted=is_encrypted)
        announce(f"endpoint  {folder.name}  {address}/score  (Ctrl-C ends it)")
        if workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])


def _check(folder: EndpointFolder, settings: ServerSettings) -> None:
    """Refuse what cannot work, or would be open to everyone, before anything listens."""
    definition = folder.definition()
    for deployment in definition.deployments.values():
        ModelDescription.load(folder.model_folder(deployment))
    if not any(definition.traffic.values()):
        raise EndpointError(f"no deployment of {folder.name} takes traffic; deploy a model first")
    if (settings.certificate is None) != (settings.key is None):
        raise EndpointError("HTTPS needs both a certificate and its key")
    if is_loopback(settings.host) or settings.insecure:
        return
    missing = [
        text
        for text, is_missing in (
            ("a key (auth_mode: key)", definition.auth_mode != "key"),
            ("TLS (--certificate and --key)", settings.certificate is None),
        )
        if is_missing
    ]
    if missing:
        raise EndpointError(
            f"on {settings.host} other machines can reach the endpoint, which needs {' and '.join(missing)}; "
            "where a proxy in front does that, say --insecure"
        )


def _worker_app(folder: Path, threads: int, shared: Path) -> object:
    from automl_vision.deployment.online.app import create_app

    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return create_app(folder, threads=threads, shared=shared)
