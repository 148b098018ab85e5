"""What every detector has to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from automl_vision.core.records import Calibration
from automl_vision.core.tasks import OBJECT_DETECTION, TASKS
from automl_vision.data.detections import Detections
from automl_vision.evaluation.scoring.detection import DetectionOutputs
from automl_vision.models.detectors.detector import Detector
from automl_vision.models.image_model import ImageModel
from automl_vision.models.model import Model
from automl_vision.models.networks import load_model
from automl_vision.models.registry import create_model
from automl_vision.packaging.exporters import EXPORTERS, Exported
from automl_vision.recipes.catalog import family_of
from automl_vision.recipes.deployment import create_deployment
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.serving.model_folder import WEIGHTS_FILE
from automl_vision.serving.objects import postprocess
from automl_vision.serving.predictions import ObjectPrediction
from automl_vision.serving.runtimes import RUNTIMES
from automl_vision.tasks.object_targets import ImageObjects, ObjectTargets, pad_objects

_CLASSES = 2
_SHOWN = 0.3  # operating threshold of the parity gate
_CHOICE = 0.02  # of a loss, by which other random regions change it
_NEAR = 1e-3  # of the sides of boxes in pixels, and of scores


class DetectorConformance:
    """The behaviour of a `Detector` and of its `Builder` and `Rebuilder`. Give the attribute `model_name`.

    Attributes:
        model_name: a name of the algorithm, on as small a backbone as it takes.
        task: that it is tested for.
        hyperparameters: besides `pretrained`, which is off.
        geometry: of the input; small, so that the tests are fast.
        unused: beginnings of the names of parameters that only some batches train.
        runtimes: through which it is exported; none where the export is tested elsewhere.
    """

    model_name: ClassVar[str]
    task: ClassVar[str] = OBJECT_DETECTION
    hyperparameters: ClassVar[Mapping[str, Any]] = {}
    geometry: ClassVar[Geometry] = Geometry(64, 96, lowest=3, highest=5, detections=20)
    unused: ClassVar[tuple[str, ...]] = ()
    runtimes: ClassVar[tuple[str, ...]] = ("onnx",)

    @classmethod
    def typed(cls) -> Hyperparameters:
        """The hyperparameters in the algorithm's family."""
        values = {"pretrained": False, "precision": "fp32", **cls.hyperparameters}
        return family_of(cls.task, cls.model_name).model_validate(values)

    @classmethod
    def make(cls) -> Model:
        """The network with random weights, always the same."""
        torch.manual_seed(0)
        return create_model(
            cls.model_name,
            task=cls.task,
            classes=_CLASSES,
            hyperparameters=cls.typed(),
            geometry=cls.geometry,
        )

    @classmethod
    def scene(cls) -> tuple[Tensor, ObjectTargets]:
        """Three images: two objects and a crowd, one object, none."""
        height, width = cls.geometry.size
        images = torch.randint(90, 120, (3, 3, height, width), generator=torch.Generator().manual_seed(0)).byte()
        shares = [[(0.1, 0.1, 0.4, 0.5), (0.5, 0.2, 0.9, 0.8), (0.7, 0.6, 1.0, 1.0)], [(0.2, 0.3, 0.7, 0.7)], []]
        objects = []
        for i, places in enumerate(shares):
            boxes = (torch.tensor(places).reshape(-1, 4) * torch.tensor([width, height] * 2)).round()
            masks = torch.zeros(len(places), height, width, dtype=torch.uint8)
            for k, (x1, y1, x2, y2) in enumerate(boxes.int().tolist()):
                images[i, k % 3, y1:y2, x1:x2] = 230
                masks[k, y1:y2, x1:x2] = 1
            crowd = torch.tensor([k == 2 for k in range(len(places))], dtype=torch.bool)
            labels = torch.tensor([k % _CLASSES for k in range(len(places))], dtype=torch.int64)
            objects.append(ImageObjects(boxes, labels, crowd, masks if TASKS[cls.task].needs_masks else None))
        return images, pad_objects(objects)

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> Model:
        """The network in evaluation mode; tests leave it as it is."""
        model = cls.make()
        model.network.eval()
        return model

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, model: Model) -> list[Tensor]:
        """What the network detects in the scene."""
        with torch.inference_mode():
            return list(ImageModel(model.network, model.normalization).eval()(cls.scene()[0]))

    def test_it_is_a_detector_with_a_body(self, model: Model) -> None:
        """Training freezes stages of the body; pretrained weights fill the pretrained part."""
        assert isinstance(model.network, Detector)
        mine = set(map(id, model.network.parameters()))
        for part in (model.network.body, model.network.pretrained_part):
            assert set(map(id, part.parameters())) <= mine
        assert model.network.classes == _CLASSES

    def test_losses_train_every_weight(self) -> None:
        """They are finite, and a gradient reaches each parameter."""
        model, (images, targets) = self.make(), self.scene()
        total = self._loss(model, images, targets)
        assert torch.isfinite(total)
        total.backward()  # type: ignore[no-untyped-call]
        parameters = dict(model.network.named_parameters())
        without = [
            name
            for name, p in parameters.items()
            if p.requires_grad and p.grad is None and not name.startswith(self.unused)
        ]
        assert without == []
        assert all(torch.isfinite(p.grad).all() for p in parameters.values() if p.grad is not None)

    def test_images_without_objects_train(self) -> None:
        """A whole batch of them: the loss is finite, and so are the gradients that it has."""
        model, (images, targets) = self.make(), self.scene()
        total = self._loss(model, images[2:], targets[2:])
        assert torch.isfinite(total)
        total.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in model.network.parameters() if p.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)

    def test_the_same_seed_has_the_same_loss(self) -> None:
        """Network and loss take their random numbers from torch's generator alone."""
        images, targets = self.scene()
        losses = [self._loss(self.make(), images, targets).item() for _ in range(2)]
        assert losses[0] == losses[1]

    def test_padding_changes_no_loss(self, model: Model) -> None:
        """What is neither valid nor a crowd stands for nothing; a random choice of regions may differ a little."""
        images, targets = self.scene()
        count, (height, width) = len(images), self.geometry.size
        box = torch.tensor([0.05 * width, 0.05 * height, 0.6 * width, 0.6 * height]).expand(count, 1, 4)
        no = torch.zeros(count, 1, dtype=torch.bool)
        padded = ObjectTargets(
            torch.cat([targets.boxes, box], dim=1),
            torch.cat([targets.labels, torch.ones(count, 1, dtype=torch.int64)], dim=1),
            torch.cat([targets.valid, no], dim=1),
            torch.cat([targets.crowd, no], dim=1),
            None if targets.masks is None else torch.cat([targets.masks, targets.masks[:, :1]], dim=1),
        )
        with torch.no_grad():
            mine, theirs = (self._evaluated(model, images, each)[0] for each in (targets, padded))
        assert set(mine) == set(theirs)
        for name, loss in mine.items():
            torch.testing.assert_close(theirs[name], loss, rtol=_CHOICE, atol=1e-4)

    def test_detections_are_valid(self, found: list[Tensor]) -> None:
        """Boxes on the canvas, scores from 0 to 1 that fall, known classes, at most the geometry's number."""
        height, width = self.geometry.size
        boxes, scores, labels = found[:3]
        count = scores.shape[1]
        assert boxes.shape == (3, count, 4)
        assert labels.shape == (3, count)
        assert 0 < count <= self.geometry.detections
        assert all(torch.isfinite(values.float()).all() for values in found)
        assert (boxes >= 0).all()
        assert (boxes[..., 0::2] <= width).all()
        assert (boxes[..., 1::2] <= height).all()
        assert (boxes[..., 2:] >= boxes[..., :2]).all()
        assert ((scores >= 0) & (scores <= 1)).all()
        assert (scores.diff(dim=1) <= 0).all()
        assert ((labels >= 0) & (labels < _CLASSES)).all()

    def test_there_are_masks_where_the_task_has_them(self, found: list[Tensor]) -> None:
        """Probabilities within each box."""
        outputs = create_deployment(self.task, self.typed(), self.geometry).output_names
        assert len(found) == len(outputs)
        for masks in found[3:]:
            assert masks.shape[:2] == found[1].shape
            assert ((masks >= 0) & (masks <= 1)).all()

    def test_evaluation_has_losses_and_the_same_detections(self, model: Model, found: list[Tensor]) -> None:
        """With targets both are returned; in evaluation nothing is random."""
        with torch.inference_mode():
            losses, detections = self._evaluated(model, *self.scene())
        assert all(torch.isfinite(loss) for loss in losses.values())
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(detections, found, strict=True))

    def test_an_image_alone_has_the_detections_that_it_has_in_a_batch(self, model: Model, found: list[Tensor]) -> None:
        """The predictor forms other batches than training."""
        network = ImageModel(model.network, model.normalization).eval()
        with torch.inference_mode():
            alone = network(self.scene()[0][1:2])
        assert [values.shape[1:] for values in alone] == [values.shape[1:] for values in found]
        torch.testing.assert_close(alone[1], found[1][1:2], rtol=_NEAR, atol=_NEAR)  # boxes of equal scores may swap

    def test_it_is_built_again_from_its_description(self, model: Model, found: list[Tensor], tmp_path: Path) -> None:
        """From `network.json` and the weights alone: the same network, whatever the random numbers were."""
        model.description.save(tmp_path)
        save_file({name: value.contiguous() for name, value in model.network.state_dict().items()},
                  tmp_path / WEIGHTS_FILE)  # fmt: skip
        torch.manual_seed(1)
        again = load_model(tmp_path)
        with torch.inference_mode():
            outputs = ImageModel(again.network, again.normalization).eval()(self.scene()[0])
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(outputs, found, strict=True))

    def test_the_exported_network_passes_the_parity_gate(self, tmp_path: Path) -> None:
        """Through every runtime, for another number of images than it was exported with."""
        if not self.runtimes:
            pytest.skip("the export is tested elsewhere")
        model = self.make()
        model.network.eval()
        with torch.no_grad():
            for parameter in model.network.parameters():
                if parameter.ndim > 1:  # heads start from nearly nothing, and equal scores have no order
                    parameter.normal_(0, parameter[0].numel() ** -0.5)
        deployment = create_deployment(self.task, self.typed(), self.geometry)
        images = (self.scene()[0].float() / 255).contiguous()
        with torch.inference_mode():
            trained = self._objects([values.numpy() for values in model.network(images)])
        for name in self.runtimes:
            exported = Exported(self.model_name, model.network, self.geometry.size, deployment.output_names)
            EXPORTERS[name].export(exported, tmp_path)
        single = [each for each in RUNTIMES.values() if each.precision == "fp32" and each.reads(tmp_path)]
        assert {each.name for each in single} >= set(self.runtimes)
        for runtime in single:
            outputs = runtime.open(tmp_path, threads=1)(images.numpy())
            predictions = [
                ObjectPrediction(("a", "b"), *self.geometry.size, self._objects(outputs).of_image(i)) for i in range(3)
            ]
            calibration = Calibration(thresholds=(_SHOWN,) * _CLASSES)
            parity = deployment.parity(DetectionOutputs(trained), predictions, calibration)
            assert parity.problem is None

    def _objects(self, outputs: list[np.ndarray[Any, Any]]) -> Detections:
        """The detections of all images, as the predictor makes them from outputs."""
        deployment: Any = create_deployment(self.task, self.typed(), self.geometry)
        settings, size = deployment.postprocessing(0.0), self.geometry.size
        images = range(len(outputs[0]))
        return Detections.join([postprocess([[o[i] for o in outputs]], size, size, settings) for i in images])

    @staticmethod
    def _loss(model: Model, images: Tensor, targets: ObjectTargets) -> Tensor:
        """The sum of the losses in training mode."""
        losses = ImageModel(model.network, model.normalization).train()(images, targets)
        assert losses
        return torch.stack(list(losses.values())).sum()

    @staticmethod
    def _evaluated(model: Model, images: Tensor, targets: ObjectTargets) -> tuple[dict[str, Tensor], list[Tensor]]:
        losses, detections = ImageModel(model.network, model.normalization).eval()(images, targets)
        return losses, list(detections)
