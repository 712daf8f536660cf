"""`Config`: the configuration that the user typed, checked and typed. The connector's spec is made from the same model.

Four shapes of credentials have been published for Retently connectors, and all of them work:

- `{"credentials": {"auth_type": "Token", "api_key": …}}`
- `{"credentials": {"auth_type": "Client", "client_id": …, "client_secret": …, "refresh_token": …}}`
- `{"api_key": …}` and `{"ApiKey": …}`

Invalid input raises a `ConfigError` whose message names the field and the remedy, and never quotes what was typed.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from source_retently.values import NotCoercible, datetime_of, utc

TOKENS_URL = "https://app.retently.com/settings/api/tokens"
LEGACY_KEYS = ("api_key", "ApiKey")
"""Where configurations without `credentials` have the key."""
OAUTH_URL = "https://app.retently.com/settings/oauth"
OAUTH_FIELDS = ("client_id", "client_secret", "refresh_token")
REQUESTS_PER_MINUTE = 150
"""The API's limit (docs/api.md#rate-limit)."""


class ConfigError(AirbyteTracedException):
    """The configuration can't be used; the message says why and what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(message=message, internal_message=message, failure_type=FailureType.config_error)


def is_valid_in_header(value: str) -> bool:
    """Whether a secret can be sent in an HTTP header: visible ASCII."""
    return bool(re.fullmatch(r"[\x21-\x7e]+", value))


def _secret(value: str) -> str:
    """A secret without the whitespace around it; the rest must be one line of visible ASCII, as HTTP headers need it."""
    value = value.strip()
    if not value:
        raise ValueError("is empty: fill it in")
    if re.search(r"[\r\n]", value):
        raise ValueError("contains a line break: paste it again as one line")
    if not is_valid_in_header(value):
        raise ValueError("contains whitespace or characters that are not ASCII: copy it again from Retently")
    return value


Secret = Annotated[str, AfterValidator(_secret)]


def _date(value: Any) -> datetime | None:
    """A date as `values.utc` reads it, but written as text; UTC where it has no offset."""
    if value is None:
        return None
    try:
        text = utc(value) if isinstance(value, str) else ""
    except NotCoercible:
        text = ""
    if text == "":
        raise ValueError("is not a date: write it as 2024-01-31T00:00:00Z")
    date = datetime_of(text) if text else None
    if date and date > datetime.now(timezone.utc):
        raise ValueError("is in the future: set it to the first day that you want, or leave it empty for all")
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
            "and sent surveys, but not for customers."
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
            "Feedback and sent surveys change after they were made (tags, notes, opened, answered) without changing their "
            "date. Each incremental sync therefore begins this many days before the date of the newest row that earlier syncs "
            "have read. Rows from then on are emitted again in every sync, one request for each 1,000 of them; destinations "
            "that deduplicate keep the newest. Changes to older rows are missed until a full refresh. 0 turns it off."
        ),
        json_schema_extra={"order": 2},
    )

    customers_full_read_hours: int = Field(
        24,
        ge=0,
        le=8760,
        title="Full Read of Customers (hours)",
        description=(
            "If Retently sorts customers by their last change, an incremental sync reads only those that changed. Some changes "
            "(at risk, in queue, last survey) may have no date, so all customers are read again when this many hours have "
            "passed. 0 reads all customers in every sync."
        ),
        json_schema_extra={"order": 3},
    )

    num_workers: int = Field(
        4,
        ge=1,
        le=10,
        title="Pages at a Time",
        description=(
            "How many pages of a stream are fetched at the same time; 1 fetches one after another. More hides the time that "
            "Retently needs for a response, up to the limit of requests a minute, and takes a few megabytes of memory each."
        ),
        json_schema_extra={"order": 4},
    )
    requests_per_minute: int = Field(
        REQUESTS_PER_MINUTE,
        ge=1,
        le=10_000,
        title="Requests per Minute",
        description=(
            "The limit of the account; 150 by Retently's documentation. The connector uses 14/15 of it. Set it lower if other "
            "programs use the account, too."
        ),
        json_schema_extra={"order": 5},
    )

    @property
    def unknown_options(self) -> dict[str, str]:
        """Options that do not exist, each with the name that is perhaps meant. Those with an underscore are the platform's."""
        kinds = {*TokenCredentials.model_fields, *OAuthCredentials.model_fields}
        options = set(type(self).model_fields)
        given = dict.fromkeys(self.model_extra or {}, options)
        given |= {f"credentials.{name}": kinds | options for name in (self.credentials.model_extra or {}).keys() - kinds}
        return {
            shortened([name]): next(iter(get_close_matches(name.removeprefix("credentials."), sorted(known), 1)), "")
            for name, known in sorted(given.items())
            if not name.startswith("_")
        }

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Config":
        """The typed configuration.

        :raises ConfigError: about the first thing that is wrong
        """
        try:
            return cls.model_validate(canonical(raw))
        except ValidationError as error:
            raise ConfigError(_message(error.errors(include_input=False, include_url=False)[0])) from None


def canonical(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in the shape of the spec, whichever published shape came in; other keys are kept as they are.

    An option that is null is left out: Terraform sends null for what is not set.

    :raises ConfigError: when it is not clear which kind of credentials is meant
    """
    config = _without_nulls(raw)
    legacy = [config[name] for name in LEGACY_KEYS if name in config]
    credentials = config.get("credentials")
    credentials = _without_nulls(credentials) if isinstance(credentials, Mapping) else credentials
    if credentials is None or (credentials == {} and legacy):
        if not legacy:
            raise ConfigError(
                f"credentials is missing: give an API key from {TOKENS_URL}, "
                f"or client_id, client_secret and refresh_token of an OAuth application."
            )
        credentials = {"auth_type": "Token", "api_key": next((key for key in legacy if key), "")}
        config = {name: value for name, value in config.items() if name not in LEGACY_KEYS}
    if not isinstance(credentials, Mapping):
        raise ConfigError("credentials must be an object: give it api_key, or client_id, client_secret and refresh_token.")
    return {**config, "credentials": _with_auth_type(credentials)}


def shortened(names: Iterable[str]) -> str:
    """Names from a file as a message can show them: the first five, cut to 40 characters."""
    cut = [name if len(name) <= 40 else f"{name[:40]}…" for name in names]
    return ", ".join(cut[:5]) + (", …" if len(cut) > 5 else "")


def _with_auth_type(credentials: Mapping[str, Any]) -> dict[str, Any]:
    kind = credentials.get("auth_type")
    token = not _is_empty(credentials.get("api_key"))
    oauth = [name for name in OAUTH_FIELDS if not _is_empty(credentials.get(name))]
    if kind is None:
        if token and oauth:
            raise ConfigError(
                f"credentials contains both an api_key and {' and '.join(oauth)}: "
                "keep one kind, or set credentials.auth_type to Token or Client."
            )
        kind = "Client" if oauth or (not token and any(name in credentials for name in OAUTH_FIELDS)) else "Token"
    trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in credentials.items()}
    return {**trimmed, "auth_type": kind}


def _without_nulls(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _message(error: ErrorDetails) -> str:
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
