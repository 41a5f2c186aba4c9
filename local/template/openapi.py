"""The HTTP API in the translated template: an OpenAPI document with API Gateway's extensions, and its stage."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.template.model import INTEGRATION_SECONDS, Api, Authorizer, Cors, Route

METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "x-amazon-apigateway-any-method"}
_FUNCTION = re.compile(r"\$\{(\w+)\.Arn\}")


def read(translated: Mapping[str, Any]) -> Api:
    """Return the template's HTTP API; an empty one when there is none."""
    for name, resource in translated.items():
        if resource["Type"] == "AWS::ApiGatewayV2::Api" and "Body" in resource["Properties"]:
            body = resource["Properties"]["Body"]
            stage = _stage(translated, name)
            cors = body.get("x-amazon-apigateway-cors")
            return Api(tuple(_routes(body, stage)), _authorizers(body), _cors(cors) if cors else None)
    return Api()


def _stage(translated: Mapping[str, Any], api: str) -> Mapping[str, Any]:
    for resource in translated.values():
        if resource["Type"] == "AWS::ApiGatewayV2::Stage" and resource["Properties"]["ApiId"] == {"Ref": api}:
            properties: Mapping[str, Any] = resource["Properties"]
            return properties
    return {}


def _routes(body: Mapping[str, Any], stage: Mapping[str, Any]) -> Iterator[Route]:
    for path, operations in body["paths"].items():
        for name, operation in operations.items():
            if name not in METHODS:
                continue
            method = "ANY" if name.startswith("x-") else name.upper()
            settings = {
                **stage.get("DefaultRouteSettings", {}),
                **stage.get("RouteSettings", {}).get(f"{method} {path}", {}),
            }
            authorizer, scopes = _security(operation)
            integration = operation["x-amazon-apigateway-integration"]
            yield Route(
                method=method,
                path=path,
                function=_function(integration["uri"]),
                authorizer=authorizer,
                scopes=scopes,
                rate=float(settings.get("ThrottlingRateLimit", 0)),
                burst=int(settings.get("ThrottlingBurstLimit", 0)),
                timeout=float(integration.get("timeoutInMillis", INTEGRATION_SECONDS * 1000)) / 1000,
            )


def _function(uri: Any) -> str:
    found = _FUNCTION.search(str(uri))
    if found is None:
        raise ValueError(f"no function in the integration {uri!r}")
    return found[1]


def _security(operation: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    for requirement in operation.get("security", ()):
        for name, scopes in requirement.items():
            if name != "NONE":
                return name, tuple(scopes)
    return None, ()


def _authorizers(body: Mapping[str, Any]) -> dict[str, Authorizer]:
    found = {}
    for name, scheme in body.get("components", {}).get("securitySchemes", {}).items():
        jwt = scheme.get("x-amazon-apigateway-authorizer", {}).get("jwtConfiguration")
        if jwt:
            audience = jwt.get("audience", [])
            audience = [audience] if isinstance(audience, str) else audience
            found[name] = Authorizer(jwt["issuer"], tuple(audience))
    return found


def _cors(cors: Mapping[str, Any]) -> Cors:
    def texts(name: str) -> tuple[str, ...]:
        return tuple(cors.get(name, ()))

    return Cors(
        origins=texts("allowOrigins"),
        methods=texts("allowMethods"),
        headers=texts("allowHeaders"),
        exposed=texts("exposeHeaders"),
        max_age=cors.get("maxAge"),
        credentials=bool(cors.get("allowCredentials", False)),
    )
