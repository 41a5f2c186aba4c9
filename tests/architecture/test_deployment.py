from collections.abc import Callable

import pytest

from tests.architecture import deployment
from tests.architecture.repository import Repository

Example = Callable[[dict[str, str]], Repository]
Rule = Callable[[Repository], list[str]]

TEMPLATE = """
Globals: {Function: {Environment: {Variables: {POWERTOOLS_SERVICE_NAME: longhaul}}}}
Resources:
  SyncJobs:
    Type: AWS::Serverless::Function
    Properties:
      Handler: calls.sync_jobs.handler
      Timeout: 20
      LoggingConfig: {LogGroup: !Ref SyncJobsLogs}
      Environment:
        Variables:
          {LIVE_TABLE: !Ref Live, DISPATCH_QUEUE_URL: !Ref Jobs, CACHE_TABLE: !Ref CacheTable,
           WRITES_PER_MINUTE: 600, BULK_PER_MINUTE: 60, READS_PER_MINUTE: 0}
      Policies:
        - Statement:
            - {Effect: Allow, Action: "dynamodb:GetItem", Resource: !GetAtt Live.Arn}
            - {Effect: Allow, Action: ["dynamodb:UpdateItem"], Resource: !GetAtt CacheTable.Arn}
      Events:
        Sync: {Type: HttpApi, Properties: {Method: POST, Path: /jobs, Auth: {AuthorizationScopes: [jobs]}}}
        Docs: {Type: HttpApi, Properties: {Method: GET, Path: /docs, Auth: {Authorizer: NONE}}}
  SyncJobsLogs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 30}}
  JobsSource:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref SyncJobs
      EventSourceArn: !GetAtt Jobs.Arn
      FunctionResponseTypes: [ReportBatchItemFailures]
      ScalingConfig: {MaximumConcurrency: 2}
  Jobs:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 120, RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}}
  Dead: {Type: AWS::SQS::Queue}
  DeadAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: AWS/SQS
      MetricName: ApproximateNumberOfMessagesVisible
      Dimensions: [{Name: QueueName, Value: !GetAtt Dead.QueueName}]
"""
MODULE = """from longhaul import settings

settings.require(settings.Live, settings.DispatchQueue, settings.Cache, settings.Limits)


def handler(event, context):
    return {}
"""
DOCUMENT = '{"paths": {"/jobs": {"post": {"security": [{"bearer": ["jobs"]}]}}}}'
GOOD = {
    "template.yaml": TEMPLATE,
    "functions/calls/sync_jobs.py": MODULE,
    "functions/docs/openapi.json": DOCUMENT,
}

RULES = [
    deployment.environments,
    deployment.queues,
    deployment.sources,
    deployment.routes,
    deployment.quotas,
    deployment.logs,
    deployment.permissions,
]

# What is wrong is the template with one thing in it exchanged for another.
BAD = [
    (deployment.environments, "LIVE_TABLE: !Ref Live, ", "", "SyncJobs reads LIVE_TABLE, which it is not given"),
    (deployment.environments, "{LIVE_TABLE", "{SPARE: 1, LIVE_TABLE", "SyncJobs is given SPARE, which it does not"),
    (deployment.environments, "POWERTOOLS_SERVICE_NAME", "DATABASE_TLS", "Globals give every function DATABASE_TLS"),
    (
        deployment.queues,
        ", RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}",
        "",
        "Jobs has no",
    ),
    (
        deployment.queues,
        "VisibilityTimeout: 120",
        "VisibilityTimeout: 100",
        "six times its consumer's timeout is 120 s",
    ),
    (deployment.queues, "Timeout: 20\n", "Timeout: 30\n", "six times its consumer's timeout is 180 s"),
    (deployment.queues, "!GetAtt Dead.QueueName", "!GetAtt Jobs.QueueName", "Dead has no alarm on what it holds"),
    (deployment.queues, "NumberOfMessagesVisible", "AgeOfOldestMessage", "Dead has no alarm on what it holds"),
    (deployment.sources, "[ReportBatchItemFailures]", "[]", "JobsSource does not report single failures"),
    (deployment.sources, "MaximumConcurrency: 2", "MaximumConcurrency: 1", "JobsSource has no MaximumConcurrency"),
    (deployment.sources, "Timeout: 20\n", "ReservedConcurrentExecutions: 1\n", "has reserved concurrency"),
    (deployment.routes, "Method: POST", "Method: PUT", "PUT /jobs: the template asks for ['jobs'], the code for None"),
    (deployment.routes, "Scopes: [jobs]", "Scopes: [page]", "POST /jobs: the template asks for ['page'], the code for"),
    (deployment.routes, "{AuthorizationScopes: [jobs]}", "{Authorizer: NONE}", "POST /jobs: the template asks for []"),
    (deployment.quotas, "BULK_PER_MINUTE: 60, ", "", "SyncJobs is not given BULK_PER_MINUTE"),
    (deployment.quotas, "CACHE_TABLE: !Ref CacheTable,", "", "SyncJobs is not given CACHE_TABLE"),
    (deployment.quotas, "dynamodb:UpdateItem", "dynamodb:PutItem", "SyncJobs may not count requests in CacheTable"),
    (deployment.quotas, "!GetAtt CacheTable.Arn", "!GetAtt Live.Arn", "SyncJobs may not count requests in CacheTable"),
    (deployment.logs, "LoggingConfig: {LogGroup: !Ref SyncJobsLogs}", "MemorySize: 512", "SyncJobs does not log to"),
    (deployment.logs, "{RetentionInDays: 30}", "{}", "SyncJobsLogs keeps logs for ever"),
    (deployment.permissions, "dynamodb:GetItem", "dynamodb:*", "SyncJobs may do"),
    (deployment.permissions, "!GetAtt Live.Arn", '"*"', "SyncJobs may do"),
    (deployment.permissions, "Timeout: 20\n", "Role: !GetAtt Shared.Arn\n", "SyncJobs has a role from elsewhere"),
]


@pytest.mark.parametrize("rule", RULES)
def test_the_repository_keeps_the_rule(rule: Rule, repository: Repository) -> None:
    assert rule(repository) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_good_example_passes(rule: Rule, example: Example) -> None:
    assert rule(example(GOOD)) == []


@pytest.mark.parametrize(("rule", "old", "new", "finding"), BAD)
def test_a_bad_example_is_caught(rule: Rule, old: str, new: str, finding: str, example: Example) -> None:
    assert old in TEMPLATE
    assert finding in "\n".join(rule(example(GOOD | {"template.yaml": TEMPLATE.replace(old, new)})))
