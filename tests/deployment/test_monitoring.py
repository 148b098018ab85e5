"""What an endpoint keeps of the images that it sees, and what is concluded from it."""

from __future__ import annotations

import io
import json
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from endpoints import asking, made_endpoint, photo
from PIL import Image

from automl_vision import Dataset
from automl_vision.core.errors import ModelFolderError
from automl_vision.deployment.drift import check_drift, labelling_batch
from automl_vision.deployment.monitoring.comparison import compare_observations
from automl_vision.deployment.monitoring.monitor import Monitor, Sampling
from automl_vision.deployment.monitoring.store import MonitoringError, Sample, SampleStore
from automl_vision.deployment.online.definition import MonitoringSettings
from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from automl_vision.serving.observations import FIGURES, Observations, Observer, Reference
from conftest import CLASSES
from model_folders import write_classifier, write_detector

ALWAYS = 1e6  # samples per minute


def photos(count: int, *, light: float = 1.0, seed: int = 0) -> list[bytes]:
    """PNG files of one colour each, with noise."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        pixels = random.uniform(40, 120, (1, 1, 3)) + random.normal(size=(40, 40, 3)) * 15
        buffer = io.BytesIO()
        Image.fromarray(np.clip(pixels * light, 0, 255).astype(np.uint8)).save(buffer, "PNG")
        found.append(buffer.getvalue())
    return found


def observed(observer: Observer, files: list[bytes]) -> Observations:
    return Observations.join([observer.observe(observer.processor.preprocess(file))[0] for file in files])


def write_reference(folder: Path, files: list[bytes]) -> Reference:
    """The reference of a model that is right on 3 of 4 images."""
    seen = observed(Observer(folder), files)
    right = (np.arange(len(seen)) % 4 > 0).astype(np.float32)
    reference = Reference(seen, np.ones(len(seen), np.float32), right, seen.confidence)
    reference.save(folder)
    return reference


@pytest.fixture
def endpoint(tmp_path: Path) -> tuple[EndpointFolder, str]:
    """An endpoint that samples every image and keeps it, whose model has a reference."""
    model = write_classifier(tmp_path / "model")
    write_reference(model, photos(60))
    folder = EndpointFolder(tmp_path / "shapes")
    key = folder.deploy(model, "shapes:1", name="blue").keys["primary"]
    settings = MonitoringSettings(samples_per_minute=ALWAYS, image_side=32, keep=100)
    folder.change(folder.definition().changed(monitoring=settings), "samples everything")
    return folder, key


def ask(endpoint: tuple[EndpointFolder, str], files: list[bytes]) -> list[str]:
    """Send images one after the other, each as soon as the one before was observed; returns the requests' ids."""
    folder, key = endpoint
    store, model = (
        folder.samples("blue", folder.definition().monitoring),
        folder.definition().deployments["blue"].folder,
    )
    ids = []
    with asking(folder, key) as client:
        for file in files:
            before = store.count(model=model)
            answer = client.post("/score", content=file, headers={"Content-Type": "image/png"})
            assert answer.status_code == 200
            ids.append(answer.headers["X-Request-Id"])
            deadline = time.monotonic() + 30
            while store.count(model=model) == before:
                assert time.monotonic() < deadline, "the image was not sampled"
                time.sleep(0.005)
    return ids


def test_an_observation_says_what_the_model_saw_and_said(tmp_path: Path) -> None:
    observer = Observer(write_classifier(tmp_path / "model"))
    red = Image.new("RGB", (60, 40), (200, 50, 0))
    found, prediction = observer.observe(observer.processor.preprocess(red))
    figures = dict(zip(FIGURES, found.figures[0].tolist(), strict=True))
    assert figures["brightness"] == pytest.approx((0.299 * 200 + 0.587 * 50) / 255, abs=1e-3)
    assert (figures["contrast"], figures["sharpness"]) == pytest.approx((0, 0), abs=1e-4)
    assert figures["saturation"] == pytest.approx(200 / 255, abs=1e-3)
    assert (figures["red"], figures["blue"]) == pytest.approx((0.8, 0), abs=2e-3)
    assert figures["aspect"] == pytest.approx(1.5)
    assert found.features[0] == pytest.approx((np.array([200, 50, 0]) / 255 - 0.5) / 0.5, abs=2e-3)
    assert found.classes[0] == pytest.approx(prediction.probs, abs=1e-6)
    assert (found.answers[0], found.confidence[0]) == pytest.approx((1, prediction.confidence))


