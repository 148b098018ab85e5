"""The command that adds formats to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Argument(help="The model folder.")],
    format_: Annotated[
        str,
        typer.Option("--format", help="Such as openvino-int8 or onnx-int8; or safetensors, or triton."),
    ],
    data: Annotated[
        str | None, typer.Option(help="Labelled images that calibrate and judge; those of the model's run by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for safetensors or Triton's repositories.")] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the metric's range that may be lost; 0.01 by default."),
    ] = None,
) -> None:
    """Add a format to a model folder, if it predicts as well as the model; or copy its weights."""
    from automl_vision.experiment import model_export
    from automl_vision.serving.model_folder import ModelDescription

    limits = {} if max_loss is None else {"max_loss": max_loss}
    written = model_export.export(model, format_, data=data, out=out, **limits)
    typer.echo(str(written))
    entry = ModelDescription.load(model).formats.get(format_)
    if entry is None:
        return
    metric, change = entry["metric"], entry["difference"]
    typer.echo(
        f"{metric['name']} {metric['value']:.4f}, change {change['value']:+.4f} [{change['low']:+.4f}, "
        f"{change['high']:+.4f}]; {entry['bytes'] / 1e6:.1f} MB; "
        f"{entry['latency']['batch 1']['median_ms']:.1f} ms per image on one thread"
    )
