"""The Chinese output of commands, and the choice of the output language."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import qotgate.cli
from qotgate.cli.words import CHINESE, LOCALE
from qotgate.model.sentences import language_of
from qotgate.protocol.interface import LIST_QUESTIONS
from tests.support.commands import run

ROOM = Path(str(qotgate.cli.__file__)).parent
IN_CHINESE = {"QOTGATE_LANG": "zh-CN"}


def said() -> Iterator[str]:
    """The texts that the commands print, as written in their code."""
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                text = node.args[0]
                if isinstance(text, ast.Constant):
                    yield str(text.value)


def fields(text: str) -> list[tuple[str | None, str | None, str | None]]:
    return sorted(
        (name or "", form or "", change or "") for _, name, form, change in Formatter().parse(text) if name
    )


def test_each_text_is_there_in_chinese() -> None:
    assert set(said()) <= set(CHINESE)
    assert {
        column.heading for question in LIST_QUESTIONS for column in question.columns if column.heading
    } <= set(CHINESE)
    for english, chinese in CHINESE.items():
        assert fields(chinese) == fields(english), english


@pytest.mark.parametrize(
    ("tag", "lang"),
    [("zh", "zh"), ("ZH-CN", "zh"), ("zh_TW.UTF-8", "zh"), ("en_GB", "en"), ("C.UTF-8", None), ("", None)],
)
def test_tags_name_languages(tag: str, lang: str | None) -> None:
    assert language_of(tag) == lang


def test_the_flag_comes_before_the_variable_and_the_variable_before_the_terminal(sample_url: str) -> None:
    def first(*flags: str, **variables: str) -> str:
        terminal = dict.fromkeys((*LOCALE, "QOTGATE_LANG"), "") | variables
        if not terminal["QOTGATE_LANG"]:
            del terminal["QOTGATE_LANG"]
        return run("status", "--db", sample_url, *flags, env=terminal).stdout.splitlines()[0]

    assert ", generation " in first()
    assert "，数据版本 " in first(LANG="zh_CN.UTF-8")
    assert ", generation " in first(LANG="zh_CN.UTF-8", LC_ALL="en_US.UTF-8")
    assert "，数据版本 " in first(LANG="en_US.UTF-8", QOTGATE_LANG="zh")
    assert ", generation " in first("--lang", "en", QOTGATE_LANG="zh-CN")
    assert "，数据版本 " in first("--lang", "zh-CN")


def test_a_list_in_chinese(sample_url: str) -> None:
    done = run("holdings", "--db", sample_url, "--count", 5, env=IN_CHINESE)
    heads, *rest = done.stdout.splitlines()
    assert heads.split() == ["证券", "名称", "股数", "变化", "美元", "权重", "%", "变化"]
    assert "US.TSLA" in done.stdout
    assert "特斯拉" in done.stdout
    assert any(line.startswith("数据截至 2026-06-") for line in rest)
    ratings = run("ratings", "--db", sample_url, env=IN_CHINESE).stdout
    assert "目标价" in ratings
    assert "买入 → 买入" in ratings


def test_the_dynamic_in_chinese(sample_url: str) -> None:
    printed = run("ark", "US.TSLA", "--explain", "--db", sample_url, env=IN_CHINESE).stdout
    assert printed.startswith("类型：连续同向\n交易次数：2\n净买卖股数：76041\n最近一笔：2026-06-22\n")
    assert "依据：交易通知" in printed
    assert "缺失的持仓文件过多，不显示交易" in printed


def test_a_load_and_its_undoing_in_chinese(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'q.db'}"
    notes = tmp_path / "notes.csv"
    notes.write_text(
        "ticker,name,firm,rating,price_target,date\nMU,Micron,UBS,Frob,1,2026-06-01\nMU,Micron,UBS,Buy,abc,2026-06-02\n"
    )
    loaded = run("load", notes, "--db", url, env=IN_CHINESE).stdout
    assert "分析师评级" in loaded
    assert "未读取（1）：" in loaded
    assert "Frob：1 条评级" in loaded
    assert "第 1 次加载，数据版本 1。" in loaded
    status = run("status", "--db", url, env=IN_CHINESE).stdout
    assert "第 1 次加载，" in status
    assert "：有新数据；" in status
    undone = run("unload", "--load", 1, "--db", url, env=IN_CHINESE).stdout
    assert "剩余文件：0。" in undone


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["ark", "TSLA"], "CODE 须为“市场.代码”，如 US.TSLA、HK.00700、CA.SHOP，不能是 'TSLA'。"),
        (["ark", "US.TSLA", "--as-of", "may"], "--as-of 须为 YYYY-MM-DD 格式的日期，不能是 'may'。"),
        (["status", "--db", "sqlite:////no/such.db"], "没有数据库 /no/such.db"),
        (["load", "/no/such/file"], "/no/such/file 不存在；load 只接受文件和文件夹。"),
        (["unload"], "unload 须指定文件"),
        (["ratings", "--market", "HK"], "--market 只支持 US 或 CA，不能是 'HK'。"),
    ],
)
def test_what_is_wrong_is_said_in_chinese(sample_url: str, command: list[str], sentence: str) -> None:
    database = [] if "--db" in command else ["--db", sample_url]
    done = run(*command, *database, env=IN_CHINESE)
    assert done.returncode == 2
    assert done.stderr.startswith("qotgate: ")
    assert sentence in done.stderr
