import json
import sys
from io import StringIO
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_retently.config import Config
from source_retently.http.auth import ApiKeyAuthenticator, OAuthAuthenticator, authenticator
from source_retently.run_context import Settings
from source_retently.streams.endpoints import Campaigns
from unit_tests.conftest import API, CONFIG, KEY, records_of

TOKEN_URL = "https://app.retently.com/api/oauth/token"
OAUTH: dict[str, Any] = {
    "credentials": {"auth_type": "Client", "client_id": "the-id", "client_secret": "s3cret", "refresh_token": "r3fresh"},
    "x": 1,
}


def signed(auth: requests.auth.AuthBase) -> str:
    return str(requests.Request("GET", API, auth=auth).prepare().headers["Authorization"])


def oauth() -> OAuthAuthenticator:
    auth = authenticator(Config.parse(OAUTH), Settings(), OAUTH)
    assert isinstance(auth, OAuthAuthenticator)
    return auth


def grant(api: responses.RequestsMock, **changes: Any) -> None:
    api.post(TOKEN_URL, json={"access_token": "acc3ss", "refresh_token": "r3fresh", "expires_in": 21600, **changes})


def test_a_key_goes_into_the_header_without_whitespace() -> None:
    assert signed(authenticator(Config.parse(CONFIG), Settings(), CONFIG)) == f"api_key={KEY}"


def test_a_refresh_token_is_exchanged_once_by_form(api: responses.RequestsMock) -> None:
    grant(api)
    auth = oauth()
    assert signed(auth) == signed(auth) == "Bearer acc3ss"
    assert len(api.calls) == 1
    request = api.calls[0].request
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(str(request.body)) == {
        "grant_type": ["refresh_token"],
        "client_id": ["the-id"],
        "client_secret": ["s3cret"],
        "refresh_token": ["r3fresh"],
    }
    assert "s3cret" not in str(request.url)


@pytest.mark.parametrize(("expires_in", "still_good", "too_late"), [(21600, 21500, 21550), (10, 8, 9.5), (None, 3500, 3550)])
def test_a_token_is_replaced_before_it_expires(
    api: responses.RequestsMock, waits: list[float], expires_in: int | None, still_good: float, too_late: float
) -> None:
    grant(api, expires_in=expires_in)
    grant(api, access_token="n3w")
    auth = oauth()
    assert signed(auth) == "Bearer acc3ss"
    waits.append(still_good)
    assert signed(auth) == "Bearer acc3ss"
    waits.append(too_late - still_good)
    assert signed(auth) == "Bearer n3w"


def test_a_401_gets_one_new_token(api: responses.RequestsMock) -> None:
    grant(api)
    grant(api, access_token="n3w")
    api.get(f"{API}campaigns", status=401)
    api.get(f"{API}campaigns", json={"campaigns": [{"id": "1"}]})
    assert list(records_of(Campaigns(oauth()))) == [{"id": "1"}]
    assert [call.request.url for call in api.calls] == [TOKEN_URL, f"{API}campaigns", TOKEN_URL, f"{API}campaigns"]
    assert api.calls[3].request.headers["Authorization"] == "Bearer n3w"


def test_a_second_401_is_final(api: responses.RequestsMock) -> None:
    grant(api)
    api.get(f"{API}campaigns", status=401)
    with pytest.raises(AirbyteTracedException) as caught:
        list(records_of(Campaigns(oauth())))
    assert caught.value.failure_type == FailureType.config_error


def test_a_new_refresh_token_is_used_and_sent_to_the_platform(
    api: responses.RequestsMock, capsys: pytest.CaptureFixture[str]
) -> None:
    grant(api, refresh_token="n3xt")
    grant(api, access_token="n3w", refresh_token="n3xt")
    auth = oauth()
    assert signed(auth) == "Bearer acc3ss"
    auth.refresh_and_set_access_token()
    assert parse_qs(str(api.calls[1].request.body))["refresh_token"] == ["n3xt"]
    (line,) = capsys.readouterr().out.splitlines()
    control = json.loads(line)["control"]
    assert control["type"] == "CONNECTOR_CONFIG"
    assert control["connectorConfig"]["config"] == {"x": 1, "credentials": {**OAUTH["credentials"], "refresh_token": "n3xt"}}


def test_an_unchanged_refresh_token_is_not_sent(api: responses.RequestsMock, capsys: pytest.CaptureFixture[str]) -> None:
    grant(api)
    signed(oauth())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_refresh_token_is_a_config_error(api: responses.RequestsMock, waits: list[float], status: int) -> None:
    api.post(TOKEN_URL, status=status, body="r3fresh")
    with pytest.raises(AirbyteTracedException, match=r"refresh token \(HTTP [0-9]+\)[^\n]*sign in") as caught:
        signed(oauth())
    assert caught.value.failure_type == FailureType.config_error
    assert "r3fresh" not in str(caught.value)
    assert waits == []


@pytest.mark.parametrize("code", [400, 401, 403])
def test_a_refresh_token_that_is_refused_with_200_is_not_called_a_key(api: responses.RequestsMock, code: int) -> None:
    api.post(TOKEN_URL, json={"code": code, "message": "no", "data": None})
    with pytest.raises(AirbyteTracedException, match=rf"refresh token \(HTTP {code}\)[^\n]*sign in"):
        signed(oauth())


@pytest.mark.parametrize(
    "bad", [{"status": 503}, {"body": requests.exceptions.ConnectionError()}, {"json": {}}, {"body": "<html>"}]
)
def test_a_failed_token_request_is_retried(api: responses.RequestsMock, bad: dict[str, Any]) -> None:
    api.post(TOKEN_URL, **bad)
    grant(api)
    assert signed(oauth()) == "Bearer acc3ss"


def test_a_token_endpoint_that_keeps_failing_is_a_transient_error(api: responses.RequestsMock, waits: list[float]) -> None:
    api.post(TOKEN_URL, status=503)
    with pytest.raises(AirbyteTracedException, match="OAuth token") as caught:
        signed(oauth())
    assert caught.value.failure_type == FailureType.transient_error
    assert 300 <= sum(waits) <= 360


def test_a_key_alone_is_enough_to_build_a_stream() -> None:
    assert Campaigns(authenticator=ApiKeyAuthenticator(KEY)).name == "campaigns"


def test_a_new_refresh_token_is_written_at_once(api: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    # The old one is worth nothing any more: one that waits in the buffer while a request hangs would be lost with the process.
    written = StringIO()
    monkeypatch.setattr(sys, "__stdout__", written)
    monkeypatch.setattr(sys, "stdout", PRINT_BUFFER)
    monkeypatch.setattr(PRINT_BUFFER, "last_flush_time", float("inf"))
    grant(api, refresh_token="r0tated")
    signed(oauth())
    assert '"refresh_token":"r0tated"' in written.getvalue()
