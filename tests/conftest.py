"""What all tests share: drawn images, a small network, real sets where they are."""

from __future__ import annotations

import atexit
import gc
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

# before torch is loaded: two tests at a time share two cores with each other and with the processes that they start
os.environ["GOMP_SPINCOUNT"] = "1000"
os.environ.setdefault("OMP_NUM_THREADS", "1")
# runs of tests do not wait for those of other tests, nor for the user's own
os.environ["AUTOML_VISION_QUEUE"] = tempfile.mkdtemp(prefix="automl-vision-test-queue-")
# a runtime that another process chose must not predict here
os.environ["AUTOML_VISION_CACHE"] = tempfile.mkdtemp(prefix="automl-vision-test-cache-")
# nothing listens there: a run starts from weights that are installed, also where a hub is in reach
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ["HF_HUB_CACHE"] = f"{os.environ['AUTOML_VISION_CACHE']}/hub"

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, ImageDraw

from automl_vision.compute.local import LocalCompute
from automl_vision.core.records import Evaluation
from automl_vision.core.telemetry import switch_off_telemetry
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters, TrainingHyperparameters
from automl_vision.recipes.trial_spec import TrialSpec
from processes import PRELOADED

gc.disable()  # until the tests are collected, which takes less without
switch_off_telemetry()  # before a test imports MLflow, whose client would call home from the test's own process
for variable in ("AUTOML_VISION_QUEUE", "AUTOML_VISION_CACHE"):
    atexit.register(shutil.rmtree, os.environ[variable], ignore_errors=True)

pytest_plugins = ["studio_site", "label_studio_server"]
if TYPE_CHECKING:  # the process that hands out the tests runs none, and needs no torch
    from torch import Tensor

    from automl_vision.tasks.object_targets import ObjectTargets

pytest.register_assert_rewrite("automl_vision.testing")  # before any test imports a part of it directly
settings.load_profile("ci")  # the same examples each time, on no clock; `--hypothesis-profile default` tries others

SMALL_MODEL = "test_efficientnet"  # timm's own network for tests: 360,000 weights
CLASSES = ("circle", "square", "cross")
SMALL_DETECTORS = {
    "image-object-detection": "fasterrcnn_test_efficientnet_fpn",
    "image-instance-segmentation": "maskrcnn_test_efficientnet_fpn",
}


def _draw(draw: ImageDraw.ImageDraw, name: str, x: int, y: int, r: int) -> None:
    if name == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(220, 60, 60))
    elif name == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=(60, 200, 60))
    else:
        draw.line((x - r, y - r, x + r, y + r), fill=(60, 60, 220), width=5)
        draw.line((x - r, y + r, x + r, y - r), fill=(60, 60, 220), width=5)


