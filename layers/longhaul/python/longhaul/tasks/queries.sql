-- Every statement of the task core. A change of status is guarded by the statuses it may come from (:sources, from the
-- table of transitions) and, where an attempt makes it, by the attempt; its row count says whether it happened. What
-- selects by a filter repeats the filter, as SQL has no other way to say it again; a part of it that is not asked for is
-- switched off by its `any_...`.

-- ---------------------------------------------------------------- tasks: put there and read

-- name: insert_task!
-- Nothing is inserted when the lane is full: with as many due tasks as may wait or, for one that is to start later, with as
-- many of its tenant's as may wait for a later start.
INSERT INTO tasks (
    task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries, idempotency_key, request_digest,
    dedupe_key, run_after, deadline, traceparent, callbacks, created_at, updated_at
)
SELECT
    :task_id, :tenant_id, :user_id, :kind, :title, :params, 'PENDING', :priority, :max_retries, :idempotency_key,
    :request_digest, :open_key, COALESCE(:run_after, UTC_TIMESTAMP(6)), :deadline, :traceparent, :callbacks,
    UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM lanes
WHERE lanes.kind = :kind
  AND IF(
      :later,
      lanes.max_scheduled > (
          SELECT COUNT(*) FROM tasks AS sleeping
          WHERE sleeping.tenant_id = :tenant_id AND sleeping.kind = :kind AND sleeping.status = 'PENDING'
            AND sleeping.run_after > UTC_TIMESTAMP(6)
      ),
      lanes.max_queued > (
          SELECT COUNT(*) FROM tasks AS waiting
          WHERE waiting.kind = :kind AND waiting.status = 'PENDING' AND waiting.run_after <= UTC_TIMESTAMP(6)
      )
  );

-- name: fetch_time$
SELECT UTC_TIMESTAMP(6);

-- name: fetch_task^
SELECT * FROM tasks WHERE task_id = :task_id;

-- name: fetch_stored^
SELECT
    id, run_after, created_at, updated_at,
    EXISTS (
        SELECT 1 FROM notice_listeners
        WHERE tenant_id = :tenant_id AND channel = :channel AND until > UTC_TIMESTAMP(6)
    ) AS heard
FROM tasks
WHERE task_id = :task_id;

-- name: fetch_tenant_task^
SELECT * FROM tasks WHERE task_id = :task_id AND tenant_id = :tenant_id;

-- name: fetch_task_to_show^
SELECT
    id, task_id, tenant_id, user_id, kind, title, status, priority, progress, steps_done, stage, current_step, statistics,
    result, error_code, error_message, attempt, retries, max_retries, run_after, deadline, heartbeat_at, execution_arn,
    request_digest, created_at, started_at, updated_at, finished_at,
    CASE WHEN OCTET_LENGTH(params) <= :max_params_bytes THEN params END AS params
FROM tasks
WHERE task_id = :task_id AND tenant_id = :tenant_id;

-- name: fetch_tasks
SELECT
    id, task_id, tenant_id, user_id, kind, title, status, priority, progress, steps_done, stage, current_step, statistics,
    result, error_code, error_message, attempt, retries, max_retries, run_after, deadline, heartbeat_at, execution_arn,
    request_digest, created_at, started_at, updated_at, finished_at
FROM tasks
WHERE id IN :ids;

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

-- name: list_quiet
-- RUNNING tasks that have not been heard of for a while, the quietest first.
SELECT
    id, task_id, tenant_id, user_id, kind, title, status, priority, progress, steps_done, stage, current_step, statistics,
    result, error_code, error_message, attempt, retries, max_retries, run_after, deadline, heartbeat_at, execution_arn,
    request_digest, created_at, started_at, updated_at, finished_at
FROM tasks
WHERE status = 'RUNNING' AND heartbeat_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6))
ORDER BY heartbeat_at
LIMIT :limit;

-- name: list_overdue
SELECT
    id, task_id, tenant_id, user_id, kind, title, status, priority, progress, steps_done, stage, current_step, statistics,
    result, error_code, error_message, attempt, retries, max_retries, run_after, deadline, heartbeat_at, execution_arn,
    request_digest, created_at, started_at, updated_at, finished_at
FROM tasks
WHERE status IN ('RUNNING', 'PENDING', 'PAUSED') AND deadline < UTC_TIMESTAMP(6)
ORDER BY deadline
LIMIT :limit;

-- ---------------------------------------------------------------- tasks: locked and moved

-- name: lock_task^
SELECT * FROM tasks WHERE task_id = :task_id AND tenant_id = :tenant_id FOR UPDATE;

-- name: lock_tasks
-- In one order, so that no two who change the same ones wait for each other in a circle.
SELECT
    id, task_id, tenant_id, user_id, kind, title, status, priority, progress, steps_done, stage, current_step, statistics,
    result, error_code, error_message, attempt, retries, max_retries, run_after, deadline, heartbeat_at, execution_arn,
    request_digest, created_at, started_at, updated_at, finished_at
FROM tasks
WHERE tenant_id = :tenant_id AND task_id IN :task_ids
ORDER BY id
FOR UPDATE;

-- name: lock_open_tasks
-- In one order, so that no two who join the same ones wait for each other in a circle.
SELECT * FROM tasks WHERE tenant_id = :tenant_id AND open_key IN :open_keys ORDER BY id FOR UPDATE;

-- name: start_tasks!
-- The execution's name ends with a random token: row ids begin anew in a database that was made anew, while Step Functions
-- remembers names for 90 days. The name is stored, so starting the attempt twice starts it once.
UPDATE tasks
SET status = 'RUNNING',
    execution_arn = CONCAT(:execution_prefix, id, '-', attempt + 1, '-', :token),
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
WHERE id = :id AND attempt = :attempt AND status IN :sources;

-- name: finish_task!
UPDATE tasks
SET status = :target,
    progress = IF(:target = 'SUCCEEDED', 100, GREATEST(progress, :progress)),
    stage = COALESCE(:stage, stage),
    current_step = NULL,
    statistics = :statistics,
    result = :result,
    error_code = :error_code,
    error_message = :error_message,
    updated_at = UTC_TIMESTAMP(6),
    finished_at = UTC_TIMESTAMP(6)
WHERE id = :id AND attempt = :attempt AND status IN :sources;

-- name: stop_tasks!
-- A caller cancels them, or pauses them, which is not their end. [{id, progress, statistics}, ...]: how far each was;
-- statistics that are NULL stay as they were.
UPDATE tasks
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (
    id BIGINT PATH '$.id', progress INT PATH '$.progress', statistics LONGTEXT PATH '$.statistics'
)) AS seen ON seen.id = tasks.id
SET tasks.status = :target,
    tasks.progress = GREATEST(tasks.progress, seen.progress),
    tasks.current_step = IF(:target = 'CANCELLED', NULL, tasks.current_step),
    tasks.statistics = COALESCE(seen.statistics, tasks.statistics),
    tasks.error_code = COALESCE(:error_code, tasks.error_code),
    tasks.error_message = COALESCE(:error_message, tasks.error_message),
    tasks.updated_at = UTC_TIMESTAMP(6),
    tasks.finished_at = IF(:target = 'CANCELLED', UTC_TIMESTAMP(6), NULL)
