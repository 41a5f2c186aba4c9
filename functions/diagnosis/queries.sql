-- Every statement of brand diagnosis. A cell's state is its step's in task_steps.

-- name: begin!
-- A diagnosis is planned once. One whose budget was changed before keeps that budget.
INSERT IGNORE INTO diagnoses (task_id, max_cost, max_tokens, created_at, updated_at)
VALUES (:task_id, :max_cost, :max_tokens, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6));

-- name: take_over!
-- Answers of another diagnosis of the same tenant, which has paid for them.
INSERT IGNORE INTO diagnosis_cells (task_id, cell_key, asked_by, answer, extraction, answered_at)
SELECT new.task_id, old.cell_key, old.asked_by, old.answer, old.extraction, old.answered_at
FROM tasks AS new
JOIN tasks AS former ON former.tenant_id = new.tenant_id AND former.task_id = :former_id
JOIN diagnosis_cells AS old ON old.task_id = former.task_id
WHERE new.task_id = :task_id AND old.cell_key IN :cell_keys AND old.answer IS NOT NULL;

-- name: change_budget!
-- What does not change stays as the row has it.
INSERT INTO diagnoses (task_id, max_cost, max_tokens, created_at, updated_at)
VALUES (:task_id, :max_cost, :max_tokens, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE
    max_cost = IF(:changes_cost, VALUES(max_cost), max_cost),
    max_tokens = IF(:changes_tokens, VALUES(max_tokens), max_tokens),
    told = 0,
    updated_at = VALUES(updated_at);

-- name: fetch_work^
-- What asking a cell needs to know: its task, the budget, and what is stored of the cell already.
SELECT
    tasks.tenant_id, tasks.params, diagnoses.max_cost, diagnoses.max_tokens, cells.answer, cells.extraction,
    COALESCE(cells.reserved_tokens, 0) AS reserved_tokens
FROM tasks
LEFT JOIN diagnoses ON diagnoses.task_id = tasks.task_id
LEFT JOIN diagnosis_cells AS cells ON cells.task_id = tasks.task_id AND cells.cell_key = :cell_key
WHERE tasks.task_id = :task_id;

-- name: fetch_standing^
-- The budget beside its costs, and the answer of one cell.
SELECT
    (SELECT max_cost FROM diagnoses WHERE diagnoses.task_id = :task_id) AS max_cost,
    (SELECT max_tokens FROM diagnoses WHERE diagnoses.task_id = :task_id) AS max_tokens,
    (SELECT own.answer FROM diagnosis_cells AS own WHERE own.task_id = :task_id AND own.cell_key = :cell_key) AS answer,
    COALESCE(SUM(cost), 0) AS cost,
    COALESCE(SUM(prompt_tokens + completion_tokens), 0) AS tokens,
    COALESCE(SUM(reserved_cost), 0) AS reserved_cost,
    COALESCE(SUM(reserved_tokens), 0) AS reserved_tokens
FROM diagnosis_cells
WHERE task_id = :task_id;

-- name: fetch_diagnosis^
SELECT max_cost, max_tokens, told, report, updated_at FROM diagnoses WHERE task_id = :task_id;

-- name: mark_caller_notified!
UPDATE diagnoses SET told = 1 WHERE task_id = :task_id;

-- name: sum_costs^
-- The costs of this diagnosis itself, without those of the answers that it took over.
SELECT
    COALESCE(SUM(cost), 0) AS cost,
    COALESCE(SUM(prompt_tokens + completion_tokens), 0) AS tokens,
    COALESCE(SUM(reserved_cost), 0) AS reserved_cost,
    COALESCE(SUM(reserved_tokens), 0) AS reserved_tokens
FROM diagnosis_cells
WHERE task_id = :task_id;

-- name: settle_lost!
UPDATE diagnosis_cells
SET cost = cost + reserved_cost, prompt_tokens = prompt_tokens + reserved_tokens, reserved_cost = 0, reserved_tokens = 0
WHERE task_id = :task_id AND cell_key = :cell_key AND reserved_tokens > 0;

-- name: reserve!
-- What was reserved before and never settled counts as spent.
INSERT INTO diagnosis_cells (task_id, cell_key, asked_by, reserved_cost, reserved_tokens)
VALUES (:task_id, :cell_key, :task_id, :cost, :tokens)
ON DUPLICATE KEY UPDATE
    cost = diagnosis_cells.cost + diagnosis_cells.reserved_cost,
    prompt_tokens = diagnosis_cells.prompt_tokens + diagnosis_cells.reserved_tokens,
    reserved_cost = VALUES(reserved_cost),
    reserved_tokens = VALUES(reserved_tokens);

-- name: withdraw!
UPDATE diagnosis_cells SET reserved_cost = 0, reserved_tokens = 0
WHERE task_id = :task_id AND cell_key = :cell_key AND reserved_tokens = :tokens;

-- name: settle!
-- Adds a request's usage, and stores its answer or extraction, if any. The first that is stored stays. What was reserved
-- for it is free; what the cell's next request may take is reserved.
INSERT INTO diagnosis_cells (
    task_id, cell_key, asked_by, answer, extraction, requests, prompt_tokens, completion_tokens, cost, seconds,
    reserved_cost, reserved_tokens, answered_at
) VALUES (
    :task_id, :cell_key, :task_id, :answer, :extraction, :requests, :prompt_tokens, :completion_tokens, :cost, :seconds,
    :reserved_cost, :reserved_tokens, IF(:answer IS NULL, NULL, UTC_TIMESTAMP(6))
)
ON DUPLICATE KEY UPDATE
    answer = COALESCE(diagnosis_cells.answer, VALUES(answer)),
    extraction = COALESCE(diagnosis_cells.extraction, VALUES(extraction)),
    requests = diagnosis_cells.requests + VALUES(requests),
    prompt_tokens = diagnosis_cells.prompt_tokens + VALUES(prompt_tokens),
    completion_tokens = diagnosis_cells.completion_tokens + VALUES(completion_tokens),
    cost = diagnosis_cells.cost + VALUES(cost),
    seconds = diagnosis_cells.seconds + VALUES(seconds),
    answered_at = COALESCE(diagnosis_cells.answered_at, VALUES(answered_at)),
    reserved_cost = VALUES(reserved_cost),
    reserved_tokens = VALUES(reserved_tokens);

-- name: fetch_cell^
SELECT * FROM diagnosis_cells WHERE task_id = :task_id AND cell_key = :cell_key;

-- name: fetch_step^
SELECT status, error_code, error_message FROM task_steps WHERE task_id = :task_id AND step_key = :cell_key;

-- name: list_cells
-- The whole grid at once, without the answers' texts.
SELECT
    task_steps.step_key AS cell_key, task_steps.status, task_steps.error_code, task_steps.error_message,
    cells.extraction, cells.asked_by, cells.prompt_tokens, cells.completion_tokens, cells.cost, cells.seconds
FROM task_steps
LEFT JOIN diagnosis_cells AS cells ON cells.task_id = task_steps.task_id AND cells.cell_key = task_steps.step_key
WHERE task_steps.task_id = :task_id AND task_steps.level = 'ai_fetching'
ORDER BY task_steps.step_key;

-- name: save_report!
UPDATE diagnoses SET report = :report, updated_at = UTC_TIMESTAMP(6) WHERE task_id = :task_id;

-- name: purge_cells!
DELETE FROM diagnosis_cells WHERE task_id IN :task_ids LIMIT :limit;
