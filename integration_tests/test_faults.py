"""The table of errors, one by one, over real sockets, in real processes, with the log at its most verbose.

The sandbox repeats the key in its errors, as servers have been seen to do; `call` searches all output for it.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from integration_tests.conftest import Connector, keys_in, small_pages
from sandbox.data import CAMPAIGNS
from sandbox.process import PATHS, SandboxProcess
from sandbox.sign_in import CLIENT
from source_retently.run_context import Timeouts
from unit_tests.run import Run, catalog_of

KEY = 'k3y/+of&the=faults,%20"\\-and-more-of-it'
BUSY = {"credentials": {"api_key": KEY}, "requests_per_minute": 10_000}
SHORT = Timeouts(connect=2, read=0.6, response=0.8, retry=0.3, rate_limit=0.3)
CONFIG_ERROR, TRANSIENT, SYSTEM = "config_error", "transient_error", "system_error"

TABLE: list[tuple[str, str, str]] = [
    # fault, failure type, part of the message (the user's page has the same list)
    ("400", SYSTEM, "refused the request for templates as malformed (HTTP 400)"),
    ("401", CONFIG_ERROR, "does not accept the API key (HTTP 401)"),
    ("403", CONFIG_ERROR, "no permission for the request for templates (HTTP 403)"),
    ("404", CONFIG_ERROR, "does not know the request for templates (HTTP 404)"),
    ("408", TRANSIENT, "did not wait for the end of the request for templates (HTTP 408)"),
    ("409", SYSTEM, "returned an unexpected status to the request for templates (HTTP 409)"),
    ("422", SYSTEM, "returned an unexpected status to the request for templates (HTTP 422)"),
    ("429", TRANSIENT, "rate limit left no room"),
    *(
        (status, TRANSIENT, f"could not serve the request for templates (HTTP {status})")
        for status in ("500", "502", "503", "504")
    ),
    ("html", TRANSIENT, "did not return a Retently response"),
    ("half", TRANSIENT, "did not return a Retently response"),
    ("null", TRANSIENT, "returned JSON without the data"),
    ("shape", TRANSIENT, "returned JSON without the data"),
    ("deep", TRANSIENT, "did not return a Retently response"),
    ("error", TRANSIENT, "could not serve the request for templates (HTTP 502)"),
    ("redirect", CONFIG_ERROR, "redirected the request for templates to another address"),
    ("reset", TRANSIENT, "cut off its response"),
    ("cut", TRANSIENT, "cut off its response"),
    ("hang", TRANSIENT, "did not respond to the request for templates in time"),
    ("drip", TRANSIENT, "did not respond to the request for templates in time"),
]
PASSING = [fault for fault, failure_type, _ in TABLE if failure_type == TRANSIENT]


@pytest.fixture(scope="module")
def own() -> Iterator[SandboxProcess]:
    with SandboxProcess(
        customers=40, companies=20, feedback=60, outbox=50, rate_limit=0, api_key=KEY, survey_id="always"
    ) as own:
        yield own


def order(own: SandboxProcess, fault: str, **where: Any) -> None:
    own.do({"faults": {"rate": 0}}, {"fault": fault, "times": 10**9, **where})


def assert_failed(run: Run, failure_type: str, part: str) -> None:
    assert run.code == 1
    assert run.stderr == ""
    assert {error["failure_type"] for error in run.errors} == {failure_type}
    message = run.errors[0]["message"]
    assert part in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(("fault", "failure_type", "part"), TABLE, ids=[fault for fault, *_ in TABLE])
def test_a_lasting_error_fails_only_its_stream(
    forked: Connector, own: SandboxProcess, fault: str, failure_type: str, part: str
) -> None:
    order(own, fault, path="templates")
    catalog = catalog_of("campaigns", "templates", "feedback")
    run = forked("read", own, config=BUSY, catalog=catalog, timeouts=SHORT, waits=False, options=("--debug",))
    assert_failed(run, failure_type, part)
    assert not run.records("templates")
    assert len(run.records("feedback")) == 60
    assert len(run.records("campaigns")) == len(CAMPAIGNS)


@pytest.mark.parametrize(("fault", "failure_type", "part"), TABLE, ids=[fault for fault, *_ in TABLE])
def test_check_reports_the_same_message(
    forked: Connector, own: SandboxProcess, fault: str, failure_type: str, part: str
) -> None:
    order(own, fault)
    run = forked("check", own, config=BUSY, timeouts=SHORT, waits=False, options=("--debug",))
    assert run.code == 0
    assert run.check_status == "FAILED"
    assert part.replace("templates", "customers") in run.error_message.replace(" (page 1)", "")


@pytest.mark.parametrize("fault", ["403", "404"])
def test_a_plan_that_includes_nothing_fails(forked: Connector, own: SandboxProcess, fault: str) -> None:
    order(own, fault)
    lacking = ("trend_groups", "trends", "suppressed_emails", "suppressed_domains", "account")
    run = forked("read", own, timeouts=SHORT, catalog=catalog_of(*lacking))
    assert_failed(run, CONFIG_ERROR, "Retently refused every stream of the connection")


@pytest.mark.parametrize("fault", PASSING)
def test_a_transient_error_on_any_stream_page_and_try_is_survived(forked: Connector, own: SandboxProcess, fault: str) -> None:
    """Each stream fails on its first try and on its second, and the long ones on their third page, too."""
    tries = 1 if fault in ("hang", "drip") else 2  # these two take their time
    # "No data" is a valid response for a score.
    paths = [path for path in PATHS.values() if fault != "null" or not path.endswith("/score")]
    own.do({"faults": {"rate": 0}}, *({"fault": fault, "path": path, "times": tries} for path in paths))
    own.do(*({"fault": fault, "path": path, "page": 3} for path in ("customers", "feedback", "outbox")))
    timeouts = Timeouts(connect=2, read=0.6, response=0.8, retry=30, rate_limit=30)
    run = forked("read", own, config={**own.config, **small_pages(10)}, timeouts=timeouts, waits=False)
    assert run.code == 0, run.error_message
    assert own.stats()["faults"] == tries * len(paths) + 3
    for name, rows in own.stats()["rows"].items():
        assert len(run.keys(name)) == rows


def test_a_key_that_is_withdrawn_during_the_read(forked: Connector, own: SandboxProcess) -> None:
    order(own, "401", after=2)
    config = {**own.config, **small_pages(10)}
    run = forked("read", own, config=config, catalog=catalog_of("feedback"), options=("--debug",))
    assert_failed(run, CONFIG_ERROR, "does not accept the API key (HTTP 401)")
    delivered = set(run.keys("feedback"))
    assert len(delivered) == 18  # pages overlap by a row or two
    own.do({"faults": {"rate": 0}})
    resumed = forked("read", own, catalog=catalog_of("feedback"), config=config, state=run.states)
    rest = set(resumed.keys("feedback"))
    assert delivered | rest == set(keys_in(own, "feedback"))
    assert len(delivered & rest) <= 2  # rows of the same date as the last one


def test_an_access_token_withdrawn_during_the_read_is_replaced(forked: Connector, own: SandboxProcess) -> None:
    own.do({"faults": {"rate": 0}}, {"fault": "401", "path": "feedback", "page": 3})
    run = forked("read", own, config={"credentials": CLIENT, **small_pages(10)}, catalog=catalog_of("feedback"))
    assert run.code == 0
    assert len(run.records("feedback")) == 60


def test_an_access_token_that_is_never_accepted(forked: Connector, own: SandboxProcess) -> None:
    order(own, "401", path="feedback")
    run = forked("read", own, config={"credentials": CLIENT}, catalog=catalog_of("feedback"), options=("--debug",))
    assert_failed(run, CONFIG_ERROR, "does not accept the OAuth access token (HTTP 401)")


TOKEN_TABLE = [
    *(
        (status, CONFIG_ERROR, f"does not accept the OAuth application's refresh token (HTTP {status})")
        for status in ("400", "401", "403")
    ),
    *(
        (fault, TRANSIENT, "the request for an OAuth token")
        for fault in ("500", "503", "html", "half", "null", "deep", "reset", "cut", "hang", "drip")
    ),
    ("404", CONFIG_ERROR, "the request for an OAuth token"),
    ("422", SYSTEM, "the request for an OAuth token"),
    ("redirect", CONFIG_ERROR, "the request for an OAuth token"),
]


@pytest.mark.parametrize(("fault", "failure_type", "part"), TOKEN_TABLE, ids=[fault for fault, *_ in TOKEN_TABLE])
def test_the_token_endpoint(forked: Connector, own: SandboxProcess, fault: str, failure_type: str, part: str) -> None:
    order(own, fault, path="oauth/token")
    config = {"credentials": CLIENT, "requests_per_minute": 10_000}  # the many tries must not wait for the rate budget
    run = forked("read", own, config=config, catalog=catalog_of("campaigns"), timeouts=SHORT, waits=False, options=("--debug",))
    assert_failed(run, failure_type, part)
    assert forked("check", own, config=config, timeouts=SHORT).error_message == run.errors[0]["message"]


@pytest.mark.parametrize("token", ["two\\nlines", "café", "tab\\tbed", "", "{}"])
def test_an_access_token_that_is_not_valid_in_a_header(forked: Connector, own: SandboxProcess, token: str) -> None:
    body = f'{{"access_token": "{token}", "expires_in": 600}}' if token != "{}" else '{"access_token": {}}'
    order(own, "body", path="oauth/token", text=body)
    run = forked("check", own, config={"credentials": CLIENT}, timeouts=SHORT, options=("--debug",), secrets=("two\nlines",))
    assert "the request for an OAuth token" in run.error_message


@pytest.mark.parametrize(
    "key",
    [
        "k",
        "0",
        "api_key=",
        "a=b&c=d",
        "100%",
        "%41%42",
        '"quoted"',
        "'",
        "\\",
        "\\n",
        "{}",
        "<&>",
        "Bearer",
        "x" * 7000,
        "/.-_~!$()*,;:@?#[]|^`",
    ],
)
def test_a_key_of_any_visible_characters_works(forked: Connector, key: str) -> None:
    with SandboxProcess(customers=1, companies=1, feedback=1, outbox=1, api_key=key) as odd:
        run = forked("check", odd, options=("--debug",))
        assert run.check_status == "SUCCEEDED"
