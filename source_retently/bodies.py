"""The body of a streamed response: read once, within a time for all of it, and parsed once."""

import time
from typing import Any

import requests
import urllib3

from source_retently import odd_json


def payload(response: requests.Response) -> Any:
    """The body, parsed once an answer.

    :raises ValueError: when it is not JSON
    """
    if "retently_payload" not in vars(response):
        _keep(response, response.content)
    return vars(response)["retently_payload"]


def nuls_in(response: requests.Response) -> int:
    """How many U+0000 were taken out of the body."""
    return int(vars(response).get("retently_nuls", 0))


def _keep(response: requests.Response, body: bytes | bytearray) -> None:
    vars(response)["retently_payload"], vars(response)["retently_nuls"] = odd_json.parse(body)


def receive(response: requests.Response, seconds: float) -> None:
    """Reads and parses the body of a streamed response, within a time for all of it.

    :raises requests.RequestException: when it breaks off or takes too long
    :raises ValueError: when it is not JSON
    """
    until = time.monotonic() + seconds
    body = bytearray()
    try:
        # What has come by now, not a full chunk: a server that drips would be waited for beyond any time.
        while chunk := response.raw.read1(1 << 20, decode_content=True):
            body += chunk
            if time.monotonic() > until:
                response.close()
                raise requests.exceptions.ReadTimeout("the answer takes too long", request=response.request)
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error, request=response.request) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error, request=response.request) from error
    _keep(response, body)
