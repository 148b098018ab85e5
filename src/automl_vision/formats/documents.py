"""The annotation files of a source while it is being opened: each is read once and parsed once."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar, cast

from automl_vision.core.errors import DataError

_MOST_FILES = 256  # kept at once; what formats look at to recognise themselves is far less
_MOST_BYTES = 24 * 2**20  # kept at once, as they are in the files; a parsed file takes about ten times its size
Parsed = TypeVar("Parsed")


_Document = dict[Callable[..., Any] | None, Any]  # by parser its value or error; under None the bytes, or theirs


class Documents:
    """A bounded memory of files that several formats look at.

    The first files are kept up to a limit, because formats look at the first files; of the others, and of larger ones,
    only the latest is. A hundred thousand small files and one huge file therefore cost little memory.

    Errors are kept as copies without a traceback, whose frames would keep the whole source in a cycle of references,
    and with it the open file of an archive.

    Args:
        read: returns the bytes of a file, or raises `DataError`.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self.forget()

    def forget(self) -> None:
        """Drop everything, once the dataset is open."""
        self._kept: dict[str, _Document] = {}
        self._room = _MOST_BYTES
        self._latest: tuple[str, _Document] | None = None
        self._others: set[tuple[str, Callable[..., Any]]] = set()  # files that are something else, kept or not

    def data(self, path: str) -> bytes:
        """The bytes of a file.

        Raises:
            DataError: it cannot be read.
        """
        document = self._document(path)
        if document is None or None not in document:
            document = {} if document is None else document
            if self._latest is not None and self._latest[0] != path:
                self._latest = None  # before the next one is read, so that two large files are never held at once
            try:
                document[None] = self._read(path)
            except DataError as error:
                document[None] = copy(error)
                self._keep(path, document, 0)
                raise
            self._keep(path, document, len(document[None]))
        return cast(bytes, _value(document[None]))

    def parsed(self, path: str, parse: Callable[[bytes, str], Parsed]) -> Parsed:
        """What a parser makes of a file's bytes and path; None if the file is something else.

        The bytes are dropped once they are parsed, so that a file is held in one form at a time.

        Raises:
            DataError: the file cannot be read, or the parser raised this error, now or the first time.
        """
        if (path, parse) in self._others:
            return cast(Parsed, None)
        document = self._document(path)
        if document is None or parse not in document:
            data = self.data(path)
            document = cast(_Document, self._document(path))
            try:
                value = parse(data, path)
            except DataError as error:
                document[parse] = copy(error)
                raise
            if value is None:
                self._others.add((path, parse))
                return value
            document.clear()
            document[parse] = value
        return cast(Parsed, _value(document[parse]))

    def _document(self, path: str) -> _Document | None:
        if self._latest is not None and self._latest[0] == path:
            return self._latest[1]
        return self._kept.get(path)

    def _keep(self, path: str, document: _Document, size: int) -> None:
        if path in self._kept:
            return
        if size <= self._room and len(self._kept) < _MOST_FILES:
            self._kept[path] = document
            self._room -= size
        else:
            self._latest = (path, document)


def _value(found: Any) -> Any:
    if isinstance(found, DataError):
        raise copy(found)
    return found