WHERE tasks.tenant_id = :tenant_id AND tasks.status IN :sources;

-- name: resume_tasks!
UPDATE tasks
SET status = 'PENDING',
    run_after = UTC_TIMESTAMP(6),
    error_code = NULL,
    error_message = NULL,
    updated_at = UTC_TIMESTAMP(6)
WHERE id IN :ids AND tenant_id = :tenant_id AND status IN :sources;

-- name: retry_tasks!
-- Their retries and their time begin anew: a deadline that has passed would fail them at once. IGNORE passes over those
-- whose open_key another task has, which may be one of these.
UPDATE IGNORE tasks
SET status = 'PENDING',
    retries = 0,
    run_after = UTC_TIMESTAMP(6),
    deadline = NULL,
    error_code = NULL,
    error_message = NULL,
    finished_at = NULL,
    updated_at = UTC_TIMESTAMP(6)
WHERE id IN :ids AND tenant_id = :tenant_id AND status IN :sources;

-- name: list_waiting
SELECT id FROM tasks WHERE id IN :ids AND status = 'PENDING';

-- name: change_tasks!
-- [{id, priority, title, run_after}, ...]
UPDATE tasks
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (
    id BIGINT PATH '$.id',
    priority INT PATH '$.priority',
    title VARCHAR(200) PATH '$.title',
    run_after DATETIME(6) PATH '$.run_after'
)) AS asked ON asked.id = tasks.id
SET tasks.priority = asked.priority,
    tasks.title = asked.title,
    tasks.run_after = asked.run_after,
    tasks.updated_at = UTC_TIMESTAMP(6);

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
WHERE id = :id AND attempt = :attempt AND status = 'RUNNING' AND steps_done < :steps_done;

-- name: beat!
-- No change that a reader could see, so `updated_at` stays.
UPDATE tasks SET heartbeat_at = UTC_TIMESTAMP(6) WHERE task_id IN :task_ids AND status = 'RUNNING';

-- name: beat_attempt!
-- For an attempt whose execution is started again: the time after which it is stale begins anew.
UPDATE tasks
SET heartbeat_at = UTC_TIMESTAMP(6)
WHERE id = :id AND attempt = :attempt AND status = 'RUNNING';

-- name: insert_events!
-- [{id, detail}, ...]: what happened to each, in the transaction in which it happened, and how far each was then. It is to
-- be told if anybody listens to its tenant, or the task has callbacks.
INSERT INTO task_events (task_id, attempt, event, status, detail, progress, stage, current_step, unsent, created_at)
SELECT
    tasks.task_id, tasks.attempt, :event, tasks.status, seen.detail, tasks.progress, tasks.stage, tasks.current_step,
    IF(tasks.callbacks IS NOT NULL, 1, (
        SELECT MAX(1) FROM notice_listeners
        WHERE notice_listeners.tenant_id = tasks.tenant_id AND notice_listeners.until > UTC_TIMESTAMP(6)
    )),
    UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$.id', detail LONGTEXT PATH '$.detail')) AS seen
JOIN tasks ON tasks.id = seen.id;

-- ---------------------------------------------------------------- notices: events that are to be told

-- name: find_unsent
SELECT DISTINCT task_id FROM task_events WHERE unsent = 1 AND task_id IN :task_ids;

-- name: find_left_unsent
-- Whoever wrote them, or was to tell them, has died.
SELECT DISTINCT task_id FROM task_events
WHERE unsent = 1 AND created_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6))
LIMIT :limit;

-- name: list_unsent
-- In the order in which they happened to each task, with the channels that listen to its tenant; webhooks also to a task
-- that has callbacks.
SELECT
    task_events.id, task_events.task_id, task_events.event, task_events.status, task_events.attempt, task_events.detail,
    task_events.progress, task_events.stage, task_events.current_step, task_events.created_at,
    tasks.tenant_id, tasks.kind, tasks.title, tasks.traceparent,
    CONCAT_WS(
        ',',
        (SELECT GROUP_CONCAT(notice_listeners.channel) FROM notice_listeners
        WHERE notice_listeners.tenant_id = tasks.tenant_id AND notice_listeners.until > UTC_TIMESTAMP(6)
          AND (tasks.callbacks IS NULL OR notice_listeners.channel <> 'webhooks')),
        IF(tasks.callbacks IS NULL, NULL, 'webhooks')
    ) AS channels
FROM task_events
JOIN tasks ON tasks.task_id = task_events.task_id
WHERE task_events.unsent = 1 AND task_events.task_id IN :task_ids
ORDER BY task_events.id
LIMIT :limit;

-- name: mark_sent!
UPDATE task_events SET unsent = NULL WHERE id IN :ids;

-- name: list_notices_of_task
-- A task's notices after one of them, told before or not, in their order.
SELECT
    task_events.id, task_events.task_id, task_events.event, task_events.status, task_events.attempt, task_events.detail,
    task_events.progress, task_events.stage, task_events.current_step, task_events.created_at,
    tasks.tenant_id, tasks.kind, tasks.title, tasks.traceparent, NULL AS channels
FROM tasks
JOIN task_events ON task_events.task_id = tasks.task_id AND task_events.id > :after_id
WHERE tasks.task_id = :task_id AND tasks.tenant_id = :tenant_id
ORDER BY task_events.id
LIMIT :limit;

-- name: list_notices_of_tenant
-- The same of all of a tenant's tasks, or those of a kind, up to one: events of every tenant are read from place to place.
SELECT
    task_events.id, task_events.task_id, task_events.event, task_events.status, task_events.attempt, task_events.detail,
    task_events.progress, task_events.stage, task_events.current_step, task_events.created_at,
    tasks.tenant_id, tasks.kind, tasks.title, tasks.traceparent, NULL AS channels
FROM task_events
JOIN tasks ON tasks.task_id = task_events.task_id
WHERE task_events.id > :after_id AND task_events.id <= :last_id AND tasks.tenant_id = :tenant_id
  AND (:any_kind OR tasks.kind = :kind)
ORDER BY task_events.id
LIMIT :limit;

-- name: find_newest_event$
SELECT COALESCE(MAX(id), 0) FROM task_events;

-- name: is_heard$
SELECT 1 FROM notice_listeners
WHERE tenant_id = :tenant_id AND channel = :channel AND until > UTC_TIMESTAMP(6);

-- name: list_listeners
SELECT tenant_id, channel FROM notice_listeners WHERE tenant_id IN :tenant_ids AND until > UTC_TIMESTAMP(6);

-- name: find_last_event^
-- Of a task that its tenant's channel hears of, with its trace: NULL when nobody listens.
SELECT MAX(task_events.id) AS event_id, MAX(tasks.traceparent) AS traceparent
FROM notice_listeners
JOIN tasks ON tasks.task_id = :task_id
JOIN task_events ON task_events.task_id = tasks.task_id
WHERE notice_listeners.tenant_id = :tenant_id AND notice_listeners.channel = :channel
  AND notice_listeners.until > UTC_TIMESTAMP(6);

-- name: find_last_event_of_task$
SELECT COALESCE(MAX(id), 0) FROM task_events WHERE task_id = :task_id;

