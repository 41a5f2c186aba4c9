-- Every statement of webhooks and their deliveries. Times are the database's: what is due, for how long a lease holds, for
-- how long a former secret signs.

-- ---------------------------------------------------------------- tenants

-- name: insert_tenant!
-- Nothing happens to one that is there.
INSERT INTO webhook_tenants (tenant_id, secret) VALUES (:tenant_id, :secret)
ON DUPLICATE KEY UPDATE secret = secret;

-- name: lock_tenant^
-- What changes who listens, and what takes a place of the tenant's tries, does so one after the other.
SELECT secret, former_secret, former_until FROM webhook_tenants WHERE tenant_id = :tenant_id FOR UPDATE;

-- name: fetch_tenant^
SELECT secret, former_secret, former_until FROM webhook_tenants WHERE tenant_id = :tenant_id;

-- name: rotate_tenant!
UPDATE webhook_tenants
SET former_secret = secret, former_until = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6)), secret = :secret
WHERE tenant_id = :tenant_id;

-- ---------------------------------------------------------------- webhooks

-- name: insert_webhook!
INSERT INTO webhooks (webhook_id, tenant_id, url, title, events, kinds, secret, created_at, updated_at)
VALUES (:webhook_id, :tenant_id, :url, :title, :events, :kinds, :secret, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6));

-- name: fetch_webhook^
SELECT * FROM webhooks WHERE webhook_id = :webhook_id AND tenant_id = :tenant_id;

-- name: lock_webhook^
SELECT * FROM webhooks WHERE webhook_id = :webhook_id AND tenant_id = :tenant_id FOR UPDATE;

-- name: list_webhooks
-- A tenant's endpoints, the oldest first; callbacks are not among them.
SELECT * FROM webhooks
WHERE tenant_id = :tenant_id AND task_callback = 0
  AND created_at >= :after_created_at AND (created_at > :after_created_at OR webhook_id > :after_webhook_id)
ORDER BY created_at, webhook_id
LIMIT :limit;

-- name: count_webhooks^
-- A tenant's endpoints, and those of them that are told of notices.
SELECT COUNT(*) AS number, COALESCE(SUM(disabled_at IS NULL), 0) AS active
FROM webhooks
WHERE tenant_id = :tenant_id AND task_callback = 0;

-- name: change_webhook!
-- What was wrong with it is forgotten when it is `renewed`: at another address, or enabled again.
UPDATE webhooks
SET url = :url, title = :title, events = :events, kinds = :kinds, paused = :paused,
    works = IF(:renewed, NULL, works),
    failures = IF(:renewed, 0, failures),
    failing_since = IF(:renewed, NULL, failing_since),
    next_attempt_at = IF(:renewed, NULL, next_attempt_at),
    disabled_at = IF(:renewed, NULL, disabled_at),
    disabled_reason = IF(:renewed, NULL, disabled_reason),
    updated_at = UTC_TIMESTAMP(6)
WHERE webhook_id = :webhook_id AND tenant_id = :tenant_id;

-- name: condemn_webhook!
-- Nobody's any more: nobody reads it, nothing is posted to it, and the sweep deletes it with its deliveries.
UPDATE webhooks SET tenant_id = '', secret = NULL, former_secret = NULL, disabled_at = UTC_TIMESTAMP(6)
WHERE webhook_id = :webhook_id AND tenant_id = :tenant_id;

-- name: rotate_webhook!
UPDATE webhooks
SET former_secret = secret, former_until = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6)), secret = :secret,
    updated_at = UTC_TIMESTAMP(6)
WHERE webhook_id = :webhook_id AND tenant_id = :tenant_id;

-- name: heed_webhook!
-- A person wants it tried now: it is not left alone any longer.
UPDATE webhooks SET next_attempt_at = NULL WHERE webhook_id = :webhook_id AND tenant_id = :tenant_id;

-- ---------------------------------------------------------------- recording

