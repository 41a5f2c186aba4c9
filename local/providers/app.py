"""The application: every provider's routes, and the control over them.

    GET /health                  ok
    GET, PUT, DELETE /control    what goes wrong and how slow it is (`faults.Controls`); DELETE resets
    GET /calls?ask=&key=         how often each key was asked for, and the calls; DELETE forgets them

Beside these, each provider's own.
"""

from aiohttp import web
from pydantic import ValidationError

from local.providers import llm
from local.providers.faults import Controls, Faults
from local.providers.journal import Journal

FAULTS = web.AppKey("faults", Faults)
JOURNAL = web.AppKey("journal", Journal)


def make_app(api_key: str = "") -> web.Application:
    """All stand-ins; `api_key` is the only key accepted, or any when it is empty."""
    app = web.Application(client_max_size=4 * 1024 * 1024)
    app[FAULTS] = Faults()
    app[JOURNAL] = Journal()
    app.add_routes(llm.Llm(app[FAULTS], app[JOURNAL], api_key).routes())
    app.add_routes(
        [
            web.get("/health", health),
            web.get("/control", get_control),
            web.put("/control", put_control),
            web.delete("/control", reset_control),
            web.get("/calls", get_calls),
            web.delete("/calls", forget_calls),
        ]
    )
    return app


async def health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def get_control(request: web.Request) -> web.Response:
    return web.json_response(request.app[FAULTS].controls.model_dump())


async def put_control(request: web.Request) -> web.Response:
    """Replaces all controls: what the body leaves out goes back to its default."""
    try:
        controls = Controls.model_validate_json(await request.read())
    except ValidationError as error:
        return web.json_response({"errors": error.errors(include_url=False, include_context=False)}, status=422)
    request.app[FAULTS].use(controls)
    return await get_control(request)


async def reset_control(request: web.Request) -> web.Response:
    request.app[FAULTS].use(Controls())
    return await get_control(request)


async def get_calls(request: web.Request) -> web.Response:
    return web.json_response(request.app[JOURNAL].report(request.query.get("ask"), request.query.get("key")))


async def forget_calls(request: web.Request) -> web.Response:
    request.app[JOURNAL].forget()
    return web.Response(status=204)
