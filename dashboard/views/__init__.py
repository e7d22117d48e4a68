"""Views: fetch with permission, one call, answer."""
