"""The bus: topics, subscriptions, deliveries and dead letters.

Until it has an issue of its own, events reach executions through `engine.operations.publish_event`.
"""
