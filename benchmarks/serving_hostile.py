"""Malformed requests against a running endpoint: what it answers, and that it neither grows nor opens files.

    python benchmarks/serving_hostile.py MODEL IMAGES [--requests 10000]

Random bytes, truncated and spliced images, a file that begins as another format, a decompression bomb, deep and wrong
JSON, huge base64, broken forms, wrong types, methods, paths, keys and lengths, and fifty connections that never send
their headers. Printed are the statuses, and the server's memory and open files before and after.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import psutil

from serving_load import load, memory, ours


def hostile_body(chance: random.Random, image: bytes) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, path, body and headers of a malformed request."""
    kinds: list[Callable[[], tuple[bytes, str]]] = [
        lambda: (chance.randbytes(chance.randrange(5000)), "image/png"),
        lambda: (image[: chance.randrange(len(image))], "image/jpeg"),
        lambda: (image[:100] + chance.randbytes(2000) + image[2100:], "image/jpeg"),
        lambda: (b"GIF89a" + image, "image/gif"),
        lambda: (_bomb(), "image/png"),
        lambda: (b"[" * chance.randrange(1, 200_000), "application/json"),
        lambda: (b'{"input_data":' * 5000 + b"1" + b"}" * 5000, "application/json"),
        lambda: (
            json.dumps({"input_data": {"data": ["A" * chance.randrange(1, 300_000)]}}).encode(),
            "application/json",
        ),
        lambda: (
            json.dumps({"input_data": {"data": [["/etc/passwd"]], "columns": ["image"]}}).encode(),
            "application/json",
        ),
        lambda: (json.dumps({"input_data": {"data": [[1, None, {}]]}}).encode(), "application/json"),
        lambda: (b"--x\r\n" + chance.randbytes(500), "multipart/form-data; boundary=x"),
        lambda: (chance.randbytes(100), f"text/{chance.randrange(100)}"),
    ]
    body, kind = chance.choice(kinds)()
    paths = ["/score", "/score", "/explain", "/v2/models/load/infer", "/v2/models/x/infer", "/../../etc/passwd", "/%00"]
    path = chance.choice(paths) + chance.choice(["", "?draw=1", "?error_rate=nan", "?score_threshold=-1", "?label=%ff"])
    method = chance.choice(["POST"] * 8 + ["GET", "PUT", "DELETE", "OPTIONS", "TRACE"])
    headers = {"Content-Type": kind}
    if chance.random() < 0.1:
        headers["Inference-Header-Content-Length"] = str(chance.choice([-1, 5, 10**9, "x"]))
    if chance.random() < 0.1:
        headers["Authorization"] = chance.choice(["", "Bearer x", "Bearer " + "a" * 5000, "Basic eA==", "Bearer \xff"])
    return method, path, body, headers


def _bomb() -> bytes:
    """A PNG file of a few kilobytes that says it has 30,000 x 30,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
        + chunk(b"IEND", b"")
    )


def hostile(model: Path, images: Path, count: int) -> None:
    """Send malformed requests, and print what came of them."""
    files = sorted(file for file in images.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    image, chance = files[0].read_bytes(), random.Random(0)
    with ours(model) as target:
        statuses: Counter[str] = Counter()
        load(target, images, 8, 3)
        before, opened = memory(target), None
        pids = [c.pid for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == target.port and c.pid]
        opened = len(psutil.Process(pids[0]).open_files())
        slow = [socket.create_connection(("127.0.0.1", target.port)) for _ in range(50)]
        for connection in slow:
            connection.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nX:")
        for number in range(count):
            method, path, body, headers = hostile_body(chance, image)
            connection = HTTPConnection("127.0.0.1", target.port, timeout=60)
            try:
                headers = {**target.headers, **headers}
                connection.request(method, path, body, {k: v.encode("latin-1") for k, v in headers.items()})
                statuses[str(connection.getresponse().status)] += 1
            except (OSError, ValueError) as error:
                statuses[type(error).__name__] += 1
            finally:
                connection.close()
            if number % 1000 == 999:
                print(f"{number + 1:,} requests: {memory(target):.0f} MB", flush=True)
        print(dict(sorted(statuses.items())))
        print(f"memory {before:.0f} -> {memory(target):.0f} MB, open files {opened} -> ", end="")
        print(len(psutil.Process(pids[0]).open_files()))
        after = load(target, images, 8, 3)
        print(f"afterwards {after.per_second:.0f} images/s, {after.errors} errors")


def main() -> None:
    """Send and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    given = parser.parse_args()
    hostile(given.model, given.images, given.requests)


if __name__ == "__main__":
    main()
