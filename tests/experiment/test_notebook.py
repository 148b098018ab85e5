"""A run in a notebook: a card that is safe, complete, and kept up to date."""

from __future__ import annotations

import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from automl_vision import Run, Workspace
from automl_vision.core.files import append_json_line
from automl_vision.core.records import PlaceInLine
from automl_vision.experiment.notebook import Card, show_card
from automl_vision.workspace.run_folder import RunFolder
from reporting import write_result


class Markup(HTMLParser):
    """The elements and texts of a card."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        assert not any(name.startswith("on") for name, _ in attributes)
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def evaluate(folder: RunFolder, epoch: int, value: float) -> None:
    append_json_line(
        folder.trial(0).path / "events.jsonl",
        {"event": "evaluation", "time": time.time(), "epoch": epoch, "metrics": {"accuracy": value}, "seconds": 1.0},
    )


def made(root: Path, name: str, **record: Any) -> Run:
    workspace = Workspace(root)
    folder = RunFolder(workspace.runs_path / name)
    folder.create({"primary_metric": "accuracy", "budget_seconds": 600.0, "task": "image-classification"})
    trial = folder.trial(0)
    trial.write_plan({"model_name": "<b>resnet18</b>"})
    trial.write_spec({"model_name": "<b>resnet18</b>"})
    trial.update(status="Running")
    folder.update(**record)
    return Run(workspace, name)


def test_the_card_shows_status_best_curve_and_model_and_escapes_names(tmp_path: Path):
    name = "a<img src=x onerror=alert(1)>"
    run = made(tmp_path, name, status="Running")
    for epoch, value in enumerate([0.2, 0.5, 0.7]):
        evaluate(run.folder, epoch, value)
    write_result(run.folder.trial(0), 0.7)
    run.folder.trial(0).update(status="Completed")
    run.folder.update(status="Completed", seconds=100.0)
    run.folder.model.mkdir()
    bundle = run._repr_mimebundle_()
    found = Markup(bundle["text/html"])
    assert set(found.tags) <= {"div", "span", "svg", "title", "polyline"}
    texts = " ".join(found.texts)
    assert name in texts and "<b>resnet18</b>" in texts
    assert "Completed" in texts and "0.7" in texts and str(run.folder.model) in texts
    assert "polyline" in found.tags
    assert bundle["text/plain"].startswith(f"run {name}: status Completed; accuracy 0.7")
    assert run._repr_html_() == bundle["text/html"]


def test_the_card_of_a_waiting_run_says_for_what(tmp_path: Path):
    place = PlaceInLine(place=2, run="chest-1", workspace="/ws")
    run = made(tmp_path, "a", status="Queued", in_line=place, reason=place.sentence)
    with run.folder.lock.hold():
        assert "Queued, waits for chest-1; 1 more run is before it" in run._repr_html_()


def test_a_shown_card_follows_the_run_to_its_end(tmp_path: Path):
    run = made(tmp_path, "a", status="Running")
    cards: list[str] = []

    class Handle:
        def update(self, content: Card) -> None:
            cards.append(content._repr_html_())

    def display(content: Card, *, display_id: bool) -> Handle:
        assert display_id
        cards.append(content._repr_html_())
        return Handle()

    with run.folder.lock.hold():
        follower = threading.Thread(target=show_card, args=(run.folder, display), kwargs={"poll": 0.02})
        follower.start()
        for epoch, value in enumerate([0.25, 0.5]):
            evaluate(run.folder, epoch, value)
            while not any(f"{value:.4f}" in card for card in cards):
                time.sleep(0.01)
        run.folder.update(status="Completed")
        follower.join(10)
    assert not follower.is_alive()
    assert "Completed" in cards[-1] and "Running" in cards[0]
    assert len(cards) == len(set(cards))


def test_without_a_notebook_the_run_is_told_in_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = made(tmp_path, "a", status="Completed")
    run.folder.message("8 classes")
    run.watch()
    assert "8 classes" in capsys.readouterr().out
