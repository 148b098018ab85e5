"""Reading image bytes from files and, through fsspec, from any other location."""

from __future__ import annotations

from pathlib import Path

from automl_vision.core.errors import ImageError


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
            import fsspec

            with fsspec.open(image, "rb") as file:
                data: bytes = file.read()
            return data
        return (Path(root) / image).read_bytes()
    except FileNotFoundError:
        raise ImageError("the file is missing") from None
    except IsADirectoryError:
        raise ImageError("the path is a folder, not an image") from None
    except OSError as error:
        raise ImageError(f"the file cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # an embedded null byte, an unknown protocol
        raise ImageError(f"the path cannot be read ({error})") from error


def resolve_inside(root: Path, image: str, *, allow_outside: bool = False) -> str:
    """Resolve an image's path against the data's root and give it relative to the root.

    Raises:
        ImageError: the path leads outside of the root, which only `allow_outside` permits.
    """
    if is_url(image):
        return image
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
