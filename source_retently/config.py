"""What the user types becomes one typed `Config`; the connector's spec is made from the same model.

Four shapes of credentials have been published for Retently connectors, and all of them work:

- `{"credentials": {"auth_type": "Token", "api_key": …}}`
- `{"credentials": {"auth_type": "Client", "client_id": …, "client_secret": …, "refresh_token": …}}`
- `{"api_key": …}` and `{"ApiKey": …}`

Whatever is wrong ends as a `ConfigError` whose message is one sentence that names the field and the remedy, and never
quotes what was typed.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from airbyte_cdk.models import (
    AdvancedAuth,
    AuthFlowType,
    FailureType,
    OAuthConfigSpecification,
    OauthConnectorInputSpecification,
)
from airbyte_cdk.sources.utils.schema_helpers import expand_refs
from airbyte_cdk.utils import AirbyteTracedException
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from source_retently.budget import REQUESTS_PER_MINUTE

DOCUMENTATION_URL = "https://docs.airbyte.com/integrations/sources/retently"
TOKENS_URL = "https://app.retently.com/settings/api/tokens"
OAUTH_URL = "https://app.retently.com/settings/oauth"
OAUTH_FIELDS = ("client_id", "client_secret", "refresh_token")


class ConfigError(AirbyteTracedException):
    """The configuration can't be used; the message says why and what to do about it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(message=sentence, internal_message=sentence, failure_type=FailureType.config_error)


def fits_a_header(value: str) -> bool:
    """Whether a secret can travel in an HTTP header: visible ASCII."""
    return bool(re.fullmatch(r"[\x21-\x7e]+", value))


def _secret(value: str) -> str:
    """A secret without the blanks around it; what remains must be one line of visible ASCII, as HTTP headers need it."""
    value = value.strip()
    if not value:
        raise ValueError("is empty: fill it in")
    if re.search(r"[\r\n]", value):
        raise ValueError("contains a line break: paste it again as one line")
    if not fits_a_header(value):
        raise ValueError("contains blanks or characters that are not ASCII: copy it again from Retently")
    return value


Secret = Annotated[str, AfterValidator(_secret)]