-- name: list_callbacks
SELECT task_id, tenant_id, callbacks, created_at FROM tasks WHERE task_id IN :task_ids AND callbacks IS NOT NULL;

-- name: record_deliveries!
-- [{tenant_id, task_id, notice_id, event, kind, body}, ...]: one delivery of each notice for each endpoint of its tenant that
-- wants it. One that is there already, by the unique key, stays as it is.
INSERT INTO webhook_deliveries (
    delivery_id, webhook_id, tenant_id, task_id, notice_id, event, body, status, next_attempt_at, created_at
)
SELECT
    CONCAT('msg_', MD5(CONCAT(:salt, webhooks.webhook_id, seen.notice_id))), webhooks.webhook_id, webhooks.tenant_id,
    tasks.task_id, seen.notice_id, seen.event, seen.body, 'PENDING', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    task_id VARCHAR(96) PATH '$.task_id',
    notice_id VARCHAR(64) PATH '$.notice_id',
    event VARCHAR(64) PATH '$.event',
    kind VARCHAR(64) PATH '$.kind',
    body LONGTEXT PATH '$.body'
)) AS seen
JOIN tasks ON tasks.task_id = seen.task_id
JOIN webhooks ON webhooks.tenant_id = tasks.tenant_id AND webhooks.task_callback = 0
WHERE webhooks.disabled_at IS NULL
  AND (webhooks.events IS NULL OR FIND_IN_SET(seen.event, webhooks.events) > 0)
  AND (webhooks.kinds IS NULL OR FIND_IN_SET(seen.kind, webhooks.kinds) > 0)
ON DUPLICATE KEY UPDATE status = webhook_deliveries.status;

-- name: record_alerts!
-- [{tenant_id, notice_id, event, kind, body}, ...]: the same of alerts. One of no kind is wanted where all kinds are.
INSERT INTO webhook_deliveries (
    delivery_id, webhook_id, tenant_id, notice_id, event, body, status, next_attempt_at, created_at
)
SELECT
    CONCAT('msg_', MD5(CONCAT(:salt, webhooks.webhook_id, seen.notice_id))), webhooks.webhook_id, webhooks.tenant_id,
    seen.notice_id, seen.event, seen.body, 'PENDING', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    tenant_id VARCHAR(64) PATH '$.tenant_id',
    notice_id VARCHAR(64) PATH '$.notice_id',
    event VARCHAR(64) PATH '$.event',
    kind VARCHAR(64) PATH '$.kind',
    body LONGTEXT PATH '$.body'
)) AS seen
JOIN webhooks ON webhooks.tenant_id = CAST(seen.tenant_id AS BINARY) AND webhooks.task_callback = 0
WHERE webhooks.disabled_at IS NULL
  AND (webhooks.events IS NULL OR FIND_IN_SET(seen.event, webhooks.events) > 0)
  AND (webhooks.kinds IS NULL OR FIND_IN_SET(seen.kind, webhooks.kinds) > 0)
ON DUPLICATE KEY UPDATE status = webhook_deliveries.status;

-- name: insert_callbacks!
-- [{webhook_id, tenant_id, url, created_at}, ...]: the addresses of tasks' callbacks. One that was disabled is enabled by a
-- task that was submitted later.
INSERT INTO webhooks (webhook_id, tenant_id, task_callback, url, created_at, updated_at)
SELECT given.webhook_id, given.tenant_id, 1, given.url, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    webhook_id VARCHAR(40) PATH '$.webhook_id',
    tenant_id VARCHAR(64) PATH '$.tenant_id',
    url VARCHAR(1000) PATH '$.url',
    created_at DATETIME(6) PATH '$.created_at'
)) AS given
ON DUPLICATE KEY UPDATE
    updated_at = VALUES(updated_at),
    works = IF(webhooks.disabled_at < given.created_at, NULL, webhooks.works),
    failures = IF(webhooks.disabled_at < given.created_at, 0, webhooks.failures),
    failing_since = IF(webhooks.disabled_at < given.created_at, NULL, webhooks.failing_since),
    next_attempt_at = IF(webhooks.disabled_at < given.created_at, NULL, webhooks.next_attempt_at),
    disabled_reason = IF(webhooks.disabled_at < given.created_at, NULL, webhooks.disabled_reason),
    disabled_at = IF(webhooks.disabled_at < given.created_at, NULL, webhooks.disabled_at);

