"""What folders of images mean: which are splits, which are classes, and which are neither."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from automl_vision.core.errors import DataError
from automl_vision.core.text import composed, folder_of
from automl_vision.data.split_names import normalize_split, split_in_name
from automl_vision.formats.masks_aside import masks_aside
from automl_vision.formats.source import Source

_WRAPPERS = frozenset({"images", "image", "imgs", "img", "data", "jpg", "jpeg", "png"})  # never the name of a class
_UNKNOWN = frozenset({"unknown", "unlabeled", "unlabelled", "unclassified", "all", "all_classes", "dummy"})
_NUMBERED = re.compile(r"(.*?)[ _.-]*\d+")
_CLASS_WORDS = frozenset({"", "class", "label", "category"})  # a number after these is the class itself
_SHOWN = 4


@dataclass(frozen=True)
class Meaning:
    """What a folder says of the images below it."""

    label: str
    split: str | None = None
    group: str | None = None


@dataclass
class Folder:
    """A folder that holds images, in it or below it.

    Attributes:
        path: relative to the data's root.
        images: images directly in it.
        folders: those in it that hold images, by name.
    """

    path: str
    images: int = 0
    folders: dict[str, Folder] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition("/")[2]

    def all(self) -> Iterator[Folder]:
        """Itself and all folders below."""
        yield self
        for folder in self.folders.values():
            yield from folder.all()

    @staticmethod
    def tree(images: Iterable[str]) -> Folder:
        """The root of the folders of some images."""
        root = Folder("")
        for path, count in Counter(map(folder_of, images)).items():
            folder = root
            for part in path.split("/") if path else ():
                below = f"{folder.path}/{part}" if folder.path else part
                folder = folder.folders.setdefault(part, Folder(below))
            folder.images = count
        return root


@dataclass
class FolderLayout:
    """What each folder means.

    Attributes:
        meaning: of each folder at or below a class.
        unlabelled: folders whose images are meant to have no label.
        notes: place and reason of what people should know.
    """

    meaning: dict[str, Meaning] = field(default_factory=dict)
    unlabelled: set[str] = field(default_factory=set)
    notes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def class_parents(self) -> set[str]:
        """The folders that hold class folders."""
        return {folder_of(path) for path, meaning in self.meaning.items() if _last(path) == meaning.label}

    def take(self, folder: Folder, meaning: Meaning) -> None:
        """Give a folder and all below it a meaning."""
        self.meaning.update((below.path, meaning) for below in folder.all())

    def leave(self, folder: Folder, reason: str) -> None:
        """Leave the images of a folder alone, and say so."""
        self.unlabelled.update(below.path for below in folder.all())
        self.notes.append((folder.path, f"{sum(below.images for below in folder.all())} images {reason}; left alone"))


def read_layout(root: Folder) -> FolderLayout:
    """Tell splits from classes.

    Raises:
        DataError: two readings are possible; the message says how to choose one.
    """
    layout = FolderLayout()
    split, top = _unwrapped(root)
    _leave_copies(top, layout)
    splits = _splits(top)
    if splits:
        _read_splits(top, splits, layout)
    elif top.folders and all(_holds_splits(folder) for folder in top.folders.values()):
        _read_splits_of_classes(top, layout)
    else:
        _read_classes(top, split, layout)
    return layout


def class_folders(source: Source) -> set[str]:
    """The names of folders that can be nothing but classes."""
    layout = layout_of(source)
    if layout is None:
        return set()
    names = {meaning.label for meaning in layout.meaning.values()}
    return set() if _are_numbered(names) else names


def layout_of(source: Source) -> FolderLayout | None:
    """What a source's folders mean as classes; None where they may mean two things, or the source is a file."""
    if source.main:
        return None
    try:
        return _layout_of_all(source)
    except DataError:
        return None


def layout_of_photos(source: Source) -> FolderLayout:
    """What the folders of a folder mean as classes, with masks among the images left aside.

    Raises:
        DataError: two readings are possible; the message says how to choose one.
    """
    aside = masks_aside(source)
    if not aside:
        return _layout_of_all(source)
    photos = (path for path in source.images if path not in aside)
    return source.look_once("layout of photos", lambda: read_layout(Folder.tree(photos)))


def _layout_of_all(source: Source) -> FolderLayout:
    return source.look_once("layout", lambda: read_layout(Folder.tree(source.images)))


def _unwrapped(root: Folder) -> tuple[str | None, Folder]:
    """The first folder that holds more than another folder, and the split that is stated on the way."""
    split = None
    while not root.images and len(root.folders) == 1:
        (root,) = root.folders.values()
        split = normalize_split(root.name) or split
    return split, root


def _leave_copies(top: Folder, layout: FolderLayout) -> None:
    """Leave folders alone that hold the folders beside them once more, as some archives do."""
    for name, folder in list(top.folders.items()):
        beside = top.folders.keys() - {name}
        if not folder.images and len(folder.folders) > 1 and folder.folders.keys() <= beside:
            layout.leave(top.folders.pop(name), "stand in the same folders once more")


def _core(folder: Folder, *, wrapped: bool = False) -> Folder:
    """A split's folder without those that only wrap its class folders, or its images.

    Args:
        folder: of a split.
        wrapped: whether a folder of any name may be such, if it holds folders.
    """
    while not folder.images and len(folder.folders) == 1:
        (only,) = folder.folders.values()
        is_wrapper = only.name.lower() in _WRAPPERS or only.name == folder.name
        if not is_wrapper and not (wrapped and only.folders):
            break
        folder = only
    return folder


