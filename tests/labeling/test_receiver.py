"""The receiver of Label Studio's calls: who may call, and that a call leads to a sync."""

from __future__ import annotations

import threading

from starlette.testclient import TestClient

from automl_vision.labeling.receiver import PATH, Follower, receiver_app
from automl_vision.web.label_studio import LabelStudioError


def test_a_call_with_the_key_leads_to_a_sync() -> None:
    """Also after one that failed; several calls at the same time are one sync."""
    synced, told = threading.Semaphore(0), list[str]()
    answers = iter([LabelStudioError("away"), "set:2: 1 image", ""])

    def sync() -> str:
        found = next(answers)
        synced.release()
        if isinstance(found, Exception):
            raise found
        return found

    follower = Follower(sync, told.append, quiet_seconds=0.01)
    with TestClient(receiver_app(follower, "the-key")) as client:
        assert client.post(PATH, json={}).status_code == 401
        assert client.post(PATH, json={}, headers={"Authorization": "Bearer other"}).status_code == 401
        client.headers["Authorization"] = "Bearer the-key"
        for _ in range(2):
            assert client.post(PATH, json={"action": "ANNOTATION_CREATED"}).json() == {"status": "noted"}
            assert synced.acquire(timeout=30)
        assert not synced.acquire(blocking=False)
    assert told == ["set:2: 1 image"]
