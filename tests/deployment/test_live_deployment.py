"""A deployment without a server: batches, what comes back in which order, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from endpoints import photo
from numpy.typing import NDArray

from automl_vision import Predictor
from automl_vision.core.errors import ImageError
from automl_vision.deployment.online.batching import Batcher
from automl_vision.deployment.online.definition import DeploymentDefinition, RequestLimits
from automl_vision.deployment.online.live import ClosedDeploymentError, LiveDeployment
from model_folders import write_classifier

DEFINITION = DeploymentDefinition(model="shapes:1", folder="model")


class Image:
    """An image that waits, whose answer is its own number."""

    def __init__(self, number: int, views: int = 1, wanted: bool = True) -> None:
        self.views: NDArray[np.float32] = np.full((views, 3, 2, 2), number, np.float32)
        self.is_wanted = wanted
        self.came = threading.Event()
        self.outputs: list[NDArray[Any]] = []
        self.batch = 0
        self.error: Exception | None = None

    def done(self, outputs: list[NDArray[Any]], begun: float, batch: int) -> None:
        self.outputs, self.batch = outputs, batch
        self.came.set()

    def failed(self, error: Exception) -> None:
        self.error = error
        self.came.set()


def test_what_waits_goes_together_and_comes_back_to_its_sender() -> None:
    free, batches = threading.Event(), list[int]()

    def network(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        free.wait(20)
        batches.append(len(inputs))
        return [inputs.mean(axis=(1, 2, 3))]

    batcher = Batcher(network, batch=4, coming=lambda: 0)
    images = [Image(0), *(Image(number) for number in range(1, 6)), Image(6, views=5), Image(7, wanted=False), Image(8)]
    batcher.put(images[0])
    while batcher._waiting:  # the first one is on its way
        time.sleep(0.01)
    for image in images[1:]:
        batcher.put(image)
    free.set()
    batcher.close()
    assert batches == [1, 4, 1, 5, 1]  # one at a time, a full batch, the rest, more views than a batch, the last
    for number, image in enumerate(images):
        assert image.came.is_set() == image.is_wanted
        if image.is_wanted:
            assert image.outputs[0].tolist() == [number] * len(image.views)


def test_a_batch_waits_for_images_that_are_coming_and_no_longer_than_its_delay() -> None:
    coming = 2
    batcher = Batcher(lambda inputs: [inputs[:, 0, 0, 0]], batch=3, coming=lambda: coming, delay=5.0)
    images = [Image(number) for number in range(4)]
    batcher.put(images[0])
    assert not images[0].came.wait(0.2)
    batcher.put(images[1])
    batcher.put(images[2])
    assert all(image.came.wait(2) for image in images[:3])
    assert images[0].batch == 3
    coming = 0
    batcher.put(images[3])  # nothing comes after it
    assert images[3].came.wait(2)
    batcher.close()


def test_a_failed_batch_is_told_and_the_next_one_works() -> None:
    def network(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        if inputs[0, 0, 0, 0] == 13:
            raise RuntimeError("out of memory")
        return [inputs]

    batcher = Batcher(network, batch=1, coming=lambda: 0)
    bad, good = Image(13), Image(1)
    batcher.put(bad)
    batcher.put(good)
    batcher.close()
    assert isinstance(bad.error, RuntimeError)
    assert good.error is None and len(good.outputs) == 1


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[LiveDeployment]:
    folder = write_classifier(tmp_path / "model")
    found = LiveDeployment("blue", DEFINITION, folder, RequestLimits(), threads=1)
    yield found
    found.close()


def test_images_keep_their_order_and_unreadable_ones_their_place(deployment: LiveDeployment) -> None:
    photos = [photo(seed, (40 + 37 * seed, 60)) for seed in range(9)]
    photos[4] = b"no image"
    processor = deployment.processor()
    futures = [deployment.submit(photos, lambda outputs: outputs.predictions(processor)) for _ in range(5)]
    expected = [Predictor(deployment.folder)(data)[0] if i != 4 else None for i, data in enumerate(photos)]
    for future in futures:
        answered = future.result(30)
        for found, right in zip(answered.answer, expected, strict=True):
            if right is None:
                assert isinstance(found, ImageError)
            else:
                np.testing.assert_allclose(found.probs, right.probs, rtol=1e-6)
        assert answered.stages.decode > 0 and answered.stages.batch >= 1
    assert deployment.waiting == 0


def test_only_unreadable_images_are_answered_too(deployment: LiveDeployment) -> None:
    processor = deployment.processor()
    for _ in range(50):
        found = deployment.submit([b"x", b"", b"y"], lambda outputs: outputs.predictions(processor)).result(20).answer
        assert all(isinstance(each, ImageError) for each in found)


def test_what_the_answer_raises_is_the_futures(deployment: LiveDeployment) -> None:
    def answer(_outputs: object) -> None:
        raise ValueError("no words")

    with pytest.raises(ValueError, match="no words"):
        deployment.submit([photo()], answer).result(20)
    assert deployment.waiting == 0


def test_an_ended_deployment_says_so(tmp_path: Path) -> None:
    deployment = LiveDeployment("blue", DEFINITION, write_classifier(tmp_path / "model"), RequestLimits(), threads=1)
    futures = [deployment.submit([photo(size=(900, 900))], lambda outputs: len(outputs.inputs)) for _ in range(8)]
    deployment.close()
    assert [future.result(0).answer for future in futures] == [1] * 8
    with pytest.raises(ClosedDeploymentError):
        deployment.submit([photo()], lambda outputs: None)
