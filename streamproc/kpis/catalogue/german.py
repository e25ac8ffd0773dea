"""What each KPI says, in German. Names stand with `{currency}` and `{q}` (quantile in %) where they vary."""

from __future__ import annotations

from dataclasses import replace

from streamproc.kpis.catalogue.durations import QUANTILES
from streamproc.kpis.kpi import Kpi

_SENDING = "Jede E-Mail zählt einmal, zur Zeit ihres Versands, wann immer es geschah."

ACTIVITY = {
    "activities": "Anrufe, gesendete E-Mails, gehaltene Termine und gesendete Nachrichten, je zu ihrer eigenen Zeit.",
    "calls": "Protokollierte Anrufe, gleich welcher Richtung und mit welchem Ergebnis.",
    "emails_sent": "Gesendete E-Mails, jede einmal, zur Zeit ihres frühesten Versands.",
    "meetings_held": "Gehaltene Termine, jeder einmal, zu der Zeit, zu der er stattfand.",
    "demo_meetings": "Gehaltene Demo-Termine, zu der Zeit, zu der sie stattfanden.",
    "onboarding_meetings": "Gehaltene Onboarding-Termine, zu der Zeit, zu der sie stattfanden.",
    "video_meetings": "Termine, die per Video gehalten wurden, zu der Zeit, zu der sie stattfanden.",
    "messages_sent": "Gesendete LinkedIn-, Chat- und andere Nachrichten, jede einmal.",
    "contacts_touched": "Verschiedene Personen, die per Anruf, E-Mail, Termin oder Nachricht angesprochen wurden; "
    "eingehende Anrufe zählen nicht.",
    "webinar_registrations": "Anmeldungen zu Webinaren; jede Person zählt je Webinar einmal, zur frühesten Anmeldung.",
    "webinar_attendances": "Teilnahmen an Webinaren; jede Person zählt je Webinar einmal, zur frühesten Teilnahme.",
    "webinar_attendance_ratio": "Anteil der Anmeldungen zu Webinaren, auf die eine Teilnahme folgte; zählt zur Zeit "
    "der Anmeldung, wann immer die Teilnahme war.",
    "research_seconds": "Zeit, die für Recherche erfasst wurde.",
    "research_reactions_per_hour": "Antworten auf E-Mails und Nachrichten je Stunde Recherche; Antworten zählen zur "
    "Zeit der ersten Antwort.",
    "activities_per_rep": "Aktivitäten je aktivem Vertriebsmitarbeiter; wer aktiv ist, sagt der Mitarbeiterstamm.",
    "deals_won_per_rep": "Gewonnene Deals je aktivem Vertriebsmitarbeiter.",
    "revenue_{currency}_per_rep": "Umsatz je aktivem Vertriebsmitarbeiter.",
    "account_engagement_points": "Gewichtete Aktivitäten mit einem Kunden: von 1 Punkt für eine gesendete E-Mail bis "
    "5 Punkten für einen gehaltenen Termin.",
}

OUTREACH = {
    "email_open_ratio": f"Anteil der angekommenen E-Mails, die ein Mensch geöffnet hat. {_SENDING}",
    "email_response_ratio": f"Anteil der angekommenen E-Mails, die beantwortet wurden. {_SENDING}",
    "email_click_ratio": f"Anteil der angekommenen E-Mails, deren Link ein Mensch angeklickt hat. {_SENDING}",
    "email_bounce_ratio": f"Anteil der gesendeten E-Mails, die zurückkamen, endgültig oder vorläufig. {_SENDING}",
    "email_response_seconds": "Mittlere Zeit vom Versand bis zur ersten Antwort; zählt, wenn die Antwort kommt.",
    "email_response_p{q}_seconds": "{q} % der ersten Antworten kamen innerhalb dieser Zeit (auf 1 % genau); zählt, "
    "wenn die Antwort kommt.",
    "email_machine_opens": "Angekommene E-Mails, die eine Maschine (etwa ein Virenscanner) geöffnet hat, jede "
    "einmal, zur Zeit ihres Versands.",
    "email_machine_clicks": "Angekommene E-Mails, deren Link eine Maschine (etwa ein Virenscanner) aufgerufen hat, "
    "jede einmal, zur Zeit ihres Versands.",
    "message_response_ratio": "Anteil der gesendeten Nachrichten, die beantwortet wurden. Jede Nachricht zählt einmal, "
    "zur Zeit ihres Versands.",
}

