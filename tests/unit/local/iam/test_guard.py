"""The guard before a moto server: what boto3 raises, what passes, and what is noted of it."""

import asyncio
import io
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.aws.event_sources import QueueError, Queues
from local.iam import credentials, policies
from local.iam.guard import POLICIES, REFUSED, USED, Guard, used
from local.iam.policies import Grant, Policies, Role, Statement

HERE = "us-east-1:123456789012"
TABLE = f"arn:aws:dynamodb:{HERE}:table/longhaul-Seen"
QUEUE = f"arn:aws:sqs:{HERE}:longhaul-Orders"
MACHINE = f"arn:aws:states:{HERE}:stateMachine:longhaul-Flow"
FUNCTION = f"arn:aws:lambda:{HERE}:function:longhaul-Note"
BUCKET = "arn:aws:s3:::tapes"
NAMES = {
    TABLE: "!GetAtt Seen.Arn",
    QUEUE: "!GetAtt Orders.Arn",
    MACHINE: "!Ref Flow",
    FUNCTION: "!GetAtt Note.Arn",
    BUCKET: "!GetAtt Tapes.Arn",
}
UNLIMITED = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local"}


class Guarded(NamedTuple):
    """A guarded server; `folder` has the guard's files."""

    url: str
    folder: Path

    def client(self, service: str, keys: Mapping[str, str]) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
        )

    def used(self) -> set[Grant]:
        return used(self.folder / USED) if (self.folder / USED).exists() else set()

    def refused(self) -> list[str]:
        return (self.folder / REFUSED).read_text(encoding="utf-8").splitlines()


def allowing(role: str, *statements: tuple[str, str]) -> tuple[str, Role]:
    return role, Role(role, role.removesuffix("Role"), tuple(Statement((a,), (r,)) for a, r in statements))


ROLES = dict(
    [
        allowing("PackRole"),
        allowing(
            "ServeRole",
            ("dynamodb:PutItem", TABLE),
            ("sqs:SendMessage", QUEUE),
            ("sqs:ReceiveMessage", QUEUE),
            ("s3:GetObject", f"{BUCKET}/*"),
            ("s3:PutObject", f"{BUCKET}/kept/*"),
        ),
        allowing("ListRole", ("s3:GetObject", f"{BUCKET}/*"), ("s3:ListBucket", BUCKET)),
        ("DenyRole", Role("DenyRole", "Deny", (Statement(("*",), ("*",)), Statement(("sqs:*",), (QUEUE,), deny=True)))),
    ]
)


class Served:
    """A moto server; the guard before it is another for each test."""

    def __init__(self) -> None:
        self.guard: Guard | None = None
        application = DomainDispatcherApplication(create_backend_app)

        def guarded(environ: dict[str, Any], start: Any) -> Any:
            return self.guard(application, environ, start) if self.guard else application(environ, start)

        self.server = make_server("127.0.0.1", 0, guarded, threaded=True, request_handler=MotoRequestHandler)
        self.url = f"http://127.0.0.1:{self.server.port}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """AWS with a table, a queue and a bucket."""
    served = Served()
    serving = threading.Thread(target=served.server.serve_forever)
    serving.start()
    unlimited = Guarded(served.url, tmp_path_factory.mktemp("iam"))
    _make(unlimited)
    yield served
    served.guard = None
    _remove(unlimited)  # what moto holds is the process's, and other tests have theirs there
    served.server.shutdown()
    serving.join()
    served.server.server_close()


@pytest.fixture
def aws(served: Served, tmp_path: Path) -> Guarded:
    policies.write(Policies(ROLES, NAMES, (MACHINE,)), tmp_path / POLICIES)
    served.guard = Guard(tmp_path)
    return Guarded(served.url, tmp_path)


def _make(aws: Guarded) -> None:
    aws.client("dynamodb", UNLIMITED).create_table(
        TableName="longhaul-Seen",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.client("sqs", UNLIMITED).create_queue(QueueName="longhaul-Orders")
    s3 = aws.client("s3", UNLIMITED)
    s3.create_bucket(Bucket="tapes")
    s3.put_object(Bucket="tapes", Key="a.mp3", Body=b"music")


def _remove(aws: Guarded) -> None:
    aws.client("dynamodb", UNLIMITED).delete_table(TableName="longhaul-Seen")
    sqs, s3 = aws.client("sqs", UNLIMITED), aws.client("s3", UNLIMITED)
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="longhaul-Orders")["QueueUrl"])
    for held in s3.list_objects_v2(Bucket="tapes").get("Contents", []):
        s3.delete_object(Bucket="tapes", Key=held["Key"])
    s3.delete_bucket(Bucket="tapes")


def refusal(call: Any, **parameters: Any) -> tuple[str, int, str]:
    """Code, status and message of the error that boto3 raises."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Message", "")


