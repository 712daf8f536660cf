"""From the configuration to the `Authorization` header of each request (docs/api.md#authentication)."""

import itertools
import random
import time
from collections.abc import Mapping
from threading import RLock
from typing import Any

import requests
from airbyte_cdk.config_observation import emit_configuration_as_airbyte_control_message
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.sources.streams.http.requests_native_auth import TokenAuthenticator
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from requests.auth import AuthBase

from source_retently.answers import back_off, failure, meaning_of_exception, meaning_of_status
from source_retently.bodies import payload, receive
from source_retently.config import OAUTH_URL, Config, OAuthCredentials, TokenCredentials, fits_a_header
from source_retently.context import HttpContext

DEFAULT_LIFETIME = 3600.0
"""Seconds that an access token is used when its answer doesn't say `expires_in` (documented: 21600)."""


class ApiKeyAuthenticator(TokenAuthenticator):
    """`Authorization: api_key=KEY`, without a blank after the equals sign."""

    def __init__(self, api_key: str) -> None:
        super().__init__(token=api_key)

    @property
    def token(self) -> str:
        return f"api_key={self._token}"


class OAuthAuthenticator(AuthBase):
    """`Authorization: Bearer TOKEN`, with a new token shortly before the old one runs out.

    The CDK calls `refresh_and_set_access_token` after a 401. A refresh token that comes back changed is used from then
    on and handed to the platform in a CONTROL message, because the old one may be worth nothing any more.
    """

    def __init__(self, credentials: OAuthCredentials, context: HttpContext, config: Mapping[str, Any]) -> None:
        """
        :param config: the configuration as the platform knows it, to be handed back with a new refresh token in it
        """
        self._credentials = credentials
        self._context = context
        self._config = config
        self._access_token = ""
        self._good_until = 0.0
        self._lock = RLock()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self.get_auth_header())
        return request

    def get_auth_header(self) -> dict[str, str]:
        with self._lock:
            if time.monotonic() >= self._good_until:
                self.refresh_and_set_access_token()
            return {"Authorization": f"Bearer {self._access_token}"}

    def refresh_and_set_access_token(self) -> None:
        """Exchanges the refresh token for an access token.

        :raises AirbyteTracedException: when Retently refuses it (config_error) or can't be reached (transient_error)
        """
        stale = self._access_token
        with self._lock:
            if self._access_token != stale:
                return  # another thread was faster
            answer = self._exchange()
            self._access_token = str(answer["access_token"])
            add_to_secrets(self._access_token)
            lifetime = answer.get("expires_in")
            seconds = float(lifetime) if isinstance(lifetime, (int, float)) and lifetime > 0 else DEFAULT_LIFETIME
            # A minute early, or a tenth of a short life: a token must not run out on its way.
            self._good_until = time.monotonic() + seconds - min(60.0, seconds / 10)
            refresh_token = answer.get("refresh_token")
            if isinstance(refresh_token, str) and refresh_token not in ("", self._credentials.refresh_token):
                add_to_secrets(refresh_token)
                self._credentials = self._credentials.model_copy(update={"refresh_token": refresh_token})
                credentials = {**self._config["credentials"], "refresh_token": refresh_token}
                self._config = {**self._config, "credentials": credentials}
                emit_configuration_as_airbyte_control_message(dict(self._config))

    def _exchange(self) -> Mapping[str, Any]:
        """The token endpoint's answer, asked for until it comes or patience is over."""
        first = time.monotonic()
        for attempt in itertools.count(1):
            try:
                answer = requests.post(
                    f"{self._context.base}/api/oauth/token",
                    data={
                        "grant_type": "refresh_token",
                        "client_id": self._credentials.client_id,
                        "client_secret": self._credentials.client_secret,
                        "refresh_token": self._credentials.refresh_token,
                    },
                    timeout=(self._context.patience.connect, self._context.patience.read),
                    allow_redirects=False,  # the body holds the secrets
                    stream=True,
                )
                status = answer.status_code
                if status in (400, 401, 403):
                    raise failure(
                        f"Retently does not accept the OAuth application's refresh token (HTTP {status}): "
                        f"check client_id and client_secret at {OAUTH_URL}, and sign in to the application again.",
                        FailureType.config_error,
                    )
                if status == 200 and (token := self._token_in(answer)):
                    return token
                answer.close()
                meaning = meaning_of_status(status if status != 200 else 502)
            except requests.RequestException as error:
                meaning, status = meaning_of_exception(error), 0
            waits = back_off(attempt, random.random())
            if meaning.action is ResponseAction.FAIL or time.monotonic() - first + waits > self._context.patience.retry:
                host = self._context.base
                sentence = meaning.sentence.format(what="the request for an OAuth token", host=host, status=status)
                raise failure(sentence, meaning.failure_type or FailureType.transient_error)
            time.sleep(waits)
        raise AssertionError("a loop without an end ended")

    def _token_in(self, answer: requests.Response) -> Mapping[str, Any] | None:
        """
        :raises requests.RequestException: when the answer breaks off or takes too long
        """
        try:
            receive(answer, self._context.patience.answer)
        except ValueError:
            return None
        token = payload(answer)
        access = token.get("access_token") if isinstance(token, dict) else None
        return token if isinstance(access, str) and fits_a_header(access) else None


def authenticator(config: Config, context: HttpContext, raw: Mapping[str, Any]) -> AuthBase:
    """The authenticator that the configuration asks for.

    :param raw: the configuration as the platform knows it, in the shape of the spec
    """
    if isinstance(config.credentials, TokenCredentials):
        return ApiKeyAuthenticator(config.credentials.api_key)
    return OAuthAuthenticator(config.credentials, context, raw)
