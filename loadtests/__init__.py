"""Load tests: what stands outside the platform and knows it by HTTP and sockets only."""
