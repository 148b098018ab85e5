"""The linear probe: what it predicts, and that a feature which hardly varies does not rule it."""

from __future__ import annotations

import numpy as np
import torch

from automl_vision.tasks.probe import fit_probe


def losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -(targets * logits.log_softmax(1)).sum(1)


def drawn(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of two classes: eight that tell them apart a little, and one that hardly ever varies."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, images)
    features = random.normal(size=(images, 9)) + 0.7 * labels[:, None]
    features[:, 8] = random.normal(size=images) * 1e-4
    return features.astype(np.float32), np.eye(2, dtype=bool)[labels]


def test_it_separates_classes() -> None:
    features, targets = drawn(200, 0)
    probe = fit_probe(features, targets, losses)
    others, truth = drawn(500, 1)
    found = (others @ probe.weight.T + probe.bias).argmax(1)
    assert (found == truth.argmax(1)).mean() > 0.8
    assert probe.loss < np.log(2)


def test_a_feature_that_hardly_varies_cannot_explode() -> None:
    features, targets = drawn(40, 2)
    own, least = (fit_probe(features, targets, losses, least_spread=spread) for spread in (0.0, 3.0))
    moved = np.abs(features.copy())
    moved[:, 8] += 1  # as under augmentation
    assert np.abs(own.weight[:, 8]).max() > 10
    assert np.abs(least.weight[:, 8]).max() < 0.1
    truth = torch.from_numpy(targets.astype(np.float32))
    explodes, stays = (losses(torch.from_numpy(moved @ p.weight.T + p.bias), truth).mean() for p in (own, least))
    assert stays < 2 < explodes
