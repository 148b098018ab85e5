"""A folder of this machine."""

from __future__ import annotations

import os
import stat
from functools import cached_property
from pathlib import Path

from automl_vision.core.errors import ImageError
from automl_vision.storage.locations import MAX_IMAGE_BYTES, OUTSIDE, Storage, check_size

_CACHES = {
    "/.dvc/cache/": "DVC's cache (.dvc/cache)",
    "/.git/annex/": "git-annex's store (.git/annex)",
    "/huggingface/hub/": "the Hugging Face cache",
}
"""What stands in the paths that links of known tools lead to."""


class LocalFolder(Storage):
    """A folder of this machine."""

    def __init__(self, root: str, *, allow_outside: bool = False) -> None:
        super().__init__(root)
        self._allow_outside = allow_outside
        self._real = os.path.realpath(root)
        self._outside_files: set[str] = set()
        self._real_folders: dict[str, str] = {}

    @cached_property
    def files(self) -> list[str]:
        """All files but hidden ones; links out of the folder are entered only when that is allowed."""
        found: list[str] = []
        entered = {self._real}
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                entries = list(os.scandir(os.path.join(self.root, folder)))  # noqa: PTH118 - a million files
            except OSError as error:
                self.skipped[folder or "."] = f"the folder cannot be read ({error.strerror})"
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not _is_folder(entry):
                    found.append(path)
                    if entry.is_symlink() and not self._is_inside(path):
                        self._outside_files.add(path)
                elif not entry.is_symlink():
                    pending.append(path)
                elif not self._allow_outside and not self._is_inside(path):
                    self.skipped[path] = f"the {_named(os.path.realpath(entry.path))} {OUTSIDE}"
                elif (real := os.path.realpath(entry.path)) not in entered:
                    entered.add(real)
                    pending.append(path)
        return sorted(found)

    def read(self, path: str, limit: int = MAX_IMAGE_BYTES) -> bytes:
        """The bytes of a file, which may also be an absolute path that `resolve` gave."""
        file = Path(self.root) / path
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            raise OSError("it is a device or a pipe, not a file")
        check_size(facts.st_size, limit)
        return file.read_bytes()

    def _inside(self, path: str, *, allow_outside: bool) -> str:
        """The path relative to the folder; links that stay inside keep their name."""
        file = os.path.join(self.root, path)  # noqa: PTH118 - a million files
        try:
            is_link = os.path.islink(file)  # noqa: PTH114 - which a name that is too long does not upset
            real = os.path.realpath(file) if is_link else self._real_file(file)
        except (OSError, ValueError, RuntimeError) as error:
            raise ImageError(f"the path cannot be resolved ({error})") from error
        if real == self._real or real.startswith(self._real + os.sep):
            return path if is_link else real[len(self._real) + 1 :].replace(os.sep, "/")
        if allow_outside:
            return path if is_link else real  # a link's own name says more than that of a file in a cache
        raise ImageError(f"the {_named(real) if is_link else 'path'} {OUTSIDE}")

    def _real_file(self, file: str) -> str:
        """The real path of a file that is not a link; that of its folder is asked for once."""
        folder, name = os.path.split(file)
        if name in ("", ".", ".."):
            return os.path.realpath(file)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return os.path.join(self._real_folders[folder], name)  # noqa: PTH118

    def _stated(self, path: str) -> str:
        try:
            facts = os.stat(os.path.join(self.root, path))  # noqa: PTH116, PTH118 - a million files
        except (OSError, ValueError):
            raise ImageError("the file is missing") from None
        return f"{path}\n{facts.st_size}\n{facts.st_mtime_ns}"

    def leads_outside(self, path: str) -> bool:
        """Whether a listed file is a link out of the folder."""
        return path in self._outside_files and not self._allow_outside

    def _is_inside(self, path: str) -> bool:
        real = os.path.realpath(os.path.join(self.root, path))  # noqa: PTH118
        return real == self._real or real.startswith(self._real + os.sep)


def _named(real: str) -> str:
    """A link, and the cache of a known tool that it leads into."""
    path = real.replace(os.sep, "/")
    tool = next((name for part, name in _CACHES.items() if part in f"{path}/"), None)
    return "link" if tool is None else f"link into {tool}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
