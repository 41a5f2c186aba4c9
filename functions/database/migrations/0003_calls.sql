-- Calls. `leads_task_list` and `dcc_leads_follow` keep the names they have in production, misspellings too
-- (planed_time, frist_follow_time): where they exist already they gain what is new here, and their jobs are numbered.
-- What stands with the seed's columns comes first; the rest is ours.

CREATE TABLE IF NOT EXISTS leads_task_list (
    id BIGINT NOT NULL AUTO_INCREMENT,
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    leads_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    call_job_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    call_status VARCHAR(32),
    planed_time DATETIME(3),
    call_task_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    call_conversation MEDIUMTEXT,
    calling_number VARCHAR(32),
    recording_url VARCHAR(1024),
    is_interested TINYINT,
    leads_follow_id BIGINT,
    PRIMARY KEY (id)
) CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS dcc_leads_follow (
    id BIGINT NOT NULL AUTO_INCREMENT,
    leads_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    follow_time DATETIME(3),
    leads_remark VARCHAR(1000),
    frist_follow_time DATETIME(3),
    new_follow_time DATETIME(3),
    next_follow_time DATETIME(3),
    is_arrive TINYINT,
    frist_arrive_time DATETIME(3),
    PRIMARY KEY (id)
) CHARACTER SET utf8mb4;

ALTER TABLE leads_task_list
    ADD COLUMN tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    ADD COLUMN job_seq INT,
    ADD COLUMN phone VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD COLUMN name VARCHAR(50),
    ADD COLUMN extras VARCHAR(4000),
    ADD COLUMN call_result VARCHAR(64),
    ADD COLUMN actual_time DATETIME(3),
    ADD COLUMN duration_ms INT,
    ADD COLUMN judging_at DATETIME(6),
    ADD COLUMN recording_state VARCHAR(8),
    ADD COLUMN recording_at DATETIME(6);

ALTER TABLE dcc_leads_follow
    ADD COLUMN tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '';

-- Jobs that were there get their ordinals: dense, from 1 in each task, in the order in which pages showed them.
UPDATE leads_task_list
JOIN (
    SELECT id, ROW_NUMBER() OVER (PARTITION BY task_id ORDER BY id) AS job_seq
    FROM leads_task_list
    WHERE call_job_id IS NOT NULL AND call_job_id <> ''
) AS numbered ON numbered.id = leads_task_list.id
SET leads_task_list.job_seq = numbered.job_seq
WHERE leads_task_list.job_seq IS NULL;

ALTER TABLE leads_task_list
    ADD UNIQUE KEY leads_by_seq (task_id, job_seq),
    ADD UNIQUE KEY leads_by_lead (task_id, leads_id),
    ADD KEY leads_by_phone (task_id, phone),
    ADD KEY leads_to_judge (task_id, leads_follow_id, call_status);

ALTER TABLE dcc_leads_follow ADD UNIQUE KEY follow_by_lead (tenant_id, leads_id);

-- A campaign beside its task. `leads` and `assigned` count its rows above; `open` says that more leads may come.
-- `assigning_*` is the batch of leads that is being handed to the provider, in ids of leads_task_list. `provider_state` is
-- what its jobs were last told (running, suspended, cancelled; changing: being told; outdated: to be told again), then
-- closing and ended.
CREATE TABLE IF NOT EXISTS call_campaigns (
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    open TINYINT NOT NULL,
    leads INT NOT NULL DEFAULT 0,
    assigned INT NOT NULL DEFAULT 0,
    job_group_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    provider_state VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'running',
    assigning_first BIGINT,
    assigning_last BIGINT,
    assigning_until DATETIME(6),
    steering_until DATETIME(6),
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id),
    KEY campaigns_by_state (provider_state, created_at),
    CONSTRAINT campaign_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

-- How many of a campaign's jobs are what, kept by whoever changes a job, in the same transaction.
CREATE TABLE IF NOT EXISTS call_counts (
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (task_id, name),
    CONSTRAINT counts_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

-- The unit of asking the provider: 99 ordinals in a row, as many as one ListJobs takes. `due_at` is when the block may
-- be asked for again, NULL once none of its jobs is open.
CREATE TABLE IF NOT EXISTS call_blocks (
    task_id VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    block INT NOT NULL,
    open_jobs INT NOT NULL,
    due_at DATETIME(6),
    synced_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id, block),
    KEY blocks_due (due_at),
    CONSTRAINT blocks_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);
