import logging
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from airbyte_cdk.models import ConnectorSpecificationSerializer
from airbyte_cdk.sources.declarative.models.declarative_component_schema import OAuthConfigSpecification
from jinja2 import StrictUndefined, Template
from jsonschema import Draft7Validator

from source_retently import SourceRetently
from source_retently.config import Config, ConfigError, OAuthCredentials, TokenCredentials, canonical
from source_retently.spec import connection_specification

OAUTH = {"client_id": "id", "client_secret": "s3cret", "refresh_token": "r3fresh"}


@pytest.mark.parametrize(
    "raw",
    [
        {"credentials": {"auth_type": "Token", "api_key": "key"}},
        {"credentials": {"api_key": "key"}},
        {"api_key": "key"},
        {"ApiKey": "key"},
        {"api_key": " key\n"},
        {"credentials": {}, "api_key": "key"},
    ],
)
def test_every_published_shape_of_a_key_works(raw: dict[str, Any]) -> None:
    assert Config.parse(raw).credentials == TokenCredentials(auth_type="Token", api_key="key")
    Draft7Validator(connection_specification()).validate(canonical(raw))


@pytest.mark.parametrize("extra", [{}, {"auth_type": "Client"}])
def test_every_published_shape_of_an_oauth_application_works(extra: dict[str, str]) -> None:
    raw = {"credentials": {**OAUTH, **extra}}
    assert Config.parse(raw).credentials == OAuthCredentials(auth_type="Client", **OAUTH)
    Draft7Validator(connection_specification()).validate(canonical(raw))


def test_auth_type_decides_which_credentials_count() -> None:
    assert isinstance(
        Config.parse({"credentials": {**OAUTH, "auth_type": "Client", "api_key": ""}}).credentials, OAuthCredentials
    )


def test_unknown_keys_survive_for_the_platform() -> None:
    assert canonical({"api_key": "key", "x": 1}) == {"x": 1, "credentials": {"auth_type": "Token", "api_key": "key"}}


@pytest.mark.parametrize(
    ("raw", "field", "remedy"),
    [
        ({}, "credentials", "give an API key"),
        ({"api_key": ""}, "credentials.api_key", "fill it in"),
        ({"api_key": "   "}, "credentials.api_key", "fill it in"),
        ({"ApiKey": None}, "credentials", "give an API key"),
        ({"credentials": {**OAUTH, "client_id": None}}, "credentials.client_id", "fill it in"),
        ({"credentials": {**OAUTH, "auth_type": "Token", "api_key": None}}, "credentials.api_key", "fill it in"),
        ({"credentials": {"auth_type": None, "api_key": None}}, "credentials.api_key", "fill it in"),
        ({"api_key": "s3cret\nkey"}, "credentials.api_key", "one line"),
        ({"api_key": "s3cret key"}, "credentials.api_key", "copy it again"),
        ({"api_key": "s3crét"}, "credentials.api_key", "copy it again"),
        ({"api_key": 12345678}, "credentials.api_key", "quotes"),
        ({"credentials": "s3cret"}, "credentials", "must be an object"),
        ({"credentials": ["s3cret"]}, "credentials", "must be an object"),
        ({"credentials": {}}, "credentials.api_key", "fill it in"),
        ({"credentials": {"auth_type": "Token"}}, "credentials.api_key", "fill it in"),
        ({"credentials": {"auth_type": "s3cret", "api_key": "s3cret"}}, "credentials.auth_type", "Token"),
        ({"credentials": {"auth_type": "Client", "api_key": "s3cret"}}, "credentials.client_id", "fill it in"),
        ({"credentials": {**OAUTH, "client_secret": " "}}, "credentials.client_secret", "fill it in"),
        ({"credentials": {"client_id": "id", "refresh_token": "s3cret"}}, "credentials.client_secret", "fill it in"),
        ({"credentials": {"api_key": "s3cret", "client_id": "id"}}, "credentials", "keep one kind"),
        ({"api_key": "s3cret", "start_date": "soon"}, "start_date", "2024-01-31T00:00:00Z"),
        ({"api_key": "s3cret", "start_date": 20240131}, "start_date", "2024-01-31T00:00:00Z"),
        ({"api_key": "s3cret", "start_date": "2024-02-31"}, "start_date", "2024-01-31T00:00:00Z"),
        ({"api_key": "s3cret", "start_date": "2999-01-01"}, "start_date", "future"),
        ({"api_key": "s3cret", "lookback_window": -1}, "lookback_window", "from 0 to 3650"),
        ({"api_key": "s3cret", "lookback_window": "week"}, "lookback_window", "from 0 to 3650"),
        ({"api_key": "s3cret", "lookback_window": 1.5}, "lookback_window", "from 0 to 3650"),
    ],
)
def test_a_bad_configuration_gets_one_message(raw: dict[str, Any], field: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.parse(raw)
    message = str(caught.value)
    assert message.startswith(field + " ")
    assert remedy in message
    assert message.endswith(".")
    assert "\n" not in message
    assert "s3cr" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "text",
    ["2024-01-31", "2024-01-31T00:00:00Z", "2024-01-31T00:00:00.000Z", "2024-01-31T02:00:00+02:00", " 2024-01-31T00:00:00 "],
)
def test_start_date_is_read_as_utc(text: str) -> None:
    assert Config.parse({"api_key": "key", "start_date": text}).start_date == datetime(2024, 1, 31, tzinfo=timezone.utc)


