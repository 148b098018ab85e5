"""The base of all records, and how one is read from its file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen value that is written as JSON; fields that a later version added are ignored.

    Pydantic rather than msgspec: the metrics of a diverged training hold NaN, which msgspec's JSON reader rejects.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())


SomeRecord = TypeVar("SomeRecord", bound=Record)


def read_record(file: Path, kind: type[SomeRecord]) -> SomeRecord | None:
    """Read a record from a JSON file; None if there is no such file.

    Raises:
        ValidationError: the file holds something else.
    """
    try:
        return kind.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
