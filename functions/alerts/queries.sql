-- Every statement of alerts. Times are the database's: how long something has lasted, and when listeners were last notified.

-- ---------------------------------------------------------------- what is found

-- name: list_running_long
-- Of the RUNNING tasks that are to end first, those that run longest. (A task's own deadline is at least as far off as its
-- kind has it; what is behind so many is found when they have ended.)
SELECT
    tasks.tenant_id, tasks.task_id, tasks.kind, tasks.title,
    TIMESTAMPDIFF(MICROSECOND, tasks.started_at, UTC_TIMESTAMP(6)) / 1000000e0 AS value
FROM (
    SELECT id FROM tasks FORCE INDEX (tasks_by_deadline)
    WHERE status = 'RUNNING'
    ORDER BY deadline, id
    LIMIT :looked_at
) AS nearest
JOIN tasks ON tasks.id = nearest.id
WHERE tasks.started_at < TIMESTAMPADD(MICROSECOND, -:microseconds, UTC_TIMESTAMP(6))
ORDER BY tasks.started_at, tasks.id;

-- name: list_running_among
-- The same of these tasks.
SELECT
    tasks.tenant_id, tasks.task_id, tasks.kind, tasks.title,
    TIMESTAMPDIFF(MICROSECOND, tasks.started_at, UTC_TIMESTAMP(6)) / 1000000e0 AS value
FROM tasks
WHERE tasks.task_id IN :task_ids
  AND tasks.status = 'RUNNING'
  AND tasks.started_at < TIMESTAMPADD(MICROSECOND, -:microseconds, UTC_TIMESTAMP(6));

-- name: count_running
-- In an index that has the tenant.
SELECT tasks.tenant_id, COUNT(*) AS value
FROM tasks FORCE INDEX (tasks_due)
WHERE tasks.kind IN :kinds AND tasks.status = 'RUNNING'
GROUP BY tasks.tenant_id
HAVING COUNT(*) > :least
ORDER BY value DESC
LIMIT :limit;

-- name: list_waiting_long
-- How many of a tenant's tasks of this kind could have run for so long, and since when the first: an index has all of it,
-- in this order, and nothing else is read. (Of all kinds at once, the many of one would hide the others.)
SELECT
    late.tenant_id, late.kind, COUNT(*) AS number,
    TIMESTAMPDIFF(MICROSECOND, MIN(late.run_after), UTC_TIMESTAMP(6)) / 1000000e0 AS value
FROM (
    SELECT tenant_id, kind, run_after FROM tasks FORCE INDEX (tasks_due)
    WHERE kind = :kind AND status = 'PENDING'
      AND run_after < TIMESTAMPADD(MICROSECOND, -:microseconds, UTC_TIMESTAMP(6))
    ORDER BY run_after
    LIMIT :looked_at
) AS late
GROUP BY late.tenant_id, late.kind
ORDER BY value DESC
LIMIT :limit;

-- name: list_failed_shares
-- Of the tenants of whose tasks enough have ended since the hour :first, those of whose tasks enough have failed.
SELECT
    tenant_id, SUM(number) AS ended, SUM(IF(event IN ('failed', 'expired'), number, 0)) AS failed
FROM task_rollups FORCE INDEX (rollups_by_age)
WHERE span = :span AND start >= :first AND tenant_id <> ''
  AND event IN ('succeeded', 'failed', 'expired', 'cancelled')
GROUP BY tenant_id
HAVING ended >= :min_ended AND failed > :least * ended
LIMIT :limit;

-- name: list_disabled_webhooks
SELECT tenant_id, webhook_id, title, disabled_reason
FROM webhooks
WHERE disabled_at > '1000-01-01' AND task_callback = 0 AND tenant_id <> ''
ORDER BY disabled_at DESC
LIMIT :limit;

