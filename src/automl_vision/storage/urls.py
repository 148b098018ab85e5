"""URLs: what may be shown of them, and where their signatures are kept.

A signed URL is a password. What a manifest, a report or a message holds is the URL without its signature; the whole one
stands in a file of the user's cache that only the user can read, so that other processes can fetch the image.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from automl_vision.core.errors import DataError
from automl_vision.storage.cache_folder import cache_folder

REMOTE_PROTOCOLS = frozenset({"http", "https", "s3", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory"})

_SECRET = re.compile(
    r"^(x-(amz|goog|ms|oss|cos)-.*|googleaccessid|sig|hmac|jwt|auth|authorization|pwd)$|"
    r"token|signature|secret|passw(or)?d|credential|(api|access|private|subscription|account)[-_]?key",
    re.IGNORECASE,
)
_BESIDE_SIGNATURE = re.compile(  # what S3, CDNs and Azure sign; without a signature `st=2` may name another image
    r"^(expires|key-pair-id|policy|se|st|sp|sr|sv|spr|sip|skoid|sktid|skt|ske|sks|skv)$", re.IGNORECASE
)
_USER = re.compile(  # a password may hold / and @; Azure's abfss://container@account names no user
    r"(?<=://)(?<!abfs://)(?<!abfss://)([^/\s@:\[]*:(?!\d*(/|\s|$))[^\s'\"<>?#]*@|[^/\s'\"<>?#]*@)", re.IGNORECASE
)
_QUERY = re.compile(r"(?<=\S)\?[^\s'\"<>)]*|(://[^\s'\"<>?#]*)#[^\s'\"<>)]*")


def is_url(path: str) -> bool:
    """Whether a path is a URL and not a file."""
    return "://" in path


def redacted(url: str) -> str:
    """A URL for messages: without user, password, query and fragment, where credentials stand."""
    return _USER.sub("", url.partition("#")[0].partition("?")[0])


def without_secrets(text: str) -> str:
    """A message without the users, passwords and queries of the URLs in it."""
    return _QUERY.sub(lambda found: found[1] or "", _USER.sub("", text))


def check_password(url: str) -> None:
    """Raise `DataError` when a URL holds a password, which a manifest would keep for all to read."""
    if _USER.search(url):
        raise DataError(
            f"{redacted(url)} was given with a user or password in it; put them into the environment: ~/.netrc for "
            "http, the store's own variables (such as AWS_ACCESS_KEY_ID) for others"
        )


def without_signature(url: str) -> str:
    """The URL as a manifest keeps it; `full_url` restores what was taken out."""
    if "?" not in url and "@" not in url:
        return url
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return redacted(url)
    is_signed = any(_SECRET.search(name) for name, _ in pairs)
    hidden = [bool(_SECRET.search(name) or (is_signed and _BESIDE_SIGNATURE.search(name))) for name, _ in pairs]
    kept = [pair for pair, is_hidden in zip(pairs, hidden, strict=True) if not is_hidden]
    if len(kept) == len(pairs) and not _USER.search(url):
        return url
    short = _USER.sub("", urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(kept), "")))
    file = _secret_file(short)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump({"url": url}, stream)
    temporary.replace(file)
    return short


def full_url(url: str) -> str:
    """The URL with the signature that `without_signature` took out of it on this machine."""
    try:
        return str(json.loads(_secret_file(url).read_text())["url"])
    except (OSError, ValueError, KeyError):
        return url


def _secret_file(short: str) -> Path:
    return cache_folder() / "signatures" / hashlib.blake2b(short.encode(errors="replace"), digest_size=16).hexdigest()