QUEUE_URL = "http://127.0.0.1/123456789012/longhaul-Orders"
REFUSALS: list[tuple[str, str, dict[str, Any], str, int, str]] = [
    (
        "dynamodb",
        "get_item",
        {"TableName": "longhaul-Seen", "Key": {"id": {"S": "a"}}},
        "AccessDeniedException",
        400,
        f"dynamodb:GetItem on resource: {TABLE} because no identity-based policy allows the dynamodb:GetItem action. "
        "Add to `statements` of Pack in its deployment.yaml, then `make template`: "
        "- {Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Seen.Arn}",
    ),
    (
        "sqs",
        "send_message",
        {"QueueUrl": QUEUE_URL, "MessageBody": "a"},
        "AccessDenied",
        403,
        "- {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Orders.Arn}",
    ),
    (
        "stepfunctions",
        "stop_execution",
        {"executionArn": MACHINE.replace("stateMachine", "execution") + ":7-1-abc"},
        "AccessDeniedException",
        400,
        '- {Effect: Allow, Action: states:StopExecution, Resource: !Sub "arn:${AWS::Partition}:states:${AWS::Region}:'
        '${AWS::AccountId}:execution:${Flow.Name}:*"}',
    ),
    (
        "secretsmanager",
        "get_secret_value",
        {"SecretId": f"arn:aws:secretsmanager:{HERE}:secret:other-AbCdEf"},
        "AccessDeniedException",
        400,
        f'Action: secretsmanager:GetSecretValue, Resource: "arn:aws:secretsmanager:{HERE}:secret:other-AbCdEf"',
    ),
    ("s3", "get_object", {"Bucket": "tapes", "Key": "a.mp3"}, "AccessDenied", 403, 'Resource: !Sub "${Tapes.Arn}/*"}'),
    ("s3", "head_object", {"Bucket": "tapes", "Key": "a.mp3"}, "403", 403, ""),
    (
        "s3",
        "put_object",
        {"Bucket": "tapes", "Key": "b.mp3", "Body": b"a" * 100_000},
        "AccessDenied",
        403,
        "- {Effect: Allow, Action: s3:PutObject",
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": "longhaul-Note", "Payload": b"{}"},
        "AccessDeniedException",
        403,
        "- {Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt Note.Arn}",
    ),
    (
        "sns",
        "publish",
        {"TopicArn": f"arn:aws:sns:{HERE}:Alarms", "Message": "a"},
        "AuthorizationError",
        403,
        "- {Effect: Allow, Action: sns:Publish",
    ),
    (
        "sesv2",
        "send_email",
        {"FromEmailAddress": "a@example.org", "Content": {}},
        "AccessDeniedException",
        403,
        "- {Effect: Allow, Action: ses:SendEmail",
    ),
    (
        "apigatewaymanagementapi",
        "post_to_connection",
        {"ConnectionId": "c", "Data": b"a"},
        "AccessDeniedException",
        403,
        "- {Effect: Allow, Action: execute-api:ManageConnections",
    ),
    (
        "cloudwatch",
        "put_metric_data",
        {"Namespace": "Longhaul", "MetricData": []},
        "AccessDenied",
        403,
        '- {Effect: Allow, Action: cloudwatch:PutMetricData, Resource: "*"}',
    ),
    ("kms", "decrypt", {"KeyId": "k", "CiphertextBlob": b"a"}, "AccessDeniedException", 400, "kms:Decrypt on resource"),
    ("athena", "list_work_groups", {}, "AccessDeniedException", 400, "athena is not in local/iam/requests.py"),
]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "status", "words"),
    [pytest.param(*case, id=f"{case[0]}.{case[1]}") for case in REFUSALS],
)
def test_what_a_role_may_not_is_refused_as_aws_does_it(
    aws: Guarded, service: str, operation: str, parameters: dict[str, Any], code: str, status: int, words: str
) -> None:
    # GIVEN a function whose role allows nothing
    client = aws.client(service, credentials.of_role("PackRole"))

    # WHEN it calls AWS
    found = refusal(getattr(client, operation), **parameters)

    # THEN boto3 raises what it raises in the cloud, and the message says what to add
    assert found[:2] == (code, status)
    assert words in found[2]
    # AND that is noted, once however often it happens
    refusal(getattr(client, operation), **parameters)
    assert len(aws.refused()) == 1
    assert words in aws.refused()[0]
    assert aws.used() == set()


