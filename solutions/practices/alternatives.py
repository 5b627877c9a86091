"""Right answers to *practices* that are written differently; each must get full marks."""

from collections import defaultdict
from functools import cache
from math import exp, log

import numpy as np
import torch

from autograder.checks import alternative


@alternative("submission_reward")
def reward_by_loops(handed_in, tests, price):
    """Early returns and loops, whole numbers."""
    penalty = 0
    for name, cases in tests.items():
        if name in handed_in and handed_in[name] != cases:
            penalty = price
    if "solution" not in handed_in:
        return -penalty
    for cases in tests.values():
        for given in cases:
            if given not in handed_in["solution"] or handed_in["solution"][given] != cases[given]:
                return -penalty
    return 1 - penalty


@alternative("submission_reward")
def reward_by_restoring(handed_in, tests, price):
    """Put the task's files back over those handed in, then compare sets of entries; a NumPy number."""
    restored = {**handed_in, **tests}
    changed = any(restored[name] != handed_in[name] for name in handed_in)
    wanted = set().union(*(restored[name].items() for name in tests))
    solved = "solution" in handed_in and wanted <= set(restored["solution"].items())
    return np.float32(solved) - price * changed


@alternative("plan_session")
def session_by_recursion(questions, notes, prices, turns):
    """The best command in every situation."""

    @cache
    def best(number, place, known, left):
        if number == len(questions) or left <= 0:
            return 0.0, ()
        options = [(0.0, ())]
        if place == len(questions[number]):
            value, rest = best(number + 1, 0, known, left - 1)
            return 1.0 + value, ("ANSWER", *rest)
        fact = questions[number][place]
        moves = [((f"FIND {fact}",), known)]
        if fact in known:
            moves.append(((f"RECALL {fact}",), known))
        elif left > 1:
            moves.append(((f"FIND {fact}", "NOTE"), known | {fact}))
        for commands, after in moves:
            value, rest = best(number, place + 1, after, left - len(commands))
            options.append((value - sum(prices[one.split()[0]] for one in commands), commands + rest))
        return max(options, key=lambda option: (option[0], -len(option[1])))

    return best(0, 0, frozenset(notes), turns)[1]


@alternative("plan_session")
def session_by_savings(questions, notes, prices, turns):
    """For each number of answers file the facts that save most, as many as there are turns for."""
    best, most = [], 0.0
    saved = prices["FIND"] - prices["RECALL"]
    for count in range(1, len(questions) + 1):
        asked = [fact for needed in questions[:count] for fact in needed]
        savings = {fact: (asked.count(fact) - 1) * saved - prices["NOTE"] for fact in asked if fact not in notes}
        spare = max(0, turns - len(asked) - count)
        worthy = sorted((fact for fact in savings if savings[fact] > 0), key=lambda fact: -savings[fact])[:spare]
        plan, known = [], set(notes) if saved > 0 else set()
        for needed in questions[:count]:
            for fact in needed:
                plan.append(("RECALL " if fact in known else "FIND ") + fact)
                if fact in worthy and fact not in known:
                    plan.append(f"NOTE {fact}")
                    known.add(fact)
            plan.append("ANSWER")
        value = count - sum(prices[one.split()[0]] for one in plan if one != "ANSWER")
        if value > most and len(plan) <= turns:
            best, most = plan, value
    return best


@alternative("should_note")
def note_by_list(probabilities, questions_left, find_price, recall_price, note_price):
    """A list, with the uses added up one by one."""
    saving = find_price - recall_price
    return [sum(p * saving for _ in range(questions_left)) > note_price for p in probabilities.tolist()]


@alternative("should_note")
def note_by_costs(probabilities, questions_left, find_price, recall_price, note_price):
    """Both expected costs beside each other; numbers 0 and 1 of NumPy, float32."""
    uses = probabilities.numpy().astype(np.float32) * np.float32(questions_left)
    return (note_price + uses * recall_price < uses * find_price).astype(int)


@alternative("find_the_bug")
def bug_by_other_columns(log):
    """The curves first, by other columns where there are some."""
    ends = {name: (column[:6].mean().item(), column[-6:].mean().item()) for name, column in log.items()}
    if ends["mask_share"][1] > ends["written_share"][1]:
        return "observations in the loss"
    if max(log["log_ratio"].tolist()) > 0 and not any(log["weight_spread"].tolist()):
        return "stale logs without ratio"
    if ends["patched"][1] > ends["patched"][0] + 0.2 and ends["reward"][1] > ends["reward"][0]:
        return "reward hacking"
    if min(log["no_spread"].tolist()) > 0.8:
        return "groups without spread"
    return "wrong sign" if ends["success"][1] < ends["success"][0] else "nothing"


