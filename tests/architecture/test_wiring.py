from collections.abc import Callable

import pytest

from tests.architecture import wiring
from tests.architecture.repository import Repository

Example = Callable[[dict[str, str]], Repository]
Rule = Callable[[Repository], list[str]]

TEMPLATE = """
Resources:
  Refresh: {Type: AWS::Serverless::StateMachine, Properties: {}}
  SteerQueue: {Type: AWS::SQS::Queue}
  Cache: {Type: AWS::DynamoDB::Table}
  RecoverTasks:
    Type: AWS::Serverless::Function
    Properties:
      Handler: tasks.recover_tasks.handler
      Environment:
        Variables:
          CACHE_TABLE: !Ref Cache
          KIND_MODULES: hospitals.kinds,calls.kinds
          WORKFLOW_ARNS: !Sub '{"Refresh": "${Refresh}", "SteerQueue": "${SteerQueue}"}'
      Policies:
        - Statement:
            - {Effect: Allow, Action: "dynamodb:UpdateItem", Resource: !GetAtt Cache.Arn}
            - {Effect: Allow, Action: "sqs:SendMessage", Resource: !GetAtt SteerQueue.Arn}
            - Effect: Allow
              Action: "states:StartExecution"
              Resource: [!Sub "arn:aws:states:x:stateMachine:${AWS::StackName}-Refresh"]
            - Effect: Allow
              Action: ["states:DescribeExecution", "states:StopExecution"]
              Resource: [!Sub "arn:aws:states:x:execution:${AWS::StackName}-Refresh:*"]
      Events:
        Died:
          Type: EventBridgeRule
          Properties: {Pattern: {detail: {stateMachineArn: [!Sub "arn:x:stateMachine:${AWS::StackName}-Refresh"]}}}
"""
GOOD = {
    "template.yaml": TEMPLATE,
    "functions/hospitals/kinds.py": "W = 'Refresh'\nKINDS = (Kind(name='a', workflow=W),)\n",
    "functions/calls/kinds.py": "KINDS = (Kind(name='b', workflow='SteerQueue'),)\n",
}

RULES = [wiring.kinds, wiring.workflows, wiring.stops, wiring.ends, wiring.granted]

# What is wrong is the template with one thing in it exchanged for another.
BAD = [
    (
        wiring.kinds,
        "hospitals.kinds,calls.kinds",
        "calls.kinds",
        "add hospitals.kinds to its KIND_MODULES",
    ),
    (wiring.workflows, '"Refresh": "${Refresh}", ', "", "RecoverTasks: add Refresh to its WORKFLOW_ARNS"),
    (
        wiring.workflows,
        'Action: "states:StartExecution"',
        'Action: "states:X"',
        "states:StartExecution on Refresh",
    ),
    (wiring.workflows, "!GetAtt SteerQueue.Arn", "!GetAtt Cache.Arn", "allow sqs:SendMessage on SteerQueue"),
    (wiring.workflows, "DescribeExecution", "X", "allow states:DescribeExecution on Refresh"),
    (
        wiring.stops,
        "execution:${AWS::StackName}-Refresh",
        "execution:${AWS::StackName}-Other",
        "allow states:StopExecution on the",
    ),
    (
        wiring.ends,
        "arn:x:stateMachine:${AWS::StackName}-Refresh",
        "arn:x:stateMachine:${AWS::StackName}-Other",
        "add Refresh to the machines",
    ),
    (wiring.granted, "Resource: !GetAtt Cache.Arn", "Resource: !GetAtt Other.Arn", "may do nothing with Cache: add a"),
]


@pytest.mark.parametrize(("rule", "text", "instead", "finding"), BAD)
def test_a_bad_example_is_caught(rule: Rule, text: str, instead: str, finding: str, example: Example) -> None:
    assert TEMPLATE.count(text) == 1
    assert finding in "\n".join(rule(example(GOOD | {"template.yaml": TEMPLATE.replace(text, instead)})))
