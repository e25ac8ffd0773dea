"""The lives in the simulated organisation, each told as a generator of steps.

A step is (seconds to wait, type, subject, data); a life runs on only when its event has happened, so
`world.now_ms` is then that event's time. Every life has at least one event. Shares follow what B2B sales see:
2 % bounces, a good third opened, 5 to 12 % answered, about a third of deals won.
"""

from __future__ import annotations

from typing import Any

from streamproc.simulate_world import (
    DAY_S,
    DEAL,
    HOUR_S,
    LEAD_SOURCES,
    MINUTE_S,
    PAGES,
    PARTNERS,
    SLOW,
    STAGES,
    Customer,
    Rep,
    Story,
    World,
    instant,
)

LOST_REASONS = ("price", "competitor", "no budget", "no decision", "timing")
OUTCOMES = ("connected",) * 8 + ("no_answer",) * 7 + ("voicemail",) * 3 + ("busy", "failed")
MEDIA = ("video", "video", "phone", "in_person")


def email(w: World, rep: Rep | None = None, lead: str | None = None) -> Story:
    rep = rep or w.rep()
    contact, campaign, variant = w.contact(), w.campaign(), w.pick(("a", "b"))
    message_id = w.id("m")
    subject, data = f"email/{message_id}", {"message_id": message_id, "recipient": contact.id}
    sent = {**data, "rep": rep.id, "channel": "email", "campaign": campaign, "variant": variant}
    yield 0.0, "email.sent", subject, {**sent, "segment": contact.segment, **({"lead": lead} if lead else {})}
    fate = w.random()
    if fate < 0.02:
        kind = "hard" if fate < 0.013 else "soft"
        yield w.tail(3.0, 1.0, HOUR_S), "email.bounced", subject, {**data, "bounce_type": kind}
        return
    if fate < 0.026:
        yield w.tail(1.0, 0.5, MINUTE_S), "email.rejected", subject, data
        return
    if fate > 0.97:
        yield w.tail(2.0, 0.5, MINUTE_S), "email.deferred", subject, data
        yield w.tail(300.0, 1.0, 6 * HOUR_S), "email.delivered", subject, data
    else:
        yield w.tail(1.5, 0.7, MINUTE_S, 0.2), "email.delivered", subject, data
    appeal = rep.skill * w.appeal[campaign] * (1.2 if variant == "b" else 1.0)
    yield from _reading(w, subject, data, appeal)


def _reading(w: World, subject: str, data: dict[str, Any], appeal: float) -> Story:
    """What happens to an e-mail that arrived. `appeal`: 1 is average."""
    if w.chance(0.12):
        yield w.tail(4.0, 0.8, 10 * MINUTE_S), "email.opened", subject, {**data, "machine": True}
        if w.chance(0.15):
            yield 0.3, "email.clicked", subject, {**data, "url": "https://example.com/demo", "machine": True}
    if not w.chance(0.36):
        return
    yield w.react_s(1.5 * HOUR_S), "email.opened", subject, data
    if w.chance(0.14):
        yield w.tail(15.0, 0.9, HOUR_S, 1.0), "email.clicked", subject, {**data, "url": "https://example.com/demo"}
    if w.chance(0.19 * appeal):
        yield w.react_s(HOUR_S), "email.replied", subject, data
    elif w.chance(0.015):
        yield w.tail(30.0, 1.0, DAY_S), "email.unsubscribed", subject, data
    elif w.chance(0.004):
        yield w.tail(60.0, 1.0, DAY_S), "email.complained", subject, data


def call(w: World, rep: Rep | None = None, **about: str) -> Story:
    """One call logged; `about` may name a lead or a deal."""
    contact, outcome = w.contact(), w.pick(OUTCOMES)
    talked = outcome == "connected"
    data = {
        "rep": (rep or w.rep()).id,
        "channel": "phone",
        "direction": "inbound" if w.chance(0.15) else "outbound",
        "outcome": outcome,
        "duration_s": round(w.tail(240.0, 0.8, 5_400.0, 5.0)) if talked else 0,
        "kind": "follow_up" if about else w.pick(("cold", "cold", "follow_up", "demo", "onboarding")),
        "contact": contact.id,
        "segment": contact.segment,
        **about,
    }
    yield 0.0, "call.logged", f"call/{w.id('k')}", data


def message(w: World) -> Story:
    rep, message_id = w.rep(), w.id("n")
    channel = w.pick(("linkedin", "linkedin", "chat", "other"))
    data = {"message_id": message_id, "channel": channel}
    subject = f"message/{message_id}"
    sent = {**data, "rep": rep.id, "contact": w.contact().id, "campaign": w.campaign()}
    yield 0.0, "message.sent", subject, sent
    if w.chance((0.35 if channel == "chat" else 0.14) * rep.skill):
        yield w.react_s(20 * MINUTE_S, quick=0.5), "message.replied", subject, data


