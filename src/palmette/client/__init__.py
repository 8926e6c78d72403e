"""Python's way to the verbs, from the project's own interpreter: the tool is driven as a process."""