-- name: listen!
-- From now on; `seconds` NULL is for good. It never ends earlier than it would have.
INSERT INTO notice_listeners (tenant_id, channel, until)
VALUES (
    :tenant_id, :channel,
    COALESCE(TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6)), CAST('9999-12-31' AS DATETIME(6)))
)
ON DUPLICATE KEY UPDATE until = GREATEST(until, VALUES(until));

-- name: stop_listening!
DELETE FROM notice_listeners WHERE tenant_id = :tenant_id AND channel = :channel;

-- ---------------------------------------------------------------- steps

-- name: begin_step!
-- A worker takes the step, planned or not, in one statement, if the task still runs this attempt. Nothing changes, and no
-- row is counted, when it does not or when the step was done before: `read_step` tells which.
INSERT INTO task_steps (task_id, step_key, level, label, status, attempt, attempts, created_at, started_at)
SELECT tasks.task_id, :step_key, :level, :label, 'PENDING', tasks.attempt, 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM tasks
WHERE tasks.task_id = :task_id AND tasks.status = 'RUNNING' AND tasks.attempt = :attempt
ON DUPLICATE KEY UPDATE
    attempt = IF(task_steps.status = 'SUCCEEDED', task_steps.attempt, VALUES(attempt)),
    attempts = IF(task_steps.status = 'SUCCEEDED', task_steps.attempts, task_steps.attempts + 1),
    started_at = IF(task_steps.status = 'SUCCEEDED', task_steps.started_at, VALUES(started_at));

-- name: read_step^
-- One round trip tells whether the task still wants this attempt and whether the step was done before.
SELECT tasks.status AS task_status, tasks.attempt, task_steps.status AS step_status, task_steps.label, task_steps.output
FROM tasks
LEFT JOIN task_steps ON task_steps.task_id = tasks.task_id AND task_steps.step_key = :step_key
WHERE tasks.task_id = :task_id;

-- name: plan_steps!
-- A step that is planned already stays as it is.
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

-- name: list_left
-- Which steps of a batch are left to do, in one round trip with whether the task still wants this attempt. One that has
-- begun in this attempt and said nothing since: its worker was killed, or another has the same batch. An error is that of
-- the step's last run.
SELECT
    tasks.status AS task_status, tasks.attempt AS task_attempt, task_steps.step_key, task_steps.level, task_steps.label,
    task_steps.attempts, IF(task_steps.attempt = tasks.attempt, task_steps.error_code, NULL) AS error_code,
    task_steps.error_message, task_steps.attempt = tasks.attempt AND task_steps.started_at IS NOT NULL AS begun
FROM tasks
LEFT JOIN task_steps
    ON task_steps.task_id = tasks.task_id AND task_steps.step_key IN :step_keys AND task_steps.status = 'PENDING'
WHERE tasks.task_id = :task_id
ORDER BY task_steps.attempts, task_steps.step_key;

-- name: take_step!
-- As begin_step, of a step that is planned. `attempts` is the fence between two calls with the same batch: who counts
-- first has it.
UPDATE task_steps
JOIN tasks ON tasks.task_id = task_steps.task_id
SET task_steps.attempts = :attempts + 1,
    task_steps.attempt = :attempt,
    task_steps.started_at = UTC_TIMESTAMP(6),
    task_steps.error_code = NULL,
    task_steps.error_message = NULL
WHERE task_steps.task_id = :task_id AND task_steps.step_key = :step_key
  AND task_steps.status = 'PENDING' AND task_steps.attempts = :attempts
  AND tasks.status = 'RUNNING' AND tasks.attempt = :attempt;

-- name: release_step!
-- Left to the next call of its batch, with the reason. Nobody works at it; one that was found begun stays so, as it may be
-- what kills its worker.
UPDATE task_steps
JOIN tasks ON tasks.task_id = task_steps.task_id
SET task_steps.started_at = IF(:begun, task_steps.started_at, NULL), task_steps.error_code = :error_code, task_steps.error_message = :error_message
WHERE task_steps.task_id = :task_id AND task_steps.step_key = :step_key
  AND task_steps.status = 'PENDING' AND task_steps.attempts = :attempts AND task_steps.attempt = :attempt
  AND tasks.status = 'RUNNING' AND tasks.attempt = :attempt;

-- name: reset_failed_steps!
UPDATE task_steps
SET status = 'PENDING', error_code = NULL, error_message = NULL, finished_at = NULL
WHERE task_id IN :task_ids AND status = 'FAILED';

-- name: release_steps!
-- Nobody works at them any more.
UPDATE task_steps SET started_at = NULL WHERE task_id = :task_id AND status = 'PENDING' AND started_at IS NOT NULL;

-- name: count_steps
-- By the status in the row: a step that is being worked at is PENDING there.
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

-- ---------------------------------------------------------------- lists

-- name: list_tasks
-- A page after a row's place in the order (:value, :id), or at :offset from the beginning; the first page is after a
-- place before all. The ids come from an index that holds the order and the filters, so that rows which a filter
-- refuses, or an offset skips, are never read. A title is in no index: text in it is looked for in the first :read rows,
-- and the last of them is given, found or not, as the place to go on from.
-- Two statements joined, those of the same value and those beyond, since neither a pair, (a, id) < (:value, :id), nor
-- an OR is surely read from its place: the planner takes the two ranges of an OR for the whole table when most of it is
-- one tenant's. The index is forced, as at some sizes it would rather sort.
-- When a task ended is in no index of a tenant's. What ended since a time was changed since then too; what ended before a time
-- was created before it too. Where a filter leaves few tasks, the index is one that begins with it, and they are sorted.
WITH places AS (
    (SELECT id, {sort} AS value FROM tasks FORCE INDEX ({index})
    WHERE tenant_id = :tenant_id AND {sort} = :value AND id {beyond} :id
      AND (:any_created OR (created_at >= :created_after AND created_at < :created_before))
      AND (:any_status OR status IN :statuses)
      AND (:any_kind OR kind IN :kinds)
      AND (:any_priority OR priority IN :priorities)
      AND (:any_end OR (updated_at >= :ended_after AND finished_at >= :ended_after AND finished_at < :ended_before))
      AND (:any_error OR error_code IN :error_codes)
      AND (:any_other_error OR error_code NOT IN :other_error_codes)
    ORDER BY id {order}
    LIMIT :read)
    UNION ALL
    (SELECT id, {sort} AS value FROM tasks FORCE INDEX ({index})
    WHERE tenant_id = :tenant_id AND {sort} {beyond} :value
      AND (:any_created OR (created_at >= :created_after AND created_at < :created_before))
      AND (:any_status OR status IN :statuses)
      AND (:any_kind OR kind IN :kinds)
      AND (:any_priority OR priority IN :priorities)
      AND (:any_end OR (updated_at >= :ended_after AND finished_at >= :ended_after AND finished_at < :ended_before))
      AND (:any_error OR error_code IN :error_codes)
      AND (:any_other_error OR error_code NOT IN :other_error_codes)
    ORDER BY {sort} {order}, id {order}
    LIMIT :read OFFSET :skipped)
    ORDER BY value {order}, id {order}
    LIMIT :read
), page AS (
    SELECT id, ROW_NUMBER() OVER (ORDER BY value {order}, id {order}) AS place FROM places
)
SELECT
    tasks.id, tasks.task_id, tasks.tenant_id, tasks.user_id, tasks.kind, tasks.title, tasks.status, tasks.priority,
    tasks.progress, tasks.steps_done, tasks.stage, tasks.current_step, tasks.statistics, tasks.result, tasks.error_code,
    tasks.error_message, tasks.attempt, tasks.retries, tasks.max_retries, tasks.run_after, tasks.deadline,
    tasks.heartbeat_at, tasks.execution_arn, tasks.request_digest, tasks.created_at, tasks.started_at, tasks.updated_at,
    tasks.finished_at, page.place, tasks.title LIKE :title ESCAPE '!' AS found
