"""A labelling project: a dataset's images in Label Studio, and the dataset's next version from what people labelled."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from automl_vision.core.errors import DataError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.names import NAME_RULE, is_usable_name
from automl_vision.core.records.record import read_record
from automl_vision.core.tasks import TASKS
from automl_vision.core.text import did_you_mean
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import Progress
from automl_vision.data.usability import MIN_IMAGES
from automl_vision.formats.listing import list_images
from automl_vision.formats.tools.label_studio_results import interface_of
from automl_vision.labeling.agreement import Agreement, agreement
from automl_vision.labeling.merging import Merged, merge
from automl_vision.labeling.next_version import NewLabel, with_labels
from automl_vision.labeling.pushing import push
from automl_vision.labeling.records import (
    LabelingError,
    ProjectRecord,
    ProjectStatus,
    Pulled,
    Pushed,
    WantedImage,
)
from automl_vision.labeling.server_project import ServerProject
from automl_vision.labeling.task_reading import People
from automl_vision.labeling.unlabelled import (
    require_new_dataset,
    require_no_classes,
    unlabelled_start,
    without_images,
)
from automl_vision.labeling.wanted import joined_pool, read_queue, scan_pool, wanted_images, with_earlier
from automl_vision.web.label_studio import LabelStudio
from automl_vision.workspace.datasets import DatasetVersion
from automl_vision.workspace.workspace import Workspace, as_workspace

FOLDER = "labeling"
_MAX_NAME = 50
_RECORD, _WANTED, _POOL, _PULLED = "project.json", "images.json", "images.parquet", "pulled.json"


class LabelingProject:
    """A labelling project of a workspace.

    Its life: `create`, then people label in the browser, `status` says how far they are, `pull` makes the next version
    of the dataset, and `sync` does both ways. Each may be called again at any time, also after a crash on either side:
    images are known by their contents, so that nothing is sent twice and nothing is lost.

    Attributes:
        name: of the project.

    Args:
        name: of a project that was created.
        workspace: that has it; None for the default one.
        token: of the server; None takes the environment's `LABEL_STUDIO_API_KEY`.

    Raises:
        LabelingError: there is no such project.
    """

    def __init__(
        self, name: str, *, workspace: Workspace | str | PathLike[str] | None = None, token: str | None = None
    ) -> None:
        self._workspace, self._token, self.name = as_workspace(workspace), token, name
        self._folder = self._workspace.path / FOLDER / name
        if not (self._folder / _RECORD).exists():
            known = project_names(self._workspace)
            raise LabelingError(
                f'no labelling project is named "{name}".{did_you_mean(name, known)} '
                f"Projects: {', '.join(known) or 'none'}; make one with: automl-vision label create"
            )

    @staticmethod
    def create(  # noqa: PLR0913 - each is a choice of the user
        name: str,
        data: str | PathLike[str] | None = None,
        *,
        images: str | PathLike[str] | None = None,
        classes: Sequence[str] = (),
        task: str | None = None,
        only: str | PathLike[str] | None = None,
        model: str | PathLike[str] | None = None,
        files: str | PathLike[str] | None = None,
        server: str | None = None,
        token: str | None = None,
        people: int = 1,
        workspace: Workspace | str | PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> tuple[LabelingProject, Pushed]:
        """Make a project in Label Studio with the images of a dataset, or go on with one that was being made.

        Without `data` it begins with unlabelled `images`, their `classes` and the `task`; the first pull that has
        labels of ten images registers the dataset under the project's name. What the project shows already stays when
        it is called again, so that a further queue is added.

        Args:
            name: letters, digits, `-`, `_` and `.`, at most 50.
            data: a registered version such as `clothing:2`; anything else that `Dataset.open` reads is registered
                under the project's name. None where no image has a label yet.
            images: location of images without labels, which come to those of `data`.
            classes: that people choose from, without `data` alone; the order is that of the dataset's classes.
            task: name of the task, without `data` alone.
            only: queue in Parquet, with the columns `image`, `rank`, `reason`, `group` and `score`; None shows all.
            model: whose predictions people see, such as `clothing@champion`, or a model folder.
            files: folder below which Label Studio serves files, `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`; None takes
                the folder above the data.
            server: address of Label Studio; None takes `LABEL_STUDIO_URL`, or port 8080 of this machine.
            token: of a user there; None takes `LABEL_STUDIO_API_KEY`.
            people: how many shall label each image.
            workspace: that keeps the project; None for the default one.
            progress: called with (images done, images in all).

        Returns:
            The project, and what was sent.

        Raises:
            LabelingError: the name is taken by another project or is none, the server cannot show the images, or there
                is neither data nor what a beginning without labels needs.
            LabelStudioError: the server cannot be reached, or refuses.
            DataError: the data, the images or the queue cannot be used.
            ModelNotFoundError: there is no such model.
        """
        space = as_workspace(workspace)
        _check_name(name)
        folder = space.path / FOLDER / name
        earlier = read_record(folder / _RECORD, ProjectRecord)
        pool: Dataset | None
        if data is None:
            if earlier is None:
                require_new_dataset(space.datasets, name)
            start, dataset, pool = "", *unlabelled_start(images, classes, task, progress=progress)
        else:
            require_no_classes(classes, task)
            version, dataset = _registered(space, fspath(data), name)
            start = version.id
            pool = None if images is None else scan_pool(list_images(images), dataset.task, progress=progress)
        queue = None if only is None else read_queue(Path(only))
        wanted = wanted_images(dataset, pool, queue)
        if not wanted:
            raise DataError("there is no image to label")
        with LabelStudio(server, token) as connection:
            record = ProjectRecord(
                name=name,
                id=uuid.uuid4().hex[:16],
                server=connection.url,
                task=dataset.task,
                classes=list(dataset.classes),
                dataset=start.partition(":")[0] or name,
                version=start,
                files=str(_files(files, dataset)),
                roots=_roots(dataset, pool),
                model=None if model is None else fspath(model),
                is_whole=only is None,
            )
        if earlier is not None:
            record = _same(earlier, record)
            wanted = with_earlier(_read_wanted(folder), wanted)
        _keep(folder, record, wanted, pool)
        project = LabelingProject(name, workspace=space, token=token)
        pushed = project.push(people=people, progress=progress)
        unread = {} if pool is None else {problem.place: problem.reason for problem in pool.report.problems}
        return project, replace(pushed, problems={**unread, **pushed.problems})

    @property
    def record(self) -> ProjectRecord:
        """What is kept of the project."""
        found = read_record(self._folder / _RECORD, ProjectRecord)
        assert found is not None, "it was there when the project was opened"
        return found

    def push(self, *, people: int | None = None, progress: Progress | None = None) -> Pushed:
        """Send what the server lacks: the project, images, predictions, and links that have expired.

        Args:
            people: how many shall label each image; None leaves it as it is.
            progress: called with (images done, images in all).
        """
        with self._connection() as server:
            project = self._on_server(server)
            if people is not None:
                project.set(maximum_annotations=people)
            record, wanted = self.record, self._wanted()
            model = None if record.model is None else (record.model, self._workspace.models.resolve(record.model))
            return push(project, record, wanted, model=self._named_model(model), progress=progress)

    def status(self) -> ProjectStatus:
        """How far people are, and how far they agree."""
        with self._connection() as server:
            project = self._on_server(server)
            return self._status(project, self._told(project), self._pulled())

    def pull(self) -> Pulled:
        """Register the next version of the dataset, with the labels that people submitted.

        What was only begun or skipped changes nothing. Of several annotations of an image the rule of
        `labeling.merging` makes one. The newest version of the dataset is the base: an image keeps its split, a new one
        gets its own, and a label that the dataset got elsewhere since the last pull stays until somebody changes it in
        Label Studio. Where nothing changed the newest version is returned, so that pulling twice gives the same one.
        Of a project that began without labels the first version is registered as soon as ten images have labels.

        Returns:
            The version, and what changed.

        Raises:
            LabelStudioError: the server cannot be reached, or refuses.
            DataError: the dataset is gone, or has no image left.
        """
        with self._connection() as server:
            project = self._on_server(server)
            record, pulled, told = self.record, self._pulled(), self._told(project)
            people = told.people
            new = {
                digest: NewLabel(people.places[digest], told.merged[digest].labels, told.merged[digest].objects)
                for digest, value in told.hashes.items()
                if pulled.get(digest) != value
            }
            newest = self._newest(pulled)
            base = self._unlabelled() if newest is None else Dataset.load(newest)
            removed = set(pulled) - set(base.table["digest"].to_pylist())
            wanted = {digest: one for digest, one in new.items() if digest not in removed}
            dataset, used, report = with_labels(base, wanted, self._pool())
            if newest is None and len(used) < MIN_IMAGES:
                dataset, used = base, set()
            changes = dataset.changes_since(base)
            version = newest
            if used:
                words = f"labelled in Label Studio, project {self.name}"
                parent = "" if newest is None else newest.id
                version = self._workspace.datasets.register(dataset, record.dataset, description=words, parent=parent)
            pulled = {**pulled, **{digest: told.hashes[digest] for digest in used}}
            write_json(self._folder / _PULLED, pulled)
            problems = {**people.problems, **{problem.place: problem.reason for problem in report.problems}}
            return Pulled(
                None if version is None else version.id, version != newest, len(changes.relabelled), len(changes.added),
                self._status(project, told, pulled), problems,
            )  # fmt: skip

    def sync(self, *, progress: Progress | None = None) -> tuple[Pulled, Pushed]:
        """Pull, then send what the newest version of the dataset has and the server lacks.

        Args:
            progress: called with (images done, images in all).
        """
        pulled = self.pull()
        self._follow()
        return pulled, self.push(progress=progress)

    def connect_model(self, url: str, *, key: str = "") -> None:
        """Let Label Studio ask an endpoint for predictions while people label.

        Args:
            url: of an endpoint of `automl-vision serve`, whose definition names the server under `labeling`.
            key: of the endpoint; empty if it needs none.
        """
        with self._connection() as server:
            self._on_server(server).connect_model(url, self.record.model or url, key)

    def call(self, url: str, key: str) -> None:
        """Let Label Studio call a receiver whenever an annotation changes; see `labeling.receiver`.

        Args:
            url: of the receiver.
            key: that it asks for.
        """
        with self._connection() as server:
            self._on_server(server).call(url, key)

    def _connection(self) -> LabelStudio:
        return LabelStudio(self.record.server, self._token)

    def _on_server(self, server: LabelStudio) -> ServerProject:
        """The project on the server, which is made where there is none."""
        record = self.record
        if record.number is not None:
            return ServerProject(server, record.number)
        hint = "reason" if any(one.reason for one in self._wanted()) else ""
        interface = interface_of(record.task, record.classes, hint=hint)
        found = ServerProject.find_or_make(server, record.id, record.name, interface)
        write_json(self._folder / _RECORD, record.model_copy(update={"number": found.number}).model_dump())
        return found

    def _named_model(self, model: tuple[str, Path] | None) -> tuple[str, Path] | None:
        """A model with the name of its version, which does not change when an alias moves."""
        if model is None:
            return None
        version = self._workspace.models.named(model[0])
        return (model[1].name if version is None else version.id, model[1])

    def _wanted(self) -> list[WantedImage]:
        return _read_wanted(self._folder)

    def _pool(self) -> Dataset | None:
        return _read_pool(self._folder)

    def _pulled(self) -> dict[str, str]:
        """Digest of the label that was last pulled, by digest of the image."""
        file = self._folder / _PULLED
        found: dict[str, str] = read_json(file) if file.exists() else {}
        return found

    def _newest(self, pulled: Mapping[str, str]) -> DatasetVersion | None:
        """The newest version of the dataset; None where the project began without labels and none was pulled.

        Raises:
            DataError: the dataset is gone.
        """
        registry, record = self._workspace.datasets, self.record
        begins = not record.version and not pulled and not registry.versions(record.dataset)
        return None if begins else registry.get(record.dataset)

    def _unlabelled(self) -> Dataset:
        """The dataset before its first version: without images, with the classes that people choose from."""
        pool = self._pool()
        assert pool is not None, "it has the images of a project that began without labels"
        return without_images(pool, self.record.classes)

    def _told(self, project: ServerProject) -> _Told:
        """What people have submitted by now."""
        sizes = {one.digest: (one.width, one.height) for one in self._wanted()}
        people = People.of(project.tasks(), self.record.task, sizes)
        kind = TASKS[self.record.task].kind
        merged = {digest: merge(answers, kind, sizes[digest]) for digest, answers in people.answers.items()}
        return _Told(people, sizes, merged, {digest: label_hash(one) for digest, one in merged.items()})

    def _status(self, project: ServerProject, told: _Told, pulled: Mapping[str, str]) -> ProjectStatus:
        people = told.people
        return ProjectStatus(
            name=self.name, url=project.url, images=len(told.sizes), tasks=len(people.seen),
            submitted=len(people.answers), drafts=len(people.only_begun), skipped=len(people.only_skipped),
            unpulled=sum(pulled.get(digest) != value for digest, value in told.hashes.items()),
            disputed=sum(one.is_disputed for one in told.merged.values()), foreign=people.foreign,
            agreement=_agreement(told, self.record),
        )  # fmt: skip

    def _follow(self) -> None:
        """Want what the newest version of the dataset has: new classes, other labels, all images of a whole project.

        A class that the dataset has lost stays, for people may have chosen it.
        """
        record, earlier = self.record, self._wanted()
        version = self._newest(self._pulled())
        if version is None:
            return
        dataset = Dataset.load(version)
        new = [name for name in dataset.classes if name not in record.classes]
        if new:
            changed = record.model_copy(update={"classes": [*record.classes, *new]})
            write_json(self._folder / _RECORD, changed.model_dump())
        newest = wanted_images(dataset)
        labels = {one.digest: one.labels for one in newest}
        wanted = [one.model_copy(update={"labels": labels.get(one.digest, one.labels)}) for one in earlier]
        if record.is_whole:
            known = {one.digest for one in earlier}
            wanted += [one for one in newest if one.digest not in known]
        write_json(self._folder / _WANTED, [one.model_dump() for one in wanted])


@dataclass(frozen=True)
class _Told:
    """What people have submitted.

    Attributes:
        people: their answers.
        sizes: width and height of the images that are wanted, by digest.
        merged: the label of each image that has answers, by digest.
        hashes: of these labels, by digest.
    """

    people: People
    sizes: Mapping[str, tuple[int, int]]
    merged: Mapping[str, Merged]
    hashes: Mapping[str, str]


def _agreement(told: _Told, record: ProjectRecord) -> Agreement:
    chosen = {label for answers in told.people.answers.values() for answer in answers for label in answer.labels}
    classes = [*record.classes, *sorted(chosen.difference(record.classes))]
    return agreement(told.people.answers, told.sizes, TASKS[record.task].kind, classes)


def project_names(workspace: Workspace) -> list[str]:
    """Names of the labelling projects of a workspace."""
    return sorted(file.parent.name for file in (workspace.path / FOLDER).glob(f"*/{_RECORD}"))


def label_hash(label: Merged) -> str:
    """Digest of a label; it changes with the classes, and with places by a thousandth of a pixel."""
    objects = [
        [value.label, _rounded(value.bbox or ()), [_rounded(each) for each in value.segments], value.rle or ""]
        for value in label.objects
    ]
    text = json.dumps([sorted(label.labels), objects])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _rounded(numbers: Iterable[float]) -> list[float]:
    return [round(number, 3) for number in numbers]


def _read_wanted(folder: Path) -> list[WantedImage]:
    return [WantedImage(**value) for value in read_json(folder / _WANTED)]


def _read_pool(folder: Path) -> Dataset | None:
    file = folder / _POOL
    return Dataset.load(file) if file.exists() else None


def _keep(folder: Path, record: ProjectRecord, wanted: Sequence[WantedImage], pool: Dataset | None) -> None:
    """Write a project's files; images of its pool that are there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    if pool is not None:
        joined_pool(pool, _read_pool(folder)).save(folder / _POOL)
    write_json(folder / _WANTED, [one.model_dump() for one in wanted])
    write_json(folder / _RECORD, record.model_dump())  # last: the project exists as soon as this file does


