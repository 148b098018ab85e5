"""What to label next: each image with a reason, none that is labelled, the informative and different ones first."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from automl_vision import Dataset, label_again, label_next
from automl_vision.core.errors import DataError
from automl_vision.core.files import write_json
from automl_vision.data.detections import Detections
from automl_vision.doctor.features import FeatureStore
from automl_vision.labeling.choosing import MOST_CANDIDATES, _candidates, choose
from automl_vision.labeling.doubts import MISSED, UNCERTAIN, Doubts
from automl_vision.labeling.next_images import COVER
from automl_vision.labeling.queue import LabelingQueue
from command_line import run_command
from conftest import write_objects, write_shape_folders
from model_folders import write_classifier, write_detector


def _groups(sizes: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Points around as many far centres."""
    random = np.random.default_rng(seed)
    centres = np.eye(len(sizes), 8) * 4
    return np.concatenate([c + 0.3 * random.normal(size=(n, 8)) for c, n in zip(centres, sizes, strict=True)])


def test_without_a_model_one_of_each_group_comes_first_and_what_is_known_last() -> None:
    points = _groups((40, 25, 10))
    group = np.repeat([0, 1, 2], (40, 25, 10))
    found = choose(points, 3)
    assert group[found.positions].tolist() == [0, 1, 2] and not found.by_doubt.any()
    assert found.stands_for.tolist() == [40, 25, 10]
    known = choose(points, 2, labelled=_groups((5, 0, 0), seed=1))
    assert group[known.positions].tolist() == [1, 2]


def test_with_a_model_every_other_image_is_a_doubtful_one_unlike_those_before() -> None:
    points = _groups((40, 25, 10))
    group = np.repeat([0, 1, 2], (40, 25, 10))
    doubt = np.array([0.1, 0.9, 0.6])[group]
    found = choose(points, 4, doubt=doubt)
    assert group[found.positions].tolist()[:3] == [0, 1, 2] and found.by_doubt.tolist() == [False, True, False, True]
    assert len(choose(points, 100, doubt=doubt).positions) == 75


def test_doubts_tell_wrong_boxes_from_missed_objects_and_do_not_drown_a_rare_class() -> None:
    crowd = [(0, 0, 0.5)] * 20  # one image full of doubtful cells
    rows = [*crowd, (1, 1, 0.45), (1, 1, 0.45), (2, 0, 0.99)]
    image, label, score = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.tile([100.0, 100, 120, 120], (len(rows), 1))
    doubts = Doubts.of(Detections.from_unsorted(3, image, label, boxes, score), (0.4, 0.6), ("cell", "rust"))
    per_image = doubts.of_images()
    assert per_image[0] / per_image[1] < 10 * 20 / 2 / 9 and per_image[2] < 0.01
    assert [doubts.group(i) for i in (0, 1)] == [UNCERTAIN, MISSED]
    assert doubts.reason(1).startswith("probably misses objects: faint signs of 2 rust, the strongest 45%")
    assert doubts.tile(0, (200, 100), (160, 160)) is None
    x1, y1, x2, y2 = doubts.tile(0, (1000, 800), (160, 160)) or (0, 0, 0, 0)
    assert x1 <= 110 < x2 <= 250 and y1 <= 110 < y2 <= 250


