"""The published JavaScript clients against the gateway: the documents' own examples, and sessions."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import ALL_COUNT, DYNAMIC, ROWS, WHOLE_DYNAMIC, rows
from tests.support.certificates import certificate
from tests.support.documents import DOCUMENTS
from tests.support.serving import serving
from tests.support.toolchains import EXAMPLES, HERE, PROTO, bundle, node, run, websocket_port, written

pytestmark = pytest.mark.slow

KEY = "a key of the user's own"
WRONG = "another key"
FIRST_LINE = {
    "dynamic": "GetArkStockDynamic: errCode 0, retMsg , retType 0",
    "rating": "GetRatingChange: errCode 0, retMsg , retType 0",
}


def example(reference: Path, name: str, brand: str) -> str:
    """The JavaScript example of a document, as published for a brand."""
    text = (reference / DOCUMENTS[name]).read_text(encoding="utf-8")
    match = re.search(rf'^import \w+ from "{brand}-api";\n.*?^Qot\w+\(\)\n', text, re.S | re.M)
    assert match
    return match[0]


def as_run(published: str, port: int, *, ssl: bool, key: str) -> str:
    """The example with another port, ssl and key; otherwise as published."""
    settings = '["127.0.0.1", 11111, false, "xxxxxx"]'
    assert published.count(settings) == 1
    return published.replace(settings, json.dumps(["127.0.0.1", port, ssl, key]))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def gateways(sample_url: str, tls: tuple[Path, Path]) -> Iterator[dict[str, int]]:
    """The ports of a gateway on ws and of one on wss; both drop clients after 3 silent seconds."""
    options = [
        *("--websocket-port", "0", "--websocket-key", KEY),
        *("--keep-alive-interval", "1", "--lang", "en", "--rate-limit", "off"),
    ]
    secure = ["--websocket-cert", str(tls[0]), "--websocket-private-key", str(tls[1])]
    with serving(sample_url, *options) as plain, serving(sample_url, *options, *secure) as encrypted:
        yield {"ws": websocket_port(plain, "ws"), "wss": websocket_port(encrypted, "wss")}


@pytest.fixture(scope="module")
def printed(
    shared_data: Path,
    gateways: dict[str, int],
    tls: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[tuple[str, str, str, str], list[str]]:
    """The output of each example with each brand's document, scheme and key.

    Each runs five seconds, so they run at once. npm's moomoo-api does not have the two calls yet: its
    examples import futu-api instead.
    """
    folder = tmp_path_factory.mktemp("javascript")
    cases = {
        (name, brand, scheme, key): bundle(
            written(
                folder / f"{name}-{brand}-{scheme}-{key == KEY}.mjs",
                as_run(
                    example(shared_data.parent / "reference", name, brand),
                    gateways[scheme],
                    ssl=scheme == "wss",
                    key=key,
                ),
            ),
            "--alias:moomoo-api=futu-api",
        )
        for name in DOCUMENTS
        for brand in ("futu", "moomoo")
        for scheme in gateways
        for key in (KEY, WRONG)
    }

    def lines(script: Path) -> list[str]:
        done = run([*node(), script], folder, NODE_EXTRA_CA_CERTS=tls[0])
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    with ThreadPoolExecutor(len(cases)) as pool:
        return dict(zip(cases, pool.map(lines, cases.values()), strict=True))


def test_the_example(gateways: dict[str, int], tmp_path: Path) -> None:
    script = written(tmp_path / "ark.mjs", (EXAMPLES / "javascript" / "ark.mjs").read_text(encoding="utf-8"))
    command = [*node(), bundle(script), str(gateways["ws"])]
    done = run([*command, KEY, "TSLA"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "netShares: 76041" in done.stdout
    assert done.stdout.count("rating of ") == 3
    assert run([*command, "wrong", "TSLA"], tmp_path).returncode == 1


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("brand", ["futu", "moomoo"])
class TestDocuments:
    def test_ark_stock_dynamic(self, printed: dict, brand: str, scheme: str) -> None:
        assert answer(printed["dynamic", brand, scheme, KEY], FIRST_LINE["dynamic"]) == DYNAMIC

    def test_rating_change(self, printed: dict, brand: str, scheme: str) -> None:
        s2c = answer(printed["rating", brand, scheme, KEY], FIRST_LINE["rating"])
        assert rows(s2c) == ROWS
        assert s2c["allCount"] == ALL_COUNT
        assert s2c["nextPage"]

    @pytest.mark.parametrize("name", ["dynamic", "rating"])
    def test_a_wrong_key(self, printed: dict, brand: str, scheme: str, name: str) -> None:
        """The client reports it once, closes, and does not retry."""
        lines = printed[name, brand, scheme, WRONG]
        assert lines[0] == "start error 1"
        assert len([line for line in lines if line.startswith("start error")]) == 1
        assert len([line for line in lines if "CloseEvent" in line]) == 1
        assert FIRST_LINE[name] not in lines


def answer(lines: list[str], first_line: str) -> dict[str, Any]:
    """The answer below the first line of an example's output."""
    start = lines.index(first_line) + 1
    s2c: dict[str, Any] = json.loads("\n".join(lines[start:]))
    return s2c


