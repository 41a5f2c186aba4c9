"""The WebSocket API in the translated template: an API of its own type, with a resource for each of its parts."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.template.model import SocketApi, SocketRoute, TemplateError

SELECTION = "$request.body.action"  # what the local gateway can do
TIMEOUT_SECONDS = 29.0
_QUERY = "route.request.querystring."
_API = "AWS::ApiGatewayV2::Api"


def read(translated: Mapping[str, Any]) -> SocketApi | None:
    """Return the template's WebSocket API, None without one. Raises TemplateError for what is not done here."""
    found = [(name, one) for name, one in _of_type(translated, _API) if one.get("ProtocolType") == "WEBSOCKET"]
    if not found:
        return None
    if len(found) > 1:
        raise TemplateError(f"the local stack serves one WebSocket API, not {', '.join(name for name, _ in found)}")
    name, properties = found[0]
    if properties.get("RouteSelectionExpression") != SELECTION:
        raise TemplateError(f"{name}: the local stack selects routes by {SELECTION} only")
    stage = next((one for _, one in _of(translated, "Stage", name)), None)
    if stage is None:
        raise TemplateError(f"{name} has no stage")
    routes = {one["RouteKey"]: _route(one, stage, translated) for _, one in _of(translated, "Route", name)}
    authorizer = next((one for _, one in _of(translated, "Authorizer", name)), None)
    sources = [] if authorizer is None else authorizer.get("IdentitySource") or []
    if wrong := [source for source in sources if not source.startswith(_QUERY)]:
        raise TemplateError(f"{name}: the local stack takes what says who connects from the query, not {wrong[0]}")
    return SocketApi(
        name=name,
        stage=str(stage["StageName"]),
        routes=routes,
        authorizer=None if authorizer is None else _function(authorizer["AuthorizerUri"]),
        needed=tuple(source.removeprefix(_QUERY) for source in sources),
    )


def _route(route: Mapping[str, Any], stage: Mapping[str, Any], translated: Mapping[str, Any]) -> SocketRoute:
    settings = {**stage.get("DefaultRouteSettings", {}), **stage.get("RouteSettings", {}).get(route["RouteKey"], {})}
    target = route["Target"]["Fn::Join"][1][1]["Ref"]
    integration = translated[target]["Properties"]
    return SocketRoute(
        function=_function(integration["IntegrationUri"]),
        rate=float(settings.get("ThrottlingRateLimit", 0)),
        burst=int(settings.get("ThrottlingBurstLimit", 0)),
        timeout=float(integration.get("TimeoutInMillis", TIMEOUT_SECONDS * 1000)) / 1000,
    )


def _function(uri: Mapping[str, Any]) -> str:
    """Return the logical id in an integration's address, `Fn::Sub` with the ARN of a function of the template."""
    match list(uri.get("Fn::Sub", ["", {}])[1].values()):
        case [{"Fn::GetAtt": [str(name), "Arn"]}]:
            return name
        case [{"Fn::GetAtt": str(attribute)}]:
            return attribute.removesuffix(".Arn")
    raise TemplateError(f"no function in the integration {uri!r}")


def _of(translated: Mapping[str, Any], kind: str, api: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, properties in _of_type(translated, f"AWS::ApiGatewayV2::{kind}"):
        if properties["ApiId"] == {"Ref": api}:
            yield name, properties


def _of_type(translated: Mapping[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in translated.items():
        if resource["Type"] == kind:
            yield name, resource["Properties"]
