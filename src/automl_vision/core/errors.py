"""The one error tree. A message states the rule, what came, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One mistake in a configuration.

    Attributes:
        path: keys and indices that lead to the value, from the outermost; empty for the whole.
        sentence: the rule, what came, and the way out.
    """

    path: tuple[str | int, ...]
    sentence: str

    def __str__(self) -> str:
        return self.sentence

    def within(self, *path: str | int) -> Problem:
        """The problem seen from further outside, whose sentence names the outer path too."""
        return Problem((*path, *self.path), f"{'.'.join(map(str, path))}: {self.sentence}" if path else self.sentence)


class AutoMLVisionError(Exception):
    """Base of every error that is the user's to repair; the command line prints it and exits with 2."""


class ConfigError(AutoMLVisionError):
    """A configuration breaks its rules. All mistakes are raised at once.

    Attributes:
        problems: the mistakes; a text that is passed becomes a problem of the whole.
        subject: what has the mistakes.
    """

    def __init__(self, problems: Sequence[Problem | str], *, subject: str = "The configuration") -> None:
        self.problems = [Problem((), problem) if isinstance(problem, str) else problem for problem in problems]
        self.subject = subject
        count = len(self.problems)
        noun = "mistake" if count == 1 else "mistakes"
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{subject} has {count} {noun}:{lines}")

    def __reduce__(self) -> tuple[Any, ...]:
        # an exception is pickled by its message, which is not what the constructor takes
        return partial(type(self), subject=self.subject), (self.problems,)


class InvalidValueError(ConfigError, ValueError):
    """One value of a configuration breaks its rules.

    It is a `ValueError`, so that pydantic's validators may raise it; `core.validation` finds its problems again.
    """


class PluginError(AutoMLVisionError):
    """A package that adds something to this one cannot be imported."""


class MissingPackageError(AutoMLVisionError, ImportError):
    """A package is not installed that only some functions need."""


class UnknownModelError(AutoMLVisionError):
    """No algorithm has the given name."""


class WeightsUnavailableError(AutoMLVisionError):
    """Pretrained weights were asked for and no source has them."""


class HubUnreachableError(WeightsUnavailableError):
    """Pretrained weights would have to be fetched, and no hub answers."""


class DataError(AutoMLVisionError):
    """A dataset as a whole cannot be used."""


class ConflictError(DataError):
    """Somebody else has changed meanwhile what was to be changed; look at it again."""


class ImageError(AutoMLVisionError):
    """One image cannot be used; the reason is the message."""

    def ending(self, reference: object) -> ImageError:
        """The error that ends a command: with the image's name, and the option that skips such images."""
        return ImageError(f"{reference}: {self}; skip such images with --on-unreadable skip")


class StreamError(AutoMLVisionError):
    """A video, a camera's stream or a watched folder cannot be read, or a video cannot be written."""


class ComputeError(AutoMLVisionError):
    """A compute target cannot be used."""


class FeaturesUnavailableError(AutoMLVisionError):
    """Features of images cannot be computed on this machine."""


class TrialError(AutoMLVisionError):
    """A trial ended without a result."""


class PackagingError(AutoMLVisionError):
    """A trial could not be turned into a model folder."""


class ParityError(PackagingError):
    """The exported model does not give what the trained model gives."""


class ModelFolderError(AutoMLVisionError):
    """A folder is not a usable model folder."""


class ModelNotFoundError(AutoMLVisionError):
    """No registered model has the given name, version or alias."""


class ScoringError(AutoMLVisionError):
    """Images cannot be scored in the way that was asked for."""


class ExplanationError(AutoMLVisionError):
    """A prediction cannot be explained in the way that was asked for."""


class RunNotFoundError(AutoMLVisionError):
    """No run has the given id in this workspace."""


class RunFailedError(AutoMLVisionError):
    """A run ended without a model."""


class PipelineError(AutoMLVisionError):
    """A step of a pipeline cannot be done."""


class WorkspaceError(AutoMLVisionError):
    """The workspace cannot be read or written."""


class StorageError(WorkspaceError):
    """The disk is full."""


class TrackingError(WorkspaceError):
    """The MLflow store cannot be written."""
