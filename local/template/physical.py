"""The names and ARNs that the template's resources have on this machine, known before they are made."""

import re
from collections.abc import Mapping
from typing import Any

from local.template.intrinsics import PSEUDO_PARAMETERS
from local.template.model import ACCOUNT, REGION, STACK_NAME

# What moto makes, with these properties. The rest has no use here: networks, alarms, keys, policies.
MADE = {
    "AWS::Lambda::Function": "FunctionName Code Handler Role Runtime MemorySize Timeout Environment",
    "AWS::IAM::Role": "RoleName AssumeRolePolicyDocument",
    "AWS::StepFunctions::StateMachine": "StateMachineName DefinitionString RoleArn",
    "AWS::SQS::Queue": "QueueName VisibilityTimeout RedrivePolicy FifoQueue ContentBasedDeduplication DelaySeconds"
    " MessageRetentionPeriod MaximumMessageSize ReceiveMessageWaitTimeSeconds",
    "AWS::DynamoDB::Table": "TableName KeySchema AttributeDefinitions BillingMode ProvisionedThroughput"
    " GlobalSecondaryIndexes LocalSecondaryIndexes TimeToLiveSpecification",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
}

NAMES = {
    "AWS::Lambda::Function": "FunctionName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::Role": "RoleName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
}

_ARNS = {
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{}}",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
    "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{}}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{}}",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{{}}",
}
_BY_ARN = {"AWS::StepFunctions::StateMachine", "AWS::SNS::Topic", "AWS::SecretsManager::Secret"}  # their Ref is the ARN
_NAMED = {**NAMES, "AWS::Logs::LogGroup": "LogGroupName"}
_PLACEHOLDER = re.compile(r"\$\{([\w.:]+)\}")


def name_of(logical: str, resource: Mapping[str, Any]) -> str:
    """Return a resource's name: the same at every start, so that logs and ARNs are comparable. A role has always ours,
    which tells its logical id."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    name = properties.get(_NAMED.get(kind, ""))
    if isinstance(name, str) and kind != "AWS::IAM::Role":
        return name
    made = f"{STACK_NAME}-{logical}" if kind in _NAMED else logical
    if kind == "AWS::S3::Bucket":
        return made.lower()
    return f"{made}.fifo" if properties.get("FifoQueue") else made


class Physical:
    """What Ref and GetAtt of the template's resources are on this machine."""

    def __init__(self, translated: Mapping[str, Any]) -> None:
        self._resources = translated

    def arn(self, logical: str) -> str:
        resource = self._resources[logical]
        form = (
            _ARNS.get(resource["Type"]) or f"arn:aws:{resource['Type'].split('::')[1].lower()}:{REGION}:{ACCOUNT}:{{}}"
        )
        return form.format(name_of(logical, resource))

    def names(self) -> dict[str, str]:
        """Return what names each ARN in the template."""
        return {
            self.arn(logical): f"!Ref {logical}" if resource["Type"] in _BY_ARN else f"!GetAtt {logical}.Arn"
            for logical, resource in self._resources.items()
            if resource["Type"] in _ARNS
        }

    def resolve(self, node: Any) -> Any:
        """Return `node` with CloudFormation's functions of resources resolved."""
        if isinstance(node, list):
            return [self.resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(key, argument)] = node.items()
            if key == "Ref":
                return self._ref(argument)
            if key == "Fn::GetAtt":
                return self._attribute(*(argument.split(".", 1) if isinstance(argument, str) else argument))
            if key == "Fn::Join":
                return argument[0].join(str(part) for part in self.resolve(argument[1]))
            if key == "Fn::Sub":
                return self._sub(argument)
        return {key: self.resolve(value) for key, value in node.items()}

    def _ref(self, name: str) -> str:
        if name not in self._resources:
            return name
        resource = self._resources[name]
        return self.arn(name) if resource["Type"] in _BY_ARN else name_of(name, resource)

    def _attribute(self, name: str, attribute: str) -> str:
        if name not in self._resources:
            return f"{name}.{attribute}"
        return self.arn(name) if attribute.endswith("Arn") else name_of(name, self._resources[name])

    def _sub(self, argument: str | list[Any]) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        variables = self.resolve(given)

        def value(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            if match[1] in variables:
                return str(variables[match[1]])
            if match[1] in PSEUDO_PARAMETERS:
                return PSEUDO_PARAMETERS[match[1]]
            return self._attribute(name, attribute) if attribute else self._ref(name)

        return _PLACEHOLDER.sub(value, text)
