"""A pytest plugin: what agentkit sends to one of OpenAI's surfaces during a test is what OpenAI's schema describes."""

from collections.abc import Awaitable, Generator
from functools import wraps

import pytest

from agentkit.transport import HttpRequest, HttpResponse, Transport

from .request_schema import RequestSchema


class SentRequests:
    """Watches `Transport.send` for the whole session, and fails each test that has sent an invalid body.

    A test marked `outside_openai("reason")` means to send one, and fails when it has not: its marker is out of date.
    """

    def __init__(self, schema: RequestSchema) -> None:
        self.schema = schema
        self.sent: list[HttpRequest] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        original = Transport.send

        @wraps(original)
        def send(transport: Transport, request: HttpRequest) -> Awaitable[HttpResponse]:
            self.sent.append(request)
            return original(transport, request)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Transport, "send", send)
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self.sent.clear()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        yield
        problems = [
            f"POST {request.url}: {problem}"
            for request in self.sent
            if request.method == "POST"
            for problem in self.schema.problems(request.url, request.body)
        ]
        if item.get_closest_marker("outside_openai") is None:
            assert not problems, "sent what OpenAI's schema does not know:\n" + "\n".join(dict.fromkeys(problems))
        else:
            assert problems, "marked outside_openai, but OpenAI's schema knows all that was sent: drop the marker"