PIPELINE = {
    "deals_created": "Angelegte Deals.",
    "deals_won": "Gewonnene Deals, zur Zeit der Entscheidung; wird ein Deal wieder geöffnet, entfällt sie.",
    "deals_lost": "Verlorene Deals, zur Zeit der Entscheidung; wird ein Deal wieder geöffnet, entfällt sie.",
    "win_ratio": "Anteil der entschiedenen Deals, die gewonnen wurden, zur Zeit der Entscheidung.",
    "closing_ratio": "Gewonnene Deals je Verkaufsgespräch (erreichter Anruf oder gehaltener Termin), je zu ihrer "
    "eigenen Zeit; kann über 100 % liegen.",
    "sales_cycle_seconds": "Mittlere Zeit vom ersten Kontakt (sonst von der Anlage) bis zum Gewinn; zählt beim Gewinn.",
    "sales_cycle_p{q}_seconds": "{q} % der gewonnenen Deals dauerten höchstens so lange (auf 1 % genau); zählt beim "
    "Gewinn.",
    "quote_close_ratio": "Anteil der Deals mit Angebot, die gewonnen wurden; ein Deal zählt einmal, zur Zeit seines "
    "ersten Angebots.",
    "stage_dwell_seconds": "Mittlere Zeit, die ein Deal in einer Phase blieb; zählt, wenn er sie verlässt.",
    "stage_dwell_p{q}_seconds": "{q} % der Aufenthalte in einer Phase dauerten höchstens so lange (auf 1 % genau); "
    "zählt an ihrem Ende.",
    "stage_conversion_ratio": "Anteil der Eintritte in eine Phase, auf die eine spätere Phase oder der Gewinn folgte; "
    "zählt zur Zeit des Eintritts.",
    "open_deals": "Angelegte Deals, die weder entschieden noch gelöscht sind.",
    "deal_size_{currency}": "Mittlerer Betrag eines gewonnenen Deals.",
    "pipeline_velocity_{currency}_per_day": "Geld, das die offene Pipeline am Tag einbringt, bei Abschlussquote, "
    "Dealgröße und Verkaufszyklus des Zeitraums.",
    "pipeline_value_{currency}": "Beträge der offenen Deals.",
    "pipeline_weighted_{currency}": "Beträge der offenen Deals, jeder mal der Wahrscheinlichkeit seiner Phase.",
    "pipeline_growth_ratio": "Veränderung des Pipeline-Werts seit Beginn des Zeitraums, als Anteil des alten Werts.",
}

