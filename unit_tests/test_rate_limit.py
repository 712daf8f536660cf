import threading
import time
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses

from source_retently.http import rate_limit
from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.http.rate_limit import RateBudget, allowed
from source_retently.run_context import Settings
from source_retently.streams.endpoints import Campaigns, Templates
from unit_tests.conftest import API, KEY, records_of


@pytest.fixture
def waits() -> None:
    """Here time is real."""


def test_a_margin_of_the_limit_is_left_to_others() -> None:
    assert [allowed(limit) for limit in (150, 15, 2, 1)] == [140, 14, 1, 1]


def test_many_threads_together_stay_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "WINDOW", timedelta(seconds=0.4))
    shared = RateBudget(11)
    sent: list[float] = []
    request = requests.Request("GET", API).prepare()

    def work() -> None:
        for _ in range(5):
            shared.acquire_call(request)
            sent.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.sort()
    assert all(later - earlier >= 0.39 for earlier, later in zip(sent, sent[10:], strict=False))
    assert len(sent) == 40
    assert time.monotonic() - started > 1.1  # 10 in each 0.4 s


def test_after_a_429_all_requests_wait() -> None:
    shared = RateBudget(150)
    shared.pause(0.3)
    started = time.monotonic()
    shared.acquire_call(requests.Request("GET", API).prepare())
    assert time.monotonic() - started >= 0.29
    assert shared.requests == 1
    assert shared.waited == pytest.approx(0.3, abs=0.02)  # once, although it was noted twice


def test_streams_share_the_budget_and_report_the_rate_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    settings = Settings()
    with responses.RequestsMock() as api, caplog.at_level("INFO"):
        api.get(f"{API}campaigns", status=429, headers={"Retry-After": "20"})
        api.get(f"{API}campaigns", json={"campaigns": []})
        api.get(f"{API}templates", json={"templates": []})
        for stream in (Campaigns, Templates):
            list(records_of(stream(ApiKeyAuthenticator(KEY), settings)))
    assert '"reasons":[{"type":"RATE_LIMITED"}]' in capsys.readouterr().out
    assert slept[0] == 20
    assert slept[-1] == pytest.approx(20, abs=1)  # the other stream holds back, too
    assert any("campaigns: waiting until" in record.message and "HTTP 429" in record.message for record in caplog.records)


def test_waiting_for_the_budget_is_logged_with_time_and_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shared = RateBudget(1)
    request: Any = requests.Request("GET", API).prepare()
    shared.acquire_call(request)
    waits = iter([30.0, 0])
    monkeypatch.setattr(shared, "_seconds_to_wait", lambda _: next(waits))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with caplog.at_level("INFO"):
        shared.acquire_call(request)
    (record,) = caplog.records
    assert record.message.startswith("Waiting until ")
    assert "is used up" in record.message
