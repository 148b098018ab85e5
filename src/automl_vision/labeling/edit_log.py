"""Edits of a registered version while they are made and reviewed, and the versions that come of them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from automl_vision.core.account import account_name
from automl_vision.core.errors import DataError
from automl_vision.core.files import append_json_line, read_json, read_lines, write_json
from automl_vision.data.dataset import Dataset
from automl_vision.labeling.edits import Change, LabelEdit, apply_edits, find_rows, require_fit
from automl_vision.workspace.datasets import DatasetRegistry, DatasetVersion

DRAFT_FILE, MADE_BY_FILE = "edits.jsonl", "made_by.json"
_NOT_REJECTED = ("open", "accepted")


class LabelEdits:
    """The edits of one version of a dataset: added, taken back, reviewed, and made into the next version.

    They are lines of a file beside the version, which is only ever appended to, so that nothing is lost and any number
    of processes may write.

    Attributes:
        version: that they change.
        path: the file; it need not exist yet.

    Args:
        registry: that has the version.
        name: of the version, such as `helmets:2`; without a number the newest.

    Raises:
        DataError: there is no such version.
    """

    def __init__(self, registry: DatasetRegistry, name: str) -> None:
        self._registry = registry
        self.version = registry.get(name)
        self.path = Path(self.version.manifest).with_name(DRAFT_FILE)
        self.dataset = Dataset.load(self.version.manifest)

    def add(self, change: Change, *, reason: str, author: str | None = None, new_classes: bool = False) -> LabelEdit:
        """Propose a change; it counts once it is accepted.

        Args:
            change: of one image.
            reason: for people.
            author: who makes it; None for the user of this process.
            new_classes: whether the label may be a class that the dataset does not have yet.

        Raises:
            DataError: the change does not suit the data, or has no reason.
        """
        if not reason.strip():
            raise DataError("an edit needs a reason, such as: the photo shows a glove")
        (row,) = find_rows(self.dataset, [change])
        edit = LabelEdit(
            **change.model_dump(include=set(Change.model_fields)),
            id=uuid.uuid4().hex[:12],
            digest=self.dataset.table["digest"][row].as_py() or "",
            time=time.time(),
            author=account_name() if author is None else author,
            reason=reason.strip(),
        )
        require_fit(self.dataset, edit, row, new_classes=new_classes)
        apply_edits(self.dataset, [*_counting(self.standing(), _NOT_REJECTED), edit], new_classes=True)
        append_json_line(self.path, {"event": "edit", **edit.model_dump(mode="json")})
        return edit

    def undo(self, edit_id: str) -> list[str]:
        """Take an edit back, and with it later edits of a box that it drew; returns the ids of all of them.

        Raises:
            DataError: no such edit stands.
        """
        self._require(edit_id)
        gone = [edit_id, *(edit.id for edit in self.standing() if edit.object == edit_id)]
        for each in gone:
            append_json_line(self.path, {"event": "undone", "id": each, "time": time.time()})
        return gone

    def review(
        self, edit_id: str, verdict: Literal["open", "accepted", "rejected"], *, reviewer: str | None = None
    ) -> LabelEdit:
        """Accept or reject an edit, or open its review again; of a drawn box that does not count, no later edit does.

        Raises:
            DataError: no such edit stands, or the others do not suit it any more.
        """
        self._require(edit_id)
        judged = [e.model_copy(update={"verdict": verdict}) if e.id == edit_id else e for e in self.standing()]
        apply_edits(self.dataset, _counting(judged, _NOT_REJECTED), new_classes=True)
        who = account_name() if reviewer is None else reviewer
        append_json_line(
            self.path, {"event": "reviewed", "id": edit_id, "time": time.time(), "verdict": verdict, "reviewer": who}
        )
        return self._require(edit_id)

    def standing(self) -> list[LabelEdit]:
        """The edits that were not taken back, oldest first, each with the last verdict; half a line is skipped."""
        found: dict[str, LabelEdit] = {}
        for line in read_lines(self.path)[0]:
            event = _parsed(line)
            if isinstance(event, LabelEdit):
                found[event.id] = event
            elif event is not None and event["event"] == "undone":
                found.pop(event["id"], None)
            elif event is not None and event["id"] in found:
                update = {"verdict": event["verdict"], "reviewer": event["reviewer"]}
                found[event["id"]] = found[event["id"]].model_copy(update=update)
        return list(found.values())

    def preview(self) -> Dataset:
        """The dataset with all edits that stand and were not rejected."""
        return apply_edits(self.dataset, _counting(self.standing(), _NOT_REJECTED), new_classes=True)

    def make_version(self, *, description: str = "") -> DatasetVersion:
        """Register the accepted edits as the next version of the dataset, which remembers them.

        Args:
            description: for people; empty: the reasons of the edits.

        Raises:
            DataError: no edit is accepted.
        """
        accepted = _counting(self.standing(), ("accepted",))
        if not accepted:
            waiting = len(self.standing())
            raise DataError(f"none of {waiting} edits of {self.version.id} is accepted; review them first")
        made = _registered(self._registry, self.version, self.dataset, accepted, description)
        for edit in accepted:
            append_json_line(self.path, {"event": "undone", "id": edit.id, "time": time.time(), "version": made.id})
        return made

    def _require(self, edit_id: str) -> LabelEdit:
        found = next((edit for edit in self.standing() if edit.id == edit_id), None)
        if found is None:
            raise DataError(f'no edit "{edit_id}" of {self.version.id} stands')
        return found


def _counting(edits: Sequence[LabelEdit], verdicts: Sequence[str]) -> list[LabelEdit]:
    """The edits with some verdicts, without those of a box whose drawing is not among them."""
    found = [edit for edit in edits if edit.verdict in verdicts]
    drawn = {edit.id for edit in found}
    return [edit for edit in found if not isinstance(edit.object, str) or edit.object in drawn]


def edits_behind(version: DatasetVersion) -> list[LabelEdit]:
    """The edits that a version was made with; empty for one that was not made by edits."""
    file = Path(version.manifest).with_name(MADE_BY_FILE)
    return [LabelEdit.model_validate(value) for value in read_json(file)] if file.exists() else []


def undo_edits(registry: DatasetRegistry, name: str, edit_ids: Iterable[str] | None = None) -> DatasetVersion:
    """The version before, with what is left of the edits of a version when some are taken back.

    Args:
        registry: that has the version.
        name: of a version that was made by edits, such as `helmets:3`.
        edit_ids: which edits to take back; None takes all back, which is the version before.

    Returns:
        A new version, or an earlier one if that has the same contents.

    Raises:
        DataError: the version was not made by edits, or not by these.
    """
    version = registry.get(name)
    edits = edits_behind(version)
    if not edits:
        raise DataError(f"{version.id} was not made by edits, so that none can be taken back")
    gone = {edit.id for edit in edits} if edit_ids is None else set(edit_ids)
    unknown = gone - {edit.id for edit in edits}
    if unknown:
        raise DataError(f'{version.id} was not made with the edit "{min(unknown)}"')
    parent = registry.get(version.parent)
    left = [edit for edit in edits if edit.id not in gone and edit.object not in gone]
    return _registered(registry, parent, Dataset.load(parent.manifest), left, "") if left else parent


def _registered(
    registry: DatasetRegistry, parent: DatasetVersion, dataset: Dataset, edits: Sequence[LabelEdit], description: str
) -> DatasetVersion:
    """The version with some edits."""
    reasons = "; ".join(dict.fromkeys(edit.reason for edit in edits))
    made = registry.register(
        apply_edits(dataset, edits, new_classes=True),
        parent.name,
        description=description or reasons,
        parent=parent.id,
        split_ratio=None,
    )
    if made.id != parent.id:
        values = [edit.model_dump(mode="json") for edit in edits]
        write_json(Path(made.manifest).with_name(MADE_BY_FILE), values)
    return made


def _parsed(line: bytes) -> LabelEdit | dict[str, str] | None:
    try:
        value = json.loads(line)
        return LabelEdit.model_validate(value) if value["event"] == "edit" else value
    except (ValueError, KeyError, TypeError, ValidationError):
        return None
