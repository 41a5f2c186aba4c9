"""A blueprint deployed to moto: its secrets, then the CloudFormation stack, then what that made, read back."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.template.model import CREDENTIALS, REGION, STACK_NAME, Blueprint, Deployment
from local.template.template import CODE_BUCKET, CODE_KEY


class DeploymentError(Exception):
    """CloudFormation refused the stack."""


def client(service: str, endpoint: str) -> Any:
    """Return a boto3 client of the local AWS. The machine's own AWS configuration does not matter."""
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    config = Config(proxies={}, retries={"total_max_attempts": 3}, s3={"addressing_style": "path"})
    return session.client(service, endpoint_url=endpoint, config=config)


def store_secrets(endpoint: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Store each secret (name: text) and return its ARN by name."""
    manager = client("secretsmanager", endpoint)
    return {
        name: manager.create_secret(Name=f"{STACK_NAME}/{name}", SecretString=text)["ARN"]
        for name, text in secrets.items()
    }


def verify_sender(endpoint: str, address: str) -> None:
    """Let SES send mail from this address; nothing where it is empty."""
    if address:
        client("sesv2", endpoint).create_email_identity(EmailIdentity=address)


def deploy(endpoint: str, blueprint: Blueprint) -> Deployment:
    """Create the stack and return what it made. Raises DeploymentError with CloudFormation's reason."""
    _upload_code(endpoint)
    formation = client("cloudformation", endpoint)
    body = json.dumps({"Resources": dict(blueprint.resources)}, ensure_ascii=False)
    try:
        formation.create_stack(StackName=STACK_NAME, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    except (ClientError, BotoCoreError) as error:
        raise DeploymentError(f"CloudFormation: {str(error)[:500]} (see aws.log)") from error
    status = formation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]["StackStatus"]
    if status != "CREATE_COMPLETE":
        raise DeploymentError(f"CloudFormation: the stack is {status}")
    made = formation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in made}
    return _read_back(endpoint, blueprint, physical)


def _upload_code(endpoint: str) -> None:
    """Upload a placeholder: CloudFormation requires a package, but the stack runs the source tree."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("README", "The local stack runs the source tree itself.")
    storage = client("s3", endpoint)
    storage.create_bucket(Bucket=CODE_BUCKET)
    storage.put_object(Bucket=CODE_BUCKET, Key=CODE_KEY, Body=archive.getvalue())


def _read_back(endpoint: str, blueprint: Blueprint, physical: Mapping[str, str]) -> Deployment:
    pages = client("lambda", endpoint).get_paginator("list_functions").paginate()
    environments = {
        function["FunctionName"]: function.get("Environment", {}).get("Variables", {})
        for page in pages
        for function in page["Functions"]
    }
    functions = {
        function.name: dataclasses.replace(function, environment=environments[physical[function.name]])
        for function in blueprint.functions
    }
    logical = {physical[name]: name for name in functions}
    return Deployment(functions, physical, logical)
