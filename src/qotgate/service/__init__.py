"""The questions as plain calls: arguments checked, store asked, rules applied, answers paged."""
