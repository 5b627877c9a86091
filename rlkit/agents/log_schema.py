"""The two tables of a log of episodes.

``episode`` has a row an episode: who played (``policy``, and its ``version``, such as the number of updates that it had
had), what the episode does not tell (``settings``: prices, temperature), the task (``seed``; ``group_id`` for episodes
of one task), how it ended, its key figures, and all of ``info`` as JSON. ``turn`` has a row a turn: the text and the
ids that were read before it, the text, the ids as they were sampled and their log-probabilities, and the reward.
"""

APPLICATION = 0x726C6B74  # "rlkt", in the header of the file: a log of ours and no other database
VERSION = 1
TABLES = (
    """CREATE TABLE episode(
    id INTEGER PRIMARY KEY, policy TEXT NOT NULL, version INTEGER NOT NULL, environment TEXT NOT NULL,
    settings TEXT NOT NULL, seed INTEGER NOT NULL, group_id INTEGER NOT NULL, terminated INTEGER NOT NULL,
    truncated INTEGER NOT NULL, contexts INTEGER NOT NULL, final_observation TEXT NOT NULL, success REAL NOT NULL,
    cost REAL NOT NULL, latency REAL NOT NULL, unsafe REAL NOT NULL, turns INTEGER NOT NULL, reward REAL NOT NULL,
    info TEXT NOT NULL)""",
    """CREATE TABLE turn(
    episode INTEGER NOT NULL REFERENCES episode(id), number INTEGER NOT NULL, context INTEGER NOT NULL,
    observation TEXT NOT NULL, action TEXT NOT NULL, anchor TEXT NOT NULL, observation_ids TEXT NOT NULL,
    action_ids TEXT NOT NULL, log_probabilities TEXT NOT NULL, reward REAL NOT NULL, PRIMARY KEY(episode, number))""",
)
FIGURES = ("success", "cost", "latency", "unsafe", "turns")
LISTS = {"observation_ids": "int64", "action_ids": "int64", "log_probabilities": "float64"}
