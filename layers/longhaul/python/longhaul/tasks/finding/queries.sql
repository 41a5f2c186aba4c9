-- Finding tasks: a tenant's, a page at a time, and what belongs to one of them. A filter that is not asked for is
-- switched off by its `any_...`; a bound that is not asked for is the end of time.

-- name: list_tasks
-- A page after a row's place in the order (:value, :id), or at :offset from the beginning; the first page is after a
-- place before all. The ids come from an index that holds the order and the filters, so that rows which a filter
-- refuses, or an offset skips, are never read. A title is in no index: text in it is looked for in rows.
-- Two statements joined, those of the same value and those beyond, since neither a pair, (a, id) < (:value, :id), nor
-- an OR is surely read from its place: the planner takes the two ranges of an OR for the whole table when most of it is
-- one tenant's. The index is forced, as at some sizes it would rather sort.
-- choose: sort, index = created_at, tasks_by_created | updated_at, tasks_by_updated | priority, tasks_by_priority | progress, tasks_by_progress
-- choose: order, beyond = desc, < | asc, >
-- choose: search, title_fits = off, TRUE | on, title LIKE :title ESCAPE '!'
SELECT
    tasks.id, tasks.task_id, tasks.tenant_id, tasks.kind, tasks.title, tasks.status, tasks.priority, tasks.progress,
    tasks.steps_done, tasks.stage, tasks.current_step, tasks.statistics, tasks.result, tasks.error_code,
    tasks.error_message, tasks.attempt, tasks.run_after, tasks.deadline, tasks.created_at, tasks.started_at,
    tasks.updated_at, tasks.finished_at
FROM (
    (SELECT id, {sort} AS value FROM tasks FORCE INDEX ({index})
    WHERE tenant_id = :tenant_id AND {sort} = :value AND id {beyond} :id
      AND created_at >= :created_after AND created_at < :created_before
      AND (:any_status OR status IN :statuses)
      AND (:any_kind OR kind IN :kinds)
      AND (:any_priority OR priority IN :priorities)
      AND {title_fits}
    ORDER BY id {order}
    LIMIT :limit)
    UNION ALL
    (SELECT id, {sort} AS value FROM tasks FORCE INDEX ({index})
    WHERE tenant_id = :tenant_id AND {sort} {beyond} :value
      AND created_at >= :created_after AND created_at < :created_before
      AND (:any_status OR status IN :statuses)
      AND (:any_kind OR kind IN :kinds)
      AND (:any_priority OR priority IN :priorities)
      AND {title_fits}
    ORDER BY {sort} {order}, id {order}
    LIMIT :limit OFFSET :offset)
    ORDER BY value {order}, id {order}
    LIMIT :limit
) AS page
JOIN tasks ON tasks.id = page.id
ORDER BY tasks.{sort} {order}, tasks.id {order};

-- name: count_tasks$
-- choose: search, title_fits = off, TRUE | on, title LIKE :title ESCAPE '!'
SELECT COUNT(*) FROM tasks
WHERE tenant_id = :tenant_id
  AND created_at >= :created_after AND created_at < :created_before
  AND (:any_status OR status IN :statuses)
  AND (:any_kind OR kind IN :kinds)
  AND (:any_priority OR priority IN :priorities)
  AND {title_fits};

-- name: list_active_tasks
SELECT
    tasks.id, tasks.task_id, tasks.tenant_id, tasks.kind, tasks.title, tasks.status, tasks.priority, tasks.progress,
    tasks.steps_done, tasks.stage, tasks.current_step, tasks.statistics, tasks.result, tasks.error_code,
    tasks.error_message, tasks.attempt, tasks.run_after, tasks.deadline, tasks.created_at, tasks.started_at,
    tasks.updated_at, tasks.finished_at
FROM (
    SELECT id FROM tasks FORCE INDEX (tasks_by_tenant_status)
    WHERE tenant_id = :tenant_id AND status IN :statuses
    ORDER BY created_at DESC, id DESC
    LIMIT :limit
) AS page
JOIN tasks ON tasks.id = page.id
ORDER BY tasks.created_at DESC, tasks.id DESC;

-- name: fetch_found_task^
SELECT
    id, task_id, tenant_id, kind, title, status, priority, progress, steps_done, stage, current_step, statistics, result,
    error_code, error_message, attempt, run_after, deadline, created_at, started_at, updated_at, finished_at
FROM tasks
WHERE task_id = :task_id AND tenant_id = :tenant_id;

-- name: list_steps
-- Whose task it is and its steps, in one statement: a task without such steps gives one row, without a step.
SELECT
    tasks.task_id, task_steps.step_key, task_steps.level, task_steps.label, task_steps.status, task_steps.attempt,
    task_steps.units, task_steps.error_code, task_steps.error_message, task_steps.created_at, task_steps.finished_at
FROM tasks
LEFT JOIN task_steps
    ON task_steps.task_id = tasks.task_id
    AND task_steps.step_key > :after_key
    AND (:any_level OR task_steps.level = :level)
    AND (:any_status OR task_steps.status = :status)
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