def draw_shapes(names: tuple[str, ...], seed: int, *, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A noisy picture that holds the named shapes."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(90, 150, (size[1], size[0], 3), dtype=np.uint8))
    draw = ImageDraw.Draw(image)
    for name in names:
        x, y = random.integers(12, size[0] - 12), random.integers(12, size[1] - 12)
        _draw(draw, name, int(x), int(y), int(random.integers(7, 11)))
    return image


def scene(smaller: int = 1) -> tuple[Tensor, ObjectTargets]:
    """Three images of 128 x 96 pixels, or of so many times smaller sides: two objects, one, none; the first also has a
    crowd."""
    import torch

    from automl_vision.tasks.object_targets import ImageObjects, pad_objects

    height, width = 96 // smaller, 128 // smaller
    images = torch.full((3, 3, height, width), 90, dtype=torch.uint8)
    images += torch.randint(0, 30, images.shape, generator=torch.Generator().manual_seed(0)).byte()
    places = [[(8, 8, 40, 40), (60, 20, 110, 80), (90, 60, 126, 94)], [(30, 30, 90, 70)], []]
    objects = []
    for i, of_image in enumerate(places):
        boxes = [tuple(side // smaller for side in corners) for corners in of_image]
        masks = torch.zeros(len(boxes), height, width, dtype=torch.uint8)
        for k, (x1, y1, x2, y2) in enumerate(boxes):
            images[i, k % 3, y1:y2, x1:x2] = 230
            masks[k, y1:y2, x1:x2] = 1
        crowd = torch.tensor([k == 2 for k in range(len(boxes))], dtype=torch.bool)
        box = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        objects.append(ImageObjects(box, torch.tensor([k % 2 for k in range(len(boxes))]).long(), crowd, masks))
    return images, pad_objects(objects)


def write_shape_folders(root: Path, *, per_class: int = 8, classes: tuple[str, ...] = CLASSES) -> Path:
    """One folder a class of drawn images."""
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            draw_shapes((name,), zlib.crc32(f"{name}{i}".encode())).save(root / name / f"{name}-{i}.png")
    return root


def write_multi_label_csv(root: Path, *, images: int = 24) -> Path:
    """A Roboflow `_classes.csv` with drawn images of any subset of the shapes."""
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    lines = ["filename, " + ", ".join(CLASSES)]
    for i in range(images):
        flags = random.random(len(CLASSES)) < 0.5
        names = tuple(name for name, on in zip(CLASSES, flags, strict=True) if on)
        draw_shapes(names, 100 + i).save(root / f"image {i}.png")
        lines.append(", ".join([f"image {i}.png", *(str(int(on)) for on in flags)]))
    (root / "_classes.csv").write_text("\n".join(lines) + "\n")
    return root


def small_hyperparameters(**changes: object) -> ClassificationHyperparameters:
    """Everything small and exact: 32 pixels, fp32, no random changes of images."""
    values: dict[str, object] = {
        "pretrained": False,
        "training_crop_size": 32,
        "validation_resize_size": 32,
        "validation_crop_size": 32,
        "precision": "fp32",
        "augmentation": "none",
        "random_crop_scale": 1.0,
        "mixup_alpha": 0.0,
        "cutmix_alpha": 0.0,
        "label_smoothing": 0.0,
        "number_of_epochs": 2,
        "training_batch_size": 8,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "freeze_batch_norm": False,
    }
    return ClassificationHyperparameters.model_validate(values | changes)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives each process the next test, or all of a file whose tests share a fixture.

    By their files, for xdist 3.8 does not see its own groups with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # the order of the collection is the better one

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if _shares_fixtures(config.rootpath / file) else nodeid

    return Scheduling(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take long comes first, so that the processes end together: files whose tests share a fixture, then
    those whose tests train or start processes."""
    items.sort(key=lambda item: 2 if not _works_hard(item.path) else 0 if _shares_fixtures(item.path) else 1)


def pytest_collection_finish() -> None:
    """What the tests have imported stays, and is not visited again when garbage is searched for."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Searches for garbage after a file's tests, so that what they did not close is told there, not in a later test.

    What is left was imported, or belongs to all tests; visiting it again took 0.2 s of each file.
    """
    yield
    gc.collect()
    gc.freeze()


@cache
def _shares_fixtures(file: Path) -> bool:
    return '(scope="module")' in file.read_text(encoding="utf-8")


@cache
def _works_hard(file: Path) -> bool:
    return any(
        word in file.read_text(encoding="utf-8")
        for word in ("training.trial", "processes import", "subprocess", "runs_here")
    )


@pytest.fixture(scope="session")
def compute() -> LocalCompute:
    """Processes of this machine that have a trial's libraries loaded before they start."""
    return LocalCompute(PRELOADED)


class RecordingReporter:
    """Keeps what a trial reports; asks it to stop after a number of progress reports."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.messages: list[str] = []
        self.evaluations: list[Evaluation] = []
        self.steps = 0
        self._stop_after = stop_after

    def message(self, text: str) -> None:
        self.messages.append(text)

    def progress(self, phase: str, done: int, total: int, **figures: float) -> None:
        self.steps += phase.startswith("epoch")

    def evaluation(self, evaluation: Evaluation) -> None:
        self.evaluations.append(evaluation)

    def stop_reason(self) -> str | None:
        return "asked to" if self._stop_after is not None and self.steps >= self._stop_after else None


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of drawn shapes, 8 images each."""
    return write_shape_folders(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="session")
def shapes(shapes_folder: Path) -> Dataset:
    """The drawn shapes with a validation split."""
    return Dataset.open(shapes_folder).with_validation(0.25)


@pytest.fixture(scope="session")
def multi_label_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multi-label set of drawn shapes."""
    return write_multi_label_csv(tmp_path_factory.mktemp("multi"))


def small_trial(root: Path, dataset: Dataset, name: str = "trial", **changes: object) -> TrialSpec:
    """A small trial on a dataset, in a folder below `root`."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    manifest = root / f"{dataset.fingerprint}.parquet"
    dataset.save(manifest)
    fields = set(TrialSpec.model_fields)
    top = {key: changes.pop(key) for key in list(changes) if key in fields}
    return TrialSpec(
        **{
            "task": dataset.task,
            "manifest": str(manifest),
            "fingerprint": dataset.fingerprint,
            "model_name": SMALL_MODEL,
            "hyperparameters": small_hyperparameters(**changes),
            "folder": str(folder),
            "cache": str(root / "cache"),
            "threads": 1,
            **top,
        }
    )


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., TrialSpec]:
    """A small trial on a dataset, in the test's folder."""
    return partial(small_trial, tmp_path)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real image sets, where they are."""
    folder = Path(os.environ.get("AUTOML_VISION_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real image sets in {folder}; name their folder in AUTOML_VISION_TEST_DATA")
    return folder


def write_objects(root: Path, *, images: int = 24, masks: bool = False, size: tuple[int, int] = (96, 80)) -> Path:
    """JSON lines of drawn images with up to three boxes or triangles each, some with none; sizes differ."""
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(images):
        random = np.random.default_rng(1000 + i)
        width, height = size if i % 3 else (size[1], size[0])
        image = Image.fromarray(random.integers(90, 150, (height, width, 3), dtype=np.uint8))
        draw = ImageDraw.Draw(image)
        objects: list[dict[str, object]] = []
        for _ in range(int(random.integers(0, 4)) if i % 6 else 0):
            name = ("square", "triangle")[int(random.integers(2))]
            side = int(random.integers(16, 36))
            x, y = int(random.integers(0, width - side)), int(random.integers(0, height - side))
            corners = [x, y, x + side, y, x + side, y + side, x, y + side]
            if name == "triangle":
                corners = [x, y + side, x + side // 2, y, x + side, y + side]
            draw.polygon(corners, fill=(220, 50, 40) if name == "square" else (30, 60, 230))
            if masks:
                shares = [round(c / (width, height)[k % 2], 6) for k, c in enumerate(corners)]
                objects.append({"label": name, "isCrowd": 0, "polygon": [shares]})
            else:
                box = {"topX": x / width, "topY": y / height,
                       "bottomX": (x + side) / width, "bottomY": (y + side) / height}  # fmt: skip
                objects.append({"label": name, "isCrowd": 0, **box})
        image.save(root / f"{i}.png")
        lines.append(json.dumps({"image_url": f"{i}.png", "label": objects}))
    (root / "data.jsonl").write_text("\n".join(lines) + "\n")
    return root / "data.jsonl"


def small_detector(task: str, model_name: str, **changes: object) -> TrainingHyperparameters:
    """Everything small and exact: 96 pixels, fp32, no random changes of images."""
    values: dict[str, object] = {
        "pretrained": False,
        "precision": "fp32",
        "augmentation": "none",
        "number_of_epochs": 2,
        "training_batch_size": 4,
        "box_score_threshold": 0.05,
        "freeze_batch_norm": False,
    }
    family = family_of(task, model_name)
    values |= {"min_size": 80} if "min_size" in family.model_fields else {"image_size": 96, "model_size": "small"}
    return family.model_validate(values | changes)


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Drawn images with boxes and a validation split."""
    return Dataset.open(write_objects(tmp_path_factory.mktemp("boxes"))).with_validation(0.3)


@pytest.fixture(scope="session")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Drawn images with masks and a validation split."""
    return Dataset.open(write_objects(tmp_path_factory.mktemp("masks"), masks=True)).with_validation(0.3)


def small_detector_trial(
    root: Path, dataset: Dataset, name: str = "trial", *, model_name: str | None = None, **changes: object
) -> TrialSpec:
    """A small trial of a detector, in a folder below `root`."""
    model_name = model_name or SMALL_DETECTORS[dataset.task]
    top = {key: changes.pop(key) for key in list(changes) if key in TrialSpec.model_fields}
    hyperparameters = small_detector(dataset.task, model_name, **changes)
    spec = small_trial(root, dataset, name, model_name=model_name, hyperparameters=hyperparameters, **top)
    (Path(spec.folder) / "spec.json").write_text(json.dumps(spec.model_dump()))
    return spec


@pytest.fixture
def detector_spec(tmp_path: Path) -> Callable[..., TrialSpec]:
    """A small trial of a detector, in the test's folder."""
    return partial(small_detector_trial, tmp_path)