def _check_name(name: str) -> None:
    if not is_usable_name(name) or len(name) > _MAX_NAME:
        raise LabelingError(f"a project's name is made of at most {_MAX_NAME} {NAME_RULE}, not {name!r}")


def _registered(workspace: Workspace, data: str, name: str) -> tuple[DatasetVersion, Dataset]:
    """The version that is named, or one that is registered of the data at a path."""
    registry = workspace.datasets
    path = registry.resolve(data)
    if path != data:
        version = registry.get(data)
        return version, Dataset.load(version)
    version = registry.register(Dataset.open(data), name)
    return version, Dataset.load(version)


def _files(files: str | PathLike[str] | None, dataset: Dataset) -> Path:
    """The folder that the server serves."""
    if files is not None:
        return Path(files).expanduser().resolve()
    root = Path(dataset.root)
    return root.parent if root.is_absolute() else Path("/")


def _roots(*sources: Dataset | None) -> list[str]:
    """Folders of this machine that have the images."""
    roots = [source.root for source in sources if source is not None]
    return sorted({root for root in roots if Path(root).is_absolute() and Path(root).is_dir()})


def _same(earlier: ProjectRecord, record: ProjectRecord) -> ProjectRecord:
    """The record of a project that was made before, with its id and number, and with what it shows already.

    Raises:
        LabelingError: it is another project.
    """
    kept: dict[str, Any] = {
        "id": earlier.id,
        "number": earlier.number,
        "roots": sorted({*earlier.roots, *record.roots}),
        "is_whole": earlier.is_whole or record.is_whole,
    }
    record = record.model_copy(update=kept)
    names = ("server", "task", "dataset", "version")
    other = [name for name in names if getattr(earlier, name) != getattr(record, name)]
    if other:
        was = ", ".join(f"{name} {getattr(earlier, name)}" for name in other)
        raise LabelingError(f'the project "{record.name}" exists already, with {was}; choose another name')
    return record