-- name: list_spending
-- What is spent of their budgets by the tasks of a status that are to end first: those that keep their money in
-- task_spending, by their parameter `max_cost` or what their callers have changed it to, and diagnoses.
SELECT tasks.tenant_id, tasks.task_id, tasks.kind, tasks.title, money.spent, money.budget
FROM (
    SELECT
        nearest.id, task_spending.spent,
        IF(
            task_spending.budget_changed = 1, task_spending.max_cost,
            CAST(JSON_UNQUOTE(JSON_EXTRACT(own.params, '$.max_cost')) AS DECIMAL(20, 10))
        ) AS budget
    FROM (
        SELECT id FROM tasks FORCE INDEX (tasks_by_deadline)
        WHERE status = :status ORDER BY deadline, id LIMIT :looked_at
    ) AS nearest
    JOIN tasks AS own ON own.id = nearest.id
    JOIN task_spending ON task_spending.task_id = own.task_id
    WHERE task_spending.max_cost IS NOT NULL OR JSON_EXTRACT(own.params, '$.max_cost') IS NOT NULL
    UNION ALL
    SELECT
        nearest.id,
        (SELECT COALESCE(SUM(cells.cost), 0) FROM diagnosis_cells AS cells WHERE cells.task_id = own.task_id),
        diagnoses.max_cost
    FROM (
        SELECT id FROM tasks FORCE INDEX (tasks_by_deadline)
        WHERE status = :status ORDER BY deadline, id LIMIT :looked_at
    ) AS nearest
    JOIN tasks AS own ON own.id = nearest.id
    JOIN diagnoses ON diagnoses.task_id = own.task_id
    WHERE diagnoses.max_cost > 0
) AS money
JOIN tasks ON tasks.id = money.id
WHERE money.budget > 0 AND money.spent > :least * money.budget
ORDER BY money.spent / money.budget DESC
LIMIT :limit;

-- name: list_spending_among
-- The same of these tasks.
SELECT tasks.tenant_id, tasks.task_id, tasks.kind, tasks.title, money.spent, money.budget
FROM (
    SELECT
        own.id, task_spending.spent,
        IF(
            task_spending.budget_changed = 1, task_spending.max_cost,
            CAST(JSON_UNQUOTE(JSON_EXTRACT(own.params, '$.max_cost')) AS DECIMAL(20, 10))
        ) AS budget
    FROM tasks AS own
    JOIN task_spending ON task_spending.task_id = own.task_id
    WHERE
        own.task_id IN :task_ids
        AND (task_spending.max_cost IS NOT NULL OR JSON_EXTRACT(own.params, '$.max_cost') IS NOT NULL)
    UNION ALL
    SELECT
        own.id,
        (SELECT COALESCE(SUM(cells.cost), 0) FROM diagnosis_cells AS cells WHERE cells.task_id = own.task_id),
        diagnoses.max_cost
    FROM tasks AS own
    JOIN diagnoses ON diagnoses.task_id = own.task_id
    WHERE own.task_id IN :task_ids AND diagnoses.max_cost > 0
) AS money
JOIN tasks ON tasks.id = money.id
WHERE tasks.status IN :statuses AND money.budget > 0 AND money.spent > :least * money.budget;

-- ---------------------------------------------------------------- alerts

-- name: list_open
SELECT
    alerts.*,
    TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) / 1000000e0 AS seconds_open,
    TIMESTAMPDIFF(MICROSECOND, notified_at, UTC_TIMESTAMP(6)) / 1000000e0 AS seconds_notified,
    notified_at IS NOT NULL OR EXISTS (
        SELECT 1 FROM alert_events
        WHERE alert_events.alert_id = alerts.alert_id AND event IN ('firing', 'escalated', 'repeated') AND silenced = 0
    ) AS was_notified
FROM alerts
WHERE open = 1 AND id > :after_id AND rule IN :rules
ORDER BY id
LIMIT :limit;

