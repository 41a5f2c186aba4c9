-- Roles: what they are made from, and each version of them. A tenant's own ids (task_id, strategy_id) are whatever it
-- calls its things; in `tasks` task_id is ours.

-- What there is one open task at most for, in a tenant: `dedupe_key` says what a task is for, `open_key` the same while it
-- has not ended. The server keeps the latter, so no change of a status can forget it.
ALTER TABLE tasks
    ADD COLUMN dedupe_key VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ADD COLUMN open_key VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        GENERATED ALWAYS AS (IF(finished_at IS NULL, dedupe_key, NULL)) VIRTUAL;
ALTER TABLE tasks ADD UNIQUE KEY tasks_by_open_key (tenant_id, open_key);

CREATE TABLE IF NOT EXISTS role_base_info (
    tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    task_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    company VARCHAR(100) NOT NULL,
    industry VARCHAR(100) NOT NULL,
    role_name VARCHAR(50) NOT NULL,
    goal VARCHAR(500) NOT NULL,
    audience VARCHAR(500) NOT NULL,
    introduction VARCHAR(2000) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- `phrases` and `avoid` are JSON lists of texts.
CREATE TABLE IF NOT EXISTS role_talk_styles (
    tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    task_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tone VARCHAR(200) NOT NULL,
    phrases JSON NOT NULL,
    avoid JSON NOT NULL,
    sample VARCHAR(1000) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Here and below `position` counts from 1: what comes first matters most.
CREATE TABLE IF NOT EXISTS role_knowledge (
    tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    task_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    position INT NOT NULL,
    title VARCHAR(100) NOT NULL,
    content VARCHAR(4000) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, task_id, position)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- `selling_points` is a JSON list of texts.
CREATE TABLE IF NOT EXISTS role_products (
    tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    task_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    position INT NOT NULL,
    name VARCHAR(100) NOT NULL,
    description VARCHAR(2000) NOT NULL,
    price VARCHAR(100) NOT NULL,
    selling_points JSON NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, task_id, position)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A role is one for each tenant's task and strategy; its id is made of these. `version` is the latest.
CREATE TABLE IF NOT EXISTS roles (
    role_id VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    task_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    strategy_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version INT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (role_id),
    KEY roles_by_tenant (tenant_id, updated_at, role_id, strategy_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Versions are kept when the task that made them (`made_by`, of ours) is purged: they are what the tenant came for. `prompt`
-- tells which texts the model was given; tokens, cost and seconds are of all its requests.
CREATE TABLE IF NOT EXISTS role_versions (
    role_id VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version INT NOT NULL,
    made_by VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    content JSON NOT NULL,
    missing JSON NOT NULL,
    left_out JSON NOT NULL,
    prompt VARCHAR(32) NOT NULL,
    model VARCHAR(64) NOT NULL,
    requests INT NOT NULL,
    prompt_tokens INT NOT NULL,
    completion_tokens INT NOT NULL,
    cost DECIMAL(18, 9) NOT NULL,
    seconds DOUBLE NOT NULL,
    estimated BOOLEAN NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (role_id, version),
    CONSTRAINT versions_of_role FOREIGN KEY (role_id) REFERENCES roles (role_id) ON DELETE CASCADE
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