def test_only_the_image_on_a_canvas_counts(tmp_path: Path) -> None:
    observer = Observer(write_detector(tmp_path / "model"))
    found, prediction = observer.observe(observer.processor.preprocess(Image.new("RGB", (20, 40), (255, 255, 255))))
    figures = dict(zip(FIGURES, found.figures[0].tolist(), strict=True))
    assert (figures["brightness"], figures["contrast"], figures["aspect"]) == pytest.approx((1, 0, 0.5), abs=1e-3)
    assert found.classes[0].tolist() == [1, 0, 1]  # the third object is below its threshold
    assert (found.answers[0], found.confidence[0]) == pytest.approx((2, 1.5))
    assert len(prediction.objects.labels) == 2
    assert found.features.shape == (1, 0)


def test_a_reference_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model")
    with pytest.raises(ModelFolderError, match="older version; package the trial again"):
        Reference.load(folder)
    written = write_reference(folder, photos(5))
    again = Reference.load(folder)
    for name, values in vars(written.observations).items():
        np.testing.assert_array_equal(values, getattr(again.observations, name))
    np.testing.assert_array_equal(again.right, [0, 1, 1, 1, 0])
    (folder / "reference.npz").write_bytes(b"no archive")
    with pytest.raises(ModelFolderError, match="cannot be read"):
        Reference.load(folder)


def test_a_store_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    store = SampleStore(tmp_path / "new" / "blue.sqlite", keep=5, keep_images=2)
    assert (store.newest(3, model="m"), store.count(model="m")) == ([], 0)
    observer = Observer(write_classifier(tmp_path / "model"))
    seen = observed(observer, photos(1))
    for number in range(12):
        store.add(Sample(float(number), f"r{number}", "m", seen, {"predicted": ["a"]}, b"jpeg"))
    store.add(Sample(99.0, "other", "another model", seen, {"predicted": ["a"]}))
    assert store.count(model="m") == 4
    newest = store.newest(3, model="m")
    assert [each.request for each in newest] == ["r9", "r10", "r11"]
    assert [each.image for each in newest] == [None, None, b"jpeg"]
    np.testing.assert_array_equal(newest[0].observations.features, seen.features)
    np.testing.assert_array_equal(newest[0].observations.figures, seen.figures)
    (tmp_path / "new" / "blue.sqlite").write_bytes(b"no database at all, whatever it says")
    with pytest.raises(MonitoringError, match="delete it to begin anew"):
        store.count(model="m")


def test_workers_write_to_one_store(tmp_path: Path) -> None:
    seen = observed(Observer(write_classifier(tmp_path / "model")), photos(1))
    stores = [SampleStore(tmp_path / "blue.sqlite") for _ in range(4)]

    def write(store: SampleStore) -> None:
        for _ in range(20):
            store.add(Sample(0.0, "r", "m", seen, {}))

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].count(model="m") == 80


