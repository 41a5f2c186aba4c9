"""What boto3's requests need: the actions and resources of each service that the functions may call."""

import io
from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from local.iam import credentials, requests, s3
from local.iam.policies import Need, Policies
from local.iam.requests import Unknown
from tests.rights import Rights, environ_of

HERE = "us-east-1:123456789012"
MACHINE = f"arn:aws:states:{HERE}:stateMachine:longhaul-Flow"
SECRET = f"arn:aws:secretsmanager:{HERE}:secret:longhaul/llm-AbCdEf"
POLICIES = Policies(names={SECRET: "!Ref LlmSecretArn"}, machines=(MACHINE,), connections="Live/v1")
TABLE = f"arn:aws:dynamodb:{HERE}:table"
QUEUE = f"arn:aws:sqs:{HERE}:Orders"
URL = "http://127.0.0.1:3001/123456789012/Orders"


class _Seen(Exception):
    """The request that was about to be sent."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        super().__init__()
        self.request = request


def request_of(service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What boto3 sends, as a role's, as WSGI gives it to an application."""
    return environ_of(sent(service, operation, parameters))


def sent(service: str, operation: str, parameters: Mapping[str, Any]) -> AWSPreparedRequest:
    keys = credentials.of_role("PackRole")
    client = boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:3001",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys["AWS_SESSION_TOKEN"],
        config=Config(s3={"addressing_style": "path"}, parameter_validation=False),
    )

    def stop(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        raise _Seen(request)

    client.meta.events.register("before-send", stop)
    try:
        getattr(client, operation)(**parameters)
    except _Seen as seen:
        return seen.request
    raise AssertionError("nothing was sent")


def needs_of(environ: dict[str, Any]) -> list[tuple[str, ...]]:
    signed = credentials.signature(environ)
    assert signed is not None
    assert (signed.role, signed.valid) == ("PackRole", True)
    found = requests.needs(signed.service, environ, environ["wsgi.input"].read, POLICIES)
    return [(need.action, *need.resources) for need in found]


CASES: list[tuple[str, str, dict[str, Any], list[tuple[str, ...]]]] = [
    ("dynamodb", "get_item", {"TableName": "Seen", "Key": {}}, [("dynamodb:GetItem", f"{TABLE}/Seen")]),
    ("dynamodb", "put_item", {"TableName": f"{TABLE}/Seen", "Item": {}}, [("dynamodb:PutItem", f"{TABLE}/Seen")]),
    ("dynamodb", "query", {"TableName": "Seen"}, [("dynamodb:Query", f"{TABLE}/Seen")]),
    (
        "dynamodb",
        "query",
        {"TableName": "Seen", "IndexName": "by_tenant"},
        [("dynamodb:Query", f"{TABLE}/Seen/index/by_tenant")],
    ),
    (
        "dynamodb",
        "batch_get_item",
        {"RequestItems": {"Seen": {"Keys": []}, "Live": {"Keys": []}}},
        [("dynamodb:BatchGetItem", f"{TABLE}/Seen"), ("dynamodb:BatchGetItem", f"{TABLE}/Live")],
    ),
    (
        "dynamodb",
        "batch_write_item",
        {"RequestItems": {"Seen": []}},
        [("dynamodb:BatchWriteItem", f"{TABLE}/Seen")],
    ),
    (
        "dynamodb",
        "transact_get_items",
        {"TransactItems": [{"Get": {"TableName": "Seen", "Key": {}}}, {"Get": {"TableName": "Seen", "Key": {}}}]},
        [("dynamodb:GetItem", f"{TABLE}/Seen")],
    ),
    (
        "dynamodb",
        "transact_write_items",
        {
            "TransactItems": [
                {"Put": {"TableName": "Seen", "Item": {}}},
                {"Update": {"TableName": "Live", "Key": {}}},
                {"Delete": {"TableName": "Seen", "Key": {}}},
                {"ConditionCheck": {"TableName": "Live", "Key": {}}},
            ]
        },
        [
            ("dynamodb:PutItem", f"{TABLE}/Seen"),
            ("dynamodb:UpdateItem", f"{TABLE}/Live"),
            ("dynamodb:DeleteItem", f"{TABLE}/Seen"),
            ("dynamodb:ConditionCheckItem", f"{TABLE}/Live"),
        ],
    ),
    ("dynamodb", "list_tables", {}, [("dynamodb:ListTables", "*")]),
    ("sqs", "send_message", {"QueueUrl": URL, "MessageBody": "a"}, [("sqs:SendMessage", QUEUE)]),
    ("sqs", "send_message_batch", {"QueueUrl": URL, "Entries": []}, [("sqs:SendMessage", QUEUE)]),
    ("sqs", "delete_message_batch", {"QueueUrl": URL, "Entries": []}, [("sqs:DeleteMessage", QUEUE)]),
    (
        "sqs",
        "change_message_visibility_batch",
        {"QueueUrl": URL, "Entries": []},
        [("sqs:ChangeMessageVisibility", QUEUE)],
    ),
    ("sqs", "get_queue_url", {"QueueName": "Orders"}, [("sqs:GetQueueUrl", QUEUE)]),
    ("stepfunctions", "start_execution", {"stateMachineArn": MACHINE}, [("states:StartExecution", MACHINE)]),
    (
        "stepfunctions",
        "stop_execution",
        {"executionArn": f"arn:aws:states:{HERE}:execution:longhaul-Flow:7-1"},
        [("states:StopExecution", f"arn:aws:states:{HERE}:execution:longhaul-Flow:7-1")],
    ),
    *(
        ("stepfunctions", operation, {"taskToken": "t"}, [(f"states:{action}", MACHINE)])
        for operation, action in (
            ("send_task_success", "SendTaskSuccess"),
            ("send_task_failure", "SendTaskFailure"),
            ("send_task_heartbeat", "SendTaskHeartbeat"),
        )
    ),
    ("secretsmanager", "get_secret_value", {"SecretId": SECRET}, [("secretsmanager:GetSecretValue", SECRET)]),
    ("secretsmanager", "get_secret_value", {"SecretId": "longhaul/llm"}, [("secretsmanager:GetSecretValue", SECRET)]),
    ("ssm", "get_parameter", {"Name": "/a/b"}, [("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/a/b")]),
    (
        "ssm",
        "get_parameters",
        {"Names": ["/a", "b"]},
        [
            ("ssm:GetParameters", f"arn:aws:ssm:{HERE}:parameter/a"),
            ("ssm:GetParameters", f"arn:aws:ssm:{HERE}:parameter/b"),
        ],
    ),
    ("kms", "decrypt", {"KeyId": "k-1", "CiphertextBlob": b"a"}, [("kms:Decrypt", f"arn:aws:kms:{HERE}:key/k-1")]),
    (
        "logs",
        "put_log_events",
        {"logGroupName": "/aws/a", "logStreamName": "s", "logEvents": []},
        [("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/aws/a:*")],
    ),
    (
        "events",
        "put_events",
        {"Entries": [{"Detail": "{}"}, {"EventBusName": "mine", "Detail": "{}"}]},
        [
            ("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/default"),
            ("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/mine"),
        ],
    ),
    ("cloudwatch", "put_metric_data", {"Namespace": "Longhaul", "MetricData": []}, [("cloudwatch:PutMetricData", "*")]),
    (
        "sns",
        "publish",
        {"TopicArn": f"arn:aws:sns:{HERE}:Alarms", "Message": "a"},
        [("sns:Publish", f"arn:aws:sns:{HERE}:Alarms")],
    ),
    (
        "sns",
        "publish_batch",
        {"TopicArn": f"arn:aws:sns:{HERE}:Alarms", "PublishBatchRequestEntries": []},
        [("sns:Publish", f"arn:aws:sns:{HERE}:Alarms")],
    ),
    ("sts", "get_caller_identity", {}, []),
    (
        "lambda",
        "invoke",
        {"FunctionName": "longhaul-Pack", "Payload": b"{}"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:longhaul-Pack")],
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": "longhaul-Pack", "Qualifier": "live"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:longhaul-Pack:live")],
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": f"arn:aws:lambda:{HERE}:function:longhaul-Pack"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:longhaul-Pack")],
    ),
    (
        "sesv2",
        "send_email",
        {"FromEmailAddress": "Longhaul <tasks@example.org>", "Content": {}},
        [
            (
                "ses:SendEmail",
                f"arn:aws:ses:{HERE}:identity/tasks@example.org",
                f"arn:aws:ses:{HERE}:identity/example.org",
            )
        ],
    ),
    (
        "apigatewaymanagementapi",
        "post_to_connection",
        {"ConnectionId": "c=1", "Data": b"a"},
        [("execute-api:ManageConnections", f"arn:aws:execute-api:{HERE}:Live/v1/POST/@connections/c=1")],
    ),
    (
        "apigatewaymanagementapi",
        "delete_connection",
        {"ConnectionId": "c=1"},
        [("execute-api:ManageConnections", f"arn:aws:execute-api:{HERE}:Live/v1/DELETE/@connections/c=1")],
    ),
]

