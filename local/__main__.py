"""The command line of the local stack: `python -m local --help`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from local import logs, scaffold, stack
from local.gateway.tokens import SCOPES, Issuer
from local.machine import port_of
from local.options import CONCURRENCY, PORT, ROOT, STATE, TESTED, Options, StackError
from local.template.model import REGION

WORKLOADS = ("hospitals", "calls", "role", "diagnosis", "summaries", "video")
MAX_LEADS = 2_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. An error is printed on one line."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except StackError as error:
        print(f"local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument as every other error is reported: on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"local: {message}\n")


def _parser() -> _Parser:
    parser = _Parser(prog="python -m local", description="The whole stack on this machine.")
    commands = parser.add_subparsers(required=True, metavar="command")

    common = _Parser(add_help=False)
    common.add_argument("--state", type=Path, default=STATE, help="folder of database, key and logs (%(default)s)")
    common.add_argument(
        "--port",
        type=_between(1, 65532),
        default=PORT,
        help="the API's port; the next three are used too (%(default)s)",
    )
    runs = _Parser(add_help=False, parents=[common])
    runs.add_argument("--workloads", default="", metavar="NAMES", help="workloads to deploy, with commas (all)")

    _add_up(commands.add_parser("up", parents=[runs], help="start the stack and run it until Ctrl-C"))

    _add_demo(commands.add_parser("demo", parents=[runs], help="run a workload on a stack of its own and watch it"))

    token = commands.add_parser("token", help="print a token for the stack of a folder or on a port")
    token.add_argument("--state", type=Path, help=f"the stack's folder ({STATE}, or that of the stack on --port)")
    token.add_argument("--port", type=_between(1, 65532), help="the stack's port (the last one of the folder's stack)")
    token.add_argument("--tenant", default="local", help="(%(default)s)")
    token.add_argument("--user", default="developer", help="(%(default)s)")
    token.add_argument("--scopes", nargs="+", default=list(SCOPES), metavar="SCOPE", help="(all)")
    token.add_argument("--hours", type=float, default=24, help="how long it is valid (%(default)s)")
    token.set_defaults(run=_token)

    _add_grants(commands.add_parser("grants", help="list what roles may do and no test did"))

    show = commands.add_parser("logs", help="show the logs of functions and the stack")
    show.add_argument("function", nargs="?", help="a function, such as list_cities or ListCities (all)")
    show.add_argument("-f", "--follow", action="store_true", help="go on printing as they grow")
    show.add_argument("--state", type=Path, default=STATE, help="folder of database, key and logs (%(default)s)")
    show.set_defaults(run=lambda given: logs.show(given.state / "logs", given.function, given.follow))

    workload = commands.add_parser("workload", help="write a new code-first workload, its test and its sample event")
    workload.add_argument("name", help="the kind of its tasks, such as summarise_texts")
    workload.set_defaults(run=_workload)
    return parser


def _add_grants(grants: argparse.ArgumentParser) -> None:
    grants.description = (
        "List what the roles of template.yaml may do and nothing did. Each stack notes the grants that are used, in "
        "STATE/iam/used; `make test` keeps those of its integration, end-to-end and fault tests in "
        f"{TESTED}. So run `make test` first, or name the record of a stack that did all it can."
    )
    grants.add_argument(
        "--record", type=Path, action="append", metavar="FILE", help=f"grants that were used ({TESTED})"
    )
    grants.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="(%(default)s)")
    grants.set_defaults(run=_grants)


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument(
        "--database-url",
        default=os.environ.get("DATABASE_URL"),
        metavar="URL",
        help="mysql://user:password@host:3306/longhaul instead of the embedded database ($DATABASE_URL)",
    )
    up.add_argument(
        "--minute", type=float, default=60, metavar="SECONDS", help="how long a minute of schedules lasts (%(default)s)"
    )
    up.add_argument(
        "--concurrency",
        type=_between(1, 100_000),
        default=CONCURRENCY,
        metavar="NUMBER",
        help="functions that the AWS account runs at once (%(default)s)",
    )
    up.add_argument(
        "--parameter", action="append", type=_pair, default=[], metavar="NAME=VALUE", help="a template parameter"
    )
    up.add_argument(
        "--env", action="append", type=_pair, default=[], metavar="NAME=VALUE", help="a variable for all functions"
    )
    up.add_argument("--template", type=Path, default=ROOT / "template.yaml", help=argparse.SUPPRESS)
    up.add_argument("--attached", action="store_true", help="end when standard input does")
    up.set_defaults(run=_up)


def _add_demo(show: argparse.ArgumentParser) -> None:
    show.add_argument("--workload", choices=WORKLOADS, default="hospitals", help="(%(default)s)")
    hospitals = show.add_argument_group("hospitals")
    hospitals.add_argument("--province", default="广东省", help="(%(default)s)")
    hospitals.add_argument("--full", action="store_true", help="all provinces")
    calls = show.add_argument_group("calls")
    calls.add_argument(
        "--leads", type=_between(1, MAX_LEADS), default=200, help="how many people are called (%(default)s)"
    )
    show.set_defaults(run=_demo)


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not between {least} and {most}")
        return int(text)

    return number


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _chosen(given: argparse.Namespace) -> dict[str, str]:
    return {"Workloads": given.workloads} if given.workloads else {}


def _up(given: argparse.Namespace) -> int:
    options = Options(
        state=given.state,
        port=given.port,
        database_url=given.database_url,
        minute=given.minute,
        concurrency=given.concurrency,
        parameters={**_chosen(given), **dict(given.parameter)},
        environment=dict(given.env),
        template=given.template,
        attached=given.attached,
    )
    stack.run(options, _announce)
    return 0


def _announce(running: stack.Stack) -> None:
    options = running.options
    token = options.state / "token"
    example = f'curl -H "Authorization: Bearer $(cat {token})" {options.url}/api/v1/provinces'
    print(f"Console     {options.url}/console/")
    print(f"API         {options.url}/api/v1")
    print(f"Swagger UI  {options.url}/docs")
    print(f"Providers   {options.provider_url}")
    print(f"Logs        {options.logs}")
    print(f"Token       {token} (valid 24 hours)")
    print(f"\n{example}\n\nReady. Ctrl-C stops it.", flush=True)


def _demo(given: argparse.Namespace) -> int:
    from local import demo  # only a demo needs the client

    workloads: dict[str, Callable[[], demo.Workload]] = {
        "hospitals": lambda: demo.Hospitals(None if given.full else given.province),
        "calls": lambda: demo.Calls(given.leads),
        "role": demo.Roles,
        "diagnosis": demo.Diagnosis,
        "summaries": demo.Summaries,
        "video": demo.Videos,
    }
    return demo.run(given.state, given.port, workloads[given.workload](), _chosen(given))


def _workload(given: argparse.Namespace) -> int:
    print(scaffold.next_steps(scaffold.write(given.name)), end="")
    return 0


def _token(given: argparse.Namespace) -> int:
    state, port = given.state or _state_on(given.port), given.port
    issuer = Issuer(state, port_of(state) if port is None else port)
    print(issuer.token(given.tenant, given.user, given.scopes, given.hours))
    return 0


def _grants(given: argparse.Namespace) -> int:
    from local.iam import grants  # only this needs the template's translator

    os.environ["AWS_DEFAULT_REGION"] = REGION
    print(grants.report(given.template, given.record or [ROOT / TESTED]))
    return 0


def _state_on(port: int | None) -> Path:
    """Return the folder of the stack that runs on this port; the default one without such a stack or a port."""
    if port is None:
        return STATE
    from local.running import send  # its boto3 would stay with a stack

    try:
        return Path(send(f"{Options(port=port).runtime_url}/stack", "GET", None, {}, 5).json()["state"])
    except (OSError, ValueError, KeyError):
        return STATE


if __name__ == "__main__":
    sys.exit(main())
