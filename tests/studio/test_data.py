"""Datasets in the API: versions, images, findings, fixes, and new data."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from starlette.testclient import TestClient

from automl_vision import Dataset, Workspace
from automl_vision.data.manifest import SCHEMA
from automl_vision.experiment.label_reviews import LabelReviews
from automl_vision.studio.app import create_app
from automl_vision.studio.places import NewData
from conftest import write_shape_folders
from deep_images import png16
from studio_site import StudioWorkspace

API = "/api/v1"


def finished(client: TestClient, work: dict[str, Any]) -> dict[str, Any]:
    """A piece of work once it has ended."""
    while work["state"] in ("waiting", "running"):
        time.sleep(0.02)
        work = client.get(f"{API}/work/{work['id']}").json()
    return work


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[TestClient]:
    """A studio on a workspace of its own, in whose folder `data` data may be; uploads have at most 1 MB."""
    photos = write_shape_folders(folder / "data" / "photos", per_class=6)
    workspace = Workspace(folder / "workspace")
    copy = photos / "square" / "copy.png"
    copy.write_bytes((photos / "circle" / "circle-0.png").read_bytes())
    workspace.datasets.register(Dataset.open(photos), "photos", split_ratio=0.3)
    data = NewData((folder / "data",), max_upload_gb=1 / 1024)
    with TestClient(create_app([workspace], new_data=data), base_url="http://127.0.0.1") as client:
        client.headers["X-Studio"] = "1"
        yield client


def test_registered_data_and_those_of_runs_are_listed(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    items = {item["name"]: item for item in client.get(f"{API}/datasets").json()["items"]}
    shapes = items["shapes"]
    assert (shapes["task"], shapes["images"], shapes["classes"]) == ("image-classification", 42, 3)
    workspace = studio_workspace.workspace
    given = {run: workspace.run_folder(run).spec().get("data_version") for run in reversed(workspace.run_ids())}
    assert shapes["runs"] == [run for run, version in given.items() if version == "shapes:1"]
    assert studio_workspace.sweep in shapes["runs"]
    assert items["boxes"]["task"] == "image-object-detection"


def test_a_version_is_what_python_says(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    registry = studio_workspace.workspace.datasets
    dataset = Dataset.load(registry.get("boxes", 1))
    found = client.get(f"{API}/datasets/boxes/versions/1").json()
    assert found["images"] == len(dataset)
    assert found["objects"] == len(dataset.objects)
    assert {one["name"]: one["counts"] for one in found["classes"]} == dataset.class_counts
    assert found["splits"] == dataset.summary()["images"]
    assert [run["id"] for run in found["runs"]] == [studio_workspace.detection]


@pytest.mark.parametrize(
    "address",
    ["nothing/versions/1", "shapes/versions/9", "~0000/versions/0", "%00/versions/1", "..%2f../versions/1"],
)
def test_unknown_versions_are_not_found(client: TestClient, address: str) -> None:
    for part in ("", "/images", "/report", "/fixes", "/left-out"):
        assert client.get(f"{API}/datasets/{address}{part}").status_code == 404


def test_the_gallery_filters_sorts_and_pages(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    dataset = Dataset.load(studio_workspace.workspace.datasets.get("boxes", 1))
    address = f"{API}/datasets/boxes/versions/1/images"
    first = client.get(address, params={"order": "objects", "descending": True, "limit": 5}).json()
    assert first["total"] == len(dataset)
    counts = [item["objects_total"] for item in first["items"]]
    assert counts == sorted((len(image.objects) for image in dataset), reverse=True)[:5]
    rest = client.get(address, params={"order": "objects", "descending": True, "cursor": first["next"]}).json()
    assert len(rest["items"]) == len(dataset) - 5
    assert rest["next"] is None
    squares = client.get(address, params={"label": "square", "split": "val"}).json()
    assert squares["total"] == sum("square" in image.labels and image.split == "val" for image in dataset)
    item = first["items"][0]
    image = dataset[item["row"]]
    assert [found["box"] for found in item["objects"]] == [list(found.bbox or ()) for found in image.objects]
    assert client.get(address, params={"label": "sqare"}).json()["detail"].endswith('Did you mean "square"?')


def test_pixels_may_be_kept_for_ever_if_the_address_holds_their_digest(client: TestClient) -> None:
    item = client.get(f"{API}/datasets/shapes/versions/1/images/3").json()
    address = f"{API}/datasets/shapes/versions/1/images/3/pixels"
    kept = client.get(address, params={"digest": item["digest"], "side": 32})
    assert kept.headers["content-type"] == "image/webp"
    assert "immutable" in kept.headers["cache-control"]
    assert client.get(address).headers["cache-control"] == "no-cache"
    assert client.get(f"{API}/datasets/shapes/versions/1/images/999").status_code == 404


def test_a_hundred_thousand_images_are_listed_at_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    made_dataset(100_000, tmp_path).save(tmp_path / "many.parquet")
    workspace.datasets.register(Dataset.load(tmp_path / "many.parquet"), "many", split_ratio=None)
    with TestClient(create_app([workspace]), base_url="http://127.0.0.1") as client:
        address = f"{API}/datasets/many/versions/1/images"
        page = client.get(address, params={"label": "b", "text": "99", "cursor": 900, "limit": 100}).json()
        expected = [row for row in range(100_000) if row % 3 == 1 and "99" in f"{row:06}"]
        assert page["total"] == len(expected)
        assert [item["row"] for item in page["items"]] == expected[900:1000]


def made_dataset(images: int, root: Path) -> Dataset:
    """Rows without image files."""
    columns = {
        "image": [f"{row:06}.png" for row in range(images)],
        "width": np.full(images, 48),
        "height": np.full(images, 40),
        "digest": [f"{row:032x}" for row in range(images)],
        "split": ["val" if row % 10 == 0 else "train" for row in range(images)],
        "group": [None] * images,
        "labels": [["abc"[row % 3]] for row in range(images)],
        "objects": [[]] * images,
    }
    table = pa.table(
        {name: pa.array(values, SCHEMA.field(name).type) for name, values in columns.items()}, schema=SCHEMA
    )
    return Dataset(table, str(root), "image-classification", ("a", "b", "c"), "folder")


def test_a_finding_is_fixed_into_the_next_version(own: TestClient, folder: Path) -> None:
    address = f"{API}/datasets/photos/versions/1"
    assert own.get(f"{address}/report").json()["checked"] is None
    assert own.get(f"{API}/datasets").json()["items"][0]["findings"] is None
    work = finished(own, own.post(f"{address}/check", json={"features": False}).json())
    assert work["state"] == "done", work
    report = own.get(f"{address}/report").json()
    copies = next(found for found in report["findings"] if found["check"] == "contradicting-copies")
    assert copies["actions"][0]["name"] == "exclude"
    near = next((found for found in report["findings"] if found["check"] == "near-duplicate"), None)
    assert near is None or near["measured"]["recall"] == [0.92, 1.0]
    assert own.get(f"{API}/datasets").json()["items"][0]["findings"]["error"] == 1
    cases = own.get(f"{address}/report/contradicting-copies/cases").json()
    assert {case["image"]["labels"][0] for case in cases["items"]} == {"circle", "square"}
    gallery = own.get(f"{address}/images", params={"finding": "contradicting-copies"}).json()
    assert {item["image"] for item in gallery["items"]} == {"circle/circle-0.png", "square/copy.png"}
    assert (
        own.get(f"{address}/images/{gallery['items'][0]['row']}").json()["findings"][0]["check"]
        == "contradicting-copies"
    )

    fixes = own.get(f"{address}/fixes").json()
    assert {"check": "contradicting-copies", "action": "exclude", "left": []} in fixes["proposed"]
    chosen = {"choices": [{"check": "contradicting-copies", "action": "exclude"}]}
    preview = own.post(f"{address}/fixes/preview", json=chosen).json()
    assert preview["left_out"] == copies["count"]
    made = own.post(f"{address}/fixes/version", json={**chosen, "name": "photos", "reason": "copies"}).json()
    assert made == {"name": "photos", "number": 2, "id": "photos:2"}
    version = own.get(f"{API}/datasets/photos/versions/2").json()
    assert (version["parent"], version["description"]) == ("photos:1", "copies")
    assert version["splits"]["left_out"] == copies["count"]
    changes = own.get(f"{API}/datasets/photos/versions/2/changes", params={"since": 1, "kind": "moved"}).json()
    assert changes["counts"]["moved"] == copies["count"]
    assert {item["split_after"] for item in changes["items"]} == {"left_out"}
    assert Workspace(folder / "workspace").datasets.get("photos").parent == "photos:1"


def test_a_choice_that_changes_nothing_makes_no_version(own: TestClient) -> None:
    address = f"{API}/datasets/photos/versions/1/fixes"
    answer = own.post(f"{address}/version", json={"choices": [], "name": "photos"})
    assert (answer.status_code, "changes nothing" in answer.json()["detail"]) == (400, True)
    wrong = own.post(f"{address}/preview", json={"choices": [{"check": "no-such", "action": "exclude"}]})
    assert wrong.status_code == 422


def test_labels_that_people_called_wrong_are_proposed(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    dataset = Dataset.load(studio_workspace.workspace.datasets.get("shapes", 1))
    reviews = LabelReviews(studio_workspace.run(studio_workspace.sweep).folder)
    wrong = next(name for name in dataset.classes if name not in dataset[4].labels)
    reviews.add(dataset, 4, "label", trial=0, suggested=wrong)
    try:
        fixes = client.get(f"{API}/datasets/shapes/versions/1/fixes").json()
        assert fixes["reviews"] == 1
        assert {"check": "reviewed-label", "action": "relabel", "left": []} in fixes["proposed"]
        cases = client.get(f"{API}/datasets/shapes/versions/1/report/reviewed-label/cases").json()
        assert (cases["items"][0]["image"]["row"], cases["items"][0]["suggestion"]) == (4, wrong)
        chosen = {"choices": [{"check": "reviewed-label", "action": "relabel"}]}
        preview = client.post(f"{API}/datasets/shapes/versions/1/fixes/preview", json=chosen).json()
        assert preview["relabelled"] == 1
    finally:
        reviews.add(dataset, 4, "undone", trial=0)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc", "outside of the folders"),
        ("{data}/../..", "outside of the folders"),
        ("{data}/link", "outside of the folders"),
        ("{data}/photo", 'Did you mean "photos"?'),
        ("{data}/\0", "cannot be read"),
        ("x" * 5000, "cannot be read"),
    ],
)
def test_places_that_may_not_be_seen(own: TestClient, folder: Path, path: str, said: str) -> None:
    link = folder / "data" / "link"
    if not link.exists():
        link.symlink_to("/usr")
    named = path.format(data=folder / "data")
    for answer in (
        own.get(f"{API}/places", params={"path": named}),
        own.post(f"{API}/imports", json={"path": named}),
    ):
        assert answer.status_code == 400
        assert said in answer.json()["detail"]
    listed = own.get(f"{API}/places", params={"path": str(folder / "data")}).json()
    assert "link" not in [entry["name"] for entry in listed["entries"]]
    assert "photos" in [entry["name"] for entry in listed["entries"]]


def test_data_of_this_machine_are_looked_at_and_registered(own: TestClient, folder: Path) -> None:
    work = finished(own, own.post(f"{API}/imports", json={"path": str(folder / "data" / "photos")}).json())
    assert work["state"] == "done", work
    found = own.get(f"{API}/imports/{work['id']}").json()
    assert (found["suggested_name"], found["format"], found["images"]) == ("photos", "folder", 19)
    assert found["classes"] == {"circle": 6, "cross": 6, "square": 7}
    assert found["problem"] is None
    assert found["name"] in [item["name"] for item in own.get(f"{API}/datasets").json()["items"]]
    made = own.post(f"{API}/datasets", json={"source": found["name"], "name": "again"}).json()
    assert made["id"] == "again:1"
    refused = own.post(f"{API}/datasets", json={"source": found["name"], "name": "../x"})
    assert "is made of letters" in refused.json()["detail"]


def test_deep_images_and_turned_photos_can_be_read_otherwise(own: TestClient, folder: Path) -> None:
    steps = np.kron(np.array([[200, 800], [500, 350]]), np.ones((16, 16), int))
    for number in range(12):
        image = folder / "data" / "deep" / ("a", "b")[number % 2] / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(png16(steps + number))
    for asked, said, darkest in (
        ({}, "200 to 811 (training images)", 0),
        ({"value_range": "0:1000"}, "0 to 1000 (asked)", 50),
    ):
        request = {"path": str(folder / "data" / "deep"), **asked}
        work = finished(own, own.post(f"{API}/imports", json=request).json())
        found = own.get(f"{API}/imports/{work['id']}").json()
        assert (found["value_range"], found["turned"]) == (said, [])
        pixels = own.get(f"{API}/datasets/{found['name']}/versions/0/images/0/pixels", params={"side": 32}).content
        assert abs(int(np.asarray(Image.open(io.BytesIO(pixels)).convert("L")).min()) - darkest) < 6
    refused = finished(own, own.post(f"{API}/imports", json={**request, "value_range": "x"}).json())
    assert refused["state"] == "failed" and "value_range must be" in str(refused)


def sent(client: TestClient, files: dict[str, bytes], name: str = "mine") -> str:
    """The id of an upload of some files."""
    size = sum(map(len, files.values()))
    upload = client.post(f"{API}/uploads", json={"name": name, "bytes": size, "files": len(files)}).json()
    for path, content in files.items():
        half = len(content) // 2
        for offset, part in ((0, content[:half]), (half, content[half:])):
            answer = client.put(
                f"{API}/uploads/{upload['id']}/files", params={"path": path, "offset": offset}, content=part
            )
            assert answer.status_code == 200, answer.text
            assert answer.json()["length"] == offset + len(part)
    state = client.get(f"{API}/uploads/{upload['id']}").json()
    assert (state["bytes"], state["files"]) == (size, len(files))
    found: str = upload["id"]
    return found


def photos_of(folder: Path) -> dict[str, bytes]:
    root = folder / "data" / "photos"
    return {f"mine/{file.relative_to(root)}": file.read_bytes() for file in sorted(root.rglob("*.png"))}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_an_upload_is_looked_at_and_registered(own: TestClient, folder: Path, as_zip: bool) -> None:
    files = photos_of(folder)
    upload = sent(own, {"mine.zip": zipped(files)} if as_zip else files)
    work = finished(own, own.post(f"{API}/imports", json={"upload": upload}).json())
    assert work["state"] == "done", work
    found = own.get(f"{API}/imports/{work['id']}").json()
    assert (found["images"], found["format"], found["suggested_name"]) == (19, "folder", "mine")
    made = own.post(f"{API}/datasets", json={"source": found["name"], "name": f"up-{as_zip}"}).json()
    version = own.get(f"{API}/datasets/{made['name']}/versions/1").json()
    assert version["source"].startswith(str(folder / "workspace" / "uploads"))
    assert own.get(f"{API}/datasets/{made['name']}/versions/1/images/0/pixels").status_code == 200
    kept = own.delete(f"{API}/uploads/{upload}")
    assert (kept.status_code, "cannot be deleted" in kept.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    "path",
    ["../evil.png", "/etc/evil.png", "a/../../evil.png", "a\\..\\..\\evil.png", "C:\\evil.png", "a//b", "a\0b", "."],
)
def test_names_that_lead_elsewhere_are_refused(own: TestClient, folder: Path, path: str) -> None:
    upload = own.post(f"{API}/uploads", json={"name": "x", "bytes": 3, "files": 1}).json()["id"]
    answer = own.put(f"{API}/uploads/{upload}/files", params={"path": path}, content=b"abc")
    assert answer.status_code == 400
    assert not list(folder.rglob("evil*"))
    assert own.delete(f"{API}/uploads/{upload}").status_code == 200
    assert own.get(f"{API}/uploads/{upload}").status_code == 404


def test_what_is_too_large_is_refused_before_and_while_it_comes(own: TestClient) -> None:
    answer = own.post(f"{API}/uploads", json={"name": "x", "bytes": 2**21, "files": 1})
    assert (answer.status_code, "--max-upload-gb" in answer.json()["detail"]) == (400, True)
    upload = own.post(f"{API}/uploads", json={"name": "x", "bytes": 3, "files": 1}).json()["id"]
    address = f"{API}/uploads/{upload}/files"
    assert own.put(address, params={"path": "a.bin"}, content=b"x" * (2**20 + 1)).status_code == 400
    gap = own.put(address, params={"path": "b.bin", "offset": 5}, content=b"x")
    assert (gap.status_code, "gap" in gap.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"notes.txt": b"no images"}, "notes"),
        ({"broken.zip": b"PK\x03\x04 this is no archive"}, "cannot be read"),
        ({"bomb.zip": zipped({"a/1.png": bytes(2**27), "b/2.png": bytes(2**27)})}, ""),
        ({"evil.zip": zipped({"../../evil/1.png": b"x", "../../good/2.png": b"y"})}, ""),
    ],
    ids=["text", "broken", "bomb", "traversal"],
)
def test_hostile_uploads_end_in_a_sentence(own: TestClient, folder: Path, files: dict[str, bytes], said: str) -> None:
    work = finished(own, own.post(f"{API}/imports", json={"upload": sent(own, files)}).json())
    if work["state"] == "done":
        found = own.get(f"{API}/imports/{work['id']}").json()
        assert found["images"] == 0
        assert found["problem"]
        assert own.post(f"{API}/datasets", json={"source": found["name"], "name": "evil"}).status_code == 400
    else:
        assert work["state"] == "failed"
        assert said in work["reason"]
        assert "fault of the studio" not in work["reason"]
    assert not list(folder.rglob("evil/1.png"))


def test_an_effect_is_computed_once_for_the_same_choice(own: TestClient) -> None:
    version = f"{API}/datasets/photos/versions/1"
    assert finished(own, own.post(f"{version}/check", json={"features": False}).json())["state"] == "done"
    chosen = {"choices": [{"check": "contradicting-copies", "action": "exclude"}]}
    address = f"{version}/fixes"
    first = own.post(f"{address}/effect", json=chosen).json()
    assert own.post(f"{address}/effect", json=chosen).json()["id"] == first["id"]
    work = finished(own, first)
    assert work["state"] == "done", work
    effect = own.get(f"{address}/effects/{work['id']}").json()
    assert effect["metric"] == "accuracy"
    # both copies are in one split, whichever it is
    left = effect["training"]["before"] - effect["training"]["after"] + effect["only_in_one"]
    assert left == own.post(f"{address}/preview", json=chosen).json()["left_out"] == 2
    assert effect["sentence"]
