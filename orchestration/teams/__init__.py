"""Who owns what: teams, their members, and the keys that programs come with.

Every row of the platform belongs to a team, and whoever asks for another team's is told that it is not there.
"""
