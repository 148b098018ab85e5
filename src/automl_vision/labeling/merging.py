"""One label from what several people submitted for an image, by a rule that is stated here.

- An annotation that a reviewer marked as ground truth counts alone.
- Of several annotations by one person the newest counts.
- One class per image: the class that most people chose; where two are chosen equally often, the one of the newest
  annotation.
- Several classes per image: each class that more than half of the people chose; where exactly half did, the newest
  annotation decides.
- Objects: those of different people are the same object where they have the same class and overlap by half
  (intersection over union of boxes or masks), the largest overlaps first. An object counts where more than half of the
  people drew it; where exactly half did, where the newest annotation has it. Its place is that of the person whose
  place overlaps most with the others', so that it is always one that a person drew.

An image on which people do not agree in this sense is reported as disputed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.tasks import Kind
from automl_vision.data.object import Object
from automl_vision.labeling.object_overlaps import overlaps

SAME_FROM = 0.5  # intersection over union from which objects of two people are one


@dataclass(frozen=True)
class Answer:
    """What one person submitted for an image.

    Attributes:
        annotator: name or number of the person.
        updated: when it was submitted or last changed, as ISO 8601.
        labels: classes of the image; none where objects are labelled.
        objects: in pixels.
        is_truth: whether a reviewer marked it as ground truth.
    """

    annotator: str
    updated: str
    labels: tuple[str, ...] = ()
    objects: tuple[Object, ...] = ()
    is_truth: bool = False


@dataclass(frozen=True)
class Merged:
    """The label of an image.

    Attributes:
        labels: classes of the image; none where objects are labelled.
        objects: in pixels.
        people: number of persons whose annotations it comes from.
        is_disputed: whether these persons did not agree.
    """

    labels: tuple[str, ...] = ()
    objects: tuple[Object, ...] = ()
    people: int = 1
    is_disputed: bool = False


def by_person(answers: Sequence[Answer]) -> list[Answer]:
    """The newest answer of each person, oldest first; only those of ground truth where there are any."""
    truths = [answer for answer in answers if answer.is_truth]
    newest: dict[str, Answer] = {}
    for answer in sorted(truths or answers, key=lambda each: each.updated):
        newest.pop(answer.annotator, None)
        newest[answer.annotator] = answer
    return list(newest.values())[-1:] if truths else list(newest.values())


def merge(answers: Sequence[Answer], kind: Kind, size: tuple[int, int]) -> Merged:
    """The label of an image by the rule above.

    Args:
        answers: at least one.
        kind: of the labels.
        size: width and height of the image in pixels.
    """
    people = by_person(answers)
    if len(people) == 1:
        return Merged(people[0].labels, people[0].objects)
    if kind in ("boxes", "masks"):
        return _merged_objects(people, kind, size)
    counts = Counter(label for answer in people for label in answer.labels)
    is_disputed = len({frozenset(answer.labels) for answer in people}) > 1
    newest = people[-1].labels
    if kind == "label":
        most = max(counts.values(), default=0)
        best = [label for label, count in counts.items() if count == most]
        chosen = tuple(label for label in newest if label in best)[:1] or tuple(best[:1])
    else:
        chosen = tuple(label for label, count in counts.items() if _counts(count, len(people), label in newest))
    return Merged(chosen, (), len(people), is_disputed)


def _counts(votes: int, people: int, newest: bool) -> bool:
    """Whether a label or an object counts."""
    return 2 * votes > people or (2 * votes == people and newest)


@dataclass
class _Cluster:
    """Drawings of one object, at most one per person.

    Attributes:
        members: position of the person, and of the drawing among all.
    """

    members: dict[int, int] = field(default_factory=dict)


def _merged_objects(people: Sequence[Answer], kind: Kind, size: tuple[int, int]) -> Merged:
    drawn = [value for answer in people for value in answer.objects]
    person = np.repeat(np.arange(len(people)), [len(answer.objects) for answer in people])
    matrix = overlaps(drawn, drawn, kind, size)
    clusters = _clusters(drawn, person, matrix)
    kept, is_disputed = [], False
    for cluster in clusters:
        is_disputed |= len(cluster.members) < len(people)
        if _counts(len(cluster.members), len(people), len(people) - 1 in cluster.members):
            kept.append(_middle(cluster, matrix))
    return Merged((), tuple(drawn[i] for i in sorted(kept)), len(people), is_disputed)


def _clusters(drawn: Sequence[Object], person: NDArray[np.intp], matrix: NDArray[np.float64]) -> list[_Cluster]:
    """Each drawing in one cluster; those that overlap most are joined first, if nobody is in both."""
    cluster_of = [_Cluster({int(person[i]): i}) for i in range(len(drawn))]
    first, second = np.nonzero(np.triu(matrix >= SAME_FROM, 1))
    for pair in np.argsort(-matrix[first, second], kind="stable").tolist():
        a, b = int(first[pair]), int(second[pair])
        one, other = cluster_of[a], cluster_of[b]
        if drawn[a].label != drawn[b].label or one is other or one.members.keys() & other.members.keys():
            continue
        one.members |= other.members
        for i in other.members.values():
            cluster_of[i] = one
    return list({id(cluster): cluster for cluster in cluster_of}.values())


def _middle(cluster: _Cluster, matrix: NDArray[np.float64]) -> int:
    """The drawing that overlaps most with the others of its cluster; of equal ones that of the newest annotation."""
    members = [cluster.members[person] for person in sorted(cluster.members, reverse=True)]
    totals = matrix[np.ix_(members, members)].sum(axis=1)
    return members[int(np.argmax(np.round(totals, 9)))]
