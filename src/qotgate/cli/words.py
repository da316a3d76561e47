"""The texts of the commands, in the user's language.

Each command has its texts in English, printed by :func:`say`; ``CHINESE`` has the Chinese. Help texts, errors
about flags that do not exist, reasons of rejects, ``doctor`` and the log are English.
"""

import os
from typing import Any

from qotgate.model.sentences import Language, language_of

LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The variables that give the language of a terminal; the first one set counts."""

_named: list[Language] = []


def speak(lang: str | None) -> None:
    """Print in the language ``lang``, the value of an option ``--lang``, from now on; None for the
    environment's."""
    found = language_of(lang) if lang else None
    _named[:] = [found] if found else []


def language() -> Language:
    """The language of ``--lang`` or of the variable QOTGATE_LANG, else of the terminal, else English."""
    if _named:
        return _named[0]
    terminal = next((value for name in LOCALE if (value := os.environ.get(name))), "")
    return language_of(os.environ.get("QOTGATE_LANG") or "") or language_of(terminal) or "en"


def say(text: str, /, **values: Any) -> str:
    """``text`` in the user's language, filled with ``values`` by ``str.format``. Raises KeyError for a text
    without a Chinese translation."""
    return (CHINESE[text] if language() == "zh" else text).format(**values)


CHINESE = {
    # Reading options.
    "{flag} takes {words}, not {text!r}.": "{flag} 只支持 {words}，不能是 {text!r}。",
    "--market takes US or CA, not {market!r}.": "--market 只支持 US 或 CA，不能是 {market!r}。",
    "{flag} takes a day as YYYY-MM-DD, not {text!r}.": (
        "{flag} 须为 YYYY-MM-DD 格式的日期，不能是 {text!r}。"
    ),
    "unload takes files, or a load by its number: FILE... or --load N.": (
        "unload 须指定文件，或用编号指定一次加载：文件... 或 --load 编号。"
    ),
    "Of --csv, --json and --parquet one is taken.": "--csv、--json、--parquet 只能指定一个。",
    # Lists.
    "security": "证券",
    "name": "名称",
    "shares": "股数",
    "change": "变化",
    "USD": "美元",
    "weight %": "权重 %",
    "rating": "评级",
    "target price": "目标价",
    "institution": "机构",
    "day": "日期",
    "last day": "上次日期",
    "money-market funds": "货币市场基金",
    "N/A": "无",
    "BUY": "买入",
    "HOLD": "持有",
    "SELL": "卖出",
    # Of one stock, and of markets.
    "total": "机构数",
    "buy": "买入",
    "hold": "持有",
    "sell": "卖出",
    "highest": "最高目标价",
    "average": "平均目标价",
    "lowest": "最低目标价",
    "newest": "最新评级日期",
    "uid": "英文名称",
    "morning only": "仅上午",
    "state": "状态",
    "yes": "是",
    "no": "否",
    "{count:,} in all.": "共 {count:,} 条。",
    "Known to {day}.": "数据截至 {day}。",
    "{fund} is left out: its last book shows {day}.": "未计入 {fund}：其持仓文件仅截至 {day}。",
    "Next page: --page {page}": "下一页：--page {page}",
    # The dynamic.
    "dynamic_type": "类型",
    "transaction_count": "交易次数",
    "net_shares": "净买卖股数",
    "last_transaction_time": "最近一笔",
    "known_to": "数据截至",
    "{name}: {value}": "{name}：{value}",
    "NO_DYNAMIC": "无交易",
    "LAST_TRANSACTION": "最近一笔",
    "CONSECUTIVE_SAME_DIRECTION": "连续同向",
    "RECENT_TRANSACTION": "近期交易",
    "{first} to {last}": "{first} 至 {last}",
    "{days} {fund} {shares:+,} shares, confidence {confidence:.2f}": (
        "{days} {fund} {shares:+,} 股，置信度 {confidence:.2f}"
    ),
    "from {ground}{more}": "依据：{ground}{more}",
    " ({change:+,.0f} in the holdings, of which flow {flow:+,})": (
        "（持仓变化 {change:+,.0f} 股，其中申赎 {flow:+,} 股）"
    ),
    "{path}, not in it": "{path}，文件中未列出",
    "{path}, line {line}": "{path} 第 {line} 行",
    "a trade notice": "交易通知",
    "holdings, no fund flow": "持仓变化，无申赎",
    "holdings less fund flow": "持仓变化，扣除申赎",
    "holdings less estimated flow": "持仓变化，扣除估算的申赎",
    "new position": "新进",
    "closed position": "清仓",
    "holdings, files missing between": "持仓变化，中间有文件缺失",
    "{days} {fund}: the fund's flow cannot be separated from its trades, so they are unknown": (
        "{days} {fund}：申赎与交易无法区分，不显示交易"
    ),
    "{days} {fund}: too many of its holdings files are missing, so its trades are unknown": (
        "{days} {fund}：缺失的持仓文件过多，不显示交易"
    ),
    # Loading.
    "Loading": "正在加载",
    "Reading what remains": "正在读取其余文件",
    "Dry run: nothing is kept": "试运行：不保存任何内容",
    "files": "文件",
    "rows": "行数",
    "read": "读取",
    "new": "新增",
    "unchanged": "此前已加载",
    "rejected": "拒绝",
    "holdings": "持仓",
    "notices": "交易通知",
    "notes": "分析师评级",
    "no suffix": "无扩展名",
    "{count:,} files passed over, as their names do not end as those of data do ({suffixes}); "
    "name one to have it read.": "按扩展名跳过 {count:,} 个文件（{suffixes}）；如需读取，请直接写出文件名。",
    "{title}: {count:,}": "{title}（{count:,}）：",
    "Left out": "未读取",
    "Grades that the scale does not know (add them to grades.csv in --tables)": (
        "未识别的评级用词，请写入 --tables 文件夹的 grades.csv"
    ),
    "Securities without a code (add them to listings.csv in --tables)": (
        "没有代码的证券，请写入 --tables 文件夹的 listings.csv"
    ),
    "Identifiers not believed, as other lines contradict them (their lines count under ticker and name)": (
        "未采信的证券标识，与其他行矛盾（这些行按代码和名称归类）"
    ),
    "{word} (notes: {count:,})": "{word}：{count:,} 条评级",
    "{line} (lines: {count:,})": "{line}：{count:,} 行",
    "{names}: {reason}": "{names}：{reason}",
    "{path}, lines {names}: {reason}": "{path} 第 {names} 行：{reason}",
    "{path}, line {names}: {reason}": "{path} 第 {names} 行：{reason}",
    "{names} and {count:,} more": "{names} 等，另有 {count:,} 个",
    "and {count:,} more (--json lists all)": "另有 {count:,} 项（--json 列出全部）",
    "Load {number}. Generation {generation}.": "第 {number} 次加载，数据版本 {generation}。",
    "Generation {generation}.": "数据版本 {generation}。",
    # Unloading.
    "Dry run: nothing is kept.": "试运行：不保存任何内容。",
    "Files taken out: {count:,}": "已移除的文件：{count:,}",
    "{path} remains and counts no more: {reason}": "{path} 仍在库中，但不再计入：{reason}",
    "Files that remain: {count:,}. Generation {generation}.": (
        "剩余文件：{count:,}。数据版本 {generation}。"
    ),
    # What is loaded.
    "{database}, generation {generation}": "{database}，数据版本 {generation}",
    "Nothing is loaded yet: qotgate load PATH": "尚未加载数据：qotgate load 路径",
    "{kind}: {files:,} files, {rows:,} rows": "{kind}：{files:,} 个文件，{rows:,} 行",
    "Holdings": "持仓",
    "Trade notices": "交易通知",
    "ARK trading days covered, by notices and by the difference of holdings": (
        "交易已知的 ARK 交易日（来自通知或持仓变化）"
    ),
    "Analyst notes": "分析师评级",
    "Rating changes": "评级变动",
    "Holes: too many holdings files are missing to infer trades": (
        "数据缺口：缺失的持仓文件过多，无法推断交易"
    ),
    "fund": "基金",
    "source": "来源",
    "market": "市场",
    "change_type": "变动类型",
    "first_day": "起始日期",
    "last_day": "截止日期",
    "sessions": "交易日数",
    "notice": "通知",
    "partial": "部分通知",
    "untold": "未知",
    "hole": "缺口",
    "UPGRADE": "上调",
    "DOWNGRADE": "下调",
    "NEW_RATING": "首次评级",
    "{reiterations:,} reiterations; feeds' prior ratings that differ from our history: {prior:,}": (
        "重申 {reiterations:,} 条；数据源自带的先前评级与本地记录不一致 {prior:,} 条"
    ),
    "Load {number}, {moment}: {outcome}; files: {read:,} read, {known:,} known, {rejected:,} rejected; "
    "rows: {added:,} new; lines left out: {left_out:,}": (
        "第 {number} 次加载，{moment}：{outcome}；"
        "文件：读取 {read:,}，此前已加载 {known:,}，拒绝 {rejected:,}；"
        "新增 {added:,} 行；未读取 {left_out:,} 行"
    ),
    "loaded": "有新数据",
    "nothing new": "无新数据",
    "unreadable": "均无法读取",
    "unloaded": "已移除文件",
    "Take one out again: qotgate unload --load N, or qotgate unload FILE": (
        "撤销加载：qotgate unload --load 编号，或 qotgate unload 文件"
    ),
    "Files that could not be read: {count:,}": "无法读取的文件：{count:,}",
    "Lines left out: {lines:,}; unknown grades: {grades:,}": (
        "未读取的行：{lines:,}；未识别的评级用词：{grades:,}"
    ),
    "Identifiers not believed, as other lines contradict them: {count:,}": (
        "未采信的证券标识（与其他行矛盾）：{count:,}"
    ),
    "and {count:,} more (the Data page lists all)": "另有 {count:,} 项（网页的“数据”页列出全部）",
    # Fetching.
    "Fetching": "正在下载",
    "{title}: fetched, {path}": "{title}：已下载，{path}",
    "{title}: unchanged, {path}": "{title}：没有变化，{path}",
    "{title}: nothing is published": "{title}：没有公布内容",
    "{title}: failed: {reason}.": "{title}：失败：{reason}。",
    "Nothing was fetched; the lines above say why. To load files that you have: qotgate load FOLDER.": (
        "没有下载到任何文件，原因见上。已有的文件可用以下命令加载：qotgate load 文件夹"
    ),
    # Files that commands write.
    "{rows:,} rows in {path}.": "已将 {rows:,} 行写入 {path}。",
    "Nothing has changed since the last export to {folder}.": "自上次导出到 {folder} 以来没有变化。",
    "{table}: {rows:,} rows of {months} months, {written} written": (
        "{table}：{rows:,} 行，共 {months} 个月，写入 {written} 个文件"
    ),
    "{table}: {rows:,} rows of {months} months, {written} written, {removed} removed": (
        "{table}：{rows:,} 行，共 {months} 个月，写入 {written} 个文件，删除 {removed} 个"
    ),
    "Wrote {file}: {contents}.": "已写入 {file}：{contents}。",
    "Restored {file} into {database}: {contents}. Its generation is {generation} now.": (
        "已将 {file} 恢复到 {database}：{contents}。当前数据版本 {generation}。"
    ),
    "{files:,} files, {rows:,} rows, generation {generation}": (
        "{files:,} 个文件，{rows:,} 行，数据版本 {generation}"
    ),
    # The demonstration.
    "Loaded {files} synthetic files: {rows} rows.": "已加载 {files} 个模拟数据文件，共 {rows} 行。",
    "Port {port} is taken, as by an OpenD of your own: the demo takes a free one.": (
        "端口 {port} 已被占用（可能是您的 OpenD），演示将使用其他空闲端口。"
    ),
    "The gateway listens on {address}.": "网关正在监听 {address}。",
    'It stays up for scripts on futu-api, moomoo-api or qotgate: OpenQuoteContext(host="{host}", port={port})'
    ". Ctrl-C stops it.": (
        "网关将继续运行，可用 futu-api、moomoo-api 或 qotgate 的脚本连接："
        'OpenQuoteContext(host="{host}", port={port})。按 Ctrl-C 停止。'
    ),
    "Its pages: {page}": "网页：{page}",
    "{count} in all": "共 {count} 条",
}
