-- E-mail. A tenant's recipient is told nothing before it has confirmed, and nothing after it has unsubscribed. `address_key`
-- is the address as it is compared. `due_at` is when something is to be sent to it: a confirmation to one that is pending,
-- what is unsent to one that has confirmed; a sender that claims it puts it off by its lease. `claims` counts those and
-- each change of the status, so that a sender which comes late knows. `next_mail_at` is when the next digest may be sent.
CREATE TABLE IF NOT EXISTS mail_recipients (
    recipient_id CHAR(42) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    address VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    address_key VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    language CHAR(2) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    kinds JSON,
    status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    reason VARCHAR(500),
    due_at DATETIME(6),
    next_mail_at DATETIME(6),
    claims INT NOT NULL DEFAULT 0,
    failures INT NOT NULL DEFAULT 0,
    confirmed_at DATETIME(6),
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (recipient_id),
    UNIQUE KEY recipients_of_tenant (tenant_id, address_key),
    KEY recipients_due (due_at)
);

-- What a recipient is to be told, once: `unsent` is 1 until it was sent or is not to be sent any more, then NULL. The row
-- stays for a while, as its notice may come again.
CREATE TABLE IF NOT EXISTS mail_news (
    id BIGINT NOT NULL AUTO_INCREMENT,
    recipient_id CHAR(42) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    notice_id VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    news JSON NOT NULL,
    unsent TINYINT,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY news_once (recipient_id, notice_id),
    KEY news_unsent (recipient_id, unsent, id),
    KEY news_by_age (created_at),
    CONSTRAINT news_of_recipient FOREIGN KEY (recipient_id) REFERENCES mail_recipients (recipient_id) ON DELETE CASCADE
);

-- The tokens of the links in mails, of which only digests are kept. `purpose` is confirm or unsubscribe.
CREATE TABLE IF NOT EXISTS mail_tokens (
    digest CHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    recipient_id CHAR(42) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    purpose VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    PRIMARY KEY (digest),
    KEY tokens_by_recipient (recipient_id, purpose),
    KEY tokens_by_expiry (expires_at),
    CONSTRAINT tokens_of_recipient FOREIGN KEY (recipient_id) REFERENCES mail_recipients (recipient_id) ON DELETE CASCADE
);

-- How many confirmations were asked for, of a tenant or an address (`subject` is a digest), in the hour since `began_at`.
CREATE TABLE IF NOT EXISTS mail_quotas (
    subject CHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    used INT NOT NULL,
    began_at DATETIME(6) NOT NULL,
    PRIMARY KEY (subject),
    KEY quotas_by_age (began_at)
);