LEADS = {
    "leads_created": "Angelegte Leads, jeder einmal, zur Zeit seiner frühesten Anlage.",
    "online_leads": "Angelegte Leads, die aus dem Web kommen.",
    "lead_stage_entries": "Leads, die in eine Phase eintraten, je Phase einmal, zur Zeit des ersten Eintritts.",
    "leads_mql": "Leads, die zum ersten Mal die Phase MQL erreichten (vom Marketing qualifiziert).",
    "leads_sal": "Leads, die zum ersten Mal die Phase SAL erreichten (vom Vertrieb angenommen).",
    "leads_sql": "Leads, die zum ersten Mal die Phase SQL erreichten (vom Vertrieb qualifiziert).",
    "lead_conversion_ratio": "Anteil der angelegten Leads, die umgewandelt wurden; zählt zur Zeit der Anlage, wann "
    "immer das geschah.",
    "lead_touch_seconds": "Mittlere Zeit von der Anlage eines Leads bis zum ersten Kontakt; zählt beim Kontakt.",
    "lead_touch_p{q}_seconds": "{q} % der Leads hatten innerhalb dieser Zeit den ersten Kontakt (auf 1 % genau); "
    "zählt beim Kontakt.",
    "cost_per_lead_{currency}": "Kampagnenkosten je angelegtem Lead; Kosten und Leads zählen je zu ihrer eigenen Zeit.",
    "leads_offered": "Angebote von Leads an Partner; je Lead und Partner einmal.",
    "leads_accepted": "Annahmen angebotener Leads; je Lead und Partner einmal, zur Zeit der Annahme.",
    "lead_acceptance_ratio": "Anteil der angebotenen Leads, die der Partner annahm; zählt zur Zeit des Angebots, wann "
    "immer er annahm.",
    "lead_acceptance_seconds": "Annahmedauer: mittlere Zeit vom Angebot bis zur Annahme; zählt bei der Annahme.",
    "lead_acceptance_p{q}_seconds": "{q} % der Annahmen kamen innerhalb dieser Zeit nach dem Angebot (auf 1 % genau); "
    "zählt bei der Annahme.",
    "lead_acceptance_hour_ratio": "Anteil der Annahmen innerhalb einer Stunde nach dem Angebot; zählt bei der Annahme.",
    "lead_contact_seconds": "Kontaktaufnahmedauer: mittlere Zeit von der Annahme bis zum ersten Kontakt; zählt beim "
    "Kontakt.",
    "lead_contact_p{q}_seconds": "{q} % der ersten Kontakte kamen innerhalb dieser Zeit nach der Annahme (auf 1 % "
    "genau); zählt beim Kontakt.",
    "lead_contact_hour_ratio": "Anteil der Erstkontakte innerhalb einer Stunde nach der Annahme; zählt beim Kontakt.",
    "lead_handling_seconds": "Bearbeitungszeit: mittlere Zeit von der Annahme bis zum Abschluss; zählt beim Abschluss.",
    "lead_handling_p{q}_seconds": "{q} % der Bearbeitungen dauerten von der Annahme bis zum Abschluss höchstens so "
    "lange (auf 1 % genau); zählt beim Abschluss.",
    "lead_handling_hour_ratio": "Anteil der Abschlüsse innerhalb einer Stunde nach der Annahme; zählt beim Abschluss.",
    "lead_feedback_ratio": "Feedbackquote: Anteil der angenommenen Leads, zu denen der Partner Rückmeldung gab; zählt "
    "zur Zeit der Annahme, wann immer sie kam.",
    "partner_conversion_ratio": "Anteil der angenommenen Leads, die der Partner gewann; zählt zur Zeit der Annahme, "
    "wann immer das geschah.",
    "leads_escalated": "Angebotene Leads, die der Partner 24 Stunden nach dem Angebot weder angenommen noch abgelehnt "
    "hat und die nicht verfallen oder abgeschlossen sind.",
}

REVENUE = {
    "revenue_{currency}": "Beträge gewonnener Deals, zur Zeit der Entscheidung, und aufgegebener Bestellungen.",
    "orders": "Bestellungen, jede einmal, zu ihrer frühesten Aufgabe.",
    "order_value_{currency}": "Mittlerer Betrag einer Bestellung.",
    "purchase_value_{currency}": "Mittlerer Betrag eines Kaufs: Umsatz je gewonnenem Deal oder Bestellung.",
    "return_ratio": "Anteil der Bestellungen, zu denen es eine Rückgabe gab; zählt zur Zeit der Bestellung, wann immer "
    "die Rückgabe kam.",
    "revenue_growth_ratio": "Veränderung des Umsatzes gegenüber dem vorigen Zeitraum, als Anteil von dessen Umsatz.",
    "gross_margin_ratio": "Anteil des Umsatzes, der nach den direkten Kosten der Deals und Bestellungen bleibt.",
    "net_margin_ratio": "Anteil des Umsatzes, der nach den direkten Kosten und allen erfassten Kosten bleibt.",
    "revenue_attainment_ratio": "Umsatz als Anteil des Ziels, das für dieselbe Gruppe und denselben Zeitraum gilt.",
    "costs_{currency}": "Alle erfassten Kosten.",
    "cac_{currency}": "Kosten von Kampagnen, Vertrieb und Marketing je neuem Kunden.",
}

