-- Every statement of code-first workloads. An item is a step whose level is its stage; `ordinal` is its place among all items
-- of its task. The stage's plan is the step whose key is the stage's name.

-- name: count_stages
-- From the index alone, but for the few that have reported.
SELECT counted.level, counted.status, counted.steps, counted.plans, reported.fraction
FROM (
    SELECT level, status, COUNT(*) AS steps, SUM(step_key = level) AS plans
    FROM task_steps
    WHERE task_id = :task_id
    GROUP BY level, status
) AS counted
LEFT JOIN (
    SELECT task_steps.level, SUM(step_reports.fraction) AS fraction
    FROM step_reports
    JOIN task_steps ON task_steps.task_id = step_reports.task_id AND task_steps.step_key = step_reports.step_key
    WHERE step_reports.task_id = :task_id AND task_steps.status = 'PENDING'
    GROUP BY task_steps.level
) AS reported ON reported.level = counted.level AND counted.status = 'PENDING';

-- ---------------------------------------------------------------- planning

-- name: last_ordinal$
SELECT COALESCE(MAX(ordinal), 0) FROM task_steps WHERE task_id = :task_id;

-- name: delete_items!
-- Of a plan that died half-way: none of them has been begun.
DELETE FROM task_steps WHERE task_id = :task_id AND level = :stage AND step_key <> :stage LIMIT :limit;

-- name: insert_items!
-- [{key, label, input, ordinal}, ...]
INSERT IGNORE INTO task_steps (task_id, step_key, level, label, status, attempt, ordinal, input, created_at)
SELECT :task_id, planned.step_key, :stage, planned.label, 'PENDING', :attempt, planned.ordinal, planned.input,
    UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    step_key VARCHAR(128) PATH '$.key', label VARCHAR(200) PATH '$.label', input LONGTEXT PATH '$.input',
    ordinal INT PATH '$.ordinal'
)) AS planned;

-- name: list_open
-- The places of the items that are left to do.
SELECT ordinal FROM task_steps
WHERE task_id = :task_id AND level = :stage AND ordinal > 0 AND status = 'PENDING'
ORDER BY ordinal
LIMIT :limit;

-- name: list_failures
SELECT step_key, label, error_message FROM task_steps
WHERE task_id = :task_id AND level = :stage AND status = 'FAILED'
ORDER BY ordinal
LIMIT :limit;

-- ---------------------------------------------------------------- running

-- name: open_batch
-- Whether the task still wants this attempt, and the items of a batch that are left to do, in one round trip.
SELECT
    tasks.status AS task_status, tasks.attempt AS task_attempt, task_steps.step_key, task_steps.label, task_steps.input,
    task_steps.memory, task_steps.tries, task_steps.attempt,
    TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), task_steps.due_at) AS microseconds_left,
    step_callbacks.token, step_callbacks.arrived_at
FROM tasks
LEFT JOIN task_steps
    ON task_steps.task_id = tasks.task_id
    AND task_steps.level = :stage
    AND task_steps.ordinal BETWEEN :first AND :last
    AND task_steps.status = 'PENDING'
LEFT JOIN step_callbacks
    ON step_callbacks.task_id = task_steps.task_id AND step_callbacks.step_key = task_steps.step_key
WHERE tasks.task_id = :task_id
ORDER BY task_steps.ordinal;

-- name: begin_item!
-- The number of tries, with the attempt they are of, is the fence between two who were given the same item: who counts
-- first has it. The row stays PENDING, as in begin_step.
UPDATE task_steps
JOIN tasks ON tasks.task_id = task_steps.task_id
SET task_steps.tries = :tries,
    task_steps.attempts = task_steps.attempts + 1,
    task_steps.attempt = :attempt,
    task_steps.started_at = UTC_TIMESTAMP(6),
    task_steps.due_at = NULL
