"""The statements of the store on SQLite. Lists of ids come as one JSON text."""

from __future__ import annotations

NOW = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
# Due from now on, in its old place in the queue; whoever created it may have had a clock that is ahead.
AT_ONCE = f"min(created_at, {NOW})"

OPEN_SHIFT = f"""
INSERT INTO podium_shift (worker, boot, pid, state, started_at, expires_at)
VALUES (?, ?, ?, 'awake', {NOW}, {NOW} + ?) RETURNING id, started_at
"""
BEAT = f"UPDATE podium_shift SET expires_at = {NOW} + ? WHERE id = ? AND state = 'awake'"
END_SHIFT = f"UPDATE podium_shift SET state = 'ended', ended_at = {NOW} WHERE id = ? AND state = 'awake'"
ANY_DEAD = f"""
SELECT EXISTS (SELECT 1 FROM podium_shift WHERE state = 'awake' AND expires_at < {NOW})
    OR EXISTS (SELECT 1 FROM podium_shift
               WHERE state = 'awake' AND id IN (SELECT value FROM json_each(?)))
"""
BURY = f"""
UPDATE podium_shift SET state = 'dead', ended_at = {NOW}
WHERE state = 'awake' AND (expires_at < {NOW} OR id IN (SELECT value FROM json_each(?)))
RETURNING id
"""
FREE = f"""
UPDATE podium_execution SET shift_id = NULL, wake_at = {AT_ONCE}, claims = 0
WHERE shift_id IN (SELECT value FROM json_each(?))
"""
_LENGTH = """
(SELECT coalesce(max(entry.seq), 0) FROM podium_journalentry AS entry WHERE entry.execution_id = podium_execution.id)
"""
# After a death: whatever got no further since it was claimed keeps its claims, and is a suspect by that.
FREE_DEAD = f"""
UPDATE podium_execution
SET shift_id = NULL, wake_at = {AT_ONCE}, claims = CASE WHEN {_LENGTH} > seq THEN 0 ELSE claims END,
    seq = max(seq, {_LENGTH})
WHERE shift_id IN (SELECT value FROM json_each(?))
"""
# Whose inbox was read, or who was let in, by a shift that died, ended or lost the answer before it had heard that it
# put it down meanwhile.
WAKE_UNHEARD = f"""
UPDATE podium_execution SET wake_at = {AT_ONCE}
WHERE shift_id IS NULL AND wake_at IS NULL AND NOT quarantined
  AND (id IN (SELECT execution_id FROM podium_inboxitem WHERE outcome IS NULL)
       OR id IN (SELECT id FROM podium_execution WHERE admitted AND ended_at IS NULL AND status = 'pending'))
"""
FENCE = "SELECT 1 FROM podium_shift WHERE id = ? AND state = 'awake'"
NEIGHBOURS = "SELECT count(*) FROM podium_shift WHERE state = 'awake' AND boot = ? AND id < ?"
AWAKE = "SELECT id, worker, boot FROM podium_shift WHERE state = 'awake'"

_WAITING = "status = 'pending' AND NOT admitted"
_SUSPECT = "claims > 0 AND shift_id IS NULL AND wake_at IS NOT NULL"
_ANY_SUSPECT = f"EXISTS (SELECT 1 FROM podium_execution INDEXED BY execution_suspect WHERE {_SUSPECT})"

# One look into the index per priority, so that timers that are not due yet are never passed over one by one.
_FIRST_AT = """
SELECT * FROM (
    SELECT wake_at FROM podium_execution
    WHERE priority = {priority} AND shift_id IS NULL AND wake_at IS NOT NULL AND claims = 0 ORDER BY wake_at LIMIT 1
)
"""
_FIRST_DUE = f"""
(SELECT min(wake_at) FROM ({" UNION ALL ".join(_FIRST_AT.format(priority=priority) for priority in range(10))}))
"""
_SOME_DUE_AT = """
SELECT * FROM (
    SELECT 1 FROM podium_execution
    WHERE priority = {priority} AND shift_id IS NULL AND wake_at IS NOT NULL AND wake_at <= {now}
    ORDER BY wake_at LIMIT 1000
)
"""
_SOME_DUE = " UNION ALL ".join(_SOME_DUE_AT.format(priority=priority, now=NOW) for priority in range(10))

