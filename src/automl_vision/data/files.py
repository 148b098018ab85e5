"""Reading image bytes from files and, through fsspec, from any other location."""

from __future__ import annotations

from pathlib import Path

from automl_vision.core.errors import ImageError

_REMOTE = frozenset({"http", "https", "s3", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory"})


def is_url(path: str) -> bool:
    """Whether a path is a URL and not a file."""
    return "://" in path


def read_image_bytes(root: str, image: str) -> bytes:
    """The bytes of a manifest's image.

    Args:
        root: the folder that relative images start from.
        image: path relative to `root`, absolute path, or URL.

    Raises:
        ImageError: the image is missing or cannot be read.
    """
    try:
        if is_url(image):
            return _read_url(image)
        return (Path(root) / image).read_bytes()
    except FileNotFoundError:
        raise ImageError("the file is missing") from None
    except IsADirectoryError:
        raise ImageError("the path is a folder, not an image") from None
    except OSError as error:
        raise ImageError(f"the file cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # an embedded null byte, an unknown protocol
        raise ImageError(f"the path cannot be read ({error})") from error


def _read_url(url: str) -> bytes:
    """The bytes behind a URL.

    Raises:
        FileNotFoundError: nothing is there.
        ImageError: it cannot be read, or the package that reads such URLs is not installed.
    """
    import fsspec

    try:
        with fsspec.open(url, "rb") as file:
            data: bytes = file.read()
    except FileNotFoundError:
        raise
    except Exception as error:  # each store's client has its own tree of errors
        raise ImageError(f"the URL cannot be read ({error or type(error).__name__})") from error
    return data


def resolve_inside(root: Path, image: str, *, allow_outside: bool = False) -> str:
    """Resolve an image's path against the data's root and give it relative to the root.

    Raises:
        ImageError: the path leads outside of the root, or a URL such as `file://` may, which only `allow_outside`
            permits.
    """
    if is_url(image):
        protocol = image.partition("://")[0]
        if allow_outside or protocol.lower() in _REMOTE:
            return image
        raise ImageError(
            f"a {protocol}:// URL may lead outside of the data's folder; open the data with allow_outside=True if "
            "that is meant"
        )
    try:
        resolved = (root / image).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ImageError(f"the path cannot be resolved ({error})") from error
    if resolved.is_relative_to(root):
        return resolved.relative_to(root).as_posix() if not (root / image).is_symlink() else image
    if allow_outside:
        return str(resolved)
    raise ImageError(
        "the path leads outside of the data's folder; open the data with allow_outside=True if that is meant"
    )
