"""Scopes: what kind of group a series is of, and the labels that say so."""

from __future__ import annotations

from streamproc.outputs.gauge import escape

COMPANY = "company"
# Dimensions that would clash with the labels of scrape targets have another name as a label.
LABELS = {"region": "sales_region"}
# There are many reps, so they have no histograms (21 series each) and no values of the window before.
BRIEF = frozenset({"rep"})


def scope_of(group: str) -> str:
    """The dimension of a group; "" for the company."""
    return group.partition("=")[0]


def label_of(dimension: str) -> str:
    """Name of the label that has the member of a dimension."""
    return LABELS.get(dimension, dimension)


def labels(group: str, window: str | None) -> str:
    """The labels of a series, as they stand between braces."""
    scope, _, member = group.partition("=")
    pairs = [f'scope="{scope or COMPANY}"']
    if scope:
        pairs.append(f'{label_of(scope)}="{escape(member)}"')
    if window is not None:
        pairs.append(f'window="{escape(window)}"')
    return ",".join(pairs)