def meeting(w: World, rep: Rep | None = None, after_s: float = 0.0, **about: str) -> Story:
    rep, meeting_id = rep or w.rep(), w.id("g")
    medium = w.pick(MEDIA)
    subject, data = f"meeting/{meeting_id}", {"meeting_id": meeting_id, "rep": rep.id}
    kind = w.pick(("demo", "demo", "discovery", "onboarding", "other"))
    data |= {"medium": medium, "channel": medium, "kind": kind, "contact": w.contact().id, **about}
    yield after_s, "meeting.booked", subject, data
    fate, until_s = w.random() * (0.7 + 0.3 * rep.skill), w.react_s(DAY_S, quick=0.15)
    if fate > 0.1:
        yield until_s, "meeting.held", subject, data
    elif fate > 0.05:
        yield until_s * w.random(), "meeting.cancelled", subject, data
    else:
        yield until_s, "meeting.no_show", subject, data


def webinar(w: World) -> Story:
    contact, week = w.contact(), w.now_ms // 604_800_000
    webinar_id = f"webinar-{week}-{w.pick((1, 2, 3))}"
    data = {"webinar_id": webinar_id, "contact": contact.id, "campaign": w.campaign()}
    subject = f"webinar/{webinar_id}/{contact.id}"
    yield 0.0, "webinar.registered", subject, data
    if w.chance(0.48):
        yield w.react_s(2 * DAY_S, quick=0.2), "webinar.attended", subject, data


def lead(w: World) -> Story:
    rep, contact, lead_id = w.rep(), w.contact(), w.id("l")
    source, campaign, born_ms = w.pick(LEAD_SOURCES), w.campaign(), w.now_ms
    subject, data = f"lead/{lead_id}", {"lead": lead_id}
    dims = {"rep": rep.id, "lead_source": source, "campaign": campaign, "account": contact.account}
    yield 0.0, "lead.created", subject, {**data, **dims, "segment": contact.segment, "stage": "MQL"}
    if w.chance(0.5):
        w.begin(email(w, rep, lead_id))
    stage = "MQL"
    for following, share in (("SAL", 0.7), ("SQL", 0.65), ("opportunity", 0.7)):
        if w.chance(0.5):
            _, kind, about, touched = next(call(w, rep, lead=lead_id))
            yield w.react_s(2 * HOUR_S), kind, about, touched
        if not w.chance(share):
            yield w.react_s(2 * DAY_S, quick=0.1), "lead.disqualified", subject, {**data, "rep": rep.id}
            return
        changed = {**data, "stage": following, "previous_stage": stage}
        yield w.react_s(8 * HOUR_S, quick=0.2), "lead.stage_changed", subject, changed
        stage = following
    deal_id = w.id("d")
    yield w.tail(60.0, 1.0, DAY_S), "lead.converted", subject, {**data, "deal": deal_id, "rep": rep.id}
    w.begin(deal(w, rep, deal_id, lead_id, born_ms, source), DEAL)


def partner_lead(w: World) -> Story:
    """A lead handed to a partner: offered, accepted, contacted, closed, with feedback."""
    lead_id, partner = w.id("l"), w.pick(PARTNERS)
    subject, data = f"lead/{lead_id}", {"lead": lead_id, "partner": partner}
    created = {"lead": lead_id, "stage": "SQL", "lead_source": w.pick(LEAD_SOURCES), "rep": w.rep().id}
    yield 0.0, "lead.created", subject, {**created, "partner": partner}
    yield w.tail(120.0, 1.0, HOUR_S), "lead.offered", subject, data
    fate = w.random() / w.appeal[partner]
    if fate > 0.95:
        yield DAY_S, "lead.expired", subject, data
        return
    if fate > 0.8:
        yield w.react_s(2 * HOUR_S), "lead.declined", subject, data
        return
    yield w.react_s(25 * MINUTE_S, quick=0.3), "lead.accepted", subject, data
    if w.chance(0.95):
        yield w.react_s(40 * MINUTE_S, quick=0.3), "lead.contacted", subject, data
    if w.chance(0.82):
        feedback = {**data, "rating": float(w.pick((2, 3, 4, 4, 5, 5))), "text_present": w.chance(0.4)}
        yield w.react_s(DAY_S), "lead.feedback", subject, feedback
    closed: dict[str, Any] = {**data, "outcome": "lost"}
    if w.chance(0.3 * w.appeal[partner]):
        closed |= {"outcome": "won", "amount": w.amount("EUR", 9_000, 2_000, 200_000), "currency": "EUR"}
    yield w.tail(5 * DAY_S, 0.8, 30 * DAY_S, HOUR_S), "lead.closed", subject, closed


