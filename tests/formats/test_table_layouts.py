"""Tables as real image sets and labelling services have them."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from layouts import BOXES, IMAGES, UNTOLD, Layout, check, lines
from object_files import parquet

MANY: dict[str, str | None] = {"images/c#.jpg": "- cat|pet", "images/d#.jpg": "- dog", "images/e#.jpg": "- cat|dog"}


def table(name: str, *rows: str, images: dict[str, str | None] | None = None, **more: Any) -> Layout:
    """Images in a folder and one table beside it."""
    return Layout(name, IMAGES if images is None else images, {"labels.csv": list(rows)}, **more)


CLASSES = [
    *(
        table(header, header, "images/c#.jpg,cat", "images/d#.jpg,dog")
        for header in [
            "filename,class",
            "file,label",
            "path,target",
            "image_id,label",
            "Image,Id",
            "fname,breed",
            "file_path,species",
            "Image Path,Class Name",
            "img_name,category_id",
            "filepaths,labels",
            "id,diagnosis",
            "image,dx",
            "photo_file,variety",
        ]
    ),
    Layout(
        "Kaggle: identifiers without suffix, an unlabelled test, a sample submission",
        {"train/c#.jpg": "train cat", "train/d#.jpg": "train dog", "test/t#.jpg": None},
        {"labels.csv": ["id,breed", "c#,cat", "d#,dog"], "sample_submission.csv": ["id,breed", "t#,cat"]},
    ),
    Layout(
        "Kaggle: the same identifiers in train and test",
        {"train/#.jpg": "train cat", "train/1#.jpg": "train dog", "test/#.jpg": None, "test/1#.jpg": None},
        {
            "train.csv": ["id,label", "#,cat", "1#,dog"],
            "test.csv": ["id", "#"],
            "sampleSubmission.csv": ["id,label", "#,cat"],
        },
    ),
    table(
        "identifiers with points",
        "id,label",
        "c#,cat",
        "d.#.x,dog",
        images={"i/c#.jpg": "- cat", "i/d.#.x.jpg": "- dog"},
    ),
    table(
        "numbers as file names", "image,label", "1#,cat", "2#,dog", images={"i/1#.jpg": "- cat", "i/2#.jpg": "- dog"}
    ),
    table(
        "leading zeros", "image,label", "00#.jpg,007", "10#.jpg,012", images={"00#.jpg": "- 007", "10#.jpg": "- 012"}
    ),
    table("an index column", ",image,label", "#,c#.jpg,cat", "1#,d#.jpg,dog"),
    table("Unnamed: 0", "Unnamed: 0,image,label", "#,c#.jpg,cat", "1#,d#.jpg,dog"),
    table("more columns", "image,age,sex,label,bbox", "c#.jpg,31,m,cat,", "d#.jpg,40,f,dog,"),
    table(
        "patients",
        "Image Index,Patient ID,Finding Label",
        "c#.jpg,#,cat",
        "d#.jpg,#,dog",
        images={"images/c#.jpg": "- [#] cat", "images/d#.jpg": "- [#] dog"},
    ),
    table(
        "lesions",
        "lesion_id,image_id,dx,dx_type,age,sex",
        "L#,c#,cat,histo,50.0,male",
        "M#,d#,dog,histo,60.0,male",
        images={"part_1/c#.jpg": "- [L#] cat", "part_2/d#.jpg": "- [M#] dog"},
    ),
    table("a name beside the number", "filename,label,class_name", "c#.jpg,0,cat", "d#.jpg,1,dog"),
    table(
        "birds",
        "class id,filepaths,labels,dataset,scientific name",
        "0,images/c#.jpg,CAT,train,FELIS",
        "1,images/d#.jpg,DOG,valid,CANIS",
        images={"images/c#.jpg": "train CAT", "images/d#.jpg": "val DOG"},
    ),
    Layout(
        "a table of class names",
        IMAGES,
        {
            "labels.csv": ["image,label", "c#.jpg,0", "d#.jpg,1"],
            "class_map.csv": ["class_id,class_name", "0,cat", "1,dog"],
        },
        reports="class_map.csv",
    ),
    Layout(
        "a JSON of class names",
        IMAGES,
        {
            "labels.csv": ["image_id,label", "c#.jpg,3", "d#.jpg,4"],
            "label_num_to_disease_map.json": {"3": "cat", "4": "dog", "5": "bird"},
        },
    ),
    Layout(
        "a JSON of numbers",
        IMAGES,
        {"labels.csv": ["image_id,label", "c#.jpg,3", "d#.jpg,4"], "cat_to_id.json": {"cat": 3, "dog": 4}},
    ),
    Layout(
        "a list of class names",
        IMAGES,
        {"labels.csv": ["image_id,label", "c#.jpg,0", "d#.jpg,1"], "classes.txt": ["cat", "dog"]},
    ),
    Layout(
        "a list from one",
        IMAGES,
        {"labels.csv": ["image_id,label", "c#.jpg,1", "d#.jpg,2"], "names.csv": ["cat", "dog"]},
    ),
    Layout(
        "class names that do not fit",
        {"images/c#.jpg": "- 7", "images/d#.jpg": "- 9"},
        {"labels.csv": ["image_id,label", "c#.jpg,7", "d#.jpg,9"], "classes.txt": ["cat", "dog"]},
    ),
    table(
        "floats for classes",
        "image,label",
        "c#.jpg,0.0",
        "d#.jpg,1.0",
        images={"images/c#.jpg": "- 0", "images/d#.jpg": "- 1"},
    ),
    table(
        "empty and not a number",
        "image,label",
        "c#.jpg,cat",
        "d#.jpg,dog",
        "e0.jpg,",
        "e1.jpg,NaN",
        images={**IMAGES, "images/e0.jpg": None, "images/e1.jpg": "- NaN"},
        reports="label is empty",
    ),
    table(
        "classes that other tables write for nothing",
        "image,label",
        "c#.jpg,NA",
        "d#.jpg,null",
        "e#.jpg,None",
        images={"images/c#.jpg": "- NA", "images/d#.jpg": "- null", "images/e#.jpg": "- None"},
        reports='"null" is read as the name of a class',
    ),
    table(
        "numbers and not a number",
        "image,label",
        "c#.jpg,1.0",
        "d#.jpg,2.0",
        "e0.jpg,nan",
        images={"images/c#.jpg": "- 1", "images/d#.jpg": "- 2", "images/e0.jpg": None},
        reports="label is empty",
    ),
    table("rows twice", "image,label", "c#.jpg,cat", "c#.jpg,cat", "d#.jpg,dog"),
    table("semicolons", "image;label", "c#.jpg;cat", "d#.jpg;dog"),
    table("Excel's first line", "sep=;", "image;label", "c#.jpg;cat", "d#.jpg;dog"),
    table("pipes", "image|label", "c#.jpg|cat", "d#.jpg|dog"),
    Layout("tabs", IMAGES, {"labels.tsv": ["image\tlabel", "c#.jpg\tcat", "d#.jpg\tdog"]}),
    Layout("tabs in a text", IMAGES, {"labels.txt": ["image\tlabel", "c#.jpg\tcat", "d#.jpg\tdog"]}),
    Layout(
        "UTF-16 with tabs",
        IMAGES,
        {"labels.csv": "\r\n".join(lines("image\tlabel", "c#.jpg\tcat", "d#.jpg\tdog")).encode("utf-16")},
    ),
    table(
        "a class with a comma",
        "image,label",
        'c#.jpg,"cat, small"',
        "d#.jpg,dog",
        images={"images/c#.jpg": "- cat, small", "images/d#.jpg": "- dog"},
    ),
    table(
        "a name of two words",
        "image,labels",
        "c#.jpg,house cat",
        "d#.jpg,golden retriever",
        images={"images/c#.jpg": "- house cat", "images/d#.jpg": "- golden retriever"},
    ),
    table(
        "a foreign machine's paths",
        "path,label",
        "/kaggle/input/pets/images/c#.jpg,cat",
        "/kaggle/input/pets/images/d#.jpg,dog",
    ),
    table("Windows' paths", "path,label", r"C:\Users\me\images\c#.jpg,cat", r"images\d#.jpg,dog"),
    table("stores' URLs", "path,label", "gs://bucket/images/c#.jpg,cat", "s3://bucket/x/images/d#.jpg,dog"),
    table(
        "web URLs",
        "path,label",
        "https://a.blob.core.windows.net/x/images/c#.jpg?sv=1&sig=2,cat",
        "https://a.blob.core.windows.net/x/images/d#.jpg,dog",
    ),
    table("other capitals", "path,label", "images/C#.JPG,cat", "IMAGES/d#.jpg,dog"),
    table(
        "letters in two ways",
        "path,label",
        f"{unicodedata.normalize('NFD', 'Kätzchen')} #.jpg,cat",
        "d#.jpg,dog",
        images={f"images/{unicodedata.normalize('NFC', 'Kätzchen')} #.jpg": "- cat", "images/d#.jpg": "- dog"},
    ),
    Layout(
        "tables of the splits",
        {"a/c#.jpg": "train cat", "a/d#.jpg": "train dog", "b/c#.jpg": "val cat", "b/d#.jpg": "test dog"},
        {
            "train.csv": ["path,label", "a/c#.jpg,cat", "a/d#.jpg,dog"],
            "valid.csv": ["path,label", "b/c#.jpg,cat"],
            "test.csv": ["path,label", "b/d#.jpg,dog"],
        },
    ),
    Layout(
        "splits by folders alone",
        {"train/c#.jpg": "train cat", "val/d#.jpg": "val dog"},
        {"labels.csv": ["path,label", "train/c#.jpg,cat", "val/d#.jpg,dog"]},
    ),
    Layout(
        "tables deeper than another",
        {"data/c#.jpg": "- cat", "data/d#.jpg": "- dog"},
        {"sizes.csv": ["name,size", "x,1"], "data/meta/labels.csv": ["path,label", "c#.jpg,cat", "d#.jpg,dog"]},
    ),
    Layout(
        "tables that contradict",
        UNTOLD,
        {
            "family.csv": ["image,label", "c#.jpg,cat", "d#.jpg,dog"],
            "breed.csv": ["image,label", "c#.jpg,persian", "d#.jpg,pug"],
        },
        error="breed.csv.*family.csv.*open one",
    ),
    Layout(
        "class folders beside a table",
        {"images/cat/#.jpg": "- CAT", "images/dog/#.jpg": "- DOG"},
        {"labels.csv": ["path,label", "cat/#.jpg,CAT", "dog/#.jpg,DOG"]},
    ),
    table(
        "an unknown label column",
        "image,alpha,beta",
        "c#.jpg,x#,cat",
        "d#.jpg,y#,dog",
        images=UNTOLD,
        error="it has: image, alpha, beta.*label_column",
    ),
    table("the label stated", "image,alpha,beta", "c#.jpg,x#,cat", "d#.jpg,y#,dog", settings={"label_column": "beta"}),
    table(
        "a table of measures",
        "image,score",
        "c#.jpg,0.12#",
        "d#.jpg,0.97#",
        images=UNTOLD,
        error="it has: image, score.*label_column",
    ),
    Layout(
        "Cassava",
        {"train_images/1#.jpg": "train Blight", "train_images/2#.jpg": "train Healthy", "test_images/9.jpg": None},
        {
            "train.csv": ["image_id,label", "1#.jpg,0", "2#.jpg,4"],
            "label_num_to_disease_map.json": {"0": "Blight", "1": "x", "4": "Healthy"},
            "sample_submission.csv": ["image_id,label", "9.jpg,4"],
            "train_tfrecords/ld_train00.tfrec": b"x",
        },
    ),
    Layout(
        "iMet",
        {"train/a#.png": "train water|wood", "train/b#.png": "train wood"},
        {
            "train.csv": ["id,attribute_ids", "a#,147 616", "b#,616"],
            "labels.csv": ["attribute_id,attribute_name", "147,water", "616,wood", "7,x"],
        },
    ),
    Layout(
        "GTSRB",
        {"Train/0/a#.png": "train 0", "Train/1/b#.png": "train 1", "Test/c#.png": "test 1"},
        {
            "Train.csv": [
                "Width,Height,Roi.X1,Roi.Y1,ClassId,Path",
                "8,8,1,1,0,Train/0/a#.png",
                "8,8,1,1,1,Train/1/b#.png",
            ],
            "Test.csv": ["Width,Height,Roi.X1,Roi.Y1,ClassId,Path", "8,8,1,1,1,Test/c#.png"],
        },
    ),
    Layout(
        "ChestX-ray14",
        {
            "images_001/images/a#.png": "train [1#] A|B",
            "images_002/images/b#.png": "test [2#] No Finding",
            "images_002/images/c#.png": "train [3#] A",
        },
        {
            "Data_Entry_2017.csv": [
                "Image Index,Finding Labels,Patient ID,View Position,OriginalImage[Width,Height],PixelSpacing[x,y],",
                "a#.png,A|B,1#,PA,8,8,0.1,0.1,",
                "b#.png,No Finding,2#,PA,8,8,0.1,0.1,",
                "c#.png,A,3#,PA,8,8,0.1,0.1,",
            ],
            "train_val_list.txt": ["a#.png", "c#.png"],
            "test_list.txt": ["b#.png"],
        },
    ),
    Layout(
        "tables of the same labels",
        {"i/c#.jpg": "train cat", "i/d#.jpg": "val dog"},
        {
            "all.csv": ["image,label", "c#.jpg,cat", "d#.jpg,dog"],
            "train.csv": ["image,label", "c#.jpg,cat"],
            "val.csv": ["image,label", "d#.jpg,dog"],
        },
    ),
    table(
        "a choice of Label Studio", "id,annotator,choice,image", "1,1,cat,/data/upload/1/c#.jpg", "1,1,dog,/data/d#.jpg"
    ),
    table(
        "boxes of Label Studio in a table",
        "id,image,label",
        '1#,/data/upload/c#.jpg,"[{""x"": 1, ""rectanglelabels"": [""cat""]}]"',
        images=UNTOLD,
        error="label_column",
    ),
    table(
        "classes by number alone",
        "image,class_id",
        "c#.jpg,3",
        "d#.jpg,5",
        images={"images/c#.jpg": "- 3", "images/d#.jpg": "- 5"},
    ),
    table(
        "is_training_image",
        "img_id,filepath,class_name,is_training_image",
        "1#,images/c#.jpg,cat,1",
        "2#,images/d#.jpg,dog,0",
        images={"images/c#.jpg": "train cat", "images/d#.jpg": "test dog"},
    ),
    table(
        "a target of measures",
        "image,target",
        "c#.jpg,0.1#",
        "d#.jpg,0.7#",
        images=UNTOLD,
        error="it has: image, target",
    ),
    table(
        "names of single images",
        "image,name",
        "c#.jpg,Tom #",
        "d#.jpg,Rex #",
        images=UNTOLD,
        error="it has: image, name",
    ),
    Layout("pixels of FER-2013", {}, {"fer2013.csv": ["emotion,pixels,Usage", "#,70 80 82,Training"]}, error="pixels"),
    Layout("pixels of MNIST", {}, {"train.csv": ["label,pixel0,pixel1", "#,0,0"]}, error="pixels"),
]

SPLITS = [
    table(
        f"{column}: {', '.join(values)}",
        f"image,label,{column}",
        f"c#.jpg,cat,{values[0]}",
        f"d#.jpg,dog,{values[1]}",
        images={"images/c#.jpg": f"{wanted[0]} cat", "images/d#.jpg": f"{wanted[1]} dog"},
    )
    for column, values, wanted in [
        ("split", ("train", "valid"), ("train", "val")),
        ("Set", ("TRAIN", "DEV"), ("train", "val")),
        ("subset", ("Training", "testing"), ("train", "test")),
        ("is_valid", ("False", "True"), ("train", "val")),
        ("is_test", ("0", "1"), ("train", "test")),
        ("phase", ("train", "val"), ("train", "val")),
        ("data_split", ("train", "test"), ("train", "test")),
        ("usage", ("Training", "Test"), ("train", "test")),
        ("fold", ("train", "test"), ("train", "test")),
        ("fold", ("0", "1"), ("- [fold 0]", "- [fold 1]")),
        ("set", ("a", "b"), ("-", "-")),
        ("partition", ("0", "2"), ("train", "test")),
    ]
]
SPLITS += [
    Layout(
        "a table of splits",
        {"images/c#.jpg": "train cat", "images/d#.jpg": "val dog"},
        {
            "labels.csv": ["image,label", "c#.jpg,cat", "d#.jpg,dog"],
            "split.csv": ["image,split", "c#.jpg,train", "d#.jpg,val"],
        },
    ),
    Layout(
        "CelebA",
        {"images/c#.jpg": "train Smiling", "images/d#.jpg": "val Bald|Smiling", "images/e#.jpg": "test "},
        {
            "list_attr_celeba.csv": ["image_id,Bald,Smiling", "c#.jpg,-1,1", "d#.jpg,1,1", "e#.jpg,-1,-1"],
            "list_bbox_celeba.csv": ["image_id,x_1,y_1,width,height", "c#.jpg,1,1,4,4"],
            "list_eval_partition.csv": ["image_id,partition", "c#.jpg,0", "d#.jpg,1", "e#.jpg,2"],
        },
    ),
]

LABELS = [
    table(
        "Plant Pathology 2020",
        "image_id,healthy,rust,scab",
        "c#,1,0,0",
        "d#,0,0,1",
        images={"images/c#.jpg": "- healthy", "images/d#.jpg": "- scab"},
    ),
    table(
        "ISIC",
        "image,MEL,NV,UNK",
        "c#,1.0,0.0,0.0",
        "d#,0.0,1.0,0.0",
        images={"images/c#.jpg": "- MEL", "images/d#.jpg": "- NV"},
    ),
    table(
        "flags and more",
        "image,age,view,cat,dog,pet",
        "c#.jpg,31,front,1,0,1",
        "d#.jpg,40,side,0,1,0",
        "e#.jpg,50,side,1,1,0",
        images=MANY,
    ),
    table(
        "CheXpert",
        "Path,Sex,Age,Frontal/Lateral,Edema,Fracture",
        "v1/train/c#.jpg,Male,50,Frontal,1.0,",
        "v1/train/d#.jpg,Female,60,Lateral,-1.0,1.0",
        "v1/train/e#.jpg,Male,50,Frontal,0.0,0.0",
        images={"train/c#.jpg": "train Edema", "train/d#.jpg": "train Fracture", "train/e#.jpg": "train "},
        reports="-1",
    ),
    *(
        table(
            f"labels with {separator!r} under {header}",
            header,
            f'"c#.jpg","cat{separator}pet"',
            '"d#.jpg","dog"',
            f'"e#.jpg","cat{separator}dog"',
            images=MANY,
        )
        for header, separator in [
            ("image,labels", " "),
            ("image,labels", "|"),
            ("image,tags", ", "),
            ("image,labels", ";"),
            ("image,label", "|"),
            ("Image Index,Finding Labels", "|"),
            ("image,categories", "; "),
        ]
    ),
    table(
        "labels as a Python list",
        "image,labels",
        "c#.jpg,\"['cat', 'pet']\"",
        "d#.jpg,['dog']",
        "e#.jpg,\"['cat', 'dog']\"",
        images=MANY,
    ),
    table(
        "labels as JSON",
        "image,labels",
        'c#.jpg,"[""cat"", ""pet""]"',
        'd#.jpg,"[""dog""]"',
        'e#.jpg,"[""cat"", ""dog""]"',
        images=MANY,
    ),
    table(
        "numbers with spaces",
        "Id,Target",
        "c#,16 0",
        "d#,5",
        "e#,16 5",
        images={"images/c#.png": "- 0|16", "images/d#.png": "- 5", "images/e#.png": "- 16|5"},
    ),
    table(
        "several rows an image",
        "image,label",
        "c#.jpg,cat",
        "c#.jpg,pet",
        "d#.jpg,dog",
        "e#.jpg,cat",
        "e#.jpg,dog",
        images=MANY,
    ),
    table(
        "labels, some none",
        "image,labels",
        "c#.jpg,cat pet",
        "d#.jpg,",
        "e#.jpg,cat",
        images={"images/c#.jpg": "- cat|pet", "images/d#.jpg": "- ", "images/e#.jpg": "- cat"},
    ),
    Layout(
        "Roboflow",
        {"train/c#.jpg": "train cat|pet", "train/d#.jpg": "train dog", "valid/e#.jpg": "val cat|dog"},
        {
            "train/_classes.csv": ["filename, cat, dog, pet", "c#.jpg, 1, 0, 1", "d#.jpg, 0, 1, 0"],
            "valid/_classes.csv": ["filename, cat, dog, pet", "e#.jpg, 1, 1, 0"],
            "README.roboflow.txt": "x",
        },
    ),
    Layout(
        "Roboflow with a mark",
        MANY,
        {
            "_classes.csv": b"\xef\xbb\xbf"
            + b"filename,cat,dog,pet\r\n"
            + b"".join(
                f"images/{n}{i}.jpg,{f}\r\n".encode()
                for i in range(6)
                for n, f in [("c", "1,0,1"), ("d", "0,1,0"), ("e", "1,1,0")]
            )
        },
    ),
    Layout(
        "AutoML: labels without header",
        {"images/c#.jpg": "train cat|pet", "images/d#.jpg": "val dog", "images/e#.jpg": "test cat|dog"},
        {
            "import.csv": [
                "TRAIN,gs://bucket/images/c#.jpg,cat,pet",
                "VALIDATION,gs://bucket/images/d#.jpg,dog",
                "TEST,gs://bucket/images/e#.jpg,cat,dog",
            ]
        },
    ),
]

FIND = [
    table(
        "TensorFlow",
        "filename,width,height,class,xmin,ymin,xmax,ymax",
        "c#.jpg,8,8,cat,1,2,4,6",
        "d#.jpg,8,8,dog,2,2,6,7",
        images=BOXES,
    ),
    table(
        "RetinaNet",
        "images/c#.jpg,1,2,4,6,cat",
        "images/d#.jpg,2,2,6,7,dog",
        "images/e#.jpg,,,,,",
        images={**BOXES, "images/e#.jpg": "- "},
    ),
    table(
        "RetinaNet, empty first",
        "images/e#.jpg,,,,,",
        "images/c#.jpg,1,2,4,6,cat",
        "images/d#.jpg,2,2,6,7,dog",
        images={**BOXES, "images/e#.jpg": "- "},
    ),
    table(
        "AutoML: corners",
        "TRAIN,gs://b/images/c#.jpg,cat,0.125,0.25,,,0.5,0.75,,",
        "UNASSIGNED,gs://b/images/d#.jpg,dog,0.25,0.25,0.75,0.25,0.75,0.875,0.25,0.875",
        images={"images/c#.jpg": "train cat@1,2,4,6", "images/d#.jpg": "- dog@2,2,6,7"},
    ),
    table(
        "Open Images",
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf",
        "c#,x,cat,1,0.125,0.5,0.25,0.75,0,0",
        "d#,x,dog,1,0.25,0.75,0.25,0.875,0,1",
        images=BOXES,
    ),
    table(
        "global wheat",
        "image_id,width,height,bbox,source",
        'c#,8,8,"[1.0, 2.0, 3.0, 4.0]",arvalis',
        'd#,8,8,"[2.0, 2.0, 4.0, 5.0]",inrae',
        images={"images/c#.jpg": "- object@1,2,4,6", "images/d#.jpg": "- object@2,2,6,7"},
        reports="object",
    ),
    table(
        "global wheat 2021",
        "image_name,BoxesString,domain",
        "c#,1 2 4 6;4 4 8 8,a",
        "d#,no_box,b",
        images={"images/c#.jpg": "- object@1,2,4,6|object@4,4,8,8", "images/d#.jpg": "- "},
    ),
    table(
        "boxes in one column of corners",
        "image,label,bbox",
        'c#.jpg,cat,"1,2,4,6"',
        'd#.jpg,dog,"2,6,6,7"',
        images={"images/c#.jpg": "- cat@1,2,4,6", "images/d#.jpg": "- dog@2,6,6,7"},
    ),
    table("extents", "image,label,x,y,w,h", "c#.jpg,cat,1,2,3,4", "d#.jpg,dog,2,2,4,5", images=BOXES),
    table(
        "extents beside sizes",
        "image,image_width,image_height,label,x,y,width,height",
        "c#.jpg,8,8,cat,1,2,3,4",
        "d#.jpg,8,8,dog,2,2,4,5",
        images=BOXES,
    ),
    table(
        "shares from centres",
        "image,class,x_center,y_center,width,height",
        "c#.jpg,cat,0.3125,0.5,0.375,0.5",
        "d#.jpg,dog,0.5,0.5625,0.5,0.625",
        images=BOXES,
    ),
    table(
        "cx, cy",
        "image,class,cx,cy,w,h",
        "c#.jpg,cat,0.3125,0.5,0.375,0.5",
        "d#.jpg,dog,0.5,0.5625,0.5,0.625",
        images=BOXES,
    ),
    table(
        "decimal commas",
        "image;label;xmin;ymin;xmax;ymax",
        "c#.jpg;cat;0,125;0,25;0,5;0,75",
        "d#.jpg;dog;0,25;0,25;0,75;0,875",
        images=BOXES,
    ),
    table(
        "VinBigData",
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max",
        "c#,cat,0,R1,1,2,4,6",
        "d#,dog,1,R1,2,2,6,7",
        "e#,No finding,14,R1,,,,",
        images={**BOXES, "images/e#.jpg": "- "},
    ),
    table(
        "RSNA",
        "patientId,x,y,width,height,Target",
        "c#,1,2,3,4,1",
        "d#,,,,,0",
        images={"images/c#.jpg": "- 1@1,2,4,6", "images/d#.jpg": "- "},
    ),
    Layout(
        "Stanford Cars",
        {"cars_train/0#.jpg": "train Audi@1,2,4,6", "cars_train/1#.jpg": "train BMW@2,2,6,7"},
        {"anno_train.csv": ["0#.jpg,1,2,4,6,1", "1#.jpg,2,2,6,7,2"], "names.csv": ["Audi", "BMW"]},
    ),
    Layout(
        "RetinaNet with classes",
        BOXES,
        {
            "annotations.csv": ["images/c#.jpg,1,2,4,6,cat", "images/d#.jpg,2,2,6,7,dog"],
            "classes.csv": ["cat,0", "dog,1"],
        },
    ),
    Layout(
        "Roboflow's TensorFlow tables",
        {"train/c#.jpg": "train cat@1,2,4,6", "valid/d#.jpg": "val dog@2,2,6,7"},
        {
            "train/_annotations.csv": ["filename,width,height,class,xmin,ymin,xmax,ymax", "c#.jpg,8,8,cat,1,2,4,6"],
            "valid/_annotations.csv": ["filename,width,height,class,xmin,ymin,xmax,ymax", "d#.jpg,8,8,dog,2,2,6,7"],
        },
    ),
]

LISTS = [
    Layout(
        "ImageNet's lists",
        {"images/c#.jpg": "train 0", "images/d#.jpg": "val 1"},
        {"train.txt": ["images/c#.jpg 0"], "val.txt": ["images/d#.jpg 1"]},
    ),
    Layout(
        "lists with names",
        {"images/c#.jpg": "train cat", "images/d#.jpg": "val dog"},
        {
            "meta/train.txt": ["images/c#.jpg 0"],
            "meta/val.txt": ["images/d#.jpg 1"],
            "meta/classes.txt": ["cat", "dog"],
        },
    ),
    Layout(
        "aircraft",
        {"data/images/c#.jpg": "train 707-320", "data/images/d#.jpg": "test DC 8"},
        {"data/images_variant_train.txt": ["c# 707-320"], "data/images_variant_test.txt": ["d# DC 8"]},
    ),
    Layout("a list with commas", IMAGES, {"labels.txt": ["images/c#.jpg,cat", "images/d#.jpg,dog"]}),
    Layout("a list with tabs", IMAGES, {"list.txt": ["images/c#.jpg\tcat", "images/d#.jpg\tdog"]}),
    Layout(
        "a list with spaces in names",
        {"my images/c #.jpg": "- 0", "my images/d #.jpg": "- 1"},
        {"labels.txt": ["my images/c #.jpg 0", "my images/d #.jpg 1"]},
    ),
    table(
        "the split last",
        "images/c#.jpg,cat,train",
        "images/d#.jpg,dog,val",
        images={"images/c#.jpg": "train cat", "images/d#.jpg": "val dog"},
    ),
    table("the label first", "cat,images/c#.jpg", "dog,images/d#.jpg"),
]


def parquet_rows(*rows: dict[str, Any]) -> bytes:
    """The rows as Parquet, those with a "#" once for each number."""
    return parquet([json.loads(json.dumps(row).replace("#", str(i))) for row in rows for i in range(6)])


PARQUET = [
    Layout(
        "paths and labels",
        {"images/c#.jpg": "train cat", "images/d#.jpg": "val dog"},
        {
            "labels.parquet": parquet_rows(
                {"image_path": "images/c#.jpg", "label": "cat", "split": "train"},
                {"image_path": "images/d#.jpg", "label": "dog", "split": "val"},
            )
        },
    ),
    Layout(
        "lists of labels, with commas in names",
        {"images/c#.jpg": "- cat|pet, small", "images/d#.jpg": "- dog"},
        {
            "labels.parquet": parquet_rows(
                {"image": "c#.jpg", "labels": ["cat", "pet, small"]}, {"image": "d#.jpg", "labels": ["dog"]}
            )
        },
    ),
    Layout(
        "boxes in four columns",
        BOXES,
        {
            "labels.parquet": parquet_rows(
                {"image": "c#.jpg", "label": "cat", "xmin": 1, "ymin": 2, "xmax": 4, "ymax": 6},
                {"image": "d#.jpg", "label": "dog", "xmin": 2, "ymin": 2, "xmax": 6, "ymax": 7},
            )
        },
    ),
    Layout(
        "flags of both kinds",
        MANY,
        {
            "labels.parquet": parquet_rows(
                {"image": "c#.jpg", "cat": True, "dog": False, "pet": 1},
                {"image": "d#.jpg", "cat": False, "dog": True, "pet": 0},
                {"image": "e#.jpg", "cat": True, "dog": True, "pet": 0},
            )
        },
    ),
]

GROUPS = [
    ("parquet", PARQUET),
    ("classes", CLASSES),
    ("splits", SPLITS),
    ("labels", LABELS),
    ("boxes", FIND),
    ("lists", LISTS),
]


@pytest.mark.parametrize(
    "layout", [pytest.param(x, id=f"{kind}: {x.name}") for kind, layouts in GROUPS for x in layouts]
)
def test_tables(layout: Layout, tmp_path: Path) -> None:
    check(layout, layout.write(tmp_path))
