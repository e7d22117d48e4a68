"""The engine: runs workflows in real time over a database.

Four doors: `models` rows, `operations` writes, `queries` reads, and one file per background duty. Nothing outside the
engine touches its rows, and only the shift that holds an execution writes its journal.
"""
