"""Survey KPIs as drawn timelines; every figure is worked out by hand."""

from __future__ import annotations

from support.replay import replay


def test_net_promoter_score() -> None:
    day = replay("""
        09:00 survey.answered a1 survey=nps score=9   rep=ann product=crm
        09:01 survey.answered a2 survey=nps score=10  rep=ann
        09:02 survey.answered a3 survey=nps score=8.9 rep=ann
        09:03 survey.answered a4 survey=nps score=6   rep=bob segment=small
        09:04 survey.answered a5 survey=nps score=6.1 rep=bob
        09:05 survey.answered a6 survey=nps score=10 scale=5
        09:06 survey.answered a7 survey=nps score=10.1
        09:07 survey.answered a8 survey=nps score=-1
        09:08 survey.answered a9 survey=enps score=0
    """)
    row = day.row("nps_points", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (100 * 2 / 6, 2, 6, 6)
    assert day.value("nps_points", "today", at="10:00", rep="ann") == 100 * 2 / 3
    assert day.value("nps_points", "today", at="10:00", rep="bob") == -50
    assert day.value("nps_points", "today", at="10:00", product="crm") == 100
    assert day.value("nps_points", "today", at="10:00", segment="small") == -100
    assert day.value("nps_points", "1h", at="11:00") is None
    assert day.counts("10:00")["anomaly", "survey_score"] == 2


def test_employee_net_promoter_score() -> None:
    day = replay(
        """
        09:00 survey.answered a1 survey=enps score=9 rep=ann
        09:01 survey.answered a2 survey=enps score=7 rep=ann
        09:02 survey.answered a3 survey=enps score=3 rep=bob
        09:03 survey.answered a4 survey=enps score=0 rep=bob
        """,
        reference="rep.defined ann team=north region=dach\nrep.defined bob team=south region=dach",
    )
    row = day.row("enps_points", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (-25, -1, 4, 4)
    expected = {"": -25, "team=north": 50, "team=south": -100, "region=dach": -25}  # nobody alone
    assert day.groups("enps_points", "today", at="10:00") == expected


def test_satisfaction_on_a_scale_of_five() -> None:
    day = replay("""
        09:00 survey.answered a1 survey=csat score=4 rep=ann
        09:01 survey.answered a2 survey=csat score=5 rep=ann
        09:02 survey.answered a3 survey=csat score=6 rep=ann
        09:03 survey.answered a4 survey=csat score=8 scale=10 rep=bob
        09:04 survey.answered a5 survey=csat score=2 scale=3 rep=bob
        09:05 survey.answered a6 survey=csat score=0 rep=cy
        09:06 survey.answered a7 survey=csat score=6 scale=5
        09:07 survey.answered a8 survey=csat score=-1
        09:08 survey.answered a9 survey=csat score=1 scale=0
        09:09 survey.answered b1 survey=csat score=10.5
    """)
    row = day.row("csat_points", "today", at="10:00", rep="ann")
    assert (row.value, row.numerator, row.denominator, row.n) == (4, 12, 3, 3)  # 4, 5 and 6 of 10
    row = day.row("csat_points", "today", at="10:00", rep="bob")
    assert (row.numerator, row.denominator) == (7.3333, 2)  # 4 and 3.3333
    assert day.value("csat_points", "today", at="10:00", rep="cy") == 0
    row = day.row("csat_satisfied_ratio", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.5, 3, 6, 6)  # 4 and 5 of 5, 8 of 10
    assert day.value("csat_satisfied_ratio", "today", at="10:00", rep="ann") == 2 / 3
    assert day.counts("10:00")["anomaly", "survey_score"] == 4
    assert not day.has("nps_points", "today", at="10:00")


def test_points_are_rounded_half_even() -> None:
    day = replay("""
        09:00 survey.answered a1 survey=csat score=0.00001 scale=1 rep=ann
        09:00 survey.answered a2 survey=csat score=0.00003 scale=1 rep=bob
    """)
    assert day.value("csat_points", "today", at="10:00", rep="ann") == 0  # 0.5 of a unit of 1/10,000
    assert day.value("csat_points", "today", at="10:00", rep="bob") == 0.0002  # 1.5
