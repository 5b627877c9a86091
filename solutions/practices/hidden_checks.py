"""Hidden checks of the assignment *practices*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests may import them.
"""

import math
from pathlib import Path

import torch

from autograder.assignment import load_module
from autograder.checks import Exam, close, describe, holds

exam = Exam("practices", hidden=True)
# The playing of plans and the making of logs stand there; the student's copy of that file is not what is loaded.
PUBLIC = load_module(Path(__file__).with_name("checks.py"))

# ---- references


def reference_reward(handed_in, tests, price):
    """Entry by entry."""
    if not handed_in:
        return 0.0
    solved, changed = "solution" in handed_in, False
    for name in tests:
        for given in tests[name]:
            if solved and (given not in handed_in["solution"] or handed_in["solution"][given] != tests[name][given]):
                solved = False
        if name in handed_in and sorted(handed_in[name].items()) != sorted(tests[name].items()):
            changed = True
    return (1.0 if solved else 0.0) - (price if changed else 0.0)


def reference_value(questions, notes, prices, turns):
    """The largest value of a session: every command that could help is tried in every situation."""
    seen = {}

    def best(number, place, known, turns):
        if number == len(questions) or turns == 0:
            return 0.0
        situation = (number, place, known, turns)
        if situation not in seen:
            if place == len(questions[number]):
                seen[situation] = 1.0 + best(number + 1, 0, known, turns - 1)
            else:
                fact = questions[number][place]
                values = [0.0, best(number, place + 1, known, turns - 1) - prices["FIND"]]
                if turns > 1:
                    values.append(best(number, place + 1, known | {fact}, turns - 2) - prices["FIND"] - prices["NOTE"])
                if fact in known:
                    values.append(best(number, place + 1, known, turns - 1) - prices["RECALL"])
                seen[situation] = max(values)
        return seen[situation]

    return best(0, 0, frozenset(notes), turns)


def reference_gain(probability, questions_left, find, recall, note):
    """What filing a fact now saves beside the best that can be done without, which may file it at a later search.

    By recursion over the questions that are left: `unfiled` is the expected price of what `later` more questions need of a
    fact that is not filed. A fact that is filed may still be searched for.
    """
    use, unfiled = min(find, recall), 0.0
    for later in range(questions_left):
        found = find + min(note + later * probability * use, unfiled)
        unfiled = (1 - probability) * unfiled + probability * found
    return unfiled - note - questions_left * probability * use


def reference_weights(policy, logged, mask):
    """Token by token."""
    ratios, weights = [], []
    for now, then, kept in zip(policy.tolist(), logged.tolist(), mask.tolist(), strict=True):
        ratios.append([math.exp(a) / math.exp(b) if keep else 1.0 for a, b, keep in zip(now, then, kept, strict=True)])
        weights.append(math.prod(ratios[-1]))
    return ratios, weights


def reference_pairs(episodes, margin):
    """Take the best chosen and the worst rejected episode of a task, again and again."""
    pairs, left = [], list(episodes)
    while True:
        found = None
        for task in sorted({row["task"] for row in left}):
            winners = [row for row in left if row["task"] == task and row["success"] and not row["unsafe"]]
            losers = [row for row in left if row["task"] == task and not row["success"]]
            if winners and losers:
                top, bottom = max(row["reward"] for row in winners), min(row["reward"] for row in losers)
                winner = min(row["id"] for row in winners if row["reward"] == top)
                loser = min(row["id"] for row in losers if row["reward"] == bottom)
                found = (winner, loser, top - bottom)
                break
        if found is None:
            return pairs
        if found[2] > margin:
            pairs.append(found[:2])
        left = [row for row in left if row["id"] not in found[:2]]


def whole(random, low, high):
    """A whole number from low to high, both possible."""
    return int(torch.randint(low, high + 1, (), generator=random))


# ---- checks


@exam.add("submission_reward", points=1, message="random tasks, and agents that change, copy and invent test files")
def random_submissions(reward):
    random = exam.random()
    for _ in range(60):
        names = [f"test{number}" for number in range(whole(random, 1, 4))]
        inputs = torch.randperm(40, generator=random)[:10].tolist()
        due = {given: whole(random, 0, 3) for given in inputs}
        tests = {name: {given: due[given] for given in inputs if whole(random, 0, 2)} for name in names}
        program = dict(due)
        if whole(random, 0, 1):
            given = inputs[whole(random, 0, 9)]
            program.pop(given) if whole(random, 0, 1) else program.update({given: due[given] + 1})
        handed_in = {"solution": program} if whole(random, 0, 5) else {}
        for name in [*names, "test_of_mine"]:
            what = whole(random, 0, 5)
            if what == 0:
                handed_in[name] = {}
            elif what == 1:
                handed_in[name] = dict(program)
            elif what == 2:
                handed_in[name] = dict(reversed(tests.get(name, {1: 1}).items()))
        PUBLIC.require_reward(reward, handed_in, tests, 0.375, reference_reward(handed_in, tests, 0.375))


