"""RF-DETR: the library's network as an ordinary detector, with boxes and with masks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import RfDetrConfig, RfDetrForInstanceSegmentation, RfDetrForObjectDetection
from transformers.loss.loss_lw_detr import LwDetrForObjectDetectionLoss
from transformers.loss.loss_rf_detr import RfDetrHungarianMatcher
from transformers.utils import logging

from automl_vision import Predictor
from automl_vision.core.errors import ConfigError, WeightsUnavailableError
from automl_vision.data.dataset import Dataset
from automl_vision.models.detectors.queries import hub_labels
from automl_vision.models.detectors.rfdetr import masks_in_boxes
from automl_vision.models.detectors.rfdetr_losses import QueryMatcher
from automl_vision.models.detectors.rfdetr_source import RFDETR_REPOSITORIES, published_config
from automl_vision.models.image_model import ImageModel
from automl_vision.models.model import Model
from automl_vision.models.networks import build_network, start_from
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.packaging.package import package
from automl_vision.recipes.catalog import describe_model, list_models
from automl_vision.recipes.detector_input import decide_geometry
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import RFDetrHyperparameters, RFDetrSegHyperparameters
from automl_vision.recipes.network import read_network
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.object_targets import ObjectTargets
from automl_vision.training.optimizers import create_optimizer, default_learning_rate
from automl_vision.training.trial import train
from conftest import RecordingReporter, scene, small_detector
from trial_checks import check_resumed_equals_undisturbed, check_two_processes_train_it

TASKS = {"rfdetr": "image-object-detection", "rfdetr_seg": "image-instance-segmentation"}
CLASSES = {"rfdetr": RfDetrForObjectDetection, "rfdetr_seg": RfDetrForInstanceSegmentation}
GEOMETRY = Geometry(96, 96, detections=20)
LOSSES = {"rfdetr": {"classification", "box", "overlap"}}
LOSSES["rfdetr_seg"] = LOSSES["rfdetr"] | {"mask", "dice"}

both = pytest.mark.parametrize("name", TASKS)


def tiny_config(name: str, **changes: object) -> RfDetrConfig:
    """An RF-DETR of 150,000 weights with patches and windows as published, and the published number of outputs."""
    backbone = {
        "model_type": "rf_detr_dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 64 if name == "rfdetr" else 48,
        "patch_size": 16 if name == "rfdetr" else 12,
        "num_windows": 2,
        "out_features": ["stage2", "stage4"],
    }
    values: dict[str, object] = {
        "backbone_config": backbone,
        "num_labels": 91,
        "d_model": 32,
        "decoder_layers": 2,
        "decoder_ffn_dim": 32,
        "decoder_self_attention_heads": 4,
        "decoder_cross_attention_heads": 4,
        "decoder_n_points": 2,
        "dropout": 0.0,
        "num_queries": 20,
        "group_detr": 3,
        "intermediate_size": 64,
    }
    return RfDetrConfig(**{**values, **changes})


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders as `save_pretrained` writes them, whose tensors have the names of the published files."""
    folders = {}
    logging.disable_progress_bar()
    for name, kind in CLASSES.items():
        torch.manual_seed(0)
        network = kind(tiny_config(name))
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim > 1:  # the library's start is nearly nothing, and nothing has no order
                    parameter.normal_(0, parameter[0].numel() ** -0.5)
        folders[name] = tmp_path_factory.mktemp(name)
        network.save_pretrained(folders[name])
    return folders


def hyperparameters(name: str, folder: Path | None, **changes: object) -> RFDetrHyperparameters:
    """Small and exact; a folder decides the architecture."""
    values = small_detector(TASKS[name], name, weights=None if folder is None else str(folder), **changes)
    assert isinstance(values, RFDetrHyperparameters)
    return values


def make(
    name: str, folder: Path | None, *, classes: int = 2, geometry: Geometry = GEOMETRY, **changes: object
) -> Model:
    torch.manual_seed(0)
    settings = hyperparameters(name, folder, **changes)
    return create_model(name, task=TASKS[name], classes=classes, hyperparameters=settings, geometry=geometry)


def detector(name: str, folder: Path, **changes: object) -> ImageModel:
    model = make(name, folder, **changes)
    return ImageModel(model.network, model.normalization)


