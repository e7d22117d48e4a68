"""The statements of the store on PostgreSQL.

Arrays come as joined text rather than as lists: a list costs the worker more than everything else in a batch. Texts
are joined by U+001F, which JSON never holds unescaped; a lone U+001E stands for null or nothing. Numbers are joined by
commas, a dash for null.
"""

from __future__ import annotations

TEXT_SEPARATOR = "\x1f"
NOTHING = "\x1e"

NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# Due from now on, in its old place in the queue; whoever created it may have had a clock that is ahead.
AT_ONCE = f"least(created_at, {NOW})"
# The class of the advisory locks by which a shift shows that its process lives.
LOCK_CLASS = 20_114


def texts(name: str) -> str:
    """Return the array that the parameter `name` stands for."""
    return f"string_to_array(%({name})s::text, E'\\x1f', E'\\x1e')"


def numbers(name: str) -> str:
    """Return the array of numbers that the parameter `name` stands for."""
    return f"string_to_array(%({name})s::text, ',', '-')::bigint[]"


# Its own earlier connections, by the name that is its alone; waits until they have ended.
END_OTHERS = """
SELECT pg_terminate_backend(pid, %(patience)s::bigint) FROM pg_stat_activity
WHERE application_name = %(name)s AND pid <> pg_backend_pid()
"""
OPEN_SHIFT = f"""
INSERT INTO podium_shift (worker, boot, pid, state, started_at, expires_at)
VALUES (%(worker)s, %(boot)s, %(pid)s, 'awake', {NOW}, {NOW} + %(lease)s) RETURNING id, started_at
"""
BEAT = f"UPDATE podium_shift SET expires_at = {NOW} + %(lease)s WHERE id = %(shift)s AND state = 'awake'"
LOCK = f"SELECT pg_advisory_lock({LOCK_CLASS}, (%(shift)s %% 2147483647)::int)"
# Not FOR KEY SHARE's equal: this one waits until no batch of the shift is under way.
LOCK_SHIFTS = """
SELECT id FROM podium_shift WHERE id = ANY(%(ids)s) AND state = 'awake' ORDER BY id FOR UPDATE
"""
END_SHIFTS = f"""
UPDATE podium_shift SET state = %(state)s, ended_at = {NOW}
WHERE id = ANY(%(ids)s) AND state = 'awake' RETURNING id
"""
FREE = f"UPDATE podium_execution SET shift_id = NULL, wake_at = {AT_ONCE}, claims = 0 WHERE shift_id = ANY(%(ids)s)"
# After a death: whatever got no further since it was claimed keeps its claims, and is a suspect by that.
FREE_DEAD = f"""
UPDATE podium_execution AS execution
SET shift_id = NULL, wake_at = {AT_ONCE},
    claims = CASE WHEN found.length > execution.seq THEN 0 ELSE execution.claims END,
    seq = greatest(execution.seq, found.length)
FROM (
    SELECT held.id, (
        SELECT coalesce(max(entry.seq), 0) FROM podium_journalentry AS entry WHERE entry.execution_id = held.id
    ) AS length
    FROM podium_execution AS held WHERE held.shift_id = ANY(%(ids)s)
) AS found
WHERE execution.id = found.id AND execution.shift_id + 0 = ANY(%(ids)s)
"""
# Whose inbox was read, or who was let in, by a shift that died, ended or lost the answer before it had heard that it
# put it down meanwhile.
WAKE_UNHEARD = f"""
UPDATE podium_execution SET wake_at = {AT_ONCE}
WHERE shift_id IS NULL AND wake_at IS NULL AND NOT quarantined
  AND (id IN (SELECT execution_id FROM podium_inboxitem WHERE outcome IS NULL)
       OR id IN (SELECT id FROM podium_execution WHERE admitted AND ended_at IS NULL AND status = 'pending'))
"""
# Expired, named, or with nobody holding its lock.
SUSPECTS = f"""
SELECT id, expires_at < {NOW} OR id = ANY(%(gone)s) AS surely,
       NOT EXISTS (
           SELECT 1 FROM pg_locks
           WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND classid = {LOCK_CLASS} AND objid = (id %% 2147483647)::bigint::oid AND granted
       ) AS unlocked
FROM podium_shift WHERE state = 'awake'
"""
NEIGHBOURS = "SELECT count(*) FROM podium_shift WHERE state = 'awake' AND boot = %(boot)s AND id < %(shift)s"
AWAKE = "SELECT id, worker, boot FROM podium_shift WHERE state = 'awake'"

