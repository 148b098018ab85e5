"""A project on a Label Studio server: found or made, set up, and filled with tasks and predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from automl_vision.formats.tools.label_studio_results import with_classes
from automl_vision.labeling.records import LabelingError
from automl_vision.web.label_studio import LabelStudio, LabelStudioError

_MARK = "automl-vision:"
_TITLE = 50  # characters that a title may have
_VIEW = "Queue"
_HIDDEN = [  # columns of the view, so that the image and the reason for it are seen beside each other
    *(f"tasks:{name}" for name in (
        "inner_id", "completed_at", "annotators", "annotations_results", "annotations_ids", "predictions_results",
        "predictions_model_versions", "created_at", "updated_at", "updated_by", "avg_lead_time", "draft_exists",
        "file_upload", "storage_filename", "comment_count", "unresolved_comment_count", "comment_authors",
        "last_comment_updated_at",
    )),
    *(f"tasks:data.{name}" for name in ("digest", "reference", "split", "signed")),
]  # fmt: skip


class ServerProject:
    """A project on a server.

    Args:
        server: that has it.
        number: of the project there.
    """

    def __init__(self, server: LabelStudio, number: int) -> None:
        self._server, self.number = server, number

    @staticmethod
    def find_or_make(server: LabelStudio, project_id: str, title: str, interface: str) -> ServerProject:
        """The project whose description has the id; it is made where there is none, so that a second try finds it.

        Raises:
            LabelStudioError: the server refuses.
        """
        mark = f"{_MARK}{project_id}"
        for found in server.pages("/api/projects/"):
            if mark in str(found.get("description")):
                return ServerProject(server, int(found["id"]))
        settings = {
            "title": title[:_TITLE], "description": f"Made by automl-vision; leave this id here: {mark}",
            "label_config": interface, "sampling": "Sequential sampling", "show_collab_predictions": True,
        }  # fmt: skip
        return ServerProject(server, int(server.send("POST", "/api/projects/", settings)["id"]))

    @property
    def url(self) -> str:
        """Of the project's page."""
        return f"{self._server.url}/projects/{self.number}"

    def set(self, **settings: Any) -> None:
        """Change settings of the project, those that differ."""
        known = self._server.get(f"/api/projects/{self.number}/")
        changed = {name: value for name, value in settings.items() if known.get(name) != value}
        if changed:
            self._server.send("PATCH", f"/api/projects/{self.number}/", changed)

    def offer(self, classes: Sequence[str]) -> None:
        """Let people choose all of some classes; what they can choose already stays.

        Raises:
            LabelingError: the project's interface is not XML.
        """
        interface = str(self._server.get(f"/api/projects/{self.number}/").get("label_config", ""))
        try:
            wanted = with_classes(interface, classes)
        except ValueError as error:
            raise LabelingError(f"{self.url}: {error}") from None
        if wanted != interface:
            self._server.send("PATCH", f"/api/projects/{self.number}/", {"label_config": wanted})

    def serve_files(self, folder: Path) -> None:
        """Let the project's people see files below a folder.

        Raises:
            LabelingError: the server does not serve files of this folder.
        """
        known = self._server.get("/api/storages/localfiles/", project=self.number)
        if any(storage["path"] == str(folder) for storage in known):
            return
        body = {"project": self.number, "path": str(folder), "title": folder.name, "use_blob_urls": True}
        try:
            self._server.send("POST", "/api/storages/localfiles/", body)
        except LabelStudioError as error:
            raise LabelingError(
                f"Label Studio does not serve files of {folder}; start it with "
                "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to a "
                f"folder above it, and name that folder with --files. {error}"
            ) from None

    def require_image(self, address: str) -> None:
        """Open one image as a browser would.

        Raises:
            LabelingError: the server does not serve it.
        """
        try:
            self._server.download(address)
        except LabelStudioError as error:
            raise LabelingError(
                f"Label Studio does not serve {address}; name its LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT with --files. "
                f"{error}"
            ) from None

    def order_by_rank(self) -> None:
        """Make a view of the tasks in the order of the queue, unless there is one."""
        views = self._server.get("/api/dm/views/", project=self.number)
        if any(view["data"].get("title") == _VIEW for view in views):
            return
        data: dict[str, Any] = {"title": _VIEW, "type": "list", "target": "tasks", "ordering": ["tasks:data.rank"]}
        data["hiddenColumns"] = {"explore": _HIDDEN, "labeling": _HIDDEN}
        self._server.send("POST", "/api/dm/views/", {"project": self.number, "data": data})

    def tasks(self) -> Iterator[dict[str, Any]]:
        """All tasks with their annotations and drafts."""
        yield from self._server.pages("/api/tasks/", project=self.number, fields="all")

    def predicted_tasks(self) -> Iterator[dict[str, Any]]:
        """All tasks with their predictions alone, in half the time; annotations would be numbers only."""
        yield from self._server.pages("/api/tasks/", project=self.number, fields="all", include="id,data,predictions")

    def add_tasks(self, tasks: Sequence[dict[str, Any]]) -> None:
        """Add tasks with their predictions."""
        self._server.send("POST", f"/api/projects/{self.number}/import", list(tasks))

    def add_predictions(self, predictions: Sequence[dict[str, Any]]) -> int:
        """Add predictions, each with the number of its `task`.

        Returns:
            How many the server took; it leaves out those with a class that cannot be chosen.
        """
        if not predictions:
            return 0
        answer = self._server.send("POST", f"/api/projects/{self.number}/import/predictions", list(predictions))
        return int(answer["created"])

    def remove_prediction(self, number: int) -> None:
        """Delete a prediction."""
        self._server.send("DELETE", f"/api/predictions/{number}/")

    def change_data(self, task: int, data: dict[str, Any]) -> None:
        """Replace the data of a task."""
        self._server.send("PATCH", f"/api/tasks/{task}/", {"data": data})

    def call(self, url: str, key: str) -> None:
        """Let the server call an address whenever an annotation changes, unless it does already.

        Args:
            url: to call.
            key: that it presents, as in `Authorization: Bearer KEY`.
        """
        known = self._server.get("/api/webhooks/", project=self.number)
        for hook in known:
            if hook["url"] == url:
                self._server.send("DELETE", f"/api/webhooks/{hook['id']}/")  # its key may be an old one
        actions = ["ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"]
        self._server.send(
            "POST", "/api/webhooks/",
            {"project": self.number, "url": url, "send_payload": False, "send_for_all_actions": False,
             "actions": actions, "headers": {"Authorization": f"Bearer {key}"}},
        )  # fmt: skip

    def connect_model(self, url: str, title: str, key: str) -> None:
        """Let the server ask an endpoint for predictions while people label.

        Args:
            url: of the endpoint.
            title: that people see.
            key: of the endpoint; empty if it needs none.
        """
        body: dict[str, Any] = {"project": self.number, "url": url, "title": title, "is_interactive": False}
        if key:
            body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": "key", "basic_auth_pass": key}
        known = next((each for each in self._server.get("/api/ml/", project=self.number) if each["url"] == url), None)
        path = "/api/ml/" if known is None else f"/api/ml/{known['id']}/"
        self._server.send("POST" if known is None else "PATCH", path, body)
        self.set(evaluate_predictions_automatically=True)
