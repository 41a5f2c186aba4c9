-- Many tasks in one statement each. A change of status is guarded by the statuses it may come from (:sources), as in the
-- task core's own queries. What selects by a filter repeats the filter: SQL has no other way to say it again.

-- name: insert_tasks!
-- Those whose keys are not known yet, one of each open_key, as many of each kind as its lane has room for, the first ones
-- first.
INSERT INTO tasks (
    task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries, idempotency_key, request_digest,
    dedupe_key, run_after, deadline, created_at, updated_at
)
SELECT
    fresh.task_id, :tenant_id, :user_id, fresh.kind, fresh.title, fresh.params, 'PENDING', fresh.priority,
    fresh.max_retries, fresh.idempotency_key, fresh.request_digest, fresh.open_key,
    COALESCE(fresh.run_after, UTC_TIMESTAMP(6)), fresh.deadline, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM (
    SELECT firsts.*, ROW_NUMBER() OVER (PARTITION BY firsts.kind ORDER BY firsts.ordinal) AS place
    FROM (
        SELECT
            asked.*,
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
            deadline DATETIME(6) PATH '$.deadline'
        )) AS asked
        LEFT JOIN tasks AS known ON known.tenant_id = :tenant_id AND known.idempotency_key = asked.idempotency_key
        LEFT JOIN tasks AS rival ON rival.tenant_id = :tenant_id AND rival.open_key = asked.open_key
        WHERE known.id IS NULL AND rival.id IS NULL
    ) AS firsts
    WHERE firsts.turn = 1
) AS fresh
JOIN (
    SELECT lanes.kind, lanes.max_queued - COUNT(waiting.id) AS free
    FROM lanes
    LEFT JOIN tasks AS waiting ON waiting.kind = lanes.kind AND waiting.status = 'PENDING'
    WHERE lanes.kind IN :kinds
    GROUP BY lanes.kind, lanes.max_queued
) AS room ON room.kind = fresh.kind AND room.free >= fresh.place
ORDER BY fresh.ordinal;

-- name: find_stored
SELECT task_id, idempotency_key, request_digest, open_key FROM tasks
WHERE tenant_id = :tenant_id AND task_id IN :task_ids
UNION
SELECT task_id, idempotency_key, request_digest, open_key FROM tasks
WHERE tenant_id = :tenant_id AND idempotency_key IN :idempotency_keys
UNION
SELECT task_id, idempotency_key, request_digest, open_key FROM tasks
WHERE tenant_id = :tenant_id AND open_key IN :open_keys;

-- name: lock_tasks
-- In one order, so that no two who change the same ones wait for each other in a circle.
SELECT id, task_id, kind, title, status, priority, attempt
FROM tasks
WHERE tenant_id = :tenant_id AND task_id IN :task_ids
ORDER BY id
FOR UPDATE;

-- name: change_tasks!
-- [{id, priority, title}, ...]
UPDATE tasks
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (
    id BIGINT PATH '$.id', priority INT PATH '$.priority', title VARCHAR(200) PATH '$.title'
)) AS asked ON asked.id = tasks.id
SET tasks.priority = asked.priority, tasks.title = asked.title, tasks.updated_at = UTC_TIMESTAMP(6);

-- name: insert_changes!
-- [{id, detail}, ...]: what happened to each, in the transaction in which it happened.
INSERT INTO task_events (task_id, attempt, event, status, detail, created_at)
SELECT tasks.task_id, tasks.attempt, :event, tasks.status, said.detail, UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (id BIGINT PATH '$.id', detail LONGTEXT PATH '$.detail')) AS said
JOIN tasks ON tasks.id = said.id;

-- name: count_matching$
SELECT COUNT(*)
FROM (
    SELECT id
    FROM tasks
    WHERE tenant_id = :tenant_id AND id < :before_id
      AND status IN :statuses AND kind IN :kinds AND priority IN :priorities
      AND created_at >= :created_after AND created_at < :created_before
      AND (:any_title OR LOCATE(:title, title) > 0)
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
      AND status IN :statuses AND kind IN :kinds AND priority IN :priorities
      AND created_at >= :created_after AND created_at < :created_before
      AND (:any_title OR LOCATE(:title, title) > 0)
      AND (:any_id OR task_id IN :task_ids)
) AS matching
GROUP BY FLOOR((place - 1) / :size)
ORDER BY MIN(place);

-- name: lock_matching
-- Those of a range that match now, in the order of lock_tasks. More may match than when it was cut. The index is forced:
-- for the sake of the order, the planner would read all of the tenant's tasks.
SELECT id, task_id, kind, title, status, priority, attempt
FROM tasks FORCE INDEX (tasks_by_created)
WHERE tenant_id = :tenant_id AND id < :before_id
  AND created_at BETWEEN :first_at AND :last_at
  AND (created_at > :first_at OR id >= :first_id) AND (created_at < :last_at OR id <= :last_id)
  AND status IN :statuses AND kind IN :kinds AND priority IN :priorities
  AND created_at >= :created_after AND created_at < :created_before
  AND (:any_title OR LOCATE(:title, title) > 0)
  AND (:any_id OR task_id IN :task_ids)
ORDER BY id
LIMIT :limit
FOR UPDATE;

-- name: stop_tasks!
-- [{id, progress, statistics}, ...]: how far each was is written down; NULL leaves it as it was.
UPDATE tasks
JOIN JSON_TABLE(:rows, '$[*]' COLUMNS (
    id BIGINT PATH '$.id', progress INT PATH '$.progress', statistics LONGTEXT PATH '$.statistics'
)) AS seen ON seen.id = tasks.id
SET tasks.status = :target,
    tasks.progress = GREATEST(tasks.progress, seen.progress),
    tasks.statistics = COALESCE(seen.statistics, tasks.statistics),
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

-- name: reset_failed_steps_of!
UPDATE task_steps
SET status = 'PENDING', error_code = NULL, error_message = NULL, finished_at = NULL
WHERE task_id IN :task_ids AND status = 'FAILED';

-- name: list_targets
SELECT id, task_id, kind, title, status, priority, attempt FROM tasks WHERE id IN :ids;

-- name: list_steps
SELECT step_key, label, status, output FROM task_steps WHERE task_id = :task_id AND level = :level ORDER BY step_key;

-- name: settle_step!
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
