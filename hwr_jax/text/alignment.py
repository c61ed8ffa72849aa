"""Which character was read as which."""


def align(truth: str, reading: str) -> list[tuple[str, str]]:
    """The steps of one shortest edit path, in order: (of the truth, of the reading), "" where there is none.

    ("a", "a") was read right, ("a", "o") wrongly, ("a", "") missed, ("", "a") made up. Of several shortest paths the
    one that substitutes latest in the texts is taken.
    """
    distances = [[i + j if i == 0 or j == 0 else 0 for j in range(len(reading) + 1)] for i in range(len(truth) + 1)]
    for i, expected in enumerate(truth, start=1):
        for j, got in enumerate(reading, start=1):
            distances[i][j] = min(
                distances[i - 1][j - 1] + (expected != got), distances[i - 1][j] + 1, distances[i][j - 1] + 1
            )
    steps = []
    i, j = len(truth), len(reading)
    while i or j:
        if i and j and distances[i][j] == distances[i - 1][j - 1] + (truth[i - 1] != reading[j - 1]):
            steps.append((truth[i - 1], reading[j - 1]))
            i, j = i - 1, j - 1
        elif i and distances[i][j] == distances[i - 1][j] + 1:
            steps.append((truth[i - 1], ""))
            i -= 1
        else:
            steps.append(("", reading[j - 1]))
            j -= 1
    return steps[::-1]
