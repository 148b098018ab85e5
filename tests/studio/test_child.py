"""Calls in another process: values, errors, progress and its end; and what is remembered of them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from automl_vision import Workspace
from automl_vision.core.errors import ConfigError
from automl_vision.search.importance import MOST_TRIALS, importances
from automl_vision.studio.child import Child, ChildError, call_in_child
from automl_vision.studio.importance import kept_importances
from automl_vision.studio.registry import StudioRegistry
from colour_models import GOOD, write_colour_model
from processes import is_alive, wait_for

TRIED = [({"rate": i / 10, "size": i % 3}, float(i)) for i in range(12)]


def test_a_function_runs_in_a_process_that_is_kept_for_the_next_call():
    child = Child(linger=60)
    first, second = child.call(os.getpid), child.call(os.getpid)
    assert first == second != os.getpid()
    child.close()
    assert not is_alive(first)
    with pytest.raises(ChildError, match="has ended"):
        child.call(os.getpid)


def test_the_process_ends_when_it_is_not_called():
    child = Child(linger=0.1)
    first = child.call(os.getpid)
    wait_for(lambda: not is_alive(first))
    assert child.call(os.getpid) != first
    child.close()


def test_what_a_function_raises_is_raised_here():
    child = Child(linger=60)
    with pytest.raises(ValueError, match="needs 10 trials"):
        child.call(importances, TRIED[:3])
    with pytest.raises(ConfigError) as raised:
        call_in_child("automl_vision.experiment.promotion:check_rule", {"values": {"margin": -1, "imges": 3}})
    assert {problem.path for problem in raised.value.problems} == {("margin",), ("imges",)}
    child.close()


def test_a_process_that_is_killed_is_said_and_replaced():
    child = Child(linger=60)
    with pytest.raises(ChildError, match="_exit ended with 3"):
        child.call(os._exit, 3)
    assert child.call(os.getpid) != os.getpid()
    child.close()


def test_the_importance_of_the_same_trials_is_computed_once(tmp_path: Path):
    child = Child(linger=60)
    found = kept_importances(TRIED, child=child, cache=tmp_path)
    assert found == importances(TRIED)
    child.close()  # what is known needs no process
    assert kept_importances(TRIED, child=child, cache=tmp_path) == found
    with pytest.raises(ChildError):
        kept_importances([*TRIED, ({"rate": 2.0, "size": 1}, 0.5)], child=child, cache=tmp_path)


def test_of_many_trials_some_are_weighed():
    many = [({"rate": i / 1000, "other": (i * 7919) % 1000}, i / 1000) for i in range(MOST_TRIALS + 200)]
    shares = importances(many)
    assert importances(many) == shares
    assert shares["rate"] > 0.95


def test_a_registry_is_asked_again_when_its_store_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Workspace(tmp_path / "workspace")
    workspace.models.register(write_colour_model(tmp_path / "a", GOOD), "colours")
    child = Child(linger=60)
    registry = StudioRegistry(workspace, child)
    time.sleep(1.2)  # a store that has just changed is not remembered
    assert [version.number for version in registry.versions("colours")] == [1]
    workspace.models.register(write_colour_model(tmp_path / "b", GOOD), "colours")
    assert [version.number for version in registry.versions("colours")] == [1, 2]
    time.sleep(1.2)
    assert list(registry.listing()) == ["colours"]
    child.close()  # what is known needs no process
    assert list(registry.listing()) == ["colours"]
    with pytest.raises(ChildError):
        registry.log("colours")
