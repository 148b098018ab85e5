"""The keys of an endpoint: a primary and a secondary one, so that one can be replaced while the other is in use."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from automl_vision.core.files import atomic_path, read_json
from automl_vision.core.numbers import json_text
from automl_vision.deployment.online.definition import EndpointError

KEYS_FILE = "keys.json"

KeyName = Literal["primary", "secondary"]
KEY_NAMES: tuple[KeyName, ...] = get_args(KeyName)

_PREFIX = "amv_"
_BYTES = 32  # random ones, so that a plain digest at rest cannot be guessed back


@dataclass(frozen=True)
class Key:
    """A key as it is kept: its digest, and what it allows.

    Attributes:
        name: "primary" or "secondary".
        digest: SHA-256 of the key, in hexadecimal digits.
        created: seconds since 1970.
        per_second: requests that it allows per second, on average; None for any number.
        per_day: requests that it allows per day, in UTC; None for any number.
    """

    name: KeyName
    digest: str
    created: float
    per_second: float | None = None
    per_day: int | None = None


@dataclass(frozen=True)
class Keys:
    """The keys of an endpoint."""

    keys: tuple[Key, ...] = ()

    def find(self, presented: str) -> Key | None:
        """The key that a caller presents; every one is compared, in constant time."""
        digest, found = _digest(presented), None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def renewed(self, name: KeyName) -> tuple[Keys, str]:
        """The keys with a new one that has the limits of the old one; and its text, which is kept nowhere."""
        text = _PREFIX + secrets.token_urlsafe(_BYTES)
        old = next((key for key in self.keys if key.name == name), None)
        limits = (old.per_second, old.per_day) if old is not None else (None, None)
        new = Key(name, _digest(text), time.time(), *limits)
        return Keys((*(key for key in self.keys if key.name != name), new)), text

    def limited(self, name: KeyName, *, per_second: float | None, per_day: int | None) -> Keys:
        """The keys with other limits of one of them.

        Raises:
            EndpointError: a limit is not above 0, or there is no such key.
        """
        if (per_second is not None and per_second <= 0) or (per_day is not None and per_day <= 0):
            raise EndpointError("a limit is above 0; leave it out to allow any number")
        if all(key.name != name for key in self.keys):
            raise EndpointError(f"the endpoint has no {name} key")
        return Keys(
            tuple(
                Key(key.name, key.digest, key.created, per_second, per_day) if key.name == name else key
                for key in self.keys
            )
        )

    @staticmethod
    def load(file: Path) -> Keys:
        """Read the keys; a missing file has none.

        Raises:
            EndpointError: the file is broken.
        """
        try:
            return Keys(tuple(_key(**entry) for entry in read_json(file)["keys"]))
        except FileNotFoundError:
            return Keys()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise EndpointError(f"{file} cannot be read ({error}); renew both keys") from error

    def save(self, file: Path) -> None:
        """Write the digests and limits; only the owner may read the file."""
        text = json_text({"keys": [asdict(key) for key in self.keys]}, indent=2) + "\n"
        with atomic_path(file) as temporary:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)


def key_name(text: str) -> KeyName:
    """The name of a key.

    Raises:
        EndpointError: it is neither primary nor secondary.
    """
    for name in KEY_NAMES:
        if name == text:
            return name
    raise EndpointError(f'a key is primary or secondary, not "{text}"')


def _key(**entry: Any) -> Key:
    return Key(**{**entry, "name": key_name(entry["name"])})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
