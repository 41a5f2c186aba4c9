"""AWS on this machine: `python -m local.aws` serves moto, changed where it differs from AWS.

server          moto in a process of its own, its Lambda and its execution events sent to the stack
http            moto's application on connections that are kept
functions       invocations, sent to the stack
interpreter     its interpreter of state machines, quickened
executions      definitions parsed once, executions forgotten
unread          what it reads for nobody
quotas          the sizes that AWS refuses
mailbox         the mails that SES takes, as files
event_sources   SQS event sources: messages carried to functions, as by Lambda's pollers
eventbridge     schedules and event rules
"""

import sys
from typing import Any


def replace(owner: object, name: str, value: Any) -> Any:
    """Replace an attribute of one of moto's classes or modules; return what was there."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before


def replace_everywhere(owner: object, name: str, value: Any) -> Any:
    """Replace an attribute in its module and in every module that has imported it by name; return what was there."""
    before = getattr(owner, name)
    for module in list(sys.modules.values()):
        if getattr(module, name, None) is before:
            setattr(module, name, value)
    return before