_WAITING = "status = 'pending' AND NOT admitted"
_SUSPECT = "claims > 0 AND shift_id IS NULL AND wake_at IS NOT NULL"
FENCE = "SELECT id FROM podium_shift WHERE id = %(shift)s AND state = 'awake' FOR KEY SHARE"

UNPOKE = """
UPDATE podium_execution SET wake_at = NULL
WHERE shift_id = %(shift)s AND wake_at IS NOT NULL RETURNING id, admitted
"""
INBOX = """
SELECT id, execution_id, kind, payload, answered FROM podium_inboxitem
WHERE execution_id = ANY(%(ids)s) AND outcome IS NULL ORDER BY id
"""
# After UNPOKE, and not in one statement with it: what was put in while that waited for a row must be seen.
INBOXES = """
SELECT item.id, item.execution_id, item.kind, item.payload, item.answered
FROM podium_inboxitem AS item JOIN podium_execution AS execution ON execution.id = item.execution_id
WHERE execution.shift_id = %(shift)s AND item.outcome IS NULL ORDER BY item.id
"""
# A loose scan: one look into the index per workflow that has somebody waiting.
_WAITING_WORKFLOWS = f"""
WITH RECURSIVE waiting(id) AS (
    (SELECT workflow_id FROM podium_execution WHERE {_WAITING} ORDER BY workflow_id LIMIT 1)
    UNION ALL
    SELECT (SELECT workflow_id FROM podium_execution WHERE {_WAITING} AND workflow_id > waiting.id
            ORDER BY workflow_id LIMIT 1)
    FROM waiting WHERE waiting.id IS NOT NULL
)
"""
_FREE = """
coalesce(workflow.max_concurrent, %(default)s) - (
    SELECT count(*) FROM podium_execution AS inside
    WHERE inside.workflow_id = workflow.id AND inside.admitted AND inside.ended_at IS NULL AND NOT inside.quarantined
)
"""
# One look into the index per priority, so that timers that are not due yet are never passed over one by one.
_FIRST_DUE = """
(SELECT min(first.wake_at) FROM generate_series(0, 9) AS rank(priority) CROSS JOIN LATERAL (
    SELECT wake_at FROM podium_execution AS execution
    WHERE execution.priority = rank.priority AND shift_id IS NULL AND wake_at IS NOT NULL AND claims = 0
    ORDER BY wake_at LIMIT 1
) AS first)
"""
_SOME_DUE = f"""
(SELECT count(*) FROM generate_series(0, 9) AS rank(priority) CROSS JOIN LATERAL (
    SELECT 1 FROM podium_execution AS execution
    WHERE execution.priority = rank.priority AND shift_id IS NULL AND wake_at <= {NOW}
    ORDER BY wake_at LIMIT 1000
) AS overdue)
"""
# Is it awake, was one of its own told something, which workflows have room for some that wait, when is what due, is
# anybody a suspect?
PEEK = f"""
SELECT EXISTS (SELECT 1 FROM podium_shift WHERE id = %(shift)s AND state = 'awake'),
       EXISTS (SELECT 1 FROM podium_execution WHERE shift_id = %(shift)s AND wake_at IS NOT NULL),
       ARRAY(
           {_WAITING_WORKFLOWS}
           SELECT workflow.id FROM waiting JOIN podium_workflow AS workflow ON workflow.id = waiting.id
           WHERE {_FREE} > 0 ORDER BY workflow.id
       ),
       {_FIRST_DUE},
       EXISTS (SELECT 1 FROM podium_execution WHERE {_SUSPECT})
"""
# Two statements, so that the second sees what was committed while the first waited for its lock.
LOCK_WORKFLOW = "SELECT 1 FROM podium_workflow WHERE id = %(workflow)s FOR NO KEY UPDATE"
ADMIT = f"""
UPDATE podium_execution SET admitted = true, wake_at = {AT_ONCE} WHERE id IN (
    SELECT id FROM podium_execution WHERE workflow_id = %(workflow)s AND {_WAITING}
    ORDER BY priority, created_at, id
    LIMIT (SELECT greatest({_FREE}, 0) FROM podium_workflow AS workflow WHERE workflow.id = %(workflow)s)
)
"""
# One look into the index per priority, so that timers that are not due yet are never passed over one by one.
_DUE = """
    SELECT taken.id, taken.handed_over
    FROM fence CROSS JOIN generate_series(0, 9) AS rank(priority) CROSS JOIN LATERAL (
        SELECT id, handed_over FROM podium_execution AS execution
        WHERE execution.priority = rank.priority AND shift_id IS NULL AND wake_at <= %(now)s AND claims = 0
        ORDER BY wake_at LIMIT %(room)s FOR UPDATE SKIP LOCKED
    ) AS taken
    LIMIT %(room)s
"""
_ONE_SUSPECT = f"""
    SELECT taken.id, taken.handed_over FROM fence CROSS JOIN LATERAL (
        SELECT id, handed_over FROM podium_execution WHERE {_SUSPECT} AND wake_at <= %(now)s
        ORDER BY wake_at LIMIT %(room)s FOR UPDATE SKIP LOCKED
    ) AS taken
"""
_CLAIM = f"""
WITH fence AS MATERIALIZED ({FENCE}),
due AS MATERIALIZED ({{due}}),
claimed AS (
    UPDATE podium_execution AS execution
    SET shift_id = %(shift)s, epoch = epoch + 1, claims = claims + 1, handed_over = false, wake_at = NULL
    FROM due WHERE execution.id = due.id
    RETURNING execution.*, due.handed_over AS was_handed_over
)
SELECT claimed.id, claimed.team_id, claimed.workflow_id, workflow.slug, claimed.revision_id, revision.number,
       claimed.status, claimed.priority, claimed.admitted, claimed.epoch, claimed.claims, claimed.was_handed_over,
       claimed.depth, claimed.parent_id, claimed.parent_attempt, claimed.root_id, claimed.input, claimed.seq,
       claimed.by, claimed.correlation_id,
       EXISTS (SELECT 1 FROM podium_inboxitem AS item WHERE item.execution_id = claimed.id AND item.outcome IS NULL)
FROM claimed
JOIN podium_workflow AS workflow ON workflow.id = claimed.workflow_id
JOIN podium_revision AS revision ON revision.id = claimed.revision_id
ORDER BY claimed.priority, claimed.created_at
"""
CLAIM = _CLAIM.format(due=_DUE)
CLAIM_SUSPECT = _CLAIM.format(due=_ONE_SUSPECT)
ENTRIES = """
SELECT execution_id, seq, at, type, step, data FROM podium_journalentry
WHERE execution_id = ANY(%(ids)s) ORDER BY execution_id, seq
"""
SUSPECT = f"""
UPDATE podium_execution SET shift_id = NULL, wake_at = {AT_ONCE}, claims = %(claims)s
WHERE id = %(id)s AND shift_id = %(shift)s
"""
# The feed hears of it: no entry says it.
QUARANTINE = f"""
WITH aside AS (
    UPDATE podium_execution SET quarantined = true, claims = 0, shift_id = NULL, wake_at = NULL, error = %(error)s,
        status = CASE WHEN ended_at IS NULL THEN 'paused' ELSE status END
    WHERE id = %(id)s AND shift_id = %(shift)s RETURNING id, seq, team_id, workflow_id
)
INSERT INTO podium_journalbatch (at, touched)
SELECT {NOW}, concat_ws(' ', aside.id, aside.seq, aside.team_id, workflow.slug)
FROM aside JOIN podium_workflow AS workflow ON workflow.id = aside.workflow_id
"""
FREE_UNKNOWN = f"""
UPDATE podium_execution SET shift_id = NULL, wake_at = {AT_ONCE}, claims = 0
WHERE shift_id = %(shift)s AND NOT id = ANY(%(known)s)
"""
BACKLOG = f"""
{_WAITING_WORKFLOWS}
SELECT {_SOME_DUE}
       + (SELECT count(*) FROM waiting JOIN podium_workflow AS workflow ON workflow.id = waiting.id
          WHERE {_FREE} > 0),
       {_FIRST_DUE}, (SELECT max(id) FROM podium_shift), EXISTS (SELECT 1 FROM podium_execution WHERE {_SUSPECT})
"""
COMMITTED = """
SELECT EXISTS (SELECT 1 FROM podium_journalbatch WHERE shift_id = %(shift)s AND number = %(number)s)
"""
WORKFLOW = """
SELECT workflow.id, revision.id, revision.number, revision.document
FROM podium_workflow AS workflow
JOIN podium_revision AS revision ON revision.workflow_id = workflow.id
WHERE workflow.team_id = %(team)s AND workflow.slug = %(slug)s
  AND revision.number = coalesce(%(revision)s::int, workflow.latest)
"""
DOCUMENT = "SELECT document FROM podium_revision WHERE id = %(revision)s"
SECRETS = "SELECT name, value FROM podium_secret WHERE team_id = %(team)s"

