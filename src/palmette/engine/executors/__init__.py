"""How attempts become processes."""
