"""Endpoints from the command line: what is printed, what is changed, and what is refused with a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_vision import Workspace
from automl_vision.deployment.monitoring.store import Sample
from automl_vision.deployment.online.endpoint_folder import Endpoints
from automl_vision.serving.observations import Observations, Observer, Reference
from command_line import Done, run_command
from model_folders import write_classifier


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the registered model "shapes" and an endpoint that serves its champion."""
    place = tmp_path_factory.mktemp("place")
    models = Workspace(place / "ws").models
    version = models.register(write_classifier(place / "model"), "shapes")
    models.alias("shapes", "champion", version.number)
    done = command(place, "deploy", "shapes@champion", "--endpoint", "helmets")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("helmets: shapes-1 takes 100 % of the traffic\nprimary key  amv_")
    assert "automl-vision serve helmets" in done.stdout
    return place


def command(place: Path, *arguments: str) -> Done:
    return run_command(*arguments, environment={"AUTOML_VISION_WORKSPACE": str(place / "ws"), "COLUMNS": "120"})


def test_traffic_and_keys_are_changed_and_shown(place: Path) -> None:
    done = command(place, "deploy", str(place / "model"), "-e", "helmets", "--name", "next", "--mirror", "20")
    assert "Give it traffic with" in done.stdout
    done = command(place, "endpoints", "traffic", "helmets", "shapes-1=90", "next=10")
    assert done.stdout == "shapes-1 90 %, next 10 %\n"
    assert re.fullmatch(r"amv_\S{43}\n", command(place, "endpoints", "renew-key", "helmets", "secondary").stdout)
    command(place, "endpoints", "limit-key", "helmets", "primary", "--per-second", "5")
    shown = json.loads(command(place, "endpoints", "show", "helmets", "--json").stdout)
    assert shown["deployments"]["shapes-1"]["model"] == "shapes:1"
    assert (shown["traffic"], shown["mirror_traffic"]) == ({"shapes-1": 90, "next": 10}, {"next": 20})
    assert {key["name"]: key["per_second"] for key in shown["keys"]} == {"primary": 5.0, "secondary": None}
    assert [change["what"] for change in shown["changes"]][-3:] == [
        "changed the traffic", "renewed the secondary key", "limited the primary key",
    ]  # fmt: skip
    text = command(place, "endpoints", "show", "helmets").stdout
    assert "at most 5 per second" in text and "next" in text
    assert "helmets" in command(place, "endpoints").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deploy", "shapes:9", "-e", "x"), "has no version 9"),
        (("deploy", "/nowhere", "-e", "x"), "is not a model folder"),
        (("serve", "helmts"), 'no endpoint is named "helmts". Did you mean "helmets"?'),
        (("endpoints", "traffic", "helmets", "shapes-1=50"), "sum to 100, not to 50"),
        (("endpoints", "traffic", "helmets", "shapes-1"), "is not of the form DEPLOYMENT=PERCENT"),
        (("endpoints", "remove", "helmets", "shapes-1"), "of the traffic; give that to another one first"),
        (("endpoints", "renew-key", "helmets", "third"), 'a key is primary or secondary, not "third"'),
        (("serve", "helmets", "--host", "0.0.0.0"), "which needs TLS (--certificate and --key)"),
    ],
)
def test_what_cannot_be_is_one_sentence(place: Path, arguments: tuple[str, ...], said: str) -> None:
    done = command(place, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_drift_is_told_with_an_exit_code(place: Path, tmp_path: Path) -> None:
    done = command(place, "deploy", str(place / "model"), "-e", "watched", "--name", "blue")
    assert done.returncode == 0, done.stderr
    done = command(place, "drift", "watched")
    assert (done.returncode, done.stderr) == (2, done.stderr) and "has no reference.npz" in done.stderr
    folder = Endpoints(place / "ws").get("watched")
    deployment = folder.definition().deployments["blue"]
    model = folder.model_folder(deployment)
    observer = Observer(model)
    random = np.random.default_rng(0)
    seen = [
        observer.observe(observer.processor.preprocess(Image.new("RGB", (40, 40), tuple(colour))))[0]
        for colour in random.integers(0, 120, (60, 3)).tolist()
    ]
    ones = np.ones(40, np.float32)
    Reference(Observations.join(seen[:40]), ones, ones, Observations.join(seen[:40]).confidence).save(model)
    assert command(place, "drift", "watched").stdout.endswith("at least 20 are needed; look again later\n")
    store = folder.samples("blue", folder.definition().monitoring)
    for each in seen[40:]:
        store.add(Sample(0.0, "r", deployment.folder, each, {"predicted": []}))
    done = command(place, "drift", "watched")
    assert done.returncode == 0, done.stderr
    assert "20 images do not differ from the 40 of the validation" in done.stdout
    assert "20 samples from 1970-01-01T00:00:00+00:00" in done.stdout and "how sure the model is" in done.stdout
    bright = observer.observe(observer.processor.preprocess(Image.new("RGB", (40, 40), (250, 240, 230))))[0]
    for _ in range(20):
        store.add(Sample(9.0, "r", deployment.folder, bright, {"predicted": ["circle"]}, b"jpeg"))
    done = command(place, "drift", "watched", "--newest", "20", "--json", "--batch", str(tmp_path / "batch"))
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert (found["is_alarm"], found["batch"], found["samples"]) == (True, 20, 20)
    done = command(place, "drift", "watched", "--level", "2")
    assert done.returncode == 2 and "level is the share of false alarms" in done.stderr
