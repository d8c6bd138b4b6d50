"""How do events travel? The port `bus`, and its two adapters: RabbitMQ, and memory in one process."""