# The parts of a batch. Each runs only where the fence gave its row, and all of them are one statement.
BATCH_HEAD = f"WITH fence AS MATERIALIZED ({FENCE})"
BATCH_TAIL = "SELECT (SELECT count(*) FROM fence), {changed}"

CHILDREN = f"""
children AS (
    INSERT INTO podium_execution
        (id, team_id, workflow_id, revision_id, priority, depth, parent_id, parent_attempt, root_id, input, steps_total,
         "by", correlation_id, created_at, status, admitted, epoch, claims, quarantined, handed_over, body_digest, seq,
         attempt, steps_done)
    SELECT c.id, c.team, c.workflow, c.revision, c.priority, c.depth, c.parent, coalesce(c.attempt, ''), c.root,
           c.input, c.steps, coalesce(c.by, ''), coalesce(c.correlation, ''), c.created, 'pending', false, 0, 0, false,
           false, '', 0, 1, 0
    FROM fence CROSS JOIN unnest(
        {texts("c_id")}, {numbers("c_team")}, {numbers("c_workflow")}, {numbers("c_revision")}, {numbers("c_priority")},
        {numbers("c_depth")}, {texts("c_parent")}, {texts("c_attempt")}, {texts("c_root")}, {texts("c_input")},
        {numbers("c_steps")}, {texts("c_by")}, {texts("c_correlation")}, {numbers("c_created")}
    ) AS c(id, team, workflow, revision, priority, depth, parent, attempt, root, input, steps, by, correlation, created)
    ON CONFLICT (id) DO NOTHING
)"""
ENTRIES_PART = f"""
entries AS (
    INSERT INTO podium_journalentry (execution_id, seq, at, type, step, data)
    SELECT e.execution, e.seq, e.at, e.type, coalesce(e.step, ''), e.data
    FROM fence CROSS JOIN unnest(
        {texts("e_execution")}, {numbers("e_seq")}, {numbers("e_at")}, {texts("e_type")}, {texts("e_step")},
        {texts("e_data")}
    ) AS e(execution, seq, at, type, step, data)
)"""
STEPS = f"""
steps AS (
    INSERT INTO podium_steprunrow
        (execution_id, path, "top", type, status, attempts, started_at, ended_at, error)
    SELECT s.execution, s.path, s.top = 1, s.type, s.status, s.attempts, s.started, s.ended, coalesce(s.error, '')
    FROM fence CROSS JOIN unnest(
        {texts("s_execution")}, {texts("s_path")}, {numbers("s_top")}, {texts("s_type")}, {texts("s_status")},
        {numbers("s_attempts")}, {numbers("s_started")}, {numbers("s_ended")}, {texts("s_error")}
    ) AS s(execution, path, top, type, status, attempts, started, ended, error)
    ON CONFLICT (execution_id, path) DO UPDATE SET
        status = excluded.status, attempts = excluded.attempts, started_at = excluded.started_at,
        ended_at = excluded.ended_at, error = excluded.error
)"""
# What was poked while it was held stays due; a quarantined one is due to nobody. Rows are found by their ids: `+ 0`
# keeps the planner from the index of held ones, which beside a million rows that nobody holds it takes for empty, and
# then compares everything held with everything written.
ROWS = f"""
rows AS (
    UPDATE podium_execution AS execution
    SET status = r.status, output = r.output, error = r.error, seq = r.seq, attempt = r.attempt,
        steps_done = r.done, started_at = r.started, ended_at = r.ended,
        shift_id = CASE WHEN r.release = 1 THEN NULL ELSE execution.shift_id END,
        wake_at = CASE WHEN r.quarantined = 1 THEN NULL ELSE coalesce(execution.wake_at, r.wake) END,
        claims = 0, handed_over = r.handed = 1, quarantined = r.quarantined = 1
    FROM fence CROSS JOIN unnest(
        {texts("r_id")}, {numbers("r_epoch")}, {texts("r_status")}, {texts("r_output")}, {texts("r_error")},
        {numbers("r_seq")}, {numbers("r_attempt")}, {numbers("r_done")}, {numbers("r_started")}, {numbers("r_ended")},
        {numbers("r_release")}, {numbers("r_wake")}, {numbers("r_handed")}, {numbers("r_quarantined")}
    ) AS r(id, epoch, status, output, error, seq, attempt, done, started, ended, release, wake, handed, quarantined)
    WHERE execution.id = r.id AND execution.shift_id + 0 = fence.id AND execution.epoch = r.epoch
    RETURNING 1
)"""
FORGET = f"""
forgotten AS (
    DELETE FROM podium_inboxitem AS item USING fence, unnest({numbers("h_id")}) AS h(id) WHERE item.id = h.id
)"""
ANSWERS = f"""
answered AS (
    UPDATE podium_inboxitem AS item SET outcome = a.outcome
    FROM fence CROSS JOIN unnest({numbers("a_id")}, {texts("a_outcome")}) AS a(id, outcome) WHERE item.id = a.id
)"""
MESSAGES = f"""
messages AS (
    INSERT INTO podium_inboxitem (execution_id, kind, key, payload, answered, created_at)
    SELECT m.execution, m.kind, m.key, m.payload, false, %(at)s
    FROM fence CROSS JOIN unnest(
        {texts("m_execution")}, {texts("m_kind")}, {texts("m_key")}, {texts("m_payload")}
    ) AS m(execution, kind, key, payload)
    ON CONFLICT DO NOTHING
)"""
POKES = f"""
poked AS (
    UPDATE podium_execution AS execution SET wake_at = %(at)s
    FROM fence CROSS JOIN unnest({texts("p_id")}) AS p(id) WHERE execution.id = p.id AND NOT execution.quarantined
)"""
LISTEN = f"""
listening AS (
    INSERT INTO podium_listening (execution_id, topic, team_id)
    SELECT l.execution, l.topic, l.team
    FROM fence CROSS JOIN unnest({texts("l_execution")}, {texts("l_topic")}, {numbers("l_team")})
        AS l(execution, topic, team)
    ON CONFLICT DO NOTHING
)"""
UNLISTEN = f"""
deaf AS (
    DELETE FROM podium_listening AS row
    USING fence, unnest({texts("d_execution")}, {texts("d_topic")}) AS d(execution, topic)
    WHERE row.execution_id = d.execution AND row.topic = d.topic
)"""
FEED = """
feed AS (
    INSERT INTO podium_journalbatch (shift_id, number, at, touched)
    SELECT %(shift)s, %(number)s, %(at)s, %(touched)s FROM fence
)"""