@pytest.mark.parametrize("empty", [None, "", " "])
def test_an_empty_start_date_is_none(empty: str | None) -> None:
    assert Config.parse({"api_key": "key", "start_date": empty}).start_date is None


def test_a_configuration_never_shows_its_secrets() -> None:
    assert "s3cret" not in repr(Config.parse({"credentials": {**OAUTH}}))
    assert "r3fresh" not in repr(Config.parse({"credentials": {**OAUTH}}))


def test_the_spec_is_what_airbytes_ui_renders_well() -> None:
    spec = connection_specification()
    Draft7Validator.check_schema(spec)
    assert spec["title"] == "Retently Spec"
    assert spec["additionalProperties"] is True
    assert spec["required"] == ["credentials"]
    properties = spec["properties"]
    assert [properties[name]["order"] for name in properties] == sorted(properties[name]["order"] for name in properties)
    assert all(properties[name]["title"] and properties[name]["description"] for name in properties)
    token, oauth = properties["credentials"]["oneOf"]
    assert (token["properties"]["auth_type"]["const"], oauth["properties"]["auth_type"]["const"]) == ("Token", "Client")
    assert "https://app.retently.com/settings/api/tokens" in token["properties"]["api_key"]["description"]
    secrets = {name for kind in (token, oauth) for name, field in kind["properties"].items() if field.get("airbyte_secret")}
    assert secrets == {"api_key", "client_secret", "refresh_token"}
    start = properties["start_date"]
    assert start["format"] == "date-time"
    Draft7Validator({"pattern": start["pattern"]}).validate(start["examples"][0])
    assert properties["lookback_window"]["default"] == 7


