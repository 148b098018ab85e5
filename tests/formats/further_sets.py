"""Layouts of further public sets and tools in small, of other kinds than those of `public_sets`."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from public_sets import BOXES, LABEL, MASKS, SIZE, Mask, Photo, PublicSet, photos, saved

WIDTH, HEIGHT = SIZE
N = 12


def _box(i: int) -> tuple[int, int, int, int]:
    return (2 + i % 5, 3, 20 + i, 25) if i % 2 else (24, 14, 38, 28 - i % 3)


def _kitti() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for i in range(N):
        name = f"{i:06d}"
        files[f"training/image_2/{name}.png"] = Photo()
        x1, y1, x2, y2 = _box(i)
        label = ("Car", "Pedestrian")[i % 2]
        files[f"training/label_2/{name}.txt"] = [
            f"{label} 0.00 0 -1.58 {x1}.00 {y1}.00 {x2}.00 {y2}.00 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59",
            "DontCare -1 -1 -10 1.00 1.00 5.00 5.00 -1 -1 -1 -1000 -1000 -1000 -10",
        ]
        found[f"training/image_2/{name}.png"] = f"train {label}@{x1},{y1},{x2},{y2}"
        files[f"training/calib/{name}.txt"] = ["P0: 7.21e+02 0.0 6.09e+02 0.0 0.0 7.21e+02 1.72e+02 0.0"]
    files |= photos(*(f"testing/image_2/{i:06d}.png" for i in range(3)))
    return PublicSet("KITTI", files, ((BOXES, found),), says='a region "DontCare" is no object')


def _dota() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for i in range(N):
        x1, y1, x2, y2 = _box(i)
        files[f"train/images/P{i:04d}.png"] = Photo()
        files[f"train/labelTxt/P{i:04d}.txt"] = [
            "imagesource:GoogleEarth", "gsd:0.146", f"{x1} {y1} {x2} {y1} {x2} {y2} {x1} {y2} small-vehicle 0",
        ]  # fmt: skip
        found[f"train/images/P{i:04d}.png"] = f"train small-vehicle@{x1},{y1},{x2},{y2}"
    return PublicSet("DOTA", files, ((BOXES, found), (MASKS, found)), refusal="DOTA")


def _wider() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for split in ("train", "val"):
        lines = []
        for i in range(6):
            path = f"0--Parade/0_Parade_{split}_{i}.jpg"
            x1, y1, x2, y2 = _box(i)
            files[f"WIDER_{split}/images/{path}"] = Photo()
            lines += [path, "1", f"{x1} {y1} {x2 - x1} {y2 - y1} 0 0 0 0 0 0"]
            found[f"WIDER_{split}/images/{path}"] = f"{split} *@{x1},{y1},{x2},{y2}"
        files[f"wider_face_split/wider_face_{split}_bbx_gt.txt"] = lines
    return PublicSet("WIDER FACE", files, ((BOXES, found),), refusal="WIDER FACE")


def _open_images() -> PublicSet:
    rows = [
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    ]
    files: dict[str, Any] = {"class-descriptions-boxable.csv": ["/m/01yrx,Cat", "/m/0bt9lr,Dog"]}
    found = {}
    for i in range(N):
        name, (x1, y1, x2, y2) = f"{i:02d}0a3f9c", _box(i)
        files[f"train/{name}.jpg"] = Photo()
        shares = f"{x1 / WIDTH},{x2 / WIDTH},{y1 / HEIGHT},{y2 / HEIGHT}"
        rows.append(f"{name},xclick,{('/m/01yrx', '/m/0bt9lr')[i % 2]},1,{shares},0,0,0,0,0")
        found[f"train/{name}.jpg"] = f"train {('Cat', 'Dog')[i % 2]}@{x1},{y1},{x2},{y2}"
    return PublicSet("Open Images", {**files, "oidv6-train-annotations-bbox.csv": rows}, ((BOXES, found),))


def _supervisely() -> PublicSet:
    files: dict[str, Any] = {
        "meta.json": {"classes": [{"title": "cat", "shape": "rectangle", "color": "#FF0000"}], "tags": []}
    }
    for i in range(N):
        x1, y1, x2, y2 = _box(i)
        files[f"ds/img/{i}.jpg"] = Photo()
        files[f"ds/ann/{i}.jpg.json"] = {
            "description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH},
            "objects": [{"classTitle": "cat", "geometryType": "rectangle",
                         "points": {"exterior": [[x1, y1], [x2, y2]], "interior": []}}],
        }  # fmt: skip
    return PublicSet("Supervisely", files, refusal="Supervisely")


def _darwin() -> PublicSet:
    files: dict[str, Any] = {}
    for i in range(N):
        x1, y1, x2, y2 = _box(i)
        files[f"images/{i}.png"] = Photo()
        files[f"annotations/{i}.json"] = {
            "version": "2.0",
            "item": {"name": f"{i}.png", "path": "/", "slots": [{"type": "image", "width": WIDTH, "height": HEIGHT}]},
            "annotations": [{"name": "cat", "bounding_box": {"h": y2 - y1, "w": x2 - x1, "x": x1, "y": y1}}],
        }
    return PublicSet("Darwin", files, refusal="json")


def _mot() -> PublicSet:
    files: dict[str, Any] = {}
    for clip in ("MOT17-02", "MOT17-04"):
        rows = []
        for i in range(1, 7):
            files[f"train/{clip}/img1/{i:06d}.jpg"] = Photo()
            x1, y1, x2, y2 = _box(i)
            rows.append(f"{i},1,{x1},{y1},{x2 - x1},{y2 - y1},1,1,0.8")
        files[f"train/{clip}/gt/gt.txt"] = rows
        files[f"train/{clip}/det/det.txt"] = [row.replace(",1,1,0.8", ",0.9,-1,-1,-1") for row in rows]
        files[f"train/{clip}/seqinfo.ini"] = ["[Sequence]", f"name={clip}", "imDir=img1", "seqLength=6"]
    return PublicSet("MOT17", files, refusal="rows of numbers beside the images")


def _panoptic() -> PublicSet:
    files: dict[str, Any] = {}
    images, annotations, found = [], [], {}
    for i in range(N):
        name, box = f"{i:012d}", _box(i)
        x1, y1, x2, y2 = box
        files[f"train2017/{name}.jpg"] = Photo()
        ids = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        ids[..., 0] = 200  # the ground, which is stuff
        ids[y1:y2, x1:x2] = (5, 1, 0)
        files[f"annotations/panoptic_train2017/{name}.png"] = saved(Image.fromarray(ids), "PNG")
        images.append({"id": i, "file_name": f"{name}.jpg", "width": WIDTH, "height": HEIGHT})
        segments = [
            {"id": 200, "category_id": 93, "iscrowd": 0, "bbox": [0, 0, WIDTH, HEIGHT], "area": 1},
            {"id": 5 + 256, "category_id": 17, "iscrowd": 0, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": 1},
        ]
        annotations.append({"image_id": i, "file_name": f"{name}.png", "segments_info": segments})
        found[f"train2017/{name}.jpg"] = f"train cat@{x1},{y1},{x2},{y2}"
    categories = [{"id": 17, "name": "cat", "isthing": 1}, {"id": 93, "name": "floor", "isthing": 0}]
    value = {"images": images, "annotations": annotations, "categories": categories}
    return PublicSet("COCO panoptic", {**files, "annotations/panoptic_train2017.json": value}, ((MASKS, found),))


def _coco_runs() -> PublicSet:
    files: dict[str, Any] = {}
    images, annotations, found = [], [], {}
    for i in range(N):
        x1, y1, x2, y2 = _box(i)
        flat = Mask(((1, (x1, y1, x2, y2)),)).values().T.ravel()
        edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
        files[f"images/{i}.jpg"] = Photo()
        images.append({"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT})
        annotations.append({
            "id": i, "image_id": i, "category_id": 1 + i % 2, "iscrowd": 0, "area": 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "segmentation": {"size": [HEIGHT, WIDTH], "counts": np.diff(edges).tolist()},
        })  # fmt: skip
        found[f"images/{i}.jpg"] = f"* {('cat', 'dog')[i % 2]}@{x1},{y1},{x2},{y2}"
    value = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    return PublicSet("COCO with runs", {**files, "instances.json": value}, ((MASKS, found),))


def _parquet_bytes() -> PublicSet:
    content = [{"bytes": Photo().content(f"{i}.png"), "path": f"{i}.png"} for i in range(N)]
    stream = io.BytesIO()
    pq.write_table(pa.table({"image": content, "label": [i % 2 for i in range(N)]}), stream)
    files = {"data/train-00000-of-00001.parquet": stream.getvalue(), "README.md": "---\nlicense: mit\n---\n"}
    return PublicSet("images in Parquet", files, refusal="may hold the images themselves")


def _nested_archives() -> PublicSet:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i in range(N):
            archive.writestr(f"images/{i}.jpg", Photo().content(f"{i}.jpg"))
    rows = ["image,label", *(f"{i}.jpg,{('cat', 'dog')[i % 2]}" for i in range(N))]
    return PublicSet(
        "an archive beside a table", {"images.zip": stream.getvalue(), "labels.csv": rows}, refusal="archives inside"
    )


def _kvasir() -> PublicSet:
    files: dict[str, Any] = {}
    boxes, found = {}, {}
    for i in range(N):
        name, (x1, y1, x2, y2) = f"cju0{i:02d}qkwl", _box(i)
        files[f"Kvasir-SEG/images/{name}.jpg"] = Photo(format="JPEG")
        mask = Mask(((255, (x1, y1, x2, y2)),))
        files[f"Kvasir-SEG/masks/{name}.jpg"] = saved(Image.fromarray(mask.values().astype(np.uint8)), "JPEG")
        box = {"label": "polyp", "xmin": x1, "ymin": y1, "xmax": x2, "ymax": y2}
        boxes[name] = {"height": HEIGHT, "width": WIDTH, "bbox": [box]}
        found[f"Kvasir-SEG/images/{name}.jpg"] = f"* polyp@{x1},{y1},{x2},{y2}"
    return PublicSet(
        "Kvasir-SEG", {**files, "Kvasir-SEG/kavsir_bboxes.json": boxes}, ((BOXES, found),), refusal="masks"
    )


def _cars() -> PublicSet:
    files: dict[str, Any] = {"names.csv": ["AM General Hummer SUV 2000", "Acura RL Sedan 2012"]}
    found = {}
    for split in ("train", "test"):
        rows = []
        for i in range(6):
            path, (x1, y1, x2, y2) = f"cars_{split}/cars_{split}/{i:05d}.jpg", _box(i)
            files[path] = Photo()
            rows.append(f"{i:05d}.jpg,{x1},{y1},{x2},{y2},{1 + i % 2}")
            found[path] = f"{split} {1 + i % 2}@{x1},{y1},{x2},{y2}"
        files[f"anno_{split}.csv"] = rows
    named = {
        path: text.replace(" 1@", " AM General Hummer SUV 2000@").replace(" 2@", " Acura RL Sedan 2012@")
        for path, text in found.items()
    }
    return PublicSet("Stanford Cars", files, ((BOXES, found), (BOXES, named)))


def _hub_objects() -> PublicSet:
    files: dict[str, Any] = {}
    lines, found = [], {}
    for i in range(N):
        x1, y1, x2, y2 = _box(i)
        files[f"train/{i}.png"] = Photo()
        objects = {"bbox": [[x1, y1, x2 - x1, y2 - y1]], "categories": [i % 2], "id": [i], "area": [1]}
        lines.append(
            json.dumps({"file_name": f"{i}.png", "image_id": i, "width": WIDTH, "height": HEIGHT, "objects": objects})
        )
        found[f"train/{i}.png"] = f"train {i % 2}@{x1},{y1},{x2},{y2}"
    return PublicSet("Hugging Face objects", {**files, "train/metadata.jsonl": lines}, ((BOXES, found),))


def _crowd() -> PublicSet:
    files: dict[str, Any] = {}
    lines = []
    for i in range(N):
        name, (x1, y1, x2, y2) = f"27327{i},c9db000d5146c1{i}", _box(i)
        files[f"Images/{name}.jpg"] = Photo()
        box = [x1, y1, x2 - x1, y2 - y1]
        lines.append(
            json.dumps({"ID": name, "gtboxes": [{"tag": "person", "fbox": box, "vbox": box, "hbox": box, "extra": {}}]})
        )
    return PublicSet("CrowdHuman", {**files, "annotation_train.odgt": lines}, refusal="odgt")


def _fashion() -> PublicSet:
    files: dict[str, Any] = {}
    for i in range(N):
        x1, y1, x2, y2 = _box(i)
        files[f"train/image/{i:06d}.jpg"] = Photo()
        item = {
            "bounding_box": [x1, y1, x2, y2], "category_id": 1, "category_name": "short sleeve top",
            "segmentation": [[x1, y1, x2, y1, x2, y2]], "landmarks": [1, 2, 0], "scale": 2, "style": 1,
        }  # fmt: skip
        files[f"train/annos/{i:06d}.json"] = {"source": "user", "pair_id": i, "item1": item}
    return PublicSet("DeepFashion2", files, refusal="json")


def _faces() -> PublicSet:
    """Class folders where each photo has its landmarks in a text beside it, as sets of faces have."""
    files: dict[str, Any] = {}
    found = {}
    for i in range(N):
        stem = f"{('happy', 'sad')[i % 2]}/{i}"
        files[f"{stem}.jpg"] = Photo()
        files[f"{stem}.pts"] = ["version: 1", "n_points: 2", "{", "10.5 12.25", "20.0 13.0", "}"]
        found[f"{stem}.jpg"] = f"* {('happy', 'sad')[i % 2]}"
    return PublicSet("faces with landmarks", files, ((LABEL, found),), says=".pts")


SETS = [
    _kitti(), _dota(), _wider(), _open_images(), _supervisely(), _darwin(), _mot(), _panoptic(), _coco_runs(),
    _parquet_bytes(), _nested_archives(), _kvasir(), _cars(), _hub_objects(), _crowd(), _fashion(), _faces(),
]  # fmt: skip