-- name: record_callbacks!
-- [{webhook_id, task_id, notice_id, event, body}, ...]: the same for callbacks, whose notices were chosen already.
INSERT INTO webhook_deliveries (
    delivery_id, webhook_id, tenant_id, task_id, notice_id, event, body, status, next_attempt_at, created_at
)
SELECT
    CONCAT('msg_', MD5(CONCAT(:salt, webhooks.webhook_id, seen.notice_id))), webhooks.webhook_id, webhooks.tenant_id,
    tasks.task_id, seen.notice_id, seen.event, seen.body, 'PENDING', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    webhook_id VARCHAR(40) PATH '$.webhook_id',
    task_id VARCHAR(96) PATH '$.task_id',
    notice_id VARCHAR(64) PATH '$.notice_id',
    event VARCHAR(64) PATH '$.event',
    body LONGTEXT PATH '$.body'
)) AS seen
JOIN tasks ON tasks.task_id = seen.task_id
JOIN webhooks ON webhooks.webhook_id = seen.webhook_id AND webhooks.tenant_id = tasks.tenant_id
WHERE webhooks.disabled_at IS NULL
ON DUPLICATE KEY UPDATE status = webhook_deliveries.status;

-- name: list_recorded
-- Those of these notices that are due, with whose they are; one of a webhook that rests or is paused waits for the sweep.
-- A new one is due as it is made: the clock of an engine may go back by milliseconds from one statement to the next.
SELECT webhook_deliveries.delivery_id, webhook_deliveries.tenant_id
FROM webhook_deliveries
JOIN webhooks ON webhooks.webhook_id = webhook_deliveries.webhook_id
WHERE webhook_deliveries.task_id IN :task_ids
  AND webhook_deliveries.notice_id IN :notice_ids
  AND webhook_deliveries.status = 'PENDING'
  AND webhook_deliveries.next_attempt_at <= GREATEST(UTC_TIMESTAMP(6), webhook_deliveries.created_at)
  AND webhooks.disabled_at IS NULL AND webhooks.paused = 0
  AND (webhooks.next_attempt_at IS NULL OR webhooks.next_attempt_at <= UTC_TIMESTAMP(6));

-- name: list_recorded_alerts
SELECT webhook_deliveries.delivery_id, webhook_deliveries.tenant_id
FROM webhooks
JOIN webhook_deliveries
    ON webhook_deliveries.webhook_id = webhooks.webhook_id AND webhook_deliveries.notice_id IN :notice_ids
WHERE webhooks.tenant_id IN :tenant_ids
  AND webhook_deliveries.status = 'PENDING'
  AND webhook_deliveries.next_attempt_at <= GREATEST(UTC_TIMESTAMP(6), webhook_deliveries.created_at)
  AND webhooks.disabled_at IS NULL AND webhooks.paused = 0
  AND (webhooks.next_attempt_at IS NULL OR webhooks.next_attempt_at <= UTC_TIMESTAMP(6));

-- name: insert_delivery!
INSERT INTO webhook_deliveries (
    delivery_id, webhook_id, tenant_id, notice_id, event, body, status, next_attempt_at, created_at
)
VALUES (
    :delivery_id, :webhook_id, :tenant_id, :notice_id, :event, :body, 'PENDING', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
);

-- ---------------------------------------------------------------- tries

