"""Server-sent events of a run: nothing is lost or repeated, and the disk is read once for all who watch."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from automl_vision import Workspace
from automl_vision.core.records import TrialStatus
from automl_vision.experiment.live import Position
from automl_vision.studio.events import LiveReader, LiveReaders, View
from automl_vision.studio.opened import opened_workspaces
from automl_vision.workspace.run_folder import RunFolder
from processes import free_port
from studio_browser import served
from written_runs import begun_trial, evaluate, written_run


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    """A run with a finished trial and one at work, on which this process works."""
    run = written_run(Workspace(tmp_path / "workspace"), "live", trials=1, status="Running", ended=None)
    evaluate(begun_trial(run, 1), 0, 0.4)
    with run.lock.hold():
        yield run


def settled(reader: LiveReader) -> None:
    """Let the last reading be a second old."""
    reader._read_at -= 2
    reader._looked_at -= 2


def test_a_view_is_sent_what_has_changed(folder: RunFolder) -> None:
    reader = LiveReader(folder)
    view = View(reader, None)
    change, _ = view.next()
    assert change is not None
    assert [line.trial for line in change.lines] == [1]  # of the other one the board has everything
    assert [message.text for message in change.messages] == ["plan: about 14 trials"]
    assert (change.trials, change.has_ended) == (2, False)
    settled(reader)
    assert view.next()[0] is None

    trial = folder.trial(1)
    evaluate(trial, 1, 0.8)
    folder.message("something")
    settled(reader)
    second, position = view.next()
    assert second is not None
    assert second.revision > change.revision
    assert [(line.trial, line.curve, line.value) for line in second.lines] == [(1, [0.4, 0.8], 0.8)]
    assert [message.text for message in second.messages] == ["something"]
    assert position == reader.live.position

    trial.update(status=TrialStatus.CANCELED)
    folder.update(status="Canceled")
    settled(reader)
    last, _ = view.next()
    assert last is not None
    assert (last.status, last.has_ended, [line.status for line in last.lines]) == ("Canceled", True, ["Canceled"])


def test_any_number_of_views_reads_the_disk_once(folder: RunFolder) -> None:
    readers = LiveReaders()
    opened = opened_workspaces([Workspace(folder.path.parent.parent)])["workspace"]
    reader = readers.of(opened, "live")
    assert readers.of(opened, "live") is reader
    views = [View(reader, None) for _ in range(20)]
    threads = [threading.Thread(target=view.next) for view in views for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reader.reads == 1
    settled(reader)
    assert [view.next()[0] for view in views] == [None] * 20
    assert reader.reads == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda run: run.message("something"), id="a message"),
        pytest.param(lambda run: run.update(reason="full disk"), id="the record"),
        pytest.param(lambda run: run.cancel_request.set(), id="a request to end"),
        pytest.param(lambda run: evaluate(run.trial(1), 1, 0.8), id="an evaluation"),
        pytest.param(lambda run: run.trial(1).update(status=TrialStatus.CANCELED), id="the end of a trial"),
        pytest.param(lambda run: begun_trial(run, 2), id="a new trial"),
    ],
)
def test_what_is_written_changes_the_state_of_the_files(
    folder: RunFolder, change: Callable[[RunFolder], object]
) -> None:
    live = LiveReader(folder).live
    live.update()
    before = live.files_state()
    assert live.files_state() == before
    change(folder)
    assert live.files_state() != before


class Stream:
    """A connection to the events of a run, as a browser has it."""

    def __init__(self, address: str, last: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
        headers = {} if last is None else {"Last-Event-ID": last}
        self._connection.request("GET", "/api/v1/runs/live/events", headers=headers)
        self.response = self._connection.getresponse()

    def event(self) -> tuple[str, dict[str, Any]]:
        """The next event: its id and its data."""
        found: dict[str, str] = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            found[name] = value
        return found["id"], json.loads(found["data"])

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def heard(stream: Stream, until: str) -> tuple[str, list[str]]:
    """The messages up to one, and the id of the event that brought it."""
    texts: list[str] = []
    last = ""
    while until not in texts:
        last, data = stream.event()
        texts += [message["text"] for message in data["messages"]]
    return last, texts


def test_a_connection_goes_on_where_another_one_stopped_also_at_another_server(folder: RunFolder) -> None:
    path, port = folder.path.parent.parent, str(free_port())
    with served([path], "--port", port) as address, closing(Stream(address)) as stream:
        assert stream.response.getheader("content-type") == "text/event-stream; charset=utf-8"
        folder.message("one")
        last, texts = heard(stream, "one")
        assert texts == ["plan: about 14 trials", "one"]
        with closing(Stream(address)) as other:
            assert heard(other, "one")[1] == ["plan: about 14 trials", "one"]
    folder.message("two")
    begun_trial(folder, 2).events.append(type(folder.events.messages()[0])(text="three", time=time.time() + 1))
    with served([path], "--port", port) as address, closing(Stream(address, last)) as stream:
        last, texts = heard(stream, "three")
        assert texts == ["two", "three"]
        assert Position.parse(last).started == 3
        folder.update(status="Completed", ended=time.time())
        changed = stream.event()[1]
        while not changed["has_ended"]:
            changed = stream.event()[1]
        assert stream.response.read() == b""  # the stream ends with the run
    with served([path], "--port", port) as address, closing(Stream(address, "nonsense")) as stream:
        assert stream.event()[1]["has_ended"] is True


def test_the_events_of_an_unknown_run_are_refused(client: Any) -> None:
    assert client.get("/api/v1/runs/nothing/events").status_code == 404
