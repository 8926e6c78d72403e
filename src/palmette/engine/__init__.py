"""A pipeline document becomes a run: plan, machine (events in, commands out), ports, loop."""