-- name: fetch_due^
-- The delivery with its webhook, if it is due, with what is under way: of its webhook, of its tenant, and of all webhooks that
-- are not known to work.
SELECT
    webhook_deliveries.delivery_id, webhook_deliveries.body, webhook_deliveries.tries, webhooks.*,
    UTC_TIMESTAMP(6) AS now,
    (SELECT COUNT(*) FROM webhook_deliveries AS own
    WHERE own.leased_until > UTC_TIMESTAMP(6) AND own.webhook_id = webhooks.webhook_id) AS of_webhook,
    (SELECT COUNT(*) FROM webhook_deliveries AS others
    WHERE others.leased_until > UTC_TIMESTAMP(6) AND others.tenant_id = webhook_deliveries.tenant_id) AS of_tenant,
    (SELECT COUNT(*) FROM webhook_deliveries AS doubtful
    JOIN webhooks AS hanging ON hanging.webhook_id = doubtful.webhook_id
    WHERE doubtful.leased_until > UTC_TIMESTAMP(6) AND COALESCE(hanging.works, 0) = 0) AS of_doubtful
FROM webhook_deliveries
JOIN webhooks ON webhooks.webhook_id = webhook_deliveries.webhook_id
WHERE webhook_deliveries.delivery_id = :delivery_id AND webhook_deliveries.tenant_id = :tenant_id
  AND webhook_deliveries.status = 'PENDING'
  AND webhook_deliveries.next_attempt_at <= GREATEST(UTC_TIMESTAMP(6), webhook_deliveries.created_at)
  AND webhooks.disabled_at IS NULL AND webhooks.paused = 0
  AND (webhooks.next_attempt_at IS NULL OR webhooks.next_attempt_at <= UTC_TIMESTAMP(6));

-- name: lease_delivery!
UPDATE webhook_deliveries
SET tries = tries + 1,
    attempted_at = UTC_TIMESTAMP(6),
    leased_until = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6)),
    next_attempt_at = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6))
WHERE delivery_id = :delivery_id AND status = 'PENDING'
  AND next_attempt_at <= GREATEST(UTC_TIMESTAMP(6), created_at);

-- name: note_success!
-- Also of a try whose lease had ended: the receiver has it.
UPDATE webhook_deliveries
SET status = 'SUCCEEDED', next_attempt_at = NULL, leased_until = NULL, status_code = :status_code, error = NULL,
    latency_ms = :latency_ms, answer = :answer, delivered_at = UTC_TIMESTAMP(6)
WHERE delivery_id = :delivery_id AND status = 'PENDING';

-- name: note_failure!
-- Of the last try only. `seconds` NULL: it was the last that there is.
UPDATE webhook_deliveries
SET status = IF(:seconds IS NULL, 'FAILED', 'PENDING'),
    next_attempt_at = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6)),
    leased_until = NULL, status_code = :status_code, error = :error, latency_ms = :latency_ms, answer = :answer
WHERE delivery_id = :delivery_id AND status = 'PENDING' AND tries = :tries;

-- name: note_working!
UPDATE webhooks
SET works = 1, failures = 0, failing_since = NULL, next_attempt_at = NULL
WHERE webhook_id = :webhook_id AND (works IS NULL OR works = 0 OR failures > 0 OR next_attempt_at IS NOT NULL);

-- name: note_failing!
-- It rests for `seconds`; tries that fail together count once. It is disabled where it is gone, or has failed for long
-- enough. What is assigned first holds in what follows.
UPDATE webhooks
SET works = 0,
    failures = failures + IF(next_attempt_at > UTC_TIMESTAMP(6), 0, 1),
    failing_since = COALESCE(failing_since, UTC_TIMESTAMP(6)),
    next_attempt_at = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6)),
    disabled_reason = CASE
        WHEN :gone THEN 'gone'
        WHEN failing_since < TIMESTAMPADD(SECOND, -:allowed, UTC_TIMESTAMP(6)) THEN 'failing'
    END,
    disabled_at = IF(disabled_reason IS NULL, NULL, UTC_TIMESTAMP(6))
