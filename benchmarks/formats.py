"""Size, latency and metric of a model's formats, as they are judged: a table in Markdown.

    python benchmarks/formats.py RUN_FOLDER... [--seconds 240] [--formats openvino-int8 ...] [--keep]

Each run folder holds `manifest.parquet` and `model`, which is copied first unless `--keep` adds to it what is accepted.
Latencies are of one thread, in processor time, measured together with those in single precision; a refused format is
listed with the figures of its last attempt, and one that cannot be made with the reason.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from automl_vision.core.errors import PackagingError, ParityError
from automl_vision.data.dataset import Dataset
from automl_vision.packaging.formats import FORMATS, add_format
from automl_vision.serving.model_folder import ModelDescription


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=240.0, help="per format")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--keep", action="store_true", help="add accepted formats to the runs' own models")
    arguments = parser.parse_args()
    print("| run | format | MB | batch 1, ratio | batch 8, ratio | metric | difference, interval | accepted |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for run in arguments.runs:
        with tempfile.TemporaryDirectory() as scratch:
            model = run / "model"
            if not arguments.keep:
                model = Path(shutil.copytree(model, Path(scratch) / "model"))
            dataset = Dataset.load(run / "manifest.parquet")
            for name in arguments.formats:
                print(_row(run.name, model, dataset, name, arguments.seconds), flush=True)


def _row(run: str, model: Path, dataset: Dataset, name: str, seconds: float) -> str:
    try:
        add_format(model, name, dataset, seconds=seconds)
        accepted = "yes"
    except ParityError:
        accepted = "no"
    except PackagingError as error:
        return f"| {run} | {name} | {error} |"
    formats = ModelDescription.load(model).formats
    entry, single = formats[name], formats["onnx"]
    ratios = " | ".join(f"{_speedup(entry, single, batch):.2f}" for batch in (1, 8))
    change = entry["difference"]
    return (
        f"| {run} | {name} | {entry['bytes'] / 1e6:.1f} | {ratios} | {entry['metric']['value']:.4f} | "
        f"{change['value']:+.4f} ({change['low']:+.4f} to {change['high']:+.4f}) | {accepted} |"
    )


def _speedup(entry: dict[str, Any], single: dict[str, Any], batch: int) -> float:
    key = f"batch {batch}"
    return float(single["latency"][key]["median_ms"] / entry["latency"][key]["median_ms"])


if __name__ == "__main__":
    main()
