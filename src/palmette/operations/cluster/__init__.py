"""A Kubeflow that others run: what is asked of it through its official client, and what it tells of its runs."""
