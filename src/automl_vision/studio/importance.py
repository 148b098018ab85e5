"""The importance of hyperparameters: weighed in a child process, for it needs scikit-learn, and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from automl_vision.core.files import read_json, write_json
from automl_vision.core.version import VERSION
from automl_vision.search.importance import MIN_TRIALS, Tried, importances
from automl_vision.studio.child import Child


def kept_importances(tried: Sequence[Tried], *, child: Child, cache: Path) -> dict[str, float]:
    """What `importances` returns for trials; computed once for what they tried and scored.

    Args:
        tried: the trials.
        child: where it is computed.
        cache: folder that may be deleted at any time.

    Raises:
        ValueError: as `importances` does.
    """
    if len(tried) < MIN_TRIALS:
        return importances(tried)  # which says why not
    known = json.dumps([VERSION, [(dict(values), score) for values, score in tried]], sort_keys=True, default=str)
    file = cache / "importance" / f"{hashlib.blake2b(known.encode(), digest_size=16).hexdigest()}.json"
    if file.exists():
        return dict(read_json(file))
    found = child.call(importances, tried)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, found)
    return found
