"""Objects in answers over HTTP, as endpoint and studio describe them."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Box(BaseModel):
    """A place in fractions of width and height."""

    topX: float  # noqa: N815 - as training data has it
    topY: float  # noqa: N815 - as training data has it
    bottomX: float  # noqa: N815 - as training data has it
    bottomY: float  # noqa: N815 - as training data has it


class FoundObject(BaseModel):
    """An object that a detector reports."""

    box: Box
    label: str
    score: float
    polygon: list[list[float]] | None = Field(default=None, description="x, y, x, y, ... in fractions; of masks")
