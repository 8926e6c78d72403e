"""The routes of Kubeflow Pipelines' REST API."""