WHERE task_steps.task_id = :task_id AND task_steps.step_key = :step_key
  AND task_steps.status = 'PENDING' AND task_steps.tries = :fence AND task_steps.attempt = :planned_in
  AND tasks.status = 'RUNNING' AND tasks.attempt = :attempt;

-- name: delay_item!
-- To be run again when it is due: after an error, which counts as a try, or because it asked to wait, which does not.
UPDATE task_steps
JOIN tasks ON tasks.task_id = task_steps.task_id
SET task_steps.tries = task_steps.tries - :uncounted,
    task_steps.attempts = task_steps.attempts - :uncounted,
    task_steps.started_at = NULL,
    task_steps.due_at = TIMESTAMPADD(MICROSECOND, :microseconds, UTC_TIMESTAMP(6)),
    task_steps.error_code = :error_code,
    task_steps.error_message = :error_message
WHERE task_steps.task_id = :task_id AND task_steps.step_key = :step_key
  AND task_steps.status = 'PENDING' AND task_steps.tries = :tries AND task_steps.attempt = :attempt
  AND tasks.status = 'RUNNING' AND tasks.attempt = :attempt;

-- name: report!
INSERT INTO step_reports (task_id, step_key, fraction) VALUES (:task_id, :step_key, :fraction)
ON DUPLICATE KEY UPDATE fraction = VALUES(fraction);

-- name: beat!
-- Whether the task still runs this attempt. The time always moves: a row that keeps its values is not counted, and an
-- engine's clock may stand still for some milliseconds.
UPDATE tasks
SET heartbeat_at = GREATEST(UTC_TIMESTAMP(6), COALESCE(TIMESTAMPADD(MICROSECOND, 1, heartbeat_at), UTC_TIMESTAMP(6)))
WHERE task_id = :task_id AND status = 'RUNNING' AND attempt = :attempt;

-- name: remember!
UPDATE task_steps
JOIN tasks ON tasks.task_id = task_steps.task_id
SET task_steps.memory = :memory
WHERE task_steps.task_id = :task_id AND task_steps.step_key = :step_key
  AND task_steps.status = 'PENDING' AND task_steps.tries = :tries AND task_steps.attempt = :attempt
  AND tasks.status = 'RUNNING' AND tasks.attempt = :attempt;

-- ---------------------------------------------------------------- callbacks

-- name: insert_callback!
-- One a step. One that expired in an earlier attempt gives way to a new one, so that a retry may wait again.
INSERT INTO step_callbacks (task_id, step_key, token, attempt, expires_at)
VALUES (:task_id, :step_key, :token, :attempt, TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6)))
ON DUPLICATE KEY UPDATE
    token = IF(arrived_at IS NULL AND expires_at < UTC_TIMESTAMP(6) AND attempt < VALUES(attempt), VALUES(token), token),
    expires_at = IF(token = VALUES(token), VALUES(expires_at), expires_at),
    attempt = IF(token = VALUES(token), VALUES(attempt), attempt);

-- name: fetch_callback^
SELECT token, body, arrived_at, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), expires_at) AS microseconds_left
FROM step_callbacks
WHERE task_id = :task_id AND step_key = :step_key;

-- name: arrive!
-- Once, in its time, and only for a task that has not ended.
UPDATE step_callbacks
JOIN tasks ON tasks.task_id = step_callbacks.task_id
SET step_callbacks.body = :body, step_callbacks.arrived_at = UTC_TIMESTAMP(6)
WHERE step_callbacks.token = :token AND step_callbacks.arrived_at IS NULL
  AND step_callbacks.expires_at >= UTC_TIMESTAMP(6) AND tasks.status IN ('RUNNING', 'PENDING', 'PAUSED');

-- name: find_callback^
SELECT step_callbacks.task_id, step_callbacks.step_key, step_callbacks.body, step_callbacks.arrived_at,
    step_callbacks.wakeup, tasks.attempt
FROM step_callbacks
JOIN tasks ON tasks.task_id = step_callbacks.task_id
WHERE step_callbacks.token = :token;

