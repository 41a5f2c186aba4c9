"""What moto and botocore read when moto is imported, and nothing asks the local AWS for.

The interpreter of state machines and CloudFormation import EC2, with all types of instances, images and regions: half
of what an idle local AWS had.
"""

import functools
from typing import Any

from local.aws import replace
from local.template.model import REGION

CATALOGUES = ("ec2/resources/instance_type", "ec2/resources/amis.json")


@functools.cache
def skip() -> None:
    """Import moto's EC2 without its catalogues, and let this process's services be in the stack's region alone."""
    import boto3
    from moto.core.base_backend import AccountSpecificBackend
    from moto.utilities import utils

    def loaded(resource: str) -> Any:
        return {} if resource.startswith(CATALOGUES) else load(resource)

    load = replace(utils, "load_resource", loaded)
    find = replace(boto3.Session, "get_available_regions", lambda *_, **__: [REGION])
    try:
        import moto.ec2.models  # noqa: F401
    finally:
        replace(boto3.Session, "get_available_regions", find)
        replace(utils, "load_resource", load)
    replace(AccountSpecificBackend, "_generate_regions", lambda *_: [REGION])
