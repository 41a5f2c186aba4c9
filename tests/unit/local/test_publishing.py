"""Uploading the console: to the local AWS of the sample stack, and what the template says of how it is served."""

import json
import re
from pathlib import Path

import click
import pytest

from deployment.text import load
from local.gateway.console import headers
from local.options import ROOT
from local.publishing import publish, region_of, uploads
from local.running import RunningStack

CONFIG = '{"issuer":"https://issuer.example","client_id":"c-1"}'


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    for name in ("index.html", "assets/a-1.js", "assets/z-2.css"):
        (tmp_path / name).write_text(f"text of {name}", encoding="utf-8")
    return tmp_path


def test_the_page_comes_last_and_only_names_with_a_hash_are_kept_for_ever(dist: Path) -> None:
    found = list(uploads(dist, CONFIG))
    names = ["assets/a-1.js", "assets/z-2.css", "config.json", "index.html"]
    assert [upload.key for upload in found] == [f"console/{name}" for name in names]
    assert ["immutable" in upload.cache_control for upload in found] == [True, True, False, False]
    assert found[1].content_type == "text/css; charset=utf-8"
    assert json.loads(found[2].body)["client_id"] == "c-1"


def test_a_console_that_was_not_built_is_not_uploaded(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="make console"):
        list(uploads(tmp_path, CONFIG))


def test_a_stack_with_a_console_gets_its_files_and_one_without_does_not(stack: RunningStack, dist: Path) -> None:
    formation, s3 = stack.aws("cloudformation"), stack.aws("s3")
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "the-console"}}
    values = {"ConsoleBucketName": "the-console", "ConsoleUrl": "https://d1.example/console/", "ConsoleConfig": CONFIG}
    outputs = {name: {"Value": value} for name, value in values.items()}
    for name, given in (("with", outputs), ("without", {"Other": {"Value": "x"}})):
        resources = {"Bucket": bucket} if name == "with" else {"Topic": {"Type": "AWS::SNS::Topic"}}
        formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources, "Outputs": given}))

    assert publish("with", formation, s3, dist) == "https://d1.example/console/"
    page = s3.get_object(Bucket="the-console", Key="console/index.html")
    assert (page["Body"].read(), page["CacheControl"]) == (b"text of index.html", "no-cache")
    assert publish("without", formation, s3, dist) is None


def test_the_region_is_that_of_the_environment() -> None:
    config = {
        "a": {"deploy": {"parameters": {"region": "eu-central-1"}}},
        "b": {"global": {"parameters": {"region": "ap-east-1"}}},
    }
    assert [region_of(config, name) for name in ("a", "b", "c")] == ["eu-central-1", "ap-east-1", None]


def test_the_cloud_sends_the_headers_of_this_machine() -> None:
    """What the console may do is tried on one machine; in the cloud it must be the same, with other origins."""
    template = load((ROOT / "template.yaml").read_text(encoding="utf-8"))
    policy = template["Resources"]["ConsoleHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    secured = policy["SecurityHeadersConfig"]
    cloud = secured["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"][0]
    buckets = "https://*.s3.${AWS::Region}.${AWS::URLSuffix}"
    here = headers("ORIGIN", files=buckets)["Content-Security-Policy"]
    own = re.compile(r"(connect-src) [^;]*")
    assert own.sub(r"\1", cloud) == own.sub(r"\1", here)
    assert "connect-src 'self' ${ApiOrigin} ${LiveOrigin} ${ConsoleSignInOrigins};" in cloud
    assert headers(files=buckets)["X-Frame-Options"] == secured["FrameOptions"]["FrameOption"]
    assert headers(files=buckets)["Referrer-Policy"] == secured["ReferrerPolicy"]["ReferrerPolicy"]
    custom = {item["Header"]: item["Value"] for item in policy["CustomHeadersConfig"]["Items"]}
    assert custom["Cross-Origin-Opener-Policy"] == headers(files=buckets)["Cross-Origin-Opener-Policy"]