def test_what_a_role_may_passes_and_is_noted(aws: Guarded) -> None:
    # GIVEN a function that may put an item, send to a queue, and keep files under one prefix
    keys = credentials.of_role("ServeRole")

    # WHEN it does so, with bodies that the guard has read too
    aws.client("dynamodb", keys).put_item(TableName="longhaul-Seen", Item={"id": {"S": "a"}})
    aws.client("sqs", keys).send_message(QueueUrl=QUEUE_URL, MessageBody="hello")
    s3 = aws.client("s3", keys)
    s3.put_object(Bucket="tapes", Key="kept/b.mp3", Body=b"b" * 100_000)

    # THEN it is done
    unlimited = aws.client("dynamodb", UNLIMITED)
    assert unlimited.get_item(TableName="longhaul-Seen", Key={"id": {"S": "a"}})["Item"] == {"id": {"S": "a"}}
    assert aws.client("sqs", UNLIMITED).receive_message(QueueUrl=QUEUE_URL)["Messages"][0]["Body"] == "hello"
    assert s3.get_object(Bucket="tapes", Key="kept/b.mp3")["Body"].read() == b"b" * 100_000
    # AND each grant is noted once, as its statement has it
    assert aws.used() == {
        Grant("ServeRole", "dynamodb:PutItem", TABLE),
        Grant("ServeRole", "sqs:SendMessage", QUEUE),
        Grant("ServeRole", "s3:PutObject", f"{BUCKET}/kept/*"),
        Grant("ServeRole", "s3:GetObject", f"{BUCKET}/*"),
    }
    assert len((aws.folder / USED).read_text().splitlines()) == 4
    # AND what it may do there it may not do elsewhere
    assert refusal(s3.put_object, Bucket="tapes", Key="b.mp3", Body=b"b")[0] == "AccessDenied"


def test_an_explicit_deny_says_so(aws: Guarded) -> None:
    client = aws.client("sqs", credentials.of_role("DenyRole"))

    code, _, message = refusal(client.send_message, QueueUrl=QUEUE_URL, MessageBody="a")

    assert code == "AccessDenied"
    assert message.endswith("with an explicit deny in an identity-based policy of Deny.")


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code"),
    [
        ("dynamodb", "list_tables", {}, "UnrecognizedClientException"),
        ("sqs", "list_queues", {}, "InvalidClientTokenId"),
        ("s3", "list_buckets", {}, "InvalidAccessKeyId"),
        ("sns", "list_topics", {}, "InvalidClientTokenId"),
        ("lambda", "list_functions", {}, "UnrecognizedClientException"),
    ],
)
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(credentials.of_role("NobodyRole"), id="of a role that is not there"),
        pytest.param({**credentials.of_role("DenyRole"), "AWS_SESSION_TOKEN": "stale"}, id="with another token"),
        pytest.param({**credentials.of_role("DenyRole"), "AWS_SESSION_TOKEN": None}, id="without its token"),
    ],
)
def test_keys_that_claim_to_be_a_functions_are_refused(
    aws: Guarded, keys: dict[str, str], service: str, operation: str, parameters: dict[str, Any], code: str
) -> None:
    found = refusal(getattr(aws.client(service, keys), operation), **parameters)

    assert found[0] == code


