"""The questions as plain calls: check arguments, query the store, apply the rules, page the answer."""
