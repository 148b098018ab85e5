"""The weights of a network for other classes: those of the classes that both know are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor


def with_other_classes(
    state: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    of_classes: Sequence[str],
    earlier: Sequence[str],
    classes: Sequence[str],
) -> tuple[dict[str, Tensor], int]:
    """Weights of an earlier network as those of a network for other classes.

    A tensor of one row a class, with or without a first one for the background, takes the rows of the classes that
    stay; its other rows are the network's own. A tensor of several rows a class is wholly the network's own, because
    which of them belong to a class differs between detectors.

    Args:
        state: of the earlier network.
        own: of the network, before training.
        of_classes: names of the tensors whose shape depends on the number of classes.
        earlier: classes of the earlier network, in their order.
        classes: of the network, in their order.

    Returns:
        The weights, and how many tensors are wholly the network's own.
    """
    found, anew = dict(state), 0
    for name in of_classes:
        if name not in state or name not in own:
            continue  # another network, which is told where all tensors are compared
        old, new = state[name], own[name]
        background = old.shape[0] - len(earlier)
        one_row_each = background in (0, 1) and new.shape[0] - len(classes) == background
        if one_row_each and old.shape[1:] == new.shape[1:]:
            found[name] = _rows_by_class(old, new, earlier, classes, background)
        else:
            found[name], anew = new.clone(), anew + 1
    return found, anew


def tensors_of_classes(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that differ in shape between a network and the same one for another number of classes."""
    return [name for name, value in one.items() if name in other and value.shape != other[name].shape]


def _rows_by_class(old: Tensor, new: Tensor, earlier: Sequence[str], classes: Sequence[str], background: int) -> Tensor:
    found = new.clone().to(old.dtype)
    found[:background] = old[:background]
    row_of = {name: row for row, name in enumerate(earlier)}
    for row, name in enumerate(classes):
        if name in row_of:
            found[background + row] = old[background + row_of[name]]
    return found
