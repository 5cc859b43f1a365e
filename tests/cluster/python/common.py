"""What the client programs share: the records they write, and the check of what they read back.

Each program is run as: PROGRAM BOOTSTRAP TOPIC, creates the topic with one partition, writes RECORDS with each codec, reads the
partition from its beginning without a consumer group, and prints every value read, one a line.
"""

import sys

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
RECORDS = 20
TOTAL = RECORDS * len(CODECS)


def records(codec):
    """Key and value of each record written with a codec; long enough for compression to do something."""
    for i in range(RECORDS):
        yield f"{codec}-{i}".encode(), f"{codec} {i} {'x' * 200}".encode()


def expected():
    return [record for codec in CODECS for record in records(codec)]


def finish(read):
    """Checks what was read, (offset, key, value, headers) each, and prints it."""
    offsets = [offset for offset, _, _, _ in read]
    assert offsets == list(range(TOTAL)), f"offsets {offsets}"
    assert [(key, value) for _, key, value, _ in read] == expected(), "keys and values"
    assert all(headers == [("client", b"python")] for _, _, _, headers in read), "headers"
    for _, _, value, _ in read:
        print(value.decode())


def arguments():
    return sys.argv[1], sys.argv[2]
