"""What people did in Label Studio, from its tasks: what they submitted, began, or skipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from automl_vision.core.tasks import TASKS
from automl_vision.core.text import composed
from automl_vision.data.annotations import Annotations
from automl_vision.data.object import Object
from automl_vision.formats.tools.label_studio_regions import contents_of
from automl_vision.labeling.merging import Answer

DIGEST = "digest"
"""Key of a task's data: of the image's contents, by which it is known on both sides."""


@dataclass
class People:
    """What people did, by digest of the image.

    Attributes:
        task: of the project.
        answers: what was submitted and can be used.
        places: where it was read, for messages.
        drafts: images that somebody has begun.
        skipped: images that somebody skipped.
        seen: images that are on the server.
        foreign: number of tasks that say no digest.
        problems: the reason by place of what was submitted and cannot be used.
    """

    task: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    drafts: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    foreign: int = 0
    problems: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(tasks: Iterable[dict[str, Any]], task: str, sizes: Mapping[str, tuple[int, int]]) -> People:
        """What people did in all tasks of a project.

        Args:
            tasks: as Label Studio's API returns them, with annotations and drafts.
            task: of the project.
            sizes: width and height of the images by digest.
        """
        people = People(task)
        for each in tasks:
            digest = str(as_data(each).get(DIGEST) or "")
            if digest not in sizes:
                people.foreign += 1
                continue
            people.seen.add(digest)
            people._read(each, digest, sizes[digest])
        return people

    @property
    def only_begun(self) -> set[str]:
        """Images with a draft that nobody submitted."""
        return self.drafts - self.answers.keys()

    @property
    def only_skipped(self) -> set[str]:
        """Images that were skipped and that nobody submitted."""
        return self.skipped - self.answers.keys()

    def _read(self, task: dict[str, Any], digest: str, size: tuple[int, int]) -> None:
        if task.get("drafts") or task.get("draft_exists"):  # the first are those of the token's user alone
            self.drafts.add(digest)
        for annotation in task.get("annotations") or ():
            if annotation.get("was_cancelled"):
                self.skipped.add(digest)
                continue
            place = f"task {task.get('id')}, annotation {annotation.get('id')}"
            self.places[digest] = place
            answer = self._answer(annotation, place, size)
            if answer is not None:
                self.answers.setdefault(digest, []).append(answer)

    def _answer(self, annotation: dict[str, Any], place: str, size: tuple[int, int]) -> Answer | None:
        """What one annotation says; None where it cannot be a label of the task."""
        info, found = TASKS[self.task], Annotations(TASKS[self.task].kind, relative=True)
        labels, objects, _ = contents_of(annotation.get("result") or [], place, found)
        for problem in [*found.report.problems, *found.report.notes]:
            self.problems[problem.place] = problem.reason
        if info.one_label and len(labels) != 1:
            self.problems[place] = f"{info.name} needs exactly 1 class per image, and {len(labels)} are chosen"
            return None
        who = annotation.get("completed_by")
        name = str(annotation.get("created_username") or "").strip() or str(who)
        kept = tuple(_in_pixels(value, size) for value in objects) if info.labels_objects else ()
        return Answer(
            annotator=name.rpartition(", ")[0] or name,
            updated=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
            labels=() if info.labels_objects else tuple(map(composed, labels)),
            objects=kept,
            is_truth=annotation.get("ground_truth") is True,
        )


def as_data(task: dict[str, Any]) -> dict[str, Any]:
    """A task's data; empty where it has none."""
    data = task.get("data")
    return data if isinstance(data, dict) else {}


def _in_pixels(value: Object, size: tuple[int, int]) -> Object:
    """An object in pixels, from shares of width and height; with its box, which may follow from the mask."""
    width, height = size
    segments = tuple([n * (width, height)[i % 2] for i, n in enumerate(polygon)] for polygon in value.segments)
    if value.bbox is None:
        return replace(value, label=composed(value.label), segments=segments)
    x1, y1, x2, y2 = value.bbox
    return replace(
        value, label=composed(value.label), bbox=(x1 * width, y1 * height, x2 * width, y2 * height), segments=segments
    )
