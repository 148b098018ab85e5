"""Finding the listed image that an annotation means where its path is incomplete, or another machine's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property

from automl_vision.core.text import folded, folder_of
from automl_vision.data.image_names import is_image
from automl_vision.data.split_names import is_mask_folder, split_in_name, split_of_folder, split_word_of_folder
from automl_vision.storage.locations import Storage

_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file


class ImageListing:
    """The images of a dataset by their names; they are listed when they are first asked for.

    Args:
        storage: where they lie.

    Attributes:
        contested: listed images that two references of different folders mean, with these.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._meant: dict[str, list[str]] = {}  # by listed image: the parts of the reference that it was found for
        self.contested: dict[str, tuple[str, str]] = {}

    @cached_property
    def images(self) -> list[str]:
        """Paths of all images, relative to the data's root."""
        return [path for path in self._storage.files if is_image(path)]

    @cached_property
    def all(self) -> frozenset[str]:
        """Paths of all files, for looking up."""
        return frozenset(self._storage.files)

    @property
    def is_made(self) -> bool:
        """Whether the images have been listed."""
        return "images" in self.__dict__

    def beside(self, stem: str) -> str | None:
        """The image with a path without suffix, or None."""
        return self._by_stem.get(stem)

    def named(self, stem: str, folder: str = "", split: str | None = None) -> str | None:
        """The image whose name without suffix is `stem`, when only one fits."""
        name = stem.rpartition("/")[2]
        found = self._stems.get(name) or self._stems.get(_UPLOAD.sub("", name), [])
        return self._only(found, folder, split)

    def of_stem(self, stem: str, folder: str = "", split: str | None = None) -> str | None:
        """The image that a reference without suffix names: at its path, or by the end of it."""
        text = stem.replace("\\", "/")
        for candidate in (f"{folder}/{text}" if folder else text, text):
            if (found := self._by_stem.get(candidate)) is not None:
                return found
        return self.ending_alike(text, folder, split, self._by_folded_stem)

    def has_name(self, reference: str) -> bool:
        """Whether an image has a reference's name, with or without suffix."""
        name = folded(reference.replace("\\", "/").rpartition("/")[2])
        return bool(name) and (name in self._by_name or name in self._by_folded_stem)

    def split_of(self, path: str) -> str | None:
        """The split that a file's folders state, the innermost first: by their whole names, or by a word in them.

        A word counts (`train_images`) where it does for folders of training and of other images alike.
        """
        folder = folder_of(path)
        if (split := split_of_folder(folder)) is None and (word := split_word_of_folder(folder)) is not None:
            return word if self._has_split_words else None
        return split

    def ending_alike(
        self,
        reference: str,
        folder: str,
        split: str | None,
        names: dict[str, list[str]] | None = None,
        *,
        least: int = 1,
    ) -> str | None:
        """The listed image that shares most of the last parts with a reference, capitals and forms of letters aside.

        None when several do, when fewer than `least` parts are shared, when the reference's own folder is there without
        the file, or when another reference already means that image: a label on a wrong image is worse than a missing
        one. `names` are the listed images by the last part of a reference; None for whole file names.
        """
        parts = [part for part in folded(reference).split("/") if part not in ("", ".", "..")]
        if not parts:
            return None
        by_name = self._by_name if names is None else names
        found = by_name.get(parts[-1]) or by_name.get(_UPLOAD.sub("", parts[-1]))
        if not found:
            return None
        own_end = parts[-2::-1]
        alike = {path: 1 + shared_start(own_end, folded(path).split("/")[-2::-1]) for path in found}
        most = max(alike.values())
        if most < least:
            return None
        if most < len(parts) and not reference.startswith("/"):
            own = "/".join(parts[:-1])
            below = (path for path in (own, folded(f"{folder}/{own}")) if path in self._folders)
            if own and any(below):
                return None
        best = [path for path, count in alike.items() if count == most]
        name = reference.rpartition("/")[2]
        chosen = self._only([path for path in best if path.rpartition("/")[2] == name] or best, folder, split)
        if chosen is not None and (first := self._meant.setdefault(chosen, parts)) != parts:
            self.contested.setdefault(chosen, ("/".join(first), reference))
            return None
        return chosen

    def _only(self, paths: list[str], folder: str, split: str | None) -> str | None:
        """The only path, or the only one that is no mask, or of a split, or below a folder."""
        if len(paths) > 1:
            paths = [path for path in paths if not any(map(is_mask_folder, path.split("/")[:-1]))] or paths
        if len(paths) > 1 and split:
            paths = [path for path in paths if self.split_of(path) == split] or paths
        if len(paths) > 1 and folder:
            paths = [path for path in paths if path.startswith(f"{folder}/")]
        return paths[0] if len(paths) == 1 else None

    @cached_property
    def _has_split_words(self) -> bool:
        parts = {part for folder in set(map(folder_of, self.images)) for part in folder.split("/")}
        found = set(map(split_in_name, parts)) - {None}
        return "train" in found and len(found) > 1

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Images by their names, folded."""
        return grouped(self.images, lambda path: folded(path.rpartition("/")[2]))

    @cached_property
    def _by_folded_stem(self) -> dict[str, list[str]]:
        return grouped(self.images, lambda path: folded(stem_of(path)))

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        return {path.rpartition(".")[0]: path for path in reversed(self.images)}

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        return grouped(self.images, stem_of)

    @cached_property
    def _folders(self) -> frozenset[str]:
        """All folders that hold files, folded."""
        found: set[str] = set()
        for path in self._storage.files:
            folder = folded(folder_of(path))
            while folder and folder not in found:
                found.add(folder)
                folder = folder_of(folder)
        return frozenset(found)


def shared_start(first: Iterable[str], second: Iterable[str]) -> int:
    """How many parts two paths have in common before they differ."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def grouped(paths: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    """Paths by what they have in common, in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        found[key(path)].append(path)
    return dict(found)


def stem_of(path: str) -> str:
    """A path's name without its suffix."""
    return path.rpartition("/")[2].rpartition(".")[0]
