"""Edits of a registered version while they are made and reviewed, and the versions that come of them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from automl_vision.core.account import account_name
from automl_vision.core.errors import ConflictError, DataError, WorkspaceError
from automl_vision.core.files import append_json_lines, read_json, read_lines, write_json
from automl_vision.core.locks import lock
from automl_vision.data.dataset import Dataset
from automl_vision.labeling.edited_images import apply_edits, carried_edits, edited_images
from automl_vision.labeling.edits import Change, LabelEdit, find_rows, require_fit
from automl_vision.workspace.datasets import DatasetRegistry, DatasetVersion

DRAFT_FILE, MADE_BY_FILE = "edits.jsonl", "made_by.json"
Verdict = Literal["open", "accepted", "rejected"]
_LOCK_FILE = "edits.lock"
_NOT_REJECTED: tuple[Verdict, ...] = ("open", "accepted")


class LabelEdits:
    """The edits of one version of a dataset: added, taken back, reviewed, and made into the next version.

    They are lines of a file beside the version, which is only ever appended to, so that nothing is lost. Any number of
    processes may write: each change is checked against those that stand, one at a time.

    Attributes:
        version: that they change.
        path: the file; it need not exist yet.
        dataset: of the version.

    Args:
        registry: that has the version.
        name: of the version, such as `helmets:2`; without a number the newest.
        dataset: of the version, where it is loaded already.

    Raises:
        DataError: there is no such version.
    """

    def __init__(self, registry: DatasetRegistry, name: str, *, dataset: Dataset | None = None) -> None:
        self._registry = registry
        self.version = registry.get(name)
        self.path = Path(self.version.manifest).with_name(DRAFT_FILE)
        self.dataset = Dataset.load(self.version.manifest) if dataset is None else dataset

    def add(self, change: Change, *, reason: str, author: str | None = None, new_classes: bool = False) -> LabelEdit:
        """Propose a change; it counts once it is accepted.

        Args:
            change: of one image.
            reason: for people.
            author: who makes it; None for the user of this process.
            new_classes: whether the label may be a class that neither the dataset nor an edit that stands has.

        Raises:
            ConflictError: another edit has deleted its object.
            DataError: the change does not suit the data, or has no reason.
        """
        return self.add_all([change], reason=reason, author=author, new_classes=new_classes)[0]

    def add_all(
        self, changes: Sequence[Change], *, reason: str, author: str | None = None, new_classes: bool = False
    ) -> list[LabelEdit]:
        """Propose changes that belong together, all or none of them; see `add`."""
        if not reason.strip():
            raise DataError("an edit needs a reason, such as: the photo shows a glove")
        rows = find_rows(self.dataset, changes)
        edits = [
            LabelEdit(
                **change.model_dump(include=set(Change.model_fields)),
                id=uuid.uuid4().hex[:12],
                digest=self.dataset.table["digest"][row].as_py() or "",
                time=time.time(),
                author=account_name() if author is None else author,
                reason=reason.strip(),
            )
            for change, row in zip(changes, rows, strict=True)
        ]
        with self._locked():
            others = counting(self.standing())
            known = {*self.dataset.classes, *(label for edit in others for label in edit.labels)}
            for edit, row in zip(edits, rows, strict=True):
                require_fit(self.dataset, edit, row, new_classes=new_classes or known.issuperset(edit.labels))
            edited_images(self.dataset, [*others, *edits], new_classes=True)
            self._append({"event": "edit", **edit.model_dump(mode="json")} for edit in edits)
        return edits

    def undo(self, edit_id: str, *, author: str | None = None) -> list[str]:
        """Take an edit back, and with it later edits of a box that it drew; returns the ids of all of them.

        Args:
            edit_id: of the edit.
            author: who takes it back; None for the user of this process.

        Raises:
            ConflictError: the edit was taken back already, or a version was made with it.
            DataError: there never was such an edit.
        """
        who = account_name() if author is None else author
        with self._locked():
            self._require([edit_id])
            gone = [edit_id, *(edit.id for edit in self.standing() if edit.object == edit_id)]
            self._append({"event": "undone", "id": each, "time": time.time(), "author": who} for each in gone)
        return gone

    def review(self, edit_id: str, verdict: Verdict, *, reviewer: str | None = None) -> LabelEdit:
        """Accept or reject an edit, or open its review again; of a drawn box that does not count, no later edit does.

        Raises:
            ConflictError: the edit does not stand any more, or the others do not suit it any more.
            DataError: there never was such an edit.
        """
        return self.review_all([edit_id], verdict, reviewer=reviewer)[0]

    def review_all(self, edit_ids: Sequence[str], verdict: Verdict, *, reviewer: str | None = None) -> list[LabelEdit]:
        """Give edits the same verdict, all or none of them; see `review`."""
        who = account_name() if reviewer is None else reviewer
        with self._locked():
            self._require(edit_ids)
            update = {"verdict": verdict, "reviewer": who}
            judged = [e.model_copy(update=update) if e.id in set(edit_ids) else e for e in self.standing()]
            edited_images(self.dataset, counting(judged), new_classes=True)
            self._append({"event": "reviewed", "id": each, "time": time.time(), **update} for each in edit_ids)
            return self._require(edit_ids)

    def standing(self) -> list[LabelEdit]:
        """The edits that were not taken back, oldest first, each with the last verdict; half a line is skipped."""
        return list(self._read()[0].values())

    def preview(self) -> Dataset:
        """The dataset with all edits that stand and were not rejected."""
        return apply_edits(self.dataset, counting(self.standing()), new_classes=True)

    def make_version(
        self, *, description: str = "", author: str | None = None, edit_ids: Iterable[str] | None = None
    ) -> DatasetVersion:
        """Register the accepted edits as the next version of the dataset, which remembers them.

        Edits that nobody has reviewed yet go on with the new version, where their objects may have other numbers.

        Args:
            description: for people; empty: the reasons of the edits.
            author: who makes it; None for the user of this process.
            edit_ids: of the accepted edits that were looked at; None takes those that there are.

        Raises:
            ConflictError: other edits are accepted by now than those that were looked at.
            DataError: no edit is accepted, or they change nothing.
        """
        who = account_name() if author is None else author
        with self._locked():
            standing = self.standing()
            accepted = counting(standing, ("accepted",))
            if edit_ids is not None:
                self._require_seen(accepted, set(edit_ids))
            if not accepted:
                raise DataError(f"none of {len(standing)} edits of {self.version.id} is accepted; review them first")
            changed = apply_edits(self.dataset, accepted, new_classes=True)
            if changed.fingerprint == self.dataset.fingerprint:
                raise DataError(f"the accepted edits of {self.version.id} come to nothing: all labels stay as they are")
            made = _registered(self._registry, self.version, changed, accepted, description)
            waiting = [edit for edit in standing if edit.verdict == "open"]
            LabelEdits(self._registry, made.id)._take_over(carried_edits(self.dataset, accepted, waiting))
            gone = {"event": "undone", "time": time.time(), "version": made.id, "author": who}
            self._append({**gone, "id": edit.id} for edit in (*accepted, *waiting))
        return made

    def _require_seen(self, accepted: Sequence[LabelEdit], seen: set[str]) -> None:
        if {edit.id for edit in accepted} == seen:
            return
        gone = self._read()[1]
        made = next((gone[each] for each in seen if gone.get(each, {}).get("version")), None)
        if made is not None:
            who = made.get("author") or "somebody"
            raise ConflictError(f"{who} has made {made['version']} with these edits meanwhile")
        raise ConflictError(
            f"other edits of {self.version.id} are accepted by now than those that were shown; look at them again"
        )

    def _take_over(self, edits: Sequence[LabelEdit]) -> None:
        """Go on with edits of the version before."""
        with self._locked():
            known = self._read()[0]
            self._append({"event": "edit", **e.model_dump(mode="json")} for e in edits if e.id not in known)

    def _require(self, edit_ids: Sequence[str]) -> list[LabelEdit]:
        standing, gone = self._read()
        for each in edit_ids:
            if each in standing:
                continue
            if each not in gone:
                raise DataError(f'no edit "{each}" of {self.version.id} stands')
            version, who = gone[each].get("version"), gone[each].get("author") or "somebody"
            done = f"is in {version} by now, which {who} made" if version else f"was taken back by {who}"
            raise ConflictError(f'the edit "{each}" of {self.version.id} {done}')
        return [standing[each] for each in edit_ids]

    def _read(self) -> tuple[dict[str, LabelEdit], dict[str, dict[str, str]]]:
        """The edits that stand, by id, and how the others ended: the event of each, by id."""
        standing: dict[str, LabelEdit] = {}
        gone: dict[str, dict[str, str]] = {}
        for line in read_lines(self.path)[0]:
            event = _parsed(line)
            if isinstance(event, LabelEdit):
                standing[event.id] = event
            elif event is not None and event["event"] == "undone":
                if standing.pop(event["id"], None) is not None:
                    gone[event["id"]] = event
            elif event is not None and event["id"] in standing:
                update = {"verdict": event["verdict"], "reviewer": event["reviewer"]}
                standing[event["id"]] = standing[event["id"]].model_copy(update=update)
        return standing, gone

    def _append(self, events: Iterable[dict[str, object]]) -> None:
        append_json_lines(self.path, list(events))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Only one change at a time.

        Raises:
            WorkspaceError: the workspace cannot be written.
        """
        try:
            file = self.path.with_name(_LOCK_FILE).open("w")
        except OSError as error:
            raise WorkspaceError(f"{self.path.parent} cannot be written ({error.strerror})") from None
        with file:
            lock(file.fileno())
            yield


def counting(edits: Sequence[LabelEdit], verdicts: Sequence[Verdict] = _NOT_REJECTED) -> list[LabelEdit]:
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
    if not left:
        return parent
    changed = apply_edits(Dataset.load(parent.manifest), left, new_classes=True)
    return _registered(registry, parent, changed, left, "")


def _registered(
    registry: DatasetRegistry, parent: DatasetVersion, changed: Dataset, edits: Sequence[LabelEdit], description: str
) -> DatasetVersion:
    """The version that edits make."""
    reasons = "; ".join(dict.fromkeys(edit.reason for edit in edits))
    made = registry.register(
        changed,
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
