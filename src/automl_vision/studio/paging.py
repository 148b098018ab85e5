"""Lists in pages: an answer says where the next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

Item = TypeVar("Item")

MAX_ITEMS = 500

Limit = Annotated[int, Query(ge=1, le=MAX_ITEMS, description="maximum number of items")]
Cursor = Annotated[int, Query(ge=0, le=10**9, description="where the page begins; `next` of the page before")]


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    total: int = Field(description="items in all")
    next: int | None = Field(description="cursor of the next page; null on the last one")


def page_of(items: Sequence[Item], cursor: int, limit: int) -> Page[Item]:
    """The part of a list that begins at a cursor."""
    end = cursor + limit
    return Page(items=list(items[cursor:end]), total=len(items), next=end if end < len(items) else None)