def test_a_presigned_link_is_its_signers(aws: Guarded) -> None:
    def status_of(keys: Mapping[str, str], key: str) -> int:
        link = aws.client("s3", keys).generate_presigned_url("get_object", Params={"Bucket": "tapes", "Key": key})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(link) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert status_of(credentials.of_role("ServeRole"), "a.mp3") == 200
    assert status_of(credentials.of_role("PackRole"), "a.mp3") == 403
    assert status_of({**credentials.of_role("ServeRole"), "AWS_SESSION_TOKEN": "stale"}, "a.mp3") == 403


def test_only_who_may_list_a_bucket_is_told_that_an_object_is_missing(aws: Guarded) -> None:
    # GIVEN two roles that may read each object, one of which may list the bucket
    lister, other = (aws.client("s3", credentials.of_role(role)) for role in ("ListRole", "ServeRole"))

    # THEN a missing object is missing for one, and denied to the other
    assert refusal(lister.get_object, Bucket="tapes", Key="gone")[0] == "NoSuchKey"
    assert refusal(lister.head_object, Bucket="tapes", Key="gone")[:2] == ("404", 404)
    code, _, message = refusal(other.get_object, Bucket="tapes", Key="gone")
    assert (code, "- {Effect: Allow, Action: s3:ListBucket, Resource: !GetAtt Tapes.Arn}" in message) == (
        "AccessDenied",
        True,
    )
    assert refusal(other.head_object, Bucket="tapes", Key="gone")[:2] == ("403", 403)
    assert Grant("ListRole", "s3:ListBucket", BUCKET) in aws.used()
    # AND one that is there is there for both
    assert lister.head_object(Bucket="tapes", Key="a.mp3")["ContentLength"] == 5
    assert other.get_object(Bucket="tapes", Key="a.mp3")["Body"].read() == b"music"


def test_a_poller_has_the_role_of_its_function(aws: Guarded) -> None:
    # GIVEN a message, and pollers of a function that may receive it and of one that may not
    aws.client("sqs", UNLIMITED).send_message(QueueUrl=QUEUE_URL, MessageBody="hello")

    async def poll() -> None:
        async with aiohttp.ClientSession() as session:
            allowed, barred = (Queues(aws.url, session, role) for role in ("ServeRole", "PackRole"))

            # THEN one is refused, by the name of the function
            with pytest.raises(QueueError, match=r"ReceiveMessage: 403 User: .*/Pack is not authorized"):
                await barred.receive(QUEUE_URL, 1, wait=0)
            # AND the other receives it, but may not delete it
            messages = await allowed.receive(QUEUE_URL, 1, wait=0)
            assert [message["Body"] for message in messages] == ["hello"]
            with pytest.raises(QueueError, match="Action: sqs:DeleteMessage"):
                await allowed.delete(QUEUE_URL, messages)

    asyncio.run(poll())


def test_nothing_is_allowed_before_the_policies_are_there(tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    environ = {
        "REQUEST_METHOD": "POST",
        "HTTP_X_AMZ_TARGET": "AmazonSQS.ListQueues",
        **{
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in credentials.headers_of_role("ServeRole", "sqs").items()
        },
    }
    statuses: list[str] = []

    body = guard(lambda *_: [b"reached"], environ, lambda status, _headers: statuses.append(status))

    assert statuses == ["403 FORBIDDEN"]
    assert b"security token" in b"".join(body)


def test_a_request_whose_sender_died_asks_for_nothing(tmp_path: Path) -> None:
    # GIVEN half a request, of a role that may do nothing of what the whole would say
    policies.write(Policies(ROLES, NAMES, (MACHINE,)), tmp_path / POLICIES)
    environ = {
        "REQUEST_METHOD": "POST",
        "HTTP_X_AMZ_TARGET": "secretsmanager.GetSecretValue",
        "CONTENT_LENGTH": "100",
        "wsgi.input": io.BytesIO(b'{"SecretId": "arn:a'),
        **{
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in credentials.headers_of_role("ServeRole", "secretsmanager").items()
        },
    }
    statuses: list[str] = []

    Guard(tmp_path)(lambda *_: [b"reached"], environ, lambda status, _headers: statuses.append(status))

    # THEN nobody is told of a missing right
    assert statuses == ["400 Bad Request"]
    assert not (tmp_path / "refused").exists()
