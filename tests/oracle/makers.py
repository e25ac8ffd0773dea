"""Makers of single events of a family: what may be said, contradictions included."""

from __future__ import annotations

from oracle.picks import AMOUNTS, CURRENCIES, LEADS, REPS, Made, Pick, dims, maybe


def call(pick: Pick) -> Made:
    data = {"rep": pick(REPS)} | dims(pick)
    maybe(pick, data, "direction", ("outbound", "inbound"))
    maybe(pick, data, "outcome", ("connected", "no_answer"))
    maybe(pick, data, "contact", ("p1", "p2"), 1)
    maybe(pick, data, "lead", LEADS)
    return "call.logged", data


def email(pick: Pick) -> Made:
    kinds = ("sent", "replied", "opened", "clicked", "bounced", "rejected", "delivered", "unsubscribed")
    kind = "email." + pick((*["sent"] * 4, *["replied", "opened", "clicked"] * 2, *kinds))
    data = dims(pick)
    maybe(pick, data, "recipient", ("p1", "p3"))
    maybe(pick, data, "lead", LEADS, 4)
    if kind == "email.bounced":
        maybe(pick, data, "bounce_type", ("hard", "soft"), 1)
    if kind in ("email.opened", "email.clicked"):
        maybe(pick, data, "machine", (False, True, True), 1)
    return kind, data


def message(pick: Pick) -> Made:
    data = dims(pick) | {"channel": pick(("linkedin", "chat"))}
    maybe(pick, data, "contact", ("p1", "p2"))
    maybe(pick, data, "lead", LEADS, 4)
    return pick(("message.sent", "message.replied")), data


def meeting(pick: Pick) -> Made:
    data = dims(pick)
    maybe(pick, data, "medium", ("video", "in_person", "phone"), 1)
    maybe(pick, data, "kind", ("demo", "onboarding", "other"), 1)
    maybe(pick, data, "contact", ("p2", "p4"))
    maybe(pick, data, "lead", LEADS, 4)
    return "meeting." + pick(("held", "booked", "held", "booked", "cancelled", "no_show")), data


def webinar(pick: Pick) -> Made:
    data = dims(pick) | {"contact": pick(("p1", "p2"))}
    return pick(("webinar.registered", "webinar.attended", "webinar.registered")), data


def research(pick: Pick) -> Made:
    data = dims(pick) | {"rep": pick(REPS), "duration_s": pick((3600.0, 0.0, 0.0005, 0.0015, 5400.25))}
    return "research.logged", data


def cost(pick: Pick) -> Made:
    data = dims(pick) | {"amount": pick(AMOUNTS), "currency": pick(CURRENCIES)}
    maybe(pick, data, "kind", ("campaign", "campaign", "sales", "marketing", "other"), 1)
    return "cost.recorded", data


def survey(pick: Pick) -> Made:
    data = dims(pick) | {"survey": pick(("nps", "csat", "enps"))}
    data["score"] = pick((9.0, 5.0, 4.0, 6.0, 10.0, 8.5, 0.0, 2.4, 3.3333, 6.5, -1.0, 11.0))
    maybe(pick, data, "scale", (5.0, 10.0, 3.0, 7.0, 0.0), 5)
    return "survey.answered", data


def web(pick: Pick) -> Made:
    data = dims(pick)
    maybe(pick, data, "count", (2, 1000))
    return pick(("web.visited", "web.impression", "web.clicked")), data
