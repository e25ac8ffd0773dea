"""Activity KPIs: how much a rep, team or channel does."""

from streamproc.kpis.kpi import Count, Distinct, Kpi

ACTIVITY = ("call", "email_sent", "meeting_held", "message_sent")
GROUPS = ("rep", "team", "region", "campaign", "product", "channel")


KPIS: tuple[Kpi, ...] = (
    Count(
        name="activities",
        title_en="Activities",
        title_de="Aktivitäten",
        means="Calls, e-mails sent, meetings held and messages sent, each at its own time.",
        formula="n(call) + n(email sent) + n(meeting held) + n(message sent)",
        events=("call.logged", "email.sent", "meeting.held", "message.sent"),
        source="C19",
        of=ACTIVITY,
        by=GROUPS,
    ),
    Count(
        name="calls",
        title_en="Calls",
        title_de="Anrufe",
        means="Calls logged, whatever their outcome or direction.",
        formula="n(call)",
        events=("call.logged",),
        source="C19",
        of=("call",),
        by=GROUPS,
    ),
    Count(
        name="emails_sent",
        title_en="E-mails sent",
        title_de="Gesendete E-Mails",
        means="E-mails sent, each once, at its earliest sending.",
        formula="n(email sent)",
        events=("email.sent",),
        source="C19",
        of=("email_sent",),
        by=GROUPS,
    ),
    Count(
        name="meetings_held",
        title_en="Meetings held",
        title_de="Gehaltene Termine",
        means="Meetings held, each once, at the time it was held.",
        formula="n(meeting held)",
        events=("meeting.held",),
        source="C20",
        of=("meeting_held",),
        by=GROUPS,
    ),
    Count(
        name="messages_sent",
        title_en="Messages sent",
        title_de="Gesendete Nachrichten",
        means="LinkedIn, chat and other messages sent, each once.",
        formula="n(message sent)",
        events=("message.sent",),
        source="C19",
        of=("message_sent",),
        by=GROUPS,
    ),
    Distinct(
        name="contacts_touched",
        title_en="Contacts touched",
        title_de="Erreichte Kontakte",
        means="Different people addressed by a call, e-mail, meeting or message; inbound calls are left out.",
        formula="n(distinct contact, else recipient, of outbound activities)",
        events=("call.logged", "email.sent", "meeting.held", "message.sent"),
        source="E",
        of="contact_touched",
        by=GROUPS,
    ),
)
