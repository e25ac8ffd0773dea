-- Reads events, reps, teams. `seq` numbers events by (time, rank, source, id); the last of equal definitions holds.

-- Each event with its team and region: its own, else its rep's roster entry at that time, else the team's region.
CREATE TEMP TABLE resolved AS
WITH rep_entry AS (
    SELECT * FROM reps QUALIFY row_number() OVER (PARTITION BY rep, valid_from_ms ORDER BY position DESC) = 1
), team_entry AS (
    SELECT * FROM teams QUALIFY row_number() OVER (PARTITION BY team, valid_from_ms ORDER BY position DESC) = 1
), by_rep AS (
    SELECT e.seq, e.time_ms, coalesce(e.team, r.team) AS team, coalesce(e.region, r.region) AS region
    FROM events e ASOF LEFT JOIN rep_entry r ON e.rep = r.rep AND e.time_ms >= r.valid_from_ms
), by_team AS (
    SELECT b.seq, b.team, coalesce(b.region, t.region) AS region
    FROM by_rep b ASOF LEFT JOIN team_entry t ON b.team = t.team AND b.time_ms >= t.valid_from_ms
)
SELECT e.* REPLACE (b.team AS team, b.region AS region) FROM events e JOIN by_team b USING (seq);
