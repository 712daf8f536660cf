"""What the connector takes from the environment: where the API is, which certificates to trust. Only this module reads it."""

import ipaddress
import os
from collections.abc import Mapping
from ssl import create_default_context
from urllib.parse import urlsplit

from source_retently.config import ConfigError

BASE_URL_VARIABLE = "RETENTLY_BASE_URL"
DEFAULT_BASE_URL = "https://app.retently.com"


def base_url(environment: Mapping[str, str] = os.environ) -> str:
    """The URL of the API and the token endpoint, without a slash at the end.

    It is an environment variable and not an option, so that a connection cannot be configured to send the key to another host.

    :raises ConfigError: when it is not a URL, or not https (plain http is allowed for loopback addresses only)
    """
    value = environment.get(BASE_URL_VARIABLE, "").strip() or DEFAULT_BASE_URL
    remedy = f"unset the environment variable, or set it to a URL like {DEFAULT_BASE_URL}."
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
        (host or "").encode("idna")  # as requests will encode it; fails for empty and overlong labels
    except ValueError:
        raise ConfigError(f"{BASE_URL_VARIABLE} is not a URL: {remedy}") from None
    if url.scheme not in ("http", "https") or not host or url.query or url.fragment or url.username or url.password:
        raise ConfigError(f"{BASE_URL_VARIABLE} must be http(s)://host[:port][/path] and nothing else: {remedy}")
    if url.scheme == "http" and not _is_loopback(host):
        raise ConfigError(f"{BASE_URL_VARIABLE} must use https, or the key would be sent unencrypted: {remedy}")
    return value.rstrip("/")


def check_certificates(environment: Mapping[str, str] = os.environ) -> None:
    """Checks that the certificates which requests should trust can be read; requests itself would report a network error.

    :raises ConfigError: when they can't
    """
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := environment.get(variable):
            try:
                if os.path.isdir(path):
                    create_default_context(capath=path)
                else:
                    create_default_context(cafile=path)
            except OSError:  # an SSLError is one, too
                raise ConfigError(f"{variable} is not the path of a file of certificates: correct it, or unset it.") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
