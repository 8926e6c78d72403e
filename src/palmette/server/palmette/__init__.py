"""Palmette's own routes, below ``/apis/palmette/v1``: what Kubeflow's API has no call for."""
