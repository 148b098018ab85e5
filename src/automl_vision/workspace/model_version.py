"""A version of a registered model, where it comes from, and the changes of its aliases, as MLflow keeps them."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from automl_vision.core.errors import ModelNotFoundError

CANDIDATE, CHAMPION = "candidate", "champion"
"""The alias that a new version gets, and the alias of the version in use."""

AliasAction = Literal["registered", "set", "promoted", "forced", "rolled back"]

_PREFIX = "automl_vision."
_CHANGE_PREFIX = f"{_PREFIX}alias."
_ADDRESS = re.compile(r"(?P<name>[\w.-]+)(?::(?P<number>\d+)|@(?P<alias>[\w-]+))")


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from; empty texts are not known.

    Attributes:
        run: id of the run that trained it.
        trial: number of the trial.
        experiment: of the run.
        mlflow_run: MLflow's id of the run.
        data_version: registered dataset that the run used, such as `clothing:2`.
        data_fingerprint: digest of the dataset as the run used it.
        code_version: of the software that packaged it.
        parent: number of the version that was the champion when this one was registered.
        user: who registered it.
    """

    run: str = ""
    trial: str = ""
    experiment: str = ""
    mlflow_run: str = ""
    data_version: str = ""
    data_fingerprint: str = ""
    code_version: str = ""
    parent: str = ""
    user: str = ""

    def to_tags(self) -> dict[str, str]:
        """What is known, as tags of a version in MLflow."""
        return {f"{_PREFIX}{name}": value for name, value in asdict(self).items() if value}

    @staticmethod
    def from_tags(tags: Mapping[str, str]) -> Lineage:
        """Read what `to_tags` wrote; a version that other software registered has an empty lineage."""
        return Lineage(**{each.name: tags.get(f"{_PREFIX}{each.name}", "") for each in fields(Lineage)})


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        name: of the model.
        number: counted from 1.
        created: seconds since 1970.
        aliases: that point to it, in alphabetical order.
        source: URI of its model folder in MLflow's artifact store.
        stored_in: MLflow's id of the run that has these files; empty if none has.
        lineage: where it comes from.
        tags: of the person who registered it.
    """

    name: str
    number: int
    created: float
    aliases: tuple[str, ...]
    source: str
    stored_in: str = ""
    lineage: Lineage = field(default_factory=Lineage)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name and number, such as `clothing:2`."""
        return f"{self.name}:{self.number}"

    def to_json(self) -> dict[str, Any]:
        """The version as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return self.id


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a version that people gave it."""
    return {name: value for name, value in tags.items() if not name.startswith(_PREFIX)}


@dataclass(frozen=True)
class AliasChange:
    """An alias of a model was moved.

    Attributes:
        alias: such as "champion".
        version: number that it points to since then.
        previous: number that it pointed to before; None if it was not set.
        time: seconds since 1970.
        user: who moved it.
        action: how: by registering a version, by hand, by a rule, against a rule, or back to where it was.
        why: the reason that was given.
    """

    alias: str
    version: int
    previous: int | None
    time: float
    user: str
    action: AliasAction
    why: str = ""

    def to_tag(self) -> tuple[str, str]:
        """Key and value of a tag of the registered model; later changes have greater keys."""
        return f"{_CHANGE_PREFIX}{time.time_ns():020d}.{secrets.token_hex(4)}", json.dumps(
            asdict(self), ensure_ascii=False
        )

    @staticmethod
    def from_tags(tags: Mapping[str, str]) -> list[AliasChange]:
        """The changes that the tags of a registered model hold, oldest first."""
        keys = sorted(key for key in tags if key.startswith(_CHANGE_PREFIX))
        return [AliasChange(**json.loads(tags[key])) for key in keys]


def positions(changes: Sequence[AliasChange], current: int) -> list[int]:
    """The versions that an alias stands on, the oldest first and the current one last; rolling back takes one off.

    Args:
        changes: of one alias, oldest first.
        current: where the alias is now; other software may have moved it, which no change tells.
    """
    stack: list[int] = []
    for change in changes:
        if change.action == "rolled back" and len(stack) > 1:
            stack.pop()
        if not stack or stack[-1] != change.version:
            stack.append(change.version)
    return stack if stack and stack[-1] == current else [*stack, current]


@dataclass(frozen=True)
class ModelAddress:
    """A version by its number or by an alias, as in `clothing:2` or `clothing@champion`.

    Attributes:
        name: of the model.
        number: of the version; None with an alias.
        alias: None with a number.
    """

    name: str
    number: int | None = None
    alias: str | None = None

    @staticmethod
    def parse(text: str) -> ModelAddress:
        """Read an address.

        Raises:
            ModelNotFoundError: the text is not one.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ModelNotFoundError(
                f'a version is named as NAME:VERSION or NAME@ALIAS, such as shoes:3 or shoes@champion, not "{text}"'
            )
        number = found["number"]
        return ModelAddress(found["name"], None if number is None else int(number), found["alias"])


def is_model_address(text: str) -> bool:
    """Whether a text has the form `NAME:VERSION` or `NAME@ALIAS`."""
    return _ADDRESS.fullmatch(text) is not None
