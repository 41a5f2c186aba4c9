-- Creates of the provider's jobs that are under way, or unclear, by what they ask for: one step's at a time, so that a job
-- whose answer was lost is found by the step that made it. The provider's list of jobs tells model and prompt, and no more.
CREATE TABLE IF NOT EXISTS video_creates (
    fingerprint CHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    task_id VARBINARY(384) NOT NULL,
    step_key VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (fingerprint),
    KEY creates_of_task (task_id),
    CONSTRAINT creates_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);