-- name: open_alert!
-- Nothing happens where one is open.
INSERT IGNORE INTO alerts (
    alert_id, tenant_id, rule, subject, open, state, severity, value, threshold, message, task_id, kind, title,
    notified_at, fired_at, created_at, updated_at
)
VALUES (
    :alert_id, :tenant_id, :rule, :subject, 1, :state, :severity, :value, :threshold, :message, :task_id, :kind, :title,
    IF(:notify, UTC_TIMESTAMP(6), NULL), IF(:state = 'firing', UTC_TIMESTAMP(6), NULL), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
);

-- name: fire!
UPDATE alerts
SET state = 'firing', severity = :severity, value = :value, threshold = :threshold, message = :message,
    fired_at = UTC_TIMESTAMP(6), notified_at = IF(:notify, UTC_TIMESTAMP(6), NULL), updated_at = UTC_TIMESTAMP(6)
WHERE alert_id = :alert_id AND open = 1 AND state = 'pending';

-- name: escalate!
-- Whoever saw to the warning has not seen this. Listeners who are not notified now are when the silence has ended.
UPDATE alerts
SET severity = 'critical', value = :value, threshold = :threshold, message = :message, acknowledged_at = NULL,
    acknowledged_by = NULL, notified_at = IF(:notify, UTC_TIMESTAMP(6), NULL), updated_at = UTC_TIMESTAMP(6)
WHERE alert_id = :alert_id AND open = 1 AND state = 'firing' AND severity = 'warning';

-- name: notify_again!
-- By the one who has seen the last notification.
UPDATE alerts
SET value = :value, message = :message, notified_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6)
WHERE alert_id = :alert_id AND open = 1 AND state = 'firing' AND acknowledged_at IS NULL AND notified_at <=> :notified_at;

-- name: keep_up!
UPDATE alerts SET value = :value, message = :message, updated_at = UTC_TIMESTAMP(6)
WHERE alert_id = :alert_id AND open = 1;

-- name: resolve!
UPDATE alerts
SET state = 'resolved', open = NULL, resolved_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6)
WHERE alert_id = :alert_id AND open = 1 AND state = 'firing';

-- name: drop_pending!
DELETE FROM alerts WHERE alert_id = :alert_id AND state = 'pending';

-- name: acknowledge!
UPDATE alerts
SET acknowledged_at = UTC_TIMESTAMP(6), acknowledged_by = :user_id, updated_at = UTC_TIMESTAMP(6)
WHERE alert_id = :alert_id AND open = 1 AND state = 'firing' AND acknowledged_at IS NULL;

-- name: add_event!
-- As the alert is now.
INSERT INTO alert_events (
    alert_id, event, severity, value, threshold, message, user_id, silenced, unsent, created_at
)
SELECT
    alert_id, :event, severity, value, threshold, message, :user_id, :silenced, IF(:notify, 1, NULL), UTC_TIMESTAMP(6)
FROM alerts
WHERE alert_id = :alert_id;

-- name: purge_alerts!
DELETE FROM alerts WHERE resolved_at < TIMESTAMPADD(DAY, -:days, UTC_TIMESTAMP(6)) LIMIT :limit;

-- ---------------------------------------------------------------- telling

-- name: list_unsent
SELECT id FROM alert_events
WHERE unsent = 1 AND (claimed_until IS NULL OR claimed_until < UTC_TIMESTAMP(6))
ORDER BY id
LIMIT :limit;

-- name: claim_event!
UPDATE alert_events SET claimed_until = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6))
WHERE id = :id AND unsent = 1 AND (claimed_until IS NULL OR claimed_until < UTC_TIMESTAMP(6));

-- name: list_claimed
SELECT
    alert_events.id, alert_events.event, alert_events.severity, alert_events.value, alert_events.threshold,
    alert_events.message, alert_events.created_at,
    alerts.alert_id, alerts.tenant_id, alerts.rule, alerts.subject, alerts.task_id, alerts.kind, alerts.title
FROM alert_events
JOIN alerts ON alerts.alert_id = alert_events.alert_id
WHERE alert_events.id IN :ids AND alert_events.unsent = 1
ORDER BY alert_events.id;

