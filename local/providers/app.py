"""The application: every provider's routes, and the control over them.

GET /health                  ok
GET, PUT, DELETE /control    faults and latency (`faults.Controls`); DELETE resets them
GET /calls?ask=&key=&model=  the requests, and their number by key; DELETE forgets them, with all calls and jobs
GET /calls/dialled           how often each person was called or will be: {reference id: number of jobs}
/receiver, /receiver-control a receiver of webhooks, and what it was posted (`receiver`)
"""

from aiohttp import web
from pydantic import ValidationError

from local.providers.dashscope.service import Dashscope
from local.providers.faults import Controls, Faults
from local.providers.journal import Journal
from local.providers.llm.endpoint import Llm
from local.providers.outbound.lines import World
from local.providers.outbound.protocol import Keys
from local.providers.outbound.service import OutboundBot
from local.providers.receiver import Receiver

FAULTS = web.AppKey("faults", Faults)
JOURNAL = web.AppKey("journal", Journal)
WORLD = web.AppKey("world", World)
DASHSCOPE = web.AppKey("dashscope", Dashscope)

MAX_URL = 256 * 1024  # bytes; OutboundBot's client puts a whole request into the URL, up to 99 jobs


def make_app(api_key: str = "", access_key_id: str = "", access_key_secret: str = "") -> web.Application:
    """Return all stand-ins. `api_key` is that of the language model and of DashScope, the others OutboundBot's. Empty
    ones are not checked."""
    app = web.Application(client_max_size=4 * 1024 * 1024, handler_args={"max_line_size": MAX_URL})
    app[FAULTS] = faults = Faults()
    app[JOURNAL] = journal = Journal()
    app[WORLD] = world = World(lambda: faults.controls.outbound)
    app.add_routes(Llm(faults, journal, api_key).routes())
    app.add_routes(OutboundBot(faults, journal, world, Keys(access_key_id, access_key_secret)).routes())
    app[DASHSCOPE] = dashscope = Dashscope(faults, journal, api_key)
    app.add_routes(dashscope.routes())
    app.add_routes(Receiver().routes())
    app.add_routes(
        [
            web.get("/health", health),
            web.get("/control", get_control),
            web.put("/control", put_control),
            web.delete("/control", reset_control),
            web.get("/calls", get_calls),
            web.get("/calls/dialled", get_dialled),
            web.delete("/calls", forget_calls),
        ]
    )
    return app


async def health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def get_control(request: web.Request) -> web.Response:
    return _controls(request)


async def put_control(request: web.Request) -> web.Response:
    """Replace all controls. What the body leaves out returns to its default."""
    try:
        controls = Controls.model_validate_json(await request.read())
    except ValidationError as error:
        return web.json_response({"errors": error.errors(include_url=False, include_context=False)}, status=422)
    return _use(request, controls)


async def reset_control(request: web.Request) -> web.Response:
    return _use(request, Controls())


async def get_calls(request: web.Request) -> web.Response:
    ask, key, model = (request.query.get(name) for name in ("ask", "key", "model"))
    return web.json_response(request.app[JOURNAL].report(ask, key, model))


async def get_dialled(request: web.Request) -> web.Response:
    return web.json_response(request.app[WORLD].dialled())


async def forget_calls(request: web.Request) -> web.Response:
    request.app[JOURNAL].forget()
    request.app[WORLD].forget()
    request.app[DASHSCOPE].forget()
    return web.Response(status=204)


def _use(request: web.Request, controls: Controls) -> web.Response:
    request.app[WORLD].advance()
    request.app[FAULTS].use(controls)
    return _controls(request)


def _controls(request: web.Request) -> web.Response:
    return web.json_response(request.app[FAULTS].controls.model_dump())
