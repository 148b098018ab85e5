"""One trial: from its spec to the best weights on the validation images and their evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from automl_vision.core.errors import TrialError
from automl_vision.core.records import Evaluation, TrialResult
from automl_vision.models.frozen_stages import FrozenStages, open_frozen_stages
from automl_vision.models.image_model import ImageModel
from automl_vision.models.model import Model
from automl_vision.models.networks import build_network, start_from
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.network import read_network
from automl_vision.recipes.network_families import frozen_stages
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.task import Task, create_task
from automl_vision.training.batch_size import is_out_of_memory
from automl_vision.training.checkpoint import (
    BEST_WEIGHTS,
    Checkpoint,
    capture,
    keep_weights,
    load_checkpoint,
    load_weights,
    remove_checkpoint,
    restore,
    save_checkpoint,
    save_weights,
    weights_file,
)
from automl_vision.training.distributed import Processes, open_processes
from automl_vision.training.early_stopping import EarlyStopping
from automl_vision.training.final_evaluation import SHARES, Choice, choose_weights, finish
from automl_vision.training.history import Record
from automl_vision.training.loop import Loop, OnStep, Plan, Stopwatch, TrainedEpoch
from automl_vision.training.opening import open_data
from automl_vision.training.optimizers import create_optimizer
from automl_vision.training.plan import make_plan
from automl_vision.training.precision import Precision
from automl_vision.training.pretrained_features import PretrainedFeatures
from automl_vision.training.reporter import Reporter
from automl_vision.training.schedules import cooled_epochs
from automl_vision.training.time_budget import Pace

_REPORTED_CHANGE = 0.1  # minimum change of the plan that is reported, as a fraction of the planned epochs
_ENOUGH_EPOCHS = 5  # after which the last weights are kept in doubt; docs/decisions/0070 has them after 15
_COMPARED = 3  # the start, the best epoch and the last one, beside what lies between two of them
_MOST_LOST = 0.05  # of the metric of images that are trained on from now on, or an image where few validate
_FP32_AGAIN, _FP32_INSTEAD = 1.2, 3.0  # time of a prediction in fp32, where validation is in fp32 too and where not


def train(spec: TrialSpec, reporter: Reporter) -> TrialResult:
    """Run a trial, or resume one that was interrupted; its state is kept in the spec's folder.

    The head is initialised by a logistic regression on the pretrained features (epoch 0); then the network is
    fine-tuned (LP-FT, Kumar et al. 2022). The weights with the best validation metric are kept, epoch 0 included.

    If this process was started as one of several, they train the trial together.

    Args:
        spec: everything that the trial depends on.
        reporter: receives messages, progress and validations, and may ask the trial to stop.

    Returns:
        The result; weights, outputs and metrics are in the spec's folder.

    Raises:
        DataError: the dataset changed, or too few images can be decoded.
        WeightsUnavailableError: pretrained weights were asked for and no source has them.
    """
    with open_trial(spec, reporter) as trial:
        return trial.run()


@contextmanager
def open_trial(spec: TrialSpec, reporter: Reporter) -> Iterator[_Trial]:
    """Open a trial in this process; those that were started with it do the same.

    Raises:
        DataError: the dataset changed, or too few images can be decoded.
        WeightsUnavailableError: pretrained weights were asked for and no source has them.
    """
    with open_processes(spec.processes, spec.device, spec.threads) as processes:
        yield _Trial(spec, reporter if processes.is_main else Reporter(), processes)


class _Trial:
    """A running trial: `__init__` opens data and model, `run` calls the steps below it in order."""

    def __init__(self, spec: TrialSpec, reporter: Reporter, processes: Processes) -> None:
        self.spec, self.reporter, self.processes = spec, reporter, processes
        self.folder = Path(spec.folder)
        self.hyperparameters = spec.hyperparameters
        self.device = processes.device
        torch.manual_seed(spec.seed)
        checkpoint = None if spec.refit_of else load_checkpoint(self.folder)  # a refit always begins anew
        self.watch = Stopwatch(checkpoint.seconds if checkpoint else 0.0)
        dataset, self.pixels, geometry = open_data(spec, reporter, resumed=checkpoint is not None)
        self.dataset = dataset
        self.rows = {split: np.flatnonzero(dataset.splits == split) for split in ("train", "val", "test")}
        self.task: Task[Any] = create_task(spec.task, dataset, self.hyperparameters, geometry, spec.primary_metric)
        self.source = self._network(geometry, resumed=checkpoint is not None)
        self.model = ImageModel(self.source.network, self.source.normalization).to(self.device)
        stages = frozen_stages(self.hyperparameters, self.source.description.architecture)
        self.frozen = freeze_stages(self.model.network, stages)
        if self.frozen and checkpoint is None and not spec.head_only:
            reporter.message(f"the first {stages} stages are frozen; layers_to_freeze=0 trains all")
        self._stages: FrozenStages | None = None  # opened while this process planned
        if checkpoint:
            plan, step_seconds = Plan(**checkpoint.plan), checkpoint.step_seconds
        else:
            plan, step_seconds = processes.from_main(self._make_plan)
        self.plan = plan
        self.model.to(memory_format=Precision(plan.precision, plan.channels_last).memory_format)
        processes.copy_from_main(self.model.state_dict().values())
        self.loop = Loop(self.model, self.task, self.pixels, plan, seed=spec.seed, processes=processes)
        self.optimizer = create_optimizer(
            self.model,
            self.hyperparameters,
            plan.learning_rate,
            architecture=self.source.description.architecture,
            is_started=spec.start_from is not None,
        )
        patience, delay = self.hyperparameters.early_stopping_patience, self.hyperparameters.early_stopping_delay
        self.record = Record(EarlyStopping(patience, delay))
        self.pace = self._pace(plan, step_seconds)
        if checkpoint:
            self._restore(checkpoint)
        if plan.converted_stages:
            self.loop.frozen_stages = self._stages or self._open_stages()

    def _open_stages(self) -> FrozenStages | None:
        """What computes the frozen stages as planned; without OpenVINO, or for another start, PyTorch does."""
        images = self.task.evaluation_batch(self.pixels, self.rows["train"][:2].tolist()).images
        return open_frozen_stages(self.source, self.model, images, precision=self.plan.precision)

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint; plan and clock stay as they are."""
        self.record = restore(checkpoint, self.source.description, self.loop, self.optimizer)
        self.pace.validation_seconds = checkpoint.validation_seconds

    def _network(self, geometry: Geometry | None, *, resumed: bool) -> Model:
        """The network to train: rebuilt from the trial's own description when it resumes, otherwise new."""
        if resumed:
            return build_network(read_network(self.folder))
        model = create_model(
            self.spec.model_name,
            task=self.spec.task,
            classes=len(self.dataset.classes),
            hyperparameters=self.hyperparameters,
            geometry=geometry,
        )
        if model.note:
            self.reporter.message(model.note)
        if self.processes.is_main:
            model.description.save(self.folder)
        if self.spec.start_from:
            self.reporter.message(start_from(model, Path(self.spec.start_from), self.dataset.classes))
        return model

    def run(self) -> TrialResult:
        """Run the steps of the trial that are still to be done."""
        if not self.record.evaluations:
            self._start_head()
            self._evaluate(0)
            self._fit_into_budget()
            self._save()
        while self.record.stopped is None and self.record.epoch < self.plan.last_epoch:
            self._train_until_evaluation(self.record.epoch + 1)
        return self._finish()

    def _make_plan(self) -> tuple[Plan, float]:
        """The plan, and the seconds of training per image with the processes that were started."""
        rows = self.rows["train"]
        plan, seconds, self._stages = make_plan(
            self.spec, self.source, self.model, self.task, self.pixels, rows, self.reporter
        )
        count = self.processes.count
        if count < self.spec.processes:
            self.reporter.message(f"{count} process trains what was planned for {self.spec.processes}")
        return plan, seconds / count

    def _pace(self, plan: Plan, step_seconds: float) -> Pace:
        return Pace(
            self.watch,
            self.spec.budget_seconds,
            training_images=len(self.rows["train"]),
            validation_images=len(self.rows["val"]),
            final_images=len(self.rows["val"]) + len(self.rows["test"]),
            validations_at_end=len(SHARES) + _COMPARED if self.task.traits.interpolates else 0,
            final_slowness=_FP32_AGAIN if plan.precision == "fp32" else _FP32_INSTEAD,
            step_seconds=step_seconds,
            packaged_images=self.spec.packaged_images,
            is_partly_frozen=bool(self.frozen),
            head_only=self.spec.head_only,
        )

    def measure(self) -> dict[str, float]:
        """Estimate the seconds of the parts of a trial by one training step and one batch of validation images.

        Returns:
            `setup`: before the first epoch, of that `features`: for those of all training images; `epoch`: with its
            validation; `finish`: after the last epoch, of that `predictions`: for the last ones. And `steps`: of the
            optimizer, in an epoch.
        """
        setup, pace = self.watch.seconds, self.pace
        per_image = self._time_validation()
        views = 2 if self._probes else 0  # of each image go into its features: the image and its mirror image
        features = views * per_image * pace.training_images
        return {
            "setup": setup + features,
            "features": features,
            "epoch": pace.epoch_seconds(self.hyperparameters.evaluation_frequency),
            "finish": pace.final_seconds,
            "predictions": pace.prediction_seconds,
            "steps": math.ceil(pace.training_images / self.plan.batch_size),
        }

    def _time_validation(self) -> float:
        """Estimate the seconds of a validation by one batch of it, and return those of an image."""
        rows = self.rows["val"][: self.plan.validation_batch].tolist()
        start = time.monotonic()
        self.loop.outputs(rows)
        per_image = (time.monotonic() - start) / len(rows)
        self.pace.validation_seconds = per_image * len(self.rows["val"])
        return per_image

    def probe(self) -> float:
        """The primary metric of a linear probe on the pretrained features, on the validation images."""
        self._start_head()
        outputs = self.loop.outputs(self.rows["val"].tolist())
        metrics = self.processes.from_main(lambda: self._metrics(outputs, self.rows["val"]))
        return metrics[self.task.scoring.primary.name]

    def refit(self, epochs: float, before: float) -> TrialResult:
        """Train on training and validation images together, without looking at any: the last weights are kept.

        Args:
            epochs: wanted, of which as many are trained as fit into the time; 0 fits the head alone.
            before: the primary metric of the earlier trial on the validation images.

        Returns:
            The result, with the validation images as the earlier trial saw them.

        Raises:
            TrialError: there is no time, or the network is worse than before on images that it was trained on.
        """
        self.rows["train"] = np.sort(np.concatenate([self.rows["train"], self.rows["val"]]))
        if not (epochs or self._probes):
            raise TrialError("its best weights are those that it started from, and its head does not come from a probe")
        self.pace.training_images, self.pace.validations_at_end = len(self.rows["train"]), 1
        self._time_validation()
        trained = self._train_further(epochs)
        self._require_learnt(before)
        last = math.ceil(trained)
        return self._written(
            best_epoch=last, fine_tuned_share=1.0, epochs=last, stopped=self.record.stopped, refit_epochs=trained
        )

    def _train_further(self, epochs: float) -> float:
        """Train the wanted epochs, or as many as fit into the time, or the head alone; returns how many it were."""
        plan, frequency = self.plan, max(1, round(epochs))
        in_time = self.processes.decides(lambda: self.pace.left > 0)
        plan.epochs, plan.evaluation_frequency = self.processes.from_main(lambda: self.pace.fit(0, epochs, frequency))
        if not in_time or (epochs and not plan.epochs):
            raise TrialError("no time is left for it")
        if not epochs:
            self._start_head()
            return 0.0
        self._save()  # to begin again from where memory does not suffice
        try:
            return self._passes(self._train_epochs(1, plan.last_epoch))
        finally:
            if self.processes.is_main:
                remove_checkpoint(self.folder)

    def _require_learnt(self, before: float) -> None:
        """See that the images that were added are not recognised clearly worse than before."""
        metric, rows = self.task.scoring.primary, self.rows["val"]
        outputs = self.loop.outputs(rows.tolist())
        after = self.processes.from_main(lambda: self._metrics(outputs, rows))[metric.name]
        if metric.score(after) < metric.score(before) - max(_MOST_LOST, 1.5 / len(rows)):
            raise TrialError(
                f"{metric.name} of the images that were added was {before:.4f} before and {after:.4f} afterwards"
            )

    @property
    def _probes(self) -> bool:
        """Whether the head starts from a probe: there must be pretrained features and a linear head."""
        return self.task.traits.starts_from_probe and not self.spec.start_from and self.model.head is not None

    def _start_head(self) -> None:
        """Initialise the head by a linear probe on the pretrained features, if the trial starts from one."""
        head = self.model.head
        if not self._probes or head is None:
            return
        source = PretrainedFeatures(self.spec, self.source, self.loop, self.pace, self.reporter)
        rows, features = source.of(self.rows["train"])
        self.reporter.message(self.processes.from_main(lambda: self.task.warm_start(head, features, rows)))
        self.processes.copy_from_main(head.parameters())
        if self.loop.ema is not None:
            self.loop.ema.set(self.model)

    def _fit_into_budget(self) -> None:
        """Plan the epochs that fit into the time left, so that the learning rate schedule ends with the budget."""
        if self.spec.head_only:
            self.plan.epochs = 0
            return
        self.plan.epochs, self.plan.evaluation_frequency = self.processes.from_main(self._fitting)
        if not self.plan.epochs:
            self.record.stopped = "the time budget allows no epoch of fine-tuning"

    def _fitting(self) -> tuple[float, int]:
        """Total epochs, and epochs between validations, by the speed of the last epoch if there is one."""
        plan, pace, last = self.plan, self.pace, self.record.evaluations[-1]
        wanted = self.record.last or self.hyperparameters.number_of_epochs
        if last.images_per_second:
            pace.step_seconds = 1 / last.images_per_second
        epochs, frequency = pace.fit(last.epoch, wanted, self.hyperparameters.evaluation_frequency)
        changed = abs(epochs - plan.epochs) >= _REPORTED_CHANGE * plan.epochs
        if changed or frequency != plan.evaluation_frequency:
            rarely = f", validated every {frequency} epochs" if frequency > 1 else ""
            seconds, left = pace.epoch_seconds(frequency), max(0.0, pace.left)
            self.reporter.message(
                f"{epochs:g} of {wanted:g} epochs fit{rarely}: an epoch takes {seconds:.0f} s, {left:.0f} s are left"
            )
        return epochs, frequency

    def _train_until_evaluation(self, first: int) -> None:
        """Train up to the next epoch that is validated, validate it and save the state."""
        last = min(self.plan.last_epoch, first + self.plan.evaluation_frequency - 1)
        trained = self._train_epochs(first, last)
        epoch = first + len(trained) - 1
        passes = self.record.evaluations[-1].passes + self._passes(trained)
        rate = trained[-1].images_per_second
        self._evaluate(epoch, passes=passes, train_loss=trained[-1].loss, images_per_second=rate)
        self._check_improvement()
        if self.record.stopped is None and epoch < self.plan.last_epoch:
            self._fit_into_budget()
        self._save()

    def _train_epochs(self, first: int, last: int) -> list[TrainedEpoch]:
        """Train epochs until the trial is to stop; out of memory, all of them again from the state saved last."""
        trained: list[TrainedEpoch] = []
        while first + len(trained) <= last and self.record.stopped is None:
            epoch = first + len(trained)
            try:
                trained.append(self.loop.train_epoch(epoch, self.rows["train"], self.optimizer, self._on_step(epoch)))
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.plan.micro_batch == 1:
                    raise
                self._halve_batch()
                trained.clear()
                continue
            if not trained[-1].finished:
                self.record.stopped = self.processes.from_main(self._stop_reason) or "stopped"
        return trained

    def _passes(self, trained: Sequence[TrainedEpoch]) -> float:
        """How many times epochs went through the training images; one that was stopped counts as a part."""
        return sum(epoch.images for epoch in trained) / len(self.rows["train"])

    def _check_improvement(self) -> None:
        """Once validation stops improving, stop the trial, or shorten a schedule whose learning rate is still high."""
        record, plan = self.record, self.plan
        if not self.hyperparameters.early_stopping or record.last is not None or record.stopped is not None:
            return
        stale = record.early_stopping.should_stop(self._score(record.evaluations[-1]))
        if not stale or record.epoch >= plan.last_epoch:
            return
        record.last = cooled_epochs(record.epoch, plan.epochs, self.hyperparameters)
        if record.last is None:
            record.stopped = record.early_stopping.reason
            return
        plan.epochs = record.last
        self.reporter.message(f"{record.early_stopping.reason}: the learning rate ends with epoch {plan.last_epoch}")

    def _on_step(self, epoch: int) -> OnStep:
        start, images = time.monotonic(), len(self.rows["train"])
        total = round(self.plan.share(epoch) * images)

        def on_step(done: int, loss: float) -> bool:
            speed = done / (time.monotonic() - start)
            left = max(0.0, images * (self.plan.epochs - epoch + 1) - done) / speed
            left += self.pace.validation_seconds * (self.plan.last_epoch - epoch + 1) / self.plan.evaluation_frequency
            self.reporter.progress(
                f"epoch {epoch}/{self.plan.last_epoch}",
                done,
                total,
                loss=loss,
                images_per_second=speed,
                seconds_left=left,
            )
            return self._stop_reason() is None

        return on_step

    def _stop_reason(self) -> str | None:
        if self.pace.left < 0:
            return f"the time budget of {self.spec.budget_seconds:.0f} s is used up"
        return self.reporter.stop_reason()

    def _halve_batch(self) -> None:
        """Restore the last saved state and halve the micro-batch; the images per optimizer step stay the same."""
        self.plan.micro_batch = max(1, self.plan.micro_batch // 2)
        self.reporter.message(
            f"out of memory: batches of {self.plan.micro_batch} from now on, "
            f"gradients added up to steps of {self.plan.batch_size} images"
        )
        checkpoint = load_checkpoint(self.folder)
        if checkpoint is None:
            raise TrialError("out of memory before the first state was saved")
        self._restore(checkpoint)

    def _evaluate(self, epoch: int, **training: float) -> None:
        """Predict and score the validation images, report the result, and save the weights if they are to be kept."""
        rows = self.rows["val"]
        start = time.monotonic()
        outputs = self.loop.outputs(rows.tolist())
        self.pace.validation_seconds = time.monotonic() - start
        train_metrics = self._training_metrics() if epoch else {}

        def evaluate() -> tuple[Evaluation, float]:
            loss = self.task.scoring.validation_loss(outputs, rows)
            evaluation = Evaluation(
                epoch=epoch,
                metrics=self._metrics(outputs, rows),
                validation_loss=loss if self.hyperparameters.log_validation_loss else None,
                train_metrics=train_metrics,
                learning_rate=max(group["lr"] for group in self.optimizer.param_groups) if epoch else 0.0,
                seconds=self.watch.seconds,
                **training,
            )
            return evaluation, loss

        evaluation, loss = self.processes.from_main(evaluate)
        score = self._score(evaluation)
        if math.isnan(score) and self.task.scoring.are_finite(outputs):
            raise TrialError(
                f"{self.task.scoring.primary.name} is undefined on these validation images; "
                "choose another primary_metric or other validation images"
            )
        self.record.add(evaluation, score, loss)
        if self.processes.is_main and epoch in self._kept_epochs():
            save_weights(weights_file(self.folder, epoch), self.loop.averaged.network.state_dict())
        self.reporter.evaluation(evaluation)

    def _training_metrics(self) -> dict[str, float]:
        """Metrics on as many training images as there are validation images; empty unless they are asked for."""
        if not self.hyperparameters.log_training_metrics:
            return {}
        rows = np.random.default_rng(self.spec.seed).permutation(self.rows["train"])[: len(self.rows["val"])]
        return self._metrics(self.loop.outputs(rows.tolist()), rows)

    def _metrics(self, outputs: Any, rows: NDArray[np.intp]) -> dict[str, float]:
        return self.task.scoring.metrics(outputs, rows, self.task.scoring.calibrate(outputs, rows))

    def _score(self, evaluation: Evaluation) -> float:
        metric = self.task.scoring.primary
        return metric.score(evaluation.metrics[metric.name])

    def _kept_epochs(self) -> set[int]:
        return self.record.kept_epochs(self.hyperparameters.checkpoint_frequency)

    def _save(self) -> None:
        """Write the checkpoint, then remove the weights that it no longer refers to."""
        if not self.processes.is_main:
            return
        save_checkpoint(
            self.folder, capture(self.source.description, self.loop, self.optimizer, self.record, self.pace)
        )
        keep_weights(self.folder, self._kept_epochs())

    def _finish(self) -> TrialResult:
        """Choose the final weights, and write them with their reports."""
        kept, record = self._choose_weights(), self.record
        return self._written(
            best_epoch=kept.epoch, fine_tuned_share=kept.share, epochs=record.epoch, stopped=record.reason
        )

    def _written(self, **training: Any) -> TrialResult:
        """Write the weights of the averaged model with their reports and the result, whose fields tell of training."""
        if self.processes.is_main:
            save_weights(self.folder / BEST_WEIGHTS, self.loop.averaged.network.state_dict())
        return finish(
            self.loop,
            self.task,
            self.dataset.splits,
            self.spec,
            self.reporter,
            self.watch,
            self.source.weights,
            batch_size=self.plan.batch_size,
            learning_rate=self.plan.learning_rate,
            **training,
        )

    def _choose_weights(self) -> Choice:
        """Load the weights to keep: the best on validation; after a linear probe the last, if none is clearly better.

        After few epochs, or where training was stopped at a high learning rate, the last weights may be worse than the
        start; then the best ones are kept in doubt.
        """
        self.processes.wait()  # until the main process has written the weights
        network, best, last = self.loop.averaged.network, self.record.best.epoch, self.record.epoch
        if not (last and self.task.traits.interpolates and self._probes):
            network.load_state_dict(load_weights(weights_file(self.folder, best)))
            return Choice(best, float(best > 0))
        weights = {last: {name: value.clone() for name, value in network.state_dict().items()}}
        weights |= {epoch: load_weights(weights_file(self.folder, epoch)) for epoch in {best, 0} - {last}}
        first = last if last >= _ENOUGH_EPOCHS and self.record.stopped is None else best
        chosen = choose_weights(weights, first, self.loop, self.task, self.rows["val"])
        self.reporter.message(f"kept weights: {chosen}")
        return chosen
