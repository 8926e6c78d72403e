"""The messages and the grammar of Kubeflow Pipelines' REST API, v2beta1. Nothing here touches the world."""
