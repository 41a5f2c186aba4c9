"""The command line of the local stack: `python -m local --help`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from local import stack, tail
from local.issuer import SCOPES, Issuer
from local.options import PORT, ROOT, STATE, Options, StackError

WORKLOADS = ("hospitals", "calls", "role", "diagnosis")
MOST_LEADS = 2_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. What goes wrong is told on one line."""
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
    """Tells a wrong argument as everything else that goes wrong is told."""

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

    _add_up(commands.add_parser("up", parents=[common], help="start the stack and run it until Ctrl-C"))

    _add_demo(commands.add_parser("demo", parents=[common], help="run a workload on a stack of its own and watch it"))

    token = commands.add_parser("token", parents=[common], help="print a token for the running stack")
    token.add_argument("--tenant", default="local", help="(%(default)s)")
    token.add_argument("--user", default="developer", help="(%(default)s)")
    token.add_argument("--scopes", nargs="+", default=list(SCOPES), metavar="SCOPE", help="(all)")
    token.add_argument("--hours", type=float, default=24, help="how long it is valid (%(default)s)")
    token.set_defaults(run=_token)

    logs = commands.add_parser("logs", help="show what functions and the stack logged")
    logs.add_argument("function", nargs="?", help="a function, as list_cities or ListCities; all when left out")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as they grow")
    logs.add_argument("--state", type=Path, default=STATE, help="folder of database, key and logs (%(default)s)")
    logs.set_defaults(run=lambda given: tail.show(given.state / "logs", given.function, given.follow))
    return parser


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument(
        "--database-url",
        default=os.environ.get("DATABASE_URL"),
        metavar="URL",
        help="mysql://user:password@host:3306/longhaul instead of the embedded database ($DATABASE_URL)",
    )
    up.add_argument(
        "--minute", type=float, default=60, metavar="SECONDS", help="how long a schedule's minute is (%(default)s)"
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
    show.add_argument("--workload", choices=WORKLOADS, default="hospitals", help="which one (%(default)s)")
    hospitals = show.add_argument_group("hospitals")
    hospitals.add_argument("--province", default="广东省", help="which province (%(default)s)")
    hospitals.add_argument("--full", action="store_true", help="all provinces")
    calls = show.add_argument_group("calls")
    calls.add_argument(
        "--leads", type=_between(1, MOST_LEADS), default=200, help="how many people are called (%(default)s)"
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


def _up(given: argparse.Namespace) -> int:
    options = Options(
        state=given.state,
        port=given.port,
        database_url=given.database_url,
        minute=given.minute,
        parameters=dict(given.parameter),
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
    }
    return demo.run(given.state, given.port, workloads[given.workload]())


def _token(given: argparse.Namespace) -> int:
    print(Issuer(given.state, given.port).token(given.tenant, given.user, given.scopes, given.hours))
    return 0


if __name__ == "__main__":
    sys.exit(main())
