"""Continuous learning: what a CI knows, tickets, notes on merge requests, and the verbs that a job calls."""
