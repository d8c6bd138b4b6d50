"""Deployment: Kubernetes, RabbitMQ definitions, and the launcher of a local stack."""
