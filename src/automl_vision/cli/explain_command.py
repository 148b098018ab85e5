"""The command that shows which pixels a prediction depends on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_vision.cli.evaluation_commands import TrialOption, open_evaluated, open_trial
from automl_vision.cli.options import WorkspaceOption, open_model, open_workspace

if TYPE_CHECKING:
    from automl_vision.serving.explainer import Explainer
    from automl_vision.serving.predictor import ImageSource


def explain(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL",
            help="Id of a run, RUN:TRIAL, a model folder, or a registered model as NAME:VERSION or NAME@ALIAS.",
        ),
    ],
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Image files, or folders of them; of a run its worst mistakes by default."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures and explanations.json.")] = Path("explanations"),
    method: Annotated[
        str,
        typer.Option(
            help="occlusion; for labels of whole images also integrated_gradients, guided_gradcam, guided_backprop "
            "and xrai; all draws them side by side."
        ),
    ] = "occlusion",
    label: Annotated[
        str | None, typer.Option(help="The class that is explained; the predicted one by default.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="How many objects of an image, and how many mistakes.")] = 3,
    trial: TrialOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Show which pixels of an image a prediction depends on."""
    from automl_vision.serving.command import image_files
    from automl_vision.serving.explained_files import LIST_FILE, explain_files

    folder = _model_folder(model, workspace)
    explainer = _explainer(model, folder, trial, workspace)
    if images:
        sources: list[tuple[str, ImageSource]] = [(str(file), file) for file in image_files(images)]
    elif folder is not None:
        raise typer.BadParameter("name the images to explain; only a run has mistakes to show", param_hint="IMAGES")
    else:
        evaluated = open_evaluated(model, trial, None, workspace)
        sources = [(evaluated.image(each), evaluated.read(each)) for each in evaluated.mistakes()[:most]]
    rows = explain_files(explainer, sources, out, method=method, label=label, most=most, progress=_show_masks)
    failed = 0
    for row in rows:
        failed += "error" in row
        if "error" in row:
            typer.echo(f"{row['filename']}: error: {row['error']}")
        else:
            typer.echo(f"{row['filename']}: {row['label']} {row['probability']:.1%}  {row['method']}  {row['picture']}")
    typer.echo(f"{out / LIST_FILE} lists {len(sources)} images")
    if failed:
        raise typer.Exit(2)


def _show_masks(done: int, count: int) -> None:
    """Show on a terminal how far the masks of an image are."""
    if sys.stderr.isatty():
        typer.echo(f"\r{done} of {count} masks" if done < count else "\r\x1b[K", nl=False, err=True)


def _model_folder(name: str, workspace: Path | None) -> Path | None:
    """The folder of a packaged model; None for a run or its trial, which take precedence over a registered name."""
    from automl_vision.serving.model_folder import DESCRIPTION_FILE

    if (Path(name) / DESCRIPTION_FILE).exists():
        return Path(name)
    if name.partition(":")[0] in open_workspace(workspace).run_ids():
        return None
    resolved = open_model(name, workspace)
    return None if resolved == Path(name) else resolved


def _explainer(model: str, folder: Path | None, trial: int | None, workspace: Path | None) -> Explainer:
    """Of a model folder, or of a run's trial; by default the best one."""
    from automl_vision.serving.explainer import Explainer
    from automl_vision.serving.predictor import Predictor
    from automl_vision.serving.runtimes import REFERENCE

    if folder is not None:
        return Explainer(Predictor(folder, runtime=REFERENCE))
    return open_trial(model, trial, workspace).explainer()
