import json
from collections.abc import Callable

import pytest

from tests.architecture import deployment
from tests.architecture.repository import Repository

Example = Callable[[dict[str, str]], Repository]
Rule = Callable[[Repository], list[str]]

TEMPLATE = """
Globals: {Function: {Architectures: [arm64], Environment: {Variables: {POWERTOOLS_SERVICE_NAME: longhaul}}}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {CorsConfiguration: {AllowHeaders: [authorization, if-match, prefer], ExposeHeaders: [ETag, Link]}}
  SyncJobs:
    Type: AWS::Serverless::Function
    Properties:
      Handler: calls.sync_jobs.handler
      Timeout: 20
      LoggingConfig: {LogGroup: !Ref SyncJobsLogs}
      Environment:
        Variables:
          {LIVE_TABLE: !Ref Live, DISPATCH_QUEUE_URL: !Ref Jobs, CACHE_TABLE: !Ref CacheTable,
           SCOPE_PREFIX: "", WRITES_PER_MINUTE: 600, BULK_PER_MINUTE: 60, READS_PER_MINUTE: 0}
      Policies:
        - Statement:
            - {Effect: Allow, Action: "dynamodb:GetItem", Resource: !GetAtt Live.Arn}
            - {Effect: Allow, Action: ["dynamodb:UpdateItem"], Resource: !GetAtt CacheTable.Arn}
      Events:
        Sync:
          Type: HttpApi
          Properties: {Method: POST, Path: /jobs, Auth: {AuthorizationScopes: [!Sub "${ScopePrefix}jobs"]}}
        Docs: {Type: HttpApi, Properties: {Method: GET, Path: /docs, Auth: {Authorizer: NONE}}}
  Kernel: {Type: AWS::Serverless::LayerVersion, Metadata: {BuildMethod: makefile}}
  Vendor:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.13, BuildArchitecture: arm64}
    Properties: {CompatibleArchitectures: [arm64]}
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
  JobsPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Jobs, !Ref Dead]
      PolicyDocument:
        Statement:
          - {Effect: Deny, Principal: "*", Action: "sqs:*", Condition: {Bool: {"aws:SecureTransport": "false"}}}
  Recordings: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, UpdateReplacePolicy: Retain}
  RecordingsPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Recordings
      PolicyDocument:
        Statement:
          - {Effect: Deny, Principal: "*", Action: "s3:*", Condition: {Bool: {"aws:SecureTransport": "false"}}}
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
    return {} if "if-match" in event.headers else {"wait": event.headers.get("accept-encoding")}
"""
DOCUMENT = json.dumps(
    {
        "paths": {
            "/jobs": {
                "post": {"security": [{"bearer": ["jobs"]}], "parameters": [{"in": "header", "name": "Prefer"}]},
            }
        },
        "components": {"headers": {"ETag": {}}},
    }
)
PAGE = "Pages may send `Authorization If-Match Prefer` and may read `ETag Link`."
GOOD = {
    "template.yaml": TEMPLATE,
    "functions/calls/sync_jobs.py": MODULE,
    "functions/docs/openapi.json": DOCUMENT,
    "docs/api.md": PAGE,
}

RULES = [
    deployment.environments,
    deployment.queues,
    deployment.sources,
    deployment.encrypted,
    deployment.kept,
    deployment.routes,
    deployment.browsers,
    deployment.architectures,
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
    (
        deployment.sources,
        "Timeout: 20\n",
        "ReservedConcurrentExecutions: !If [Big, 2, !Ref None]\n",
        "SyncJobs has 2 reserved executions: reserve more than 2, as JobsSource may",
    ),
    (deployment.encrypted, "[!Ref Jobs, !Ref Dead]", "[!Ref Jobs]", "Dead: add a AWS::SQS::QueuePolicy that denies"),
    (
        deployment.encrypted,
        'Action: "s3:*", Condition: {Bool',
        'Action: "s3:*", Condition: {Not',
        "Recordings: add a AWS",
    ),
    (deployment.kept, "UpdateReplacePolicy: Retain", "Metadata: {}", "Recordings: add UpdateReplacePolicy: Retain"),
    (deployment.routes, "Method: POST", "Method: PUT", "POST /jobs is in functions/docs/openapi.json, but not in the"),
    (
        deployment.routes,
        "Method: POST",
        "Method: PUT",
        "PUT /jobs is in the template, but not in functions/docs/openapi.json: run `make openapi`",
    ),
    (
        deployment.routes,
        'Scopes: [!Sub "${ScopePrefix}jobs"]',
        'Scopes: [!Sub "${ScopePrefix}page"]',
        "POST /jobs needs ['page'] by the template, ['jobs'] by",
    ),
    (
        deployment.routes,
        '{AuthorizationScopes: [!Sub "${ScopePrefix}jobs"]}',
        "{Authorizer: NONE}",
        "POST /jobs needs [] by the template",
    ),
    (
        deployment.routes,
        "${ScopePrefix}jobs",
        "jobs",
        "POST /jobs needs ['jobs without ${ScopePrefix}'] by the template",
    ),
    (deployment.browsers, "if-match, prefer", "prefer", "a page may not send if-match, which the code reads"),
    (deployment.browsers, "if-match, prefer", "if-match", "a page may not send prefer, which the code reads"),
    (deployment.browsers, "[ETag, Link]", "[Link]", "a page may not read ETag, which answers have"),
    (deployment.browsers, "[ETag, Link]", "[ETag, Link, Age]", "docs/api.md says other headers than the template"),
    (deployment.architectures, "{Architectures: [arm64]", "{Architectures: [x86_64]", "Vendor: its BuildArchitecture"),
    (deployment.architectures, "BuildArchitecture: arm64", "Other: arm64", "Vendor: its BuildArchitecture is not"),
    (
        deployment.architectures,
        "CompatibleArchitectures: [arm64]",
        "Other: []",
        "Vendor: its CompatibleArchitectures are",
    ),
    (deployment.architectures, "Timeout: 20\n", "Architectures: [x86_64]\n", "SyncJobs has other Architectures"),
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


@pytest.mark.parametrize(("rule", "old", "new", "finding"), BAD)
def test_a_bad_example_is_caught(rule: Rule, old: str, new: str, finding: str, example: Example) -> None:
    assert old in TEMPLATE
    assert finding in "\n".join(rule(example(GOOD | {"template.yaml": TEMPLATE.replace(old, new)})))
