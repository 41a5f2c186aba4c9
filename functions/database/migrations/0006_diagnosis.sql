-- Brand diagnosis. Whether a cell was answered, failed or skipped, and why, its step in task_steps says; here is what a
-- step does not hold. Both tables go with their task.

-- A diagnosis that was planned: what it may spend (NULL: without limit), whether its caller was told that this is not
-- enough, and its report.
CREATE TABLE IF NOT EXISTS diagnoses (
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    max_cost DECIMAL(18, 8),
    max_tokens BIGINT,
    told TINYINT NOT NULL DEFAULT 0,
    report MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id),
    CONSTRAINT diagnosis_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

-- A cell that was asked, by the key of its step (q07/deepseek). `asked_by` is the diagnosis that paid for it: another
-- one when the answer was taken over. What is reserved is the worst that the request under way may come to.
CREATE TABLE IF NOT EXISTS diagnosis_cells (
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    cell_key VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    asked_by VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    answer MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    extraction MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    requests INT NOT NULL DEFAULT 0,
    prompt_tokens BIGINT NOT NULL DEFAULT 0,
    completion_tokens BIGINT NOT NULL DEFAULT 0,
    cost DECIMAL(18, 8) NOT NULL DEFAULT 0,
    seconds DOUBLE NOT NULL DEFAULT 0,
    reserved_cost DECIMAL(18, 8) NOT NULL DEFAULT 0,
    reserved_tokens BIGINT NOT NULL DEFAULT 0,
    answered_at DATETIME(6),
    PRIMARY KEY (task_id, cell_key),
    CONSTRAINT cells_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);