CUSTOMERS = {
    "new_customers": "Neue Kunden, zur Zeit ihres ersten gewonnenen Deals oder ihrer ersten Bestellung.",
    "repurchase_ratio": "Anteil der Kunden mit erster Bestellung, die eine zweite aufgaben; zählt zur Zeit der ersten, "
    "wann immer die zweite kam.",
    "order_gap_seconds": "Mittlere Zeit zwischen zwei aufeinander folgenden Bestellungen eines Kunden; zählt bei der "
    "späteren.",
    "order_gap_p{q}_seconds": "{q} % der Bestellungen kamen innerhalb dieser Zeit nach der vorigen desselben Kunden "
    "(auf 1 % genau); zählt bei der späteren.",
    "mrr_{currency}": "Monatlich wiederkehrender Umsatz: Summe der laufenden Abonnements.",
    "arr_{currency}": "Jährlich wiederkehrender Umsatz: das Zwölffache des monatlichen.",
    "arpa_{currency}": "Monatlich wiederkehrender Umsatz je Kunde mit laufendem Abonnement.",
    "customers": "Kunden mit laufendem Abonnement.",
    "retention_ratio": "Anteil der Kunden mit laufendem Abonnement zu Beginn des Zeitraums, die jetzt eines haben, "
    "gleich was dazwischen war.",
    "churn_ratio": "Anteil der Kunden mit laufendem Abonnement zu Beginn des Zeitraums, die jetzt keines haben.",
    "revenue_churn_ratio": "Anteil des monatlich wiederkehrenden Umsatzes zu Beginn des Zeitraums, dessen Kunden jetzt "
    "kein laufendes Abonnement haben.",
    "clv_{currency}": "Kundenwert: monatlich wiederkehrender Umsatz je Kunde mal Rohmarge, geteilt durch die "
    "Abwanderung je Monat.",
}

SURVEYS_AND_WEB = {
    "nps_points": "Weiterempfehlung: Anteil der Antworten von 9 bis 10 minus Anteil der Antworten von 0 bis 6, in "
    "Punkten von -100 bis 100.",
    "enps_points": "Weiterempfehlung durch Mitarbeiter: Anteil der Antworten von 9 bis 10 minus Anteil der Antworten "
    "von 0 bis 6, in Punkten von -100 bis 100.",
    "csat_points": "Mittlere Zufriedenheit der Kunden, umgerechnet auf eine Skala bis 5.",
    "csat_satisfied_ratio": "Anteil der Antworten, die mindestens 80 % der Skala erreichen.",
    "web_visits": "Besuche der Website.",
    "web_impressions": "Einblendungen von Anzeigen und Links.",
    "web_clicks": "Klicks auf Anzeigen und Links.",
    "web_click_ratio": "Klicks je Einblendung, je zu ihrer eigenen Zeit.",
}

MEANS = {**ACTIVITY, **OUTREACH, **PIPELINE, **LEADS, **REVENUE, **CUSTOMERS, **SURVEYS_AND_WEB}


def means_de(currency: str) -> dict[str, str]:
    """What each KPI says, by its name with a currency in lower case."""
    return {
        name.format(currency=currency, q=q): text.replace("{q}", str(q))
        for name, text in MEANS.items()
        for q in (QUANTILES if "{q}" in name else QUANTILES[:1])
    }


def explained(kpis: tuple[Kpi, ...], currency: str) -> tuple[Kpi, ...]:
    """The KPIs with what they say in German, where that is known."""
    known = means_de(currency)
    return tuple(replace(kpi, means_de=known.get(kpi.name, "")) for kpi in kpis)
