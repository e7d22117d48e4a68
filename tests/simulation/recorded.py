"""Small recordings in WfFormat 1.5, made up: a test with them never has to be left out."""

from __future__ import annotations

import json

from simulation.recordings.reading import RecordedTask, RecordedWorkflow


def fork_and_join(name, width, *, cores=(4,), seconds=10.0, makespan=100.0, read=0):
    """Return a recording of one task, `width` tasks side by side, and one more."""
    sides = tuple(RecordedTask((0,), seconds + place, read) for place in range(width))
    last = RecordedTask(tuple(range(1, width + 1)), seconds, 0)
    return RecordedWorkflow(name, (RecordedTask((), seconds, 0), *sides, last), cores, makespan)


def document(*, machines=((2,),), makespan=30.0, size=1000):
    """Return a WfFormat document of two tasks, the second of which reads what the first wrote."""
    return {
        "name": "tiny",
        "schemaVersion": "1.5",
        "workflow": {
            "specification": {
                "tasks": [
                    {"id": "a", "parents": [], "children": ["b"], "inputFiles": [], "outputFiles": ["f"]},
                    {"id": "b", "parents": ["a"], "children": [], "inputFiles": ["f", "g"], "outputFiles": []},
                ],
                "files": [{"id": "f", "sizeInBytes": size}, {"id": "g", "sizeInBytes": 1}],
            },
            "execution": {
                "makespanInSeconds": makespan,
                "tasks": [{"id": "a", "runtimeInSeconds": 2.0}, {"id": "b", "runtimeInSeconds": 3.5}],
                "machines": [{"nodeName": str(cores), "cpu": {"coreCount": cores[0]}} for cores in machines],
            },
        },
    }


def written(folder, name, **given):
    """Write a document to a file and return the file."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document(**given)))
    return file
