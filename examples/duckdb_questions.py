"""Three questions to an exported folder, in SQL.

qotgate export FOLDER
pip install duckdb
python duckdb_questions.py FOLDER
"""

import sys

import duckdb

folder = sys.argv[1]

print("What the funds bought most, by notices and well confirmed inference, in the last month of the data:")
print(
    duckdb.sql(f"""
    WITH trades AS (SELECT * FROM '{folder}/trades/*.parquet')
    SELECT security, any_value(name) AS name, round(sum(usd)) AS usd,
        list(DISTINCT fund ORDER BY fund) AS funds
    FROM trades
    WHERE confidence >= 0.95 AND day > (SELECT max(day) FROM trades) - INTERVAL 1 MONTH
    GROUP BY security HAVING sum(usd) > 0 ORDER BY usd DESC LIMIT 5
    """)
)

print("Fund days of these trades with unknown trades:")
print(
    duckdb.sql(f"""
    SELECT fund, untold, day AS first_day, through AS last_day
    FROM '{folder}/trades/*.parquet' WHERE untold IS NOT NULL ORDER BY day, fund LIMIT 10
    """)
)

print("Upgrades, and what the funds held of the stock in their last book before (null: in none):")
print(
    duckdb.sql(f"""
    SELECT n.day, n.security, n.institution, n.last_rating, n.rating, p.day AS book, p.shares::BIGINT AS held
    FROM '{folder}/rating_changes/*.parquet' n
    ASOF LEFT JOIN (
        SELECT day, security, sum(adjusted_shares) AS shares
        FROM '{folder}/positions/*.parquet' WHERE security IS NOT NULL GROUP BY ALL
    ) p ON n.security = p.security AND n.day > p.day
    WHERE n.change_type = 'UPGRADE' ORDER BY n.day DESC, n.security LIMIT 5
    """)
)
