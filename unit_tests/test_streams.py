import json
from typing import Any

import pytest
import requests
import responses
from airbyte_cdk.utils import AirbyteTracedException

from source_retently.http.auth import ApiKeyAuthenticator
from source_retently.streams import endpoints
from source_retently.streams.base import RetentlyStream
from source_retently.streams.endpoints import (
    STREAMS,
    Account,
    Campaigns,
    Ces,
    Companies,
    Csat,
    Customers,
    Feedback,
    Nps,
    Outbox,
    Reports,
    Star,
    SuppressedDomains,
    SuppressedEmails,
    TemplateDetails,
    Templates,
    TrendGroups,
    Trends,
)
from unit_tests.conftest import API, KEY, ListEndpoint, Response, records_of, sync

AUTH = ApiKeyAuthenticator(KEY)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_overrides_what_the_cdk_calls(stream: type[RetentlyStream]) -> None:
    assert {"path", "parse_response", "next_page_token"} <= {
        name for ancestor in stream.__mro__[: stream.__mro__.index(RetentlyStream)] for name in vars(ancestor)
    }


def test_all_streams_are_in_the_list() -> None:
    classes = {found for found in vars(endpoints).values() if isinstance(found, type)}
    assert set(STREAMS) == {stream for stream in classes if stream.__module__ == endpoints.__name__}


@pytest.mark.parametrize(
    ("stream", "name", "path", "key"),
    [
        (Campaigns, "campaigns", "campaigns", "id"),
        (Companies, "companies", "companies", "id"),
        (Customers, "customers", "customers", "id"),
        (Feedback, "feedback", "feedback", "id"),
        (Outbox, "outbox", "outbox", "id"),
        (Reports, "reports", "reports", "campaignId"),
        (Nps, "nps", "nps/score", "metricsType"),
        (Csat, "csat", "csat/score", "metricsType"),
        (Ces, "ces", "ces/score", "metricsType"),
        (Star, "star", "star/score", "metricsType"),
        (Templates, "templates", "templates", "id"),
        (TemplateDetails, "template_details", "templates/{templateId}", "id"),
        (TrendGroups, "trend_groups", "trends", "id"),
        (Trends, "trends", "trends/{groupId}", "id"),
        (SuppressedEmails, "suppressed_emails", "suppressions/emails", "id"),
        (SuppressedDomains, "suppressed_domains", "suppressions/domains", "id"),
        (Account, "account", "ping", "id"),
    ],
)
def test_each_stream_has_its_name_path_and_key(stream: type[RetentlyStream], name: str, path: str, key: str) -> None:
    assert (stream().name, stream().path(), stream().primary_key) == (name, path, key)
    for method in ("path", "parse_response", "next_page_token"):
        assert getattr(stream, method) is not getattr(RetentlyStream, method)


ENVELOPES: list[tuple[type[RetentlyStream], Any, list[Any]]] = [
    (Campaigns, {"campaigns": [{"id": "1"}]}, [{"id": "1"}]),
    (Campaigns, {"data": {"campaigns": [{"id": "1"}]}}, [{"id": "1"}]),
    (Templates, {"templates": [{"id": "1"}]}, [{"id": "1"}]),
    (Templates, {"data": [{"id": "1"}]}, [{"id": "1"}]),
    (Templates, {"data": {"templates": [{"id": "1"}]}}, [{"id": "1"}]),
    (Templates, {"templates": []}, []),
    (Reports, {"data": [{"campaignId": "1"}]}, [{"campaignId": "1"}]),
    (Reports, {"data": {"campaignId": "1"}}, [{"campaignId": "1"}]),
    (Reports, {"data": []}, []),
    (Nps, {"data": {"score": 39, "metricsType": "NPS"}}, [{"score": 39, "metricsType": "NPS"}]),
    (Nps, {"data": {"nps": 39, "promoters": 62}}, [{"score": 39, "promoters": 62, "metricsType": "NPS"}]),
    (Companies, {"data": {"companies": []}}, []),
    (Customers, {"data": {"subscribers": [{"id": 7}]}}, [{"id": "7"}]),
    (Feedback, {"data": {"responses": [{"id": "1", "score": "9"}]}}, [{"id": "1", "score": 9}]),
]


@pytest.mark.parametrize(("stream", "body", "expected"), ENVELOPES)
def test_rows_are_found_in_every_envelope(
    api: responses.RequestsMock, stream: type[RetentlyStream], body: Any, expected: list[Any]
) -> None:
    api.get(API + stream().path(), json={"message": "Success.", "code": 200, **body})
    assert list(records_of(stream(AUTH))) == expected
    assert api.calls[0].request.headers["Authorization"] == f"api_key={KEY}"
    assert len(api.calls) <= 2