@pytest.fixture(scope="module", params=["futu", "moomoo"])
def sessions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Our scripts on a published package: npm's moomoo-api is older than the two calls, futu-api is not."""
    folder = tmp_path_factory.mktemp("sessions")
    alias = f"--alias:client={request.param}-api"
    return {
        path.stem: bundle(written(folder / path.name, path.read_text(encoding="utf-8")), alias)
        for path in (HERE / "javascript").glob("*.mjs")
    }


class TestSession:
    def test_both_questions_over_one_connection(
        self, sessions: dict[str, Path], gateways: dict[str, int], tls: tuple[Path, Path]
    ) -> None:
        """The client sends no keep-alive by itself: after three silent intervals it is still connected."""
        command = [*node(), sessions["session"], str(gateways["wss"]), "true", KEY, "4", PROTO]
        done = run(command, HERE, NODE_EXTRA_CA_CERTS=tls[0])
        assert done.returncode == 0, done.stdout + done.stderr
        told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
        assert int(told["connected"]) > 0
        assert json.loads(told["state"]) == {"type": "ProgramStatusType_Ready"}
        assert json.loads(told["dynamic"]) == {"retType": 0, "retMsg": "", "errCode": 0, "s2c": WHOLE_DYNAMIC}
        rating = json.loads(told["rating"])
        assert (rating["retType"], rows(rating["s2c"]), rating["s2c"]["allCount"]) == (0, ROWS, ALL_COUNT)
        refusal = json.loads(told["refusal"])
        assert (refusal["retType"], refusal["retMsg"]) == (-1, "market takes US (11) or CA (71), not HK.")

    def test_a_wrong_key(self, sessions: dict[str, Path], gateways: dict[str, int]) -> None:
        done = run([*node(), sessions["session"], str(gateways["ws"]), "false", WRONG, "0", PROTO], HERE)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "refused 1"), done.stderr

    def test_it_comes_back_on_a_lost_link(self, sessions: dict[str, Path], gateways: dict[str, int]) -> None:
        done = run([*node(), sessions["lost_link"], str(gateways["ws"]), KEY], HERE)
        assert done.returncode == 0, done.stdout + done.stderr
        told = [line for line in done.stdout.splitlines() if line.startswith(("session", "answered"))]
        assert told == ["session 1 true", "session 2 true", "answered 0"]

    def test_a_certificate_that_is_not_trusted(
        self, sessions: dict[str, Path], gateways: dict[str, int]
    ) -> None:
        """The client prints an error and calls nothing back: a script has to detect it itself."""
        command = [
            "timeout",
            "3",
            *node(),
            sessions["session"],
            str(gateways["wss"]),
            "true",
            KEY,
            "0",
            PROTO,
        ]
        lines = run(command, HERE).stdout.splitlines()
        assert [line for line in lines if "ErrorEvent" in line]
        assert not [line for line in lines if line.startswith(("connected", "refused"))]
