"""What a caller of calls may be told beside the kernel's errors."""

from longhaul.errors import Conflict


class WrongKind(Conflict):
    """The task is no call campaign."""

    code = "wrong_kind"


class CampaignClosed(Conflict):
    """The campaign takes no more leads."""

    code = "campaign_closed"
