-- Sums by group and window. Reads activity_fact, given_fact, period, needed, edge, span and moment.

-- Facts, cut at the edges of all windows: what lies between two edges is in the same windows.
CREATE OR REPLACE TEMP TABLE fact AS
SELECT found.*, edge_ms
FROM (
    FROM given_fact
    UNION ALL BY NAME
    FROM activity_fact
) AS found ASOF JOIN edge ON found.time_ms >= edge.edge_ms
WHERE name IN (SELECT name FROM needed);

CREATE OR REPLACE TEMP TABLE pieces AS
SELECT name, group_name, edge_ms, count(*) AS n, sum(amount) AS amount, list(amount) FILTER (is_duration) AS amounts
FROM (SELECT *, name IN ('email_response', 'sales_cycle', 'stage_dwell', 'lead_touch', 'lead_acceptance', 'lead_contact',
                         'lead_handling', 'order_gap') AS is_duration
      FROM ({grouped}))
GROUP BY name, group_name, edge_ms;

CREATE OR REPLACE TEMP TABLE counts AS
SELECT name, group_name, span, is_before, sum(n) AS n, coalesce(sum(amount), 0) AS amount
FROM pieces JOIN span ON edge_ms >= start_ms AND edge_ms < end_ms
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE durations AS
WITH sorted AS (
    SELECT name, group_name, span, list_sort(flatten(list(amounts))) AS sorted
    FROM pieces JOIN span ON edge_ms >= start_ms AND edge_ms < end_ms
    WHERE amounts IS NOT NULL AND NOT is_before
    GROUP BY ALL
)
SELECT name, group_name, span, sorted[(50 * len(sorted) + 99) // 100] AS p50, sorted[(90 * len(sorted) + 99) // 100] AS p90
FROM sorted;

CREATE OR REPLACE TEMP TABLE identities AS
WITH latest AS (
    SELECT name, group_name, identity, max(edge_ms) AS edge_ms
    FROM ({grouped}) WHERE identity IS NOT NULL AND name = 'contact_touched'
    GROUP BY ALL
)
SELECT name, group_name, span, count(*) AS n
FROM latest JOIN span ON edge_ms >= start_ms AND NOT is_before
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE spell AS {spells};

CREATE OR REPLACE TEMP TABLE stocks AS
SELECT name, group_name, moment, count(*) AS n, sum(amount) AS amount, coalesce(sum(weighted), 0) AS weighted,
       count(*) FILTER (qualified) AS qualified, count(*) FILTER (stays) AS stay,
       coalesce(sum(amount) FILTER (NOT stays), 0) AS amount_leaving
FROM spell JOIN moment ON start_ms < time_ms AND (end_ms IS NULL OR end_ms >= time_ms)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE ever AS
SELECT DISTINCT name, group_name FROM pieces UNION SELECT DISTINCT name, group_name FROM spell;
