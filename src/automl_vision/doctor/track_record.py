"""How well the checks found faults that were put into real datasets: the figures of `benchmarks/doctor.py`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("track_record.csv")


@dataclass(frozen=True)
class Measurement:
    """One check on one real dataset with one kind of fault.

    Attributes:
        dataset: name of the set.
        fault: what was put in.
        check: that should find it.
        put_in: how many faults.
        recall: fraction of them that it found.
        precision: fraction of its cases that were put in; faults that the set came with count as false alarms.
        precision_of_new: the same without cases that it also reports in the untouched set.
        found_before: how many those are.
    """

    dataset: str
    fault: str
    check: str
    put_in: int
    recall: float
    precision: float
    precision_of_new: float
    found_before: int


@dataclass(frozen=True)
class TrackRecord:
    """All measurements of one check.

    Attributes:
        check: its name.
        measurements: at least one.
    """

    check: str
    measurements: tuple[Measurement, ...]

    @property
    def recall(self) -> tuple[float, float]:
        """The lowest and highest recall."""
        values = [measurement.recall for measurement in self.measurements]
        return min(values), max(values)

    @property
    def precision(self) -> tuple[float, float]:
        """The lowest and highest precision."""
        values = [measurement.precision for measurement in self.measurements]
        return min(values), max(values)

    @property
    def sentence(self) -> str:
        """Both in words."""
        sets = ", ".join(dict.fromkeys(measurement.dataset for measurement in self.measurements))
        put_in = sum(measurement.put_in for measurement in self.measurements)
        return (
            f"Of {put_in} faults put into {sets} it found {_range(self.recall)}; "
            f"{_range(self.precision)} of what it reported was one of them."
        )


@cache
def track_records() -> dict[str, TrackRecord]:
    """The record of each check that was measured, by its name."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, list[Measurement]] = {}
    for row in rows:
        measurement = Measurement(
            dataset=row["set"],
            fault=row["fault"],
            check=row["check"],
            put_in=int(row["put_in"]),
            recall=float(row["recall"]),
            precision=float(row["precision"]),
            precision_of_new=float(row["precision_of_new"]),
            found_before=int(row["found_before"]),
        )
        found.setdefault(measurement.check, []).append(measurement)
    return {check: TrackRecord(check, tuple(measurements)) for check, measurements in found.items()}


def _range(ends: tuple[float, float]) -> str:
    low, high = (f"{100 * end:.0f}" for end in ends)
    return f"{low} %" if low == high else f"{low} to {high} %"
