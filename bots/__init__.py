"""What runs in a bot's container, and the paper venue."""
