"""Whether a service may be called just now, and how: policies, and the states that they are applied to."""
