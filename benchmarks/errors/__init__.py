"""How often a verdict is wrong: comparisons in which nothing differs, and such in which something does."""
