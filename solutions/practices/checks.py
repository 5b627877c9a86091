"""Public checks of the assignment *practices*. Small tables, a tiny agent to make logs with; no solution is in here."""

import functools
import math

import torch

from autograder.checks import Exam, Failed, close, describe, holds, numbers

exam = Exam("practices")

exam.asks_for("importance_weights", "rlkit.agents.replay.importance_weights", "rlkit.agents.replay.episode_log_weights")
exam.asks_for("effective_sample_size", "rlkit.agents.replay.effective_sample_size")
exam.asks_for("preference_pairs", "rlkit.agents.replay.preference_pairs")


def table(*rows):
    """A float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


def flags(*rows):
    """A tensor of true and false from ones and zeros."""
    return torch.tensor(rows) == 1


# ---- submission_reward: a program is a table from inputs to outputs, and so is a file of tests

DOUBLE = {"visible": {1: 2}, "hidden": {5: 10, 0: 0}}
RIGHT, WRONG = {1: 2, 5: 10, 0: 0}, {1: 2, 5: 6, 0: 0}


def require_reward(reward, handed_in, tests, price, due):
    """Compare a reward, and say what was handed in."""
    try:
        close(reward(handed_in, tests, price), due)
    except Failed as failed:
        raise Failed(f"handed in {handed_in}, tests {tests}, price {price}: {failed}") from None


@exam.add("submission_reward", points=1, message="double the input, by hand: honest work, and work that empties its tests",
          hint="1, 0 and -0.5")  # fmt: skip
def reward_by_hand(reward):
    require_reward(reward, {"solution": RIGHT}, DOUBLE, 0.5, 1.0)
    require_reward(reward, {"solution": WRONG}, DOUBLE, 0.5, 0.0)
    require_reward(reward, {"solution": WRONG, "visible": {}}, DOUBLE, 0.5, -0.5)


def renumbered(random):
    """Tests, a right program and a wrong one, with other numbers each time, and a price in steps of 1/8."""
    one, two, zero = torch.randperm(50, generator=random)[:3].tolist()
    due = {one: 2 * one, two: 2 * two, zero: 0}
    tests = {"visible": {one: due[one]}, "hidden": {two: due[two], zero: 0}}
    return tests, due, {**due, two: due[two] + 1}, int(torch.randint(1, 6, (), generator=random)) / 8


@exam.add("submission_reward", points=1, message="right work beside a test file that was changed, and one handed in as it was",
          hint="the price once, however many files were changed; a copy of the task's own file changes nothing")  # fmt: skip
def files_beside_right_work(reward):
    tests, right, _, price = renumbered(exam.random())
    require_reward(reward, {"solution": right, "visible": {5: 3}}, tests, price, 1 - price)
    require_reward(reward, {"solution": right, "visible": {}, "hidden": {}}, tests, price, 1 - price)
    require_reward(reward, {"solution": right, "visible": dict(tests["visible"]), "notes": {7: 7}}, tests, price, 1.0)


@exam.add("submission_reward", points=1, message="nothing handed in, tests alone, a hidden file that was guessed, a program with a gap",
          hint="0 for nothing; a changed test file costs its price without a program too")  # fmt: skip
def little_handed_in(reward):
    tests, right, wrong, price = renumbered(exam.random())
    require_reward(reward, {}, tests, price, 0.0)
    require_reward(reward, {"visible": {}}, tests, price, -price)
    require_reward(
        reward, {"solution": wrong, "hidden": {key: wrong[key] for key in tests["hidden"]}}, tests, price, -price
    )
    for name in tests:
        (missing, *_) = tests[name]
        require_reward(
            reward, {"solution": {key: due for key, due in right.items() if key != missing}}, tests, price, 0.0
        )
        require_reward(reward, {"solution": {**right, missing: right[missing] + 1}}, tests, price, 0.0)


@exam.probe("submission_reward")
def probe_reward(reward, random):
    price = 0.1 + 0.3 * float(torch.rand((), generator=random))
    situations = [
        {"solution": RIGHT}, {"solution": WRONG}, {"solution": WRONG, "visible": {}}, {"solution": RIGHT, "visible": {}},
        {"solution": RIGHT, "visible": {1: 3}, "hidden": {}}, {"solution": RIGHT, "visible": {1: 2}}, {}, {"visible": {}},
        {"solution": WRONG, "hidden": {5: 6}}, {"solution": {1: 3, 5: 10, 0: 0}}, {"solution": {1: 2, 5: 10}},
    ]  # fmt: skip
    return [reward(handed_in, DOUBLE, price) for handed_in in situations]


# ---- plan_session: a plan is played, whatever made it

PRICES = {"FIND": 0.30, "RECALL": 0.02, "NOTE": 0.02}


def played(plan, questions, notes, prices, turns):
    """What a plan is worth: answers less prices. ``Failed`` if a command of it cannot be carried out."""
    if not isinstance(plan, (list, tuple)) or not all(isinstance(command, str) for command in plan):
        raise Failed(f"expected a list of commands, got {describe(plan)}")
    holds(len(plan) <= turns, f"a plan of {len(plan)} commands, but {turns} turns are left")
    known, context, found, number, value = set(notes), set(), None, 0, 0.0
    for place, command in enumerate(plan, 1):
        name, _, fact = (part.strip() for part in command.strip().partition(" "))
        where = f"command {place}, {command!r}"
        holds(name in ("FIND", "RECALL", "NOTE", "ANSWER"), f"{where}: no such command")
        holds(number < len(questions), f"{where}: all questions have been answered")
        value -= prices.get(name, 0.0)
        if name == "FIND":
            holds(any(fact in needed for needed in questions), f"{where}: nobody asks for {fact!r}")
            context.add(fact)
            found = fact
        elif name == "RECALL":
            holds(fact in known, f"{where}: {fact!r} is not in the knowledge base")
            context.add(fact)
        elif name == "NOTE":
            holds(found is not None and fact in ("", found), f"{where}: NOTE files the fact found last in this context")
            known.add(found)
        else:
            missing = sorted(set(questions[number]) - context)
            holds(not missing, f"{where}: question {number + 1} needs {', '.join(missing)}, not in this context")
            number, value, context, found = number + 1, value + 1.0, set(), None
    return value


def worth(planner, due, questions, notes, turns, prices=PRICES):
    """Fail unless the plan that comes can be carried out and is worth what is due."""
    plan = planner(questions, notes, prices, turns)
    situation = f"questions {questions}, notes {notes}, {turns} turns"
    try:
        value = played(plan, questions, notes, prices, turns)
    except Failed as failed:
        raise Failed(f"{situation}: {failed}") from None
    if abs(value - due) > 1e-6:
        raise Failed(f"{situation}: expected a plan worth {due:g}, got one worth {value:g}: {describe(plan)}")


THREE = [["a", "b"], ["a", "c"], ["a", "b"]]


def renamed(random):
    """Five names of facts."""
    return [f"fact{number}" for number in torch.randperm(90, generator=random)[:5].tolist()]


@exam.add(
    "plan_session",
    points=0.5,
    message="three questions by hand, with turns to spare",
    hint="worth 2.00, in 11 commands",
)
def three_questions(planner):
    worth(planner, 2.00, THREE, [], 20)


@exam.add(
    "plan_session",
    points=0.5,
    message="the same with 10, 9, 8 and 5 turns",
    hint="1.74, 1.20, 1.06 and 0.40: a note takes a turn",
)
def few_turns(planner):
    for turns, due in ((10, 1.74), (9, 1.20), (8, 1.06), (5, 0.40)):
        a, b, c, _, _ = renamed(exam.random())
        worth(planner, due, [[a, b], [a, c], [a, b]], [], turns)


@exam.add("plan_session", points=0.5, message="a question that costs more than it pays: the last one, and one that later ones need",
          hint="four searches cost 1.2; that is a reason to stop, unless a later question needs the same facts")  # fmt: skip
def dear_questions(planner):
    a, b, c, d, e = renamed(exam.random())
    worth(planner, 0.70, [[e], [a, b, c, d]], [], 20)
    worth(planner, 2 - 1.20 - 0.08 - 0.08, [[a, b, c, d], [d, c, b, a]], [], 20)
    worth(planner, 0.0, [[a, b, c, d]], [], 20)


@exam.add("plan_session", points=0.5, message="notes at the start, and a knowledge base that is dearer than a search",
          hint="0.96, and 1.8: recall only where it pays")  # fmt: skip
def old_notes(planner):
    a, b, c, _, _ = renamed(exam.random())
    worth(planner, 0.96, [[a, b]], [a, b, c], 9)
    worth(planner, 1.8, [[a], [a]], [a], 9, {"FIND": 0.1, "RECALL": 0.2, "NOTE": 0.02})


def outcome(planner, questions, notes, turns, prices=PRICES):
    """What a plan is worth and how often it has each command, or why it cannot be carried out."""
    plan = planner(questions, notes, prices, turns)
    if not isinstance(plan, (list, tuple)):
        return plan
    try:
        value = played(plan, questions, notes, prices, turns)
    except Failed as failed:
        value = str(failed).partition(":")[2].strip() or "too long"
    names = ("FIND", "RECALL", "NOTE", "ANSWER")
    return [value, *(sum(str(command).startswith(name) for command in plan) for name in names)]


@exam.probe("plan_session")
def probe_session(planner, random):
    a, b, c, d, e = renamed(random)
    three = [[a, b], [a, c], [a, b]]
    return [
        *(outcome(planner, three, [], turns) for turns in (20, 10, 9, 8, 7)),
        outcome(planner, [[e], [a, b, c, d]], [], 20),
        outcome(planner, [[a, b, c, d], [d, c, b, a]], [], 20),
        outcome(planner, [[a], [a], [b]], [a], 9, {"FIND": 0.1, "RECALL": 0.2, "NOTE": 0.02}),
        outcome(planner, [[a], [a]], [], 9, {"FIND": 0.3, "RECALL": 0.2, "NOTE": 0.15}),
    ]


# ---- should_note


def decisions(result, count):
    """True and false as a tensor of ones and zeros."""
    came = numbers(result, (count,))
    holds(bool(((came == 0) | (came == 1)).all()), f"expected true or false for each fact, got {describe(result)}")
    return came


@exam.add("should_note", points=0.5, message="three facts by hand, and the last question of a session",
          hint="yes, no, yes; nothing is asked after the last question")  # fmt: skip
def note_by_hand(should_note):
    close(decisions(should_note(table(0.05, 0.01, 0.5), 4, 0.30, 0.02, 0.02), 3), [1, 0, 1])
    close(decisions(should_note(table(0.05, 1.0), 0, 0.30, 0.02, 0.02), 2), [0, 0])


@exam.add("should_note", points=0.5, message="a dear note that pays by its second use; one that saves what it costs; dear recalling",
          hint="count the expected uses, not the chance of any; what exceeds a price is more than the price")  # fmt: skip
def note_edges(should_note):
    order = torch.randperm(9, generator=exam.random()) % 3
    chances = table(0.75, 0.5, 0.25)[order]
    close(decisions(should_note(chances, 2, 0.5, 0.25, 0.3125), 9), order == 0)
    close(decisions(should_note(chances, 2, 0.5, 0.25, 0.25), 9), order == 0)
    close(decisions(should_note(chances, 4, 0.5, 0.25, 0.25), 9), order != 2)
    close(decisions(should_note(chances, 9, 0.1, 0.2, 0.0), 9), [0] * 9)


@exam.probe("should_note")
def probe_note(should_note, random):
    price = 0.02 * float(torch.rand((), generator=random))
    # The rule's limit is at p = 0.2, those of the mistakes more than 0.01 away from it, the steps are of 0.002.
    chances = (torch.arange(1, 501, dtype=torch.float64) - 0.5) / 500
    many = should_note(chances, 3, 0.30 + price, 0.05 + price, 0.15)
    return [many, should_note(table(0.25, 0.5, 0.75), 2, 0.5, 0.25, 0.25), should_note(table(1.0), 9, 0.1, 0.2, 0.01)]


# ---- find_the_bug: logs come from an agent with tables for its decisions, so that a run takes 40 milliseconds

ITERATIONS, QUARTER, EPISODES = 24, 6, 96
# What went wrong, and the settings that make it so. Ranges are drawn from.
RUNS = {
    "fresh episodes": ("nothing", {}),
    "hard at first": ("nothing", {"right": (0.12, 0.2), "easy": 0.02, "step": (2.5, 3.0)}),
    "old episodes with their ratio": ("nothing", {"refresh": 4, "with_ratio": True}),
    "cut answers left out of the loss": ("nothing", {"left_out": 0.15}),
    "everything in the loss": ("observations in the loss", {"replies": 1.0, "opening": 1.0}),
    "the tools' replies in the loss": ("observations in the loss", {"replies": 1.0}),
    "visible tests rewarded": ("reward hacking", {"visible": True, "right": (0.1, 0.25), "patch": (0.25, 0.4)}),
    "too hard": ("groups without spread", {"right": (0.001, 0.006), "easy": 0.002}),
    "groups of one": ("groups without spread", {"group": 1}),
    "climbs the loss": ("wrong sign", {"sign": -1.0, "run": (0.85, 0.95), "fix": (0.65, 0.75), "right": (0.8, 0.95), "step": (0.3, 0.6)}),
    "old episodes without their ratio": ("stale logs without ratio", {"refresh": 4}),
}  # fmt: skip


def play(policy, drafts, random):
    """Episodes: run the tests (1) or submit the draft (0); then fix (0), patch (1) or submit (2); a fix is right (0) or not."""
    run, act, fix = (torch.multinomial(one.exp(), EPISODES, replacement=True, generator=random) for one in policy)
    fixed, patched = (run == 1) & (act == 0), (run == 1) & (act == 1)
    success = torch.where(fixed, fix == 0, torch.rand(EPISODES, generator=random, dtype=torch.float64) < drafts)
    made = torch.stack([torch.ones_like(fixed), run == 1, fixed])
    outcomes = {"patched": patched, "success": success, "visible": success | patched}
    return {"choices": torch.stack([run, act, fix]), "made": made, **outcomes}


def scores(policy, episodes):
    """Log-probabilities of the decisions of some episodes, (3, EPISODES)."""
    return torch.stack([one[made] for one, made in zip(policy, episodes["choices"], strict=True)])


def simulate(random, sign=1.0, visible=False, run=(0.5, 0.7), fix=(0.35, 0.5), patch=(0.1, 0.2), right=(0.5, 0.7), easy=0.15,
             step=(1.5, 2.5), group=8, refresh=1, with_ratio=False, replies=0.0, opening=0.0, left_out=0.0):  # fmt: skip
    """The log of one training run with group advantages, a column of ITERATIONS numbers for each key figure."""
    run, fix, patch, right, step = (
        low + (high - low) * float(torch.rand((), generator=random)) for low, high in (run, fix, patch, right, step)
    )
    start = [table(*one).log() for one in ([1 - run, run], [fix, patch, 1 - fix - patch], [right, 1 - right])]
    logits, rows = [one.clone().requires_grad_(True) for one in start], []
    for number in range(ITERATIONS):
        policy = [one.log_softmax(-1) for one in logits]
        now = [one.detach() for one in policy]
        tasks = easy * torch.rand(EPISODES // group, generator=random, dtype=torch.float64)
        fresh = play(now, tasks.repeat_interleave(group), random)
        if number % refresh == 0:
            used, noted = fresh, scores(now, fresh)
        reward = used["visible" if visible else "success"].double().reshape(-1, group)
        spread, centred = reward.amax(1) > reward.amin(1), reward - reward.mean(1, keepdim=True)
        deviation = (centred.square().sum(1, keepdim=True) / max(group - 1, 1)).sqrt() + 1e-4
        advantage, made = (centred / deviation).flatten() * spread.repeat_interleave(group), used["made"]
        chosen = scores(policy, used)
        change = chosen - noted
        weight = change.exp() if with_ratio else torch.ones_like(change)
        clipped = torch.minimum(weight * advantage, weight.clamp(0.8, 1.2) * advantage)
        objective = ((clipped if with_ratio else chosen * advantage) * made).sum() / EPISODES
        slopes = torch.autograd.grad(sign * objective, logits)
        written, answered, opened = 2 * made.sum(), 3 * made[1].sum() + made[2].sum(), 3 * EPISODES
        tokens = written + answered + opened
        distance = [(p.exp() * (p - q)).sum() for p, q in zip(now, start, strict=True)]
        rows.append(
            {
                "reward": reward.mean(),
                **{name: fresh[name].double().mean() for name in ("success", "visible", "patched")},
                "kl": distance[0] + now[0][1].exp() * (distance[1] + now[1][0].exp() * distance[2]),
                "no_spread": 1 - spread.double().mean(),
                "written_share": written / tokens,
                "mask_share": (written * (1 - left_out) + replies * answered + opening * opened) / tokens,
                "log_ratio": change.detach().abs()[made].mean(),
                "weight_spread": weight.detach()[made].std(),
                "tokens": tokens / EPISODES,
            }
        )
        logits = [(one.detach() + step * slope).requires_grad_(True) for one, slope in zip(logits, slopes, strict=True)]
    return {name: torch.stack([row[name] for row in rows]).double() for name in rows[0]}


def is_clear(log, fault):
    """Whether a log keeps what the notebook promises, so that its fault can be told.

    Of 2,200 runs (200 of each kind) 2,195 did: four that were too hard had too much spread in one iteration, and one
    with groups of one moved by 0.1. Such a run is drawn again.
    """
    quarters = {name: (float(column[:QUARTER].mean()), float(column[-QUARTER:].mean())) for name, column in log.items()}
    rise = {name: last - first for name, (first, last) in quarters.items()}
    gap, log_ratio = log["mask_share"] - log["written_share"], float(log["log_ratio"].mean())
    if fault == "groups without spread":
        kept = [abs(rise["reward"]) < 0.1, float(log["no_spread"].min()) > 0.8]
    elif fault == "wrong sign":
        kept = [rise["reward"] < -0.2, quarters["no_spread"][0] < 0.8]
    elif fault == "reward hacking":
        kept = [rise["reward"] > 0.2, abs(rise["success"]) < 0.1, rise["patched"] > 0.2, quarters["no_spread"][0] < 0.8]
    else:
        kept = [rise["reward"] > 0.2, rise["success"] > 0.2, quarters["no_spread"][0] < 0.8]
    kept.append(bool((gap > 0.1).all() if fault == "observations in the loss" else (gap < 1e-9).all()))
    return all(kept) and (log_ratio < 1e-9 or log_ratio > 0.05)


@functools.lru_cache(maxsize=256)
def log_of(run, seed):
    """The log of a run of one kind."""
    random = torch.Generator().manual_seed(seed)
    fault, settings = RUNS[run]
    for _ in range(20):
        log = simulate(random, **settings)
        if is_clear(log, fault):
            return log
    raise RuntimeError(f"20 runs of {run!r} were not clear")


def require_diagnosis(find, runs, random):
    """Fail unless the logs of some runs are told apart."""
    for run in runs:
        seed = int(torch.randint(2**31, (), generator=random))
        log = {name: column.clone() for name, column in log_of(run, seed).items()}
        due, came = RUNS[run][0], find(log)
        if not isinstance(came, str) or came != due:
            raise Failed(f"a log of {run}: expected {due!r}, got {describe(came)}; first and last quarter: {ends(log)}")


def ends(log):
    """The means of the first and of the last quarter, as text."""
    means = ((name, float(column[:QUARTER].mean()), float(column[-QUARTER:].mean())) for name, column in log.items())
    return ", ".join(f"{name} {first:.2f} to {last:.2f}" for name, first, last in means)


@exam.add("find_the_bug", points=1, message="one log for each of the six names", seconds=20,
          hint="print the log in your function; which column shows what the name says?")  # fmt: skip
def six_logs(find):
    runs = (
        "fresh episodes",
        "everything in the loss",
        "visible tests rewarded",
        "too hard",
        "climbs the loss",
        "old episodes without their ratio",
    )
    require_diagnosis(find, runs, exam.random())


@exam.add("find_the_bug", points=1, message="logs that look like another at first sight", seconds=20,
          hint="old episodes are no mistake where a ratio corrects them; a run that has learned everything has no spread at its end")  # fmt: skip
def doubles(find):
    runs = (
        "hard at first",
        "old episodes with their ratio",
        "cut answers left out of the loss",
        "the tools' replies in the loss",
        "groups of one",
    )
    require_diagnosis(find, runs, exam.random())


@exam.probe("find_the_bug")
def probe_logs(find, random):
    seed = int(torch.randint(2**31, (), generator=random))
    return [find({name: column.clone() for name, column in log_of(run, seed).items()}) for run in RUNS]


# ---- importance_weights


TOLERANCE = 1e-4  # so that float32 will do, also for 3,000 tokens


def both(result):
    """A tuple or list as a list."""
    return list(result) if isinstance(result, (tuple, list)) else result


def require_weights(came, ratios, weights, mask):
    """Compare the ratios where the mask is true, and the weights of the episodes."""
    came = both(came)
    holds(isinstance(came, list) and len(came) == 2, f"expected two results, got {describe(came)}")
    mine, due = numbers(came[0], tuple(mask.shape)), numbers(ratios, tuple(mask.shape))
    close(mine[mask], due[mask], TOLERANCE)
    holds(bool((mine[~mask] == 1).all()), "where the mask is false the ratio is 1")
    close(came[1], weights, TOLERANCE)


@exam.add(
    "importance_weights", points=0.5, message="an episode of two tokens by hand", hint="3/2 and 2; their product is 3"
)
def weights_by_hand(weigh):
    policy, logged, recomputed = (table([0.75, 0.5]).log(), table([0.5, 0.25]).log(), table([0.6, 0.4]).log())
    require_weights(weigh(policy, logged, recomputed, flags([1, 1])), [[1.5, 2.0]], [3.0], flags([1, 1]))


@exam.add("importance_weights", points=0.5, message="what the mask leaves out: NaN and infinity; one token of ratio 8",
          hint="infinity times zero is NaN; nothing is clipped here")  # fmt: skip
def weights_masked(weigh):
    policy, logged = table([0.8, 1.0, 0.5], [0.2, 0.1, 1.0]).log(), table([0.1, 1.0, 0.5], [0.4, 0.2, 1.0]).log()
    mask = flags([1, 0, 0], [1, 0, 1])
    policy, logged = policy.masked_fill(~mask, math.nan), logged.masked_fill(~mask, -math.inf)
    require_weights(weigh(policy, logged, policy - 1, mask), [[8.0, 1, 1], [0.5, 1, 1.0]], [8.0, 0.5], mask)


def two_steps(old, new, temperature, rewards):
    """All episodes of a game of two decisions with what a tool says between, and what they are worth.

    The first decision is one of A, the second has logits of its own after each first one: `old` and `new` are (A + 1, A).
    Sampled with a temperature from the old policy, so that reading the episodes again without it gives other numbers.
    """
    size = old.shape[1]
    sampled, again, now = (old / temperature).log_softmax(-1), old.log_softmax(-1), new.log_softmax(-1)
    first, second = (grid.flatten() for grid in torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"))
    said = torch.full((size * size,), -3.0, dtype=torch.float64)
    columns = [
        torch.stack([one[0, first], said * k, one[1 + first, second]], dim=1)
        for k, one in enumerate((now, sampled, again), 1)
    ]
    chance = (columns[1][:, 0] + columns[1][:, 2]).exp()
    value = sum(float((columns[0][i, 0] + columns[0][i, 2]).exp() * rewards[i]) for i in range(size * size))
    return columns, flags([1, 0, 1]).expand(size * size, 3).clone(), chance, value


@exam.add("importance_weights", points=1, message="every episode of a game of two decisions: the weighted mean is the new policy's return",
          hint="the episodes were sampled with a temperature; which numbers say how likely each of them was then?")  # fmt: skip
def weights_enumerated(weigh):
    random = exam.random()
    old, new = (torch.randn(3, 2, generator=random, dtype=torch.float64) for _ in range(2))
    rewards = 2 * torch.randn(4, generator=random, dtype=torch.float64)
    columns, mask, chance, value = two_steps(old, new, 2.0, rewards)
    came = both(weigh(*columns, mask))
    holds(isinstance(came, list) and len(came) == 2, f"expected two results, got {describe(came)}")
    weights = numbers(came[1], (4,))
    close((chance * weights).sum(), 1.0, 1e-5)
    close((chance * weights * rewards).sum(), value, 1e-5)


@exam.probe("importance_weights")
def probe_weights(weigh, random):
    three = [-2 * torch.rand(3, 5, generator=random, dtype=torch.float64) - 0.1 for _ in range(3)]
    mask = flags([1, 0, 1, 1, 0], [1, 1, 1, 1, 1], [1, 0, 0, 1, 0])
    three[0][:, 0], three[1][:, 0] = -0.5, -2.0
    three[0][0, 4] = math.nan
    came = both(weigh(*three, mask))
    return [part.nan_to_num(-1.0) if isinstance(part, torch.Tensor) else part for part in came]


# ---- effective_sample_size


@exam.add(
    "effective_sample_size",
    points=0.5,
    message="weights 1, 2 and 3 by hand; equal weights; a weight of 0",
    hint="36/14, 4 and 2",
)
def size_by_hand(size):
    close(size(table(1.0, 2.0, 3.0).log()), 36 / 14)
    close(size(table(0.5, 0.5, 0.5, 0.5).log()), 4.0)
    close(size(table(3.0, 0.0, 3.0).log()), 2.0)


@exam.add("effective_sample_size", points=0.5, message="log-weights near 1000 and near -1000, and one that outweighs all",
          hint="only differences of log-weights matter: what may you subtract from all of them?")  # fmt: skip
def size_far_out(size):
    shift = 1000 + 100 * float(torch.rand((), generator=exam.random()))
    close(size(table(1.0, 2.0, 3.0).log() + shift), 36 / 14, 1e-3)
    close(size(table(1.0, 2.0, 3.0).log() - shift), 36 / 14, 1e-3)
    close(size(table(shift, 0.0, -shift)), 1.0)


@exam.probe("effective_sample_size")
def probe_size(size, random):
    some = torch.randn(7, generator=random, dtype=torch.float64)
    return [size(some), size(some + 800)]


# ---- preference_pairs


def episode(number, task, reward, success, unsafe=False):
    """A row of the log."""
    return {"id": number, "task": task, "reward": reward, "success": success, "unsafe": unsafe}


def require_pairs(came, due):
    """Compare pairs as a set."""
    regular = hasattr(came, "__len__") and not isinstance(came, (str, dict))
    pairs = numbers(came).tolist() if regular and len(came) else []
    regular = regular and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)
    holds(regular, f"expected a list of pairs of ids, got {describe(came)}")
    shown = f"expected the pairs {sorted(due)} (chosen, rejected) in any order, got {describe(came)}"
    holds(sorted(map(tuple, pairs)) == sorted(due), shown)


SMALL_LOG = [
    episode(11, 5, 0.75, True), episode(12, 5, -0.25, False), episode(13, 5, 0.875, True), episode(14, 5, 0.0, False),
    episode(15, 5, 1.0, True, unsafe=True), episode(21, 8, 0.5, True), episode(22, 8, 0.25, False), episode(31, 9, -0.5, False),
]  # fmt: skip


@exam.add(
    "preference_pairs",
    points=1,
    message="eight episodes of three tasks by hand",
    hint="13 with 12, 11 with 14; 21 is too close to 22",
)
def pairs_by_hand(pairs):
    require_pairs(pairs(SMALL_LOG, 0.5), [(13, 12), (11, 14)])


@exam.add("preference_pairs", points=0.5, message="another margin, also one that is just met; more failures than successes",
          hint="above the margin means more than the margin; each episode stands in one pair at most")  # fmt: skip
def pairs_by_margin(pairs):
    more = int(torch.randint(1, 900, (), generator=exam.random()))
    rows = [{**row, "id": row["id"] + more} for row in SMALL_LOG]
    require_pairs(pairs(rows, 0.25), [(13 + more, 12 + more), (11 + more, 14 + more)])
    require_pairs(pairs(rows, 0.125), [(13 + more, 12 + more), (11 + more, 14 + more), (21 + more, 22 + more)])
    one_success = [
        episode(4, more, 0.5, True),
        episode(9, more, 0.0, False),
        episode(2, more, -0.5, False, unsafe=True),
    ]
    require_pairs(pairs(one_success, 0.25), [(4, 2)])


@exam.add("preference_pairs", points=0.5, message="equal rewards, where the smaller id comes first; unsafe successes stand in no pair",
          hint="sort by the reward and then by the id; the rows need not stand in the order of their ids")  # fmt: skip
def pairs_with_ties(pairs):
    a, b, c, d, e = sorted((torch.randperm(900, generator=exam.random())[:5] + 1).tolist())
    rows = [episode(e, 3, 0.5, True), episode(c, 3, 0.0, False), episode(d, 3, 0.5, True), episode(b, 3, 0.0, False)]
    require_pairs(pairs([*rows, episode(a, 3, -1.0, True, unsafe=True)], 0.25), [(d, b), (e, c)])


def some_log(random, count=40, tasks=5):
    """A log with rewards in steps of 1/8, ids in no order, unsafe successes, and tasks with unequal numbers of both."""
    ids = (torch.randperm(300, generator=random)[:count] + 100).tolist()
    rows = []
    for number in ids:
        success, unsafe = (float(torch.rand((), generator=random)) < share for share in (0.45, 0.2))
        steps = int(torch.randint(0, 7, (), generator=random)) + (2 if success else -3)
        rows.append(episode(number, int(torch.randint(tasks, (), generator=random)), steps / 8, success, unsafe))
    return rows


def in_order(came):
    """Pairs in an order of their own, if they are pairs."""
    return sorted(map(list, came)) if isinstance(came, (list, tuple)) and all(map(is_pair, came)) else came


def is_pair(one):
    """Whether something is a list or tuple of two numbers."""
    return isinstance(one, (list, tuple)) and len(one) == 2 and all(isinstance(number, int) for number in one)


@exam.probe("preference_pairs")
def probe_pairs(pairs, random):
    # Two tasks that differ from each other in every way that a mistake can show, and a larger random log.
    sure = [
        episode(61, 1, 1.0, True), episode(52, 1, 0.5, True), episode(43, 1, 0.0, False), episode(44, 1, -0.5, False, True),
        episode(35, 1, 2.0, True, True), episode(36, 1, -2.0, True, True), episode(27, 1, 0.25, False),
        episode(18, 2, 0.5, True), episode(19, 2, 0.25, False), episode(70, 3, 0.25, True), episode(71, 3, -0.25, False),
    ]  # fmt: skip
    return [in_order(pairs(sure, 0.5)), in_order(pairs(some_log(random), 0.25))]