def test_a_monitor_takes_one_image_per_pause(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model")
    store = SampleStore(tmp_path / "blue.sqlite")
    monitor = Monitor(folder, "m", Sampling(per_minute=1), store)
    observer = Observer(folder)
    for number, file in enumerate(photos(5)):
        monitor.offer(f"r{number}", observer.processor.preprocess(file), file)
    monitor.close()
    assert [each.request for each in store.newest(9, model="m")] == ["r0"]
    monitor.offer("late", observer.processor.preprocess(photos(1)[0]), photos(1)[0])
    assert store.count(model="m") == 1


def test_a_disk_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_classifier(tmp_path / "model")
    (tmp_path / "file").write_text("where the folder should be")
    monitor = Monitor(folder, "m", Sampling(per_minute=ALWAYS), SampleStore(tmp_path / "file" / "blue.sqlite"))
    observer = Observer(folder)
    for file in photos(3):
        monitor.offer("r", observer.processor.preprocess(file), file)
    monitor.close()
    assert len([record for record in caplog.records if "is not recorded" in record.message]) == 1


def test_an_endpoint_notices_other_images_and_not_the_same_ones(endpoint: tuple[EndpointFolder, str]) -> None:
    folder, _ = endpoint
    assert check_drift(folder).sentence == "0 images were sampled, and at least 20 are needed; look again later"
    ask(endpoint, photos(30, seed=1))
    same = check_drift(folder)
    assert not same.is_alarm and same.samples == 30
    assert same.sentence == "30 images do not differ from the 60 of the validation (level 0.01)"
    assert same.comparison is not None and same.comparison.is_estimate_trusted
    assert same.comparison.right_before.value == pytest.approx(0.75)
    ask(endpoint, photos(30, light=1.8, seed=2))
    other = check_drift(folder, newest=30)
    assert other.is_alarm and other.comparison is not None
    changed = {change.name: change for change in other.comparison.changes if change.sentence}
    assert {"features", "brightness"} <= set(changed)
    assert changed["brightness"].now > 1.5 * changed["brightness"].before
    assert "label some" in other.comparison.estimate_sentence
    assert json.loads(json.dumps(other.to_json()))["comparison"]["images"] == 30


def test_only_samples_of_the_model_that_is_served_count(endpoint: tuple[EndpointFolder, str], tmp_path: Path) -> None:
    folder, _ = endpoint
    ask(endpoint, photos(2))
    other = write_classifier(tmp_path / "next", seed=1)
    write_reference(other, photos(60))
    folder.deploy(other, "shapes:2", name="blue")
    assert check_drift(folder).samples == 0


def test_samples_name_requests_and_hold_images_as_asked(endpoint: tuple[EndpointFolder, str]) -> None:
    folder, _ = endpoint
    ids = ask(endpoint, photos(2))
    (first, second) = folder.samples("blue", MonitoringSettings()).newest(
        5, model=folder.definition().deployments["blue"].folder
    )
    assert [first.request, second.request] == ids
    assert first.image is not None
    assert Image.open(io.BytesIO(first.image)).size == (32, 32)
    assert first.prediction["predicted"][0] in CLASSES and "probs" in first.prediction


def test_a_labelling_batch_is_a_data_set_with_reasons(endpoint: tuple[EndpointFolder, str], tmp_path: Path) -> None:
    folder, _ = endpoint
    place = tmp_path / "batch"
    with pytest.raises(MonitoringError, match="set image_side under monitoring"):
        labelling_batch(folder, place)
    ask(endpoint, [*photos(10), *photos(2, light=2, seed=3)])
    assert labelling_batch(folder, place, count=10) == 10
    dataset = Dataset.open(place)
    assert (dataset.task, len(dataset)) == ("image-classification", 10)
    queue = pq.read_table(place / "queue.parquet").to_pylist()
    assert [row["rank"] for row in queue] == list(range(10))
    assert [row["image"] for row in queue] == [f"images/{number:04d}.jpg" for number in range(10)]
    unlike = [row["score"] for row in queue if row["reason"] == "unlike the validation images"]
    assert unlike == sorted(unlike, reverse=True) and unlike[0] > 1
    unsure = [row["score"] for row in queue if row["reason"] == "the model is unsure"]
    assert unsure == sorted(unsure, reverse=True) and 0 < unsure[0] < 1
    with pytest.raises(MonitoringError, match="is not empty"):
        labelling_batch(folder, place)


@pytest.mark.parametrize(
    "task", ["image-classification-multi-label", "image-object-detection", "image-instance-segmentation"]
)
def test_batches_of_every_task_are_opened_again(tmp_path: Path, task: str) -> None:
    endpoint, key = made_endpoint(tmp_path, task)
    settings = MonitoringSettings(samples_per_minute=ALWAYS, image_side=64)
    endpoint.change(endpoint.definition().changed(monitoring=settings), "keeps images")
    folder = endpoint.model_folder(endpoint.definition().deployments["blue"])
    observer = Observer(folder)
    seen = observed(observer, [photo(seed) for seed in range(20)])
    Reference(seen, seen.answers, seen.answers, seen.confidence).save(folder)
    ask((endpoint, key), [photo(seed) for seed in range(10)])
    assert labelling_batch(endpoint, tmp_path / "batch") == 10
    opened = Dataset.open(tmp_path / "batch", task=task)
    assert len(opened) == 10
    if "image-classification" not in task:
        assert {name: sum(counts.values()) for name, counts in opened.class_counts.items()} == {
            CLASSES[0]: 10,
            CLASSES[2]: 10,
        }


def test_few_images_are_not_compared(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model")
    reference = write_reference(folder, photos(40))
    new = observed(Observer(folder), photos(19, seed=5))
    assert compare_observations(reference, new, CLASSES) is None
    few = replace(reference, observations=reference.observations.take(np.arange(10)))
    assert compare_observations(few, reference.observations, CLASSES) is None


def test_settings_that_sample_nothing_open_no_store(endpoint: tuple[EndpointFolder, str]) -> None:
    folder, key = endpoint
    folder.change(folder.definition().changed(monitoring=MonitoringSettings(samples_per_minute=0)), "samples nothing")
    with asking(folder, key) as client:
        assert client.post("/score", content=photo(), headers={"Content-Type": "image/png"}).status_code == 200
    assert not (folder.path / "monitoring").exists()
    assert "nothing is sampled; set samples_per_minute" in check_drift(folder).sentence


def test_a_file_of_another_layout_is_named(tmp_path: Path) -> None:
    file = tmp_path / "blue.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE samples (id INTEGER)")
    connection.close()
    with pytest.raises(MonitoringError, match=r"blue\.sqlite cannot be read"):
        SampleStore(file).newest(1, model="m")
