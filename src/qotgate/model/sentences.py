"""Every sentence that the wire or a service behind a command can send to a user, in the gateway's languages.

A sentence names the parameter and the values it takes. Templates are filled with ``str.format``.
"""

from typing import Literal, get_args

Language = Literal["zh", "en"]


def language_of(tag: str) -> Language | None:
    """The language at the start of a tag or locale, such as zh-CN, zh_TW.UTF-8 and EN; None for any other."""
    start = tag.strip().lower().replace("_", "-").partition(".")[0].partition("-")[0]
    return next((lang for lang in get_args(Language) if lang == start), None)


SEPARATORS: dict[Language, str] = {"en": ", ", "zh": "、"}
"""Between the items of a list in a sentence."""

SENTENCES: dict[str, dict[Language, str]] = {
    "code": {
        "en": "{parameter} takes a code as MARKET.CODE, such as US.TSLA, HK.00700 or CA.SHOP, not {value!r}.",
        "zh": "{parameter} 须为“市场.代码”，如 US.TSLA、HK.00700、CA.SHOP，不能是 {value!r}。",
    },
    "seconds": {
        "en": "{parameter} takes seconds above 0 and below {most}, not {value}.",
        "zh": "{parameter} 须为大于 0 且小于 {most} 的秒数，不能是 {value}。",
    },
    "page_size": {
        "en": "page_size takes a whole number from 1 to {most}, not {value!r}.",
        "zh": "page_size 须为 1 到 {most} 的整数，不能是 {value!r}。",
    },
    "client_day": {
        "en": "{parameter} takes a date, or a day as yyyy-MM-dd, not {value!r}.",
        "zh": "{parameter} 须为日期，或 yyyy-MM-dd 格式的文本，不能是 {value!r}。",
    },
    "body_format": {
        "en": "body_format takes protobuf or json, not {value!r}.",
        "zh": "body_format 只支持 protobuf 或 json，不能是 {value!r}。",
    },
    "word": {
        "en": "{parameter} takes one of {words}, not {value!r}.",
        "zh": "{parameter} 只支持 {words}，不能是 {value!r}。",
    },
    "security_market": {
        "en": "security.market takes a QotMarket number such as 11 (US) or 1 (HK), not {value}.",
        "zh": "security.market 须为 QotMarket 的数值，如 11（美股）、1（港股），不能是 {value}。",
    },
    "rating_market": {
        "en": "market takes US (11) or CA (71), not {value}.",
        "zh": "market 只支持 US（11）或 CA（71），不能是 {value}。",
    },
    "change_type": {
        "en": "changeType takes 1 (upgrade), 2 (downgrade) or 3 (new rating), not {value}.",
        "zh": "changeType 只支持 1（上调）、2（下调）、3（首次评级），不能是 {value}。",
    },
    "count": {
        "en": "{parameter} takes a whole number from 1 to {most}, not {value}.",
        "zh": "{parameter} 须为 1 到 {most} 的整数，不能是 {value}。",
    },
    "page": {
        "en": "page takes the nextPage of an earlier answer to the same question; this one is not.",
        "zh": "page 须为同一查询先前返回的 nextPage，当前游标无效。",
    },
    "page_changed": {
        "en": "page continues a list that a load has changed since its first page: start again without page.",
        "zh": "page 所续的列表在首页之后已因加载数据而改变：请不带 page 重新查询。",
    },
    "page_ahead": {
        "en": "page is of newer data than this gateway's database has received: ask again in a moment.",
        "zh": "page 所属的数据比本网关的数据库已收到的更新：请稍后重试。",
    },
    "ark_holding_type": {
        "en": "holdingType takes 0 (position), 1 (increase), 2 (decrease), 3 (new) or 4 (sold out), "
        "not {value}.",
        "zh": "holdingType 只支持 0（持仓）、1（增持）、2（减持）、3（新进）、4（清仓），不能是 {value}。",
    },
    "ark_transaction_type": {
        "en": "holdingType takes 0 (increase), 1 (decrease), 2 (new) or 3 (sold out), not {value}.",
        "zh": "holdingType 只支持 0（增持）、1（减持）、2（新进）、3（清仓），不能是 {value}。",
    },
    "ark_cycle": {
        "en": "cycleType takes 0 (1 trading day), 1 (5), 2 (10), 3 (30) or 4 (60), not {value}.",
        "zh": "cycleType 只支持 0（1 个交易日）、1（5 个）、2（10 个）、3（30 个）、4（60 个），"
        "不能是 {value}。",
    },
    "ark_holding_sort": {
        "en": "sortField takes 0 (shares), 1 (weight change), 2 (shares change), 3 (market value) or "
        "4 (weight), not {value}.",
        "zh": "sortField 只支持 0（持股数）、1（权重变动）、2（持股变动）、3（市值）、4（权重），"
        "不能是 {value}。",
    },
    "ark_transaction_sort": {
        "en": "sortField takes 0 (default, the amount), 1 (change amount) or 2 (change shares), not {value}.",
        "zh": "sortField 只支持 0（默认，即变动金额）、1（变动金额）、2（变动股数），不能是 {value}。",
    },
    "sort_dir": {
        "en": "sortDir takes 0 (descending) or 1 (ascending), not {value}.",
        "zh": "sortDir 只支持 0（降序）、1（升序），不能是 {value}。",
    },
    "not_known": {
        "en": "{code} is not known here.",
        "zh": "本网关没有 {code} 的数据。",
    },
    "not_known_near": {
        "en": "{code} is not known here (did you mean {near}?).",
        "zh": "本网关没有 {code} 的数据（您要的是 {near} 吗？）。",
    },
    "institution_near": {
        "en": "{parameter} takes an institution that is known here, not {value!r} (did you mean {near}?).",
        "zh": "{parameter} 须为本网关已知的机构，不能是 {value!r}（您要的是 {near} 吗？）。",
    },
    "institution_unknown": {
        "en": "{parameter} takes an institution that is known here, such as UBS, not {value!r}.",
        "zh": "{parameter} 须为本网关已知的机构，如瑞银，不能是 {value!r}。",
    },
    "not_known_more": {
        "en": "{count} more codes are not known here.",
        "zh": "另有 {count} 个代码没有数据。",
    },
    "parameter_near": {
        "en": "There is no parameter {value!r} (did you mean {near}?).",
        "zh": "没有参数 {value!r}（您要的是 {near} 吗？）。",
    },
    "parameter_unknown": {
        "en": "There is no parameter {value!r}; this takes {known}.",
        "zh": "没有参数 {value!r}；可用的参数为 {known}。",
    },
    "rating_dimension": {
        "en": "ratingDimensionType takes 1 (institution) alone, as the loaded notes name no analysts, "
        "not {value}.",
        "zh": "ratingDimensionType 只支持 1（机构），因为已加载的评级没有分析师姓名，不能是 {value}。",
    },
    "rating_uid": {
        "en": "{parameter} takes an institution that has rated {security}, not {value!r}.",
        "zh": "{parameter} 须为对 {security} 有过评级的机构，不能是 {value!r}。",
    },
    "trade_market": {
        "en": "market takes 1 (HK), 2 (US), 3 (CN), 8 (SG), 9 (MY) or 10 (JP), not {value}.",
        "zh": "market 只支持 1（港股）、2（美股）、3（A 股）、8（新加坡）、9（马来西亚）、10（日本），"
        "不能是 {value}。",
    },
    "trade_security": {
        "en": "security takes a security of {markets}, whose trading days are known, not {value}.",
        "zh": "security 须属于交易日已知的市场 {markets}，不能是 {value}。",
    },
    "trade_day": {
        "en": "{parameter} takes a day from {first} to {last}, as the trading days of {market} are known, "
        "not {value}.",
        "zh": "{parameter} 须在 {first} 至 {last} 之间（{market} 市场交易日的已知范围），不能是 {value}。",
    },
    "trade_days_order": {
        "en": "{parameter} takes a day not after {end}, where the days end, not {value}.",
        "zh": "{parameter} 不得晚于截止日期 {end}，不能是 {value}。",
    },
    "day_form": {
        "en": "{parameter} takes a day as yyyy-MM-dd, not {value!r}.",
        "zh": "{parameter} 须为 yyyy-MM-dd 格式的日期，不能是 {value!r}。",
    },
    "state_count": {
        "en": "{parameter} takes 1 to {most} securities, not {value}.",
        "zh": "{parameter} 须有 1 至 {most} 只证券，不能是 {value}。",
    },
    "as_of_before": {
        "en": "as_of takes a day from {first} on, the first one that the loaded data covers, not {value}.",
        "zh": "as_of 不得早于已加载数据的起始日期 {first}，不能是 {value}。",
    },
    "day": {
        "en": "{parameter} takes a day as yyyy-MM-dd, not {value!r}.",
        "zh": "{parameter} 须为 yyyy-MM-dd 格式的日期，不能是 {value!r}。",
    },
    "whole_number": {
        "en": "{parameter} takes a whole number from {least} to {most}, not {value!r}.",
        "zh": "{parameter} 须为 {least} 到 {most} 的整数，不能是 {value!r}。",
    },
    "one_value": {
        "en": "{parameter} takes one value, not {value}.",
        "zh": "{parameter} 只能有一个值，不能有 {value} 个。",
    },
    "too_many_values": {
        "en": "{parameter} takes at most {most} values, not {value}.",
        "zh": "{parameter} 最多 {most} 个值，不能有 {value} 个。",
    },
    "start_after_end": {
        "en": "start takes a day up to end, {end}, not {value}.",
        "zh": "start 不得晚于 end（{end}），不能是 {value}。",
    },
    "dynamics_days": {
        "en": "dynamics takes as_of, or start and end, not both.",
        "zh": "dynamics 只能指定 as_of，或 start 与 end，不能同时指定。",
    },
    "research_table": {
        "en": "table takes one of {tables}, not {value!r}.",
        "zh": "table 只支持 {tables}，不能是 {value!r}。",
    },
    "research_parameter": {
        "en": "The table {table} has no parameter {value!r}; it takes {names}.",
        "zh": "表 {table} 没有参数 {value!r}；可用参数：{names}。",
    },
    "funds": {
        "en": "{parameter} takes a fund with loaded data ({known}), not {value}.",
        "zh": "{parameter} 须为已加载数据的基金（{known}），不能是 {value}。",
    },
    "fund_unknown": {
        "en": "This server does not know fund: it answers for all funds together.",
        "zh": "该服务器不支持 fund，只能合并所有基金回答。",
    },
    "as_of_form": {
        "en": "asOf takes a day as yyyy-MM-dd, not {value!r}.",
        "zh": "asOf 须为 yyyy-MM-dd 格式的日期，不能是 {value!r}。",
    },
    "as_of_unknown": {
        "en": "This server does not know as_of: it answers for today alone.",
        "zh": "该服务器不支持 as_of，只能按当日回答。",
    },
    "no_ark_data": {
        "en": "No ARK trading day is loaded yet: load trade notices, or holdings of two days, "
        "with `qotgate load PATH`.",
        "zh": "尚未加载任何 ARK 交易数据：请用 `qotgate load PATH` 加载交易通知，或至少两天的持仓文件。",
    },
    "no_holdings": {
        "en": "No ARK holdings are loaded yet: load the funds' holdings files with `qotgate load PATH`.",
        "zh": "尚未加载任何 ARK 持仓：请用 `qotgate load PATH` 加载基金的持仓文件。",
    },
    "no_notes": {
        "en": "No analyst note is loaded yet: load a file of notes with `qotgate load PATH`.",
        "zh": "尚未加载任何分析师评级：请用 `qotgate load PATH` 加载评级文件。",
    },
    "missing_fields": {
        "en": "The request lacks {fields}, which {proto} ({proto_id}) requires.",
        "zh": "请求缺少 {proto}（{proto_id}）的必填字段 {fields}。",
    },
    "undecodable": {
        "en": "The body is not a {proto} ({proto_id}) request in {format}.",
        "zh": "包体不是 {format} 格式的 {proto}（{proto_id}）请求。",
    },
    "unknown_format": {
        "en": "The header's body format takes 0 (Protobuf) or 1 (JSON), not {value}.",
        "zh": "包头中的包体格式只支持 0（Protobuf）或 1（JSON），不能是 {value}。",
    },
    "bad_digest": {
        "en": "The SHA-1 in the header is not that of the body.",
        "zh": "包头中的 SHA-1 与包体不符。",
    },
    "upstream_away": {
        "en": "OpenD cannot be reached ({reason}): ask again later.",
        "zh": "无法连接 OpenD（{reason}）：请稍后重试。",
    },
    "upstream_silent": {
        "en": "OpenD did not answer the login within {seconds} seconds: ask again later.",
        "zh": "OpenD 在 {seconds} 秒内未响应登录：请稍后重试。",
    },
    "upstream_hung_up": {
        "en": "OpenD closed the connection at the login: see that --upstream-rsa-key is its own key, "
        "and is left out where it has none.",
        "zh": "OpenD 在登录时断开了连接：请确认 --upstream-rsa-key 与 OpenD 的密钥一致，"
        "OpenD 未设密钥时不要指定。",
    },
    "upstream_key": {
        "en": "OpenD's answer to the login cannot be decrypted: see that --upstream-rsa-key is its own key, "
        "and is left out where it has none.",
        "zh": "无法解密 OpenD 的登录响应：请确认 --upstream-rsa-key 与 OpenD 的密钥一致，"
        "OpenD 未设密钥时不要指定。",
    },
    "upstream_refused": {
        "en": "OpenD refused the login and says: “{words}”.",
        "zh": "OpenD 拒绝了登录，并返回：“{words}”。",
    },
    "upstream_lost": {
        "en": "The connection to OpenD was lost before it answered: ask again.",
        "zh": "OpenD 响应前连接已断开：请重试。",
    },
    "upstream_lost_trade": {
        "en": "The connection to OpenD was lost before it answered, and it may have carried out the request: "
        "look at the orders before asking again.",
        "zh": "OpenD 响应前连接已断开，请求可能已执行：重试前请先查询订单。",
    },
    "upstream_damaged": {
        "en": "OpenD's answer was damaged: its SHA-1 is not that of its body. Ask again.",
        "zh": "OpenD 的响应已损坏（SHA-1 与包体不符）：请重试。",
    },
    "upstream_damaged_trade": {
        "en": "OpenD's answer was damaged, and it may have carried out the request: "
        "look at the orders before asking again.",
        "zh": "OpenD 的响应已损坏，请求可能已执行：重试前请先查询订单。",
    },
    "upstream_back": {
        "en": "OpenD can be reached again: connect again.",
        "zh": "OpenD 已恢复连接：请重新连接。",
    },
    "upstream_no_trade": {
        "en": "This gateway does not pass on trading requests (proto id {proto_id}): "
        "it takes `qotgate serve --upstream-trade`.",
        "zh": "本网关不转发交易请求（协议 ID {proto_id}）：须以 `qotgate serve --upstream-trade` 启动。",
    },
    "upstream_trade_plain": {
        "en": "This gateway passes on trading requests (proto id {proto_id}) from other machines only "
        "over an encrypted connection.",
        "zh": "来自其他机器的交易请求（协议 ID {proto_id}）只有在连接加密时才会转发。",
    },
    "unserved": {
        "en": "This gateway does not serve proto id {proto_id}; it serves {served}.",
        "zh": "本网关不支持协议 ID {proto_id}；支持的协议 ID：{served}。",
    },
    "not_initialised": {
        "en": "Send InitConnect (1001), or Init (1) on WebSocket, first: proto id {proto_id} is answered "
        "only after it.",
        "zh": "请先发送 InitConnect（1001），WebSocket 上为 Init（1），之后才能请求协议 ID {proto_id}。",
    },
    "not_encrypted": {
        "en": "This gateway takes only an InitConnect that is encrypted with its RSA key: name the key file "
        "in the client, or start the gateway with --allow-plaintext.",
        "zh": "本网关只接受用其 RSA 密钥加密的 InitConnect：请在客户端设置密钥文件，"
        "或以 --allow-plaintext 启动网关。",
    },
    "cannot_decrypt": {
        "en": "The body of InitConnect does not fit its SHA-1, plain or decrypted: use the RSA key that the "
        "gateway was started with (--rsa-key).",
        "zh": "InitConnect 的包体（明文或解密后）与 SHA-1 不符：请使用网关启动时的 RSA 密钥（--rsa-key）。",
    },
    "no_rsa_key": {
        "en": "This InitConnect is encrypted, and this gateway has no RSA key: leave the key file out of the "
        "client, or start the gateway with it (--rsa-key).",
        "zh": "该 InitConnect 已加密，而本网关未设 RSA 密钥：请在客户端去掉密钥文件，"
        "或用该密钥启动网关（--rsa-key）。",
    },
    "encryption": {
        "en": "packetEncAlgo takes 0 (FTAES_ECB), 1 (AES_ECB), 2 (AES_CBC) or -1 (none), not {value}.",
        "zh": "packetEncAlgo 只支持 0（FTAES_ECB）、1（AES_ECB）、2（AES_CBC）、-1（不加密），"
        "不能是 {value}。",
    },
    "websocket_init": {
        "en": "A WebSocket connection starts with Init (1), not with InitConnect (1001).",
        "zh": "WebSocket 连接应以 Init（1）开始，而不是 InitConnect（1001）。",
    },
    "websocket_key": {
        "en": "Wrong WebSocket key: use the one that the gateway was started with.",
        "zh": "WebSocket 密钥错误：请使用网关启动时设置的密钥。",
    },
    "initialised_twice": {
        "en": "This connection has done its InitConnect (1001), or Init (1), already.",
        "zh": "该连接已完成 InitConnect（1001）或 Init（1）。",
    },
    "rate_limited": {
        "en": "{proto} ({proto_id}) takes at most {limit} requests in {window} seconds; "
        "try again in {seconds:.1f} seconds.",
        "zh": "{proto}（{proto_id}）限频：{window} 秒内最多 {limit} 次请求；请 {seconds:.1f} 秒后重试。",
    },
    "limit_store_away": {
        "en": "The limit store, which counts the requests of all gateways (--limit-store), does not answer, "
        "and without it nothing that counts is granted (--limit-store-down refuse); try again in a moment.",
        "zh": "为所有网关统一计数的限频存储（--limit-store）无响应；按当前设置（--limit-store-down refuse），"
        "在其恢复前拒绝计入限频的请求；请稍后重试。",
    },
    "http_rate_limited": {
        "en": "The HTTP API takes at most {limit} requests for {interface} in {window} seconds; "
        "try again in {seconds:.1f} seconds.",
        "zh": "HTTP 接口 {interface} 限频：{window} 秒内最多 {limit} 次请求；请 {seconds:.1f} 秒后重试。",
    },
    "market_of_security": {
        "en": "market and security exclude each other: {value} is not in {market}.",
        "zh": "market 与 security 不一致：{value} 不属于 {market}。",
    },
    "too_many_connections": {
        "en": "The gateway already serves {limit} connections, the most it allows; close one or raise "
        "--max-connections.",
        "zh": "网关连接数已达上限 {limit}；请关闭其他连接，或调大 --max-connections。",
    },
    "too_many_of_address": {
        "en": "The gateway already serves {limit} connections from this address, the most it allows of one; "
        "close another or raise --max-connections-per-address.",
        "zh": "来自该地址的连接数已达上限 {limit}；请关闭其他连接，或调大 --max-connections-per-address。",
    },
    "no_database": {
        "en": "There is no database {path}; `qotgate load PATH` makes it, and --db names another.",
        "zh": "没有数据库 {path}：`qotgate load PATH` 会新建，也可用 --db 指定其他数据库。",
    },
    "funds_unloaded": {
        "en": "--funds names {unknown}, of which nothing is loaded; loaded are {known}.",
        "zh": "--funds 中的 {unknown} 没有任何已加载的数据；已加载的基金：{known}。",
    },
    "path_missing": {
        "en": "{path} does not exist; load takes files and folders.",
        "zh": "{path} 不存在；load 只接受文件和文件夹。",
    },
    "path_no_file": {
        "en": "{path} is neither a file nor a folder; load takes files and folders.",
        "zh": "{path} 既不是文件也不是文件夹；load 只接受文件和文件夹。",
    },
    "clock": {
        "en": "The clock of this machine says {day}; set it, as days are held against it.",
        "zh": "本机时钟显示 {day}：请校准，文件中的日期要与之比对。",
    },
    "unload_load": {
        "en": "No file of load {number} is here; `qotgate status` lists the loads.",
        "zh": "没有第 {number} 次加载的文件；用 `qotgate status` 查看加载记录。",
    },
    "unload_file": {
        "en": "{path} is not loaded; `qotgate status` and the Data page list the loads.",
        "zh": "{path} 未加载；加载记录见 `qotgate status` 和网页的“数据”页。",
    },
    "unload_several": {
        "en": "{path} was loaded {count} times, with other content each time, in the loads {loads}; "
        "name one with --load.",
        "zh": "{path} 加载过 {count} 次，每次内容不同，分别在以下加载中：{loads}；请用 --load 指定其中一次。",
    },
    "unload_no_copy": {
        "en": "{path} was loaded by an earlier version, which kept no copy, and is not there as it was; "
        "put it back, or load all files into a new database.",
        "zh": "{path} 由早期版本加载，没有保留副本，原处的文件也已改变或不存在："
        "请放回原文件，或将全部文件重新加载到新数据库。",
    },
    "contradiction": {
        "en": "{path}, line {line}: {identifier} as {spelled}, but as {other} in {other_path}, "
        "line {other_line}.",
        "zh": "{path} 第 {line} 行：{identifier} 为 {spelled}，"
        "但 {other_path} 第 {other_line} 行为 {other}。",
    },
    "contradiction_tables": {
        "en": "{path}, line {line}: {identifier} as {spelled}, but the tables (listings.csv) give it "
        "to another company.",
        "zh": "{path} 第 {line} 行：{identifier} 为 {spelled}，但 listings.csv 中属于另一家公司。",
    },
    # The sentence of another gateway, unchanged.
    "told": {
        "en": "{text}",
        "zh": "{text}",
    },
    "store": {
        "en": "The gateway cannot read its database; its log says why and what helps.",
        "zh": "网关无法读取数据库，原因与解决办法见网关日志。",
    },
    "internal": {
        "en": "The gateway failed on this request; its log has the details.",
        "zh": "网关处理该请求时出错，详情见网关日志。",
    },
    "replay_no_such": {
        "en": "The recording has no {proto} ({proto_id}); it has {names}.",
        "zh": "录制文件中没有 {proto}（{proto_id}），只有 {names}。",
    },
    "replay_differs": {
        "en": "The recording has no {proto} ({proto_id}) that asks this; the nearest one, in line {line}, "
        "differs in (recorded, asked): {differences}.",
        "zh": "录制文件中没有相同的 {proto}（{proto_id}）请求；最接近的在第 {line} 行，"
        "不同之处（录制值, 请求值）：{differences}。",
    },
    "replay_left_out": {
        "en": "The recording leaves out what {proto} ({proto_id}) said, as its line {line} tells: "
        "record it again where futu-api or moomoo-api is installed.",
        "zh": "录制文件第 {line} 行没有保存 {proto}（{proto_id}）的内容："
        "请安装 futu-api 或 moomoo-api 后重新录制。",
    },
    "replay_order": {
        "en": "--replay-strict: the next request in this session of the recording is {expected} in line "
        "{line}, not this {proto} ({proto_id}).",
        "zh": "--replay-strict：录制文件中该会话的下一个请求是第 {line} 行的 {expected}，"
        "而不是当前的 {proto}（{proto_id}）。",
    },
    "replay_ended": {
        "en": "--replay-strict: this session of the recording has ended, and has no more requests; "
        "{proto} ({proto_id}) is one too many.",
        "zh": "--replay-strict：录制文件中该会话已没有后续请求，不应再有 {proto}（{proto_id}）。",
    },
    "replay_format": {
        "en": "The answer to {proto} ({proto_id}) in line {line} of the recording is in one body format "
        "only, as its message is not known here: install futu-api or moomoo-api, or ask in the other format.",
        "zh": "录制文件第 {line} 行 {proto}（{proto_id}）的响应只能以一种格式返回，"
        "因为此处没有其消息定义："
        "请安装 futu-api 或 moomoo-api，或改用另一种格式请求。",
    },
}