OBJECT = {"Bucket": "tapes", "Key": "a b/通话.mp3"}
ARN = "arn:aws:s3:::tapes/a b/通话.mp3"
S3_CASES: list[tuple[str, dict[str, Any], list[tuple[str, ...]]]] = [
    ("get_object", OBJECT, [("s3:GetObject", ARN)]),
    ("head_object", OBJECT, [("s3:GetObject", ARN)]),
    ("put_object", {**OBJECT, "Body": b"a"}, [("s3:PutObject", ARN)]),
    ("put_object", {**OBJECT, "Tagging": "a=b"}, [("s3:PutObject", ARN), ("s3:PutObjectTagging", ARN)]),
    ("delete_object", OBJECT, [("s3:DeleteObject", ARN)]),
    ("get_object", {**OBJECT, "VersionId": "v"}, [("s3:GetObjectVersion", ARN)]),
    ("create_multipart_upload", OBJECT, [("s3:PutObject", ARN)]),
    ("upload_part", {**OBJECT, "UploadId": "u", "PartNumber": 1, "Body": b"a"}, [("s3:PutObject", ARN)]),
    ("complete_multipart_upload", {**OBJECT, "UploadId": "u"}, [("s3:PutObject", ARN)]),
    ("abort_multipart_upload", {**OBJECT, "UploadId": "u"}, [("s3:AbortMultipartUpload", ARN)]),
    ("list_parts", {**OBJECT, "UploadId": "u"}, [("s3:ListMultipartUploadParts", ARN)]),
    (
        "copy_object",
        {**OBJECT, "CopySource": {"Bucket": "other", "Key": "c d"}},
        [("s3:PutObject", ARN), ("s3:GetObject", "arn:aws:s3:::other/c d")],
    ),
    (
        "delete_objects",
        {"Bucket": "tapes", "Delete": {"Objects": [{"Key": "a&c"}, {"Key": "b"}]}},
        [("s3:DeleteObject", "arn:aws:s3:::tapes/a&c"), ("s3:DeleteObject", "arn:aws:s3:::tapes/b")],
    ),
    ("list_objects_v2", {"Bucket": "tapes"}, [("s3:ListBucket", "arn:aws:s3:::tapes")]),
    ("head_bucket", {"Bucket": "tapes"}, [("s3:ListBucket", "arn:aws:s3:::tapes")]),
    ("list_multipart_uploads", {"Bucket": "tapes"}, [("s3:ListBucketMultipartUploads", "arn:aws:s3:::tapes")]),
    ("list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "needs"),
    [pytest.param(*case, id=f"{case[0]}.{case[1]}") for case in CASES],
)
def test_a_request_needs(
    service: str, operation: str, parameters: dict[str, Any], needs: list[tuple[str, ...]]
) -> None:
    assert needs_of(request_of(service, operation, parameters)) == needs


@pytest.mark.parametrize(("operation", "parameters", "needs"), [pytest.param(*case, id=case[0]) for case in S3_CASES])
def test_a_request_to_s3_needs(operation: str, parameters: dict[str, Any], needs: list[tuple[str, ...]]) -> None:
    assert needs_of(request_of("s3", operation, parameters)) == needs


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("dynamodb", "execute_statement", {"Statement": "SELECT * FROM Seen"}),
        ("lambda", "list_functions", {}),
        ("sesv2", "list_email_identities", {}),
        ("athena", "list_work_groups", {}),
    ],
)
def test_what_no_table_knows_is_told(service: str, operation: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(Unknown, match=r"is not in local/iam/requests\.py: add"):
        needs_of(request_of(service, operation, parameters))


def test_a_malformed_body_names_no_resource() -> None:
    environ = request_of("dynamodb", "get_item", {"TableName": "Seen"}) | {"wsgi.input": io.BytesIO(b"[{")}

    assert needs_of(environ) == [("dynamodb:GetItem", "*")]


def test_a_missing_object_is_told_of_by_who_may_list_the_bucket() -> None:
    assert s3.listing_of(request_of("s3", "get_object", OBJECT)) == Need("s3:ListBucket", ("arn:aws:s3:::tapes",))
    assert s3.listing_of(request_of("s3", "put_object", OBJECT)) is None
    assert s3.listing_of(request_of("s3", "head_bucket", {"Bucket": "tapes"})) is None


def test_a_function_in_a_tests_process_has_the_rights_of_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN tables, queues and secrets of a test, under names of its own
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("LIVE_TABLE", "live")
    monkeypatch.setenv("DISPATCH_QUEUE_URL", "http://127.0.0.1/123456789012/dispatch")
    monkeypatch.setenv("RECORDINGS_BUCKET", "tapes")
    monkeypatch.setenv(
        "WORKFLOW_ARNS", f'{{"RefreshHospitals": "arn:aws:states:{HERE}:stateMachine:RefreshHospitals"}}'
    )
    rights = Rights()
    read = sent("dynamodb", "get_item", {"TableName": "live", "Key": {"task_id": {"S": "a"}}})
    start = {"stateMachineArn": f"arn:aws:states:{HERE}:stateMachine:RefreshHospitals"}
    stop = {"executionArn": f"arn:aws:states:{HERE}:execution:RefreshHospitals:7-1"}
    send = {"QueueUrl": "http://127.0.0.1/123456789012/dispatch", "MessageBody": "a"}

    # THEN they stand for the template's
    assert rights.refusal("tasks.read_task", read) is None
    assert rights.refusal("tasks.dispatch_tasks", sent("stepfunctions", "start_execution", start)) is None
    assert rights.refusal("tasks.serve_tasks", sent("stepfunctions", "stop_execution", stop)) is None
    assert rights.refusal("tasks.serve_tasks", sent("sqs", "send_message", send)) is None
    assert rights.refusal("calls.fetch_recordings", sent("s3", "get_object", OBJECT)) is None
    # AND what the template's roles do not allow is refused
    assert "Resource: !GetAtt LiveTable.Arn" in str(rights.refusal("docs.serve_docs", read))
    for operation, parameters in (("start_execution", start), ("stop_execution", stop)):
        assert "Add to" in str(rights.refusal("docs.serve_docs", sent("stepfunctions", operation, parameters)))
    assert "Resource: !GetAtt DispatchQueue.Arn" in str(
        rights.refusal("docs.serve_docs", sent("sqs", "send_message", send))
    )
    assert 'Resource: !Sub "${RecordingsBucket.Arn}/*"' in str(
        rights.refusal("docs.serve_docs", sent("s3", "get_object", OBJECT))
    )
