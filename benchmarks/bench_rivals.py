"""Open tools that users would pick instead, as contenders of the bench.

Each starts from the product's own pretrained weights, sees the same images, and trains for as many epochs as fit into
the time. They are installed beside the product, for example by `pip install fastai`, and are not needed otherwise.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from automl_vision.core.tasks import CLASSIFICATION
from bench_contenders import Job, Outcome, pixels_of, start_model

_SIDE = 224
_BATCH = 64  # fastai's own default
_PREDICTED = 64  # validation images by which predictions are timed
_TIMED = 4  # training steps by which the epochs are planned; the first one does not count
_UNPLANNED = 300.0  # seconds where the job has no limit


def fastai_fine_tune(job: Job, batch: int = _BATCH) -> Outcome:
    """fastai's `fine_tune` with its defaults: the head alone for an epoch, then all layers in one cycle.

    Head, augmentation (`aug_transforms`), rates and schedule are fastai's. Epochs are as many as fit, at least one, and
    the last weights count, as in fastai.

    Args:
        job: what to train on.
        batch: images of a step.
    """
    from fastai.vision.all import set_seed

    begun = time.monotonic()
    set_seed(job.seed, reproducible=True)
    images = pixels_of(job, _SIDE)
    training, predicting = _measured(_learner(job, images, batch))
    rows = {split: np.flatnonzero(job.dataset.splits == split) for split in ("train", "val", "test")}
    epoch = training * len(rows["train"]) + predicting * len(rows["val"])
    final = predicting * (len(rows["val"]) + len(rows["test"]))
    left = begun + (job.seconds or _UNPLANNED) - time.monotonic() - final
    epochs = max(1, int(left / epoch) - 1)  # one more trains the head
    learner = _learner(job, images, batch)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs)
        tests = {split: learner.dls.test_dl([int(row) for row in rows[split]]) for split in ("val", "test")}
        found = {split: learner.get_preds(dl=test)[0].numpy().astype(np.float64) for split, test in tests.items()}
    return Outcome(found, {"epochs": epochs})


def _learner(job: Job, images: np.ndarray, batch: int) -> Any:
    """A learner on the training and validation images, as `vision_learner` builds it, from the product's weights."""
    from fastai.vision import all as fastai

    dataset = job.dataset
    used = np.flatnonzero(np.isin(dataset.splits, ("train", "val")))
    single = dataset.task == CLASSIFICATION
    labels = [dataset.classes[row.argmax()] if single else list(row) for row in dataset.targets]
    block = (
        fastai.CategoryBlock(vocab=list(dataset.classes), sort=False)
        if single
        else fastai.MultiCategoryBlock(encoded=True, vocab=list(dataset.classes))
    )
    start = start_model(len(dataset.classes))
    normalize = fastai.Normalize.from_stats(start.normalization.mean, start.normalization.std, cuda=False)
    blocks = fastai.DataBlock(
        blocks=(fastai.ImageBlock, block),
        get_x=lambda row: fastai.PILImage.create(images[row]),
        get_y=lambda row: labels[row],
        splitter=fastai.IndexSplitter(np.flatnonzero(dataset.splits[used] == "val")),
        batch_tfms=[*fastai.aug_transforms(size=_SIDE), normalize],
    )
    loaders = blocks.dataloaders(
        [int(row) for row in used], bs=min(batch, int((dataset.splits == "train").sum())), num_workers=0
    )
    body: Any = start.network
    body.reset_classifier(0)
    model = fastai.add_head(fastai.TimmBody(body), body.num_features, len(dataset.classes))
    return fastai.Learner(loaders, model, splitter=fastai.default_split)


def _measured(learner: Any) -> tuple[float, float]:
    """Seconds of an image in training all layers, and in a prediction, by a learner that is thrown away."""
    loaders, model = learner.dls, learner.model
    learner.create_opt()
    learner.unfreeze()
    model.train()
    seconds = []
    for _ in range(_TIMED):
        start = time.monotonic()
        images, labels = loaders.one_batch()
        learner.loss_func(model(images), labels).backward()
        learner.opt.step()
        learner.opt.zero_grad()
        seconds.append(time.monotonic() - start)
    rows = list(loaders.valid_ds.items[:_PREDICTED])
    start = time.monotonic()
    with learner.no_bar(), learner.no_logging():
        learner.get_preds(dl=loaders.test_dl(rows))
    return float(np.median(seconds[1:])) / loaders.bs, (time.monotonic() - start) / len(rows)
