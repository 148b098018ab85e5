"""What a real Label Studio said, recorded, and a server on loopback that says it again.

`python tests/labeling/recorded_exchange.py --environment FOLDER` records the stories of `labeling_story` anew, with the
real server of `label_studio_server`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
START, START_TASK = "start", "image-classification"
"""The recording that begins with images without labels, and its task."""

_ID = re.compile(r"automl-vision:[0-9a-f]{16}")
_UNREAD = frozenset({  # what no code here reads, and would be most of the files
    "annotations_results", "predictions_results", "parsed_label_config", "control_weights",
    "config_has_control_tags", "custom_task_lock_ttl", "created_by", "comment_authors",
})  # fmt: skip


@dataclass
class Exchange:
    """Requests and answers, in order; the folder of files and ids that are made anew each time are replaced by words.

    Attributes:
        files: folder below which the server serves files.
        entries: method, path, body and status and answer of each request.
    """

    files: Path
    entries: list[dict[str, Any]] = field(default_factory=list)

    def masked(self, body: bytes) -> Any:
        """A JSON body without what differs each time; None for one that is not JSON."""
        text = body.decode(errors="replace").replace(str(self.files), "{files}")
        try:
            return json.loads(_ID.sub("automl-vision:{id}", text)) if text else None
        except ValueError:
            return None


def _read(answer: Any) -> Any:
    """An answer without what is not read."""
    if isinstance(answer, list):
        return [_read(each) for each in answer]
    if not isinstance(answer, dict):
        return answer
    return {name: _read(value) for name, value in answer.items() if name not in _UNREAD and value is not None}


def save(name: str, exchange: Exchange) -> None:
    """Write an exchange, a line per request."""
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in exchange.entries)
    (RECORDED / f"{name}.json").write_text(f"[\n{lines}\n]\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, answer: Callable[..., tuple[int, bytes]]) -> None:
        self._answer = answer
        super().__init__(*arguments)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content = self._answer(self.command, self.path, body, self.headers.get("Authorization"))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - as the library calls them

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _site(answer: Callable[..., tuple[int, bytes]]) -> AbstractContextManager[str]:
    from loopback import serving  # as a program this file finds it once `sys.path` is complete

    return serving(partial(_Handler, answer=answer))


@contextmanager
def recording(real: str, files: Path) -> Iterator[tuple[str, Exchange]]:
    """A server that passes requests on to the real one, and what it heard."""
    exchange = Exchange(files)

    def answer(method: str, path: str, body: bytes, authorization: str | None) -> tuple[int, bytes]:
        headers = {"Authorization": authorization or "", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{real}{path}", body or None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as done:
                status, content = done.status, done.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        entry = {"method": method, "path": path, "body": exchange.masked(body), "status": status}
        exchange.entries.append({**entry, "answer": _read(exchange.masked(content))})
        return status, content

    with _site(answer) as url:
        yield url, exchange


@contextmanager
def replaying(name: str, files: Path, *, below: str = "") -> Iterator[str]:
    """A server that answers what the real one answered to the same requests, in the same order for each address.

    A request that was not made in the recording, or with another body, is answered with status 418.

    Args:
        name: of the recording.
        files: folder below which the server serves files.
        below: path that the server lies below, such as `/label-studio`.
    """
    exchange, waiting = Exchange(files), defaultdict[tuple[str, str], list[dict[str, Any]]](list)
    for entry in json.loads((RECORDED / f"{name}.json").read_text()):
        waiting[entry["method"], entry["path"]].append(entry)

    def answer(method: str, path: str, body: bytes, _: str | None) -> tuple[int, bytes]:
        if not path.startswith(f"{below}/"):
            return 404, f"{path} is not below {below}".encode()
        path, body = path.removeprefix(below), body.replace(f'"{below}/data/'.encode(), b'"/data/')
        entries = waiting[method, path]
        if not entries or entries[0]["body"] != exchange.masked(body):
            wanted = entries[0]["body"] if entries else "nothing"
            return 418, f"{method} {path} was {exchange.masked(body)}, not {wanted}".encode()
        found = entries.pop(0)
        text = "" if found["answer"] is None else json.dumps(found["answer"]).replace("{files}", str(files))
        return found["status"], text.encode()

    with _site(answer) as url:
        yield f"{url}{below}"


def main() -> None:
    """Record the stories."""
    from labeling_story import TASKS, tell, tell_start

    from label_studio_server import install, label_studio

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, required=True, help="where Label Studio is installed, or will be")
    parser.add_argument("--place", type=Path, help="folder of its database; by default one that is deleted at the end")
    parser.add_argument("--only", help="name of one recording; by default all are recorded anew")
    options = parser.parse_args()
    RECORDED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        files, place = Path(made).resolve() / "files", options.place or Path(made) / "place"
        with label_studio(install(options.environment), place, files) as server:
            stories = {task: (tell, task) for task in TASKS} | {START: (tell_start, START_TASK)}
            for name, (story, task) in stories.items():
                if options.only not in (None, name):
                    continue
                with recording(server.url, files) as (url, exchange):
                    story(task, url, server.token, files, Path(made) / name)
                save(name, exchange)
                print(name, len(exchange.entries), "requests")


if __name__ == "__main__":
    sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    main()
