from collections.abc import Callable

import pytest

from tests.architecture import machines
from tests.architecture.repository import Repository

Example = Callable[[dict[str, str]], Repository]
Rule = Callable[[Repository], list[str]]

TEMPLATE = """
Resources:
  ListCities: {Type: AWS::Serverless::Function, Properties: {Handler: hospitals.list_cities.handler, Timeout: 60}}
  Refresh:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: functions/hospitals/refresh.asl.yaml
      DefinitionSubstitutions: {ListCitiesArn: !GetAtt ListCities.Arn}
"""
MACHINE = """
StartAt: Each
States:
  Each:
    Type: Map
    End: true
    ItemProcessor:
      StartAt: ListCities
      States:
        ListCities:
          Type: Task
          Resource: arn:aws:states:::lambda:invoke
          Parameters: {FunctionName: "${ListCitiesArn}"}
          TimeoutSeconds: 70
          Retry:
            - ErrorEquals:
                [ProviderThrottled, ProviderUnavailable, DatabaseUnavailable, WorkflowUnavailable, AwsUnavailable,
                 LaneFull, SERVICE]
              MaxAttempts: 8
              JitterStrategy: FULL
            - ErrorEquals: [Lambda.Unknown, States.Timeout]
              IntervalSeconds: 10
          Catch: [{ErrorEquals: [TaskStopped], Next: Done}, {ErrorEquals: [States.ALL], Next: Done}]
          Next: Done
        Done: {Type: Succeed}
""".replace("SERVICE", ", ".join(sorted(machines.SERVICE - {"Lambda.Unknown", "States.Timeout"})))
GOOD = {"template.yaml": TEMPLATE, "functions/hospitals/refresh.asl.yaml": MACHINE}

RULES = [
    machines.tasks,
    machines.error_names,
    machines.retries,
    machines.patience,
    machines.substitutions,
    machines.limits,
]

# What is wrong is the machine with one thing in it exchanged for another.
BAD = [
    (machines.tasks, "TimeoutSeconds: 70", "Comment: for ever", "ListCities has no TimeoutSeconds"),
    (machines.tasks, "Retry:", "Again:", "ListCities has no Retry"),
    (machines.tasks, "Catch: [", "Caught: [", "ListCities has no Catch"),
    (machines.error_names, "[TaskStopped]", "[TaskStoped]", "names TaskStoped, which nothing raises"),
    (machines.error_names, "Lambda.Unknown", "Lambda.Unknwon", "names Lambda.Unknwon, which nothing raises"),
    (machines.retries, "DatabaseUnavailable, ", "", "ListCities does not retry DatabaseUnavailable"),
    (machines.retries, "AwsUnavailable,", "", "ListCities does not retry AwsUnavailable"),
    (machines.retries, "Lambda.ResourceNotReadyException, ", "", "does not retry Lambda.ResourceNotReadyException"),
    (machines.retries, "Lambda.ENILimitReachedException, ", "", "does not retry Lambda.ENILimitReachedException"),
    (machines.retries, "[Lambda.Unknown,", "[BadAnswer,", "ListCities retries BadAnswer"),
    (machines.retries, "[Lambda.Unknown,", "[States.ALL,", "ListCities retries States.ALL"),
    (machines.patience, "MaxAttempts: 8", "MaxAttempts: 7", "ListCities gives up after 63.5 s, a circuit closes after"),
    (machines.patience, "FULL", "FULL\n              MaxDelaySeconds: 16", "ListCities gives up after 39.5 s"),
    (machines.patience, "IntervalSeconds: 10", "BackoffRate: 2", "ListCities gives up after 7 s"),
    (machines.substitutions, "${ListCitiesArn}", "${ListCityArn}", "Refresh is not given ListCityArn"),
    (machines.substitutions, "${ListCitiesArn}", "arn", "Refresh is given ListCitiesArn for nothing"),
    (machines.limits, "TimeoutSeconds: 70", "TimeoutSeconds: 60", "gives up after 60 s, its function after 60 s"),
]


@pytest.mark.parametrize(("rule", "old", "new", "finding"), BAD)
def test_a_bad_example_is_caught(rule: Rule, old: str, new: str, finding: str, example: Example) -> None:
    assert old in MACHINE
    bad = {"functions/hospitals/refresh.asl.yaml": MACHINE.replace(old, new)}
    assert finding in "\n".join(rule(example(GOOD | bad)))
