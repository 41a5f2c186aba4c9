"""Upload the console of a deployment: `python -m local.publishing STACK`, which `make deploy` does.

Files whose names hold their hash come first and the page that names them last, so that no page names a file that is not
there. Files of former versions stay: pages that are open may still load them.
"""

import mimetypes
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import click

from local.environments import SAMCONFIG
from local.options import ROOT

DIST = ROOT / "console" / "dist"
PREFIX = "console/"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
PAGE = "index.html"


@dataclass(frozen=True)
class Upload:
    """A file of the bucket."""

    key: str
    body: bytes
    content_type: str
    cache_control: str


def uploads(dist: Path, config: str) -> Iterator[Upload]:
    """Yield the files in the order in which they are uploaded. Raises click.ClickException without a built page."""
    if not (dist / PAGE).is_file():
        raise click.ClickException(f"{dist} holds no {PAGE}: run make console")
    names = sorted(path.relative_to(dist).as_posix() for path in dist.rglob("*") if path.is_file())
    for name in sorted(names, key=lambda name: name == PAGE):
        if name == PAGE:
            yield Upload(f"{PREFIX}config.json", config.encode(), "application/json", ASK_EACH_TIME)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        cache = FOR_EVER if name.startswith("assets/") else ASK_EACH_TIME
        charset = "; charset=utf-8" if kind.startswith("text/") else ""
        yield Upload(PREFIX + name, (dist / name).read_bytes(), kind + charset, cache)


def publish(stack: str, cloudformation: Any, s3: Any, dist: Path = DIST) -> str | None:
    """Upload the console of a stack and return its address; None where the stack has none."""
    [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if "ConsoleBucketName" not in outputs:
        return None
    for upload in uploads(dist, outputs["ConsoleConfig"]):
        s3.put_object(
            Bucket=outputs["ConsoleBucketName"],
            Key=upload.key,
            Body=upload.body,
            ContentType=upload.content_type,
            CacheControl=upload.cache_control,
        )
    return str(outputs["ConsoleUrl"])


def region_of(config: dict[str, Any], environment: str) -> str | None:
    """Return the region that samconfig.toml has for an environment; None where it leaves that to the AWS settings."""
    section = config.get(environment, {})
    for command in ("deploy", "global"):
        if region := section.get(command, {}).get("parameters", {}).get("region"):
            return str(region)
    return None


@click.command()
@click.argument("stack")
@click.option("--environment", required=True, help="Its name in samconfig.toml.")
def main(stack: str, environment: str) -> None:
    """Upload the console of STACK."""
    region = region_of(tomllib.loads(SAMCONFIG.read_text(encoding="utf-8")), environment)
    session = boto3.Session(region_name=region)
    address = publish(stack, session.client("cloudformation"), session.client("s3"))
    click.echo(f"Console  {address}" if address else "This stack has no console: ConsoleClientId is empty")


if __name__ == "__main__":
    main(prog_name="make deploy")
