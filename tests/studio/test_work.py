"""Work in the background: its turns, its end, and what pages are told of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from automl_vision.core.errors import DataError
from automl_vision.studio.app import create_app
from automl_vision.studio.work import BackgroundWork, Progress, Work
from automl_vision.web.problems import NotFoundError
from automl_vision.workspace.workspace import Workspace


def ended(background: BackgroundWork, work: Work) -> Work:
    while not background.get(work.id).has_ended:
        time.sleep(0.005)
    return background.get(work.id)


def counting(progress: Progress) -> dict[str, int]:
    for done in range(1, 4):
        progress(done, 3, "counting")
    return {"counted": 3}


def test_work_reports_its_steps_and_its_result() -> None:
    background = BackgroundWork()
    work = ended(background, background.start("count", "Count", counting))
    assert (work.state, work.done, work.total, work.phase) == ("done", 3, 3, "counting")
    assert work.result == {"counted": 3}
    assert work.created <= (work.started or 0) <= (work.ended or 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DataError("the folder has no images"), "the folder has no images"),
        (KeyError("x"), "a fault of the studio: KeyError: 'x'"),
    ],
)
def test_failed_work_says_why(error: Exception, reason: str) -> None:
    def fail(_progress: Progress) -> None:
        raise error

    background = BackgroundWork()
    work = ended(background, background.start("fail", "Fail", fail))
    assert (work.state, work.reason) == ("failed", reason)


def test_the_same_question_is_the_same_work_unless_it_failed(tmp_path: Path) -> None:
    asked = []

    def once(_progress: Progress) -> Path:
        asked.append(1)
        if len(asked) == 1:
            raise DataError("not yet")
        file = tmp_path / "report.html"
        file.write_text("report")
        return file

    background = BackgroundWork()
    first = ended(background, background.start("report", "Report", once, key="a"))
    second = ended(background, background.start("report", "Report", once, key="a"))
    third = background.start("report", "Report", once, key="a")
    other = background.start("report", "Report", once, key="b")
    assert (first.state, second.state) == ("failed", "done")
    assert third.id == second.id != other.id
    ended(background, other)
    (tmp_path / "report.html").unlink()
    assert background.start("report", "Report", once, key="a").id != second.id


def test_heavy_work_takes_turns_and_can_be_canceled_while_it_waits_or_runs() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(progress: Progress) -> None:
        begun.set()
        go_on.wait(10)
        progress(1)

    background = BackgroundWork()
    running = background.start("hold", "Hold", hold)
    waiting = background.start("count", "Count", counting)
    light = background.start("count", "Count", counting, light=True)
    assert begun.wait(10)
    assert ended(background, light).state == "done"
    assert background.get(waiting.id).state == "waiting"
    assert background.cancel(waiting.id).state == "canceled"
    assert background.cancel(running.id).state == "running"
    go_on.set()
    assert ended(background, running).state == "canceled"
    assert background.get(waiting.id).state == "canceled"
    assert [work.id for work in background.all()] == [light.id, waiting.id, running.id]


def test_unknown_work_is_refused() -> None:
    with pytest.raises(NotFoundError, match='no work "7"'):
        BackgroundWork().get("7")


def test_the_api_shows_work(tmp_path: Path) -> None:
    app = create_app([Workspace(tmp_path)])
    file = tmp_path / "made.txt"
    file.write_text("made")
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.headers["X-Studio"] = "1"
        background: BackgroundWork = app.state.work
        counted = ended(background, background.start("count", "Count", counting, page="/data"))
        made = ended(background, background.start("make", "Make", lambda _progress: file))
        listed: dict[str, Any] = client.get("/api/v1/work").json()
        assert [(work["id"], work["result"]) for work in listed["items"]] == [(made.id, None), (counted.id, None)]
        details = client.get(f"/api/v1/work/{counted.id}").json()
        assert (details["result"], details["has_file"], details["page"]) == ({"counted": 3}, False, "/data")
        assert client.get(f"/api/v1/work/{made.id}/file").text == "made"
        assert client.get(f"/api/v1/work/{counted.id}/file").status_code == 404
        assert client.delete(f"/api/v1/work/{made.id}").json()["state"] == "done"
        assert client.get("/api/v1/work/99").status_code == 404