def at(schema: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The field of the connector's spec that a path of the platform leads to, in the kind of credentials that is OAuth."""
    for name in path:
        kinds = [kind for kind in schema.get("oneOf", [schema]) if kind["title"] != "API token"]
        schema = kinds[0]["properties"][name]
    return schema


def advanced_auth() -> dict[str, Any]:
    """The spec's part about OAuth, as the platform gets it."""
    spec: dict[str, Any] = ConnectorSpecificationSerializer.dump(SourceRetently().spec(logging.getLogger()))
    return dict(spec["advanced_auth"])


def test_the_spec_maps_the_oauth_fields() -> None:
    auth = advanced_auth()
    assert auth["auth_flow_type"] == "oauth2.0"
    spec = connection_specification()
    assert at(spec, auth["predicate_key"])["const"] == auth["predicate_value"]
    oauth = auth["oauth_config_specification"]
    # The CDK's declarative model is the stricter one: it knows the type of every field.
    OAuthConfigSpecification.parse_obj(oauth)
    server = oauth["complete_oauth_server_output_specification"]["properties"]
    fields = {**server, **oauth["complete_oauth_output_specification"]["properties"]}
    assert set(fields) == {"client_id", "client_secret", "refresh_token"}
    assert oauth["complete_oauth_server_input_specification"]["properties"].keys() == server.keys()
    for name, field in fields.items():
        assert field["path_in_connector_config"] == ["credentials", name]
        assert at(spec, field["path_in_connector_config"])["type"] == "string"


def test_the_spec_is_enough_for_the_oauth_consent() -> None:
    """Rendered as airbyte-platform's DeclarativeOAuthSpecHandler does, which encodes nothing by itself."""
    steps = advanced_auth()["oauth_config_specification"]["oauth_connector_input_specification"]
    values = {
        "client_id": "an id",
        "client_secret": "s&",
        "redirect_uri": "https://x.example/?a=b&c",
        "state": "st",
        "code": "c",
    }
    known = {f"{name}_value": value for name, value in values.items()} | {"auth_code_value": values["code"]}
    known |= {f"{name}_key": name for name in values} | {"auth_code_key": "code"}

    def render(text: str) -> str:
        return str(Template(text, undefined=StrictUndefined).render(known))

    consent = urlsplit(render(steps["consent_url"]))
    assert consent._replace(query="").geturl() == "https://app.retently.com/api/oauth/authorize"
    expected = {name: values[name] for name in ("client_id", "redirect_uri", "state")} | {"response_type": "code"}
    assert dict(parse_qsl(consent.query, strict_parsing=True)) == expected
    # The platform writes these as a form when the type is exactly this one, else as JSON, which Retently does not take.
    assert steps["access_token_url"] == "https://app.retently.com/api/oauth/token"
    assert steps["access_token_headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert {render(name): render(value) for name, value in steps["access_token_params"].items()} == {
        "grant_type": "authorization_code",
        **{name: values[name] for name in ("client_id", "client_secret", "redirect_uri", "code")},
    }
    assert steps["extract_output"] == ["refresh_token"]


SHAPES: list[dict[str, Any]] = [
    {"api_key": "key"},
    {"ApiKey": "key"},
    {"credentials": {"api_key": "key"}},
    {"credentials": {"auth_type": "Token", "api_key": "key"}},
    {"credentials": OAUTH},
    {"credentials": {"auth_type": "Client", **OAUTH}},
]


def options_of(schema: dict[str, Any]) -> set[str]:
    """Every option that the spec has at its top or in one of its kinds of credentials."""
    kinds = schema["properties"]["credentials"]["oneOf"]
    return {*schema["properties"], *(name for kind in kinds for name in kind["properties"])}


@pytest.mark.parametrize("raw", SHAPES)
def test_null_for_an_option_is_the_same_as_leaving_it_out(raw: dict[str, Any]) -> None:
    # Terraform sends null for all that is not set: at the top, and for the fields of the other kind of credentials.
    names = {*options_of(connection_specification()), "ApiKey", "_page_size", "_limit"}
    nulls = {**dict.fromkeys(names), **raw}
    if "credentials" in raw:
        nulls["credentials"] = {**dict.fromkeys(names), **raw["credentials"]}
    assert Config.parse(nulls) == Config.parse(raw)
    assert canonical(nulls) == canonical(raw)
    Draft7Validator(connection_specification()).validate(canonical(nulls))


@pytest.mark.parametrize(
    ("raw", "unknown"),
    [
        *((raw, {}) for raw in SHAPES),
        ({"api_key": "key", "_page_size": 10, "__injected": True}, {}),
        ({"credentials": {"auth_type": "Token", "api_key": "key", "client_id": ""}}, {}),
        ({"api_key": "key", "start_dat": "2024-01-01"}, {"start_dat": "start_date"}),
        ({"api_key": "key", "Lookback_Window": 3}, {"Lookback_Window": "lookback_window"}),
        ({"api_key": "key", "zzz": 3, "workers": 2}, {"workers": "num_workers", "zzz": ""}),
        ({"credentials": {"api_key": "key", "start_date": "2024-01-01"}}, {"credentials.start_date": "start_date"}),
        ({"credentials": {**OAUTH, "client_secrets": "x"}}, {"credentials.client_secrets": "client_secret"}),
        ({"credentials": {"api_key": "key"}, "api_key": "other"}, {"api_key": ""}),
        ({"api_key": "key", "x" * 99: 1}, {"x" * 40 + "…": ""}),
    ],
)
def test_unknown_options_are_named_with_the_nearest_one(raw: dict[str, Any], unknown: dict[str, str]) -> None:
    assert Config.parse(raw).unknown_options == unknown


def test_null_credentials_beside_a_key_are_left_out() -> None:
    nulls = {"credentials": {"auth_type": None, "api_key": None}, "api_key": "key"}
    assert Config.parse(nulls) == Config.parse({"api_key": "key"})
