"""A zip archive that is sent while it is made."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from automl_vision.storage.zip_stream import folder_members, zip_stream


def test_the_archive_holds_the_files(tmp_path: Path):
    (tmp_path / "below").mkdir()
    large = bytes(range(256)) * 4000
    (tmp_path / "weights.bin").write_bytes(large)
    (tmp_path / "below" / "card é.md").write_text("# Card")
    (tmp_path / "link").symlink_to("/etc/passwd")
    pieces = list(zip_stream([*folder_members(tmp_path, "model-1"), ("made.txt", b"text")]))
    assert max(map(len, pieces)) < 400_000, "no piece holds the whole file"
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == ["made.txt", "model-1/below/card é.md", "model-1/weights.bin"]
    assert archive.read("model-1/weights.bin") == large


def test_an_empty_archive():
    assert zipfile.ZipFile(io.BytesIO(b"".join(zip_stream([])))).namelist() == []
