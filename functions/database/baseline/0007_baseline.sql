-- The schema as it is after 0007, for a database that is empty: the embedded engine takes half a minute to change the types
-- of ids, and a new database has nothing to change. tests/integration/test_migrations.py holds it against the migrations,
-- which say what the tables are for. Later migrations come on top; this file need not follow them.

CREATE TABLE IF NOT EXISTS tasks (
    id BIGINT NOT NULL AUTO_INCREMENT,
    task_id VARBINARY(384) NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    user_id VARBINARY(1020) NOT NULL,
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    title VARCHAR(200) NOT NULL,
    params JSON NOT NULL,
    status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    priority TINYINT NOT NULL,
    progress TINYINT NOT NULL DEFAULT 0,
    steps_done INT NOT NULL DEFAULT 0,
    stage VARCHAR(64),
    current_step VARCHAR(200),
    statistics JSON,
    result JSON,
    error_code VARCHAR(64),
    error_message VARCHAR(2000),
    attempt INT NOT NULL DEFAULT 0,
    retries INT NOT NULL DEFAULT 0,
    max_retries INT NOT NULL,
    run_after DATETIME(6) NOT NULL,
    deadline DATETIME(6),
    heartbeat_at DATETIME(6),
    execution_arn VARCHAR(512),
    idempotency_key VARBINARY(255),
    request_digest CHAR(64) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    started_at DATETIME(6),
    updated_at DATETIME(6) NOT NULL,
    finished_at DATETIME(6),
    dedupe_key VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    open_key VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        GENERATED ALWAYS AS (IF(finished_at IS NULL, dedupe_key, NULL)) VIRTUAL,
    PRIMARY KEY (id),
    UNIQUE KEY tasks_by_public_id (task_id),
    UNIQUE KEY tasks_by_idempotency_key (tenant_id, idempotency_key),
    KEY tasks_by_tenant_status (tenant_id, status, created_at, id),
    KEY tasks_by_heartbeat (status, heartbeat_at),
    KEY tasks_by_deadline (status, deadline),
    KEY tasks_by_created (tenant_id, created_at, id, status, kind, priority),
    KEY tasks_by_updated (tenant_id, updated_at, id, status, kind, priority, created_at),
    KEY tasks_by_priority (tenant_id, priority, id, status, kind, created_at),
    KEY tasks_by_progress (tenant_id, progress, id, status, kind, priority, created_at),
    KEY tasks_to_purge (status, finished_at, id),
    KEY tasks_waiting (kind, status, priority DESC, id, tenant_id, run_after, deadline),
    UNIQUE KEY tasks_by_open_key (tenant_id, open_key)
);

