"""Datasets wherever they lie: an S3 store, a web server that fails now and then, archives, hostile ones too."""

from __future__ import annotations

import gzip
import io
import json
import logging
import multiprocessing
import os
import random
import resource
import tarfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from archive_files import tarred, zipped
from automl_vision import Dataset
from automl_vision.core.errors import ConfigError, DataError, ImageError
from automl_vision.labeling.addresses import Addresses, is_expiring
from automl_vision.storage.access import read_image_bytes
from automl_vision.storage.cache_folder import DiskCache
from automl_vision.storage.remote import fetch
from automl_vision.storage.urls import full_url, redacted, without_secrets, without_signature
from counting_site import counting_site
from loopback import serving

LABELS = ["cat", "dog"] * 6


def png(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    stream = io.BytesIO()
    Image.frombytes("RGB", size, random.Random(seed).randbytes(size[0] * size[1] * 3)).save(stream, "PNG")
    return stream.getvalue()


PICTURES = {f"{label}/{i} ü.png": png(i) for i, label in enumerate(LABELS)}
LINES = "".join(json.dumps({"image_url": name, "label": name.split("/")[0]}) + "\n" for name in PICTURES)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# S3


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket with the pictures on an S3 server of this machine."""
    pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    import s3fs

    system = s3fs.S3FileSystem(skip_instance_cache=True)
    system.mkdir("pictures")
    for name, data in PICTURES.items():
        system.pipe_file(f"pictures/set/{name}", data)
    system.pipe_file("pictures/lines/train.jsonl", LINES.replace('"image_url": "', '"image_url": "../set/').encode())
    system.pipe_file(
        "pictures/whole.jsonl", LINES.replace('"image_url": "', '"image_url": "s3://pictures/set/').encode()
    )
    system.pipe_file("pictures/set.zip", zipped(PICTURES))
    yield "s3://pictures"
    patch.undo()
    server.stop()


def labels(dataset: Dataset) -> list[str]:
    return sorted(row["labels"][0] for row in dataset.table.to_pylist())


@pytest.mark.parametrize("path", ["set", "set/", "whole.jsonl", "set.zip"])
def test_a_set_in_a_bucket_is_read(bucket: str, path: str) -> None:
    dataset = Dataset.open(f"{bucket}/{path}")
    assert len(dataset) == 12 and not dataset.report.problems
    assert labels(dataset) == sorted(LABELS)
    images = dataset.table["image"].to_pylist()
    assert sorted(read_image_bytes(dataset.root, image) for image in images) == sorted(PICTURES.values())
    assert "secret" not in str(dataset.table.to_pylist()) + dataset.root


def read_all(root: str, images: list[str], environment: dict[str, str] | None = None) -> int:
    os.environ.update(environment or {})  # a fork server that an earlier test has started knows an earlier one
    return sum(len(read_image_bytes(root, image)) for image in images)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from Python 3.12 on; forking is what is tested
def test_a_bucket_is_read_from_threads_and_other_processes(
    bucket: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forked child inherits a client whose threads are gone; it must make its own."""
    monkeypatch.setenv("AUTOML_VISION_CACHE_GB", "0")
    dataset = Dataset.open(f"{bucket}/set")
    images = dataset.table["image"].to_pylist()
    size = sum(map(len, PICTURES.values()))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(partial(read_all, dataset.root), [images] * 4)) == [size] * 4
    for method in ("forkserver", "fork"):
        with multiprocessing.get_context(method).Pool(1) as pool_of_processes:
            assert pool_of_processes.apply_async(read_all, (dataset.root, images, dict(os.environ))).get(60) == size


def test_a_bucket_that_changed_is_listed_anew(bucket: str) -> None:
    import s3fs

    system = s3fs.S3FileSystem(skip_instance_cache=True)
    lines = LINES.replace('"image_url": "', '"image_url": "s3://pictures/set/').encode().splitlines(keepends=True)
    system.pipe_file("pictures/now/train.jsonl", b"".join(lines))
    assert Dataset.open(f"{bucket}/now").summary()["images"] == {"train": 12}
    system.pipe_file("pictures/now/train.jsonl", b"".join(lines[:-1]))
    system.pipe_file("pictures/now/val.jsonl", lines[-1])
    assert Dataset.open(f"{bucket}/now").summary()["images"] == {"train": 11, "val": 1}