-- name: mark_sent!
UPDATE alert_events SET unsent = NULL, claimed_until = NULL WHERE id IN :ids;

-- ---------------------------------------------------------------- reading

-- name: list_alerts
-- A tenant's, the newest first.
SELECT * FROM alerts
WHERE tenant_id = :tenant_id AND id < :before_id
  AND state IN :states AND rule IN :rules AND severity IN :severities
ORDER BY id DESC
LIMIT :limit;

-- name: list_alerts_of_all
SELECT * FROM alerts
WHERE id < :before_id AND state IN :states AND rule IN :rules AND severity IN :severities
ORDER BY id DESC
LIMIT :limit;

-- name: fetch_alert^
SELECT
    alerts.*,
    notified_at IS NOT NULL OR EXISTS (
        SELECT 1 FROM alert_events
        WHERE alert_events.alert_id = alerts.alert_id AND event IN ('firing', 'escalated', 'repeated') AND silenced = 0
    ) AS was_notified
FROM alerts
WHERE alert_id = :alert_id AND (:any_tenant OR tenant_id = :tenant_id) AND rule IN :rules;

-- name: list_events
SELECT * FROM alert_events WHERE alert_id = :alert_id ORDER BY id DESC LIMIT :limit;

-- ---------------------------------------------------------------- rules

-- name: list_rules
SELECT * FROM alert_rules WHERE tenant_id >= '';

-- name: list_rules_of
-- A tenant's, and the operator's.
SELECT * FROM alert_rules WHERE tenant_id IN ('', :tenant_id);

-- name: put_rule!
INSERT INTO alert_rules (tenant_id, rule, enabled, warning, critical, hold_seconds, updated_at)
VALUES (:tenant_id, :rule, :enabled, :warning, :critical, :hold_seconds, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE
    enabled = VALUES(enabled), warning = VALUES(warning), critical = VALUES(critical),
    hold_seconds = VALUES(hold_seconds), updated_at = VALUES(updated_at);

-- name: lock_rules
-- So that nobody changes between what is compared and what is written.
SELECT * FROM alert_rules WHERE tenant_id IN ('', :tenant_id) FOR UPDATE;

-- name: delete_rule!
DELETE FROM alert_rules WHERE tenant_id = :tenant_id AND rule = :rule;

-- ---------------------------------------------------------------- silences

-- name: insert_silence!
INSERT INTO alert_silences (silence_id, tenant_id, rule, subject, comment, user_id, ends_at, created_at)
VALUES (:silence_id, :tenant_id, :rule, :subject, :comment, :user_id, :ends_at, UTC_TIMESTAMP(6));

-- name: count_silences$
SELECT COUNT(*) FROM alert_silences WHERE tenant_id = :tenant_id;

-- name: list_silences
SELECT * FROM alert_silences
WHERE tenant_id = :tenant_id AND id < :before_id AND (rule IS NULL OR rule IN :rules)
ORDER BY id DESC
LIMIT :limit;

-- name: list_silences_now
SELECT id, tenant_id, rule, subject FROM alert_silences
WHERE ends_at > UTC_TIMESTAMP(6) AND id > :after_id AND (rule IS NULL OR rule IN :rules)
ORDER BY id
LIMIT :limit;

-- name: fetch_silence^
SELECT * FROM alert_silences WHERE silence_id = :silence_id AND tenant_id = :tenant_id;

-- name: delete_silence!
DELETE FROM alert_silences WHERE silence_id = :silence_id AND tenant_id = :tenant_id;

-- name: purge_silences!
DELETE FROM alert_silences WHERE ends_at < TIMESTAMPADD(DAY, -:days, UTC_TIMESTAMP(6)) LIMIT :limit;

-- ---------------------------------------------------------------- dead letters

-- name: list_tasks_named
SELECT task_id, status, error_message FROM tasks WHERE task_id IN :task_ids;
