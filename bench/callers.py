"""Callers of an HTTP server, in a process of its own: each sends its next request when the last was answered.

It reads lines of JSON and answers each with one: {callers, requests, host, port, head, bodies} becomes {rate, ms}.
The protocol is written by hand, as a client of a library computes for as long as the servers that are measured.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any


async def calls(given: dict[str, Any]) -> dict[str, float]:
    """Send all requests; return how many were answered a second, and the median time of one in milliseconds."""
    bodies = iter(given["bodies"]) if given["bodies"] else iter([""] * given["requests"])
    taken: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(_caller(given, bodies, taken) for _ in range(given["callers"])))
    return {
        "rate": round(len(taken) / (time.perf_counter() - started)),
        "ms": round(statistics.median(taken) * 1000, 2),
    }


async def _caller(given: dict[str, Any], bodies: Iterator[str], taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection(given["host"], given["port"])
    for body in bodies:
        content = body.encode()
        started = time.perf_counter()
        writer.write(f"{given['head']}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if b"content-length: " not in head or status not in given["expected"]:
            raise SystemExit(f"bench: an unexpected answer: {head.decode()}")
        await reader.readexactly(int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
        taken.append(time.perf_counter() - started)
    writer.close()


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(asyncio.run(calls(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
