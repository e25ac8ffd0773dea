"""Makers of single events of the long lives: deals, leads, customers."""

from __future__ import annotations

from oracle.picks import AMOUNTS, CURRENCIES, PARTNERS, Made, Pick, dims, maybe

STAGES = ("new", "demo", "offer", "signed", "dead", "unlisted")
PIPELINES = ("default", "partner")


def deal(pick: Pick) -> Made:
    kind = pick(
        (
            *["deal.created"] * 3, *["deal.stage_changed"] * 4, *["deal.updated"] * 2, *["deal.won"] * 2, "deal.lost",
            *["deal.reopened"] * 2, "deal.deleted", *["quote.sent"] * 2,
        )
    )  # fmt: skip
    data = dims(pick)
    if kind == "deal.created":
        data |= {"amount": pick(AMOUNTS), "currency": pick(CURRENCIES)}
        maybe(pick, data, "stage", STAGES, 1)
        maybe(pick, data, "pipeline", PIPELINES, 4)
    else:
        maybe(pick, data, "amount", AMOUNTS, 8)
        maybe(pick, data, "currency", CURRENCIES, 16)
        maybe(pick, data, "pipeline", PIPELINES, 24)
    if kind == "deal.stage_changed":
        data["stage"] = pick(STAGES)
    elif kind != "deal.created":
        maybe(pick, data, "stage", STAGES, 24)
    if kind == "deal.won":
        maybe(pick, data, "customer", ("1", "2", "3"), 1)
        maybe(pick, data, "direct_cost", AMOUNTS)
    maybe(pick, data, "probability", (0.2, 0.0, 1.0, 0.33335), 8)
    if kind == "quote.sent":
        data["quote"] = pick(("q1", "q2"))
    return kind, data


def lead(pick: Pick) -> Made:
    kind = "lead." + pick(
        (
            *["created"] * 3, *["stage_changed"] * 3, "converted", "disqualified", "touched", *["offered"] * 4,
            *["accepted"] * 4, "declined", "expired", *["contacted"] * 2, "feedback", *["closed"] * 2,
        )
    )  # fmt: skip
    data = dims(pick)
    if kind == "lead.stage_changed":
        data["stage"] = pick(("MQL", "SAL", "SQL", "mql", "opportunity"))
    elif kind == "lead.created":
        maybe(pick, data, "stage", ("MQL", "new"))
    elif kind.rpartition(".")[2] in ("offered", "accepted", "declined", "expired", "contacted", "feedback", "closed"):
        data["partner"] = pick((*PARTNERS, PARTNERS[0]))
    if kind == "lead.closed":
        maybe(pick, data, "outcome", ("won", "won", "lost"), 1)
    return kind, data


def customer(pick: Pick) -> Made:
    kind = pick(
        (
            *["order.placed"] * 5, *["order.returned"] * 2, *["subscription.started"] * 5,
            *["subscription.changed"] * 4, *["subscription.cancelled"] * 2, "customer.won", "invoice.paid",
        )
    )  # fmt: skip
    data = dims(pick)
    if kind == "customer.won":
        return kind, data
    maybe(pick, data, "currency", CURRENCIES)
    if kind.startswith("subscription."):
        data["subscription"] = pick(("s1", "s2"))
        maybe(pick, data, "mrr", [abs(amount) for amount in AMOUNTS])
        return kind, data
    maybe(pick, data, "amount", AMOUNTS, 1)
    if kind == "invoice.paid":
        return kind, data | {"invoice": "i1"}
    maybe(pick, data, "direct_cost", AMOUNTS)
    return kind, data | {"order": pick(("o1", "o2", "o3"))}
