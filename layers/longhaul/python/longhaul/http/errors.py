"""What is wrong with a request itself, whatever it asks for: errors that only HTTP knows."""

from typing import Any

from longhaul.errors import InvalidRequest, LonghaulError, PermanentError


class InvalidParameter(InvalidRequest):
    """A parameter of the path, the query or the headers is not valid."""

    code = "invalid_parameter"
    status = 400


class MalformedBody(InvalidRequest):
    """The body is not valid JSON."""

    code = "malformed_body"
    status = 400


class BodyTooLarge(InvalidRequest):
    """The body is larger than 1 MB."""

    code = "body_too_large"
    status = 413


class UnsupportedMediaType(InvalidRequest):
    """The body must be JSON in UTF-8: Content-Type application/json."""

    code = "unsupported_media_type"
    status = 415


class PageTooDeep(InvalidRequest):
    """The page lies beyond offset 10,000; use the cursor instead."""

    code = "page_too_deep"
    status = 400


class Unauthenticated(PermanentError):
    """The request carries no identity."""

    code = "unauthenticated"
    status = 401


class Forbidden(PermanentError):
    """The token does not allow this."""

    code = "forbidden"
    status = 403


class PreconditionFailed(PermanentError):
    """It is another version than If-Match names; read it again."""

    code = "precondition_failed"
    status = 412


class MethodNotAllowed(PermanentError):
    """This resource does not know the method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: set[str]) -> None:
        super().__init__()
        self.allowed = sorted(allowed)

    def members(self) -> dict[str, Any]:
        return {"allowed_methods": self.allowed}


class QuotaExceeded(LonghaulError):
    """The tenant's requests of this minute are used up."""

    code = "quota_exceeded"
    status = 429
    retryable = True

    def __init__(self, policy: str, quota: int, *, retry_after: int) -> None:
        super().__init__(f"{quota} requests a minute of the class {policy} are used up; try again in {retry_after} s.")
        self.policy = policy
        self.retry_after = retry_after  # seconds

    @property
    def problem_type(self) -> str:
        """As the RateLimit draft registers it (section 5.1), so that a client that knows the draft knows this."""
        return "https://iana.org/assignments/http-problem-types#quota-exceeded"

    def members(self) -> dict[str, Any]:
        return {"violated-policies": [self.policy]}