def require_best(planner, random, prices, count):
    """Compare plans for random sessions with the value that a search over all commands finds."""
    for _ in range(count):
        facts = [f"fact{number}" for number in torch.randperm(90, generator=random)[: whole(random, 2, 6)].tolist()]
        questions = []
        for _ in range(whole(random, 2, 5)):
            order = torch.randperm(len(facts), generator=random).tolist()
            questions.append([facts[place] for place in order[: whole(random, 1, min(4, len(facts)))]])
        notes = [fact for fact in facts if not whole(random, 0, 4)]
        turns = whole(random, 2, 20)
        due = reference_value(questions, notes, prices, turns)
        PUBLIC.worth(planner, due, questions, notes, turns, prices)


@exam.add("plan_session", points=1, message="random sessions with the prices of the research agent")
def random_sessions(planner):
    require_best(planner, exam.random(), PUBLIC.PRICES, 25)


@exam.add(
    "plan_session", points=1, message="random sessions with other prices: dear notes, dear recalling, dear searching"
)
def other_prices(planner):
    random = exam.random()
    for prices in ({"FIND": 0.3, "RECALL": 0.1, "NOTE": 0.25}, {"FIND": 0.15, "RECALL": 0.2, "NOTE": 0.01},
                   {"FIND": 0.7, "RECALL": 0.05, "NOTE": 0.05}):  # fmt: skip
        require_best(planner, random, prices, 12)


@exam.add("should_note", points=1, message="random prices, beside the best that can be done without filing now")
def random_notes(should_note):
    random = exam.random()
    for left in (0, 1, 2, 5, 12):
        # A dear note in every other case; now and then recalling is the dearer way.
        for most in (0.05, 0.6):
            find, recall, note = (float(torch.rand((), generator=random)) * limit for limit in (1.0, 0.4, most))
            chances = torch.rand(12, generator=random, dtype=torch.float64)
            gains = [reference_gain(chance, left, find, recall, note) for chance in chances.tolist()]
            clear = [place for place, gain in enumerate(gains) if abs(gain) > 1e-4]
            came = PUBLIC.decisions(should_note(chances, left, find, recall, note), len(gains))
            close(came[clear], [float(gains[place] > 0) for place in clear])


@exam.add("find_the_bug", points=1, message="other logs of every kind", seconds=30)
def more_logs(find):
    PUBLIC.require_diagnosis(find, [run for run in PUBLIC.RUNS], exam.random())


@exam.add("find_the_bug", points=1, message="runs in order, and hacked ones beside them", seconds=30)
def healthy_and_hacked(find):
    runs = [run for run, (fault, _) in PUBLIC.RUNS.items() if fault in ("nothing", "reward hacking")]
    PUBLIC.require_diagnosis(find, 2 * runs, exam.random())


@exam.add("importance_weights", points=1, message="random episodes, NaN where the mask is false, and 3,000 tokens")
def random_weights(weigh):
    random = exam.random()
    policy, logged, recomputed = (-2 * torch.rand(6, 7, generator=random, dtype=torch.float64) for _ in range(3))
    mask = torch.rand(6, 7, generator=random) < 0.6
    ratios, weights = reference_weights(policy, logged, mask)
    holes = [
        one.masked_fill(~mask, hole) for one, hole in ((policy, math.nan), (logged, -math.inf), (recomputed, math.nan))
    ]
    PUBLIC.require_weights(weigh(*holes, mask), ratios, weights, mask)
    change = torch.tensor([math.log(2)] * 1500 + [-math.log(2)] * 1500, dtype=torch.float64)[None]
    then = torch.full((1, 3000), -1.0, dtype=torch.float64)
    every = torch.ones(1, 3000, dtype=torch.bool)
    PUBLIC.require_weights(weigh(then + change, then, then - 0.1, every), change.exp(), [1.0], every)


@exam.add("importance_weights", points=1, message="every episode of random games of two decisions")
def random_games(weigh):
    random = exam.random()
    for temperature in (0.5, 2.0):
        old, new = (torch.randn(4, 3, generator=random, dtype=torch.float64) for _ in range(2))
        rewards = torch.randn(9, generator=random, dtype=torch.float64)
        columns, mask, chance, value = PUBLIC.two_steps(old, new, temperature, rewards)
        came = PUBLIC.both(weigh(*columns, mask))
        holds(isinstance(came, list) and len(came) == 2, f"expected two results, got {describe(came)}")
        weights = PUBLIC.numbers(came[1], (9,))
        close((chance * weights * rewards).sum(), value, 1e-5)


@exam.add("effective_sample_size", points=1, message="random log-weights, far from 0 too; thousands of them; one alone")
def random_sizes(size):
    random = exam.random()
    for count, shift in ((5, 0.0), (50, 750.0), (5000, -750.0), (1, 30.0)):
        logs = 1.5 * torch.randn(count, generator=random, dtype=torch.float64)
        weights = [math.exp(one) for one in logs.tolist()]
        close(size(logs + shift), math.fsum(weights) ** 2 / math.fsum(one**2 for one in weights), 1e-3)


@exam.add(
    "preference_pairs", points=1, message="random logs with equal rewards, unsafe successes and tasks without failures"
)
def random_logs(pairs):
    random = exam.random()
    for count, tasks, margin in ((40, 5, 0.25), (60, 3, 0.5), (30, 12, 0.0), (25, 1, 0.75)):
        rows = PUBLIC.some_log(random, count, tasks)
        PUBLIC.require_pairs(pairs(rows, margin), reference_pairs(rows, margin))
