"""D-FINE: the library's network as an ordinary detector, with weights from a folder or a hub."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import DFineConfig, DFineForObjectDetection
from transformers.utils import logging

from automl_vision import AutoMLVisionConfig, Predictor
from automl_vision.core.errors import ConfigError, UnknownModelError, WeightsUnavailableError
from automl_vision.core.files import read_json
from automl_vision.data.dataset import Dataset
from automl_vision.models.detectors.boxes import overlaps
from automl_vision.models.detectors.dfine_source import DFINE_REPOSITORIES, published_config
from automl_vision.models.detectors.queries import hide_crowds, hub_labels, on_canvas
from automl_vision.models.image_model import ImageModel, pretrained_norms
from automl_vision.models.model import Model
from automl_vision.models.networks import build_network
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.packaging.package import package
from automl_vision.recipes.catalog import describe_model, list_models
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import DFineHyperparameters
from automl_vision.recipes.network import read_network
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.object_targets import ObjectTargets
from automl_vision.training.optimizers import create_optimizer, default_learning_rate
from automl_vision.training.trial import train
from conftest import RecordingReporter, scene, small_detector
from loopback_hub import hub
from trial_checks import check_resumed_equals_undisturbed, check_two_processes_train_it

DETECTION = "image-object-detection"
GEOMETRY = Geometry(96, 128, detections=20)


def tiny_config(**changes: object) -> DFineConfig:
    """A D-FINE of 125,000 weights, frozen batch norms and COCO's number of classes, as the published ones have them."""
    backbone = {
        "model_type": "hgnet_v2",
        "out_indices": [2, 3, 4],
        "stem_channels": [3, 8, 8],
        "hidden_sizes": [16, 32, 64, 64],
        "stage_in_channels": [8, 16, 32, 64],
        "stage_mid_channels": [8, 8, 16, 16],
        "stage_out_channels": [16, 32, 64, 64],
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [1, 1, 1, 1],
        "use_learnable_affine_block": True,
    }
    values: dict[str, object] = {
        "backbone_config": backbone,
        "num_labels": 80,
        "d_model": 32,
        "encoder_hidden_dim": 32,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "encoder_in_channels": [32, 64, 64],
        "decoder_in_channels": [32, 32, 32],
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "decoder_n_points": [1, 2, 1],
        "depth_mult": 0.34,
        "hidden_expansion": 0.5,
        "num_queries": 60,
        "num_denoising": 20,
    }
    return DFineConfig(**{**values, **changes})


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `save_pretrained` writes it."""
    torch.manual_seed(0)
    network = DFineForObjectDetection(tiny_config())
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:  # the library's start is nearly nothing, and nothing has no order
                parameter.normal_(0, parameter[0].numel() ** -0.5)
    folder = tmp_path_factory.mktemp("tiny")
    logging.disable_progress_bar()
    network.save_pretrained(folder)
    return folder


def hyperparameters(folder: Path | None, **changes: object) -> DFineHyperparameters:
    """Small and exact; a folder decides the architecture."""
    values = small_detector(DETECTION, "dfine", weights=None if folder is None else str(folder), **changes)
    assert isinstance(values, DFineHyperparameters)
    return values


def make(folder: Path | None, *, classes: int = 2, geometry: Geometry = GEOMETRY, **changes: object) -> Model:
    torch.manual_seed(0)
    settings = hyperparameters(folder, **changes)
    return create_model("dfine", task=DETECTION, classes=classes, hyperparameters=settings, geometry=geometry)


def detector(folder: Path, **changes: object) -> ImageModel:
    model = make(folder, **changes)
    return ImageModel(model.network, model.normalization)


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()


def test_it_learns_what_it_is_shown(tiny: Path):
    model = detector(tiny, pretrained=True)
    images, targets = scene()
    with torch.inference_mode():  # as before the first epoch: what the library remembers must not hinder training
        model.eval()(images)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    history = []
    for _ in range(40):
        losses: dict[str, Tensor] = model(images, targets)
        loss = total(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert not [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert losses.keys() == {"classification", "box", "overlap", "sides", "distillation"}
    assert all(loss > 0 for loss in losses.values())
    assert np.mean(history[-5:]) < 0.75 * np.mean(history[:5])
    model.eval()
    with torch.no_grad():
        losses, outputs = model(images, targets)
        again = model(images)
        alone = model(images[1:2])
    assert torch.isfinite(total(losses))
    assert all(torch.equal(a, b) for a, b in zip(outputs, again, strict=True))
    boxes, scores, labels = outputs
    assert boxes.shape == (3, 20, 4)
    assert (scores.diff(dim=1) <= 0).all()
    assert ((labels >= 0) & (labels < 2)).all()
    assert ((boxes >= 0) & (boxes <= torch.tensor([128, 96, 128, 96]))).all()
    torch.testing.assert_close(alone[1], scores[1:2], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_in_time_it_finds_each_object_once(tiny: Path):
    """From random weights: what it is taught and what it gives are the same boxes, and a crowd is no object."""
    model = detector(tiny)
    images, targets = scene()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, step / 20, (300 - step) / 60)
        optimizer.zero_grad()
        total(model(images, targets)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        boxes, scores, labels = model(images)
    assert (scores > 0.5).sum(dim=1).tolist() == [2, 1, 0]
    for image, count in ((0, 2), (1, 1)):
        order = labels[image, :count].argsort()
        found, wanted = boxes[image, :count][order], targets.boxes[image, :count]
        assert torch.equal(labels[image, :count][order], targets.labels[image, :count])
        assert overlaps(found, wanted).diagonal().min() > 0.8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_images_without_objects_train(tiny: Path, dtype: torch.dtype):
    """Every parameter has a gradient, for which several processes wait."""
    model = detector(tiny, pretrained=True)
    images, targets = scene()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = total(model(images[2:], targets[2:]))
    loss.backward()
    assert torch.isfinite(loss)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)


def test_crowds_are_no_objects():
    _, targets = scene()
    labels = hub_labels(targets, (96, 128))
    assert [len(image["class_labels"]) for image in labels] == [2, 1, 0]
    torch.testing.assert_close(labels[1]["boxes"], torch.tensor([[60 / 128, 50 / 96, 60 / 128, 40 / 96]]))
    torch.testing.assert_close(on_canvas(labels[0]["boxes"], (96, 128)), targets.boxes[0, :2])


def test_what_lies_in_a_crowd_is_no_background(tiny: Path):
    _, targets = scene()
    places = torch.tensor([[100, 65, 120, 90], [62, 22, 108, 79], [0, 50, 30, 90]], dtype=torch.float32)
    centres, sizes = (places[:, :2] + places[:, 2:]) / 2, places[:, 2:] - places[:, :2]
    shares = torch.cat([centres, sizes], dim=1) / torch.tensor([128, 96, 128, 96])
    logits = torch.zeros(3, 1, 3, 2)
    hidden = hide_crowds(logits, shares.expand(3, 1, 3, 4), targets, (96, 128))
    assert (hidden[0, 0, 0] < -10).all()  # in the crowd, on no object
    assert (hidden[0, 0, 1:] == 0).all()  # on an object that reaches into the crowd; elsewhere
    assert (hidden[1:] == 0).all()  # images without a crowd
    everywhere = torch.tensor([0.0, 0, 128, 96]).expand(3, 3, 4).clone()
    everywhere[:, 0] = torch.tensor([0.0, 0, 4, 4])
    valid, crowd = torch.tensor([True, False, False]).expand(3, 3), torch.tensor([False, True, False]).expand(3, 3)
    crowded = ObjectTargets(everywhere, torch.zeros(3, 3, dtype=torch.int64), valid, crowd)
    plain = replace(crowded, crowd=torch.zeros(3, 3, dtype=torch.bool))
    model = detector(tiny, pretrained=True).eval()
    images, _ = scene()
    with torch.no_grad():
        for head in (*model.network.network.decoder.class_embed, model.network.network.enc_score_head):
            head.bias.fill_(0)  # objects everywhere
        assert model(images, crowded)[0]["classification"] < 0.2 * model(images, plain)[0]["classification"]


def test_stages_are_the_stem_and_four_more(tiny: Path):
    parts = ["stem", "stages.0", "stages.1", "stages.2", "stages.3"]
    for count in (1, 3, 5):
        model = detector(tiny, pretrained=True)
        frozen = freeze_stages(model.network, count)
        assert {part for part in parts for name in frozen if part in name} == set(parts[:count])
        state = dict(model.network.named_parameters())
        assert not any(state[name].requires_grad for name in frozen)
        assert state["network.enc_score_head.weight"].requires_grad
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) > 20
    assert set(map(id, pretrained_norms(model))) == set(map(id, norms))  # all of it comes from the hub


def test_its_own_defaults():
    defaults = DFineHyperparameters()
    assert (defaults.frozen_stages, defaults.nms_iou_threshold) == (1, 1.0)
    assert DFineHyperparameters(pretrained=False).frozen_stages == 0
    assert DFineHyperparameters(layers_to_freeze=3).frozen_stages == 3
    assert default_learning_rate(DETECTION, "dfine", defaults.optimizer, 32) == 2e-4  # as published
    assert default_learning_rate(DETECTION, "dfine", defaults.optimizer, 8) == 1e-4
    assert defaults.max_gradient_norm == 0.1


def test_stages_further_from_the_head_may_learn_less(tiny: Path):
    model = detector(tiny, pretrained=True)
    groups = create_optimizer(model, hyperparameters(tiny, layer_decay=0.5), 1e-4).param_groups
    assert {group["lr_scale"] for group in groups} == {1, 1 / 2, 1 / 4, 1 / 8, 1 / 16}
    assert sum(len(group["params"]) for group in groups) == sum(p.requires_grad for p in model.parameters())


def test_nothing_is_suppressed_unless_asked_for(tiny: Path):
    boxes = torch.tensor([[[10.0, 10, 50, 50], [11, 11, 51, 51]]])
    scores = torch.tensor([[[0.9, 0.0], [0.8, 0.0]]])
    for threshold, expected in ((1.0, [0.9, 0.8]), (0.5, [0.9, 0.0])):
        network = make(tiny, nms_iou_threshold=threshold).network
        assert network.best(boxes, scores, (96, 128))[1][0, :2].tolist() == pytest.approx(expected)


def test_an_input_with_fewer_cells_than_queries(tiny: Path):
    geometry = Geometry(32, 96, detections=20)
    for changes, queries, size in (({}, 60, (32, 96)), ({"multi_scale": True}, 42, (32, 64))):
        network = make(tiny, geometry=geometry, **changes).network
        assert network.network.config.num_queries == queries
        assert network.eval()(torch.zeros(1, 3, *size))[0].shape == (1, 20, 4)


def _hub_name(name: str) -> str:
    """A parameter's name as the hub's files have it."""
    name = re.sub(r"^encoder\.aifi\.(\d+)", r"encoder.encoder.\1", name.replace("o_proj", "out_proj"))
    return "model." + re.sub(r"layers\.(\d+)\.mlp\.layers\.([01])", lambda m: f"layers.{m[1]}.fc{int(m[2]) + 1}", name)


@pytest.mark.parametrize("heads", ["inner", "outer", "both"])
@pytest.mark.parametrize("classes", [80, 2])
def test_all_but_the_heads_of_other_classes_is_taken(tiny: Path, tmp_path: Path, heads: str, classes: int):
    """Whichever of its two names a file gives the decoder's heads."""
    published = load_file(tiny / "model.safetensors")
    state = {}
    for name, value in published.items():
        inner = re.match(r"model\.decoder\.(class_embed|bbox_embed)", name)
        if not inner or heads != "outer":
            state[name] = value
        if inner and heads != "inner":
            state[name.removeprefix("model.decoder.")] = value.clone()
    save_file(state, tmp_path / "model.safetensors")
    shutil.copy(tiny / "config.json", tmp_path)
    model = make(tmp_path, classes=classes, pretrained=True)
    assert (model.weights.source, model.weights.name, model.weights.licence) == ("file", tmp_path.name, None)
    own = {name.removeprefix("network."): value for name, value in model.network.state_dict().items()}
    counted = {name: value for name, value in own.items() if not name.endswith("num_batches_tracked")}
    fresh = {name for name, value in counted.items() if not torch.equal(value, published[_hub_name(name)])}
    counting = {name for name in counted if "class_embed" in name or "enc_score_head" in name}
    assert fresh == (counting if classes == 2 else set())
    prior = torch.sigmoid(own["decoder.class_embed.1.bias"])
    assert classes == 80 or torch.allclose(prior, torch.tensor(0.01))
    assert not any(value.is_meta for value in own.values())


