-- Every statement of the task core. A change of status is guarded by the statuses it may come from (:sources, from the
-- table of transitions) and, where an attempt makes it, by the attempt; its row count says whether it happened.

-- name: insert_task!
-- Nothing is inserted when the kind's lane holds as many waiting tasks as it may. The count stops at the limit.
INSERT INTO tasks (
    task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries, idempotency_key, request_digest,
    dedupe_key, run_after, deadline, created_at, updated_at
)
SELECT
    :task_id, :tenant_id, :user_id, :kind, :title, :params, 'PENDING', :priority, :max_retries, :idempotency_key,
    :request_digest, :open_key, COALESCE(:run_after, UTC_TIMESTAMP(6)), :deadline, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM lanes
WHERE lanes.kind = :kind
  AND lanes.max_queued > (SELECT COUNT(*) FROM tasks AS waiting WHERE waiting.kind = :kind AND waiting.status = 'PENDING');

-- name: fetch_time$
SELECT UTC_TIMESTAMP(6);

-- name: fetch_task^
SELECT * FROM tasks WHERE task_id = :task_id;

-- name: fetch_tenant_task^
SELECT * FROM tasks WHERE task_id = :task_id AND tenant_id = :tenant_id;

-- name: fetch_tasks
SELECT * FROM tasks WHERE id IN :ids;

-- name: fetch_task_by_key^
SELECT * FROM tasks WHERE tenant_id = :tenant_id AND idempotency_key = :idempotency_key;

-- name: fetch_open_task^
SELECT * FROM tasks WHERE tenant_id = :tenant_id AND open_key = :open_key;

-- name: find_rival$
-- The task that is open for the same thing as one that has ended.
SELECT rival.task_id
FROM tasks
JOIN tasks AS rival ON rival.tenant_id = tasks.tenant_id AND rival.open_key = tasks.dedupe_key
WHERE tasks.task_id = :task_id;


-- name: start_tasks!
-- The execution's name is made of the row's id and the attempt: starting it twice starts it once.
UPDATE tasks
SET status = 'RUNNING',
    execution_arn = CONCAT(:execution_prefix, id, '-', attempt + 1),
    attempt = attempt + 1,
    steps_done = 0,
    started_at = COALESCE(started_at, UTC_TIMESTAMP(6)),
    deadline = COALESCE(deadline, TIMESTAMPADD(SECOND, :seconds_allowed, UTC_TIMESTAMP(6))),
    heartbeat_at = UTC_TIMESTAMP(6),
    updated_at = UTC_TIMESTAMP(6)
WHERE id IN :ids AND status IN :sources;

-- name: requeue_task!
UPDATE tasks
SET status = 'PENDING',
    retries = retries + 1,
    run_after = TIMESTAMPADD(MICROSECOND, :delay_microseconds, UTC_TIMESTAMP(6)),
    error_code = :error_code,
    error_message = :error_message,
    updated_at = UTC_TIMESTAMP(6)
WHERE task_id = :task_id AND attempt = :attempt AND status IN :sources;

-- name: finish_task!
UPDATE tasks
SET status = :target,
    progress = IF(:target = 'SUCCEEDED', 100, GREATEST(progress, :progress)),
    stage = COALESCE(:stage, stage),
    statistics = :statistics,
    result = :result,
    error_code = :error_code,
    error_message = :error_message,
    updated_at = UTC_TIMESTAMP(6),
    finished_at = UTC_TIMESTAMP(6)
WHERE task_id = :task_id AND attempt = :attempt AND status IN :sources;

-- name: stop_task!
-- A caller cancels it, or pauses it, which is not its end. How far it was is written down either way.
UPDATE tasks
SET status = :target,
    progress = GREATEST(progress, :progress),
    statistics = :statistics,
    error_code = COALESCE(:error_code, error_code),
    error_message = COALESCE(:error_message, error_message),
    updated_at = UTC_TIMESTAMP(6),
    finished_at = IF(:target = 'CANCELLED', UTC_TIMESTAMP(6), NULL)
WHERE task_id = :task_id AND tenant_id = :tenant_id AND status IN :sources;

-- name: resume_task!
UPDATE tasks
SET status = 'PENDING',
    run_after = UTC_TIMESTAMP(6),
    error_code = NULL,
    error_message = NULL,
    updated_at = UTC_TIMESTAMP(6)
WHERE task_id = :task_id AND tenant_id = :tenant_id AND status IN :sources;