FROM page
JOIN tasks ON tasks.id = page.id
  AND (:any_title OR tasks.title LIKE :title ESCAPE '!' OR page.place = :read)
ORDER BY page.place
LIMIT :limit OFFSET :offset;

-- name: count_tasks$
-- Without its index named, the engine counts the failed tasks among all of a tenant's.
-- No further than to :limit: a million rows of an index take half a second.
SELECT COUNT(*) FROM (
    SELECT 1 FROM tasks FORCE INDEX ({index})
    WHERE tenant_id = :tenant_id
      AND (:any_created OR (created_at >= :created_after AND created_at < :created_before))
      AND (:any_status OR status IN :statuses)
      AND (:any_kind OR kind IN :kinds)
      AND (:any_priority OR priority IN :priorities)
      AND (:any_end OR (updated_at >= :ended_after AND finished_at >= :ended_after AND finished_at < :ended_before))
      AND (:any_error OR error_code IN :error_codes)
      AND (:any_other_error OR error_code NOT IN :other_error_codes)
    LIMIT :limit
) AS counted;

-- name: count_titles$
-- Among the first :read rows of a list, in its order, those with a text in their title.
SELECT COUNT(*)
FROM (
    SELECT id FROM tasks FORCE INDEX ({index})
    WHERE tenant_id = :tenant_id
      AND (:any_created OR (created_at >= :created_after AND created_at < :created_before))
      AND (:any_status OR status IN :statuses)
      AND (:any_kind OR kind IN :kinds)
      AND (:any_priority OR priority IN :priorities)
      AND (:any_end OR (updated_at >= :ended_after AND finished_at >= :ended_after AND finished_at < :ended_before))
      AND (:any_error OR error_code IN :error_codes)
      AND (:any_other_error OR error_code NOT IN :other_error_codes)
    ORDER BY {sort} {order}, id {order}
    LIMIT :read
) AS page
JOIN tasks ON tasks.id = page.id
WHERE tasks.title LIKE :title ESCAPE '!';

-- name: list_active_tasks
SELECT
    tasks.id, tasks.task_id, tasks.tenant_id, tasks.user_id, tasks.kind, tasks.title, tasks.status, tasks.priority,
    tasks.progress, tasks.steps_done, tasks.stage, tasks.current_step, tasks.statistics, tasks.result, tasks.error_code,
    tasks.error_message, tasks.attempt, tasks.retries, tasks.max_retries, tasks.run_after, tasks.deadline,
    tasks.heartbeat_at, tasks.execution_arn, tasks.request_digest, tasks.created_at, tasks.started_at, tasks.updated_at,
    tasks.finished_at
FROM (
    SELECT id FROM tasks FORCE INDEX (tasks_by_tenant_status)
    WHERE tenant_id = :tenant_id AND status IN :statuses
    ORDER BY created_at DESC, id DESC
    LIMIT :limit
) AS page
JOIN tasks ON tasks.id = page.id
ORDER BY tasks.created_at DESC, tasks.id DESC;

-- name: list_steps
-- Whose task it is and its steps, in one statement: a task without such steps gives one row, without a step. A step is
-- RUNNING while its task runs the attempt in which a worker took it: no transition of a task has to write its steps.
SELECT
    tasks.task_id, task_steps.step_key, task_steps.level, task_steps.label,
    CASE WHEN task_steps.status = 'PENDING' AND task_steps.started_at IS NOT NULL
            AND task_steps.attempt = tasks.attempt AND tasks.status = 'RUNNING'
        THEN 'RUNNING' ELSE task_steps.status END AS status,
    task_steps.attempt, task_steps.attempts, task_steps.units, task_steps.error_code, task_steps.error_message,
    task_steps.created_at, task_steps.started_at, task_steps.finished_at
FROM tasks
LEFT JOIN task_steps
    ON task_steps.task_id = tasks.task_id
    AND task_steps.step_key > :after_key
    AND (:any_level OR task_steps.level = :level)
    AND (:any_status OR :status = CASE WHEN task_steps.status = 'PENDING' AND task_steps.started_at IS NOT NULL
            AND task_steps.attempt = tasks.attempt AND tasks.status = 'RUNNING'
        THEN 'RUNNING' ELSE task_steps.status END)
WHERE tasks.task_id = :task_id AND tasks.tenant_id = :tenant_id
ORDER BY task_steps.step_key
LIMIT :limit;

-- name: list_events
SELECT
    tasks.task_id, task_events.id, task_events.event, task_events.status, task_events.attempt, task_events.detail,
    task_events.created_at
FROM tasks
LEFT JOIN task_events ON task_events.task_id = tasks.task_id AND task_events.id > :after_id
WHERE tasks.task_id = :task_id AND tasks.tenant_id = :tenant_id
ORDER BY task_events.id
LIMIT :limit;

-- ---------------------------------------------------------------- lanes
-- Every statement of lanes. A lane's tenants take turns (start-time fair queueing, Goyal et al. 1996): `lanes.turn` is the
-- lane's virtual time, `lane_tenants.turn` where the tenant's next task stands in it. A tenant that was away stands at the
-- lane's present time: it has no credit. Each of its waiting tasks stands 1/weight behind the one before. (1e0: as DOUBLE;
-- the quotient of two integers is a DECIMAL of four digits.)

-- name: create_lane!
-- A lane that is there keeps its limits: they may have been changed by hand.
INSERT IGNORE INTO lanes (kind, max_concurrent, max_queued) VALUES (:kind, :max_concurrent, :max_queued);

-- name: lock_lane^
SELECT kind, max_concurrent, paused, turn FROM lanes WHERE kind = :kind FOR UPDATE;

-- name: count_running$
-- Not a part of lock_lane: there it would count before it waits for the lock.
SELECT COUNT(*) FROM tasks WHERE kind = :kind AND status = 'RUNNING';

