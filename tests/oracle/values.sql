-- From facts to KPI values. Reads fact, open_deal, windows, kpi_by; the reporting currency is the variable `currency`.

CREATE TEMP VIEW counts AS FROM (VALUES
    ('activities', 'call'), ('activities', 'email_sent'), ('activities', 'meeting_held'), ('activities', 'message_sent'),
    ('calls', 'call'),
    ('emails_sent', 'email_sent'),
    ('meetings_held', 'meeting_held'),
    ('messages_sent', 'message_sent'),
    ('deals_created', 'deal_created'),
    ('deals_won', 'deal_won'),
    ('deals_lost', 'deal_lost')
) AS t(kpi, fact);

CREATE TEMP VIEW distincts AS FROM (VALUES ('contacts_touched', 'contact_touched')) AS t(kpi, fact);

CREATE TEMP VIEW ratios AS FROM (VALUES
    ('email_open_ratio', 'email_opened', ['email_reached']),
    ('email_response_ratio', 'email_replied', ['email_reached']),
    ('email_click_ratio', 'email_clicked', ['email_reached']),
    ('email_bounce_ratio', 'email_bounced', ['email_sent']),
    ('message_response_ratio', 'message_replied', ['message_sent']),
    ('win_ratio', 'deal_won', ['deal_won', 'deal_lost']),
    ('quote_close_ratio', 'deal_quoted_won', ['deal_quoted']),
    ('stage_conversion_ratio', 'stage_advanced', ['stage_entered'])
) AS t(kpi, part, whole);

CREATE TEMP VIEW money AS FROM (VALUES
    ('revenue_' || getvariable('currency'), 'deal_won', false),
    ('deal_size_' || getvariable('currency'), 'deal_won', true)
) AS t(kpi, fact, is_mean);

CREATE TEMP VIEW durations AS FROM (VALUES
    ('email_response', 'email_response'), ('sales_cycle', 'sales_cycle'), ('stage_dwell', 'stage_dwell')
) AS t(stem, fact);

CREATE TEMP VIEW means AS SELECT stem || '_seconds' AS kpi, fact FROM durations;

CREATE TEMP VIEW quantiles AS
SELECT stem || '_p' || percent || '_seconds' AS kpi, fact, percent FROM durations, (VALUES (50), (90)) AS q(percent);

CREATE TEMP VIEW velocities AS SELECT 'pipeline_velocity_' || getvariable('currency') || '_per_day' AS kpi;

CREATE TEMP VIEW levels AS FROM (VALUES
    ('open_deals', 'deals'),
    ('pipeline_value_' || getvariable('currency'), 'amount'),
    ('pipeline_weighted_' || getvariable('currency'), 'weighted')
) AS t(kpi, measure);

-- Which facts make a series of a KPI exist.
CREATE TEMP VIEW reads AS
SELECT kpi, fact FROM counts
UNION ALL SELECT kpi, fact FROM distincts
UNION ALL SELECT kpi, part FROM ratios
UNION ALL SELECT kpi, unnest(whole) FROM ratios
UNION ALL SELECT kpi, fact FROM money
UNION ALL SELECT kpi, fact FROM means
UNION ALL SELECT kpi, fact FROM quantiles
UNION ALL SELECT kpi, unnest(['deal_won', 'deal_lost', 'deal_was_open']) FROM velocities
UNION ALL SELECT kpi, 'deal_was_open' FROM levels;

-- Every fact once for the company and once for each of its dimensions.
CREATE TEMP TABLE grouped AS
SELECT name, time_ms, amount, identity, '' AS dimension, '' AS group_name FROM fact
UNION ALL
SELECT name, time_ms, amount, identity, dimension, dimension || '=' || member
FROM (UNPIVOT fact ON rep, team, region, product, channel, campaign, partner, lead_source, account, segment, variant,
                      deal_stage INTO NAME dimension VALUE member);

CREATE TEMP TABLE series AS
SELECT DISTINCT kpi, group_name
FROM grouped JOIN reads ON reads.fact = grouped.name JOIN kpi_by USING (kpi, dimension);

CREATE TEMP TABLE cells AS SELECT kpi, group_name, window_name FROM series, windows;

CREATE TEMP TABLE windowed AS
SELECT window_name, grouped.* FROM grouped JOIN windows ON time_ms >= start_ms;

CREATE TEMP TABLE totals AS
SELECT window_name, group_name, name AS fact, count(*) AS n, sum(amount) AS amount, count(DISTINCT identity) AS identities
FROM windowed GROUP BY ALL;

CREATE TEMP TABLE level_now AS
WITH now AS (SELECT * EXCLUDE (is_now) FROM open_deal WHERE is_now), member AS (
    SELECT '' AS group_name, amount, weighted, qualified FROM now
    UNION ALL
    SELECT dimension || '=' || member, amount, weighted, qualified
    FROM (UNPIVOT now ON rep, team, region, product, channel, campaign, partner, lead_source, account, segment, variant,
                         deal_stage INTO NAME dimension VALUE member)
)
SELECT group_name, count(*) AS deals, sum(amount) AS amount, sum(weighted) AS weighted,
       count(*) FILTER (qualified) AS opportunities
