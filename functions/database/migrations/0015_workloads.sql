-- Code-first workloads. An item is a step: `ordinal` is its place in its task, `input` what its plan gave it, `memory` what it
-- remembers between its tries, `tries` how often it was begun since it was planned or reset, `due_at` before when it is not
-- to be begun again.
ALTER TABLE task_steps
    ADD COLUMN ordinal INT,
    ADD COLUMN input JSON,
    ADD COLUMN memory JSON,
    ADD COLUMN tries INT NOT NULL DEFAULT 0,
    ADD COLUMN due_at DATETIME(6),
    ADD KEY steps_in_order (task_id, ordinal),
    ADD KEY steps_of_stage (task_id, level, ordinal, status);

-- How far a step under way is, 0 to 1, by its own word. Few steps report, so it is no column of all.
CREATE TABLE IF NOT EXISTS step_reports (
    task_id VARBINARY(384) NOT NULL,
    step_key VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    fraction DOUBLE NOT NULL,
    PRIMARY KEY (task_id, step_key),
    CONSTRAINT reports_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

-- What a step waits for from outside: whoever has the token completes it, once. `wakeup` is the workflow's own token.
CREATE TABLE IF NOT EXISTS step_callbacks (
    task_id VARBINARY(384) NOT NULL,
    step_key VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    token CHAR(43) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    attempt INT NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    body JSON,
    arrived_at DATETIME(6),
    wakeup VARCHAR(2048),
    PRIMARY KEY (task_id, step_key),
    UNIQUE KEY callbacks_by_token (token),
    CONSTRAINT callbacks_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

-- What a task's requests to language models have cost, and what is reserved for those under way: of the task, which is what
-- its budget limits, and of each step, so that the reservation of a worker that died is found.
CREATE TABLE IF NOT EXISTS task_spending (
    task_id VARBINARY(384) NOT NULL,
    spent DECIMAL(20, 10) NOT NULL DEFAULT 0,
    reserved DECIMAL(20, 10) NOT NULL DEFAULT 0,
    tokens BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id),
    CONSTRAINT spending_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS step_spending (
    task_id VARBINARY(384) NOT NULL,
    step_key VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    spent DECIMAL(20, 10) NOT NULL DEFAULT 0,
    reserved DECIMAL(20, 10) NOT NULL DEFAULT 0,
    tokens BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id, step_key),
    CONSTRAINT step_spending_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);
