"""Texts that are not UTF-8: their encoding is detected, told of, and refused where it would be a guess."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache

from automl_vision.core.errors import DataError

_LATIN = ("cp1252", "cp1250", "cp1254")
_OTHERS = ("cp950", "gb18030", "cp932", "cp949", "euc_jp", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874")
_IN_LIBRARY = {"cp950": "big5"}  # which has the larger set under the name of the smaller one
_ODD_WORD = re.compile(rb"[^\s,;:\"'\[\]{}()<>=/\\|]*[\x80-\xff][^\s,;:\"'\[\]{}()<>=/\\|]*")
_HALF_WIDTH = re.compile(r"[\uff61-\uff9f]")
_UNLIKELY = frozenset({"Cc", "Cn", "Co", "Sc", "Sm", "So"})  # categories of what is in no word
_LEAST_CHAOS = 0.05
_CLEARLY = 0.1  # more like a language than the next best
_MOST_WORDS = 500  # that are looked at
_SHOWN = 3


@dataclass
class Decoding:
    """How texts are decoded while a dataset is being opened.

    Attributes:
        encoding: of all texts that are not UTF-8, as the user says it; None to detect it.
        found: encoding by file.
    """

    encoding: str | None = None
    found: dict[str, str] = field(default_factory=dict)


_CURRENT: ContextVar[Decoding | None] = ContextVar("decoding", default=None)


@contextmanager
def decoding(encoding: str | None) -> Iterator[Decoding]:
    """Decode texts as the user says, and note those that are not UTF-8.

    Raises:
        DataError: there is no such encoding.
    """
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            usual = ", ".join(("utf-8", *_LATIN, *_OTHERS))
            raise DataError(f'no encoding is named "{encoding}"; usual ones: {usual}') from None
    current = Decoding(encoding)
    token = _CURRENT.set(current)
    try:
        yield current
    finally:
        _CURRENT.reset(token)


def decode_text(data: bytes, place: str = "") -> str:
    """Text from bytes: UTF-8 with or without mark, UTF-16 with mark, else in the encoding that it shows.

    Args:
        data: of a file, or of a line.
        place: of the file, for messages.

    Raises:
        DataError: several encodings are possible, or the one that the user names is wrong.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    current = _CURRENT.get() or Decoding()
    name = current.encoding or _encoding_of(b"\n".join(dict.fromkeys(_ODD_WORD.findall(data)[:_MOST_WORDS])))
    if name is None:
        raise DataError(
            f"{place or 'the text'} is not UTF-8, and its encoding cannot be told from so few words "
            f'({_readings(data)}); save it as UTF-8, or name the encoding with encoding="..."'
        )
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        raise DataError(f"{place or 'the text'} is neither UTF-8 nor {name} ({error.reason})") from None
    if place:
        current.found[place] = name
    return text


def _readings(data: bytes) -> str:
    """What some encodings make of the first odd word."""
    word = next(iter(_ODD_WORD.findall(data)), b"")
    order = (*_LATIN[:2], *_OTHERS) if _is_latin(word) else (*_OTHERS, *_LATIN[:2])
    found = {name: text for name in order if (text := _decoded(word, name)) is not None}
    different = dict.fromkeys(filter(_is_likely, found.values()))
    names = {text: next(name for name, other in found.items() if other == text) for text in different}
    return " or ".join(f'"{text}" in {name}' for text, name in list(names.items())[:_SHOWN]) or "no usual one fits"


@lru_cache(maxsize=256)
def _encoding_of(words: bytes) -> str | None:
    """The encoding of words that are not UTF-8; None where several are possible.

    A word whose letters are mostly those of ASCII is of a Latin alphabet: in the encodings of Chinese, Japanese and
    Korean an accented letter and the one after it would be one sign amid a word.
    """
    latin = _is_latin(words)
    texts = {name: text for name in (_LATIN if latin else _OTHERS) if (text := _decoded(words, name)) is not None}
    if latin:
        texts = {name: text for name, text in texts.items() if all(map(_is_of_word, text))}
        return next(iter(texts)) if len(set(texts.values())) == 1 else None
    return _likeliest(words, texts)


def _is_latin(words: bytes) -> bool:
    return sum(bytes((byte,)).isalpha() for byte in words) >= sum(byte > 0x7F for byte in words)


def _is_of_word(character: str) -> bool:
    return character.isascii() or character.isalpha() or character.isspace()


def _likeliest(words: bytes, texts: dict[str, str]) -> str | None:
    """The only encoding that makes words of the bytes, or the one that makes them clearly more like a language."""
    from charset_normalizer import from_bytes

    found: dict[str, float] = {}
    for name in (name for name, text in texts.items() if _is_likely(text)):
        match = from_bytes(words, cp_isolation=[_IN_LIBRARY.get(name, name)]).best()  # each alone, none is left out
        if match is not None and match.chaos <= _LEAST_CHAOS:
            found[name] = match.coherence
    names = sorted(found, key=found.__getitem__, reverse=True)
    if len({texts[name] for name in names}) == 1:
        return names[0]
    if len(names) > 1 and found[names[0]] >= found[names[1]] + _CLEARLY:
        return names[0]
    return None


def _is_likely(text: str) -> bool:
    """Whether a text is made of words, and not of signs and half-width syllables."""
    return not _HALF_WIDTH.search(text) and all(
        character.isspace() or unicodedata.category(character) not in _UNLIKELY for character in text
    )


def _decoded(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        return None
