"""Where a browser finds an image: below the folder that Label Studio serves, behind a signed link, or on the web."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from automl_vision.core.text import suffix_of
from automl_vision.storage.locations import INSIDE
from automl_vision.storage.urls import is_url

_SHOWN_BY_BROWSERS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".avif")
_SERVED_AT = "/data/local-files/?d="
_SIGNED_SECONDS = 7 * 24 * 3600  # what Amazon, Google and Azure sign for at most
_WEB = ("http", "https")


class AddressError(ValueError):
    """A browser cannot be shown an image; the message says why."""


@dataclass(frozen=True)
class Addresses:
    """Gives images the addresses under which a browser finds them.

    Attributes:
        files: folder below which Label Studio serves files, its `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`.
        below: path that Label Studio itself lies below, such as `/label-studio`; empty for none.
    """

    files: Path
    below: str = ""

    def of(self, location: str) -> str:
        """The address of an image.

        Args:
            location: an absolute path, a path inside an archive, or a URL; see `LabelledImage.location`.

        Raises:
            AddressError: a browser cannot be shown it.
        """
        name, suffix = location.rpartition("/")[2], suffix_of(location.partition("?")[0])
        if suffix and suffix not in _SHOWN_BY_BROWSERS:
            raise AddressError(f"browsers do not show {suffix} files; convert {name} to PNG")
        if is_url(location):
            return location if location.partition("://")[0].lower() in _WEB else signed_link(location)
        if INSIDE in location:
            raise AddressError("it lies in an archive, which Label Studio cannot serve; unpack the archive")
        path = Path(location)
        if not path.is_relative_to(self.files):
            raise AddressError(f"it lies outside of {self.files}, the folder that Label Studio serves")
        return f"{self.below}{_SERVED_AT}{quote(path.relative_to(self.files).as_posix())}"


def signed_link(url: str, seconds: int = _SIGNED_SECONDS) -> str:
    """A link to an object of a store that anybody may follow for some time.

    Args:
        url: s3://, gs://, az:// or another that fsspec knows.
        seconds: until the link expires.

    Raises:
        AddressError: the store cannot sign links, or refuses.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
        return str(system.sign(path, expiration=seconds))
    except NotImplementedError:
        raise AddressError(f"the store of {url} signs no links; copy the images to where Label Studio serves") from None
    except Exception as error:  # each store's client has its own tree of errors
        raise AddressError(f"the store of {url} signs no link ({error})") from None


def is_expiring(address: str) -> bool:
    """Whether an address is a link that a store has signed."""
    query = address.partition("?")[2]
    return any(f"{name}=" in query for name in ("X-Amz-Signature", "X-Goog-Signature", "sig", "Signature"))
