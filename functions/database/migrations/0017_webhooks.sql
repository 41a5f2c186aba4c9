-- Webhooks: addresses to which a tenant's notices are posted, and each delivery with its tries.

-- Addresses that are told of one task: [{url, events?}], given with its submission.
ALTER TABLE tasks ADD COLUMN callbacks JSON;

-- A tenant's own secret, which signs what callbacks are told. Its row is also what tries of one tenant are counted under.
CREATE TABLE IF NOT EXISTS webhook_tenants (
    tenant_id VARBINARY(256) NOT NULL,
    secret VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    former_secret VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    former_until DATETIME(6),
    PRIMARY KEY (tenant_id)
);

-- Where notices are posted: an endpoint that the tenant made, or (`task_callback`) an address of tasks' callbacks, which is
-- there as long as it has deliveries. `events` and `kinds` are lists with commas, NULL for all. `works`: NULL before the
-- first try, else whether the last one succeeded. One that fails is not tried before `next_attempt_at`.
CREATE TABLE IF NOT EXISTS webhooks (
    webhook_id VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    task_callback TINYINT NOT NULL DEFAULT 0,
    url VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    title VARCHAR(200),
    events VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    kinds TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    paused TINYINT NOT NULL DEFAULT 0,
    secret VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    former_secret VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    former_until DATETIME(6),
    works TINYINT,
    failures INT NOT NULL DEFAULT 0,
    failing_since DATETIME(6),
    next_attempt_at DATETIME(6),
    disabled_at DATETIME(6),
    disabled_reason VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (webhook_id),
    KEY webhooks_of_tenant (tenant_id, task_callback, created_at, webhook_id),
    KEY webhooks_idle (task_callback, updated_at)
);

-- A notice for one address. The unique key makes one of a notice that comes twice; `delivery_id` is its `webhook-id`.
-- While a try is under way `leased_until` is in the future, and so is `next_attempt_at`: the lease of a worker that died
-- ends, and the delivery is due again.
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    id BIGINT NOT NULL AUTO_INCREMENT,
    delivery_id VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    webhook_id VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    task_id VARBINARY(384),
    notice_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    event VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    body MEDIUMTEXT NOT NULL,
    status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tries INT NOT NULL DEFAULT 0,
    next_attempt_at DATETIME(6),
    leased_until DATETIME(6),
    status_code INT,
    error VARCHAR(200),
    latency_ms INT,
    answer VARCHAR(1024),
    attempted_at DATETIME(6),
    delivered_at DATETIME(6),
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY deliveries_by_id (delivery_id),
    UNIQUE KEY deliveries_once (webhook_id, notice_id),
    KEY deliveries_of_webhook (webhook_id, status, id),
    KEY deliveries_of_task (task_id, id),
    KEY deliveries_due (status, next_attempt_at, webhook_id),
    KEY deliveries_leased (leased_until, tenant_id),
    KEY deliveries_old (created_at),
    CONSTRAINT deliveries_to_webhook FOREIGN KEY (webhook_id) REFERENCES webhooks (webhook_id) ON DELETE CASCADE,
    CONSTRAINT deliveries_of_a_task FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE
);