def new_deal(w: World) -> Story:
    """A deal without a lead: outbound, or further business of a customer."""
    before_ms = int(w.tail(2.5 * DAY_S, 0.7, 10 * DAY_S) * 1000)
    return deal(w, w.rep(), w.id("d"), None, w.now_ms - before_ms, "outbound")


def deal(w: World, rep: Rep, deal_id: str, lead_id: str | None, contact_ms: int, source: str) -> Story:
    contact = w.contact()
    known = w.pick(w.customers) if w.customers and w.chance(0.25) else None
    currency = known.currency if known else w.currency(rep)
    who = known or Customer(w.id("c"), contact.account, contact.segment, currency)
    subject, data = f"deal/{deal_id}", {"deal": deal_id}
    amount = w.amount(currency, 15_000, 2_000, 200_000)
    record = {**data, "amount": amount, "currency": currency, "pipeline": "default"}  # as the CRM has it
    record |= {"rep": rep.id, "product": w.product(), "lead_source": source, "campaign": w.campaign()}
    record |= {"account": who.account, "segment": who.segment, "customer": who.id}
    record |= {"lead": lead_id} if lead_id else {}
    created = {**record, "stage": STAGES[0][0], "first_contact_at": instant(contact_ms)}
    yield 0.0, "deal.created", subject, created
    won = w.chance(min(0.7, 0.33 * rep.skill * (1.2 if known else 1.0)))
    cycle_s = w.tail(11 * DAY_S, 0.6, 38 * DAY_S, 3 * DAY_S)
    if w.chance(0.015):
        yield cycle_s * w.random(), "deal.deleted", subject, {**data, "reason": "duplicate"}
        return
    last = len(STAGES) - 1 if won else int(w.random() * len(STAGES))
    yield from _stages(w, rep, record, last, cycle_s / (last + 1))
    closing_s = cycle_s / (last + 1) * w.rng.uniform(0.5, 1.5)
    if not won:
        yield closing_s, "deal.lost", subject, {**data, "reason": w.pick(LOST_REASONS)}
        if not w.chance(0.06):
            return
        yield w.react_s(3 * DAY_S, quick=0.1), "deal.reopened", subject, {**data, "reason": "new budget"}
        closing_s = w.tail(5 * DAY_S, 0.6, 20 * DAY_S)
        if w.chance(0.6):
            yield closing_s, "deal.lost", subject, {**data, "reason": w.pick(LOST_REASONS)}
            return
    cost = round(amount * w.rng.uniform(0.3, 0.55))
    yield closing_s, "deal.won", subject, {**record, "direct_cost": cost, "new_customer": known is None}
    if not known:
        w.begin(customer(w, rep, who), SLOW)


def _stages(w: World, rep: Rep, record: dict[str, Any], last: int, stage_s: float) -> Story:
    """The way of a deal from its first stage to the stage number `last`, with what happens on it.

    What that changes of the deal's record but the estimate is kept in it.
    """
    data, amount = {"deal": record["deal"]}, record["amount"]
    subject = f"deal/{record['deal']}"
    for n in range(1, last + 1):
        if w.chance(0.3):
            w.begin(meeting(w, rep, w.tail(4 * HOUR_S, 1.0, 2 * DAY_S), deal=data["deal"]))
        stage, probability = STAGES[n]
        changed = {**data, "stage": stage, "previous_stage": STAGES[n - 1][0], "probability": probability}
        yield stage_s * w.rng.uniform(0.5, 1.4), "deal.stage_changed", subject, changed
        if stage == "Proposal":
            quote = {**data, "quote": w.id("q"), "amount": amount, "currency": record["currency"]}
            yield w.tail(4 * HOUR_S, 1.0, 2 * DAY_S), "quote.sent", subject, quote
        if w.chance(0.15):
            estimate = round(amount * w.rng.uniform(0.8, 1.2))
            yield w.tail(6 * HOUR_S, 1.0, 2 * DAY_S), "deal.updated", subject, {**data, "amount": estimate}
        elif w.chance(0.02):
            wait_s, record["rep"] = w.tail(6 * HOUR_S, 1.0, 2 * DAY_S), w.rep().id
            yield wait_s, "deal.updated", subject, {**data, "rep": record["rep"]}