def _date(value: Any) -> Any:
    """`YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS[.mmm]` with `Z` or an offset; UTC where neither is given."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    unreadable = ValueError("is not a date that can be read: write it as 2024-01-31T00:00:00Z")
    if not isinstance(value, str):
        raise unreadable
    try:
        date = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", value.strip()))
        date = date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise unreadable from None
    if date > datetime.now(timezone.utc):
        raise ValueError("lies in the future: set it to the first day that you want, or leave it empty for all")
    return date


class _Options(BaseModel):
    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)


class TokenCredentials(_Options):
    """An API key of the account."""

    model_config = ConfigDict(title="API token")

    auth_type: Literal["Token"] = Field(json_schema_extra={"order": 0})
    api_key: Secret = Field(
        repr=False,
        title="API Key",
        description=f'The API key of the account; a read key is enough. See <a href="{TOKENS_URL}">{TOKENS_URL}</a>.',
        json_schema_extra={"order": 1, "airbyte_secret": True},
    )


class OAuthCredentials(_Options):
    """An OAuth application of the account, with a refresh token that it was granted."""

    model_config = ConfigDict(title="OAuth application")

    auth_type: Literal["Client"] = Field(json_schema_extra={"order": 0})
    client_id: Secret = Field(
        title="Client ID",
        description=f'The client ID of the OAuth application. See <a href="{OAUTH_URL}">{OAUTH_URL}</a>.',
        json_schema_extra={"order": 1},
    )
    client_secret: Secret = Field(
        repr=False,
        title="Client Secret",
        description="The client secret of the OAuth application.",
        json_schema_extra={"order": 2, "airbyte_secret": True},
    )
    refresh_token: Secret = Field(
        repr=False,
        title="Refresh Token",
        description="A refresh token that the application was granted; where Retently replaces it, the connection is updated.",
        json_schema_extra={"order": 3, "airbyte_secret": True},
    )


class Config(_Options):
    """The whole configuration, ready to use."""

    model_config = ConfigDict(title="Retently Spec")

    credentials: Annotated[TokenCredentials | OAuthCredentials, Field(discriminator="auth_type")] = Field(
        title="Authentication",
        description="How the connector signs in to Retently.",
        json_schema_extra={"order": 0, "type": "object"},
    )
    start_date: Annotated[datetime | None, BeforeValidator(_date)] = Field(
        None,
        title="Start Date",
        description=(
            "UTC date and time, for example 2024-01-31T00:00:00Z. Feedback and sent surveys from before it are not read, "
            "nor are customers last changed before it. Leave it empty to read everything. It saves requests for feedback "
            "and sent surveys; customers are read whole all the same, since the API can't filter them by change."
        ),
        examples=["2024-01-31T00:00:00Z"],
        json_schema_extra={
            "order": 1,
            "pattern": r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{3}(\d{3})?)?(Z|[+-]\d{2}:\d{2}))?$",
            "pattern_descriptor": "YYYY-MM-DDTHH:MM:SSZ",
        },
    )
    lookback_window: int = Field(
        7,
        ge=0,
        le=3650,
        title="Look-back Window (days)",
        description=(
            "Feedback and sent surveys change after they were made (tags, notes, opened, answered), and the API tells nobody. "
            "Each incremental sync therefore reads this many days before the last one again. Rows of these days arrive again "
            "in every sync, one request for each 1,000 of them; destinations that deduplicate keep the newest. 0 turns it off."
        ),
        json_schema_extra={"order": 2},
    )

    num_workers: int = Field(
        4,
        ge=1,
        le=10,
        title="Pages at a Time",
        description=(
            "How many pages of a stream are fetched at the same time; 1 fetches one after another. More hides the time that "
            "Retently takes to answer, up to the limit of requests a minute, and takes a few megabytes of memory each."
        ),
        json_schema_extra={"order": 3},
    )
    requests_per_minute: int = Field(
        REQUESTS_PER_MINUTE,
        ge=1,
        le=10_000,
        title="Requests per Minute",
        description=(
            "The limit of the account; Retently's documentation says 150. A fifteenth of it is left to others. Set it lower "
            "if other programs use the account, too."
        ),
        json_schema_extra={"order": 4},
    )

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Config":
        """The typed configuration.

        :raises ConfigError: with one sentence about the first thing that is wrong
        """
        try:
            return cls.model_validate(canonical(raw))
        except ValidationError as error:
            raise ConfigError(_sentence(error.errors(include_input=False, include_url=False)[0])) from None


def canonical(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in the shape of the spec, whichever published shape came in; other keys are kept as they are.

    An option that is null is left out: Terraform sends null for what is not set.

    :raises ConfigError: when it can't be told which kind of credentials is meant
    """
    config = _without_nulls(raw)
    legacy = [config.pop(name) for name in ("api_key", "ApiKey") if name in config]
    credentials = config.get("credentials")
    credentials = _without_nulls(credentials) if isinstance(credentials, Mapping) else credentials
    if credentials is None or (credentials == {} and legacy):
        if not legacy:
            raise ConfigError(
                f"credentials is missing: give an API key from {TOKENS_URL}, "
                f"or client_id, client_secret and refresh_token of an OAuth application."
            )
        credentials = {"auth_type": "Token", "api_key": next((key for key in legacy if key), "")}
    if not isinstance(credentials, Mapping):
        raise ConfigError("credentials must be an object: give it api_key, or client_id, client_secret and refresh_token.")
    return {**config, "credentials": _with_auth_type(credentials)}


def _with_auth_type(credentials: Mapping[str, Any]) -> dict[str, Any]:
    kind = credentials.get("auth_type")
    token = not _blank(credentials.get("api_key"))
    oauth = [name for name in OAUTH_FIELDS if not _blank(credentials.get(name))]
    if kind is None:
        if token and oauth:
            raise ConfigError(
                f"credentials holds both an api_key and {' and '.join(oauth)}: "
                "keep one kind, or set credentials.auth_type to Token or Client."
            )
        kind = "Client" if oauth or (not token and any(name in credentials for name in OAUTH_FIELDS)) else "Token"
    trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in credentials.items()}
    return {**trimmed, "auth_type": kind}


