"""A connection to a Label Studio server: its REST API, with a user's token."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from automl_vision.core.errors import AutoMLVisionError, MissingPackageError

TOKEN_VARIABLE, URL_VARIABLE = "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_URL"
"""As Label Studio's own SDK calls them."""

DEFAULT_URL = "http://127.0.0.1:8080"
_SECONDS = 120.0  # an import of many tasks is answered when all of them are in the database
_RENEWED_AFTER = 240.0  # seconds; access tokens live for five minutes
_TRIES, _PAUSE = 5, 0.5  # of requests that change nothing; the pause doubles
_UNAVAILABLE = (502, 503, 504)
_PAGE = 200
_SHOWN = 400  # characters of an answer that cannot be used


class LabelStudioError(AutoMLVisionError):
    """A Label Studio server cannot be reached, refuses, or answers what it should not."""


class LabelStudio:
    """A Label Studio server.

    Its life: made, asked, closed; it may be used in a `with` block. What changes nothing is tried again where the
    server does not answer; what changes something is sent once, so that whoever calls decides what to do.

    Args:
        url: of the server, with the path that it lies below if there is one; None takes `LABEL_STUDIO_URL`, or port
            8080 of this machine.
        token: an access token of a user, personal or legacy; None takes `LABEL_STUDIO_API_KEY`.

    Raises:
        LabelStudioError: there is no token, or the address is none.
        MissingPackageError: httpx2 is not installed.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.url = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise LabelStudioError(f"a server's address begins with http:// or https://, not {self.url}")
        self._token = token or os.environ.get(TOKEN_VARIABLE, "")
        if not self._token:
            raise LabelStudioError(
                f"{self.url} needs a token; copy one from Label Studio (Account & Settings) and set it with: "
                f"export {TOKEN_VARIABLE}=..."
            )
        self._access, self._renewed = "", 0.0
        self._http = _client_library().Client(timeout=_SECONDS, follow_redirects=False, trust_env=False)

    def __repr__(self) -> str:
        return f"LabelStudio({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON at a path.

        Raises:
            LabelStudioError: the server cannot be reached, or refuses.
        """
        return self._json(self._patiently(path, parameters))

    def pages(self, path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The entries of all pages at a path, one page in memory at a time."""
        page, seen = 1, 0
        while True:
            found = self.get(path, page=page, page_size=_PAGE, **parameters)
            entries = found["tasks"] if "tasks" in found else found["results"]
            yield from entries
            page, seen = page + 1, seen + len(entries)
            if not entries or seen >= found.get("total", found.get("count", 0)):
                return

    def download(self, address: str) -> bytes:
        """A file that the server serves.

        Args:
            address: below the server, such as `/data/local-files/?d=a.jpg`.

        Raises:
            LabelStudioError: it is elsewhere, or cannot be had.
        """
        if not self._place(address).startswith(f"{self.url}/"):
            raise LabelStudioError(f"{address} is not served by {self.url}")
        content: bytes = self._patiently(address, {}).content
        return content

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Change something, once; the JSON of the answer, None without any.

        Args:
            method: POST, PATCH, PUT or DELETE.
            path: below the server.
            body: JSON values.

        Raises:
            LabelStudioError: the server cannot be reached, or refuses.
        """
        answer = self._request(method, path, json=body)
        return self._json(answer) if answer.content else None

    def _place(self, address: str) -> str:
        """Where an address below the server is; one that lies elsewhere stays there.

        A server may itself lie below a path, such as `https://host/label-studio`; its own addresses have that path or
        lack it.
        """
        below = urlsplit(self.url).path
        if address.startswith("/") and not address.startswith(("//", f"{below}/")):
            address = f"{below}{address}"
        return urljoin(f"{self.url}/", address)

    def _patiently(self, path: str, parameters: dict[str, Any]) -> Any:
        for attempt in range(_TRIES):
            try:
                return self._request("GET", path, params=parameters or None)
            except LabelStudioUnavailableError:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE * 2**attempt)
        raise AssertionError

    def _request(self, method: str, path: str, **what: Any) -> Any:
        library = _client_library()
        try:
            answer = self._http.request(
                method, self._place(path), headers={"Authorization": self._authorization()}, **what
            )
        except library.TransportError as error:
            raise LabelStudioUnavailableError(f"{self.url} does not answer ({error or type(error).__name__})") from None
        if answer.status_code in _UNAVAILABLE:
            raise LabelStudioUnavailableError(f"{self.url} is not available ({answer.status_code})")
        if answer.status_code == 401:
            raise LabelStudioError(f"{self.url} does not know the token; copy a new one and set {TOKEN_VARIABLE}")
        if not answer.is_success:
            raise LabelStudioError(
                f"{self.url} refuses {method} {urlsplit(path).path} ({answer.status_code}): {_words(answer)}"
            )
        return answer

    def _authorization(self) -> str:
        """The header's value; a personal token is exchanged for an access token that lives a few minutes."""
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        if not self._access or time.monotonic() - self._renewed > _RENEWED_AFTER:
            library = _client_library()
            try:
                answer = self._http.post(f"{self.url}/api/token/refresh/", json={"refresh": self._token})
            except library.TransportError as error:
                raise LabelStudioUnavailableError(
                    f"{self.url} does not answer ({error or type(error).__name__})"
                ) from None
            if not answer.is_success:
                raise LabelStudioError(f"{self.url} does not know the token; copy a new one and set {TOKEN_VARIABLE}")
            self._access, self._renewed = answer.json()["access"], time.monotonic()
        return f"Bearer {self._access}"

    def _json(self, answer: Any) -> Any:
        try:
            return answer.json()
        except ValueError:
            text = answer.text[:_SHOWN]
            raise LabelStudioError(f"{self.url} answers no JSON; is it a Label Studio? It says: {text}") from None


class LabelStudioUnavailableError(LabelStudioError):
    """A Label Studio server gave no answer; the same may work later."""


def _words(answer: Any) -> str:
    """What an answer says of a mistake."""
    try:
        value = answer.json()
    except ValueError:
        is_page = "html" in answer.headers.get("content-type", "")
        return "it answers with a page" if is_page else str(answer.text[:_SHOWN])
    if isinstance(value, dict):
        errors = value.get("validation_errors")
        value = errors or value.get("detail") or value.get("non_field_errors") or value
    return str(value)[:_SHOWN]


def _client_library() -> Any:
    try:
        import httpx2
    except ModuleNotFoundError:
        raise MissingPackageError(
            "httpx2 is not installed, by which Label Studio is asked. Install it with: "
            'pip install "automl-vision[label]"'
        ) from None
    return httpx2
