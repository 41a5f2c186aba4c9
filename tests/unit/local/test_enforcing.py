"""The sample stack enforces the roles of its template: what they do not allow fails as in the cloud."""

import json

from local.iam.guard import REFUSED, USED, used
from local.iam.policies import Grant
from local.running import RunningStack, eventually
from local.template.model import ACCOUNT, REGION

SEEN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/longhaul-Seen"


def test_a_function_is_refused_what_its_role_does_not_allow(stack: RunningStack) -> None:
    # WHEN a function reads a table that its role says nothing of
    answer = stack.aws("lambda").invoke(FunctionName="longhaul-Serve", Payload=json.dumps({"mode": "peek"}))

    # THEN it gets the error of DynamoDB, with the statement that is missing
    refused = json.loads(answer["Payload"].read())
    assert refused["code"] == "AccessDeniedException"
    assert "assumed-role/longhaul-ServeRole/Serve is not authorized to perform: dynamodb:GetItem" in refused["message"]
    assert refused["message"] in (stack.options.iam / REFUSED).read_text(encoding="utf-8").splitlines()
    assert refused["message"].endswith(
        "Add to `statements` of Serve in its deployment.yaml, then `make template`: "
        "- {Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Seen.Arn}"
    )


def test_a_state_machine_is_refused_what_its_role_does_not_allow(stack: RunningStack) -> None:
    # GIVEN a state machine that invokes a function, which its role does not allow
    states = stack.aws("stepfunctions")
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:longhaul-Barred"

    # WHEN it runs
    started = states.start_execution(stateMachineArn=machine)["executionArn"]
    ended = eventually(
        lambda: (seen := states.describe_execution(executionArn=started))["status"] != "RUNNING" and seen
    )

    # THEN it fails for that, and the function has not run
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.AccessDeniedException")
    assert "Barred is not authorized to perform: lambda:InvokeFunction" in ended["cause"]
    assert "- {Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt Note.Arn}" in ended["cause"]
    assert "Item" not in stack.aws("dynamodb").get_item(TableName="longhaul-Seen", Key={"id": {"S": "barred"}})


def test_what_a_role_allows_is_done_and_noted(stack: RunningStack) -> None:
    # WHEN a function writes to the table that its role allows
    answer = stack.aws("lambda").invoke(FunctionName="longhaul-Note", Payload=json.dumps({"id": "allowed"}))

    # THEN it is written, and the stack has noted the grant
    assert json.loads(answer["Payload"].read()) == {"noted": "allowed"}
    assert Grant("NoteRole", "dynamodb:PutItem", SEEN) in used(stack.options.iam / USED)
