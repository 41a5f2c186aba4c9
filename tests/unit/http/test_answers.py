"""What answers look like: JSON, times, conditional reads, compression."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from longhaul.http import dumps, etag_of, rfc3339

THING = "/api/v1/things/t1"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2023, 11, 21, 14, 30, 52), "2023-11-21T14:30:52.000Z"),
        (datetime(2023, 11, 21, 14, 30, 52, 123999), "2023-11-21T14:30:52.123Z"),
        (datetime(2023, 11, 21, 14, 30, 52, 1000, UTC), "2023-11-21T14:30:52.001Z"),
        (datetime(2023, 11, 21, 22, 30, 52, tzinfo=timezone(timedelta(hours=8))), "2023-11-21T14:30:52.000Z"),
    ],
)
def test_times_are_utc_to_the_millisecond(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text


def test_json_is_compact_utf8() -> None:
    value = {"名": "越秀区", "n": Decimal("36"), "r": Decimal("0.5"), "s": {"b", "a"}}
    assert dumps(value) == '{"名":"越秀区","n":36,"r":0.5,"s":["a","b"]}'


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes"])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        dumps({"value": value})


def test_a_plain_dict_is_written_as_models_are(call: Callable[..., Any]) -> None:
    answer = call("POST", "/api/v1/things/t1/cancel")
    assert answer.json == {
        "when": "2023-11-21T14:30:52.123Z",
        "none": None,
        "rows": [{"at": "2023-11-21T14:30:52.123Z"}],
    }
    assert answer.headers["Content-Type"] == "application/json"


def test_a_read_carries_its_validators(call: Callable[..., Any]) -> None:
    answer = call("GET", THING)
    assert answer.status == 200
    assert answer.headers["ETag"].startswith('"')
    assert answer.headers["Last-Modified"] == "Tue, 21 Nov 2023 14:30:52 GMT"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Authorization, Accept-Encoding"


@pytest.mark.parametrize("form", ["{0}", "W/{0}", '"other", {0}', "*", '"a,b",W/{0}'])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_same_version_is_304(call: Callable[..., Any], form: str, encoding: str) -> None:
    asked = {"accept-encoding": encoding}
    tag = call("GET", THING, headers=asked).headers["ETag"]
    answer = call("GET", THING, headers=asked | {"if-none-match": form.format(tag)})
    assert (answer.status, answer.raw) == (304, b"")
    assert answer.headers["ETag"] == tag or form == "*"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Authorization, Accept-Encoding"
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_weak_tag_stays_weak(call: Callable[..., Any], encoding: str) -> None:
    asked = {"accept-encoding": encoding}
    tag = call("GET", f"{THING}/age", headers=asked).headers["ETag"]
    assert tag.startswith('W/"')
    answer = call("GET", f"{THING}/age", headers=asked | {"if-none-match": tag})
    assert (answer.status, answer.headers["ETag"]) == (304, tag)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": '"other"'}, 200),
        ({"if-none-match": "t1"}, 200),
        ({"if-modified-since": "Tue, 21 Nov 2023 14:30:52 GMT"}, 304),
        ({"if-modified-since": "Tue, 21 Nov 2023 14:30:51 GMT"}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-modified-since": "Mon, 01 Jan 0001 00:00:00 +2300"}, 200),
        ({"if-modified-since": "Tue, 21 Nov 2023 14:30:52 GMT", "if-none-match": '"other"'}, 200),
    ],
)
def test_other_conditions(call: Callable[..., Any], headers: dict[str, str], status: int) -> None:
    assert call("GET", THING, headers=headers).status == status


def test_an_etag_tells_versions_apart() -> None:
    assert etag_of("t1", 1) == etag_of("t1", 1)
    assert len({etag_of("t1", 1), etag_of("t1", 2), etag_of("t11"), etag_of({"a": [1]}), etag_of("t1", "1")}) == 5


@pytest.mark.parametrize("offer", ["gzip", "br, gzip;q=0.5", "gzip;q=1.0, identity"])
def test_long_answers_are_compressed_when_asked(call: Callable[..., Any], offer: str) -> None:
    plain = call("GET", THING)
    packed = call("GET", THING, headers={"accept-encoding": offer})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.raw) == plain.raw
    assert packed.headers["ETag"] != plain.headers["ETag"], "a strong tag names one sequence of bytes"
    assert len(packed.raw) < len(plain.raw) / 10


@pytest.mark.parametrize("offer", ["", "br", "gzip;q=0", "gzip;q=0.0", "xgzip"])
def test_not_compressed_when_not_asked(call: Callable[..., Any], offer: str) -> None:
    answer = call("GET", THING, headers={"accept-encoding": offer})
    assert "Content-Encoding" not in answer.headers
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_short_answers_stay_as_they_are(call: Callable[..., Any]) -> None:
    answer = call("POST", "/api/v1/things/t1/cancel", headers={"accept-encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
    assert json.loads(answer.raw)["none"] is None
