"""How a stack runs: its state folder, its ports, its database and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PORT = 3000
STATE = Path(".local")
TESTED = ".used-grants"  # what the tests used of the template's grants, in the checkout
LLM_KEY = "local-key"  # the key that the stand-ins of the language model and of DashScope accept
ACCESS_KEY = {"access_key_id": "local-id", "access_key_secret": "local-secret"}  # OutboundBot's stand-in accepts it
CURSOR_KEY = "local-cursors"  # the key that signs the cursors of pages
MAIL_FROM = "longhaul@local.example"  # the sender of e-mail, which stays on the machine
CONCURRENCY = 1_000  # functions of an AWS account that run at once; a new account may have 10
PARTS = ("gateway", "AWS", "providers", "runtime")  # on PORT, PORT + 1, ...


class StackError(Exception):
    """The stack cannot run. The message is the reason, on one line."""


@dataclass(frozen=True)
class Options:
    """`minute`: the seconds that a minute of a schedule lasts. `concurrency`: how many functions the account runs at
    once. `parameters` are the template's; `environment` overrides that of all functions. The functions' code is in the
    folder of `template`. An `attached` stack ends when its standard input does: then the process that started it is
    gone."""

    state: Path = STATE
    port: int = PORT
    database_url: str | None = None
    minute: float = 60.0
    concurrency: int = CONCURRENCY
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    template: Path = ROOT / "template.yaml"
    attached: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def aws_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def provider_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def runtime_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 3}"

    @property
    def iam(self) -> Path:
        """The folder of the roles' policies, and of what they allowed and refused."""
        return self.state / "iam"

    @property
    def mail(self) -> Path:
        """The folder of the mails that were sent."""
        return self.state / "mail"

    @property
    def logs(self) -> Path:
        return self.state / "logs"
