-- Alerts. Of each rule's subject (a task, a kind, a webhook, a queue, or all that a tenant has: '') at most one is open:
-- `open` is 1, and NULL once it is resolved. An alert of the deployment itself has the tenant ''. `notified_at` is when listeners
-- were last notified of it, NULL while they were not, as it was silenced.
CREATE TABLE IF NOT EXISTS alerts (
    id BIGINT NOT NULL AUTO_INCREMENT,
    alert_id CHAR(38) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    rule VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    subject VARBINARY(384) NOT NULL,
    open TINYINT,
    state VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    severity VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    value DOUBLE NOT NULL,
    threshold DOUBLE NOT NULL,
    message VARCHAR(500) NOT NULL,
    task_id VARBINARY(384),
    kind VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    title VARCHAR(200),
    notified_at DATETIME(6),
    acknowledged_at DATETIME(6),
    acknowledged_by VARBINARY(1020),
    fired_at DATETIME(6),
    resolved_at DATETIME(6),
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY alerts_by_public_id (alert_id),
    UNIQUE KEY alerts_open_once (tenant_id, rule, subject, open),
    KEY alerts_of_tenant (tenant_id, id),
    KEY alerts_open (open, id),
    KEY alerts_by_age (resolved_at)
);

-- What happened to an alert. Listeners are notified of an event whose `unsent` is 1; who does that holds it until
-- `claimed_until`. Where it is NULL from the beginning nobody is: the alert was silenced, or nobody needs to know.
CREATE TABLE IF NOT EXISTS alert_events (
    id BIGINT NOT NULL AUTO_INCREMENT,
    alert_id CHAR(38) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    event VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    severity VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    value DOUBLE NOT NULL,
    threshold DOUBLE NOT NULL,
    message VARCHAR(500) NOT NULL,
    user_id VARBINARY(1020),
    silenced TINYINT NOT NULL DEFAULT 0,
    unsent TINYINT,
    claimed_until DATETIME(6),
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    KEY events_of_alert (alert_id, id),
    KEY alert_events_unsent (unsent, id),
    CONSTRAINT events_of_alert FOREIGN KEY (alert_id) REFERENCES alerts (alert_id) ON DELETE CASCADE
);

-- Thresholds that differ from those built in: a tenant's own, or (tenant '') the operator's, for tenants without their own.
-- A threshold that is NULL is never passed.
CREATE TABLE IF NOT EXISTS alert_rules (
    tenant_id VARBINARY(256) NOT NULL,
    rule VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    enabled TINYINT NOT NULL,
    warning DOUBLE,
    critical DOUBLE,
    hold_seconds INT NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (tenant_id, rule)
);

-- Silences: until then nobody is notified of a tenant's alerts (tenant '': of everybody's), of one rule, of one subject.
CREATE TABLE IF NOT EXISTS alert_silences (
    id BIGINT NOT NULL AUTO_INCREMENT,
    silence_id CHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    rule VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    subject VARBINARY(384),
    comment VARCHAR(500),
    user_id VARBINARY(1020) NOT NULL,
    ends_at DATETIME(6) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY silences_by_public_id (silence_id),
    KEY silences_of_tenant (tenant_id, id),
    KEY silences_by_end (ends_at)
);

ALTER TABLE webhooks ADD KEY webhooks_disabled (disabled_at);
