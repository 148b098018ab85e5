"""The network of a finished trial trained on the validation images too; what is reported of these stays from before."""

from __future__ import annotations

from pathlib import Path

from automl_vision.core.errors import TrialError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.records import RESULT_FILE, SPEC_FILE, TrialResult, read_record
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.serving.model_folder import WEIGHTS_FILE
from automl_vision.training.combination import combine
from automl_vision.training.loop import Stopwatch
from automl_vision.training.reporter import Reporter
from automl_vision.training.trial import open_trial

REFIT_SHARE = 1 / 3
"""Of the epochs that the kept weights took, in which a network learns what the validation images add."""


def refit(spec: TrialSpec, reporter: Reporter) -> TrialResult:
    """Go on from the kept weights of a trial, with its validation images among those that it is trained on.

    A network that was fine-tuned is trained for a third of the epochs more, with a schedule of their own. Of one whose
    head alone was trained, the head is fitted again. An average is made again of members that were each treated so. No
    image is left to judge the result: its figures of validation images, its temperature and its thresholds are those of
    the earlier trial, and those of test images are its own.

    Args:
        spec: of the earlier trial, with a folder of its own and `refit_of`.
        reporter: receives messages and progress.

    Returns:
        The result; network, weights, outputs and metrics are in the spec's folder.

    Raises:
        DataError: the dataset changed, or too few images can be decoded.
        TrialError: the trial is not finished, has nothing to train further, there is no time, or the network is worse
            than before on images that it was trained on.
    """
    return _refit_average(spec, reporter) if spec.members else _refit_network(spec, reporter)


def _refit_average(spec: TrialSpec, reporter: Reporter) -> TrialResult:
    """Refit each member, then average them again, which takes as long as the last predictions did before.

    The quickest member comes first, and each may take an equal part of the time that is left: what the quick ones do
    not need is the slow ones'.
    """
    watch, averaging = Stopwatch(), _result_of(spec.refit_of).final_seconds
    folders = [str(Path(spec.folder) / "members" / str(number)) for number in range(len(spec.members))]
    pairs = sorted(zip(spec.members, folders, strict=True), key=lambda pair: _result_of(pair[0]).seconds)
    trained = []
    for done, (member, folder) in enumerate(pairs):
        own = TrialSpec.model_validate(read_json(Path(member) / SPEC_FILE))
        budget = spec.budget_seconds
        seconds = None if budget is None else (budget - watch.seconds - averaging) / (len(pairs) - done)
        own = own.model_copy(update={"folder": folder, "refit_of": member, "budget_seconds": seconds})
        trained.append(_refit_network(own, reporter).refit_epochs or 0.0)
        write_json(Path(folder) / SPEC_FILE, own.model_dump())
    average = spec.model_copy(update={"members": tuple(folders)})
    return combine(average, reporter, refit_epochs=max(trained))


def _refit_network(spec: TrialSpec, reporter: Reporter) -> TrialResult:
    earlier = _result_of(spec.refit_of)
    is_head = spec.head_only or not earlier.best_epoch
    if is_head and spec.start_from is not None:
        raise TrialError("the weights that it started from are still its best, so there is nothing to train further")
    start = None if is_head else str(Path(spec.refit_of or "") / WEIGHTS_FILE)
    epochs = 0.0 if is_head else max(1.0, REFIT_SHARE * earlier.best_epoch)
    Path(spec.folder).mkdir(parents=True, exist_ok=True)
    with open_trial(spec.model_copy(update={"start_from": start, "head_only": is_head}), reporter) as trial:
        return trial.refit(epochs, earlier.score)


def _result_of(folder: str | None) -> TrialResult:
    """The result of an earlier trial.

    Raises:
        TrialError: it is not finished.
    """
    result = read_record(Path(folder or "") / RESULT_FILE, TrialResult)
    if result is None:
        raise TrialError(f"{folder} is not a finished trial, so its network cannot be trained further")
    return result
