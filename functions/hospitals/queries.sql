-- Every statement of the hospital directory. A place is a range of codes: a province's districts and their hospitals lie
-- between its code and the last one with its first two digits. No row is deleted: what is gone has listed = 0.

-- name: list_provinces
SELECT code, name FROM provinces ORDER BY code;

-- name: fetch_province^
SELECT code, name FROM provinces WHERE code = :code;

-- name: fetch_city^
SELECT code, name FROM cities WHERE code = :code;

-- name: fetch_district^
SELECT code, name FROM districts WHERE code = :code;

-- name: locate_district^
-- The district and its city.
SELECT districts.code, districts.name, cities.code AS city_code, cities.name AS city_name
FROM districts
JOIN cities ON cities.code = districts.city_code
WHERE districts.code = :code;

-- name: list_cities
SELECT code, name FROM cities WHERE province_code = :province_code AND listed = 1 ORDER BY code;

-- name: list_districts
SELECT code, name FROM districts WHERE city_code = :city_code AND listed = 1 ORDER BY code;

-- name: save_cities!
-- A province's cities as [[code, name], ...].
INSERT INTO cities (code, province_code, name, listed, updated_at)
SELECT given.code, :province_code, given.name, 1, UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (code CHAR(6) PATH '$[0]', name VARCHAR(50) PATH '$[1]')) AS given
ON DUPLICATE KEY UPDATE
    updated_at = IF(
        cities.name = VALUES(name) AND cities.province_code = VALUES(province_code) AND cities.listed = VALUES(listed),
        cities.updated_at, VALUES(updated_at)
    ),
    province_code = VALUES(province_code), name = VALUES(name), listed = VALUES(listed);

-- name: unlist_cities!
-- The cities that are not among the province's any more.
UPDATE cities SET listed = 0, updated_at = UTC_TIMESTAMP(6)
WHERE province_code = :province_code AND listed = 1 AND code NOT IN :codes;

-- name: save_districts!
-- A city's districts, as save_cities.
INSERT INTO districts (code, city_code, name, listed, updated_at)
SELECT given.code, :city_code, given.name, 1, UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (code CHAR(6) PATH '$[0]', name VARCHAR(50) PATH '$[1]')) AS given
ON DUPLICATE KEY UPDATE
    updated_at = IF(
        districts.name = VALUES(name) AND districts.city_code = VALUES(city_code)
        AND districts.listed = VALUES(listed),
        districts.updated_at, VALUES(updated_at)
    ),
    city_code = VALUES(city_code), name = VALUES(name), listed = VALUES(listed);

-- name: unlist_districts!
UPDATE districts SET listed = 0, updated_at = UTC_TIMESTAMP(6)
WHERE city_code = :city_code AND listed = 1 AND code NOT IN :codes;

-- name: list_names
SELECT name FROM hospitals WHERE district_code = :district_code AND listed = 1;

-- name: mark_gone!
UPDATE hospitals SET listed = 0, gone_by = :task_id, updated_at = UTC_TIMESTAMP(6)
WHERE district_code = :district_code AND listed = 1 AND name IN :names;

-- name: save_hospitals!
-- Hospitals of a district as [[name, level, type, address, phone, confidence, digest], ...]: a new one is added, a
-- different one changed, one that was gone listed again. An equal row is not written. MySQL assigns in order, so each
-- condition stands above the columns that it tests.
INSERT INTO hospitals (
    district_code, name, level, type, address, phone, confidence, digest, listed, added_by, created_at, updated_at
)
SELECT
    :district_code, given.name, given.level, given.type, given.address, given.phone, given.confidence, given.digest,
    1, :task_id, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
FROM JSON_TABLE(:rows, '$[*]' COLUMNS (
    name VARCHAR(100) PATH '$[0]', level VARCHAR(8) PATH '$[1]', type VARCHAR(40) PATH '$[2]',
    address VARCHAR(200) PATH '$[3]', phone VARCHAR(30) PATH '$[4]', confidence DECIMAL(4, 3) PATH '$[5]',
    digest CHAR(32) PATH '$[6]'
)) AS given
ON DUPLICATE KEY UPDATE
    changed_by = IF(hospitals.listed = 0 OR hospitals.digest <> VALUES(digest), :task_id, hospitals.changed_by),
    gone_by = NULL,
    updated_at = IF(
        hospitals.listed = VALUES(listed) AND hospitals.digest = VALUES(digest),
        hospitals.updated_at, VALUES(updated_at)
    ),
    level = VALUES(level), type = VALUES(type), address = VALUES(address), phone = VALUES(phone),
    confidence = VALUES(confidence), digest = VALUES(digest), listed = VALUES(listed);

-- name: count_changes^
-- A task's changes in a place, each by an index of its own. A hospital that it added and then changed counts as added.
SELECT
    (
        SELECT COUNT(*) FROM hospitals
        WHERE added_by = :task_id AND listed = 1 AND district_code BETWEEN :first_code AND :last_code
    ) AS added,
    (
        SELECT COUNT(*) FROM hospitals
        WHERE changed_by = :task_id AND listed = 1 AND district_code BETWEEN :first_code AND :last_code
          AND added_by <> :task_id
    ) AS changed,
    (
        SELECT COUNT(*) FROM hospitals
        WHERE gone_by = :task_id AND listed = 0 AND district_code BETWEEN :first_code AND :last_code
    ) AS gone;

-- name: list_changes
-- What count_changes counts, of these changes, after one hospital. Each part reads its index no further than the page.
SELECT
    found.what, hospitals.district_code, districts.name AS district_name, hospitals.name, hospitals.level, hospitals.type,
    hospitals.address, hospitals.phone, hospitals.confidence, hospitals.updated_at