def shop_order(w: World) -> Story:
    """A customer that orders without a deal before."""
    rep, contact = w.rep(), w.contact()
    return customer(w, rep, Customer(w.id("c"), contact.account, contact.segment, w.currency(rep)), orders_first=True)


def customer(w: World, rep: Rep, who: Customer, orders_first: bool = False) -> Story:
    """Orders, subscription, invoices and surveys of one customer, until the business ends."""
    w.remember(who)
    subject, data = f"customer/{who.id}", {"customer": who.id}
    money = {**data, "currency": who.currency}
    subscribed = w.chance(0.65)
    if orders_first or not subscribed or w.chance(0.3):
        yield from _order(w, rep, who, money, 0.0 if orders_first else w.react_s(DAY_S))
    subscription = {"subscription": w.id("s"), "product": w.product(), "rep": rep.id}
    mrr = w.amount(who.currency, 600, 50, 10_000)
    if subscribed:
        started = {**money, **subscription, "mrr": mrr, "segment": who.segment}
        yield w.react_s(6 * HOUR_S), "subscription.started", subject, started
    while True:
        wait_s, what = w.tail(7 * DAY_S, 1.1, 30 * DAY_S, 20.0), w.random()
        if what < 0.2:
            yield from _order(w, rep, who, money, wait_s)
        elif what < 0.34:
            nps = what < 0.28
            answer: dict[str, Any] = {"survey": "nps", "score": w.pick((3, 6, 7, 8, 9, 9, 10, 10))}
            answer = answer if nps else {"survey": "csat", "score": w.pick((2, 3, 4, 4, 5, 5)), "scale": 5}
            yield wait_s, "survey.answered", subject, {**answer, **data, "rep": rep.id}
        elif not subscribed:
            if what < 0.6:
                return
        elif what < 0.88:
            paid = {**money, "invoice": w.id("i"), "amount": mrr}
            if w.chance(0.05):
                yield wait_s, "invoice.payment_failed", subject, paid
                wait_s = w.tail(DAY_S, 0.7, 7 * DAY_S)
            yield wait_s, "invoice.paid", subject, paid
        elif what < 0.95:
            mrr = round(mrr * w.rng.uniform(0.8, 1.4))
            yield wait_s, "subscription.changed", subject, {**money, **subscription, "mrr": mrr}
        else:
            yield wait_s, "subscription.cancelled", subject, {**data, **subscription}
            return


def _order(w: World, rep: Rep, who: Customer, money: dict[str, Any], wait_s: float) -> Story:
    amount = w.amount(who.currency, 2_500, 100, 50_000)
    order = {**money, "order": w.id("o"), "amount": amount}
    dims = {"rep": rep.id, "product": w.product(), "segment": who.segment}
    cost = round(amount * w.rng.uniform(0.35, 0.6))
    yield wait_s, "order.placed", f"customer/{who.id}", {**order, **dims, "direct_cost": cost}
    if w.chance(0.06):
        yield w.react_s(4 * DAY_S, quick=0.05), "order.returned", f"customer/{who.id}", order


def cost(w: World) -> Story:
    kind = w.pick(("campaign", "campaign", "marketing", "sales", "other"))
    data: dict[str, Any] = {"amount": w.amount("EUR", 2_000, 50, 50_000), "currency": "EUR", "kind": kind}
    if kind == "campaign":
        data["campaign"] = w.campaign()
    yield 0.0, "cost.recorded", f"cost/{w.id('x')}", data


def rep_survey(w: World) -> Story:
    rep = w.rep()
    data = {"survey": "enps", "score": w.pick((4, 6, 7, 8, 8, 9, 9, 10)), "rep": rep.id}
    yield 0.0, "survey.answered", f"rep/{rep.id}", data


def research(w: World) -> Story:
    rep = w.rep()
    yield 0.0, "research.logged", f"rep/{rep.id}", {"rep": rep.id, "duration_s": round(w.tail(900.0, 0.7, 14_400.0))}


def web(w: World) -> Story:
    """A visit of a page, or an advertising platform's report of impressions or clicks."""
    kind, campaign = w.random(), w.campaign()
    if kind < 0.7:
        page = w.pick(PAGES)
        yield 0.0, "web.visited", f"web{page}", {"page": page, "channel": "web"}
    elif kind < 0.85:
        shown = {"campaign": campaign, "count": int(w.tail(800.0, 0.8, 50_000.0, 1.0))}
        yield 0.0, "web.impression", f"campaign/{campaign}", shown
    else:
        yield 0.0, "web.clicked", f"campaign/{campaign}", {"campaign": campaign, "count": int(w.tail(18, 0.8, 900, 1))}
