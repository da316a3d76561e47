"""3229, 3230, 3219, 3223 and 1005 through the published Python clients' own parsers, and through our drop-in,
which reads the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from qotgate.service.reference import Reference
from tests.support.databases import filled
from tests.support.published import run_script
from tests.support.serving import serving

NOTES = """ticker,name,firm,rating,price_target,date
MU,Micron,BofA Securities,Hold,90,2026-02-02
MU,Micron,BofA Securities,Buy,120,2026-05-01
MU,Micron,UBS,Buy,130,2026-05-04
MU,Micron,UBS,Buy,,2026-06-01
MU,Micron,Wedbush,Sell,80,2026-04-01
MU,Micron,Jefferies,Buy,200,2026-02-27
MU,Micron,Stephens,Untold,100,2026-05-05
SHOP.TO,Shopify,RBC,Outperform,150,2026-05-05
"""
SCRIPT = """
import json, sys
from {package} import *
{json}
context = OpenQuoteContext(host="127.0.0.1", port=int(sys.argv[1]))
try:
    found = dict(
        consensus=context.get_research_analyst_consensus("US.MU"),
        none=context.get_research_analyst_consensus("US.AAPL"),
        summary=context.get_research_rating_summary("US.MU", num=2),
        detail=context.get_research_rating_summary("US.MU", uid="UBS"),
        analysts=context.get_research_rating_summary("US.MU", rating_dimension_type=2),
        unknown=context.get_research_rating_summary("US.MU", uid="Barclays"),
        days=context.request_trading_days("US", "2025-11-26", "2025-12-01"),
        hong_kong=context.request_trading_days(code="HK.00700", start="2025-12-23", end="2025-12-29"),
        connect=context.request_trading_days("NT", "2025-12-23", "2025-12-29"),
        early=context.request_trading_days("US", "1999-01-01", "1999-02-01"),
        user=context.get_user_info(),
    )
    ret, states = context.get_market_state(["US.MU", "CA.SHOP", "HK.00700", "US.NOPE"])
    found["states"] = ret, states.values.tolist()
    ret, more = context.get_research_rating_summary("US.MU", num=2, next_key=found["summary"][1]["next_key"])
    found["more"] = ret, more
finally:
    context.close()
print("FOUND", json.dumps(found, ensure_ascii=True))
"""


@pytest.fixture
def found(tmp_path: Path, reference: Reference, request: pytest.FixtureRequest) -> dict[str, Any]:
    package, body_format = request.param
    (tmp_path / "notes.csv").write_text(NOTES)
    url = f"sqlite:///{tmp_path / 'qotgate.db'}"
    filled(url, reference, tmp_path / "notes.csv")
    set_format = "SysConfig.set_proto_fmt(ProtoFMT.Json)" if body_format == "json" else ""
    script = SCRIPT.replace("{package}", package).replace("{json}", set_format)
    with serving(url, "--lang", "zh") as gateway:
        lines = run_script(script, tmp_path, gateway.port)
    (line,) = [line for line in lines if line.startswith("FOUND ")]
    return json.loads(line.removeprefix("FOUND "))


@pytest.mark.parametrize(
    "found", [("futu", "protobuf"), ("moomoo", "json"), ("qotgate", "protobuf")], indirect=True, ids="-".join
)
def test_what_the_published_parsers_read(found: dict[str, Any]) -> None:
    ok, error = 0, -1
    assert found["consensus"] == [
        ok,
        # Stephens' word is in no scale, and its target counts; Jefferies' note is older than three months.
        {
            "highest": 130.0,
            "average": pytest.approx(107.5),
            "lowest": 80.0,
            "rating": "BUY",
            "total": 3,
            "update_time": 1780286400,
            "update_time_str": "2026-06-01",
            "buy": pytest.approx(200 / 3),
            "hold": 0.0,
            "sell": pytest.approx(100 / 3),
        },
    ]
    assert found["none"] == [ok, {"total": 0}]

    ret, summary = found["summary"]
    assert (ret, len(summary["inst_rating_summary_list"])) == (ok, 2)
    first, second = summary["inst_rating_summary_list"]
    assert first == {
        "institution_info": {
            "institution_uid": "UBS",
            "institution_en_name": "UBS",
            "institution_name": "瑞银",
            "update_time": 1780286400,
            "update_time_str": "2026-06-01",
        },
        "rating_item_list": [
            {
                "institution_uid": "UBS",
                "rating": "BUY",
                "recommendation_date": 1780286400,
                "recommendation_date_str": "2026-06-01",
            },
            {
                "institution_uid": "UBS",
                "rating": "BUY",
                "target_price": 130.0,
                "recommendation_date": 1777867200,
                "recommendation_date_str": "2026-05-04",
            },
        ],
    }
    assert second["institution_info"]["institution_uid"] == "Stephens"
    assert "rating" not in second["rating_item_list"][0]
    ret, more = found["more"]
    named = [one["institution_info"]["institution_name"] for one in more["inst_rating_summary_list"]]
    assert (ret, named) == (ok, ["美银证券", "韦德布什"])
    assert more["next_key"] != "-1"

    ret, detail = found["detail"]
    assert (ret, detail["next_key"]) == (ok, "-1")
    assert detail["inst_rating_detail"] == first
    assert found["analysts"][0] == error
    assert "ratingDimensionType" in found["analysts"][1]
    assert found["unknown"][0] == error
    assert "uid" in found["unknown"][1]

    whole, morning = ({"trade_date_type": kind} for kind in ("WHOLE", "MORNING"))
    assert found["days"] == [
        ok,
        [{"time": "2025-11-26"} | whole, {"time": "2025-11-28"} | morning, {"time": "2025-12-01"} | whole],
    ]
    assert [day["time"] for day in found["hong_kong"][1]] == ["2025-12-23", "2025-12-24", "2025-12-29"]
    assert found["hong_kong"][1][1] == {"time": "2025-12-24"} | morning
    assert found["connect"][0] == found["early"][0] == error
    assert "market" in found["connect"][1]
    assert "2014-01-01" in found["early"][1]

    ret, states = found["states"]
    assert ret == ok
    assert [state[:2] for state in states] == [
        *(["US.MU", "美光科技"], ["CA.SHOP", "Shopify"]),
        *(["HK.00700", "腾讯控股"], ["US.NOPE", ""]),
    ]
    assert states[0][2] == states[3][2] != "N/A"
    assert states[1][2] == "NONE"

    ret, user = found["user"]
    assert (ret, user["nick_name"], user["user_id"]) == (ok, "qotgate", 1)
    assert {right for name, right in user.items() if name.endswith("qot_right")} == {"NO"}
    assert (user["sub_quota"], user["history_kl_quota"]) == (0, 0)
    assert user["is_need_agree_disclaimer"] is False
    assert user["web_key"] == user["avatar_url"] == "N/A"
