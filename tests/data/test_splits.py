"""Splits are fair, repeatable, and never tear apart what belongs together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.data.splits import holdout, stable_order
from automl_vision.data.targets import Targets

SEEDS = st.integers(-(2**31), 2**31)
SHARES = st.floats(0.05, 0.6)


def keys(count: int) -> list[str]:
    return [f"image {i}" for i in range(count)]


def stratified_holdout(
    targets: NDArray[np.bool_], names: list[str], share: float, *, seed: int, groups: list[str] | None = None
) -> NDArray[np.bool_]:
    return holdout(Targets.from_dense(targets), groups or names, share, seed=seed)


def onehot(labels: list[int], classes: int) -> NDArray[np.bool_]:
    return np.eye(classes, dtype=bool)[np.array(labels, int)]


@settings(deadline=None, max_examples=50)
@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=120), share=SHARES, seed=SEEDS)
def test_each_class_gives_its_share_within_one_image(labels: list[int], share: float, seed: int) -> None:
    targets = onehot(labels, 5)
    held_out = stratified_holdout(targets, keys(len(labels)), share, seed=seed)
    assert np.abs(targets[held_out].sum(axis=0) - share * targets.sum(axis=0)).max() <= 1


@settings(deadline=None, max_examples=50)
@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=80),
    copies=st.integers(1, 4),
    grouped=st.booleans(),
    seed=SEEDS,
    random=st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_count(
    labels: list[int], copies: int, grouped: bool, seed: int, random: np.random.Generator
) -> None:
    targets = onehot(labels, 4)
    names = keys(len(labels))
    groups = [str(i // copies) for i in range(len(labels))] if grouped else None
    held_out = stratified_holdout(targets, names, 0.3, seed=seed, groups=groups)
    order = list(range(len(labels)))
    random.shuffle(order)
    shuffled = stratified_holdout(
        targets[order],
        [names[i] for i in order],
        0.3,
        seed=seed,
        groups=None if groups is None else [groups[i] for i in order],
    )
    np.testing.assert_array_equal(shuffled, held_out[order])


@settings(deadline=None, max_examples=50)
@given(
    items=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15)), min_size=1, max_size=100), share=SHARES, seed=SEEDS
)
def test_groups_are_never_divided(items: list[tuple[int, int]], share: float, seed: int) -> None:
    groups = [str(group) for _, group in items]
    held_out = stratified_holdout(
        onehot([label for label, _ in items], 4), keys(len(items)), share, seed=seed, groups=groups
    )
    train, validation = ({g for g, held in zip(groups, held_out, strict=True) if held == side} for side in (0, 1))
    assert not train & validation


def test_the_seed_decides() -> None:
    targets = onehot([0, 1] * 50, 2)
    first, again, other = (stratified_holdout(targets, keys(100), 0.2, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len(set(stable_order(keys(1000), 0).tolist())) == 1000


def test_multi_label_shares_are_fair_for_rare_labels_too() -> None:
    random = np.random.default_rng(0)
    targets = random.random((1000, 6)) < [0.5, 0.3, 0.2, 0.1, 0.02, 0.01]
    held_out = stratified_holdout(targets, keys(1000), 0.2, seed=0)
    wanted = 0.2 * targets.sum(axis=0)
    assert abs(held_out.sum() - 200) <= 20
    assert (np.abs(targets[held_out].sum(axis=0) - wanted) <= np.maximum(1, 0.05 * wanted)).all()
    without = ~targets.any(axis=1)
    assert abs(held_out[without].mean() - 0.2) < 0.05


# In a dataset


def open_rows(root: Path, rows: list[str], header: str = "image,label,split,group") -> Dataset:
    for row in rows:
        name = row.split(",")[0]
        Image.new("RGB", (4, 4), (int(Path(name).stem.split("-")[0]) % 256, 9, 9)).save(root / name)
    (root / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return Dataset.open(root)


def test_a_share_of_the_training_images_is_held_out(tmp_path: Path) -> None:
    dataset = open_rows(tmp_path, [f"{i}.png,{'ab'[i % 2]},," for i in range(40)])
    split = dataset.with_validation(0.25)
    for column in range(2):
        assert (split.splits[split.targets[:, column]] == "val").sum() == 5
    assert dataset.with_validation(0.25) == split
    assert dataset.with_validation(0.25, seed=1) != split
    assert set(dataset.splits.tolist()) == {""}


def test_the_split_of_the_data_stays(tmp_path: Path) -> None:
    parts = ["train", "val", "test", ""]
    dataset = open_rows(tmp_path, [f"{i}.png,{'ab'[i % 2]},{parts[i % 4]}," for i in range(40)])
    assert dataset.with_validation(0.5).splits.tolist() == ["train", "val", "test", "train"] * 10


def test_test_images_stay_when_validation_is_held_out(tmp_path: Path) -> None:
    dataset = open_rows(tmp_path, [f"{i}.png,{'ab'[i % 2]},{'test' if i < 10 else ''}," for i in range(40)])
    splits = dataset.excluding({39: "broken"}).with_validation(0.2).splits
    assert (splits[:10] == "test").all() and splits[39] == LEFT_OUT
    assert {name: (splits[10:] == name).sum() for name in ("train", "val")} == {"train": 23, "val": 6}


def test_groups_and_copies_stay_together(tmp_path: Path) -> None:
    rows = [f"{i}-{copy}.png,{'ab'[i % 2]},,{'g' + str(i // 6) if i < 24 else ''}" for i in range(48) for copy in "xy"]
    dataset = open_rows(tmp_path, rows).with_validation(0.3)
    for column in ("group", "digest"):
        names = np.array([value or "" for value in dataset.table[column].to_pylist()])
        for name in set(names.tolist()) - {""}:
            assert len(set(dataset.splits[names == name].tolist())) == 1
    assert (dataset.splits == "val").any()


@pytest.mark.parametrize("classes", ["abcdefgh", "abcdefghijkl"])
def test_of_few_images_one_is_held_out(tmp_path: Path, classes: str) -> None:
    """A fifth of each class is less than half an image; where a class has two, it is one of these."""
    split = open_rows(tmp_path, [f"{i}.png,{classes[i % len(classes)]},," for i in range(12)]).with_validation(0.2)
    (held_out,) = np.flatnonzero(split.splits == "val")
    assert split.labelled.counts[split.targets[held_out].argmax()] == split.labelled.counts.max()


@pytest.mark.parametrize("size", [1, 4, 50])
def test_of_many_small_additions_a_share_is_held_out(tmp_path: Path, size: int) -> None:
    whole = open_rows(tmp_path, [f"{i}.png,{'aab'[i % 3]},," for i in range(230)])
    grown = whole[:30].with_validation(0.2)
    for end in range(30 + size, 231, size):
        later = whole[:end].following(grown, 0.2)
        assert later.splits.tolist()[: len(grown)] == grown.splits.tolist()
        grown = later
    new = grown.splits[30:]
    assert len(new) == 200 and set(new.tolist()) == {"train", "val"}
    assert 0.14 <= (new == "val").mean() <= 0.26


@pytest.mark.parametrize(
    ("case", "part", "group", "share", "error"),
    [
        ("only test", "test", "", 0.2, 'no image is in the split "train"'),
        ("only validation", "val", "", 0.2, 'no image is in the split "train"'),
        ("one group", "", "all", 0.2, 'no image is in the split "val"'),
        ("no share", "", "", 0.0, 'no image is in the split "val"'),
    ],
)
def test_nothing_to_train_or_validate_on(
    tmp_path: Path, case: str, part: str, group: str, share: float, error: str
) -> None:
    dataset = open_rows(tmp_path, [f"{i}.png,{'ab'[i % 2]},{part},{group}" for i in range(12)])
    with pytest.raises(DataError, match=error):
        dataset.with_validation(share)