-- name: rank_waiting
-- The tasks that may start now, the next one first. The order is that of `find_position`, and a test holds them together.
SELECT ranked.id, ranked.tenant_id, ranked.weight, ranked.tag
FROM (
    SELECT waiting.id, waiting.priority, waiting.tenant_id, COALESCE(lane_tenants.weight, 1) AS weight,
        GREATEST(lanes.turn, COALESCE(lane_tenants.turn, 0))
            + (waiting.place - 1e0) / COALESCE(lane_tenants.weight, 1) AS tag
    FROM (
        SELECT id, priority, tenant_id, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY priority DESC, id) AS place
        FROM tasks
        WHERE kind = :kind AND status = 'PENDING' AND run_after <= UTC_TIMESTAMP(6)
          AND (deadline IS NULL OR deadline > UTC_TIMESTAMP(6))
    ) AS waiting
    JOIN lanes ON lanes.kind = :kind
    LEFT JOIN lane_tenants ON lane_tenants.kind = :kind AND lane_tenants.tenant_id = waiting.tenant_id
) AS ranked
ORDER BY ranked.priority DESC, ranked.tag, ranked.id
LIMIT :limit;

-- name: lock_waiting
-- Those that are still waiting: a caller may have cancelled one since it was ranked, or be about to.
SELECT * FROM tasks WHERE id IN :ids AND status = 'PENDING' FOR UPDATE;

-- name: advance_lane!
-- Never back: the more urgent may have been started from further behind.
UPDATE lanes SET turn = GREATEST(turn, :turn) WHERE kind = :kind;

-- name: advance_tenants!
-- [[tenant_id, turn], ...]
INSERT INTO lane_tenants (kind, tenant_id, turn)
SELECT :kind, said.tenant_id, said.turn
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (tenant_id VARCHAR(64) PATH '$[0]', turn DOUBLE PATH '$[1]')) AS said
ON DUPLICATE KEY UPDATE turn = VALUES(turn);

-- name: find_position$
-- How many tasks will have started when this one has, if no other comes.
SELECT ranked.place
FROM (
    SELECT queued.id, ROW_NUMBER() OVER (ORDER BY queued.priority DESC, queued.tag, queued.id) AS place
    FROM (
        SELECT waiting.id, waiting.priority,
            GREATEST(lanes.turn, COALESCE(lane_tenants.turn, 0))
                + (waiting.place - 1e0) / COALESCE(lane_tenants.weight, 1) AS tag
        FROM (
            SELECT id, priority, tenant_id,
                ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY priority DESC, id) AS place
            FROM tasks
            WHERE kind = :kind AND status = 'PENDING' AND run_after <= UTC_TIMESTAMP(6)
              AND (deadline IS NULL OR deadline > UTC_TIMESTAMP(6))
        ) AS waiting
        JOIN lanes ON lanes.kind = :kind
        LEFT JOIN lane_tenants ON lane_tenants.kind = :kind AND lane_tenants.tenant_id = waiting.tenant_id
    ) AS queued
) AS ranked
WHERE ranked.id = :id;

-- name: list_kinds
-- Of every kind that there ever was: the lane of a workload that is not deployed any more stays, as its tasks do.
SELECT kind FROM lanes ORDER BY kind;

-- name: list_lanes
SELECT kind, max_concurrent, max_queued, max_scheduled, paused FROM lanes WHERE kind IN :kinds ORDER BY kind;

-- name: count_lanes
-- How many of a kind wait, sleep or run, how many of them are this tenant's, and since when the first could start.
SELECT
    kind, status, later, COUNT(*) AS number, SUM(yours) AS yours, MIN(run_after) AS oldest_at,
    TIMESTAMPDIFF(SECOND, MIN(run_after), UTC_TIMESTAMP(6)) AS oldest_seconds
FROM (
    SELECT kind, status, status = 'PENDING' AND run_after > UTC_TIMESTAMP(6) AS later, tenant_id = :tenant_id AS yours, run_after
    FROM tasks
    WHERE kind IN :kinds AND status IN ('PENDING', 'RUNNING')
) AS seen
GROUP BY kind, status, later;

-- name: count_free_to_schedule$
-- How many more of this tenant's tasks may wait for a later start.
SELECT lanes.max_scheduled - (
    SELECT COUNT(*) FROM tasks
    WHERE tasks.tenant_id = :tenant_id AND tasks.kind = :kind AND tasks.status = 'PENDING'
      AND tasks.run_after > UTC_TIMESTAMP(6)
)
FROM lanes
WHERE lanes.kind = :kind;

-- name: list_weights
-- Those that somebody gave: of a tenant that has none it is 1.
SELECT kind, tenant_id, weight FROM lane_tenants WHERE kind IN :kinds AND weight <> 1 ORDER BY kind, tenant_id;

-- name: limit_lane!
-- What is NULL stays as it is.
UPDATE lanes
SET max_concurrent = COALESCE(:max_concurrent, max_concurrent),
    max_queued = COALESCE(:max_queued, max_queued),
    max_scheduled = COALESCE(:max_scheduled, max_scheduled),
    paused = COALESCE(:paused, paused)
WHERE kind = :kind;

-- name: weigh_tenants!
-- [[tenant_id, weight], ...], if there is the lane.
INSERT INTO lane_tenants (kind, tenant_id, weight)
SELECT lanes.kind, said.tenant_id, said.weight
FROM lanes
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (tenant_id VARCHAR(64) PATH '$[0]', weight INT PATH '$[1]')) AS said
WHERE lanes.kind = :kind
ON DUPLICATE KEY UPDATE weight = VALUES(weight);

-- ---------------------------------------------------------------- many tasks in one request

-- name: insert_tasks!
-- Those whose keys are not known yet, one of each open_key, as many of each kind as its lane has room for, the first ones
-- first. What is due and what is to start later have rooms of their own, as in insert_task.
INSERT INTO tasks (
    task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries, idempotency_key, request_digest,
    dedupe_key, run_after, deadline, traceparent, callbacks, created_at, updated_at
)
SELECT
    fresh.task_id, :tenant_id, :user_id, fresh.kind, fresh.title, fresh.params, 'PENDING', fresh.priority,
    fresh.max_retries, fresh.idempotency_key, fresh.request_digest, fresh.open_key,
    COALESCE(fresh.run_after, UTC_TIMESTAMP(6)), fresh.deadline, fresh.traceparent, fresh.callbacks,
    UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM (
    SELECT firsts.*, ROW_NUMBER() OVER (PARTITION BY firsts.kind, firsts.later ORDER BY firsts.ordinal) AS place
    FROM (
        SELECT
            asked.*,
            asked.run_after IS NOT NULL AS later,
            ROW_NUMBER() OVER (PARTITION BY COALESCE(asked.open_key, asked.task_id) ORDER BY asked.ordinal) AS turn
        FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
            ordinal FOR ORDINALITY,
            task_id VARCHAR(96) PATH '$.task_id',
            kind VARCHAR(64) PATH '$.kind',
            title VARCHAR(200) PATH '$.title',
            params LONGTEXT PATH '$.params',
            priority INT PATH '$.priority',
            max_retries INT PATH '$.max_retries',
            idempotency_key VARCHAR(255) PATH '$.idempotency_key',
            request_digest VARCHAR(64) PATH '$.request_digest',
            open_key VARCHAR(64) PATH '$.open_key',
            run_after DATETIME(6) PATH '$.run_after',
            deadline DATETIME(6) PATH '$.deadline',
            traceparent VARCHAR(55) PATH '$.traceparent',
            callbacks LONGTEXT PATH '$.callbacks'
        )) AS asked
        LEFT JOIN tasks AS known ON known.tenant_id = :tenant_id AND known.idempotency_key = asked.idempotency_key
        LEFT JOIN tasks AS rival ON rival.tenant_id = :tenant_id AND rival.open_key = asked.open_key
        WHERE known.id IS NULL AND rival.id IS NULL
    ) AS firsts
    WHERE firsts.turn = 1
) AS fresh
JOIN (
    SELECT
        lanes.kind,
        lanes.max_queued - (
            SELECT COUNT(*) FROM tasks AS waiting
            WHERE waiting.kind = lanes.kind AND waiting.status = 'PENDING' AND waiting.run_after <= UTC_TIMESTAMP(6)
        ) AS free,
        lanes.max_scheduled - (
            SELECT COUNT(*) FROM tasks AS sleeping
            WHERE sleeping.tenant_id = :tenant_id AND sleeping.kind = lanes.kind AND sleeping.status = 'PENDING'
              AND sleeping.run_after > UTC_TIMESTAMP(6)
        ) AS free_later
    FROM lanes
    WHERE lanes.kind IN :kinds
) AS room ON room.kind = fresh.kind AND IF(fresh.later, room.free_later, room.free) >= fresh.place
ORDER BY fresh.ordinal;

