"""How this site is set up: settings from the environment, addresses, and the entry point of the web server."""

from config.compiled import use

# Whatever process this is, it imports its settings before anything that may have been compiled.
use()