WHERE webhook_id = :webhook_id AND disabled_at IS NULL;

-- name: list_next
-- A webhook's deliveries that are due, the oldest first. What is so for a moment only has a message on its way.
SELECT delivery_id, tenant_id FROM webhook_deliveries
WHERE webhook_id = :webhook_id AND status = 'PENDING'
  AND next_attempt_at <= TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6))
ORDER BY id
LIMIT :limit;

-- ---------------------------------------------------------------- sweeping

-- name: list_due
-- Of each webhook that may be tried the oldest delivery that is due.
SELECT MIN(webhook_deliveries.id) AS id
FROM webhook_deliveries
JOIN webhooks ON webhooks.webhook_id = webhook_deliveries.webhook_id
WHERE webhook_deliveries.status = 'PENDING'
  AND webhook_deliveries.next_attempt_at <= UTC_TIMESTAMP(6)
  AND webhooks.disabled_at IS NULL AND webhooks.paused = 0
  AND (webhooks.next_attempt_at IS NULL OR webhooks.next_attempt_at <= UTC_TIMESTAMP(6))
GROUP BY webhook_deliveries.webhook_id
LIMIT :limit;

-- name: list_named
SELECT delivery_id, tenant_id FROM webhook_deliveries WHERE id IN :ids;

-- name: delete_old_deliveries!
DELETE FROM webhook_deliveries
WHERE created_at < TIMESTAMPADD(DAY, -:days, UTC_TIMESTAMP(6))
ORDER BY created_at
LIMIT :limit;

-- name: list_condemned
SELECT webhook_id FROM webhooks WHERE tenant_id = '' LIMIT :limit;

-- name: delete_deliveries!
DELETE FROM webhook_deliveries WHERE webhook_id IN :webhook_ids LIMIT :limit;

-- name: delete_webhooks!
DELETE FROM webhooks WHERE webhook_id IN :webhook_ids AND tenant_id = '';

-- name: delete_idle_callbacks!
-- Addresses of callbacks whose last delivery is gone.
DELETE FROM webhooks WHERE task_callback = 1 AND updated_at < TIMESTAMPADD(DAY, -:days, UTC_TIMESTAMP(6)) LIMIT :limit;

-- ---------------------------------------------------------------- the log of deliveries

-- name: list_deliveries
-- A webhook's, the newest first.
SELECT * FROM webhook_deliveries
WHERE webhook_id = :webhook_id AND tenant_id = :tenant_id AND status IN :statuses AND id < :before_id
ORDER BY id DESC
LIMIT :limit;

-- name: list_task_deliveries
-- The same of a task, to whomever.
SELECT * FROM webhook_deliveries
WHERE task_id = :task_id AND tenant_id = :tenant_id AND status IN :statuses AND id < :before_id
ORDER BY id DESC
LIMIT :limit;

-- name: fetch_delivery^
SELECT * FROM webhook_deliveries
WHERE delivery_id = :delivery_id AND webhook_id = :webhook_id AND tenant_id = :tenant_id;

-- name: replay_delivery!
-- From its first try on. One that is under way is not touched.
UPDATE webhook_deliveries
SET status = 'PENDING', tries = 0, next_attempt_at = UTC_TIMESTAMP(6), delivered_at = NULL
WHERE delivery_id = :delivery_id AND (leased_until IS NULL OR leased_until <= UTC_TIMESTAMP(6));

-- name: list_since
SELECT id, delivery_id, tenant_id, created_at FROM webhook_deliveries
WHERE webhook_id = :webhook_id AND tenant_id = :tenant_id AND status IN :statuses AND created_at >= :since
ORDER BY id
LIMIT :limit;

-- name: replay_deliveries!
UPDATE webhook_deliveries
SET status = 'PENDING', tries = 0, next_attempt_at = UTC_TIMESTAMP(6), delivered_at = NULL
WHERE id IN :ids AND status <> 'PENDING';
