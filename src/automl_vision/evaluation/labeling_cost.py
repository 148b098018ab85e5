"""What it costs people who label to be shown a wrong object, and to draw one that is not shown.

| seconds | of | source |
| --- | --- | --- |
| 7.0 | drawing a box by its extreme points | Papadopoulos et al. 2017, "Extreme clicking" |
| 79 | drawing a mask | Lin et al. 2014, Microsoft COCO: 22 hours for 1000 masks |
| 1.8 | looking at a box that is shown | Konyushkova et al. 2018, "Learning intelligent dialogs" |
| 2.9 | deleting one: to decide, point, click and press a key | Card, Moran and Newell 1980, keystroke-level model |

An object that is shown is looked at; a wrong one is also deleted; one that is not shown is drawn. So showing is worth
it where the chance of being right is above wrong / (wrong + missed): 0.47 for boxes, 0.06 for masks.
"""

from __future__ import annotations

from automl_vision.core.tasks import Kind
from automl_vision.evaluation.goals import LeastCost

DRAW_SECONDS: dict[Kind, float] = {"boxes": 7.0, "masks": 79.0}
LOOK_SECONDS, DELETE_SECONDS = 1.8, 2.9


def labeling_cost(kind: Kind) -> LeastCost:
    """The costs in seconds for "boxes" or "masks", against those of an object that is rightly shown."""
    return LeastCost(false=LOOK_SECONDS + DELETE_SECONDS, missed=DRAW_SECONDS[kind] - LOOK_SECONDS)
