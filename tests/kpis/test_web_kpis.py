"""Web KPIs as drawn timelines; every figure is worked out by hand."""

from __future__ import annotations

from support.replay import replay


def test_visits_impressions_and_clicks_add_their_counts() -> None:
    day = replay("""
        08:00 web.impression i1 count=1000 campaign=q1 product=crm
        09:00 web.visited    v1 channel=web
        09:10 web.visited    v2 count=4
        09:20 web.impression i2 count=500 campaign=q1
        09:30 web.impression i3 count=100 campaign=q2
        09:40 web.clicked    k1 count=30 campaign=q1
        09:50 web.clicked    k2 campaign=q3
    """)
    assert day.groups("web_visits", "today", at="10:00") == {"": 5, "channel=web": 1}
    assert day.value("web_impressions", "today", at="10:00") == 1600
    assert day.value("web_impressions", "1h", at="10:00") == 600
    assert day.value("web_impressions", "today", at="10:00", product="crm") == 1000
    assert day.value("web_clicks", "today", at="10:00") == 31
    row = day.row("web_click_ratio", "today", at="10:00", campaign="q1")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.02, 30, 1500, 1500)
    assert day.value("web_click_ratio", "1h", at="10:00", campaign="q1") == 0.06
    assert day.value("web_click_ratio", "today", at="10:00", campaign="q2") == 0
    assert day.value("web_click_ratio", "today", at="10:00", campaign="q3") is None
