"""Every Redis key, one function each.

All start with ``az:`` and carry a hash tag, the partition, so that whatever one script touches lies
in one slot of a Redis Cluster. What belongs to no partition lives in partition 0. Names of books,
jobs, consumers and clients have passed ``engine.names.check`` and so cannot forge another key.
"""

GROUP = "consumers"
"""The consumer group of every stream."""


def grid() -> str:
    """Hash: what all must agree on, such as the number of partitions."""
    return "az:{0}:grid"


def books() -> str:
    """Set: the names of the books."""
    return "az:{0}:books"


def blocks(partition: int, book: str) -> str:
    """Hash: block number -> the block's trades."""
    return f"az:{{{partition}}}:book:{book}:blocks"


def index(partition: int, book: str) -> str:
    """Hash: block number -> the IDs of the block's trades."""
    return f"az:{{{partition}}}:book:{book}:index"


def stream(partition: int, lane: str) -> str:
    """Stream: the entries of a lane that are queued or being priced."""
    return f"az:{{{partition}}}:lane:{lane}"


def sweep(partition: int, lane: str) -> str:
    """String with a time to live: how far the stream was swept for lapsed leases.

    How long it has to live yet says whose turn it is.
    """
    return f"az:{{{partition}}}:lane:{lane}:sweep"


def unreadable(partition: int) -> str:
    """Stream, bounded: entries that no consumer could read, kept for a person to look at."""
    return f"az:{{{partition}}}:unreadable"


def replies(partition: int, client: str) -> str:
    """Stream with a time to live, bounded: the replies to a client's realtime calls."""
    return f"az:{{{partition}}}:replies:{client}"


def jobs() -> str:
    """Sorted set: the names of the jobs by the time they were submitted."""
    return "az:{0}:jobs"


def job(name: str) -> str:
    """Hash: what the job asks for, and how far its submission got."""
    return f"az:{{0}}:job:{name}"


def counts(partition: int, job_name: str) -> str:
    """Hash: the job's epoch, its trades by outcome, and the time of the last settle."""
    return f"az:{{{partition}}}:job:{job_name}:counts"


def manifest(partition: int, job_name: str) -> str:
    """Hash: block number -> the IDs that the job was given to price."""
    return f"az:{{{partition}}}:job:{job_name}:manifest"


def results(partition: int, job_name: str) -> str:
    """Hash: block number -> the result records of its trades."""
    return f"az:{{{partition}}}:job:{job_name}:results"


def dead(partition: int, job_name: str) -> str:
    """Hash: trade ID -> the dead letter of a trade that was given up, until it is purged."""
    return f"az:{{{partition}}}:job:{job_name}:dead"


def held(partition: int, job_name: str) -> str:
    """Stream: the entries of a job that waits for another, until they may go into its lane."""
    return f"az:{{{partition}}}:job:{job_name}:held"


def waiting() -> str:
    """Hash: the name of a job that waits for another -> a token, new each time it is put there."""
    return "az:{0}:waiting"


def turn() -> str:
    """String with a time to live: somebody looks after the jobs that wait, or has just done so."""
    return "az:{0}:waiting:turn"


def consumers() -> str:
    """Set: the names of the consumers, some of which may be gone."""
    return "az:{0}:consumers"


def consumers_turn(task: str) -> str:
    """String with a time to live: somebody has lately done for all consumers what one has to do."""
    return f"az:{{0}}:consumers:turn:{task}"


def consumer(name: str) -> str:
    """String with a time to live: what a consumer that lives says of itself."""
    return f"az:{{0}}:consumer:{name}"


def crew(name: str) -> str:
    """Hash with a time to live: who of a crew is told to leave, ``*`` for all, and why."""
    return f"az:{{0}}:crew:{name}"


def controller(lane: str) -> str:
    """Hash with a time to live: who controls the consumers of a lane, and what was decided."""
    return f"az:{{0}}:controller:{lane}"


def taken_down(crew: str) -> str:
    """Hash with a time to live: when a crew was taken down, for its controllers to end."""
    return f"az:{{0}}:controller:down:{crew}"