FROM member GROUP BY group_name;

CREATE TEMP TABLE answers AS
WITH count_value AS (
    SELECT kpi, group_name, window_name, coalesce(sum(n), 0) AS n
    FROM cells JOIN counts USING (kpi) LEFT JOIN totals USING (group_name, window_name, fact)
    GROUP BY ALL
), distinct_value AS (
    SELECT kpi, group_name, window_name, coalesce(identities, 0) AS n
    FROM cells JOIN distincts USING (kpi) LEFT JOIN totals USING (group_name, window_name, fact)
), ratio_value AS (
    SELECT kpi, group_name, window_name,
           coalesce(sum(n) FILTER (fact = part), 0) AS numerator,
           coalesce(sum(n) FILTER (fact IN whole), 0) AS denominator
    FROM cells JOIN ratios USING (kpi) LEFT JOIN totals USING (group_name, window_name)
    GROUP BY ALL
), money_value AS (
    SELECT kpi, group_name, window_name, is_mean, coalesce(n, 0) AS n, coalesce(amount, 0) AS amount
    FROM cells JOIN money USING (kpi) LEFT JOIN totals USING (group_name, window_name, fact)
), mean_value AS (
    SELECT kpi, group_name, window_name, coalesce(n, 0) AS n, coalesce(amount, 0) AS ms
    FROM cells JOIN means USING (kpi) LEFT JOIN totals USING (group_name, window_name, fact)
), ranked AS (
    SELECT kpi, percent, group_name, window_name, amount AS ms,
           row_number() OVER (PARTITION BY kpi, group_name, window_name ORDER BY amount) - 1 AS rank,
           count(*) OVER (PARTITION BY kpi, group_name, window_name) AS n
    FROM windowed JOIN quantiles ON fact = name
), quantile_value AS (
    SELECT kpi, group_name, window_name, ms, coalesce(ranked.n, 0) AS n
    FROM cells JOIN quantiles USING (kpi)
    LEFT JOIN (FROM ranked WHERE rank = (percent * n + 99) // 100 - 1) AS ranked USING (kpi, group_name, window_name)
), velocity_parts AS (
    SELECT kpi, group_name, window_name,
           coalesce(any_value(totals.n) FILTER (fact = 'deal_won'), 0) AS won,
           coalesce(any_value(totals.n) FILTER (fact = 'deal_lost'), 0) AS lost,
           any_value(totals.amount) FILTER (fact = 'deal_won') AS revenue,
           coalesce(any_value(totals.amount) FILTER (fact = 'sales_cycle'), 0) AS cycle_ms,
           any_value(totals.n) FILTER (fact = 'sales_cycle') AS cycles,
           coalesce(any_value(opportunities), 0) AS opportunities
    FROM cells JOIN velocities USING (kpi) LEFT JOIN totals USING (group_name, window_name)
    LEFT JOIN level_now USING (group_name)
    GROUP BY ALL
), velocity_value AS (
    SELECT kpi, group_name, window_name, won + lost AS n, won > 0 AND cycle_ms > 0 AS is_defined,
           opportunities * (won / (won + lost)) * (revenue / 1e4 / won) AS money,
           cycle_ms / cycles / 86_400_000 AS days
    FROM velocity_parts
), level_value AS (
    SELECT kpi, group_name, coalesce(deals, 0) AS n,
           coalesce(CASE measure WHEN 'deals' THEN deals WHEN 'amount' THEN amount / 1e4 ELSE weighted / 1e4 END, 0) AS value
    FROM series JOIN levels USING (kpi) LEFT JOIN level_now USING (group_name)
)
SELECT kpi, group_name, window_name, n::DOUBLE AS value, n::DOUBLE AS numerator, NULL::DOUBLE AS denominator, n::BIGINT AS n
FROM (FROM count_value UNION ALL FROM distinct_value)
UNION ALL
SELECT kpi, group_name, window_name, numerator / nullif(denominator, 0), numerator, denominator, denominator
FROM ratio_value
UNION ALL
SELECT kpi, group_name, window_name, amount / 1e4 / if(is_mean, nullif(n, 0), 1), amount / 1e4, if(is_mean, n, NULL), n
FROM money_value
UNION ALL
SELECT kpi, group_name, window_name, ms / 1e3 / nullif(n, 0), ms / 1e3, n, n FROM mean_value
UNION ALL
SELECT kpi, group_name, window_name, ms / 1e3, NULL, NULL, n FROM quantile_value
UNION ALL
SELECT kpi, group_name, window_name, if(is_defined, money / days, NULL), if(is_defined, money, NULL),
       if(is_defined, days, NULL), n
FROM velocity_value
UNION ALL
SELECT kpi, group_name, NULL, value, value, NULL, n FROM level_value;