def test_a_missing_bucket_or_image_is_an_error_without_secrets(bucket: str) -> None:
    with pytest.raises(DataError) as error:
        Dataset.open(f"{bucket}-nowhere/set")
    assert "secret" not in str(error.value) and "key-of-the-test" not in str(error.value)
    with pytest.raises(ImageError, match="missing"):
        read_image_bytes(f"{bucket}/set", "cat/none.png")


# A web server


@dataclass
class Web:
    """The files of a web server, which fails as its plan says.

    Attributes:
        files: by path.
        url: where it serves them.
        plan: what happens to the next requests, in turn: "ok", a status, "drop", "cut" or "slow".
        seen: requests by path.
        signature: a query without which it refuses.
        user: the header without which it refuses.
    """

    files: dict[str, bytes]
    url: str = ""
    plan: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    signature: str = ""
    user: str = ""


class _Answer(BaseHTTPRequestHandler):
    def __init__(self, *args: Any, web: Web) -> None:
        self._web = web
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self._web.seen[path] += 1
        fault = self._web.plan.pop(0) if self._web.plan else "ok"
        data = self._web.files.get(path.removeprefix("/").replace("%20", " ").replace("%C3%BC", "ü"))
        if data is None or fault == "404":
            self.send_error(404)
        elif self._web.signature and self._web.signature not in query:
            self.send_error(403)
        elif self._web.user and self.headers.get("Authorization") != self._web.user:
            self.send_error(401)
        elif fault.isdecimal():
            self.send_error(int(fault))
        elif fault == "garbage":
            self.wfile.write(b"\x1aIHDR" * 9000)
            self.close_connection = True
        elif fault == "drop":
            self.connection.close()
        else:
            self._send(data, fault)

    def _send(self, data: bytes, fault: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "slow":
            for i in range(0, len(data), 400):
                self.wfile.write(data[i : i + 400])
                self.wfile.flush()
                threading.Event().wait(0.01)
        else:
            self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
        if fault == "cut":
            self.close_connection = True


@pytest.fixture
def web() -> Iterator[Web]:
    served = Web({**PICTURES, "lines.jsonl": LINES.encode(), "set.zip": zipped(PICTURES)})
    with serving(partial(_Answer, web=served)) as served.url:
        yield served


@pytest.mark.parametrize("plan", [["ok"], ["503"], ["drop"], ["cut"], ["slow"], ["429", "drop", "cut"]], ids="-".join)
def test_a_web_server_that_fails_now_and_then_is_asked_again(web: Web, plan: list[str]) -> None:
    web.plan = list(plan)
    assert fetch(f"{web.url}/cat/0 ü.png", 10**6) == PICTURES["cat/0 ü.png"]
    assert sum(web.seen.values()) == (1 if plan in (["ok"], ["slow"]) else len(plan) + 1)
    assert fetch(f"{web.url}/cat/0 ü.png", 10**6) == PICTURES["cat/0 ü.png"]
    assert sum(web.seen.values()) == (
        1 if plan in (["ok"], ["slow"]) else len(plan) + 1
    )  # the second came from the cache


def test_a_refusal_is_not_asked_again(web: Web) -> None:
    web.plan = ["403"]
    with pytest.raises(OSError, match="403"):
        fetch(f"{web.url}/cat/0 ü.png", 10**6)
    with pytest.raises(FileNotFoundError):
        fetch(f"{web.url}/nothing.png", 10**6)
    with pytest.raises(OSError, match="larger than 100 bytes"):
        fetch(f"{web.url}/dog/1 ü.png", 100)
    assert list(web.seen.values()) == [1, 1, 1]


def test_annotations_that_changed_are_read_anew(web: Web) -> None:
    assert len(Dataset.open(f"{web.url}/lines.jsonl")) == 12
    web.files["lines.jsonl"] = LINES[: LINES.rindex("\n", 0, -1) + 1].encode()
    assert len(Dataset.open(f"{web.url}/lines.jsonl")) == 11


@pytest.mark.parametrize("path", ["lines.jsonl", "set.zip"])
def test_a_set_on_a_failing_web_server_is_read(web: Web, path: str) -> None:
    web.plan = ["503", "ok", "cut", "503"]
    dataset = Dataset.open(f"{web.url}/{path}")
    assert len(dataset) == 12 and labels(dataset) == sorted(LABELS)


def test_a_folder_that_a_web_server_lists_is_read(tmp_path: Path) -> None:
    """As far as the server lists it: its pages link to the files."""
    for name, data in PICTURES.items():
        file = tmp_path / "site" / "my data" / name.replace("dog/", "dög & co/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    with counting_site(tmp_path / "site") as (url, _):
        dataset = Dataset.open(f"{url}/my%20data/")
        images = dataset.table["image"].to_pylist()
        assert dataset.classes == ("cat", "dög & co")
        assert sorted(images) == sorted(name.replace("dog/", "dög & co/") for name in PICTURES)
        assert sorted(read_image_bytes(dataset.root, image) for image in images) == sorted(PICTURES.values())


def test_signatures_stay_out_of_manifests_reports_logs_and_errors(
    web: Web, tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    web.signature = "X-Amz-Signature=s3cret"
    signed = "?id=7&X-Amz-Signature=s3cret&X-Amz-Expires=60"
    lines = [json.dumps({"image_url": f"{web.url}/{name}{signed}", "label": name.split("/")[0]}) for name in PICTURES]
    missing = json.dumps({"image_url": f"{web.url}/none.png{signed}", "label": "cat"})
    web.files["signed.jsonl"] = "\n".join([*lines, missing]).encode()
    dataset = Dataset.open(f"{web.url}/signed.jsonl{signed}")
    dataset.save(tmp_path / "manifest.parquet")
    assert len(dataset) == 12 and len(dataset.report.problems) == 1
    images = dataset.table["image"].to_pylist()
    assert images[0].endswith("?id=7")
    assert read_image_bytes(dataset.root, images[0]) == PICTURES["cat/0 ü.png"]
    texts = [dataset.root, repr(dataset), str(dataset.table.to_pylist()), str(dataset.report.to_json())]
    assert not any("s3cret" in text for text in texts)
    assert b"s3cret" not in (tmp_path / "manifest.parquet").read_bytes()
    assert all(file.stat().st_mode & 0o077 == 0 for file in (cache / "signatures").iterdir())
    web.signature = "X-Amz-Signature=other"
    with pytest.raises(DataError) as error:
        Dataset.open(f"{web.url}/other.jsonl{signed}")
    logs = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("automl_vision"))
    assert "s3cret" not in str(error.value) + logs


def test_an_error_of_a_client_is_short_and_holds_no_secret(web: Web) -> None:
    web.plan = ["garbage"] * 5
    with pytest.raises(OSError, match="ClientResponseError") as error:
        fetch(f"{web.url}/cat/0 ü.png?sig=s3cret", 10**6)
    chain: list[BaseException | None] = [error.value, error.value.__cause__, error.value.__context__]
    assert len(str(error.value)) < 400 and "s3cret" not in "".join(map(str, chain))


def test_a_password_in_a_url_is_refused_and_one_in_netrc_is_used(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"~/\.netrc") as error:
        Dataset.open(f"{web.url.replace('://', '://me:s3cret@')}/lines.jsonl")
    assert "s3cret" not in str(error.value)
    web.user = "Basic bWU6czNjcmV0"
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    dataset = Dataset.open(f"{web.url}/lines.jsonl")
    assert len(dataset) == 12
    assert read_image_bytes(dataset.root, dataset.table["image"][0].as_py()) == PICTURES["cat/0 ü.png"]


SECRETS = [
    ("https://me:pw@host/a.jpg?sig=1#x", "https://host/a.jpg", "https://host/a.jpg"),
    ("https://h/a.jpg?sv=2024&sig=abc&id=1", "https://h/a.jpg", "https://h/a.jpg?id=1"),
    ("https://h/a.jpg?X-Goog-Signature=1&X-Goog-Date=2", "https://h/a.jpg", "https://h/a.jpg"),
    ("https://h/photo?name=a%20b&size=2", "https://h/photo", "https://h/photo?name=a%20b&size=2"),
    ("s3://bucket/a.jpg", "s3://bucket/a.jpg", "s3://bucket/a.jpg"),
    ("https://[broken/a.jpg?sig=1", "https://[broken/a.jpg", "https://[broken/a.jpg"),
    ("https://me:p@ss@host/a.jpg", "https://host/a.jpg", "https://host/a.jpg"),
    ("s3://KEY:sec/ret@bucket/a.jpg", "s3://bucket/a.jpg", "s3://bucket/a.jpg"),
    ("https://h/folder/?sig=abc", "https://h/folder/", "https://h/folder/"),
    ("https://h/a.jpg?st=2&page=1", "https://h/a.jpg", "https://h/a.jpg?st=2&page=1"),
    ("https://h/a.jpg?OSSAccessKeyId=1&Expires=2&security-token=3", "https://h/a.jpg", "https://h/a.jpg"),
    ("https://h/a.jpg?private_token=1&client_secret=2", "https://h/a.jpg", "https://h/a.jpg"),
    ("abfss://box@account.dfs.core.windows.net/a.jpg",) * 3,
    ("https://[::1]:80/@scope/a.jpg",) * 3,
    ("https://h:80/@scope/a.jpg", "https://h:80/@scope/a.jpg", "https://h:80/@scope/a.jpg"),
]


@pytest.mark.parametrize(("url", "shown", "kept"), SECRETS)
def test_urls_are_shown_and_kept_without_their_secrets(url: str, shown: str, kept: str) -> None:
    assert redacted(url) == shown
    assert without_signature(url) == kept
    assert without_secrets(f"cannot read '{url}' (403)") == f"cannot read '{shown}' (403)"
    if kept != url and "[" not in url:
        assert full_url(kept) == url


def test_the_cache_drops_its_oldest_files_at_its_limit(tmp_path: Path) -> None:
    """Two processes' worth of caches over one folder; the oldest files go first."""
    caches = [DiskCache(tmp_path / "c", 10_000) for _ in range(2)]
    for i in range(100):
        caches[i % 2].put(f"http://host/{i}", bytes(300))
        for file in (tmp_path / "c").rglob("*"):
            if file.is_file() and file.stat().st_mtime > 1000:
                os.utime(file, (i, i))
        assert sum(file.stat().st_size for file in (tmp_path / "c").rglob("*") if file.is_file()) <= 10_500
    assert caches[0].get("http://host/99") is not None and caches[0].get("http://host/0") is None
    caches[0].put("http://host/big", bytes(20_000))
    assert caches[0].get("http://host/big") is None


def test_the_cache_keeps_nothing_on_a_full_disk_and_raises_nothing(tmp_path: Path) -> None:
    cache, limits = DiskCache(tmp_path / "c", 10**6), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        cache.put("http://host/a", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert cache.get("http://host/a") is None


@pytest.mark.parametrize("gigabytes", ["much", "-1", "nan", "inf"])
def test_a_cache_limit_that_is_not_a_size_is_an_error(gigabytes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_VISION_CACHE_GB", gigabytes)
    with pytest.raises(ConfigError, match=f'AUTOML_VISION_CACHE_GB is a number .* not "{gigabytes}"'):
        DiskCache.default()


# Archives


GOOD: list[tuple[str, bytes]] = [
    ("a.zip", zipped(PICTURES)),
    ("nested.zip", zipped({f"data/set one/{name}": data for name, data in PICTURES.items()})),
    ("mac.zip", zipped({**PICTURES, "__MACOSX/cat/._0 ü.png": b"x", ".DS_Store": b"x"})),
    ("a.tar", tarred(PICTURES)),
    ("dots.tar.gz", tarred({f"./set/{name}": data for name, data in PICTURES.items()}, mode="w:gz")),
    ("a.tgz", tarred(PICTURES, mode="w:gz")),
    ("a.tar.bz2", tarred(PICTURES, mode="w:bz2")),
    ("a.tar.xz", tarred(PICTURES, mode="w:xz")),
    ("GROSS.ZIP", zipped(PICTURES)),
]


@pytest.mark.parametrize(("name", "data"), GOOD, ids=[name for name, _ in GOOD])
def test_an_archive_is_read_like_a_folder(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    dataset = Dataset.open(tmp_path / name)
    assert (len(dataset), dataset.format, labels(dataset)) == (12, "folder", sorted(LABELS))
    assert not dataset.report.problems
    images = dataset.table["image"].to_pylist()
    assert sorted(read_image_bytes(dataset.root, image) for image in images) == sorted(PICTURES.values())


def link(name: str, target: str, type_: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, target
    return info


BOMB = b"\x89PNG" + bytes(2**27)


def encrypted() -> bytes:
    """A zip whose members say that they are encrypted."""
    data = bytearray(zipped(PICTURES))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(mark)
        while start >= 0:
            data[start + place] |= 1
            start = data.find(mark, start + 1)
    return bytes(data)


HOSTILE: list[tuple[str, str, bytes, list[str]]] = [
    ("members outside", "a.zip", zipped({**PICTURES, "../../evil.png": png(1), "/etc/evil.png": png(1)}),
     ["'../../evil.png': the member's path leads outside", "'/etc/evil.png': the member's path leads outside"]),
    ("Windows paths outside", "a.zip", zipped({**PICTURES, "cat\\..\\..\\evil.png": png(1)}),
     ["the member's path leads outside"]),
    ("members of a tar outside", "a.tar", tarred({**PICTURES, "../evil.png": png(1)}), ["leads outside"]),
    ("links", "a.tar", tarred(PICTURES, link("cat/passwd.png", "/etc/passwd"), link("dog/x.png", "a", tarfile.LNKTYPE)),
     ["'cat/passwd.png': the member is a link", "'dog/x.png': the member is a link"]),
    ("a bomb", "a.zip", zipped({**PICTURES, "cat/bomb.png": BOMB}),
     ["cat/bomb.png: the file cannot be read (the file would unpack to"]),
]  # fmt: skip


@pytest.mark.parametrize(("case", "name", "data", "reasons"), HOSTILE, ids=[case for case, *_ in HOSTILE])
def test_hostile_members_are_reported(tmp_path: Path, case: str, name: str, data: bytes, reasons: list[str]) -> None:
    (tmp_path / name).write_bytes(data)
    dataset = Dataset.open(tmp_path / name)
    assert labels(dataset) == sorted(LABELS)
    texts = sorted(f"{p.place}: {p.reason}" for p in dataset.report.problems)
    assert len(texts) == len(reasons) and all(
        reason in text for reason, text in zip(sorted(reasons), texts, strict=True)
    )


RANDOM = random.Random(3).randbytes(5000)
UNREADABLE: list[tuple[str, str, bytes, str]] = [
    ("no archive", "a.zip", RANDOM, "cannot be read as an archive"),
    ("no tar", "a.tar.gz", RANDOM, "cannot be read as an archive"),
    ("cut zip", "a.zip", zipped(PICTURES)[:-40], "cannot be read as an archive"),
    ("cut gzip", "a.tar.gz", tarred(PICTURES, mode="w:gz")[:-3000], "cannot be read as an archive"),
    ("gzip of nothing", "a.tgz", gzip.compress(RANDOM), "cannot be read as an archive"),
    ("empty", "a.zip", b"", "cannot be read as an archive"),
    ("encrypted", "a.zip", encrypted(), "encrypted"),
    (
        "broken directory",
        "a.zip",
        zipped(PICTURES).replace(b"PK\x01\x02", b"PK\x01\x09"),
        "cannot be read as an archive",
    ),
]


@pytest.mark.parametrize(("case", "name", "data", "error"), UNREADABLE, ids=[case for case, *_ in UNREADABLE])
def test_an_unreadable_archive_is_an_error_that_says_why(
    tmp_path: Path, case: str, name: str, data: bytes, error: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=error):
        Dataset.open(tmp_path / name)


def test_an_archive_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "set.zip"
    for shift in (0, 100):
        pictures = {f"{label}/{i}.png": png(i + shift) for i, label in enumerate(LABELS)}
        file.write_bytes(zipped(pictures))
        os.utime(file, (shift, shift))
        dataset = Dataset.open(file)
        images = dataset.table["image"].to_pylist()
        assert {image: read_image_bytes(dataset.root, image) for image in images} == pictures
    file.unlink()
    with pytest.raises(ImageError, match="missing"):
        read_image_bytes(dataset.root, images[0])


def test_a_damaged_archive_loses_only_the_damaged(tmp_path: Path) -> None:
    data = bytearray(zipped(PICTURES))
    start = data.find(b"cat/0") + 200
    data[start : start + 50] = bytes(50)
    (tmp_path / "a.zip").write_bytes(bytes(data))
    dataset = Dataset.open(tmp_path / "a.zip")
    assert len(dataset) == 11
    (problem,) = dataset.report.problems
    assert problem.reason.startswith("the file cannot be read (the archive's member is broken")


def test_a_browser_follows_a_signed_link(bucket: str) -> None:
    """As people who label are shown images of a store."""
    name, data = next(iter(PICTURES.items()))
    address = Addresses(Path("/nowhere")).of(f"{bucket}/set/{name}")
    assert is_expiring(address)
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.read() == data
