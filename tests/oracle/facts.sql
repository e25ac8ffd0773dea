-- From events to facts: e-mails, messages, meetings, webinars, calls and contacts. Reads resolved and the variable at_ms.

-- The events before the time asked for, each with the channel that goes without saying.
CREATE TEMP VIEW activity AS
SELECT * REPLACE (coalesce(channel, CASE
    WHEN type = 'call.logged' THEN 'phone'
    WHEN type LIKE 'email.%' THEN 'email'
    WHEN type LIKE 'meeting.%' THEN medium  -- video, in_person and phone are the names of channels, too
END) AS channel)
FROM resolved WHERE time_ms < getvariable('at_ms');

CREATE TEMP VIEW call_fact AS
SELECT 'call' AS name, * FROM activity WHERE type = 'call.logged'
UNION ALL
SELECT 'call_connected' AS name, * FROM activity WHERE type = 'call.logged' AND outcome = 'connected';

CREATE TEMP VIEW email_fact AS
WITH sent AS (
    SELECT * FROM activity WHERE type = 'email.sent' QUALIFY row_number() OVER (PARTITION BY subject ORDER BY seq) = 1
), heard AS (
    SELECT
        subject,
        bool_or(type = 'email.bounced') AS bounced,
        NOT bool_or(type IN ('email.bounced', 'email.rejected')) AS reached,
        min(time_ms) FILTER (type = 'email.opened' AND NOT machine) AS opened_ms,
        min(time_ms) FILTER (type = 'email.clicked' AND NOT machine) AS clicked_ms,
        min(time_ms) FILTER (type = 'email.opened' AND machine) AS machine_opened_ms,
        min(time_ms) FILTER (type = 'email.clicked' AND machine) AS machine_clicked_ms,
        min(time_ms) FILTER (type = 'email.replied') AS replied_ms,
    FROM activity WHERE type LIKE 'email.%' GROUP BY subject
), mail AS (
    SELECT *, time_ms + 90 * 86_400_000::BIGINT AS deadline_ms FROM sent JOIN heard USING (subject)
), cohort AS (
    SELECT f.name, mail.*
    FROM mail, LATERAL (VALUES
        ('email_sent', true),
        ('email_bounced', bounced),
        ('email_reached', reached),
        ('email_opened', reached AND opened_ms <= deadline_ms),
        ('email_clicked', reached AND clicked_ms <= deadline_ms),
        ('email_machine_opened', reached AND machine_opened_ms <= deadline_ms),
        ('email_machine_clicked', reached AND machine_clicked_ms <= deadline_ms),
        ('email_replied', reached AND replied_ms <= deadline_ms)
    ) AS f(name, holds)
    WHERE f.holds
), response AS (
    SELECT 'email_response' AS name, * REPLACE (replied_ms AS time_ms), replied_ms - time_ms AS amount
    FROM mail WHERE reached AND replied_ms BETWEEN time_ms AND deadline_ms
), reply AS (
    SELECT 'reply' AS name, * REPLACE (replied_ms AS time_ms) FROM mail WHERE reached AND replied_ms <= deadline_ms
)
SELECT * FROM cohort UNION ALL BY NAME SELECT * FROM response UNION ALL BY NAME SELECT * FROM reply;

CREATE TEMP VIEW message_fact AS
WITH sent AS (
    SELECT * FROM activity WHERE type = 'message.sent' QUALIFY row_number() OVER (PARTITION BY subject ORDER BY seq) = 1
), reply AS (
    SELECT subject, min(time_ms) AS replied_ms FROM activity WHERE type = 'message.replied' GROUP BY subject
), replied AS (
    SELECT sent.*, replied_ms FROM sent JOIN reply USING (subject) WHERE replied_ms <= time_ms + 90 * 86_400_000::BIGINT
)
SELECT 'message_sent' AS name, * FROM sent
UNION ALL BY NAME SELECT 'message_replied' AS name, * FROM replied
UNION ALL BY NAME SELECT 'reply' AS name, * REPLACE (replied_ms AS time_ms) FROM replied;

CREATE TEMP VIEW meeting_fact AS
WITH held AS (
    SELECT * FROM activity WHERE type = 'meeting.held' QUALIFY row_number() OVER (PARTITION BY subject ORDER BY seq) = 1
), booked AS (
    SELECT * FROM activity WHERE type = 'meeting.booked'
    QUALIFY row_number() OVER (PARTITION BY subject ORDER BY seq) = 1
)
SELECT
    unnest(['meeting_held',
            CASE coalesce(held.kind, booked.kind) WHEN 'demo' THEN 'meeting_demo'
                 WHEN 'onboarding' THEN 'meeting_onboarding' END,
            CASE coalesce(held.medium, booked.medium) WHEN 'video' THEN 'meeting_video' END]) AS name,
    held.time_ms,
    coalesce(held.rep, booked.rep) AS rep,
    -- another rep's team is not that of who booked
    CASE WHEN held.rep IS DISTINCT FROM booked.rep AND held.rep IS NOT NULL THEN held.team
         ELSE coalesce(held.team, booked.team) END AS team,
    CASE WHEN held.rep IS DISTINCT FROM booked.rep AND held.rep IS NOT NULL THEN held.region
         ELSE coalesce(held.region, booked.region) END AS region,
    coalesce(held.product, booked.product) AS product,
    coalesce(held.channel, booked.channel) AS channel,
    coalesce(held.campaign, booked.campaign) AS campaign,
    coalesce(held.partner, booked.partner) AS partner,
    coalesce(held.lead_source, booked.lead_source) AS lead_source,
    coalesce(held.account, booked.account) AS account,
    coalesce(held.segment, booked.segment) AS segment,
    coalesce(held.variant, booked.variant) AS variant,
FROM held LEFT JOIN booked USING (subject);

CREATE TEMP VIEW webinar_fact AS
WITH registered AS (
    SELECT * FROM activity WHERE type = 'webinar.registered'
    QUALIFY row_number() OVER (PARTITION BY subject ORDER BY seq) = 1
), attended AS (
    SELECT * FROM activity WHERE type = 'webinar.attended'
    QUALIFY row_number() OVER (PARTITION BY subject ORDER BY seq) = 1
)
SELECT 'webinar_registered' AS name, * FROM registered
UNION ALL SELECT 'webinar_attended' AS name, * FROM attended
UNION ALL SELECT 'webinar_registered_attended' AS name, * FROM registered WHERE subject IN (SELECT subject FROM attended);

CREATE TEMP VIEW contact_fact AS
SELECT 'contact_touched' AS name, *, coalesce(contact, recipient) AS identity
FROM activity
WHERE coalesce(contact, recipient) IS NOT NULL
  AND (type IN ('email.sent', 'meeting.held', 'message.sent')
       OR type = 'call.logged' AND direction IS DISTINCT FROM 'inbound');

CREATE TEMP VIEW activity_fact AS
SELECT name, time_ms, amount, identity,
       rep, team, region, product, channel, campaign, partner, lead_source, account, segment, variant
FROM (
    FROM call_fact
    UNION ALL BY NAME FROM email_fact
    UNION ALL BY NAME FROM message_fact
    UNION ALL BY NAME FROM meeting_fact
    UNION ALL BY NAME FROM webinar_fact
    UNION ALL BY NAME FROM contact_fact
)
WHERE name IS NOT NULL;