-- name: find_stored
SELECT id, task_id, idempotency_key, request_digest, open_key FROM tasks
WHERE tenant_id = :tenant_id AND task_id IN :task_ids
UNION
SELECT id, task_id, idempotency_key, request_digest, open_key FROM tasks
WHERE tenant_id = :tenant_id AND idempotency_key IN :idempotency_keys
UNION
SELECT id, task_id, idempotency_key, request_digest, open_key FROM tasks
WHERE tenant_id = :tenant_id AND open_key IN :open_keys;

-- ---------------------------------------------------------------- bulk actions: all tasks that match a filter

-- name: count_matching$
SELECT COUNT(*)
FROM (
    SELECT id
    FROM tasks
    WHERE tenant_id = :tenant_id AND id < :before_id
      AND (:any_created OR (created_at >= :created_after AND created_at < :created_before))
      AND (:any_status OR status IN :statuses)
      AND (:any_kind OR kind IN :kinds)
      AND (:any_priority OR priority IN :priorities)
      AND (:any_end OR (updated_at >= :ended_after AND finished_at >= :ended_after AND finished_at < :ended_before))
      AND (:any_error OR error_code IN :error_codes)
      AND (:any_other_error OR error_code NOT IN :other_error_codes)
      AND (:any_title OR title LIKE :title ESCAPE '!')
      AND (:any_id OR task_id IN :task_ids)
    LIMIT :limit
) AS matching;

-- name: list_ranges
-- The matching tasks, oldest first, cut into ranges of so many: where each begins and ends, and how many it has.
SELECT
    MIN(created_at) AS first_at,
    MIN(IF(MOD(place - 1, :size) = 0, id, NULL)) AS first_id,
    MAX(created_at) AS last_at,
    MAX(IF(MOD(place, :size) = 0 OR place = matched, id, NULL)) AS last_id,
    COUNT(*) AS tasks
FROM (
    SELECT id, created_at, ROW_NUMBER() OVER (ORDER BY created_at, id) AS place, COUNT(*) OVER () AS matched
    FROM tasks
    WHERE tenant_id = :tenant_id AND id < :before_id
      AND (:any_created OR (created_at >= :created_after AND created_at < :created_before))
      AND (:any_status OR status IN :statuses)
      AND (:any_kind OR kind IN :kinds)
      AND (:any_priority OR priority IN :priorities)
      AND (:any_end OR (updated_at >= :ended_after AND finished_at >= :ended_after AND finished_at < :ended_before))
      AND (:any_error OR error_code IN :error_codes)
      AND (:any_other_error OR error_code NOT IN :other_error_codes)
      AND (:any_title OR title LIKE :title ESCAPE '!')
      AND (:any_id OR task_id IN :task_ids)
) AS matching
GROUP BY FLOOR((place - 1) / :size)
ORDER BY MIN(place);

-- name: lock_matching
-- Those of a range that match now, in the order of lock_tasks. More may match than when it was cut. The index is forced:
-- for the sake of the order, the planner would read all of the tenant's tasks.
SELECT
    id, task_id, tenant_id, user_id, kind, title, status, priority, progress, steps_done, stage, current_step, statistics,
    result, error_code, error_message, attempt, retries, max_retries, run_after, deadline, heartbeat_at, execution_arn,
    request_digest, created_at, started_at, updated_at, finished_at
FROM tasks FORCE INDEX (tasks_by_created)
WHERE tenant_id = :tenant_id AND id < :before_id
  AND created_at BETWEEN :first_at AND :last_at
  AND (created_at > :first_at OR id >= :first_id) AND (created_at < :last_at OR id <= :last_id)
  AND (:any_created OR (created_at >= :created_after AND created_at < :created_before))
  AND (:any_status OR status IN :statuses)
  AND (:any_kind OR kind IN :kinds)
  AND (:any_priority OR priority IN :priorities)
  AND (:any_end OR (updated_at >= :ended_after AND finished_at >= :ended_after AND finished_at < :ended_before))
  AND (:any_error OR error_code IN :error_codes)
  AND (:any_other_error OR error_code NOT IN :other_error_codes)
  AND (:any_title OR title LIKE :title ESCAPE '!')
  AND (:any_id OR task_id IN :task_ids)
ORDER BY id
LIMIT :limit
FOR UPDATE;

-- name: list_ranges_of_action
SELECT step_key, label, status, output FROM task_steps WHERE task_id = :task_id AND level = :level ORDER BY step_key;

-- name: clear_step_output!
UPDATE task_steps SET output = :output WHERE task_id = :task_id AND step_key = :step_key;

-- name: count_done^
-- `planned` and `seen` in tasks, of all ranges and of those that are done; `changed` of the latter.
SELECT
    COUNT(*) AS ranges,
    COALESCE(SUM(status = 'SUCCEEDED'), 0) AS done,
    COALESCE(SUM(units), 0) AS changed,
    COALESCE(SUM(CAST(SUBSTRING_INDEX(step_key, '/', -1) AS SIGNED)), 0) AS planned,
    COALESCE(SUM(IF(status = 'SUCCEEDED', CAST(SUBSTRING_INDEX(step_key, '/', -1) AS SIGNED), 0)), 0) AS seen
FROM task_steps
WHERE task_id = :task_id AND level = :level;

-- ---------------------------------------------------------------- purging

-- name: lock_ended_of_tenant
-- Those that ended long ago. What ended before a time began before it too, which is what the index knows.
SELECT id, task_id, tenant_id, kind
FROM tasks
WHERE tenant_id = :tenant_id AND status IN :statuses
  AND created_at < TIMESTAMPADD(DAY, -:days, UTC_TIMESTAMP(6)) AND finished_at < TIMESTAMPADD(DAY, -:days, UTC_TIMESTAMP(6))
LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: lock_ended
-- The same of every tenant.
SELECT id, task_id, tenant_id, kind
FROM tasks
WHERE status IN :statuses AND finished_at < TIMESTAMPADD(DAY, -:days, UTC_TIMESTAMP(6)) AND tenant_id <> ''
LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: condemn!
-- Nobody's task any more: nobody reads, lists or retries it, and its key is free again, while what hangs on it goes.
UPDATE tasks SET tenant_id = '', idempotency_key = NULL WHERE id IN :ids;

-- name: list_condemned
SELECT id, task_id, tenant_id, kind FROM tasks WHERE tenant_id = '' LIMIT :limit;

-- name: delete_steps!
DELETE FROM task_steps WHERE task_id IN :task_ids LIMIT :limit;

-- name: delete_events!
DELETE FROM task_events WHERE task_id IN :task_ids LIMIT :limit;

-- name: delete_tasks!
DELETE FROM tasks WHERE id IN :ids AND tenant_id = '';

-- ---------------------------------------------------------------- roll-ups: what happened, counted (migration 0020)

-- name: count_events!
-- Of a transition just made, in its transaction. Its rows are this connection's own, so nobody waits for them. A start took as
-- long as the task had waited, an end as long as the task had run since its first start; nothing else took any time. What was
-- recovered has kept its `updated_at`.
INSERT INTO task_counts (
    tenant_id, kind, minute, event, bucket, writer, number, microseconds, shortest, longest, units, best
)
SELECT
    moved.tenant_id, moved.kind, moved.minute, :event,
    IF(moved.lasted IS NULL, -1, GREATEST(0, LEAST(:last_bucket, CEIL(2 * LOG2(GREATEST(1, moved.lasted) / 100000e0))))),
    CONNECTION_ID(), COUNT(*), COALESCE(SUM(moved.lasted), 0), MIN(moved.lasted), MAX(moved.lasted), COUNT(*) * :units,
    COALESCE(MAX(IF(moved.lasted > 0, :units * 1000000e0 / moved.lasted, 0)), 0)
FROM (
    SELECT
        tenant_id, kind,
        TIMESTAMPDIFF(MINUTE, '1970-01-01', IF(:event = 'recovered', UTC_TIMESTAMP(6), updated_at)) AS minute,
        GREATEST(0, IF(
            :event = 'started',
            TIMESTAMPDIFF(MICROSECOND, GREATEST(created_at, run_after), updated_at),
            TIMESTAMPDIFF(MICROSECOND, started_at, finished_at)
        )) AS lasted
    FROM tasks
    WHERE id IN :ids
) AS moved
GROUP BY 1, 2, 3, 5
ON DUPLICATE KEY UPDATE
    number = task_counts.number + VALUES(number),
    microseconds = task_counts.microseconds + VALUES(microseconds),
    shortest = LEAST(task_counts.shortest, VALUES(shortest)),
    longest = GREATEST(task_counts.longest, VALUES(longest)),
    units = task_counts.units + VALUES(units),
    best = GREATEST(task_counts.best, VALUES(best));

-- name: count_submitted!
-- Those of these that this transaction has inserted.
INSERT INTO task_counts (
    tenant_id, kind, minute, event, bucket, writer, number, microseconds, shortest, longest, units, best
)
SELECT
    tenant_id, kind, TIMESTAMPDIFF(MINUTE, '1970-01-01', created_at), 'submitted', -1, CONNECTION_ID(), COUNT(*), 0, NULL, NULL,
    0, 0
FROM tasks
WHERE task_id IN :task_ids
GROUP BY 1, 2, 3
ON DUPLICATE KEY UPDATE number = task_counts.number + VALUES(number);

-- name: lock_counts
-- Of minutes that are over, whoever is not at them still.
SELECT tenant_id, kind, minute, event, bucket, writer
FROM task_counts
WHERE minute < TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6))
ORDER BY minute
LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: add_to_rollups!
-- [[tenant_id, kind, minute, event, bucket, writer], ...], which this transaction has locked and deletes next. In one order, so
-- that no two folds wait for each other in a circle.
INSERT INTO task_rollups (
    tenant_id, span, start, kind, event, bucket, number, microseconds, shortest, longest, units, best
)
SELECT
    IF(readers.everybody, '', counts.tenant_id), spans.span, counts.minute - MOD(counts.minute, spans.span), counts.kind,
    counts.event, counts.bucket, SUM(counts.number), SUM(counts.microseconds), MIN(counts.shortest), MAX(counts.longest),
    SUM(counts.units), MAX(counts.best)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    tenant_id VARCHAR(64) PATH '$[0]', kind VARCHAR(64) PATH '$[1]', minute INT PATH '$[2]', event VARCHAR(16) PATH '$[3]',
    bucket INT PATH '$[4]', writer BIGINT UNSIGNED PATH '$[5]'
)) AS taken
JOIN task_counts AS counts ON counts.tenant_id = CAST(taken.tenant_id AS BINARY) AND counts.kind = taken.kind
    AND counts.minute = taken.minute AND counts.event = taken.event AND counts.bucket = taken.bucket
    AND counts.writer = taken.writer
JOIN (SELECT 1 AS span UNION ALL SELECT 60 UNION ALL SELECT 1440 UNION ALL SELECT 11520) AS spans
JOIN (SELECT 0 AS everybody UNION ALL SELECT 1) AS readers
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
ON DUPLICATE KEY UPDATE
    number = task_rollups.number + VALUES(number),
    microseconds = task_rollups.microseconds + VALUES(microseconds),
    shortest = LEAST(task_rollups.shortest, VALUES(shortest)),
    longest = GREATEST(task_rollups.longest, VALUES(longest)),
    units = task_rollups.units + VALUES(units),
    best = GREATEST(task_rollups.best, VALUES(best));

-- name: add_to_totals!
-- The same, without their buckets.
INSERT INTO task_totals (
    tenant_id, span, start, kind, event, bucket, number, microseconds, shortest, longest, units, best
)
SELECT
    IF(readers.everybody, '', counts.tenant_id), spans.span, counts.minute - MOD(counts.minute, spans.span), counts.kind,
    counts.event, LEAST(counts.bucket, 0), SUM(counts.number), SUM(counts.microseconds), MIN(counts.shortest), MAX(counts.longest),
    SUM(counts.units), MAX(counts.best)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    tenant_id VARCHAR(64) PATH '$[0]', kind VARCHAR(64) PATH '$[1]', minute INT PATH '$[2]', event VARCHAR(16) PATH '$[3]',
    bucket INT PATH '$[4]', writer BIGINT UNSIGNED PATH '$[5]'
)) AS taken
JOIN task_counts AS counts ON counts.tenant_id = CAST(taken.tenant_id AS BINARY) AND counts.kind = taken.kind
    AND counts.minute = taken.minute AND counts.event = taken.event AND counts.bucket = taken.bucket
    AND counts.writer = taken.writer
JOIN (SELECT 1 AS span UNION ALL SELECT 60 UNION ALL SELECT 1440 UNION ALL SELECT 11520) AS spans
JOIN (SELECT 0 AS everybody UNION ALL SELECT 1) AS readers
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
ON DUPLICATE KEY UPDATE
    number = task_totals.number + VALUES(number),
    microseconds = task_totals.microseconds + VALUES(microseconds),
    shortest = LEAST(task_totals.shortest, VALUES(shortest)),
    longest = GREATEST(task_totals.longest, VALUES(longest)),
    units = task_totals.units + VALUES(units),
    best = GREATEST(task_totals.best, VALUES(best));

