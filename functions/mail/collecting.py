"""What recipients are to be told, collected from notices: a row of each end and each alert for whoever wants it."""

from collections import defaultdict
from collections.abc import Iterable

from longhaul import database
from longhaul.database import Session
from longhaul.tasks.notices import Delivery, Notice
from mail import store
from mail.model import News, is_news
from mail.recipients import wake


def collect(deliveries: Iterable[Delivery]) -> int:
    """Keep what is new in these notices for each recipient, and have what is due sent. How many rows were added.

    A notice that comes again adds nothing. Raises DatabaseUnavailable.
    """
    ended: dict[str, list[Notice]] = defaultdict(list)
    for delivery in deliveries:
        for addressed in delivery.notices:
            if is_news(addressed.notice):
                ended[addressed.tenant_id].append(addressed.notice)
    return sum(_collect(tenant_id, notices) for tenant_id, notices in ended.items())


def _collect(tenant_id: str, notices: list[Notice]) -> int:
    def write(tx: Session) -> tuple[int, list[str]]:
        wanted = [
            (recipient.recipient_id, notice.id, News.of(notice))
            for recipient in store.lock_recipients(tx, tenant_id)
            for notice in notices
            if recipient.wants(notice)
        ]
        told = sorted({recipient_id for recipient_id, _, _ in wanted})
        if not told:
            return 0, []
        added = store.insert_news(tx, wanted)
        store.set_due(tx, told)
        return added, store.list_due_of(tx, told)

    added, due = database.run_transaction(write)
    wake(due)
    return added
