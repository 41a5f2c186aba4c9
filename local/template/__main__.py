"""Deploy the template: `python -m local.template`, as `local.deploying` runs it.

Standard input is an Order, standard output what came of it: what the stack needs to run, or a StackError.
"""

import dataclasses
import os
import pickle
import sys

from local.aws import eventbridge
from local.deploying import Deployed, Order
from local.iam import policies
from local.iam.guard import POLICIES
from local.iam.policies import Policies
from local.options import StackError
from local.runtime import limits
from local.template.deployment import DeploymentError, deploy, store_secrets, verify_sender
from local.template.model import TemplateError
from local.template.parameters import parameters, secrets
from local.template.template import read


def main(order: Order) -> Deployed:
    """Deploy an order, and write the policies where the local AWS reads them. Raises StackError."""
    options = order.options
    arns = store_secrets(options.aws_url, secrets(order.secret))
    chosen = parameters(options, order.issuer, arns)
    verify_sender(options.aws_url, chosen["MailFrom"])
    try:
        blueprint = read(options.template, chosen)
        deployment = deploy(options.aws_url, blueprint)
        limits.check(deployment.functions.values(), options.concurrency)
        policies.write(blueprint.policies, options.iam / POLICIES)
    except (TemplateError, DeploymentError) as error:
        raise StackError(f"{options.template.name}: {error}") from error
    needed = dataclasses.replace(blueprint, resources={}, policies=Policies(), rights=())
    return eventbridge.resolved(needed, deployment.physical), deployment


if __name__ == "__main__":
    done: Deployed | StackError
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what a library prints is no part of the answer
        try:
            done = main(pickle.load(sys.stdin.buffer))  # of the stack
        except StackError as error:
            done = error
        pickle.dump(done, answer)