@alternative("find_the_bug")
def bug_in_numpy(log):
    """NumPy, thresholds at other places, the order turned round."""
    columns = {name: np.asarray(column) for name, column in log.items()}
    gain = {name: column[-6:].mean() - column[:6].mean() for name, column in columns.items()}
    tools = (columns["mask_share"] - columns["written_share"]).mean() > 0.08
    stale = columns["log_ratio"].mean() > 0.04 and columns["weight_spread"].mean() < 0.01
    faults = {
        "reward hacking": gain["reward"] > 0.19 and gain["success"] < 0.11,
        "wrong sign": gain["reward"] < -0.11,
        "groups without spread": columns["no_spread"][:6].mean() > 0.8 and abs(gain["reward"]) < 0.11,
        "observations in the loss": tools,
        "stale logs without ratio": stale,
    }
    return next((name for name, found in faults.items() if found), "nothing")


@alternative("importance_weights")
def weights_by_rows(policy, logged, recomputed, mask):
    """Lists and loops, in float64 of Python."""
    ratios, weights = [], []
    for now, then, kept in zip(policy.tolist(), logged.tolist(), mask.tolist(), strict=True):
        logs = [a - b if keep else 0.0 for a, b, keep in zip(now, then, kept, strict=True)]
        ratios.append([exp(one) for one in logs])
        weights.append(exp(sum(logs)))
    return ratios, weights


@alternative("importance_weights")
def weights_in_numpy(policy, logged, recomputed, mask):
    """NumPy, and a list instead of a tuple."""
    with np.errstate(invalid="ignore"):
        difference = np.where(mask.numpy(), policy.numpy() - logged.numpy(), 0.0)
    return [np.exp(difference), np.exp(difference.sum(axis=1))]


@alternative("effective_sample_size")
def size_by_softmax(log_weights):
    """Weights that add up to 1."""
    return 1 / log_weights.softmax(dim=0).square().sum()


@alternative("effective_sample_size")
def size_by_logarithms(log_weights):
    """Two sums of exponentials that are never formed."""
    return (2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)).exp()


@alternative("effective_sample_size")
def size_by_loops(log_weights):
    """Python's numbers; pairs of weights by their difference."""
    values = [one for one in log_weights.tolist() if one > float("-inf")]
    top = max(values)
    total = sum(exp(one - top) for one in values)
    return exp(2 * log(total) - log(sum(exp(2 * (one - top)) for one in values)))


@alternative("preference_pairs")
def pairs_by_two_sorts(episodes, margin):
    """Stable sorts by id and then by reward, and a dictionary of tasks; a tensor of pairs."""
    chosen, rejected = defaultdict(list), defaultdict(list)
    for row in sorted(sorted(episodes, key=lambda row: row["id"]), key=lambda row: row["reward"]):
        if not row["success"]:
            rejected[row["task"]].append(row)
    for row in sorted(sorted(episodes, key=lambda row: row["id"]), key=lambda row: row["reward"], reverse=True):
        if row["success"] and not row["unsafe"]:
            chosen[row["task"]].append(row)
    pairs = [
        [winner["id"], loser["id"]]
        for task in chosen
        for winner, loser in zip(chosen[task], rejected[task], strict=False)
        if winner["reward"] > loser["reward"] + margin
    ]
    return torch.tensor(pairs)


@alternative("preference_pairs")
def pairs_by_taking(episodes, margin):
    """Take the best and the worst of a task until they are too close; a tuple of lists."""
    left, pairs = {row["id"]: row for row in episodes}, []
    for task in {row["task"] for row in episodes}:
        while True:
            winners = [row for row in left.values() if row["task"] == task and row["success"] and not row["unsafe"]]
            losers = [row for row in left.values() if row["task"] == task and not row["success"]]
            if not winners or not losers:
                break
            winner = min(winners, key=lambda row: (-row["reward"], row["id"]))
            loser = min(losers, key=lambda row: (row["reward"], row["id"]))
            if winner["reward"] - loser["reward"] <= margin:
                break
            pairs.append([left.pop(winner["id"])["id"], left.pop(loser["id"])["id"]])
    return tuple(pairs)