def square_scene() -> tuple[Tensor, ObjectTargets]:
    """The scene of 64 x 48 pixels at the upper left of a square of 96."""
    images, targets = scene(smaller=2)
    rest = (0, 96 - images.shape[3], 0, 96 - images.shape[2])
    assert targets.masks is not None
    targets.masks = F.pad(targets.masks, rest)
    return F.pad(images, rest, value=114), targets


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()


@both
def test_it_learns_what_it_is_shown(tiny: dict[str, Path], name: str):
    model = detector(name, tiny[name], pretrained=True).train()
    images, targets = square_scene()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    history = []
    for _ in range(30):
        losses: dict[str, Tensor] = model(images, targets)
        optimizer.zero_grad()
        total(losses).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append(total(losses).item())
    assert not [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert losses.keys() == LOSSES[name]
    assert all(loss > 0 for loss in losses.values())
    assert np.mean(history[-5:]) < 0.75 * np.mean(history[:5])
    model.eval()
    with torch.no_grad():
        losses, outputs = model(images, targets)
        same, again = model(images, targets)
        alone = model(images[1:2])
    assert losses == same  # masks are compared at random points, in evaluation always at the same ones
    assert all(torch.equal(a, b) for a, b in zip(outputs, again, strict=True))
    boxes, scores, labels = outputs[:3]
    assert boxes.shape == (3, 20, 4)
    assert (scores.diff(dim=1) <= 0).all()
    assert ((labels >= 0) & (labels < 2)).all()
    assert ((boxes >= 0) & (boxes <= 96)).all()
    assert [mask.shape for mask in outputs[3:]] == [(3, 20, 28, 28)] * (name == "rfdetr_seg")
    torch.testing.assert_close(alone[1], scores[1:2], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@both
def test_in_time_it_finds_each_object_once(tiny: dict[str, Path], name: str):
    """What it is taught and what it returns are the same boxes and masks, and a crowd is no object."""
    model = detector(name, tiny[name]).train()
    images, targets = square_scene()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, step / 20, (400 - step) / 60)
        optimizer.zero_grad()
        total(model(images, targets)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        boxes, scores, labels, *masks = model(images)
    assert (scores > 0.5).sum(dim=1).tolist() == [2, 1, 0]
    for image, count in ((0, 2), (1, 1)):
        order = labels[image, :count].argsort()
        assert torch.equal(labels[image, :count][order], targets.labels[image, :count])
        assert (boxes[image, :count][order] - targets.boxes[image, :count]).abs().max() < 4
        for mask in masks:
            assert (mask[image, :count] > 0.5).float().mean() > 0.8  # the objects fill their boxes


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_images_without_objects_train(tiny: dict[str, Path], name: str, dtype: torch.dtype):
    """Every parameter has a gradient, for which several processes wait."""
    model = detector(name, tiny[name], pretrained=True).train()
    images, targets = square_scene()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = total(model(images[2:], targets[2:]))
    loss.backward()
    assert torch.isfinite(loss)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)


@pytest.mark.parametrize("training", [True, False])
def test_losses_are_the_librarys(tiny: dict[str, Path], training: bool):
    """In evaluation there is one group of queries, which the library's function has to be told."""
    model = detector("rfdetr", tiny["rfdetr"], pretrained=True).train(training)
    images, targets = square_scene()
    targets.crowd[:] = False
    network = model.network
    mine = total(network.losses(network.extract(images / 255, targets), targets))
    config = network.network.config
    found = network.network(images / 255)
    outputs = network.network.predict_class_and_boxes(
        found.intermediate_hidden_states, found.intermediate_reference_points
    )
    config.group_detr = 3 if training else 1
    theirs, _, _ = LwDetrForObjectDetectionLoss(
        found.logits, hub_labels(targets, (96, 96)), "cpu", found.pred_boxes, config, *outputs,
        found.enc_outputs_class, found.enc_outputs_coord_logits,
    )  # fmt: skip
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("groups", [1, 3])
def test_queries_are_matched_as_the_library_matches_them(groups: int):
    """Masks without edges look the same at any points."""
    config = tiny_config("rfdetr_seg")
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(2, 12, 4, generator=generator) / 2 + 0.1
    evenly = torch.randn(2, 12, 1, 1, generator=generator).expand(-1, -1, 24, 24)
    outputs = {"logits": torch.randn(2, 12, 3, generator=generator), "pred_boxes": boxes, "pred_masks": evenly}
    targets = [
        {
            "class_labels": torch.arange(count),
            "boxes": torch.rand(count, 4, generator=generator) / 2 + 0.1,
            "masks": torch.ones(count, 96, 96, dtype=torch.uint8),
        }
        for count in (3, 0)
    ]
    theirs = RfDetrHungarianMatcher(
        config.class_cost, config.bbox_cost, config.giou_cost, config.mask_point_sample_ratio,
        config.mask_class_loss_coefficient, config.mask_dice_loss_coefficient,
    )(outputs, targets, groups)  # fmt: skip
    mine = QueryMatcher(config)(outputs, targets, groups)
    assert [[each.tolist() for each in pair] for pair in mine] == [[each.tolist() for each in pair] for pair in theirs]
    assert len(mine[0][0]) == 3 * groups


def test_what_lies_in_a_crowd_is_no_background(tiny: dict[str, Path]):
    model = detector("rfdetr", tiny["rfdetr"], pretrained=True).eval()
    images, _ = square_scene()
    everywhere = torch.tensor([0.0, 0, 96, 96]).expand(3, 1, 4).clone()
    no, yes = torch.zeros(3, 1, dtype=torch.bool), torch.ones(3, 1, dtype=torch.bool)
    labels = torch.zeros(3, 1, dtype=torch.int64)
    crowded, empty = (ObjectTargets(everywhere, labels, no, crowd) for crowd in (yes, no))
    with torch.no_grad():
        for head in (model.network.network.class_embed, *model.network.network.model.enc_out_class_embed):
            head.bias.fill_(0)  # objects everywhere
        assert model(images, crowded)[0]["classification"] < 0.2 * model(images, empty)[0]["classification"]


def test_masks_are_cut_out_of_the_image():
    """A mask over the left half of the second box, and one over nothing."""
    masks = torch.full((1, 3, 24, 24), -9.0)
    masks[0, 2, 6:12, 6:9] = 9.0
    boxes = torch.tensor([[[0.0, 0, 96, 96], [24, 24, 48, 48]]])
    found = masks_in_boxes(masks, torch.tensor([[0, 2]]), boxes, (96, 96))
    assert found.shape == (1, 2, 28, 28)
    assert (found[0, 0] < 0.01).all()
    assert (found[0, 1, 4:-4, 4:11] > 0.99).all()
    assert (found[0, 1, 4:-4, 18:] < 0.01).all()


@both
def test_stages_are_the_patches_and_the_blocks(tiny: dict[str, Path], name: str):
    for count, parts in ((1, {"embeddings"}), (3, {"embeddings", "layer.0.", "layer.1."})):
        model = detector(name, tiny[name], pretrained=True)
        frozen = freeze_stages(model.network, count)
        assert {
            part for part in ("embeddings", *(f"layer.{i}." for i in range(4))) for each in frozen if part in each
        } == parts
        state = dict(model.network.named_parameters())
        assert not any(state[each].requires_grad for each in frozen)
    groups = create_optimizer(model, hyperparameters(name, tiny[name], layer_decay=0.5), 1e-4).param_groups
    assert {group["lr_scale"] for group in groups} == {1, 1 / 2, 1 / 4}  # of the last two blocks, and what follows
    assert sum(len(group["params"]) for group in groups) == sum(p.requires_grad for p in model.parameters())


def test_its_own_defaults():
    for name, family in (("rfdetr", RFDetrHyperparameters), ("rfdetr_seg", RFDetrSegHyperparameters)):
        defaults = family()
        assert (defaults.frozen_stages, defaults.nms_iou_threshold, defaults.backbone) == (0, 1.0, None)
        assert (defaults.max_gradient_norm, defaults.ema_decay, defaults.weight_decay) == (0.1, 0.993, 1e-4)
        assert (defaults.effective_layer_decay, family(pretrained=False).effective_layer_decay) == (0.8, 1.0)
        assert default_learning_rate(TASKS[name], name, defaults.optimizer, 16) == 1e-4  # as published
        assert default_learning_rate(TASKS[name], name, defaults.optimizer, 4) == 5e-5


SIDES = [
    ("rfdetr", {}, 576),
    ("rfdetr", {"model_size": "nano"}, 384),
    ("rfdetr", {"image_size": 500}, 512),
    ("rfdetr_seg", {}, 432),
    ("rfdetr_seg", {"model_size": "nano"}, 312),
    ("rfdetr_seg", {"image_size": 500}, 504),
]


@pytest.mark.parametrize(("name", "settings", "side"), SIDES)
def test_the_input_is_a_square(boxes: Dataset, name: str, settings: dict[str, object], side: int):
    family = RFDetrSegHyperparameters if name == "rfdetr_seg" else RFDetrHyperparameters
    geometry = decide_geometry(boxes, family.model_validate(settings))
    assert geometry is not None
    assert geometry.size == (side, side)


@pytest.mark.parametrize("size", [(96, 128), (80, 80)])
def test_another_input_is_refused(tiny: dict[str, Path], size: tuple[int, int]):
    with pytest.raises(ConfigError, match=f"multiple of 32 pixels, 2 windows of patches of 16; it is {size[0]} x"):
        make("rfdetr", tiny["rfdetr"], geometry=Geometry(*size))


@both
def test_an_input_with_fewer_cells_than_queries(tiny: dict[str, Path], name: str):
    geometry = Geometry(48, 48, detections=20) if name == "rfdetr_seg" else Geometry(64, 64, detections=20)
    model = detector(name, tiny[name], geometry=geometry, pretrained=True)
    network = model.network
    assert len(network.eval()(torch.zeros(1, 3, *geometry.size))[1][0]) == 20
    config = network.boxed.config
    assert (config.num_queries, network.boxed.model.query_feat.weight.shape) == (16, (48, 32))
    stored = load_file(tiny[name] / "model.safetensors")["query_feat.weight"]
    assert torch.equal(network.boxed.model.query_feat.weight[16:32], stored[20:36])


@both
@pytest.mark.parametrize("classes", [91, 2])
def test_all_but_the_heads_of_other_classes_is_taken(tiny: dict[str, Path], name: str, classes: int):
    model = make(name, tiny[name], classes=classes, pretrained=True)
    assert (model.weights.source, model.weights.name, model.weights.licence) == ("file", tiny[name].name, None)
    published = CLASSES[name].from_pretrained(tiny[name]).state_dict()
    own = {key.removeprefix("network."): value for key, value in model.network.state_dict().items()}
    assert own.keys() == published.keys()
    fresh = {key for key, value in own.items() if not torch.equal(value, published[key])}
    assert fresh == ({key for key in own if "class_embed" in key} if classes == 2 else set())
    priors = [value.sigmoid() for key, value in own.items() if "class_embed" in key and key.endswith("bias")]
    assert classes == 91 or all(torch.allclose(prior, torch.tensor(0.01)) for prior in priors)
    assert {key.partition(".")[0] for key in load_file(tiny[name] / "model.safetensors")} >= {"backbone", "transformer"}


def _write(folder: Path, name: str, value: object) -> None:
    (folder / name).write_text(json.dumps(value))


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (lambda folder: (folder / "config.json").unlink(), "weights of rfdetr are a folder with config.json"),
    "another network": (
        lambda folder: _write(folder, "config.json", {"model_type": "detr", "backbone_config": {"model_type": "swin"}}),
        "describes detr on swin, and rfdetr is rf_detr on rf_detr_dinov2",
    ),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
    "half the weights": (
        lambda folder: save_file({"query_feat.weight": torch.zeros(60, 32)}, folder / "model.safetensors"),
        "do not fit the RF-DETR that its config.json describes",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_is_none_is_told(tiny: dict[str, Path], tmp_path: Path, case: str):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny["rfdetr"] / name, tmp_path)
    spoil, message = BROKEN[case]
    spoil(tmp_path)
    with pytest.raises(WeightsUnavailableError, match=message):
        make("rfdetr", tmp_path, pretrained=True)


@both
def test_it_is_built_again_from_its_description(tiny: dict[str, Path], tmp_path: Path, name: str):
    made = make(name, tiny[name])
    assert made.normalization.mean == (0.485, 0.456, 0.406)  # unless the folder says otherwise
    made.description.save(tmp_path)
    again = build_network(read_network(tmp_path))
    assert again.description == made.description
    again.network.load_state_dict(made.network.state_dict())


@both
def test_it_starts_from_an_earlier_model_of_another_input(tiny: dict[str, Path], tmp_path: Path, name: str):
    """The embeddings of the patches' positions are kept as they were trained and resized for each input."""
    earlier = make(name, tiny[name])
    earlier.description.save(tmp_path)
    save_file(earlier.network.state_dict(), tmp_path / "weights.safetensors")
    later = make(name, tiny[name], pretrained=True, geometry=Geometry(192, 192, detections=20))
    assert "all" in start_from(later, tmp_path / "weights.safetensors")
    assert later.network.eval()(torch.zeros(1, 3, 192, 192))[0].shape == (1, 20, 4)


PARAMETERS = {
    "rfdetr": {"nano": 30_467_298, "small": 32_111_170, "medium": 33_687_458, "large": 33_933_218},
    "rfdetr_seg": {"nano": 33_577_475, "small": 33_711_107, "medium": 35_694_259},
}


@pytest.mark.parametrize(("name", "size"), [(name, size) for name, sizes in PARAMETERS.items() for size in sizes])
def test_the_published_sizes(name: str, size: str):
    with torch.device("meta"):
        network = CLASSES[name](published_config(name, size))
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name][size]
    assert RFDETR_REPOSITORIES[name].keys() == PARAMETERS[name].keys()


