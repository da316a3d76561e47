from qotgate import QuoteClient

with QuoteClient() as client:
    dynamic = client.ark_dynamic("US.TSLA")
    print(dynamic.dynamic_type, dynamic.transaction_count, dynamic.net_shares, dynamic.last_transaction_day)
