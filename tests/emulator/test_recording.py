"""A recording as a brain: real exchanges replayed, byte for byte."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from agentkit.emulator import Emulator, NoReply, Recording

from .conftest import Ask

TRAFFIC = Path(__file__).parents[3] / "shared/reference/traffic/chat_public.jsonl.gz"
MODEL = "gpt-5-4-mini-official"


def request(*texts: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text} for text in texts], **more}


def exchange(asked: dict[str, Any], body: str, **more: Any) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Content-Length": "9999", "X-Own": "1"}
    return {"request": asked, "status": 200, "headers": headers, "body": body, "stream": False, **more}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recorded.jsonl"


def write(file: Path, *records: object) -> Recording:
    file.write_text("\n".join(json.dumps(record) for record in records) + "\n")
    return Recording(file)


def test_a_recorded_exchange_is_replayed(ask: Ask, file: Path) -> None:
    with Emulator(write(file, exchange(request("Hi"), '{"id": 1}', status=202))) as gateway:
        response = ask(gateway, temperature=1)

    assert (response.status_code, response.text, response.headers["x-own"]) == (202, '{"id": 1}', "1")


def test_a_recorded_stream_is_replayed_event_by_event(ask: Ask, file: Path) -> None:
    text = 'data: {"a":1}\n\ndata: {"b":2}\r\n\r\ndata: [DONE]\n\n'
    recording = write(file, exchange(request("Hi"), text, stream=True, headers=None))
    with Emulator(recording) as gateway:
        response = ask(gateway, stream=True)

    assert (response.text, response.headers["content-type"]) == (text, "text/event-stream")
    assert recording.reply(request("Hi", stream=True)).chunks == (
        b'data: {"a":1}\n\n',
        b'data: {"b":2}\r\n\r\n',
        b"data: [DONE]\n\n",
    )


def test_several_exchanges_of_one_request_come_in_order_and_the_last_one_stays(file: Path) -> None:
    recording = write(file, *(exchange(request("Hi"), body) for body in "12"), exchange(request("Ho"), "3"))

    assert [recording.reply(request("Hi")).chunks for _ in range(3)] == [(b"1",), (b"2",), (b"2",)]


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (request("Hi", "You"), "(line 1) differs in messages[1]"),
        (request("One", "Two", "Four"), "(line 2) differs in messages[2].content"),
        (request("Hi", stream=True), "(line 1) differs in stream"),
        (request("Hi", tools=[]), "(line 1) differs in tools"),
        (request("One", "Two", "Three"), "(line 2) differs in tools[0].name"),
        ({**request("Hi"), "model": "other"}, "differs in model"),
    ],
)
def test_a_request_that_was_not_recorded_is_told_where_the_nearest_one_differs(
    file: Path, asked: dict[str, Any], where: str
) -> None:
    longer = request("One", "Two", "Three", tools=[{"name": "f"}])
    recording = write(file, exchange(request("Hi"), "1"), exchange(longer, "2"))
    if where.endswith(".name"):
        asked = {**asked, "tools": [{"name": "g"}]}

    with pytest.raises(NoReply) as raised:
        recording.reply(asked)

    assert str(raised.value).endswith(where)


def test_a_request_that_was_not_recorded_is_a_500_with_that_sentence(ask: Ask, file: Path) -> None:
    with Emulator(write(file, exchange(request("Ho"), "1"))) as gateway:
        response = ask(gateway)

    assert response.status_code == 500
    assert response.json()["error"]["message"] == (
        "no recorded exchange has this request; the nearest one (line 1) differs in messages[0].content"
    )


def test_a_recording_that_cannot_be_read_says_why(file: Path) -> None:
    with pytest.raises(NoReply, match=r"cannot read the recording .*recorded\.jsonl: No such file"):
        Recording(file).reply({})
    file.write_text("\n")
    with pytest.raises(NoReply, match=r"recorded\.jsonl is empty"):
        Recording(file).reply({})
    for line in ("{", "[]", '{"request": {}, "status": 200}'):
        file.write_text("\n" + line)
        with pytest.raises(NoReply, match=r"line 2 of the recording .* is no exchange"):
            Recording(file).reply({})


def test_public_traffic_can_be_replayed(file: Path) -> None:
    if not TRAFFIC.exists():
        pytest.skip("the recorded traffic of ../shared is not in a user's checkout")
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    wanted = [record for record in records if record["api"] == "chat_completions" and not record.get("body_b64")][:300]
    recording = write(file, *({**record, "headers": record["response_headers"]} for record in wanted))

    for record in wanted:
        answer = recording.reply({**record["request"], "stream": record["stream"]})
        assert answer.status in {other["status"] for other in wanted if other["request"] == record["request"]}