CREATE TABLE IF NOT EXISTS task_steps (
    task_id VARBINARY(384) NOT NULL,
    step_key VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    level VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    label VARCHAR(200) NOT NULL,
    status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    attempt INT NOT NULL,
    units INT NOT NULL DEFAULT 0,
    output JSON,
    error_code VARCHAR(64),
    error_message VARCHAR(2000),
    created_at DATETIME(6) NOT NULL,
    finished_at DATETIME(6),
    PRIMARY KEY (task_id, step_key),
    KEY steps_by_level (task_id, level, status),
    CONSTRAINT steps_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS task_events (
    id BIGINT NOT NULL AUTO_INCREMENT,
    task_id VARBINARY(384) NOT NULL,
    attempt INT NOT NULL,
    event VARCHAR(32) NOT NULL,
    status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    detail JSON,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY events_of_task (task_id, id),
    CONSTRAINT events_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS lanes (
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    max_concurrent INT NOT NULL,
    max_queued INT NOT NULL,
    paused BOOLEAN NOT NULL DEFAULT FALSE,
    turn DOUBLE NOT NULL DEFAULT 0,
    PRIMARY KEY (kind)
);

CREATE TABLE IF NOT EXISTS provinces (
    code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (code),
    UNIQUE KEY provinces_by_name (name)
);

CREATE TABLE IF NOT EXISTS cities (
    code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    province_code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    listed TINYINT NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (code),
    KEY cities_of_province (province_code, listed, code)
);

CREATE TABLE IF NOT EXISTS districts (
    code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    city_code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    listed TINYINT NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (code),
    KEY districts_of_city (city_code, listed, code)
);

CREATE TABLE IF NOT EXISTS hospitals (
    district_code CHAR(6) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    level VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    type VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    address VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    phone VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    confidence DECIMAL(4, 3) NOT NULL,
    digest CHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    listed TINYINT NOT NULL,
    added_by VARBINARY(384) NOT NULL,
    changed_by VARBINARY(384),
    gone_by VARBINARY(384),
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (district_code, name),
    KEY hospitals_by_name (listed, name, district_code),
    KEY hospitals_by_level (listed, level, district_code, name)
);

CREATE TABLE IF NOT EXISTS leads_task_list (
    id BIGINT NOT NULL AUTO_INCREMENT,
    task_id VARBINARY(1020) NOT NULL,
    leads_id VARBINARY(1020) NOT NULL,
    call_job_id VARBINARY(1020),
    call_status VARCHAR(32),
    planed_time DATETIME(3),
    call_task_id VARBINARY(1020),
    call_conversation MEDIUMTEXT,
    calling_number VARCHAR(32),
    recording_url VARCHAR(1024),
    is_interested TINYINT,
    leads_follow_id BIGINT,
    tenant_id VARBINARY(256) NOT NULL DEFAULT '',
    job_seq INT,
    phone VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    name VARCHAR(50),
    extras VARCHAR(4000),
    call_result VARCHAR(64),
    actual_time DATETIME(3),
    duration_ms INT,
    judging_at DATETIME(6),
    recording_state VARCHAR(8),
    recording_at DATETIME(6),
    PRIMARY KEY (id),
    UNIQUE KEY leads_by_seq (task_id, job_seq),
    UNIQUE KEY leads_by_lead (task_id, leads_id),
    KEY leads_by_phone (task_id, phone),
    KEY leads_to_judge (task_id, leads_follow_id, call_status)
) CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS dcc_leads_follow (
    id BIGINT NOT NULL AUTO_INCREMENT,
    leads_id VARBINARY(1020) NOT NULL,
    follow_time DATETIME(3),
    leads_remark VARCHAR(1000),
    frist_follow_time DATETIME(3),
    new_follow_time DATETIME(3),
    next_follow_time DATETIME(3),
    is_arrive TINYINT,
    frist_arrive_time DATETIME(3),
    tenant_id VARBINARY(256) NOT NULL DEFAULT '',
    PRIMARY KEY (id),
    UNIQUE KEY follow_by_lead (tenant_id, leads_id)
) CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS call_campaigns (
    task_id VARBINARY(384) NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    open TINYINT NOT NULL,
    leads INT NOT NULL DEFAULT 0,
    assigned INT NOT NULL DEFAULT 0,
    job_group_id VARBINARY(256),
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

CREATE TABLE IF NOT EXISTS call_counts (
    task_id VARBINARY(384) NOT NULL,
    name VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (task_id, name),
    CONSTRAINT counts_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS call_blocks (
    task_id VARBINARY(384) NOT NULL,
    block INT NOT NULL,
    open_jobs INT NOT NULL,
    due_at DATETIME(6),
    synced_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id, block),
    KEY blocks_due (due_at),
    CONSTRAINT blocks_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS lane_tenants (
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    weight INT NOT NULL DEFAULT 1,
    turn DOUBLE NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, tenant_id),
    CONSTRAINT tenants_of_lane FOREIGN KEY (kind) REFERENCES lanes (kind) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS role_base_info (
    tenant_id VARBINARY(256) NOT NULL,
    task_id VARBINARY(256) NOT NULL,
    company VARCHAR(100) NOT NULL,
    industry VARCHAR(100) NOT NULL,
    role_name VARCHAR(50) NOT NULL,
    goal VARCHAR(500) NOT NULL,
    audience VARCHAR(500) NOT NULL,
    introduction VARCHAR(2000) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS role_talk_styles (
    tenant_id VARBINARY(256) NOT NULL,
    task_id VARBINARY(256) NOT NULL,
    tone VARCHAR(200) NOT NULL,
    phrases JSON NOT NULL,
    avoid JSON NOT NULL,
    sample VARCHAR(1000) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, task_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS role_knowledge (
    tenant_id VARBINARY(256) NOT NULL,
    task_id VARBINARY(256) NOT NULL,
    position INT NOT NULL,
    title VARCHAR(100) NOT NULL,
    content VARCHAR(4000) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, task_id, position)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS role_products (
    tenant_id VARBINARY(256) NOT NULL,
    task_id VARBINARY(256) NOT NULL,
    position INT NOT NULL,
    name VARCHAR(100) NOT NULL,
    description VARCHAR(2000) NOT NULL,
    price VARCHAR(100) NOT NULL,
    selling_points JSON NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, task_id, position)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS roles (
    role_id VARBINARY(160) NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    task_id VARBINARY(256) NOT NULL,
    strategy_id VARBINARY(256) NOT NULL,
    version INT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (role_id),
    KEY roles_by_tenant (tenant_id, updated_at, role_id, strategy_id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS role_versions (
    role_id VARBINARY(160) NOT NULL,
    version INT NOT NULL,
    made_by VARBINARY(384) NOT NULL,
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

CREATE TABLE IF NOT EXISTS diagnoses (
    task_id VARBINARY(384) NOT NULL,
    max_cost DECIMAL(18, 8),
    max_tokens BIGINT,
    told TINYINT NOT NULL DEFAULT 0,
    report MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id),
    CONSTRAINT diagnosis_of_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS diagnosis_cells (
    task_id VARBINARY(384) NOT NULL,
    cell_key VARCHAR(96) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    asked_by VARBINARY(384) NOT NULL,
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

INSERT IGNORE INTO provinces (code, name) VALUES
    ('110000', '北京市'), ('120000', '天津市'), ('130000', '河北省'), ('140000', '山西省'),
    ('150000', '内蒙古自治区'), ('210000', '辽宁省'), ('220000', '吉林省'), ('230000', '黑龙江省'),
    ('310000', '上海市'), ('320000', '江苏省'), ('330000', '浙江省'), ('340000', '安徽省'),
    ('350000', '福建省'), ('360000', '江西省'), ('370000', '山东省'), ('410000', '河南省'),
    ('420000', '湖北省'), ('430000', '湖南省'), ('440000', '广东省'), ('450000', '广西壮族自治区'),
    ('460000', '海南省'), ('500000', '重庆市'), ('510000', '四川省'), ('520000', '贵州省'),
    ('530000', '云南省'), ('540000', '西藏自治区'), ('610000', '陕西省'), ('620000', '甘肃省'),
    ('630000', '青海省'), ('640000', '宁夏回族自治区'), ('650000', '新疆维吾尔自治区'), ('710000', '台湾省'),
    ('810000', '香港特别行政区'), ('820000', '澳门特别行政区');
