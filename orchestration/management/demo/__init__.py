"""The demo: an order pipeline and a data pipeline over the services of the farm, and executions of every ending."""