-- name: delete_counts!
DELETE counts
FROM task_counts AS counts
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (
    tenant_id VARCHAR(64) PATH '$[0]', kind VARCHAR(64) PATH '$[1]', minute INT PATH '$[2]', event VARCHAR(16) PATH '$[3]',
    bucket INT PATH '$[4]', writer BIGINT UNSIGNED PATH '$[5]'
)) AS taken ON counts.tenant_id = CAST(taken.tenant_id AS BINARY) AND counts.kind = taken.kind
    AND counts.minute = taken.minute AND counts.event = taken.event AND counts.bucket = taken.bucket
    AND counts.writer = taken.writer;

-- name: purge_rollups!
DELETE FROM task_rollups
WHERE span = :span AND start < TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6)) - :minutes
LIMIT :limit;

-- name: purge_totals!
DELETE FROM task_totals
WHERE span = :span AND start < TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6)) - :minutes
LIMIT :limit;

-- name: fetch_minute$
SELECT TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6));

-- name: sum_window
-- One statement, so that what a fold moves meanwhile is seen once. [[span, start], ...]: the roll-ups that fill the window.
SELECT
    0 AS place, task_rollups.kind, task_rollups.event, task_rollups.bucket, SUM(task_rollups.number) AS number,
    SUM(task_rollups.microseconds) AS microseconds, MIN(task_rollups.shortest) AS shortest,
    MAX(task_rollups.longest) AS longest, SUM(task_rollups.units) AS units, MAX(task_rollups.best) AS best
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (span INT PATH '$[0]', start INT PATH '$[1]')) AS periods
JOIN task_rollups ON task_rollups.tenant_id = :reader AND task_rollups.span = periods.span
    AND task_rollups.start = periods.start
WHERE (:any_kind OR task_rollups.kind IN :kinds)
GROUP BY 1, 2, 3, 4
UNION ALL
SELECT
    0, kind, event, bucket, SUM(number), SUM(microseconds), MIN(shortest), MAX(longest), SUM(units), MAX(best)
FROM task_counts
WHERE (:reader = '' OR tenant_id = :reader) AND minute >= :first AND minute < :last AND (:any_kind OR kind IN :kinds)
GROUP BY 1, 2, 3, 4;

-- name: sum_steps
-- One statement, so that what a fold moves meanwhile is seen once. A group is of :step minutes, from :first on; the events
-- :as_failed count as one.
SELECT
    FLOOR((start - :first) / :step) AS place, kind, IF(event IN :as_failed, 'failed', event) AS event, bucket,
    SUM(number) AS number, SUM(microseconds) AS microseconds, MIN(shortest) AS shortest, MAX(longest) AS longest,
    SUM(units) AS units, MAX(best) AS best
FROM task_totals
WHERE tenant_id = :reader AND span = :span AND start >= :first AND start < :last AND event IN :events
    AND (:any_kind OR kind IN :kinds)
GROUP BY 1, 2, 3, 4
UNION ALL
SELECT
    FLOOR((minute - :first) / :step), kind, IF(event IN :as_failed, 'failed', event), LEAST(bucket, 0), SUM(number),
    SUM(microseconds), MIN(shortest), MAX(longest), SUM(units), MAX(best)
FROM task_counts
WHERE (:reader = '' OR tenant_id = :reader) AND minute >= :first AND minute < :last AND event IN :events
    AND (:any_kind OR kind IN :kinds)
GROUP BY 1, 2, 3, 4;

-- name: sum_step_buckets
-- The same of what took some time, as one histogram: `[bucket,number]` by commas. With each bucket once it has less than the
-- 1,024 characters that GROUP_CONCAT makes.
SELECT
    place, kind, MIN(shortest) AS shortest, MAX(longest) AS longest,
    GROUP_CONCAT(CONCAT('[', bucket, ',', number, ']')) AS buckets
FROM (
    SELECT place, kind, bucket, SUM(number) AS number, MIN(shortest) AS shortest, MAX(longest) AS longest
    FROM (
        SELECT FLOOR((start - :first) / :step) AS place, kind, bucket, number, shortest, longest
        FROM task_rollups
        WHERE tenant_id = :reader AND span = :span AND start >= :first AND start < :last AND event IN :events
            AND bucket >= 0 AND (:any_kind OR kind IN :kinds)
        UNION ALL
        SELECT FLOOR((minute - :first) / :step), kind, bucket, number, shortest, longest
        FROM task_counts
        WHERE (:reader = '' OR tenant_id = :reader) AND minute >= :first AND minute < :last AND event IN :events
            AND bucket >= 0 AND (:any_kind OR kind IN :kinds)
    ) AS found
    GROUP BY 1, 2, 3
) AS merged
GROUP BY place, kind;

-- name: count_unended
-- What waits, is to start later, runs or is paused now, of a kind; of every tenant where :reader is ''.
SELECT
    tasks.kind, tasks.status, tasks.status = 'PENDING' AND tasks.run_after > UTC_TIMESTAMP(6) AS later, COUNT(*) AS number,
    GREATEST(0, TIMESTAMPDIFF(SECOND, MIN(tasks.run_after), UTC_TIMESTAMP(6))) AS oldest_seconds
FROM lanes
JOIN tasks ON tasks.kind = lanes.kind AND tasks.status IN ('PENDING', 'RUNNING')
WHERE (:reader = '' OR tasks.tenant_id = :reader) AND (:any_kind OR lanes.kind IN :kinds)
GROUP BY 1, 2, 3;

-- name: list_longest_running
-- Of the tenant's RUNNING tasks that were submitted first, those that have run longest.
SELECT
    tasks.task_id, tasks.kind, tasks.title, tasks.progress, tasks.current_step,
    TIMESTAMPDIFF(MICROSECOND, tasks.started_at, UTC_TIMESTAMP(6)) / 1000000e0 AS seconds
FROM (
    SELECT id FROM tasks FORCE INDEX (tasks_by_tenant_status)
    WHERE tenant_id = :reader AND status = 'RUNNING'
    ORDER BY created_at, id
    LIMIT :looked_at
) AS oldest
JOIN tasks ON tasks.id = oldest.id
WHERE :any_kind OR tasks.kind IN :kinds
ORDER BY tasks.started_at, tasks.id
LIMIT :limit;

-- name: list_longest_running_of_all
-- The same of every tenant, among those that are to end first.
SELECT
    tasks.task_id, tasks.kind, tasks.title, tasks.progress, tasks.current_step,
    TIMESTAMPDIFF(MICROSECOND, tasks.started_at, UTC_TIMESTAMP(6)) / 1000000e0 AS seconds
FROM (
    SELECT id FROM tasks FORCE INDEX (tasks_by_deadline)
    WHERE status = 'RUNNING'
    ORDER BY deadline, id
    LIMIT :looked_at
) AS oldest
JOIN tasks ON tasks.id = oldest.id
WHERE :any_kind OR tasks.kind IN :kinds
ORDER BY tasks.started_at, tasks.id
LIMIT :limit;
