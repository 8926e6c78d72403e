"""The server: routes, and what stands before them. It reaches everything through `palmette.operations`."""
