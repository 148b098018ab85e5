"""Layouts of public image sets in small: the files as their authors distribute them, and the right reading of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import numpy as np
from PIL import Image

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from layouts import as_bytes, described, put

SIZE = (40, 30)
LABEL, LABELS, BOXES, MASKS = (
    "image-classification", "image-classification-multi-label", "image-object-detection", "image-instance-segmentation",
)  # fmt: skip

Outcome = Literal["right", "refused", "wrong"]


@dataclass(frozen=True)
class Photo:
    """A picture of noise that no other path has."""

    size: tuple[int, int] = SIZE
    format: str = "PNG"

    def content(self, path: str) -> bytes:
        noise = np.random.default_rng(crc32(path.encode())).integers(0, 256, (*self.size[::-1], 3), np.uint8)
        return saved(Image.fromarray(noise), self.format)


@dataclass(frozen=True)
class Mask:
    """Rectangles with values on a ground of zeros: value, then x1, y1, x2, y2 with exclusive ends."""

    parts: tuple[tuple[int, tuple[int, int, int, int]], ...]
    size: tuple[int, int] = SIZE
    mode: str = "L"

    def content(self, path: str) -> bytes:
        return saved(Image.fromarray(self.values().astype(np.uint16 if self.mode == "I;16" else np.uint8)), "PNG")

    def values(self) -> Any:
        values = np.zeros(self.size[::-1], np.int64)
        for value, (x1, y1, x2, y2) in self.parts:
            values[y1:y2, x1:x2] = value
        return values


@dataclass(frozen=True)
class PublicSet:
    """One set.

    Attributes:
        name: of the set.
        files: contents by path.
        readings: right ones, each a task and what every image is read as, as `described` says it without the group.
            A split or a label of "*" may be anything.
        refusal: what an error has to say where refusing is right too; None where the set has to be read.
        settings: of `Dataset.open`.
        says: what the report has to say.
    """

    name: str
    files: dict[str, Any]
    readings: tuple[tuple[str, dict[str, str]], ...] = ()
    refusal: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    says: str = ""

    def write(self, root: Path) -> Path:
        for path, content in self.files.items():
            data = content.content(path) if isinstance(content, Photo | Mask) else as_bytes(content)
            put(root / path, data)
        return root

    def outcome(self, root: Path) -> tuple[Outcome, str]:
        """How the set is read below a folder where it was written, and what was read or said."""
        try:
            dataset = Dataset.open(root, **self.settings)
        except DataError as error:
            right = self.refusal is not None and self.refusal.casefold() in str(error).casefold()
            return "right" if right and not self.readings else "refused", str(error)
        below = dataset.root.removeprefix(str(root)).strip("!/")
        found = {f"{below}/{k}" if below else k: without_group(v) for k, v in described(dataset).items()}
        said = "\n".join(f"{p.place}: {p.reason}" for p in (*dataset.report.problems, *dataset.report.notes))
        text = f"{dataset.task} by {dataset.format}: {found}\n{said}"
        same = any(task == dataset.task and agrees(found, wanted) for task, wanted in self.readings)
        return "right" if same and self.says in said else "wrong", text


def saved(image: Image.Image, format: str) -> bytes:
    file = BytesIO()
    image.save(file, format)
    return file.getvalue()


def without_group(text: str) -> str:
    split, _, rest = text.partition(" ")
    return f"{split} {rest.partition('] ')[2] if rest.startswith('[') else rest}"


def agrees(found: dict[str, str], wanted: dict[str, str]) -> bool:
    """Whether the same images have the same splits and labels; places may differ by half a pixel."""
    return found.keys() == wanted.keys() and all(_same(found[name], wanted[name]) for name in wanted)


def _same(found: str, wanted: str) -> bool:
    split, _, names = found.partition(" ")
    right_split, _, right_names = wanted.partition(" ")
    ours, theirs = (sorted(map(_parsed, text.split("|")), key=str) for text in (names, right_names))
    if any(label == "*" for label, _ in theirs):
        ours, theirs = ([("*", place) for _, place in sorted(part, key=lambda p: p[1])] for part in (ours, theirs))
    return right_split in ("*", split) and len(ours) == len(theirs) and all(map(_near, ours, theirs))


def _near(a: tuple[str, tuple[float, ...]], b: tuple[str, tuple[float, ...]]) -> bool:
    return a[0] == b[0] and len(a[1]) == len(b[1]) and bool(np.allclose(a[1], b[1], atol=0.51))


def _parsed(text: str) -> tuple[str, tuple[float, ...]]:
    label, _, place = text.rpartition("@") if "@" in text else (text, "", "")
    return label, tuple(map(float, place.split(","))) if place else ()


def photos(*paths: str, size: tuple[int, int] = SIZE, format: str = "PNG") -> dict[str, Any]:
    return {path: Photo(size, format) for path in paths}


def voc(name: str, *objects: tuple[str, tuple[int, int, int, int]], folder: str = "images") -> str:
    boxes = "".join(
        f"<object><name>{label}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox>"
        f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for label, (x1, y1, x2, y2) in objects
    )
    size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>"
    return f"<annotation><folder>{folder}</folder><filename>{name}</filename>{size}{boxes}</annotation>"


def runs(box: tuple[int, int, int, int], *, by_row: bool, size: tuple[int, int] = SIZE) -> str:
    """A rectangle as "start length ..." from 1, by row or by column."""
    x1, y1, x2, y2 = box
    width, height = size
    if by_row:
        return " ".join(f"{y * width + x1 + 1} {x2 - x1}" for y in range(y1, y2))
    return " ".join(f"{x * height + y1 + 1} {y2 - y1}" for x in range(x1, x2))


def _cub() -> PublicSet:
    folders = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    names = [f"{folder}/{folder[4:]}_000{i}_79{i}.jpg" for folder in folders for i in range(6)]
    split = ["1", "1", "1", "0", "0", "1"] * 2
    images = [f"CUB_200_2011/images/{name}" for name in names]
    which = [("train" if s == "1" else "test") for s in split]
    label = [folders[i // 6] for i in range(12)]
    return PublicSet(
        "CUB-200-2011",
        {
            **photos(*images),
            "CUB_200_2011/README": "An extended version of the CUB-200 dataset",
            "CUB_200_2011/classes.txt": [f"{i} {name}" for i, name in enumerate(folders, 1)],
            "CUB_200_2011/images.txt": [f"{i} {name}" for i, name in enumerate(names, 1)],
            "CUB_200_2011/image_class_labels.txt": [f"{i + 1} {i // 6 + 1}" for i in range(12)],
            "CUB_200_2011/train_test_split.txt": [f"{i} {s}" for i, s in enumerate(split, 1)],
            "CUB_200_2011/bounding_boxes.txt": [f"{i} {i}.0 2.0 20.0 15.0" for i in range(1, 13)],
            "CUB_200_2011/parts/parts.txt": ["1 back", "2 beak"],
            "CUB_200_2011/parts/part_locs.txt": [f"{i} {p} 3.0 4.0 1" for i in range(1, 13) for p in (1, 2)],
        },
        (
            (LABEL, {image: f"{s} {c}" for image, s, c in zip(images, which, label, strict=True)}),
            (BOXES, {im: f"{which[i]} {label[i]}@{i + 1},2,{i + 21},17" for i, im in enumerate(images)}),
        ),
    )


def _gtsrb() -> PublicSet:
    files: dict[str, Any] = {}
    labels, boxes = {}, {}
    for c in range(2):
        folder = f"GTSRB/Final_Training/Images/0000{c}"
        rows = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
        for i in range(6):
            path = f"{folder}/00000_0000{i}.ppm"
            files[path] = Photo(format="PPM")
            rows.append(f"00000_0000{i}.ppm;40;30;5;6;3{i};25;{c}")
            labels[path], boxes[path] = f"* 0000{c}", f"* {c}@5,6,{30 + i},25"
        files[f"{folder}/GT-0000{c}.csv"] = rows
    files |= photos("GTSRB/Final_Test/Images/00000.ppm", "GTSRB/Final_Test/Images/00001.ppm", format="PPM")
    head = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2"]
    files["GTSRB/Final_Test/Images/GT-final_test.test.csv"] = head + [f"0000{i}.ppm;40;30;6;5;30;25" for i in range(2)]
    numbers = {path: f"* {path[32]}" for path in labels}
    return PublicSet("GTSRB", files, ((LABEL, labels), (LABEL, numbers), (BOXES, boxes)))


def _tiny_imagenet() -> PublicSet:
    files: dict[str, Any] = {"tiny/wnids.txt": ["n01443537", "n01629819"]}
    files["tiny/words.txt"] = ["n00001740\tentity", "n01443537\tgoldfish", "n01629819\tEuropean fire salamander"]
    found, rows = {}, []
    for c in ("n01443537", "n01629819"):
        for i in range(6):
            path = f"tiny/train/{c}/images/{c}_{i}.JPEG"
            files[path], found[path] = Photo(), f"train {c}"
        files[f"tiny/train/{c}/{c}_boxes.txt"] = [f"{c}_{i}.JPEG\t0\t10\t30\t25" for i in range(6)]
        for _ in range(2):
            path = f"tiny/val/images/val_{len(rows)}.JPEG"
            files[path], found[path] = Photo(), f"val {c}"
            rows.append(f"val_{len(rows)}.JPEG\t{c}\t0\t3\t30\t25")
    files["tiny/val/val_annotations.txt"] = rows
    files |= photos("tiny/test/images/test_0.JPEG", "tiny/test/images/test_1.JPEG")
    boxes = {k: f"{v}@0,{10 if 'train' in k else 3},30,25" for k, v in found.items()}
    return PublicSet("Tiny ImageNet", files, ((LABEL, found), (BOXES, boxes)))


def _food() -> PublicSet:
    classes = ["apple_pie", "baby_back_ribs"]
    names = [f"{c}/{100 + i}" for c in classes for i in range(7)]
    train, test = (
        [n for n in names if (int(n[-1]) < 5) == first] for first in (True, False)
    )  # fmt: skip
    return PublicSet(
        "Food-101",
        {
            **photos(*(f"food-101/images/{n}.jpg" for n in names)),
            "food-101/meta/classes.txt": classes,
            "food-101/meta/labels.txt": ["Apple pie", "Baby back ribs"],
            "food-101/meta/train.txt": train,
            "food-101/meta/test.txt": test,
            "food-101/meta/train.json": {
                c: [n for n in train if n.startswith(c)] for c in ("apple_pie", "baby_back_ribs")
            },
            "food-101/meta/test.json": {
                c: [n for n in test if n.startswith(c)] for c in ("apple_pie", "baby_back_ribs")
            },
            "food-101/license_agreement.txt": "The Food-101 data set consists of images from Foodspotting",
        },
        ((LABEL, {f"food-101/images/{n}.jpg": f"{'train' if n in train else 'test'} {n[:-4]}" for n in names}),),
    )


def _aircraft() -> PublicSet:
    names = [f"{1025790 + i}" for i in range(14)]
    files: dict[str, Any] = photos(*(f"data/images/{n}.jpg" for n in names))
    of = {"variant": ("707-320", "DC-8"), "family": ("Boeing 707", "DC-8"), "manufacturer": ("Boeing", "Douglas")}
    for kind, labels in of.items():
        for split, part in (("train", names[:8]), ("val", names[8:11]), ("test", names[11:])):
            files[f"data/images_{kind}_{split}.txt"] = [f"{n} {labels[int(n) % 2]}" for n in part]
    files["data/images_box.txt"] = [f"{n} 1 2 30 20" for n in names]
    files["data/variants.txt"] = list(of["variant"])
    return PublicSet("FGVC Aircraft", files, refusal="images_variant_train.txt")


def _isic() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for part, split, first in (("Training", "train", 0), ("Validation", "val", 6)):
        rows = ["image,MEL,NV,BCC"]
        for i in range(first, first + 6):
            path = f"ISIC2018_Task3_{part}_Input/ISIC_00{i:05d}.jpg"
            files[path], found[path] = Photo(), f"{split} {('MEL', 'NV', 'BCC')[i % 3]}"
            rows.append(f"ISIC_00{i:05d}," + ",".join("1.0" if k == i % 3 else "0.0" for k in range(3)))
        files[f"ISIC2018_Task3_{part}_GroundTruth/ISIC2018_Task3_{part}_GroundTruth.csv"] = rows
        files[f"ISIC2018_Task3_{part}_Input/LICENSE.txt"] = "Attribution"
    return PublicSet("ISIC 2018 task 3", files, ((LABEL, found), (LABELS, found)))


def _ham() -> PublicSet:
    files: dict[str, Any] = {}
    found, rows = {}, ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    for i in range(12):
        path = f"HAM10000_images_part_{i // 6 + 1}/ISIC_00{i:05d}.jpg"
        files[path], found[path] = Photo(), f"* {('bkl', 'nv')[i % 2]}"
        rows.append(
            f"HAM_00{i:02d},ISIC_00{i:05d},{('bkl', 'nv')[i % 2]},histo,80.0,{('male', 'female')[i // 2 % 2]},scalp"
        )
    files["HAM10000_metadata.csv"] = rows
    return PublicSet("HAM10000", files, ((LABEL, found),))


def _aptos() -> PublicSet:
    names = [f"{i:02d}0c1434d8d{i}" for i in range(12)]
    return PublicSet(
        "APTOS 2019",
        {
            **photos(*(f"train_images/{n}.png" for n in names), *(f"test_images/f{i}c1434d8d.png" for i in range(3))),
            "train.csv": ["id_code,diagnosis", *(f"{n},{i % 3}" for i, n in enumerate(names))],
            "test.csv": ["id_code", *(f"f{i}c1434d8d" for i in range(3))],
            "sample_submission.csv": ["id_code,diagnosis", *(f"f{i}c1434d8d,0" for i in range(3))],
        },
        ((LABEL, {f"train_images/{n}.png": f"* {i % 3}" for i, n in enumerate(names)}),),
    )


def _nih() -> PublicSet:
    findings = ["Cardiomegaly|Effusion", "No Finding", "Effusion", "Cardiomegaly", "No Finding", "Hernia|Effusion"] * 2
    names = [f"0000000{i // 2 + 1}_00{i % 2}.png" for i in range(12)]
    paths = [f"images_00{i // 6 + 1}/images/{n}" for i, n in enumerate(names)]
    head = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    )
    rows = [f"{n},{findings[i]},{i % 2},{i // 2 + 1},058,M,PA,2682,2749,0.143,0.143," for i, n in enumerate(names)]
    split = ["train"] * 8 + ["test"] * 4
    found = {p: f"{s} {f}" for p, s, f in zip(paths, split, findings, strict=True)}
    bare = {p: text.replace("No Finding", "") for p, text in found.items()}
    return PublicSet(
        "NIH ChestX-ray14",
        {
            **photos(*paths),
            "Data_Entry_2017.csv": [head, *rows],
            "BBox_List_2017.csv": [
                "Image Index,Finding Label,Bbox [x,y,w,h],,,", f"{names[2]},Effusion,2.5,5.0,10.0,12.0,,,",
            ],
            "train_val_list.txt": names[:8],
            "test_list.txt": names[8:],
        },
        ((LABELS, found), (LABELS, bare)),
    )  # fmt: skip


def _chexpert() -> PublicSet:
    files: dict[str, Any] = {}
    head = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Cardiomegaly,Edema,Pneumonia"
    for split, values in (
        ("train", ["1.0,,,", ",1.0,-1.0,", ",,1.0,0.0", ",-1.0,,1.0"] * 3),
        ("valid", ["0.0,1.0,1.0,0.0"]),
    ):
        rows = [head]
        for i, value in enumerate(values):
            path = f"{split}/patient000{i:02d}/study1/view1_frontal.jpg"
            files[path] = Photo()
            rows.append(f"CheXpert-v1.0-small/{path},Female,68,Frontal,AP,{value}")
        files[f"{split}.csv"] = rows
    found = dict.fromkeys((path for path in files if path.endswith(".jpg")), "")
    for i, path in enumerate(found):
        train = ("No Finding", "Cardiomegaly", "Edema", "Pneumonia")[i % 4]
        found[path] = f"train {train}" if path.startswith("train") else "val Cardiomegaly|Edema"
    return PublicSet("CheXpert", files, ((LABELS, found),), says="-1 is read as 0")


def _celeba() -> PublicSet:
    names = [f"{i:06d}.jpg" for i in range(1, 13)]
    values = ["-1  1  1", " 1 -1 -1", "-1 -1  1", " 1  1 -1", "-1  1 -1", " 1 -1  1"] * 2
    has = ["Bald|Smiling", "Arched_Eyebrows", "Smiling", "Arched_Eyebrows|Bald", "Bald", "Arched_Eyebrows|Smiling"] * 2
    split = ["train"] * 8 + ["val", "val", "test", "test"]
    numbers = {"train": 0, "val": 1, "test": 2}
    return PublicSet(
        "CelebA",
        {
            **photos(*(f"Img/img_align_celeba/{n}" for n in names)),
            "Anno/list_attr_celeba.txt": [
                "12", "Arched_Eyebrows Bald Smiling ", *(f"{n} {v}" for n, v in zip(names, values, strict=True)),
            ],
            "Anno/identity_CelebA.txt": [f"{n} {2880 + i}" for i, n in enumerate(names)],
            "Anno/list_bbox_celeba.txt": ["12", "image_id x_1 y_1 width height", *(f"{n}   5  7 22 13" for n in names)],
            "Eval/list_eval_partition.txt": [f"{n} {numbers[s]}" for n, s in zip(names, split, strict=True)],
        },
        ((LABELS, {f"Img/img_align_celeba/{n}": f"{split[i]} {has[i]}" for i, n in enumerate(names)}),),
    )  # fmt: skip


def _rfmid() -> PublicSet:
    files: dict[str, Any] = {}
    found, bare = {}, {}
    rows = ["1,1,0,1", "1,0,1,0", "0,0,0,0", "1,1,0,0"]
    names = ["DR|MH", "ARMD", "", "DR"]
    for parent, folder, part, split in (
        ("Training_Set", "Training", "Training", "train"), ("Evaluation_Set", "Validation", "Validation", "val"),
        ("Test_Set", "Test", "Testing", "test"),
    ):  # fmt: skip
        files[f"{parent}/RFMiD_{part}_Labels.csv"] = [
            "ID,Disease_Risk,DR,ARMD,MH", *(f"{i},{row}" for i, row in enumerate(rows, 1)),
        ]  # fmt: skip
        for i, name in enumerate(names, 1):
            path = f"{parent}/{folder}/{i}.png"
            files[path] = Photo()
            found[path] = f"{split} {'Disease_Risk|' + name if name else ''}"
            bare[path] = f"{split} {name}"
    return PublicSet("RFMiD", files, ((LABELS, found), (LABELS, bare)))


def _pets() -> PublicSet:
    names = [f"{breed}_{i}" for breed in ("Abyssinian", "american_bulldog") for i in range(1, 9)]
    part = ["trainval", "trainval", "trainval", "test"] * 4
    species = {n: 1 if n[0].isupper() else 2 for n in names}
    rows = [f"{n} {species[n]} {species[n]} 1" for n in names]
    trainval = [n for n, p in zip(names, part, strict=True) if p == "trainval"]
    animal = {1: "cat", 2: "dog"}
    return PublicSet(
        "Oxford-IIIT Pet",
        {
            **photos(*(f"images/{n}.jpg" for n in names)),
            "annotations/list.txt": ["#Image CLASS-ID SPECIES BREED ID", "#ID: 1:37 Class ids", *rows],
            "annotations/trainval.txt": [r for r in rows if r.split()[0] in trainval],
            "annotations/test.txt": [r for r in rows if r.split()[0] not in trainval],
            **{f"annotations/xmls/{n}.xml": voc(f"{n}.jpg", (animal[species[n]], (3, 4, 20, 22))) for n in trainval},
            **{f"annotations/trimaps/{n}.png": Mask(((1, (3, 4, 20, 22)), (3, (2, 3, 3, 22)))) for n in names},
        },
        (
            (BOXES, {f"images/{n}.jpg": f"* {animal[species[n]]}@3,4,20,22" for n in trainval}),
            (LABEL, {f"images/{n}.jpg": f"{'train' if n in trainval else 'test'} {species[n]}" for n in names}),
        ),
        refusal="list.txt",
    )


def _stanford_dogs() -> PublicSet:
    files: dict[str, Any] = {}
    boxes, labels = {}, {}
    for c in ("n02085620-Chihuahua", "n02085782-Japanese_spaniel"):
        for i in range(6):
            name = f"{c[:9]}_{100 + i}"
            path = f"Images/{c}/{name}.jpg"
            files[path] = Photo()
            files[f"Annotation/{c}/{name}"] = voc("%s" if i == 2 else name, (c[10:], (2, 3, 20 + i, 22)))
            boxes[path] = f"* {c[10:]}@2,3,{20 + i},22"
            labels[path] = f"* {c}"
    return PublicSet("Stanford Dogs", files, ((BOXES, boxes),))


def _utk() -> PublicSet:
    names = [f"UTKFace/{i}_{i % 2}_0_20170109150557{i}.jpg.chip.jpg" for i in range(12)]
    return PublicSet("UTKFace", photos(*names), refusal="annotation")


def _visa() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    tables: dict[str, list[str]] = {name: ["object,split,label,image,mask"] for name in ("1cls", "2cls_fewshot")}
    for i in range(12):
        kind = "normal" if i < 8 else "anomaly"
        path = f"candle/Data/Images/{kind.title()}/0{i:02d}.JPG"
        mask = f"candle/Data/Masks/Anomaly/0{i:02d}.png" if i > 7 else ""
        files[path] = Photo()
        split = "train" if i < 5 else "test"
        found[path] = f"{split} {kind}"
        for name, part in (("1cls", split), ("2cls_fewshot", "train" if i % 2 else "test")):
            tables[name].append(f"candle,{part},{kind},{path},{mask}")
        if mask:
            files[mask] = Mask(((1, (2, 3, 10, 12)),))
    files |= {f"split_csv/{name}.csv": rows for name, rows in tables.items()}
    return PublicSet("VisA", files, refusal="1cls.csv")


def _mvtec() -> PublicSet:
    good = [f"bottle/train/good/00{i}.png" for i in range(8)] + ["bottle/test/good/000.png", "bottle/test/good/001.png"]
    bad = ["bottle/test/broken_large/000.png", "bottle/test/broken_large/001.png"]
    masks = {f"bottle/ground_truth/broken_large/00{i}_mask.png": Mask(((255, (3, 3, 12, 9)),)) for i in range(2)}
    found = {path: f"{path.split('/')[1]} {path.split('/')[2]}" for path in (*good, *bad)}
    return PublicSet("MVTec AD", {**photos(*good, *bad), **masks, "bottle/readme.txt": "MVTec"}, ((LABEL, found),))


def _visdrone() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for split in ("train", "val"):
        root = f"VisDrone2019-DET-{split}"
        for i in range(6):
            name = f"00000{i}_00051_d_000000{i}"
            files[f"{root}/images/{name}.jpg"] = Photo()
            files[f"{root}/annotations/{name}.txt"] = [f"{i},4,10,12,1,4,0,1", "20,10,15,9,1,1,0,0", "5,20,8,6,0,0,0,0"]
            found[f"{root}/images/{name}.jpg"] = f"{split} 4@{i},4,{i + 10},16|1@20,10,35,19|0@5,20,13,26"
    return PublicSet("VisDrone", files, ((BOXES, found),), refusal="columns")


def _neu() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for folder, split, numbers in (("train", "train", range(1, 5)), ("validation", "val", range(5, 7))):
        for c in ("crazing", "inclusion"):
            for i in numbers:
                name = f"{c}_{i}"
                files[f"NEU-DET/{folder}/images/{c}/{name}.jpg"] = Photo()
                files[f"NEU-DET/{folder}/annotations/{name}.xml"] = voc(
                    f"{name}.jpg", (c, (2, 2, 38, 20 + i)), folder="cr"
                )
                found[f"NEU-DET/{folder}/images/{c}/{name}.jpg"] = f"{split} {c}@2,2,38,{20 + i}"
    return PublicSet("NEU-DET", files, ((BOXES, found),))


def _rdd() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for country in ("Japan", "India"):
        for i in range(7):
            name = f"{country}_00000{i}"
            objects = () if i == 3 else (("D00", (i, 2, 20, 22)), ("D40", (22, 2, 30, 9)))
            files[f"{country}/train/images/{name}.jpg"] = Photo()
            files[f"{country}/train/annotations/xmls/{name}.xml"] = voc(f"{name}.jpg", *objects, folder=country)
            places = "|".join(f"{label}@{','.join(map(str, box))}" for label, box in objects)
            found[f"{country}/train/images/{name}.jpg"] = f"train {places}"
        files |= photos(*(f"{country}/test/images/{country}_00001{i}.jpg" for i in range(2)))
    return PublicSet("RDD2022", files, ((BOXES, found),))


def _wheat() -> PublicSet:
    files: dict[str, Any] = {"gwhd_2021/metadata_dataset.csv": ["name;country;location", "Arvalis_1;France;Gréoux"]}
    found = {}
    for k, split in enumerate(("train", "val", "test")):
        rows = ["image_name,BoxesString,domain"]
        for i in range(5):
            name = f"{k}{i}d1f2a.png"
            files[f"gwhd_2021/images/{name}"] = Photo()
            boxes = "no_box" if i == 2 else f"{i} 4 12 16;20 3 36 {20 + i}"
            rows.append(f"{name},{boxes},Arvalis_{k}")
            places = "" if i == 2 else f"*@{i},4,12,16|*@20,3,36,{20 + i}"
            found[f"gwhd_2021/images/{name}"] = f"{split} {places}"
        files[f"gwhd_2021/competition_{split}.csv"] = rows
    return PublicSet("Global Wheat 2021", files, ((BOXES, found),))


def _sku() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for split in ("train", "val", "test"):
        rows = []
        for i in range(5):
            files[f"SKU110K_fixed/images/{split}_{i}.jpg"] = Photo()
            rows += [f"{split}_{i}.jpg,{i},3,12,16,object,40,30", f"{split}_{i}.jpg,20,3,33,{20 + i},object,40,30"]
            found[f"SKU110K_fixed/images/{split}_{i}.jpg"] = f"{split} object@{i},3,12,16|object@20,3,33,{20 + i}"
        files[f"SKU110K_fixed/annotations/annotations_{split}.csv"] = rows
    return PublicSet("SKU-110K", files, ((BOXES, found),))


def _bdd() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for split in ("train", "val"):
        values: list[dict[str, Any]] = []
        for i in range(7):
            name = f"{split[0]}00{i}f0d4-7b3a.jpg"
            path = f"bdd100k/images/100k/{split}/{name}"
            files[path] = Photo()
            value: dict[str, Any] = {
                "name": name, "attributes": {"weather": "clear", "scene": "highway"}, "timestamp": 10000,
            }  # fmt: skip
            if i < 6:
                box = {"x1": 2.5 + i, "y1": 3.0, "x2": 20.5, "y2": 18.0}
                value["labels"] = [{"id": str(i), "attributes": {"occluded": False}, "category": "car", "box2d": box}]
            values.append(value)
            found[path] = f"{split} " + (f"car@{2.5 + i},3,20.5,18" if i < 6 else "")
        files[f"bdd100k/labels/det_20/det_{split}.json"] = values
    return PublicSet("BDD100K", files, ((BOXES, found),))


def _tt100k() -> PublicSet:
    files: dict[str, Any] = {}
    found, images = {}, {}
    for k, part in enumerate(("train", "test", "other")):
        for i in range(6):
            number = 1000 + 10 * k + i
            path = f"{part}/{number}.jpg"
            files[f"tt100k_2021/{path}"] = Photo()
            box = {"xmin": 2.0 + i, "ymin": 3.5, "xmax": 20.0, "ymax": 18.5}
            label = ("pl80", "i5")[i % 2]
            images[str(number)] = {"path": path, "id": number, "objects": [{"bbox": box, "category": label}]}
            found[f"tt100k_2021/{path}"] = f"{'*' if part == 'other' else part} {label}@{2 + i},3.5,20,18.5"
    files["tt100k_2021/annotations_all.json"] = {"types": ["i5", "pl80", "w9"], "imgs": images}
    return PublicSet("TT100K", files, ((BOXES, found),))


def _gtsdb() -> PublicSet:
    names = [f"000{i:02d}.ppm" for i in range(12)]
    files: dict[str, Any] = photos(*(f"FullIJCNN2013/{n}" for n in names), format="PPM")
    rows = [f"{n};{i};4;20;25;{11 if i % 2 else 40}" for i, n in enumerate(names)] + ["00000.ppm;22;5;36;20;11"]
    rows.sort()
    for c in ("11", "40"):
        files |= photos(*(f"FullIJCNN2013/{c}/0000{i}.ppm" for i in range(3)), size=(12, 12), format="PPM")
    files["FullIJCNN2013/gt.txt"] = rows
    files["FullIJCNN2013/ReadMe.txt"] = "German Traffic Sign Detection Benchmark"
    found = {f"FullIJCNN2013/{n}": f"* {11 if i % 2 else 40}@{i},4,20,25" for i, n in enumerate(names)}
    found["FullIJCNN2013/00000.ppm"] += "|11@22,5,36,20"
    return PublicSet("GTSDB", files, ((BOXES, found),))


def _malaria() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for k, (name, split) in enumerate((("training", "train"), ("test", "test"))):
        values = []
        for i in range(6):
            path = f"images/{k}{i}d04.png"
            files[f"malaria/{path}"] = Photo()
            box = {"minimum": {"r": 2, "c": 5 + i}, "maximum": {"r": 22, "c": 30}}
            label = ("red blood cell", "trophozoite")[i % 2]
            values.append(
                {
                    "image": {"checksum": "676bb8", "pathname": f"/{path}", "shape": {"r": 30, "c": 40, "channels": 3}},
                    "objects": [{"bounding_box": box, "category": label}],
                }
            )
            found[f"malaria/{path}"] = f"{split} {label}@{5 + i},2,30,22"
        files[f"malaria/{name}.json"] = values
    return PublicSet("BBBC041 malaria", files, ((BOXES, found),))


def _bowl() -> PublicSet:
    files: dict[str, Any] = {}
    found, rows = {}, ["ImageId,EncodedPixels"]
    for i in range(12):
        name = f"{i:02d}a9c1"
        path = f"stage1_train/{name}/images/{name}.png"
        files[path] = Photo()
        for k, box in enumerate(((i % 8, 2, 10, 12), (20, 5, 33, 20))):
            files[f"stage1_train/{name}/masks/{k}b7f{i}.png"] = Mask(((255, box),))
            rows.append(f"{name},{runs(box, by_row=False)}")
        found[path] = f"* *@{i % 8},2,10,12|*@20,5,33,20"
    files |= photos(*(f"stage1_test/1{i}f/images/1{i}f.png" for i in range(2)))
    return PublicSet("Data Science Bowl 2018", {**files, "stage1_train_labels.csv": rows}, ((MASKS, found),))


def _sartorius() -> PublicSet:
    files: dict[str, Any] = {"sample_submission.csv": ["id,predicted", "7ae19de7bc2a,"]}
    head = "id,annotation,width,height,cell_type,plate_time,sample_date,sample_id,elapsed_timedelta"
    rows, found = [head], {}
    for i in range(12):
        name, cell = f"0030fd0e6{i:02d}8", ("shsy5y", "astro")[i % 2]
        files[f"train/{name}.png"] = Photo()
        boxes = ((i % 8, 2, 10, 12), (20, 5, 33, 20))
        rows += [f"{name},{runs(b, by_row=True)},40,30,{cell},11h30m00s,2019-06-16,{cell}[diff],0 days" for b in boxes]
        found[f"train/{name}.png"] = "* " + "|".join(f"{cell}@{','.join(map(str, b))}" for b in boxes)
    files |= {"test/7ae19de7bc2a.png": Photo(), "train.csv": rows}
    return PublicSet("Sartorius cells", files, ((MASKS, found),), refusal="annotation")


def _cityscapes() -> PublicSet:
    files: dict[str, Any] = {}
    found = {}
    for split, city in (("train", "aachen"), ("train", "bochum"), ("val", "munster")):
        for i in range(5):
            name = f"{city}_00000{i}_000019"
            objects = [
                {"label": "road", "polygon": [[0, 15], [39, 15], [39, 29], [0, 29]]},
                {"label": "car", "polygon": [[i, 4], [20, 4], [20, 14], [i, 14]]},
            ]
            root = f"gtFine/{split}/{city}/{name}_gtFine"
            files[f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"] = Photo()
            files[f"{root}_polygons.json"] = {"imgHeight": 30, "imgWidth": 40, "objects": objects}
            files[f"{root}_labelIds.png"] = Mask(((7, (0, 15, 40, 30)), (26, (i, 4, 21, 15))))
            files[f"{root}_instanceIds.png"] = Mask(((7, (0, 15, 40, 30)), (26000, (i, 4, 21, 15))), mode="I;16")
            files[f"{root}_color.png"] = Photo()
            found[f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"] = f"{split} car@{i},4,21,15"
    return PublicSet("Cityscapes", files, ((MASKS, found),))


def _leaves() -> PublicSet:
    files: dict[str, Any] = {"A1/A1.csv": [f"plant0{i:02d}_rgb.png, 2" for i in range(12)]}
    found = {}
    for i in range(12):
        files[f"A1/plant0{i:02d}_rgb.png"] = Photo()
        files[f"A1/plant0{i:02d}_label.png"] = Mask(((1, (i % 8, 2, 10, 12)), (2, (20, 5, 33, 20))))
        files[f"A1/plant0{i:02d}_centers.png"] = Mask(((255, (5, 6, 6, 7)), (255, (26, 12, 27, 13))))
        found[f"A1/plant0{i:02d}_rgb.png"] = f"* *@{i % 8},2,10,12|*@20,5,33,20"
    return PublicSet("CVPPP leaves", files, ((MASKS, found),), refusal="_label")


SETS = [
    _cub(), _gtsrb(), _tiny_imagenet(), _food(), _aircraft(), _isic(),
    _ham(), _aptos(), _nih(), _chexpert(),
    _celeba(), _rfmid(), _pets(), _stanford_dogs(), _utk(), _visa(), _mvtec(), _visdrone(), _neu(), _rdd(),
    _wheat(), _sku(), _bdd(), _tt100k(), _gtsdb(), _malaria(), _bowl(), _sartorius(), _cityscapes(), _leaves(),
]  # fmt: skip
