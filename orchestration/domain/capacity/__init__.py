"""What nodes have and what runs on them needs, and how much of it a team or a service may have."""
