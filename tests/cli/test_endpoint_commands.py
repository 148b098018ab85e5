"""Endpoints from the command line: what is printed, what is changed, and what is refused with a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from automl_vision import Workspace
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
