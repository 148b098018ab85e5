"""The measured figures of the checks: the code's are those of the page."""

from __future__ import annotations

import re
from pathlib import Path

from automl_vision.doctor.check import CHECKS
from automl_vision.doctor.track_record import track_records

BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def test_the_page_shows_these_figures_and_no_others() -> None:
    section = BENCHMARKS.read_text(encoding="utf-8").split("## Doctor\n")[1].split("\n## ")[0]
    shown = [
        tuple(cell.strip().strip("`") for cell in line.strip("|").split("|"))
        for line in re.findall(r"^\| .*", section, re.M)
    ]
    known = [
        (
            m.dataset,
            m.fault,
            m.check,
            str(m.put_in),
            f"{m.recall:.2f}",
            f"{m.precision:.2f}",
            f"{m.precision_of_new:.2f}",
            str(m.found_before),
        )
        for record in track_records().values()
        for m in record.measurements
    ]
    assert sorted(known) == sorted(shown[2:])


def test_each_record_is_of_a_check() -> None:
    assert set(track_records()) <= set(CHECKS)


def test_a_record_in_words() -> None:
    record = track_records()["wrong-label"]
    assert record.recall == (0.75, 0.78)
    assert record.sentence == (
        "Of 205 faults put into clothing it found 75 to 78 %; 63 to 70 % of what it reported was one of them."
    )
