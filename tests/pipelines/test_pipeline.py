"""A pipeline's steps: what they find, what they keep, and what stops them. No network is trained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colour_pipelines import RULE, colour_context, trained_as
from PIL import Image

from automl_vision import Dataset, Workspace
from automl_vision.core.errors import ConfigError, DataError, PipelineError
from automl_vision.deployment.online.endpoint_folder import Endpoints
from automl_vision.experiment.gate import promote_judged
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.definition import PipelineDefinition, read_pipeline
from automl_vision.pipelines.labels import TakenLabels, new_labels, take_enough_labels, take_labels
from automl_vision.pipelines.release_steps import champion_changes, roll_back
from automl_vision.pipelines.results import Challenged, DataTaken, Judged
from automl_vision.pipelines.running import known_results, run_pipeline, run_step
from automl_vision.pipelines.starts import plan_start, planned_starts
from automl_vision.pipelines.steps import STEPS
from automl_vision.workspace.label_queue import LabelQueue
from colour_models import GOOD, WORTHLESS, write_colour_images


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_colour_images(tmp_path / "data", per_class=10)


@pytest.fixture
def context(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineContext:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return colour_context(Workspace(tmp_path / "workspace"), data)


def names(outcome: object) -> list[tuple[str, bool, bool]]:
    return [(each.step.name, each.result.passed, each.is_new) for each in outcome.done]


def served(context: PipelineContext) -> dict[str, str]:
    definition = Endpoints(context.workspace.path).get("colours").definition()
    return {definition.deployments[name].model: str(share) for name, share in definition.traffic.items()}


def test_the_first_champion_is_served_and_nothing_is_done_twice(context: PipelineContext):
    trained_as(context, "colours-1")
    first = run_pipeline(context)
    assert [each.step for each in first.done] == list(STEPS) and first.passed
    assert context.champion().id == "colours:1" and served(context) == {"colours:1": "100"}
    again = run_pipeline(context)
    assert names(again) == [(step.name, True, False) for step in STEPS]
    assert [each.result for each in again.done] == [each.result for each in first.done]
    (change,) = champion_changes(context)
    assert change.why.startswith("pipeline: Yes: no version is in use yet") and change.user
    check_a_retraining_has_one_budget_for_both_starts(context)


def check_a_retraining_has_one_budget_for_both_starts(context: PipelineContext) -> None:
    assert planned_starts(context) == (["champion", "start"], "")
    training = {"experiment_timeout_hours": 1.0, "arguments": {"number_of_epochs": 3, "pretrained": False}}
    hour = replace(context, definition=context.definition.model_copy(update={"training": training}))
    first = plan_start(hour, "champion", "colours:1", spent=0, left=2)
    assert first["experiment_timeout_hours"] == 0.5 and first["iterations"] == 1
    assert first["arguments"] == {"number_of_epochs": 3, "pretrained": False, "checkpoint_run_id": "colours-1"}
    assert hour.definition.config(**first).algorithm == hour.definition.config().algorithm
    second = plan_start(hour, "start", "colours:1", spent=600, left=1)
    assert second == {"experiment_timeout_hours": pytest.approx(5 / 6)}
    shutil.rmtree(context.workspace.run_folder("colours-1").model)
    starts, note = planned_starts(context)
    assert starts == ["start"] and "run colours-1 of colours:1 has no model any more" in note


def test_a_worse_challenger_stays_a_candidate(context: PipelineContext, data: Path):
    trained_as(context, "colours-1")
    run_pipeline(context)
    (data / "train" / "blue" / "0.png").unlink()
    trained_as(context, "colours-2", weights=WORTHLESS)
    outcome = run_pipeline(context)
    assert outcome.refused.step.name == "compare" and outcome.refused.result.answer == "no"
    assert any("failed worst_class_margin" in note and "red" in note for note in outcome.refused.result.notes)
    assert context.champion().id == "colours:1" and served(context) == {"colours:1": "100"}
    assert context.workspace.models.get("colours@candidate").id == "colours:2"
    assert names(run_pipeline(context))[-1] == ("compare", False, False), "what was refused is not measured again"
    with pytest.raises(PipelineError, match=r"the step compare of colours did not pass: No: "):
        run_step(context, "promote")


def test_a_rollback_is_not_undone_by_the_next_run(context: PipelineContext, data: Path):
    trained_as(context, "colours-1")
    run_pipeline(context)
    (data / "train" / "blue" / "0.png").unlink()
    trained_as(context, "colours-2")
    assert run_pipeline(replace(context, why="half the latency")).passed
    assert served(context) == {"colours:1": "0", "colours:2": "100"}
    change, deployed = roll_back(context, "mistakes on wet leaves")
    assert (change.previous, change.version, deployed.version) == (2, 1, "colours:1")
    assert served(context) == {"colours:1": "100", "colours:2": "0"}
    outcome = run_pipeline(context)
    assert (
        outcome.refused.step.name == "promote" and "took that back: mistakes on wet" in outcome.refused.result.sentence
    )
    assert [each.why for each in champion_changes(context)][1:] == ["half the latency", "mistakes on wet leaves"]


def test_a_version_that_a_person_promotes_again_is_served_again(context: PipelineContext, data: Path):
    trained_as(context, "colours-1")
    run_pipeline(context)
    (data / "train" / "blue" / "0.png").unlink()
    trained_as(context, "colours-2")
    run_pipeline(context)
    roll_back(context)
    promote_judged(context.workspace, "colours:2", why="they were wet, not ill")
    assert served(context) == {"colours:1": "100", "colours:2": "0"}
    assert run_pipeline(context).passed
    assert served(context)["colours:2"] == "100"


def test_what_changed_in_the_data_is_told(context: PipelineContext, data: Path):
    first = run_pipeline(context, until="data").done[0].result
    assert (first.version, first.test, first.test_images, first.previous) == ("colours:1", "colours-test:1", 30, "")
    shutil.move(data / "train" / "red" / "0.png", data / "train" / "blue" / "moved.png")
    shutil.move(data / "test" / "red" / "0.png", data / "test" / "blue" / "moved.png")
    for split in ("train", "val"):
        folder = data / split / "violet"
        folder.mkdir()
        for i in range(6):
            Image.fromarray(np.full((16, 16, 3), 10 * i + (split == "val"), np.uint8)).save(folder / f"{i}.png")
    second = run_pipeline(context, until="data").done[0].result
    assert (second.version, second.test, second.previous) == ("colours:2", "colours-test:2", "colours:1")
    assert (second.added, second.removed, second.relabelled) == (12, 0, 2) and second.classes_added == ["violet"]
    assert "1 of the frozen test images have other labels now" in second.notes
    assert any(note.startswith("no frozen test image has the classes violet") for note in second.notes)
    frozen = Dataset.load(context.workspace.datasets.get("colours-test"))
    assert len(frozen) == 30 and set(frozen.splits.tolist()) == {"test"}
    (data / "test" / "violet").mkdir()
    Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).save(data / "test" / "violet" / "0.png")
    Image.fromarray(np.full((16, 16, 3), 201, np.uint8)).save(data / "test" / "red" / "new.png")
    third = run_pipeline(context, until="data").done[0].result
    assert third.test_images == 31, "an image of a new class joins, others do not"
    assert "1 test images of new classes joined the frozen ones" in third.notes


def test_a_frozen_image_is_never_trained_on(context: PipelineContext, data: Path):
    run_pipeline(context, until="data")
    for file in (data / "test" / "red").iterdir():
        shutil.move(file, data / "train" / "red" / f"was-test-{file.name}")
    taken = run_pipeline(context, until="data").done[0].result
    assert isinstance(taken, DataTaken)
    dataset = Dataset.load(context.workspace.datasets.get(taken.version))
    moved = ["was-test" in image for image in dataset.table["image"].to_pylist()]
    assert sum(moved) == 10 and set(dataset.splits[moved].tolist()) == {"test"}


def test_test_images_are_held_out_or_named(data: Path, tmp_path: Path):
    shutil.move(data / "test", tmp_path / "other")
    workspace = Workspace(tmp_path / "workspace")
    with pytest.raises(DataError, match=r"no test images to judge by.*test_share"):
        run_pipeline(colour_context(workspace, data), until="data")
    held = run_pipeline(colour_context(workspace, data, test_share=0.25), until="data").done[0].result
    assert held.test_images == 7 and held.images == {"train": 23, "val": 30, "test": 7}
    again = run_pipeline(colour_context(workspace, data, test_share=0.25), until="data").done[0].result
    assert again == held
    named = colour_context(workspace, data, name="named", test_data=str(tmp_path / "other"))
    assert run_pipeline(named, until="data").done[0].result.test_images == 30


def test_the_steps_after_the_first_work_with_what_was_taken_last(data: Path, tmp_path: Path):
    shutil.move(data / "test", tmp_path / "other")
    context = colour_context(Workspace(tmp_path / "workspace"), data, test_data=str(tmp_path / "other"))
    first = run_pipeline(context, until="data").done[0].result
    moved = tmp_path / "other" / "red" / "0.png"
    shutil.move(moved, tmp_path / "away.png")
    second = run_pipeline(context, until="data").done[0].result
    assert (first.test_images, second.test_images) == (30, 29)
    shutil.move(tmp_path / "away.png", moved)
    third = run_pipeline(context, until="data").done[0].result
    assert third == first and known_results(context)[0].of(DataTaken) == first
    shutil.rmtree(tmp_path / "other")
    of_version = replace(context, version=first.version)
    assert run_step(of_version, "check").result.step == "check", "the test images are not opened again"
    with pytest.raises(DataError):
        run_step(context, "check")


def test_gates_of_data_and_evaluation_refuse(context: PipelineContext, data: Path):
    shutil.copy(data / "train" / "red" / "0.png", data / "val" / "red" / "leak.png")
    strict = replace(
        context, definition=context.definition.model_copy(update={"gates": type(context.definition.gates)()})
    )
    refused = run_pipeline(strict)
    assert refused.refused.step.name == "check" and "at most 0 are allowed" in refused.refused.result.sentence
    assert Path(refused.refused.result.report).exists()
    gates = {"evaluation": {"accuracy": 0.1, "log_loss": 0.0001}, "data": {"max_errors": 100}}
    wanted = colour_context(context.workspace, data, gates=gates)
    trained_as(wanted, "colours-1")
    outcome = run_pipeline(wanted)
    judged = outcome.refused.result
    assert isinstance(judged, Judged) and judged.images == 30
    assert judged.sentence.startswith("log_loss is 0.") and judged.sentence.endswith("at most 0.0001 is wanted")


def test_a_new_class_is_compared_and_told(context: PipelineContext, data: Path, tmp_path: Path):
    shutil.rmtree(data)
    two = write_colour_images(data, per_class=10)
    for split in ("train", "val", "test"):
        shutil.move(two / split / "red", tmp_path / f"red-{split}")
    trained_as(context, "colours-1", weights=GOOD[:, :2], classes=("blue", "green"))
    run_pipeline(context)
    for split in ("train", "val", "test"):
        shutil.move(tmp_path / f"red-{split}", two / split / "red")
    trained_as(context, "colours-2")
    outcome = run_pipeline(context)
    compared = next(each.result for each in outcome.done if isinstance(each.result, Challenged))
    assert "new classes, which count against the champion: red" in compared.notes
    assert outcome.passed and context.champion().id == "colours:2"


def test_labels_of_the_queue_become_the_next_version(data: Path, tmp_path: Path):
    workspace = Workspace(tmp_path / "workspace")
    workspace.datasets.register(Dataset.open(data), "photos")
    context = colour_context(workspace, "photos")
    queue = workspace.label_queue
    for i, colour in enumerate(["red", "blue"]):
        file = tmp_path / f"{i}.png"
        Image.fromarray(np.full((16, 16, 3), 60 + i, np.uint8)).save(file)
        photo = LabelQueue.describe(file.read_bytes(), model="colours:1", task="image-classification",
                                    classes=["red", "blue"], prediction={}, predicted=["red"])  # fmt: skip
        queue.add(file.read_bytes(), photo)
        queue.correct(photo.id, colour)
    assert new_labels(context) == 2
    patient = colour_context(workspace, "photos", triggers={"labels": {"at_least": 3}})
    assert take_enough_labels(patient).sentence == "2 new labels, 3 are wanted"
    assert take_enough_labels(context) == TakenLabels(2, 1, "photos:2")
    assert workspace.datasets.get("photos:2").parent == "photos:1"
    taken = run_pipeline(context, until="data").done[0].result
    assert taken.version == "photos:2" and taken.added == 2
    assert new_labels(context) == 0 and take_labels(context) is None
    with pytest.raises(PipelineError, match="next version of a registered dataset"):
        take_labels(colour_context(workspace, data))


def test_two_processes_do_not_work_on_one_pipeline(context: PipelineContext):
    with context.store.held(), pytest.raises(PipelineError, match="another process works on the pipeline colours"):
        run_pipeline(context)
    with pytest.raises(PipelineError, match="the step check of colours is not done for the data and settings"):
        run_step(context, "train")


def test_all_mistakes_of_a_file_are_told_with_their_lines(tmp_path: Path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "name: my leaves\ntask: image-classification\ndata: leaves/\ntraining:\n  iteration: 3\n"
        "gates:\n  evaluation: {acuracy: 0.5}\n"
    )
    with pytest.raises(ConfigError) as told:
        read_pipeline(file)
    assert "line 1: name: a name has letters" in str(told.value)
    file.write_text(file.read_text().replace("my leaves", "leaves"))
    with pytest.raises(ConfigError) as told:
        read_pipeline(file)
    assert 'line 5: training: no setting is named "iteration".' in str(told.value)
    assert 'line 7: gates.evaluation: "acuracy" is no metric' in str(told.value)
    file.write_text(
        "name: leaves\ntask: image-classification\ndata: leaves/\ntraining:\n  iterations: 3\n  sampling:\n"
        "    type: random\n    space: {learning_rat: {type: uniform, low: 0.1, high: 0.2}}\n"
    )
    with pytest.raises(ConfigError) as told:
        read_pipeline(file)
    assert "line 8: training: hyperparameter_sampling: learning_rat" in str(told.value), "also by another name"
    with pytest.raises(ConfigError, match=r"the file cannot be read \(No such file"):
        read_pipeline(tmp_path / "missing.yaml")
    file.write_text("name: leaves\ntask: image-classification\ndata: leaves/\n")
    assert read_pipeline(file).data == str(tmp_path.resolve() / "leaves")


def test_the_schema_takes_what_the_reader_takes():
    from jsonschema import Draft202012Validator

    from automl_vision.pipelines.definition import pipeline_schema

    schema = pipeline_schema()
    Draft202012Validator.check_schema(schema)
    values = {
        "name": "a",
        "task": "image-classification",
        "data": "b",
        "gates": {"promotion": RULE},
        "training": {"iterations": 3, "arguments": {"learning_rate": 0.1}},
        "triggers": {"schedule": "0 3 * * 1"},
    }
    assert PipelineDefinition(**values).retraining == "both"
    validator = Draft202012Validator(schema)
    assert not list(validator.iter_errors(values))
    assert list(validator.iter_errors({**values, "training": {"iteration": 3}}))