def _write(folder: Path, name: str, value: object) -> None:
    (folder / name).write_text(json.dumps(value))


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (lambda folder: (folder / "config.json").unlink(), "a folder with config.json and model.safetensors"),
    "another network": (
        lambda folder: _write(folder, "config.json", {"model_type": "detr", "backbone_config": {"model_type": "swin"}}),
        "describes detr on swin",
    ),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
    "a file cut short": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"12345678901"),
        "no weights can be read",
    ),
    "half the weights": (
        lambda folder: save_file({"model.enc_score_head.bias": torch.zeros(80)}, folder / "model.safetensors"),
        "do not fit the D-FINE that its config.json describes",
    ),
    "no pixels": (
        lambda folder: _write(folder, "preprocessor_config.json", {"do_normalize": True}),
        "does not tell how pixels are normalised",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_is_none_is_told(tiny: Path, tmp_path: Path, case: str):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny / name, tmp_path)
    spoil, message = BROKEN[case]
    spoil(tmp_path)
    with pytest.raises(WeightsUnavailableError, match=message):
        make(tmp_path, pretrained=True)


def test_a_folder_tells_how_pixels_are_normalised(tiny: Path, tmp_path: Path):
    assert make(tiny).normalization.mean == (0, 0, 0)
    shutil.copy(tiny / "config.json", tmp_path)
    pixels = {"do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.1]}
    _write(tmp_path, "preprocessor_config.json", pixels)
    made = make(tmp_path)
    assert (made.normalization.mean, made.normalization.std) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    shutil.rmtree(tmp_path)
    made.description.save(tmp_path.parent)
    again = build_network(read_network(tmp_path.parent))
    assert again.description == made.description
    assert again.normalization == made.normalization
    again.network.load_state_dict(made.network.state_dict())


PARAMETERS = {
    "nano": 3_770_421,
    "small": 10_309_605,
    "medium": 19_563_368,
    "large": 31_244_152,
    "extra_large": 62_621_560,
}


@pytest.mark.parametrize("size", DFINE_REPOSITORIES)
def test_the_published_sizes(size: str):
    with torch.device("meta"):
        network = DFineForObjectDetection(published_config(size))
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[size]


@pytest.mark.parametrize("size", ["nano", "small"])
def test_without_weights_it_is_built_from_its_configuration(size: str):
    model = make(None, model_size=size)
    assert (model.weights.source, model.description.architecture) == ("random", "d_fine")
    assert len(model.network.eval()(torch.zeros(1, 3, 96, 128))) == 3


def test_it_is_listed():
    assert "dfine" in list_models("*", task=DETECTION)
    description = describe_model("dfine")
    assert (description.licence, description.weights) == ("apache-2.0", "hub")
    assert description.parameters == PARAMETERS["medium"]


def test_without_its_package_a_sentence_says_how_to_install_it(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UnknownModelError, match=r'pip install "automl-vision\[detr\]"'):
        make(tiny)
    with pytest.raises(ConfigError, match=r'model_name: dfine needs .* pip install "automl-vision\[detr\]"'):
        AutoMLVisionConfig(task=DETECTION, training_data="data", model_name="dfine")


_FETCH = """
import json, os, sys
import timm  # whose client of the hub reads the environment when it is imported
from automl_vision.core.errors import WeightsUnavailableError
from automl_vision.models.registry import create_model
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import DFineHyperparameters

connected = []
sys.addaudithook(lambda event, values: connected.append(values[1]) if event == "socket.connect" else None)

def make():
    torch.manual_seed(0)
    settings = DFineHyperparameters(model_size="small")
    model = create_model("dfine", task="image-object-detection", classes=2, hyperparameters=settings,
                         geometry=Geometry(96, 128))
    return model

import torch
told = []
endpoint = os.environ["HF_ENDPOINT"]
for name, value in (("HF_HUB_OFFLINE", "1"), ("HF_ENDPOINT", "http://127.0.0.1:9")):
    os.environ[name] = value
    try:
        make()
    except WeightsUnavailableError as error:
        told.append(str(error))
    os.environ.pop(name)
os.environ["HF_ENDPOINT"] = endpoint
fetched = make()
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
cached = make()
print(json.dumps({
    "told": told,
    "weights": [vars(model.weights) for model in (fetched, cached)],
    "stem": fetched.network.network.backbone.model.embedder.stem1.convolution.weight.flatten()[:8].tolist(),
    "elsewhere": [str(address) for address in connected if address[0] != "127.0.0.1"],
}))
"""


# what configurations on the hub still hold, of the library's releases that wrote them
OLD = {"backbone": None, "backbone_kwargs": None, "use_timm_backbone": False, "use_pretrained_backbone": False,
       "disable_custom_kernels": True, "decoder_n_levels": 3, "layer_scale": 1, "torch_dtype": "float32"}  # fmt: skip
OLD_BACKBONE = {"layer_type": "basic", "downsample_in_bottleneck": False, "downsample_in_first_stage": False}


def test_weights_come_from_a_hub_unless_none_answers(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From a real server, and then from the cache; nobody else is asked for anything."""
    repository = DFINE_REPOSITORIES["small"]
    folder = tmp_path / "hub" / repository
    folder.mkdir(parents=True)
    shutil.copy(tiny / "model.safetensors", folder)
    config = read_json(tiny / "config.json")
    _write(folder, "config.json", {**config, **OLD, "backbone_config": {**config["backbone_config"], **OLD_BACKBONE}})
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    with hub(tmp_path / "hub") as (url, asked):
        monkeypatch.setenv("HF_ENDPOINT", url)
        done = subprocess.run([sys.executable, "-c", _FETCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen["told"]) == 2
    for sentence in seen["told"]:
        assert "\n" not in sentence
        for way in (repository, "weights=FOLDER", "pretrained=0", "yolov5", "fasterrcnn_efficientnet_lite0_fpn"):
            assert way in sentence
    assert seen["weights"] == [{"source": "hub", "name": repository, "licence": "apache-2.0"}] * 2
    published = load_file(tiny / "model.safetensors")["model.backbone.model.embedder.stem1.convolution.weight"]
    assert seen["stem"] == published.flatten()[:8].tolist()
    assert not seen["elsewhere"]
    files = {path.rpartition("/")[2] for _, path in asked}
    assert files == {"", "config.json", "model.safetensors", "preprocessor_config.json"}
    assert len([path for method, path in asked if method == "GET"]) == 2  # once each, by both models


def test_interrupted_and_resumed_equals_undisturbed(
    tiny: Path, boxes: Dataset, make_spec: Callable[..., TrialSpec], tmp_path: Path
):
    """The denoising queries are drawn again as they were."""
    settings = hyperparameters(tiny, pretrained=True, number_of_epochs=2, augmentation="standard", mosaic=0.3)
    undisturbed = make_spec(boxes, model_name="dfine", hyperparameters=settings)
    check_resumed_equals_undisturbed(undisturbed, tmp_path / "interrupted")


@pytest.mark.slow
def test_two_processes_train_it_together(tiny: Path, boxes: Dataset, make_spec: Callable[..., TrialSpec]):
    """Also where an image of one of them has no object, and so nothing to denoise."""
    settings = hyperparameters(tiny, pretrained=True, number_of_epochs=1, training_batch_size=2)
    spec = make_spec(boxes, model_name="dfine", hyperparameters=settings, processes=2, device="cpu")
    check_two_processes_train_it(spec)


@pytest.mark.timeout(900)  # an export, which takes long on a busy machine
def test_from_images_to_predictions_without_torch(
    tiny: Path, boxes: Dataset, make_spec: Callable[..., TrialSpec], tmp_path: Path
):
    """What decides the architecture may be gone when the trial is packaged."""
    folder = tmp_path / "weights"
    shutil.copytree(tiny, folder)
    settings = hyperparameters(folder, pretrained=True, learning_rate=2e-3, number_of_epochs=4, freeze_batch_norm=True)
    spec = make_spec(boxes, model_name="dfine", hyperparameters=settings)
    (Path(spec.folder) / "spec.json").write_text(json.dumps(spec.model_dump()))
    reporter = RecordingReporter()
    result = train(spec, reporter)
    assert result.weights_source == "file: weights"
    losses = [evaluation.validation_loss for evaluation in reporter.evaluations]
    assert losses[-1] < 0.95 * losses[0]
    shutil.rmtree(folder)

    packaged = package(spec.folder, tmp_path / "model")
    description = Predictor(packaged).description
    assert description.parity["objects"] > 20
    assert description.parity["equal_share"] >= 0.99
    assert description.parity["largest_box_difference"] <= 0.5
    assert (description.model_name, description.architecture) == ("dfine", "d_fine")
    rows = np.flatnonzero(boxes.splits == "val").tolist()
    files = [Path(boxes.root) / boxes.table["image"][row].as_py() for row in rows[:3]]
    together, alone = Predictor(packaged)(files), Predictor(packaged)(files[:1])
    np.testing.assert_allclose(alone[0].objects.scores, together[0].objects.scores, atol=1e-4)
    assert (np.diff(alone[0].objects.scores) <= 0).all()
    _predicts_without_torch(packaged, files[0])


def _predicts_without_torch(folder: Path, image: Path) -> None:
    blocked = [
        "torch",
        "torchvision",
        "timm",
        "transformers",
        "huggingface_hub",
        "pyarrow",
        "pydantic",
        "scipy",
        "typer",
    ]
    code = (
        f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
        "from automl_vision.cli.main import main\n"
        f"sys.argv = ['automl-vision', 'predict', {str(folder)!r}, {str(image)!r}, '--json']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).keys() == {"filename", "boxes", "predicted"}