-- name: await_callbacks!
-- The workflow's own token, by which it is woken.
UPDATE step_callbacks SET wakeup = :wakeup WHERE task_id = :task_id AND step_key IN :step_keys;

-- name: count_arrived$
SELECT COUNT(*) FROM step_callbacks
WHERE task_id = :task_id AND step_key IN :step_keys AND arrived_at IS NOT NULL;

-- name: list_callbacks
-- Those that have not arrived.
SELECT step_key, token FROM step_callbacks WHERE task_id = :task_id AND arrived_at IS NULL;

-- name: make_due!
-- For longhaul.testing, where time passes at once.
UPDATE task_steps SET due_at = UTC_TIMESTAMP(6) WHERE task_id = :task_id AND due_at IS NOT NULL;

-- ---------------------------------------------------------------- results

-- name: list_outputs
-- Whose task it is and the outputs of its items, in the order in which they were planned, in one statement: a task without
-- such items gives one row, without an item.
SELECT
    tasks.task_id, task_steps.step_key, task_steps.level, task_steps.label, task_steps.status, task_steps.output,
    task_steps.error_code, task_steps.error_message, task_steps.ordinal, task_steps.finished_at
FROM tasks
LEFT JOIN task_steps
    ON task_steps.task_id = tasks.task_id
    AND task_steps.ordinal > :after
    AND (:any_stage OR task_steps.level = :stage)
    AND (:any_status OR task_steps.status = :status)
WHERE tasks.task_id = :task_id AND (:any_tenant OR tasks.tenant_id = :tenant_id)
ORDER BY task_steps.ordinal, task_steps.step_key
LIMIT :limit;

-- ---------------------------------------------------------------- approvals

-- name: ask_approval!
-- Once: the same transaction pauses the task. No row changes when it was asked before.
UPDATE task_steps SET memory = '{"asked":true}' WHERE task_id = :task_id AND step_key = :step_key AND memory IS NULL;

-- name: fetch_last_reopening$
-- Resuming approves; a retry of a task whose time ran out while it was waiting does not.
SELECT event FROM task_events WHERE task_id = :task_id AND event IN ('resumed', 'retried') ORDER BY id DESC LIMIT 1;

-- ---------------------------------------------------------------- spending

-- name: lock_spending^
-- The task's money, nobody else's until the transaction ends.
SELECT spent, reserved, max_cost, budget_changed FROM task_spending WHERE task_id = :task_id FOR UPDATE;

-- name: fetch_spending^
SELECT spent, reserved, tokens, max_cost, budget_changed FROM task_spending WHERE task_id = :task_id;

-- name: change_budget!
-- Whoever changes it knows what is spent: once it is reached again, the task pauses again.
INSERT INTO task_spending (task_id, max_cost, budget_changed) VALUES (:task_id, :max_cost, 1)
ON DUPLICATE KEY UPDATE max_cost = VALUES(max_cost), budget_changed = 1, told = 0;

-- name: mark_told!
UPDATE task_spending SET told = 1 WHERE task_id = :task_id AND told = 0;

-- name: fetch_reserved$
SELECT reserved FROM step_spending WHERE task_id = :task_id AND step_key = :step_key;

-- name: spend_of_task!
-- Added to what there is; `reserved` may be negative.
INSERT INTO task_spending (task_id, spent, reserved, tokens) VALUES (:task_id, :spent, :reserved, :tokens)
ON DUPLICATE KEY UPDATE
    spent = spent + VALUES(spent), reserved = reserved + VALUES(reserved), tokens = tokens + VALUES(tokens);

-- name: spend_of_step!
-- The step's reservation is what it is now.
INSERT INTO step_spending (task_id, step_key, spent, reserved, tokens)
VALUES (:task_id, :step_key, :spent, :reserved, :tokens)
ON DUPLICATE KEY UPDATE
    spent = spent + VALUES(spent), reserved = VALUES(reserved), tokens = tokens + VALUES(tokens);