PEEK = f"""
SELECT EXISTS (SELECT 1 FROM podium_shift WHERE id = ?1 AND state = 'awake'),
       EXISTS (SELECT 1 FROM podium_execution WHERE shift_id = ?1 AND wake_at IS NOT NULL),
       EXISTS (SELECT 1 FROM podium_execution INDEXED BY execution_waiting_for_room WHERE {_WAITING}),
       {_FIRST_DUE},
       {_ANY_SUSPECT}
"""
UNPOKE = """
UPDATE podium_execution SET wake_at = NULL
WHERE shift_id = ? AND wake_at IS NOT NULL RETURNING id, admitted
"""
INBOX = """
SELECT id, execution_id, kind, payload, answered FROM podium_inboxitem
WHERE execution_id IN (SELECT value FROM json_each(?)) AND outcome IS NULL ORDER BY id
"""

# A loose scan: one look into the index per workflow that has somebody waiting.
_WAITING_WORKFLOWS = f"""
WITH RECURSIVE waiting(id) AS (
    SELECT min(workflow_id) FROM podium_execution WHERE {_WAITING}
    UNION ALL
    SELECT (SELECT min(workflow_id) FROM podium_execution WHERE {_WAITING} AND workflow_id > waiting.id)
    FROM waiting WHERE waiting.id IS NOT NULL
)
"""
_FREE = """
coalesce(workflow.max_concurrent, ?) - (
    SELECT count(*) FROM podium_execution AS inside
    WHERE inside.workflow_id = workflow.id AND inside.admitted AND inside.ended_at IS NULL AND NOT inside.quarantined
)
"""
ROOM = f"""
{_WAITING_WORKFLOWS}
SELECT workflow.id, {_FREE}
FROM waiting JOIN podium_workflow AS workflow ON workflow.id = waiting.id
"""
ADMIT = f"""
UPDATE podium_execution SET admitted = 1, wake_at = {AT_ONCE} WHERE id IN (
    SELECT id FROM podium_execution WHERE workflow_id = ? AND {_WAITING}
    ORDER BY priority, created_at, id LIMIT ?
)
"""
# One look into the index per priority, so that timers that are not due yet are never passed over one by one.
_DUE_AT = """
SELECT * FROM (
    SELECT id, priority, wake_at FROM podium_execution
    WHERE priority = {priority} AND shift_id IS NULL AND wake_at IS NOT NULL AND wake_at <= ? AND claims = 0
    ORDER BY wake_at LIMIT ?
)
"""
DUE = (
    "SELECT id FROM ("
    + " UNION ALL ".join(_DUE_AT.format(priority=priority) for priority in range(10))
    + ") ORDER BY priority, wake_at LIMIT ?"
)
ONE_SUSPECT = f"""
SELECT id FROM podium_execution INDEXED BY execution_suspect WHERE {_SUSPECT} AND wake_at <= ? ORDER BY wake_at LIMIT 1
"""
CLAIMED = """
SELECT execution.id, execution.team_id, execution.workflow_id, workflow.slug, execution.revision_id, revision.number,
       execution.status, execution.priority, execution.admitted, execution.epoch + 1, execution.claims + 1,
       execution.handed_over, execution.depth, execution.parent_id, execution.parent_attempt, execution.root_id,
       execution.input, execution.seq, execution.by, execution.correlation_id
FROM podium_execution AS execution
JOIN podium_workflow AS workflow ON workflow.id = execution.workflow_id
JOIN podium_revision AS revision ON revision.id = execution.revision_id
WHERE execution.id IN (SELECT value FROM json_each(?))
"""
CLAIM = """
UPDATE podium_execution
SET shift_id = ?, epoch = epoch + 1, claims = claims + 1, handed_over = 0, wake_at = NULL
WHERE id IN (SELECT value FROM json_each(?))
"""
ENTRIES = """
SELECT execution_id, seq, at, type, step, data FROM podium_journalentry
WHERE execution_id IN (SELECT value FROM json_each(?)) ORDER BY execution_id, seq
"""
SUSPECT = f"""
UPDATE podium_execution SET shift_id = NULL, wake_at = {AT_ONCE}, claims = ? WHERE id = ? AND shift_id = ?
"""
QUARANTINE = """
UPDATE podium_execution
SET quarantined = 1, claims = 0, shift_id = NULL, wake_at = NULL, error = ?,
    status = CASE WHEN ended_at IS NULL THEN 'paused' ELSE status END
WHERE id = ? AND shift_id = ?
"""
# The feed hears of it: no entry says it.
TELL_QUARANTINE = f"""
INSERT INTO podium_journalbatch (at, touched)
SELECT {NOW}, execution.id || ' ' || execution.seq || ' ' || execution.team_id || ' ' || workflow.slug
FROM podium_execution AS execution JOIN podium_workflow AS workflow ON workflow.id = execution.workflow_id
WHERE execution.id = ? AND execution.quarantined
"""
FREE_UNKNOWN = f"""
UPDATE podium_execution SET shift_id = NULL, wake_at = {AT_ONCE}, claims = 0
WHERE shift_id = ? AND id NOT IN (SELECT value FROM json_each(?))
"""

