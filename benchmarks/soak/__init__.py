"""Kill drivers, templates, keepers and tasks at random moments, and see whether every run ends as it should."""