def _with_features(data: Dataset, cache: Path) -> None:
    """Features, kept as those of a network would be: the class with noise around it."""
    random = np.random.default_rng(0)
    values = random.normal(size=(len(data.classes), 16))[data.targets.argmax(axis=1)]
    folder = FeatureStore(cache).folder
    folder.mkdir(parents=True)
    np.save(folder / "all.npy", (values + 0.5 * random.normal(size=values.shape)).astype(np.float16))
    write_json(folder / "all.json", data.table["digest"].to_pylist())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Labelled photos, a folder of unlabelled ones, of which two are labelled already, and a cache of features."""
    root = tmp_path_factory.mktemp("queue")
    whole = write_shape_folders(root / "whole", per_class=20)
    _with_features(Dataset.open(whole), root / "cache" / "features")
    (root / "pool").mkdir()
    for i, file in enumerate(sorted(whole.glob("*/*.png"))):
        known = i % 20 < 6
        target = root / "known" / file.parent.name if known else root / "pool"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
        if i in (0, 20):
            shutil.copy(file, root / "pool" / f"again-{i}.png")
    (root / "pool" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return root / "known", root / "pool", root / "cache"


def test_a_queue_starts_from_nothing_from_labels_or_from_a_model(
    folders: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, pool, cache = folders
    store = cache / "features"
    cold = label_next(pool, count=6, cache=store)
    assert (cold.groups, len({each.image for each in cold})) == ({"cover": 6}, 6)
    assert cold[0].reason.startswith("stands for ") and any("broken.png" in note for note in cold.notes)
    by_labels = label_next(pool, labelled=known, count=100, cache=store)
    assert len(by_labels) == 42 and not any(each.image.startswith("again") for each in by_labels)
    model = write_classifier(tmp_path / "model")
    by_model = label_next(pool, model=model, labelled=known, count=5, cache=store)
    assert by_model.groups.get("unsure", 0) and by_model.task == "image-classification"
    unsure = next(each for each in by_model if each.group == "unsure")
    assert unsure.reason.startswith("unsure between ")


def test_images_of_a_folder_named_unlabelled_wait(tmp_path: Path, folders: tuple[Path, Path, Path]) -> None:
    known, pool, cache = folders
    whole = shutil.copytree(known, tmp_path / "data")
    (whole / "unlabelled").mkdir()
    for file in sorted(pool.glob("circle*.png"))[:4]:
        shutil.copy(file, whole / "unlabelled")
    queue = label_next(whole, count=10, cache=cache / "features")
    assert len(queue) == 4 and all(each.image.startswith("unlabelled/") for each in queue)


def test_a_detector_names_uncertain_boxes(tmp_path: Path) -> None:
    data = Dataset.open(write_objects(tmp_path / "boxes"))
    _with_features(data, tmp_path / "features")
    queue = label_next(data, model=write_detector(tmp_path / "model"), count=4, cache=tmp_path / "features")
    assert queue.groups == {"cover": 2, "uncertain boxes": 2}
    assert queue[1].reason.startswith("uncertain boxes: 1 cross, 1 circle, the least certain 60%")
    again = label_again(data, model=write_detector(tmp_path / "other"), count=2)
    assert len(again) <= 2
    with pytest.raises(DataError, match="give its model folder"):
        label_again(data)


def test_the_command_writes_a_queue_that_is_read_back(
    folders: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, pool, cache = folders
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(cache))
    out, workspace = tmp_path / "queue.parquet", tmp_path / "workspace"
    arguments = ["label", "next", pool, "--labelled", known, "--count", 12, "--out", out, "--workspace", workspace]
    done = run_command(*arguments)
    assert done.returncode == 0 and "12 images: " in done.stdout and f"written  {out}" in done.stdout
    queue = LabelingQueue.load(out)
    assert (len(queue), queue.task) == (12, "image-classification")
    assert queue.to_table().column_names == ["image", "rank", "reason", "group", "score", "tile"]
    done = run_command("label", "next", pool, "--labelled", known, "--out", tmp_path / "queue.csv", "-w", workspace)
    assert done.returncode == 2 and "ends in .parquet" in done.stderr
    with pytest.raises(DataError, match="not a queue"):
        LabelingQueue.load(known / "circle" / "circle-0.png")


def test_nothing_to_label_is_said(folders: tuple[Path, Path, Path]) -> None:
    known, _, cache = folders
    with pytest.raises(DataError, match=r"every image of .* has a label.*add --unlabelled"):
        label_next(known, cache=cache / "features")
    with pytest.raises(DataError, match="count is at least 1"):
        label_next(known, count=0)
    queue = label_next(known, unlabelled=True, count=4, cache=cache / "features")
    assert queue.groups == {COVER: 4}, "its folders are days, not classes"


def test_without_a_model_a_large_pool_is_compared_by_chance() -> None:
    taken = _candidates(5 * MOST_CANDIDATES, None)
    assert len(taken) == MOST_CANDIDATES and (np.diff(taken) > 0).all()
    assert abs(float((taken < 2.5 * MOST_CANDIDATES).mean()) - 0.5) < 0.05  # no end of the listing is preferred
    doubt = np.linspace(0, 1, 5 * MOST_CANDIDATES)
    assert (_candidates(len(doubt), doubt) >= len(doubt) - MOST_CANDIDATES // 2).sum() >= MOST_CANDIDATES // 2