-- name: retry_task!
-- Its retries and its time begin anew: a deadline that has passed would fail it at once.
UPDATE tasks
SET status = 'PENDING',
    retries = 0,
    run_after = UTC_TIMESTAMP(6),
    deadline = NULL,
    error_code = NULL,
    error_message = NULL,
    finished_at = NULL,
    updated_at = UTC_TIMESTAMP(6)
WHERE task_id = :task_id AND tenant_id = :tenant_id AND status IN :sources;

-- name: lock_task^
SELECT * FROM tasks WHERE task_id = :task_id AND tenant_id = :tenant_id FOR UPDATE;

-- name: change_task!
UPDATE tasks SET priority = :priority, title = :title, updated_at = UTC_TIMESTAMP(6) WHERE id = :id;

-- name: write_progress!
-- Progress is recounted, so an older count (a message delivered late or twice) changes nothing and nothing goes back.
UPDATE tasks
SET progress = GREATEST(progress, :progress),
    steps_done = :steps_done,
    stage = :stage,
    current_step = :current_step,
    statistics = :statistics,
    heartbeat_at = UTC_TIMESTAMP(6),
    updated_at = UTC_TIMESTAMP(6)
WHERE task_id = :task_id AND attempt = :attempt AND status = 'RUNNING' AND steps_done < :steps_done;

-- name: beat!
-- No change that a reader could see, so `updated_at` stays.
UPDATE tasks SET heartbeat_at = UTC_TIMESTAMP(6) WHERE task_id IN :task_ids AND status = 'RUNNING';

-- name: insert_events!
INSERT INTO task_events (task_id, attempt, event, status, detail, created_at)
SELECT task_id, attempt, :event, status, :detail, UTC_TIMESTAMP(6) FROM tasks WHERE task_id IN :task_ids;

-- name: list_quiet
-- RUNNING tasks that have not been heard of for a while, the quietest first.
SELECT * FROM tasks
WHERE status = 'RUNNING' AND heartbeat_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6))
ORDER BY heartbeat_at
LIMIT :limit;

-- name: list_overdue
SELECT * FROM tasks
WHERE status IN ('RUNNING', 'PENDING', 'PAUSED') AND deadline < UTC_TIMESTAMP(6)
ORDER BY deadline
LIMIT :limit;

-- name: begin_step^
-- One round trip tells whether the task still wants this attempt and whether the step was done before.
SELECT tasks.status AS task_status, tasks.attempt, task_steps.status AS step_status, task_steps.output
FROM tasks
LEFT JOIN task_steps ON task_steps.task_id = tasks.task_id AND task_steps.step_key = :step_key
WHERE tasks.task_id = :task_id;

-- name: plan_steps!
-- However many steps, one statement. A step that is planned already stays as it is.
INSERT IGNORE INTO task_steps (task_id, step_key, level, label, status, attempt, created_at)
SELECT :task_id, planned.step_key, planned.level, planned.label, 'PENDING', :attempt, UTC_TIMESTAMP(6)
FROM JSON_TABLE(
    :steps, '$[*]' COLUMNS (
        step_key VARCHAR(128) PATH '$.step_key', level VARCHAR(32) PATH '$.level', label VARCHAR(200) PATH '$.label'
    )
) AS planned;

-- name: finish_step!
-- The fence: the step is finished once, by an attempt that its task still runs.
UPDATE task_steps
JOIN tasks ON tasks.task_id = task_steps.task_id
SET task_steps.status = :status,
    task_steps.attempt = :attempt,
    task_steps.units = :units,
    task_steps.output = :output,
    task_steps.error_code = :error_code,
    task_steps.error_message = :error_message,
    task_steps.finished_at = UTC_TIMESTAMP(6)
WHERE task_steps.task_id = :task_id
  AND task_steps.step_key = :step_key
  AND task_steps.status <> 'SUCCEEDED'
  AND tasks.status = 'RUNNING'
  AND tasks.attempt = :attempt;

-- name: reset_failed_steps!
UPDATE task_steps
SET status = 'PENDING', error_code = NULL, error_message = NULL, finished_at = NULL
WHERE task_id = :task_id AND status = 'FAILED';

-- name: count_steps
SELECT level, status, COUNT(*) AS steps, SUM(units) AS units
FROM task_steps
WHERE task_id = :task_id
GROUP BY level, status;

-- name: list_failed_steps
SELECT step_key, level, label, error_code, error_message
FROM task_steps
WHERE task_id = :task_id AND status = 'FAILED'
ORDER BY step_key
LIMIT :limit;
