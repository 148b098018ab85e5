"""Masks of many objects at once, against COCO's tools for one object after another."""

from __future__ import annotations

import numpy as np
from faster_coco_eval.core import mask

from automl_vision.data.masks import MaskCode
from automl_vision.data.objects import ObjectBuilder
from automl_vision.evaluation.scoring.segmentation import mask_codes

TRIANGLE, SQUARE, BOX = [1.0, 1, 9, 1, 5, 8], [2.0, 2, 7, 2, 7, 7, 2, 7], [3.0, 4, 2, 2]
OBJECTS = [
    (0, [TRIANGLE]),
    (0, [TRIANGLE, [11.0, 3, 18, 3, 14, 9]]),  # two parts
    (1, [SQUARE]),
    (1, [BOX]),  # COCO's tools take four numbers for a box
    (1, [TRIANGLE, SQUARE]),  # which overlap
    (2, [SQUARE, BOX]),
    (2, []),  # has a code
]
SIZES = np.array([[12, 20], [10, 10], [12, 20]])
CODE = "12 20 0P7"


def test_masks_drawn_together_are_those_drawn_alone():
    builder = ObjectBuilder()
    builder.name("object")
    for image, polygons in OBJECTS:
        builder.add_values(image, 0, [0, 0, 9, 9], 0, polygons, None if polygons else CODE)
    objects = builder.build()
    expected = []
    for image, polygons in OBJECTS:
        height, width = SIZES[image].tolist()
        if polygons:
            counts = mask.merge(mask.frPyObjects(polygons, height, width))["counts"]
            expected.append(MaskCode(height, width, counts.decode()).to_text())
        else:
            expected.append(CODE)
    assert mask_codes(objects, np.arange(len(OBJECTS)), SIZES) == expected
    assert mask_codes(objects, np.array([4, 1]), SIZES) == [expected[4], expected[1]]
    assert mask_codes(objects, np.zeros(0, int), SIZES) == []