@both
def test_it_is_listed(name: str):
    assert name in list_models("*", task=TASKS[name])
    description = describe_model(name)
    assert (description.licence, description.weights, description.architecture) == ("apache-2.0", "hub", "rf_detr")
    assert description.parameters == PARAMETERS[name]["medium"]


def test_interrupted_and_resumed_equals_undisturbed(
    tiny: dict[str, Path], masks: Dataset, make_spec: Callable[..., TrialSpec], tmp_path: Path
):
    """The points at which masks are compared are drawn again as they were."""
    changes = {"number_of_epochs": 2, "augmentation": "standard", "multi_scale": True, "copy_paste": 0.3}
    settings = hyperparameters("rfdetr_seg", tiny["rfdetr_seg"], pretrained=True, **changes)
    undisturbed = make_spec(masks, model_name="rfdetr_seg", hyperparameters=settings)
    check_resumed_equals_undisturbed(undisturbed, tmp_path / "interrupted")


@pytest.mark.slow
def test_two_processes_train_it_together(tiny: dict[str, Path], masks: Dataset, make_spec: Callable[..., TrialSpec]):
    """Also where an image of one of them has no object."""
    settings = hyperparameters(
        "rfdetr_seg", tiny["rfdetr_seg"], pretrained=True, number_of_epochs=1, training_batch_size=2
    )
    spec = make_spec(masks, model_name="rfdetr_seg", hyperparameters=settings, processes=2, device="cpu")
    check_two_processes_train_it(spec)


