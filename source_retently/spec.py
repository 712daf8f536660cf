"""The connector's spec: the JSON Schema of the configuration, as Airbyte's UI shows it, and how the UI gets an OAuth token."""

from typing import Any

from airbyte_cdk.models import (
    AdvancedAuth,
    AuthFlowType,
    ConnectorSpecification,
    OAuthConfigSpecification,
    OauthConnectorInputSpecification,
)
from airbyte_cdk.sources.utils.schema_helpers import expand_refs

from source_retently.config import Config

DOCUMENTATION_URL = "https://docs.airbyte.com/integrations/sources/retently"
_TOKEN_PARAMETERS = ("client_id", "client_secret", "auth_code", "redirect_uri")
"""What the platform sends to Retently for a token, by the platform's names."""


def connector_specification() -> ConnectorSpecification:
    """The response to the command `spec`."""
    return ConnectorSpecification(
        connectionSpecification=connection_specification(),
        documentationUrl=DOCUMENTATION_URL,
        advanced_auth=_advanced_auth(),
    )


def connection_specification() -> dict[str, Any]:
    """The JSON Schema (draft-07) of the configuration, as Airbyte's UI shows it."""
    schema = Config.model_json_schema()
    schema["definitions"] = schema.pop("$defs")
    for node in _nodes(schema):
        if "$ref" in node:
            node["$ref"] = node["$ref"].replace("$defs", "definitions")
    expand_refs(schema)
    for node in _nodes(schema):
        # The UI knows neither discriminators nor unions with null, and would show Python's docstrings.
        node.pop("discriminator", None)
        optional = [choice for choice in node.get("anyOf", []) if choice != {"type": "null"}]
        if len(optional) == 1:
            del node["anyOf"]
            node.update(optional[0])
        if node.get("default", "") is None:
            del node["default"]
    schema.pop("description", None)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema, "additionalProperties": True}


def _advanced_auth() -> AdvancedAuth:
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
                    **{f"{{{{ {name}_key }}}}": f"{{{{ {name}_value }}}}" for name in _TOKEN_PARAMETERS},
                },
                extract_output=["refresh_token"],
            ),
            complete_oauth_output_specification=_oauth_fields("refresh_token"),
            complete_oauth_server_input_specification=_oauth_fields("client_id", "client_secret", with_paths=False),
            complete_oauth_server_output_specification=_oauth_fields("client_id", "client_secret"),
        ),
    )


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
