-- Every statement of roles and their material. `task_id` is the tenant's own; `made_by` is the id of one of our tasks.

-- name: read_material
-- The four kinds together: one round trip.
SELECT
    'base_info' AS kind, 0 AS position,
    JSON_OBJECT(
        'company', company, 'industry', industry, 'role_name', role_name, 'goal', goal, 'audience', audience,
        'introduction', introduction
    ) AS document
FROM role_base_info
WHERE tenant_id = :tenant_id AND task_id = :task_id
UNION ALL
SELECT
    'talk_style', 0, JSON_OBJECT('tone', tone, 'phrases', phrases, 'avoid', avoid, 'sample', sample)
FROM role_talk_styles
WHERE tenant_id = :tenant_id AND task_id = :task_id
UNION ALL
SELECT
    'products', position,
    JSON_OBJECT('name', name, 'description', description, 'price', price, 'selling_points', selling_points)
FROM role_products
WHERE tenant_id = :tenant_id AND task_id = :task_id
UNION ALL
SELECT 'knowledge', position, JSON_OBJECT('title', title, 'content', content)
FROM role_knowledge
WHERE tenant_id = :tenant_id AND task_id = :task_id;

-- name: save_base_info!
INSERT INTO role_base_info (
    tenant_id, task_id, company, industry, role_name, goal, audience, introduction, updated_at
)
VALUES (
    :tenant_id, :task_id, :company, :industry, :role_name, :goal, :audience, :introduction, UTC_TIMESTAMP(6)
)
ON DUPLICATE KEY UPDATE
    company = VALUES(company),
    industry = VALUES(industry),
    role_name = VALUES(role_name),
    goal = VALUES(goal),
    audience = VALUES(audience),
    introduction = VALUES(introduction),
    updated_at = VALUES(updated_at);

-- name: save_talk_style!
INSERT INTO role_talk_styles (tenant_id, task_id, tone, phrases, avoid, sample, updated_at)
VALUES (:tenant_id, :task_id, :tone, :phrases, :avoid, :sample, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE
    tone = VALUES(tone),
    phrases = VALUES(phrases),
    avoid = VALUES(avoid),
    sample = VALUES(sample),
    updated_at = VALUES(updated_at);

-- name: save_products!
-- [{name, description, price, selling_points}, ...] in order, after the :skipped ones that are saved already.
INSERT INTO role_products (
    tenant_id, task_id, position, name, description, price, selling_points, updated_at
)
SELECT
    :tenant_id, :task_id, :skipped + given.position, given.name, given.description, given.price, given.selling_points,
    UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    position FOR ORDINALITY,
    name VARCHAR(100) PATH '$.name',
    description VARCHAR(2000) PATH '$.description',
    price VARCHAR(100) PATH '$.price',
    selling_points JSON PATH '$.selling_points'
)) AS given
ON DUPLICATE KEY UPDATE
    name = VALUES(name),
    description = VALUES(description),
    price = VALUES(price),
    selling_points = VALUES(selling_points),
    updated_at = VALUES(updated_at);

-- name: delete_products_after!
DELETE FROM role_products WHERE tenant_id = :tenant_id AND task_id = :task_id AND position > :last;

-- name: save_knowledge!
-- [{title, content}, ...] in order, after the :skipped ones that are saved already.
INSERT INTO role_knowledge (tenant_id, task_id, position, title, content, updated_at)
SELECT :tenant_id, :task_id, :skipped + given.position, given.title, given.content, UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    position FOR ORDINALITY,
    title VARCHAR(100) PATH '$.title',
    content VARCHAR(4000) PATH '$.content'
)) AS given
ON DUPLICATE KEY UPDATE
    title = VALUES(title), content = VALUES(content), updated_at = VALUES(updated_at);

-- name: delete_knowledge_after!
DELETE FROM role_knowledge WHERE tenant_id = :tenant_id AND task_id = :task_id AND position > :last;

-- name: count_up!
-- The role's next version; the first one makes the role. The row is locked until the version is inserted.
INSERT INTO roles (role_id, tenant_id, task_id, strategy_id, version, created_at, updated_at)
VALUES (:role_id, :tenant_id, :task_id, :strategy_id, 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE version = version + 1, updated_at = UTC_TIMESTAMP(6);

-- name: insert_version!
INSERT INTO role_versions (
    role_id, version, made_by, content, missing, left_out, prompt, model, requests, prompt_tokens, completion_tokens,
    cost, seconds, estimated, created_at
)
SELECT
    role_id, version, :made_by, :content, :missing, :left_out, :prompt, :model, :requests, :prompt_tokens,
    :completion_tokens, :cost, :seconds, :estimated, updated_at
FROM roles
WHERE role_id = :role_id;

-- name: fetch_version_number$
SELECT version FROM roles WHERE role_id = :role_id;

-- name: fetch_role^
-- A version of a role, the latest when :version is null.
SELECT
    roles.role_id, roles.task_id, roles.strategy_id, role_versions.version, roles.version AS latest_version,
    role_versions.made_by, role_versions.content, role_versions.missing, role_versions.left_out, role_versions.prompt,
    role_versions.model, role_versions.requests, role_versions.prompt_tokens, role_versions.completion_tokens,
    role_versions.cost, role_versions.seconds, role_versions.estimated, role_versions.created_at
FROM roles
JOIN role_versions ON role_versions.role_id = roles.role_id AND role_versions.version = COALESCE(:version, roles.version)
WHERE roles.role_id = :role_id AND roles.tenant_id = :tenant_id;

-- name: list_roles
-- The role that was written last comes first. One that gets a version between two pages moves to the front.
SELECT role_id, task_id, strategy_id, version, created_at, updated_at
FROM roles
WHERE tenant_id = :tenant_id AND (:any_strategy OR strategy_id = :strategy_id)
  AND updated_at <= :after_updated_at AND (updated_at < :after_updated_at OR role_id < :after_role_id)
ORDER BY updated_at DESC, role_id DESC
LIMIT :limit OFFSET :offset;

-- name: count_roles$
SELECT COUNT(*) FROM roles WHERE tenant_id = :tenant_id AND (:any_strategy OR strategy_id = :strategy_id);

-- name: list_versions
SELECT
    role_versions.version, role_versions.made_by, role_versions.prompt, role_versions.model, role_versions.requests,
    role_versions.prompt_tokens, role_versions.completion_tokens, role_versions.cost, role_versions.seconds,
    role_versions.estimated, role_versions.created_at
FROM roles
JOIN role_versions ON role_versions.role_id = roles.role_id
WHERE roles.role_id = :role_id AND roles.tenant_id = :tenant_id AND role_versions.version < :after_version
ORDER BY role_versions.version DESC
LIMIT :limit OFFSET :offset;

-- name: count_versions$
-- 0 when the tenant has no such role.
SELECT COUNT(*)
FROM roles
JOIN role_versions ON role_versions.role_id = roles.role_id
WHERE roles.role_id = :role_id AND roles.tenant_id = :tenant_id;
