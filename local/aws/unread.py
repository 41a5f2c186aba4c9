"""What moto imports and reads at its start, and nothing asks the local AWS for.

Its CloudFormation imports every service that has resources, to know their classes: EC2 with all types of instances and
images, SageMaker, OpenAPI's validators of API Gateway. That was more than half of what an idle local AWS had.
"""

import functools
import sys
from types import ModuleType

from local.aws import replace
from local.template.model import REGION

# Services of which `local.template.physical` makes nothing.
UNMADE = (
    *("apigateway", "autoscaling", "batch", "datapipeline", "ec2", "ecs", "efs", "elb", "elbv2", "emr", "iot", "rds"),
    *("kms", "redshift", "route53", "sagemaker"),
)


@functools.cache
def skip() -> None:
    """Import moto's CloudFormation and interpreter without other services and without AWS's managed policies, and let
    this process's services be in the stack's region alone. A service that was left out is imported when a request asks
    for it."""
    import boto3
    from moto.core.base_backend import AccountSpecificBackend

    left_out = _empty_modules()
    find = replace(boto3.Session, "get_available_regions", lambda *_, **__: [REGION])
    sys.modules.update(left_out)
    try:
        import moto.cloudformation.models
        import moto.stepfunctions.parser.models  # noqa: F401 # its states import errors of such services
    finally:
        for name in left_out:
            del sys.modules[name]
        replace(boto3.Session, "get_available_regions", find)
    replace(AccountSpecificBackend, "_generate_regions", lambda *_: [REGION])


def _empty_modules() -> dict[str, ModuleType]:
    """Return modules with no more than what is imported by name. A package's other modules are imported as they are."""
    import moto

    made = {}
    for name in UNMADE:
        made[f"moto.{name}.models"] = _module(f"moto.{name}.models")
        folders = [f"{folder}/{name}" for folder in moto.__path__]
        made[f"moto.{name}"] = _module(f"moto.{name}", models=made[f"moto.{name}.models"], __path__=folders)
    core = _module("moto.ec2.models.core", TaggedEC2Resource=type("TaggedEC2Resource", (), {}))
    vars(made["moto.ec2"])["ec2_backends"] = {}
    policies = _module("moto.iam.aws_managed_policies", aws_managed_policies_data="{}")
    return made | {module.__name__: module for module in (core, policies)}


def _module(name: str, **content: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(content)
    return made