def _splits(top: Folder) -> dict[str, str]:
    """Splits by names of folders; empty where the folders are classes.

    "train" and "test" may also be classes: they are when other folders hold images and not two splits hold folders.

    Raises:
        DataError: only "train" holds folders, and beside it stand folders of images that are no split.
    """
    exact = {name: split for name in top.folders if (split := normalize_split(name))}
    likely = {name: split for name in top.folders if (split := split_in_name(name))}
    deep = {name for name, folder in top.folders.items() if _core(folder).folders}
    others = [folder for name, folder in top.folders.items() if name not in exact]
    if _is_division(exact, deep) or (deep <= likely.keys() and _is_division(likely, deep)):
        return likely
    if deep and {likely.get(name) for name in deep} == {"train"} and top.folders.keys() <= likely.keys():
        return likely
    if (unnamed := _unnamed_training(top, likely, deep)) is not None:
        return {**likely, unnamed: "train"}
    if "train" not in exact.values():
        return {}
    if not others:
        return exact
    if deep and deep <= exact.keys() and others[0].name not in likely:
        raise DataError(
            f'"{next(iter(deep))}" may be a split or a class: it holds folders, and beside it "{others[0].name}" holds '
            'images; say which with format="folder" and label_column="2" (the class is the second folder of a path) or '
            'label_column="1"'
        )
    return {}


def _unnamed_training(top: Folder, splits: dict[str, str], deep: set[str]) -> str | None:
    """The only folder of classes that is not a split, where those that are hold the same classes (`rps-test-set`)."""
    unnamed, named = deep - splits.keys(), deep & splits.keys()
    if len(unnamed) != 1 or not named or "train" in splits.values():
        return None
    (name,) = unnamed
    classes = _core(top.folders[name]).folders.keys()
    return name if all(_core(top.folders[other]).folders.keys() <= classes for other in named) else None


def _is_division(splits: dict[str, str], deep: set[str]) -> bool:
    found = {splits[name] for name in deep if name in splits}
    return "train" in found and len(found) > 1


def _read_splits(top: Folder, splits: dict[str, str], layout: FolderLayout) -> None:
    wrapped = all(len(top.folders[name].folders) == 1 for name in splits)
    cores = {name: _core(top.folders[name], wrapped=wrapped) for name in splits}
    trained = {composed(label) for name, core in cores.items() if splits[name] == "train" for label in core.folders}
    labelled = any(core.folders for core in cores.values())
    for name, folder in top.folders.items():
        if name not in splits and not _core(folder).folders:
            layout.leave(folder, "stand beside the splits and in no class folder")
    for name, core in cores.items():
        if not core.folders:
            if labelled:
                layout.leave(core, "stand in no class folder")
        elif _UNKNOWN.issuperset(folder.lower() for folder in core.folders):
            layout.leave(core, "stand in a folder of unknown")
        elif trained and len(core.folders) > 1 and trained.isdisjoint(map(composed, core.folders)):
            raise DataError(
                f'the class folders {_named(trained)} and those of "{core.path}" ({_named(core.folders)}) have no '
                "class in common; name the class folders of all splits alike"
            )
        else:
            _read_classes(core, splits[name], layout)


def _holds_splits(folder: Folder) -> bool:
    """Whether a folder holds nothing but splits."""
    splits = {normalize_split(name) for name in folder.folders}
    return not folder.images and None not in splits and "train" in splits


def _read_splits_of_classes(top: Folder, layout: FolderLayout) -> None:
    for folder in top.folders.values():
        for name, below in folder.folders.items():
            if below.folders:
                raise DataError(
                    f"the folders {_named(top.folders)} hold splits of their own; open one of them: {folder.path}"
                )
            layout.take(below, Meaning(folder.name, normalize_split(name)))


def _read_classes(top: Folder, split: str | None, layout: FolderLayout) -> None:
    if _are_parts(top):
        layout.notes.append((top.path, f"{_named(top.folders)} are read as groups, their folders as classes"))
        for part in top.folders.values():
            for folder in part.folders.values():
                layout.take(folder, Meaning(folder.name, split, part.name))
        return
    for folder in top.folders.values():
        layout.take(folder, Meaning(folder.name, split))
    divided = next((folder for folder in top.folders.values() if len(folder.folders) > 1), None)
    if divided is not None:
        reason = f'its folders ({_named(divided.folders)}) are read as parts of the class "{divided.name}"'
        layout.notes.append((divided.path, reason))


def _are_parts(top: Folder) -> bool:
    """Whether the folders below are no classes but numbered parts, such as folds, that hold the same class folders.

    Raises:
        DataError: they hold the same folders, and nothing tells which of the two are the classes.
    """
    below = Counter(name for folder in top.folders.values() for name in folder.folders)
    shared = [name for name, count in below.items() if count > 1]
    has_images = any(folder.images for folder in top.folders.values())
    if has_images or len(shared) < 2 or 2 * len(shared) < len(below):
        return False
    upper, lower = _are_numbered(top.folders), _are_numbered(below)
    if upper != lower:
        return upper
    raise DataError(
        f"the folders {_named(top.folders)} hold the same folders ({_named(below)}), and either may be the classes; "
        'say which with format="folder" and label_column="-1" (the folder that holds the image) or label_column="-2", '
        "or open one of them"
    )


def _are_numbered(names: Iterable[str]) -> bool:
    """Whether all names are one word with a number, such as fold_1 and fold_2."""
    found = [_NUMBERED.fullmatch(name) for name in names]
    words = {match[1].lower() if match else "" for match in found}
    return len(words) == 1 and words.isdisjoint(_CLASS_WORDS)


def _named(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(f'"{name}"' for name in shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")


def _last(path: str) -> str:
    return path.rpartition("/")[2]
