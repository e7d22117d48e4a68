"""How this site is set up: settings from the environment, addresses, and the entry point of the web server."""
