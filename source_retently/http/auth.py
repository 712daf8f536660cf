"""From the configuration to the `Authorization` header of each request (docs/api.md#authentication)."""

import logging
import time
from collections.abc import Mapping
from threading import RLock
from typing import Any

import requests
from airbyte_cdk.config_observation import emit_configuration_as_airbyte_control_message
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http import HttpClient
from airbyte_cdk.sources.streams.http.requests_native_auth import TokenAuthenticator
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from requests.auth import AuthBase

from source_retently.config import Config, OAuthCredentials, TokenCredentials, is_valid_in_header
from source_retently.http.body import parsed_body
from source_retently.http.handler import PageRefused, ResponseOrError, RetentlyBackoff, RetentlyErrorHandler
from source_retently.http.responses import REFRESH_TOKEN_REFUSED, Meaning, failure, meaning_of_status
from source_retently.run_context import Settings

logger = logging.getLogger("airbyte.auth")

DEFAULT_LIFETIME = 3600.0
"""Seconds that an access token is used when its response has no `expires_in` (documented: 21600)."""


class ApiKeyAuthenticator(TokenAuthenticator):
    """`Authorization: api_key=KEY`, without whitespace after the equals sign."""

    def __init__(self, api_key: str) -> None:
        super().__init__(token=api_key)

    @property
    def token(self) -> str:
        return f"api_key={self._token}"


class OAuthAuthenticator(AuthBase):
    """`Authorization: Bearer TOKEN`, with a new token shortly before the old one expires.

    The CDK calls `refresh_and_set_access_token` after a 401. A new refresh token is used from then on, and sent to the platform
    in a CONTROL message, because the old one may not be valid any more.
    """

    def __init__(self, credentials: OAuthCredentials, settings: Settings, config: Mapping[str, Any]) -> None:
        """
        :param config: the configuration as the platform knows it, to be sent back with a new refresh token in it
        """
        self._credentials = credentials
        self._settings = settings
        self._config = config
        self._access_token = ""
        self._valid_until = 0.0
        self._lock = RLock()
        self._client = HttpClient(
            "token",
            logger,
            _TokenErrorHandler("an OAuth token", settings, is_expected=_has_token),
            settings.budget,
            backoff_strategy=RetentlyBackoff("OAuth", settings, logger),
        )

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self.get_auth_header())
        return request

    def get_auth_header(self) -> dict[str, str]:
        with self._lock:
            if time.monotonic() >= self._valid_until:
                self.refresh_and_set_access_token()
            return {"Authorization": f"Bearer {self._access_token}"}

    def refresh_and_set_access_token(self) -> None:
        """Exchanges the refresh token for an access token.

        :raises AirbyteTracedException: when Retently refuses it (config_error) or can't be reached (transient_error)
        """
        expired = self._access_token
        with self._lock:
            if self._access_token != expired:
                return  # another thread was faster
            granted = self._exchange()
            self._access_token = str(granted["access_token"])
            add_to_secrets(self._access_token)
            lifetime = granted.get("expires_in")
            seconds = float(lifetime) if isinstance(lifetime, (int, float)) and lifetime > 0 else DEFAULT_LIFETIME
            # A minute early, or a tenth of a short life, so that the token does not expire in flight.
            self._valid_until = time.monotonic() + seconds - min(60.0, seconds / 10)
            refresh_token = granted.get("refresh_token")
            if isinstance(refresh_token, str) and refresh_token not in ("", self._credentials.refresh_token):
                self._use_refresh_token(refresh_token)

    def _use_refresh_token(self, refresh_token: str) -> None:
        add_to_secrets(refresh_token)
        self._credentials = self._credentials.model_copy(update={"refresh_token": refresh_token})
        credentials = {**self._config["credentials"], "refresh_token": refresh_token}
        self._config = {**self._config, "credentials": credentials}
        emit_configuration_as_airbyte_control_message(dict(self._config))

    def _exchange(self) -> Mapping[str, Any]:
        """The token endpoint's response."""
        names = ("client_id", "client_secret", "refresh_token")
        try:
            _, response = self._client.send_request(
                "POST",
                f"{self._settings.base_url}/api/oauth/token",
                {
                    "timeout": (self._settings.timeouts.connect, self._settings.timeouts.read),
                    "stream": True,
                    "allow_redirects": False,  # the body contains the secrets
                },
                data={"grant_type": "refresh_token"} | {name: getattr(self._credentials, name) for name in names},
            )
        except PageRefused as refusal:  # about the token, not about a page of the stream that needs it
            raise failure(str(refusal), refusal.failure_type or FailureType.system_error) from None
        granted: Mapping[str, Any] = parsed_body(response).value
        return granted


class _TokenErrorHandler(RetentlyErrorHandler):
    """Tells the CDK's `HttpClient` what a response of the token endpoint means."""

    def _meaning(self, response: ResponseOrError) -> tuple[Meaning, int | None]:
        status: int | None
        if isinstance(response, requests.Response) and response.status_code != 200:
            response.close()
            meaning, status = meaning_of_status(response.status_code), response.status_code
        else:
            meaning, status = super()._meaning(response)
        return (REFRESH_TOKEN_REFUSED if status in (400, 401, 403) else meaning), status


def _has_token(body: Any) -> bool:
    access = body.get("access_token") if isinstance(body, dict) else None
    return isinstance(access, str) and is_valid_in_header(access)


def authenticator(config: Config, settings: Settings, raw: Mapping[str, Any]) -> AuthBase:
    """The authenticator for the credentials of a configuration.

    :param raw: the configuration as the platform knows it, in the shape of the spec
    """
    if isinstance(config.credentials, TokenCredentials):
        return ApiKeyAuthenticator(config.credentials.api_key)
    return OAuthAuthenticator(config.credentials, settings, raw)
