-- Every statement of e-mail. Whoever changes who has confirmed locks all recipients of the tenant first (lock_recipients), so
-- that the last one to leave is known to be the last.

-- ---------------------------------------------------------------- recipients

-- name: lock_recipients
SELECT recipient_id, tenant_id, address, address_key, language, kinds, status, reason, claims, failures, confirmed_at, created_at
FROM mail_recipients
WHERE tenant_id = :tenant_id
ORDER BY recipient_id
FOR UPDATE;

-- name: list_recipients
SELECT recipient_id, tenant_id, address, address_key, language, kinds, status, reason, claims, failures, confirmed_at, created_at
FROM mail_recipients
WHERE tenant_id = :tenant_id
ORDER BY created_at, recipient_id;

-- name: fetch_recipient^
SELECT recipient_id, tenant_id, address, address_key, language, kinds, status, reason, claims, failures, confirmed_at, created_at
FROM mail_recipients
WHERE recipient_id = :recipient_id;

-- name: insert_recipient!
-- Its confirmation is due at once.
INSERT INTO mail_recipients (
    recipient_id, tenant_id, address, address_key, language, kinds, status, due_at, created_at
)
VALUES (
    :recipient_id, :tenant_id, :address, :address_key, :language, :kinds, 'pending', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
);

-- name: change_recipient!
UPDATE mail_recipients SET language = :language, kinds = :kinds WHERE recipient_id = :recipient_id;

-- name: ask_again!
-- A confirmation is due at once, whatever became of the one before.
UPDATE mail_recipients
SET status = 'pending', reason = NULL, due_at = UTC_TIMESTAMP(6), claims = claims + 1, failures = 0, confirmed_at = NULL
WHERE recipient_id = :recipient_id;

-- name: confirm!
UPDATE mail_recipients
SET status = 'confirmed', reason = NULL, due_at = NULL, next_mail_at = NULL, claims = claims + 1, failures = 0,
    confirmed_at = UTC_TIMESTAMP(6)
WHERE recipient_id = :recipient_id;

-- name: silence!
-- It is told nothing more: `status` is unsubscribed or rejected.
UPDATE mail_recipients
SET status = :status, reason = :reason, due_at = NULL, claims = claims + 1, confirmed_at = NULL
WHERE recipient_id = :recipient_id;

-- name: drop_news!
UPDATE mail_news SET unsent = NULL WHERE recipient_id = :recipient_id AND unsent = 1;

-- name: delete_recipient!
DELETE FROM mail_recipients WHERE recipient_id = :recipient_id;

-- ---------------------------------------------------------------- tokens and quotas

-- name: insert_token!
INSERT INTO mail_tokens (digest, recipient_id, purpose, expires_at)
VALUES (:digest, :recipient_id, :purpose, TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6)));

-- name: find_by_token^
SELECT
    mail_recipients.recipient_id, tenant_id, address, address_key, language, kinds, status, reason, claims, failures,
    confirmed_at, created_at
FROM mail_tokens
JOIN mail_recipients ON mail_recipients.recipient_id = mail_tokens.recipient_id
WHERE mail_tokens.digest = :digest AND mail_tokens.purpose = :purpose AND mail_tokens.expires_at >= UTC_TIMESTAMP(6);

-- name: delete_tokens!
DELETE FROM mail_tokens WHERE recipient_id = :recipient_id AND purpose = :purpose;

-- name: lock_quota!
-- Nobody else's until the transaction ends.
INSERT INTO mail_quotas (subject, used, began_at) VALUES (:subject, 0, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE used = used;

-- name: count_quota!
INSERT INTO mail_quotas (subject, used, began_at) VALUES (:subject, 1, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE
    used = IF(began_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6)), 1, used + 1),
    began_at = IF(began_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6), began_at);

-- name: fetch_quota^
SELECT used, :seconds - TIMESTAMPDIFF(SECOND, began_at, UTC_TIMESTAMP(6)) AS seconds_left
FROM mail_quotas
WHERE subject = :subject;

-- ---------------------------------------------------------------- news

-- name: insert_news!
-- [{recipient_id, notice_id, news}, ...]; what is there already is left as it is.
INSERT IGNORE INTO mail_news (recipient_id, notice_id, news, unsent, created_at)
SELECT fresh.recipient_id, fresh.notice_id, fresh.news, 1, UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    recipient_id VARCHAR(42) PATH '$.recipient_id', notice_id VARCHAR(32) PATH '$.notice_id', news LONGTEXT PATH '$.news'
)) AS fresh;

-- name: set_due!
-- Of those for whom something is unsent: as soon as a mail may be sent. Without `again` only where nothing is due yet, so
-- that a sender's lease and a pause after an error stay.
UPDATE mail_recipients
SET due_at = IF(
    EXISTS (SELECT 1 FROM mail_news WHERE mail_news.recipient_id = mail_recipients.recipient_id AND mail_news.unsent = 1),
    GREATEST(UTC_TIMESTAMP(6), COALESCE(next_mail_at, UTC_TIMESTAMP(6))),
    NULL
)
WHERE recipient_id IN :recipient_ids AND (due_at IS NULL OR :again);

-- name: list_due_of
SELECT recipient_id FROM mail_recipients WHERE recipient_id IN :recipient_ids AND due_at <= UTC_TIMESTAMP(6);

-- ---------------------------------------------------------------- sending

-- name: list_due
SELECT recipient_id FROM mail_recipients WHERE due_at <= UTC_TIMESTAMP(6) ORDER BY due_at LIMIT :limit;

-- name: claim_recipient!
UPDATE mail_recipients
SET claims = claims + 1, due_at = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6))
WHERE recipient_id = :recipient_id AND due_at <= UTC_TIMESTAMP(6);

-- name: list_unsent
SELECT id, news FROM mail_news WHERE recipient_id = :recipient_id AND unsent = 1 ORDER BY id LIMIT :limit;

-- name: finish_sending!
-- By the sender whose claim is the last.
UPDATE mail_recipients
SET failures = 0, next_mail_at = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6))
WHERE recipient_id = :recipient_id AND claims = :claims;

-- name: mark_sent!
UPDATE mail_news SET unsent = NULL WHERE recipient_id = :recipient_id AND unsent = 1 AND id <= :last_id;

-- name: put_off!
UPDATE mail_recipients
SET failures = failures + 1, due_at = TIMESTAMPADD(SECOND, :seconds, UTC_TIMESTAMP(6))
WHERE recipient_id = :recipient_id AND claims = :claims;

-- ---------------------------------------------------------------- purging

-- name: purge_news!
DELETE FROM mail_news WHERE created_at < TIMESTAMPADD(DAY, -:days, UTC_TIMESTAMP(6)) LIMIT :limit;

-- name: purge_tokens!
DELETE FROM mail_tokens WHERE expires_at < UTC_TIMESTAMP(6) LIMIT :limit;

-- name: purge_quotas!
DELETE FROM mail_quotas WHERE began_at < TIMESTAMPADD(SECOND, -:seconds, UTC_TIMESTAMP(6)) LIMIT :limit;