FROM (
    (
        SELECT 'added' AS what, district_code, name FROM hospitals
        WHERE 'added' IN :changes AND added_by = :task_id AND listed = 1
          AND district_code BETWEEN :first_code AND :last_code AND district_code >= :after_district_code
          AND (district_code > :after_district_code OR name > :after_name)
        ORDER BY district_code, name
        LIMIT :limit
    )
    UNION ALL
    (
        SELECT 'changed' AS what, district_code, name FROM hospitals
        WHERE 'changed' IN :changes AND changed_by = :task_id AND listed = 1 AND added_by <> :task_id
          AND district_code BETWEEN :first_code AND :last_code AND district_code >= :after_district_code
          AND (district_code > :after_district_code OR name > :after_name)
        ORDER BY district_code, name
        LIMIT :limit
    )
    UNION ALL
    (
        SELECT 'gone' AS what, district_code, name FROM hospitals
        WHERE 'gone' IN :changes AND gone_by = :task_id AND listed = 0
          AND district_code BETWEEN :first_code AND :last_code AND district_code >= :after_district_code
          AND (district_code > :after_district_code OR name > :after_name)
        ORDER BY district_code, name
        LIMIT :limit
    )
) AS found
JOIN hospitals ON hospitals.district_code = found.district_code AND hospitals.name = found.name
JOIN districts ON districts.code = found.district_code
ORDER BY found.district_code, found.name
LIMIT :limit;

-- name: fetch_refresh^
SELECT task_id FROM tasks WHERE task_id = :task_id AND tenant_id = :tenant_id AND kind IN :kinds;

-- name: list_refreshes
-- A tenant's refreshes of a province that have begun, the one that began last first: its own and those of the whole country. Of all
-- tasks only those of these kinds are looked at, by the index that a lane reads.
SELECT id, task_id, kind, title, status, started_at, finished_at
FROM tasks FORCE INDEX (tasks_due)
WHERE kind IN :kinds AND tenant_id = :tenant_id
  AND (started_at < :before_start OR (started_at = :before_start AND id < :before_id))
  AND (kind <> :province_kind OR JSON_VALUE(params, '$.province') = :province)
ORDER BY started_at DESC, id DESC
LIMIT :limit;

-- name: list_by_place
-- The hospitals after one of the list, in its order; ('', '') is before the first.
SELECT
    hospitals.district_code, districts.name AS district_name, hospitals.name, hospitals.level, hospitals.type,
    hospitals.address, hospitals.phone, hospitals.confidence, hospitals.updated_at
FROM hospitals
JOIN districts ON districts.code = hospitals.district_code
WHERE hospitals.district_code BETWEEN :first_code AND :last_code AND hospitals.listed = 1
  AND hospitals.district_code >= :after_district_code
  AND (hospitals.district_code > :after_district_code OR hospitals.name > :after_name)
ORDER BY hospitals.district_code, hospitals.name
LIMIT :limit OFFSET :offset;

-- name: count_by_place$
SELECT COUNT(*) FROM hospitals WHERE district_code BETWEEN :first_code AND :last_code AND listed = 1;

-- name: list_by_level
SELECT
    hospitals.district_code, districts.name AS district_name, hospitals.name, hospitals.level, hospitals.type,
    hospitals.address, hospitals.phone, hospitals.confidence, hospitals.updated_at
FROM hospitals
JOIN districts ON districts.code = hospitals.district_code
WHERE hospitals.listed = 1 AND hospitals.level = :level
  AND hospitals.district_code BETWEEN :first_code AND :last_code
  AND hospitals.district_code >= :after_district_code
  AND (hospitals.district_code > :after_district_code OR hospitals.name > :after_name)
ORDER BY hospitals.district_code, hospitals.name
LIMIT :limit OFFSET :offset;

-- name: count_by_level$
SELECT COUNT(*) FROM hospitals
WHERE listed = 1 AND level = :level AND district_code BETWEEN :first_code AND :last_code;

-- name: list_by_name
-- Names that begin with :pattern: an index can serve a beginning, no other part.
SELECT
    hospitals.district_code, districts.name AS district_name, hospitals.name, hospitals.level, hospitals.type,
    hospitals.address, hospitals.phone, hospitals.confidence, hospitals.updated_at
FROM hospitals
JOIN districts ON districts.code = hospitals.district_code
WHERE hospitals.listed = 1 AND hospitals.name LIKE :pattern AND hospitals.level IN :levels
  AND hospitals.district_code BETWEEN :first_code AND :last_code
  AND hospitals.name >= :after_name
  AND (hospitals.name > :after_name OR hospitals.district_code > :after_district_code)
ORDER BY hospitals.name, hospitals.district_code
LIMIT :limit OFFSET :offset;

-- name: count_by_name$
SELECT COUNT(*) FROM hospitals
WHERE listed = 1 AND name LIKE :pattern AND level IN :levels AND district_code BETWEEN :first_code AND :last_code;

-- name: list_batches
-- The batches of an unfinished district, in order.
SELECT answer FROM district_batches
WHERE task_id = :task_id AND district_code = :district_code
ORDER BY batch;

-- name: keep_batch!
-- Of two workers' answers for one batch the first stays. A task that was deleted meanwhile keeps none.
INSERT IGNORE INTO district_batches (task_id, district_code, batch, answer, created_at)
VALUES (:task_id, :district_code, :batch, :answer, UTC_TIMESTAMP(6));

-- name: forget_batches!
DELETE FROM district_batches WHERE task_id = :task_id AND district_code = :district_code;