def test_an_empty_list_beside_the_rows_hides_none(api: responses.RequestsMock) -> None:
    api.get(f"{API}customers", json={"data": {"subscribers": [], "customers": [{"id": "1"}], "total": 1}})
    assert [row["id"] for row in sync("customers").records("customers")] == ["1"]


def test_an_unpaged_list_that_is_shorter_than_its_total_is_reported(api: responses.RequestsMock) -> None:
    api.get(f"{API}campaigns", json={"campaigns": [{"id": "1"}, {"id": "2"}], "total": 50, "pages": 25})
    run = sync("campaigns")
    assert run.warnings == ["campaigns: the API counts 50 records but gave 2; the others are missing."]


def test_a_row_that_is_nested_too_deeply_is_left_out(api: responses.RequestsMock) -> None:
    deep = "[" * 1010 + "]" * 1010
    api.get(f"{API}companies", body=f'{{"data": {{"companies": [{{"id": "1"}}, {deep}], "total": 2}}}}')
    run = sync("companies")
    assert [row["id"] for row in run.records("companies")] == ["1"]
    assert not run.errors


@pytest.mark.parametrize("stream", [Campaigns, Templates, Reports, Nps])
def test_unpaged_endpoints_get_one_request_without_a_page(api: responses.RequestsMock, stream: type[RetentlyStream]) -> None:
    rows = [{"id": str(i), "campaignId": str(i)} for i in range(1000)]
    body = {"campaigns": rows, "templates": rows, "data": {"score": 1} if stream is Nps else rows}
    api.get(API + stream().path(), json=body)
    list(records_of(stream(AUTH)))
    assert [call.request.url for call in api.calls] == [API + stream().path()]


PAGED: list[tuple[type[RetentlyStream], str, str]] = [
    (Customers, "subscribers", "createdDate"),
    (Companies, "companies", "createdDate"),
    (Feedback, "responses", "createdDate"),
    (Outbox, "surveys", "surveyCreatedDate"),
]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"{i:05}", "surveyId": f"{i:05}", "createdDate": "2024-01-01T00:00:00.000Z"} for i in range(count)]


@pytest.mark.parametrize(("stream", "array", "sort"), PAGED)
def test_lists_are_requested_in_large_pages_oldest_first(
    api: responses.RequestsMock, stream: type[RetentlyStream], array: str, sort: str
) -> None:
    endpoint = ListEndpoint(array, rows(2500))
    api.add_callback(responses.GET, API + stream().path(), endpoint)
    assert [row["id"] for row in records_of(stream(AUTH))] == [row["id"] for row in endpoint.rows]
    # Each page after the first begins with a row that the one before has brought.
    # Threads ask for them, in any order.
    assert sorted((query["page"], query["limit"], query["sort"]) for query in endpoint.queries) == [
        ("1", "1000", sort),
        ("2", "999", sort),
        ("3", "998", sort),
    ]


@pytest.mark.parametrize(("stream", "array", "sort"), PAGED)
def test_a_smaller_limit_in_the_response_is_used(
    api: responses.RequestsMock, stream: type[RetentlyStream], array: str, sort: str
) -> None:
    endpoint = ListEndpoint(array, rows(250), limit=100)
    api.add_callback(responses.GET, API + stream().path(), endpoint)
    assert len(list(records_of(stream(AUTH)))) == 250
    assert len(endpoint.queries) == 3


def test_a_limit_that_is_refused_falls_back_to_100(api: responses.RequestsMock) -> None:
    endpoint = ListEndpoint("companies", rows(250))
    api.add_callback(
        responses.GET,
        f"{API}companies",
        lambda request: (400, {}, "") if "limit=1000&" in str(request.url) else endpoint(request),
    )
    assert len(list(records_of(Companies(AUTH)))) == 250
    assert [(query["page"], query["limit"]) for query in endpoint.queries] == [("1", "100"), ("2", "99"), ("3", "98")]


def test_a_refusal_of_the_smaller_limit_too_is_a_failure(api: responses.RequestsMock) -> None:
    api.get(f"{API}companies", status=400)
    with pytest.raises(AirbyteTracedException, match="HTTP 400"):
        list(records_of(Companies(AUTH)))
    assert len(api.calls) == 2


