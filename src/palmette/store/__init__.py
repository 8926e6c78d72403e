"""The home's memory: one schema for SQLite and PostgreSQL, cut by noun.

`database.open` gives a `Store`; the functions of `runs`, `tasks`, `metrics`, `artifacts`, `captures` and `leases` take
it as their first argument, and `ledger.RunLedger` is how a driver writes down what happens.
"""
