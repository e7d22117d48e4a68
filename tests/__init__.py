"""The tests. This file makes the folder a package of its own: a library may install one by the same name."""
