"""A receiver that Label Studio calls when annotations change, so that the dataset follows within seconds."""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.labeling.project import LabelingProject
from automl_vision.web.listening import address_of, listening_socket
from automl_vision.web.problems import add_problems

PATH = "/annotations"
_QUIET_SECONDS = 2.0
_ANYWAY_SECONDS = 300.0  # in which a call that was lost is made up for
_log = logging.getLogger(__name__)


class Follower:
    """Syncs a project in a thread of its own: soon after each call, and every few minutes without one.

    Its life: `start`, then `call` as often as something changes, then `close`, which finishes a sync that runs.

    Args:
        sync: what is done; it returns a sentence for people.
        announce: called with the sentence of each sync that changed something.
        quiet_seconds: that pass after a call, so that what people submit at the same time is one version.
    """

    def __init__(
        self, sync: Callable[[], str], announce: Callable[[str], None], *, quiet_seconds: float = _QUIET_SECONDS
    ) -> None:
        self._sync, self._announce, self._quiet = sync, announce, quiet_seconds
        self._called, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="labeling-sync")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def call(self) -> None:
        """Say that something has changed."""
        self._called.set()

    def close(self) -> None:
        """End, after a sync that runs."""
        self._ending.set()
        self._called.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ending.is_set():
            self._called.wait(_ANYWAY_SECONDS)
            self._ending.wait(self._quiet)
            self._called.clear()
            if self._ending.is_set():
                return
            try:
                if sentence := self._sync():
                    self._announce(sentence)
            except AutoMLVisionError as error:  # the server may be away; what it has is still there later
                _log.warning("the sync failed and is tried again: %s", error)
            except Exception:  # a full disk, an odd answer: the next call must still be followed
                _log.exception("the sync failed and is tried again")


def receiver_app(follower: Follower, key: str) -> FastAPI:
    """The receiver as an ASGI app.

    Args:
        follower: that is told.
        key: that a caller presents, as in `Authorization: Bearer KEY`.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        follower.start()
        try:
            yield
        finally:
            follower.close()

    app = FastAPI(title="AutoML Vision labelling", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    add_problems(app)

    @app.post(PATH, status_code=HTTPStatus.ACCEPTED)
    async def annotations_changed(request: Request) -> dict[str, str]:
        """Take note; the body is not read, for the server is asked what it has."""
        presented = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(presented.encode(), key.encode()):
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "present the key that the project's webhook was made with")
        follower.call()
        return {"status": "noted"}

    return app


def serve_receiver(
    project: LabelingProject,
    *,
    host: str = "127.0.0.1",
    port: int = 8085,
    public_url: str | None = None,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve a receiver for a project, and let its server call it, until the process is told to end.

    Args:
        project: to sync.
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        public_url: where Label Studio reaches the receiver; None for host and port.
        announce: called with what the user should read.

    Raises:
        AddressTakenError: it cannot listen there.
        LabelStudioError: Label Studio cannot be reached, or does not call such an address.
    """
    import uvicorn

    def sync() -> str:
        pulled, pushed = project.sync()
        sent = f"; {pushed.tasks} images were sent" if pushed.tasks else ""
        changed = f"{pulled.changed} images with other labels, {pulled.added} new images"
        return f"{pulled.version or 'no version yet'}: {changed}{sent}" if pulled.is_new or sent else ""

    key = secrets.token_urlsafe(24)
    with listening_socket(host, port) as listener:
        address = address_of(listener, host, is_encrypted=False)
        project.call(f"{(public_url or address).rstrip('/')}{PATH}", key)
        announce(f"labelling  {project.name}  {address}{PATH}  (Ctrl-C ends it)")
        app = receiver_app(Follower(sync, announce), key)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listener])
