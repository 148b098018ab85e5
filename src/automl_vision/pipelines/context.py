"""What a step works with: the pipeline, its workspace, what is kept of it, and whom it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from automl_vision.core.account import account_name
from automl_vision.experiment.run import Run
from automl_vision.pipelines.definition import PipelineDefinition
from automl_vision.pipelines.store import PipelineStore
from automl_vision.workspace.model_version import CHAMPION, ModelVersion
from automl_vision.workspace.workspace import Workspace

Counter = Callable[[int, int], None]
"""Called with (done, in all)."""


class Reporter(Protocol):
    """Whom a step tells what it does."""

    def say(self, text: str) -> None:
        """Tell a sentence."""

    def confide(self, what: str, owner: str, secret: str) -> None:
        """Tell what must not be kept, such as a key: what it is, of whom, and itself."""

    def counting(self, what: str) -> AbstractContextManager[Counter]:
        """Tell how many of something are done."""

    def follow(self, run: Run) -> None:
        """Wait until a run is at rest, and tell how far it is."""


class Silent:
    """Tells nobody, and waits for runs."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def confide(self, what: str, owner: str, secret: str) -> None:
        """Say nothing."""

    @contextmanager
    def counting(self, what: str) -> Iterator[Counter]:  # noqa: ARG002 - nobody is told
        """Count for nobody."""
        yield _nothing

    def follow(self, run: Run) -> None:
        """Wait until the run is at rest."""
        run.wait_for_completion(raise_on_error=False)


def _nothing(done: int, total: int) -> None:
    """Count for nobody."""


@dataclass(frozen=True)
class PipelineContext:
    """What a step works with.

    Attributes:
        definition: of the pipeline.
        workspace: that keeps datasets, runs and models.
        reporter: is told how far a step is.
        version: of the data that is worked on; None for the newest.
        again: train anew although nothing has changed.
        why: reason for the log of a promotion; empty for the gate's sentence.
        patience: seconds to wait while another process works on the pipeline.
        key: digest of what the result of the step in hand depends on, for the files and the state that the step keeps;
            empty where only its work can tell.
    """

    definition: PipelineDefinition
    workspace: Workspace
    reporter: Reporter = field(default_factory=Silent)
    version: str | None = None
    again: bool = False
    why: str = ""
    patience: float = 1.0
    key: str = ""

    @property
    def store(self) -> PipelineStore:
        """What is kept of the pipeline."""
        return PipelineStore(self.workspace.path, self.definition.name)

    @property
    def by(self) -> str:
        """The account that works."""
        return account_name()

    def champion(self) -> ModelVersion | None:
        """The version in use; None before the first promotion."""
        models, name = self.workspace.models, self.definition.name
        return models.aliased(name, CHAMPION) if name in models.names() else None