BACKLOG = f"""
{_WAITING_WORKFLOWS}
SELECT (SELECT count(*) FROM ({_SOME_DUE}))
       + (SELECT count(*) FROM waiting JOIN podium_workflow AS workflow ON workflow.id = waiting.id
          WHERE {_FREE.replace("?", "?1")} > 0),
       {_FIRST_DUE}, (SELECT max(id) FROM podium_shift), {_ANY_SUSPECT}
"""

INSERT_CHILDREN = """
INSERT OR IGNORE INTO podium_execution
    (id, team_id, workflow_id, revision_id, priority, depth, parent_id, parent_attempt, root_id, input, steps_total,
     "by", correlation_id, created_at, status, admitted, epoch, claims, quarantined, handed_over, body_digest, seq,
     attempt, steps_done)
SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, column12,
       column13, column14, 'pending', 0, 0, 0, 0, 0, '', 0, 1, 0
FROM (VALUES {rows})
"""
INSERT_ENTRIES = "INSERT INTO podium_journalentry (execution_id, seq, at, type, step, data) VALUES {rows}"
UPSERT_STEPS = """
INSERT INTO podium_steprunrow
    (execution_id, path, "top", type, status, attempts, started_at, ended_at, error) VALUES {rows}
ON CONFLICT (execution_id, path) DO UPDATE SET
    status = excluded.status, attempts = excluded.attempts, started_at = excluded.started_at,
    ended_at = excluded.ended_at, error = excluded.error
"""
# What was poked while it was held stays due; a quarantined one is due to nobody.
CHANGE_ROW = """
UPDATE podium_execution
SET status = ?, output = ?, error = ?, seq = ?, attempt = ?, steps_done = ?, started_at = ?, ended_at = ?,
    shift_id = CASE WHEN ? THEN NULL ELSE shift_id END,
    wake_at = CASE WHEN ? THEN NULL ELSE coalesce(wake_at, ?) END,
    claims = 0, handed_over = ?, quarantined = ?
WHERE id = ? AND shift_id = ? AND epoch = ?
"""
FORGET = "DELETE FROM podium_inboxitem WHERE id IN (SELECT value FROM json_each(?))"
ANSWER = "UPDATE podium_inboxitem SET outcome = ? WHERE id = ?"
INSERT_MESSAGES = """
INSERT INTO podium_inboxitem (execution_id, kind, key, payload, answered, created_at)
SELECT column1, column2, column3, column4, 0, column5 FROM (VALUES {rows}) WHERE true
ON CONFLICT DO NOTHING
"""
POKE = """
UPDATE podium_execution SET wake_at = ?
WHERE id IN (SELECT value FROM json_each(?)) AND NOT quarantined
"""
LISTEN = "INSERT OR IGNORE INTO podium_listening (execution_id, topic, team_id) VALUES {rows}"
UNLISTEN = "DELETE FROM podium_listening WHERE execution_id = ? AND topic = ?"
INSERT_BATCH = "INSERT INTO podium_journalbatch (shift_id, number, at, touched) VALUES (?, ?, ?, ?)"
COMMITTED = "SELECT EXISTS (SELECT 1 FROM podium_journalbatch WHERE shift_id = ? AND number = ?)"

WORKFLOW = """
SELECT workflow.id, revision.id, revision.number, revision.document
FROM podium_workflow AS workflow
JOIN podium_revision AS revision ON revision.workflow_id = workflow.id
WHERE workflow.team_id = ? AND workflow.slug = ? AND revision.number = coalesce(?, workflow.latest)
"""
DOCUMENT = "SELECT document FROM podium_revision WHERE id = ?"
SECRETS = "SELECT name, value FROM podium_secret WHERE team_id = ?"
