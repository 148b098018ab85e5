"""From the body of a request to the contents of image files: raw, multipart, or JSON; nothing else is ever opened."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from automl_vision.deployment.online.definition import RequestLimits

JSON_TYPE, MULTIPART_TYPE, BYTES_TYPE = "application/json", "multipart/form-data", "application/octet-stream"
_COLUMN = "image"
Item = TypeVar("Item")  # an image, or where it is
EXAMPLE_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mM8YaPBgA0wMeAAg1MCAO+wATws8x7vAAAAAElFTkSuQmCC"
)
"""A small PNG file as base64, for the examples of descriptions."""


class _Table(msgspec.Struct):
    """`{"columns": ["image"], "index": [0], "data": ["<base64>"]}`; a row may be a list of one value, as in pandas."""

    data: list[str | list[str]]
    columns: list[str] = msgspec.field(default_factory=lambda: [_COLUMN])
    index: list[int | str] | None = None


class _ScoringRequest(msgspec.Struct):
    input_data: _Table


_DECODER = msgspec.json.Decoder(_ScoringRequest)


class _InMemory(MultiPartParser):
    """Keeps the parts of a form in memory: their sum is bounded before they are parsed, and no file is opened."""

    spool_max_size = 2**40


async def read_body(request: Request, limits: RequestLimits) -> bytes:
    """The body of a request, refused as soon as it is too long or too slow.

    Raises:
        HTTPException: 413 or 408, and the connection is closed.
    """
    most = int(limits.max_request_mb * 1e6)
    too_long = HTTPException(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"a request has at most {limits.max_request_mb:g} MB here; send fewer or smaller images",
        {"Connection": "close"},
    )
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise too_long
    data = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            async for chunk in request.stream():
                data += chunk
                if len(data) > most:
                    raise too_long
    except TimeoutError:
        raise HTTPException(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body did not come within {limits.body_timeout_s:g} s",
            {"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the connection was closed in the middle of the body") from None
    return bytes(data)


async def images_of(body: bytes, headers: Headers, limits: RequestLimits) -> list[bytes]:
    """The contents of the image files in a body, in order.

    Args:
        body: an image file itself, a multipart form with files, or JSON as `_Table` has it.
        headers: of the request, whose content type decides.
        limits: of the endpoint.

    Raises:
        HTTPException: 400, 413 or 415, with a sentence on what is wrong.
    """
    kind = headers.get("content-type", BYTES_TYPE).partition(";")[0].strip().lower()
    if kind == JSON_TYPE:
        images = images_of_json(body)
    elif kind == MULTIPART_TYPE:
        images = await _images_of_form(body, headers)
    elif kind == BYTES_TYPE or kind.startswith("image/"):
        images = [body]
    else:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f'the content type "{kind}" is not understood; send an image file as image/* or {BYTES_TYPE}, files as '
            f"{MULTIPART_TYPE}, or {JSON_TYPE}",
        )
    return checked_count(images, limits)


def images_of_json(body: bytes) -> list[bytes]:
    """The images of `{"input_data": {"columns": ["image"], "index": [...], "data": ["<base64>", ...]}}`.

    Raises:
        HTTPException: 400, if the JSON has another form, or a value is not base64.
    """
    try:
        table = _DECODER.decode(body).input_data
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise bad_request(
            f'the JSON must be {{"input_data": {{"columns": ["image"], "index": [0], "data": ["<base64>"]}}}} ({error})'
        ) from None
    if table.columns != [_COLUMN]:
        raise bad_request(f'input_data.columns must be ["{_COLUMN}"]')
    if table.index is not None and len(table.index) != len(table.data):
        raise bad_request(f"input_data.index has {len(table.index)} entries, and data has {len(table.data)}")
    return [image_of_base64(row, f"input_data.data[{number}]") for number, row in enumerate(table.data)]


def image_of_base64(value: Any, place: str) -> bytes:
    """The bytes of a base64 text, or of a list that holds one.

    Raises:
        HTTPException: 400, if it is anything else, such as a path or a URL, which are never opened.
    """
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(text, str):
        raise bad_request(f"{place} must be one base64 text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(
            f"{place} is not base64 ({error}); paths and addresses are not opened, send the file's own bytes"
        ) from None


def checked_count(images: list[Item], limits: RequestLimits) -> list[Item]:
    """The images, if they are not none and not too many.

    Raises:
        HTTPException: 400 or 413.
    """
    if not images:
        raise bad_request("the request has no image")
    if len(images) > limits.max_images:
        raise HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a request has at most {limits.max_images} images here, not {len(images)}; send several requests",
        )
    return images


def bad_request(detail: str) -> HTTPException:
    """An answer that says what of a request is wrong."""
    return HTTPException(HTTPStatus.BAD_REQUEST, detail)


async def _images_of_form(body: bytes, headers: Headers) -> list[bytes]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(headers, stream()).parse()
    except (MultiPartException, KeyError, ValueError, AssertionError) as error:
        raise bad_request(f"the multipart form cannot be read ({error})") from None
    try:
        return [await part.read() for _, part in form.multi_items() if isinstance(part, UploadFile)]
    finally:
        await form.close()