@pytest.mark.slow  # an export each
@pytest.mark.timeout(900)
@both
def test_from_images_to_predictions(
    tiny: dict[str, Path],
    boxes: Dataset,
    masks: Dataset,
    make_spec: Callable[..., TrialSpec],
    tmp_path: Path,
    name: str,
):
    """At another size than that of the positions' embeddings, which the exporter could not resize."""
    dataset = masks if name == "rfdetr_seg" else boxes
    settings = hyperparameters(name, tiny[name], pretrained=True, learning_rate=2e-3, number_of_epochs=4)
    spec = make_spec(dataset, model_name=name, hyperparameters=settings)
    (Path(spec.folder) / "spec.json").write_text(json.dumps(spec.model_dump()))
    reporter = RecordingReporter()
    assert train(spec, reporter).weights_source == f"file: {tiny[name].name}"
    losses = [evaluation.validation_loss for evaluation in reporter.evaluations]
    assert losses[-1] < 0.95 * losses[0]
    packaged = package(spec.folder, tmp_path / "model")
    description = Predictor(packaged).description
    assert description.parity["objects"] > 20
    assert description.parity["equal_share"] >= 0.99
    assert description.parity["largest_box_difference"] <= 0.5
    assert (description.model_name, description.architecture) == (name, "rf_detr")
    rows = np.flatnonzero(dataset.splits == "val").tolist()
    files = [Path(dataset.root) / dataset.table["image"][row].as_py() for row in rows[:3]]
    together, alone = Predictor(packaged)(files), Predictor(packaged)(files[:1])
    np.testing.assert_allclose(alone[0].objects.scores, together[0].objects.scores, atol=1e-4)
    assert (alone[0].objects.masks is not None) == (name == "rfdetr_seg")
