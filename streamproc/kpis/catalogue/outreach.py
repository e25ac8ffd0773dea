"""E-mail and message KPIs. Ratios belong to the cohort of the sending: an answer counts where its e-mail was sent."""

from streamproc.kpis.kpi import Kpi, MeanDuration, QuantileDuration, Ratio

GROUPS = ("rep", "team", "region", "campaign", "product", "channel")
COHORT = "Each e-mail counts once, at its sending, whenever it happened."


KPIS: tuple[Kpi, ...] = (
    Ratio(
        name="email_open_ratio",
        title_en="Open rate",
        title_de="Öffnungsrate",
        means=f"Share of e-mails that arrived and were opened by a person. {COHORT}",
        formula="n(distinct emails opened) / (n(sent) - n(bounced or rejected))",
        events=("email.sent", "email.bounced", "email.rejected", "email.opened"),
        source="E",
        part="email_opened",
        whole=("email_reached",),
        by=GROUPS,
    ),
    Ratio(
        name="email_response_ratio",
        title_en="Response rate",
        title_de="Antwortrate",
        means=f"Share of e-mails that arrived and were answered. {COHORT}",
        formula="n(distinct emails replied) / (n(sent) - n(bounced or rejected))",
        events=("email.sent", "email.bounced", "email.rejected", "email.replied"),
        source="E, mission",
        part="email_replied",
        whole=("email_reached",),
        by=GROUPS,
    ),
    Ratio(
        name="email_click_ratio",
        title_en="Click-through rate",
        title_de="Klickrate",
        means=f"Share of e-mails that arrived and whose link was clicked by a person. {COHORT}",
        formula="n(distinct emails clicked) / (n(sent) - n(bounced or rejected))",
        events=("email.sent", "email.bounced", "email.rejected", "email.clicked"),
        source="A",
        part="email_clicked",
        whole=("email_reached",),
        by=GROUPS,
    ),
    Ratio(
        name="email_bounce_ratio",
        title_en="Bounce rate",
        title_de="Bounce-Rate",
        means=f"Share of e-mails sent that bounced, hard or soft. {COHORT}",
        formula="n(bounced) / n(sent)",
        events=("email.sent", "email.bounced"),
        source="E",
        part="email_bounced",
        whole=("email_sent",),
        by=GROUPS,
    ),
    MeanDuration(
        name="email_response_seconds",
        title_en="Response time",
        title_de="Antwortzeit",
        means="Mean time from sending to the first reply, counted when the reply came.",
        formula="mean(reply time - send time)",
        events=("email.sent", "email.replied"),
        source="D, mission",
        of="email_response",
        by=GROUPS,
    ),
    *(
        QuantileDuration(
            name=f"email_response_p{q}_seconds",
            title_en=f"Response time, p{q}",
            title_de=f"Antwortzeit, p{q}",
            means=f"{q} % of first replies came within this time (within 1 %), counted when the reply came.",
            formula=f"p{q}(reply time - send time)",
            events=("email.sent", "email.replied"),
            source="D, mission",
            of="email_response",
            q=q / 100,
            by=GROUPS,
        )
        for q in (50, 90)
    ),
    Ratio(
        name="message_response_ratio",
        title_en="Message response rate",
        title_de="Antwortrate auf Nachrichten",
        means="Share of messages sent that were answered. Each message counts once, at its sending.",
        formula="n(messages replied) / n(messages sent)",
        events=("message.sent", "message.replied"),
        source="C",
        part="message_replied",
        whole=("message_sent",),
        by=GROUPS,
    ),
)