@pytest.mark.parametrize(("stream", "array", "sort"), PAGED)
def test_inserts_and_deletes_while_reading_lose_and_double_no_row(
    api: responses.RequestsMock, stream: type[RetentlyStream], array: str, sort: str
) -> None:
    endpoint = ListEndpoint(array, rows(3000))
    staying = {row["id"] for row in endpoint.rows} - {"00005", "01500"}

    def change(request: int) -> None:
        if request == 2:
            del endpoint.rows[5]
        if request == 4:
            endpoint.rows.insert(0, {"id": "new", "surveyId": "new"})
        if request == 5:
            endpoint.rows = [row for row in endpoint.rows if row["id"] != "01500"]

    endpoint.before_request = change
    api.add_callback(responses.GET, API + stream().path(), endpoint)
    found = [row["id"] for row in records_of(stream(AUTH))]
    assert staying <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "numbers", [{"total": -1}, {"pages": -3}, {"total": True}, {"total": "3"}, {"pages": None}, {"total": 2.5}]
)
def test_invalid_totals_are_ignored(api: responses.RequestsMock, numbers: dict[str, Any]) -> None:
    endpoint = ListEndpoint("companies", rows(250), limit=100, numbers=False)

    def with_numbers(request: requests.PreparedRequest) -> Response:
        status, headers, body = endpoint(request)
        response = json.loads(body)
        return status, headers, json.dumps({**response, "data": {**response["data"], **numbers}})

    api.add_callback(responses.GET, f"{API}companies", with_numbers)
    assert [record["id"] for record in records_of(Companies(AUTH))] == [row["id"] for row in endpoint.rows]


def test_a_list_ends_by_its_top_level_total_or_by_a_page_without_new_rows(
    api: responses.RequestsMock,
) -> None:
    api.get(f"{API}companies", json={"pages": 1, "total": 3, "data": {"companies": rows(3)}})
    assert len(list(records_of(Companies(AUTH)))) == 3
    assert len(api.calls) == 1
    api.reset()
    endpoint = ListEndpoint("companies", rows(25), numbers=False)
    api.add_callback(responses.GET, f"{API}companies", endpoint)
    assert len(list(records_of(Companies(AUTH)))) == 25
    assert len(endpoint.queries) == 2


def test_the_key_of_a_sent_survey_is_its_id_or_a_stable_hash() -> None:
    stream = Outbox()
    sent = {
        "customerId": "c",
        "campaignId": "p",
        "sentDate": "2024-01-01T00:00:00.000Z",
        "status": "SENT",
        "email": "a@example.com",
    }

    def key(**values: Any) -> str:
        row = {**sent, **values}
        stream.set_primary_key(row)
        return str(row["id"])

    assert key(surveyId="s") == "s"
    assert key() == key(status="OPENED", responseId="r", detailedStatus={"isOpened": True}, email="b@example.com")
    assert (
        len({key(), key(customerId="d"), key(sentDate="2024-01-01T00:00:00.001Z"), key(campaignId=None), key(customerId=None)})
        == 5
    )
    # A golden value: were it another in a later version, every warehouse would get each row a second time.
    assert key() == GOLDEN


GOLDEN = "c66d6a242ce98205394a766abf200423"


def test_a_row_without_a_key_gets_one(api: responses.RequestsMock) -> None:
    api.get(f"{API}campaigns", json={"campaigns": [{"name": "a"}, {"name": "b"}, {"id": "", "name": "c"}]})
    keys = [row["id"] for row in records_of(Campaigns(AUTH))]
    assert len(set(keys)) == 3
    assert all(keys)


def test_unknown_fields_are_emitted_and_logged_once(api: responses.RequestsMock, caplog: pytest.LogCaptureFixture) -> None:
    api.get(f"{API}campaigns", json={"campaigns": [{"id": "1", "colour": "red"}, {"id": "2", "colour": "blue", "shape": 1}]})
    with caplog.at_level("INFO"):
        assert [row["colour"] for row in records_of(Campaigns(AUTH))] == ["red", "blue"]
    named = [record.message for record in caplog.records if "schema does not know" in record.message]
    assert [line.split(": ")[-1] for line in named] == ["colour.", "shape."]


def test_a_finished_full_refresh_state_starts_again() -> None:
    stream = Companies(AUTH)
    stream.state = {"__ab_full_refresh_sync_complete": True}
    assert stream.state == {}
    stream.state = {"position": 1998, "keys": ["a"]}
    assert stream.state == {"position": 1998, "keys": ["a"]}


def test_a_response_from_elsewhere_can_be_parsed() -> None:
    response = requests.Response()
    response.status_code = 200
    data = {"companies": rows(5), "page": 1, "pages": 3, "limit": 5, "total": 15}
    response._content = json.dumps({"data": data}).encode()
    stream = Companies(AUTH)
    assert len(list(stream.parse_response(response))) == 5
    assert stream.next_page_token(response)