def _without_nulls(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _sentence(error: ErrorDetails) -> str:
    # A union's choice is part of pydantic's path, not of what the user typed.
    field = ".".join(str(part) for part in error["loc"] if part not in ("Token", "Client"))
    match error["type"]:
        case "missing":
            return f"{field} is missing: fill it in."
        case "value_error":
            return f"{field} {error['ctx']['error']}."
        case "string_type":
            return f"{field} must be text: put it into quotes."
        case "union_tag_invalid" | "union_tag_not_found":
            return f"{field}.auth_type must be Token (for an api_key) or Client (for an OAuth application)."
    schema = Config.model_json_schema()["properties"].get(field, {})
    if schema.get("type") == "integer":
        return f"{field} must be a whole number from {schema['minimum']} to {schema['maximum']}."
    return f"{field} can't be used: {error['msg'][0].lower()}{error['msg'][1:]}."


def connection_specification() -> dict[str, Any]:
    """The JSON Schema (draft-07) of the configuration, as Airbyte's UI renders it."""
    schema = Config.model_json_schema()
    schema["definitions"] = schema.pop("$defs")
    for node in _nodes(schema):
        if "$ref" in node:
            node["$ref"] = node["$ref"].replace("$defs", "definitions")
    expand_refs(schema)
    for node in _nodes(schema):
        # The UI knows neither discriminators nor unions with null, and shows Python's docstrings as they stand.
        node.pop("discriminator", None)
        optional = [choice for choice in node.get("anyOf", []) if choice != {"type": "null"}]
        if len(optional) == 1:
            del node["anyOf"]
            node.update(optional[0])
        if node.get("default", "") is None:
            del node["default"]
    schema.pop("description", None)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema, "additionalProperties": True}


def advanced_auth() -> AdvancedAuth:
    """How Airbyte's UI gets a refresh token: which kind of credentials is OAuth, the requests, and where the results go.

    Nothing here follows RETENTLY_BASE_URL: the published spec is the same everywhere.
    """
    return AdvancedAuth(
        auth_flow_type=AuthFlowType.oauth2_0,
        predicate_key=["credentials", "auth_type"],
        predicate_value="Client",
        oauth_config_specification=OAuthConfigSpecification(
            oauth_connector_input_specification=OauthConnectorInputSpecification(
                consent_url=(
                    "https://app.retently.com/api/oauth/authorize"
                    "?{{ client_id_key }}={{ client_id_value | urlencode }}"
                    "&{{ redirect_uri_key }}={{ redirect_uri_value | urlencode }}"
                    "&response_type=code&{{ state_key }}={{ state_value | urlencode }}"
                ),
                access_token_url="https://app.retently.com/api/oauth/token",  # noqa: S106
                # Without exactly this type the platform would send the parameters as JSON.
                access_token_headers={"Content-Type": "application/x-www-form-urlencoded"},
                access_token_params={
                    "grant_type": "authorization_code",
                    **{f"{{{{ {name}_key }}}}": f"{{{{ {name}_value }}}}" for name in _SENT_FOR_A_TOKEN},
                },
                extract_output=["refresh_token"],
            ),
            complete_oauth_output_specification=_oauth_fields("refresh_token"),
            complete_oauth_server_input_specification=_oauth_fields("client_id", "client_secret", with_paths=False),
            complete_oauth_server_output_specification=_oauth_fields("client_id", "client_secret"),
        ),
    )


_SENT_FOR_A_TOKEN = ("client_id", "client_secret", "auth_code", "redirect_uri")
"""What the platform knows and Retently wants for a token, by the platform's names."""


def _oauth_fields(*names: str, with_paths: bool = True) -> dict[str, Any]:
    """The JSON Schema of an object with these fields of the credentials."""
    path = {name: {"path_in_connector_config": ["credentials", name]} if with_paths else {} for name in names}
    properties = {name: {"type": "string", **path[name]} for name in names}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _nodes(node: Any) -> list[dict[str, Any]]:
    """Every object of a JSON document, the outer ones first."""
    if isinstance(node, list):
        return [found for item in node for found in _nodes(item)]
    if not isinstance(node, dict):
        return []
    return [node, *(found for value in node.values() for found in _nodes(value))]
