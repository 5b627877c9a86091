"""Wrong answers to *practices* that students give, each with its name and a hint that does not give the answer."""

from itertools import product

import torch

from autograder.checks import misconception

# ---- submission_reward


def solves(program, tests):
    """Whether a program gives what is due for every entry of every file."""
    return program is not None and all(
        program.get(given) == due for cases in tests.values() for given, due in cases.items()
    )


def changed_files(handed_in, tests):
    """How many of the task's test files were handed in with other entries."""
    return sum(handed_in.get(name, cases) != cases for name, cases in tests.items())


@misconception(
    "submission_reward",
    name="the tests as they were handed in",
    hint="Who wrote the tests that you run? An empty test file has no entry that fails.",
)
def _(handed_in, tests, price):
    run = {name: handed_in.get(name, cases) for name, cases in tests.items()}
    return float(solves(handed_in.get("solution"), run)) - price * (changed_files(handed_in, tests) > 0)


@misconception(
    "submission_reward",
    name="a changed test file costs nothing",
    hint="It earns nothing here, but the next environment may be less careful: what should changing tests cost?",
)
def _(handed_in, tests, price):
    return float(solves(handed_in.get("solution"), tests))


@misconception(
    "submission_reward",
    name="the price for each changed file",
    hint="However many files were changed, the price is taken off once.",
)
def _(handed_in, tests, price):
    return solves(handed_in.get("solution"), tests) - price * changed_files(handed_in, tests)


@misconception(
    "submission_reward",
    name="every test file that is handed in counts as changed",
    hint="Many agents hand in their whole folder. Was the file changed?",
)
def _(handed_in, tests, price):
    return float(solves(handed_in.get("solution"), tests)) - price * any(name in handed_in for name in tests)


@misconception(
    "submission_reward",
    name="a test file that is not handed in counts as deleted",
    hint="What was not handed in stays as the task had it.",
)
def _(handed_in, tests, price):
    changed = any(handed_in.get(name) != cases for name, cases in tests.items())
    return float(solves(handed_in.get("solution"), tests)) - price * (bool(handed_in) and changed)


@misconception(
    "submission_reward",
    name="the share of the entries that pass",
    hint="A program that is right for two inputs of three does not do the task.",
)
def _(handed_in, tests, price):
    cases = [pair for one in tests.values() for pair in one.items()]
    program = handed_in.get("solution", {})
    share = sum(program.get(given) == due for given, due in cases) / len(cases)
    return share - price * (changed_files(handed_in, tests) > 0)


@misconception(
    "submission_reward",
    name="no reward below 0",
    hint="A failure with changed tests is worse than a failure.",
)
def _(handed_in, tests, price):
    return max(0.0, solves(handed_in.get("solution"), tests) - price * (changed_files(handed_in, tests) > 0))


@misconception(
    "submission_reward",
    name="raises an error where no program was handed in",
    hint="A reward that stops the training is of no use: what comes if nothing is handed in?",
)
def _(handed_in, tests, price):
    return float(solves(handed_in["solution"], tests)) - price * (changed_files(handed_in, tests) > 0)


@misconception(
    "submission_reward",
    name="an input that the program does not know passes",
    hint="A program that says nothing has not given what is due.",
)
def _(handed_in, tests, price):
    program = handed_in.get("solution")
    right = program is not None and all(
        program[given] == due for cases in tests.values() for given, due in cases.items() if given in program
    )
    return float(right) - price * (changed_files(handed_in, tests) > 0)


# ---- plan_session


def commands(questions, notes, filed, recalls=True, fresh=True):
    """A session that answers the questions and files some facts when they are first found."""
    known, context, plan = set(notes), set(), []
    for needed in questions:
        context = set() if fresh else context
        for fact in needed:
            if fact in context:
                continue
            context.add(fact)
            if recalls and fact in known:
                plan.append(f"RECALL {fact}")
                continue
            plan.append(f"FIND {fact}")
            if fact in filed and fact not in known:
                plan.append("NOTE")
                known.add(fact)
        plan.append("ANSWER")
    return plan


def value_of(plan, prices):
    """Answers less prices."""
    return sum(1.0 if one == "ANSWER" else -prices[one.split()[0]] for one in plan)


def best_plan(questions, notes, prices, turns, sets=None, counts=None, recalls=None, fresh=True):
    """The best of some plans: those that file one of some sets of facts and answer one of some numbers of questions."""
    facts = sorted({fact for needed in questions for fact in needed})
    if sets is None:
        choices = product([False, True], repeat=len(facts))
        sets = [{fact for fact, yes in zip(facts, choice, strict=True) if yes} for choice in choices]
    recalls = prices["RECALL"] < prices["FIND"] if recalls is None else recalls
    counts = range(len(questions) + 1) if counts is None else counts
    plans = [commands(questions[:count], notes, filed, recalls, fresh) for count in counts for filed in sets]
    short = [plan for plan in plans if len(plan) <= turns]
    return max(short, key=lambda plan: value_of(plan, prices), default=[])


@misconception(
    "plan_session",
    name="files everything that is found",
    hint="A note costs a price and a turn. Who reads it?",
)
def _(questions, notes, prices, turns):
    every = {fact for needed in questions for fact in needed}
    return best_plan(questions, notes, prices, turns, sets=[every])


@misconception(
    "plan_session",
    name="files nothing",
    hint="A later question may need the same fact, in a fresh context.",
)
def _(questions, notes, prices, turns):
    return best_plan(questions, notes, prices, turns, sets=[set()])


@misconception(
    "plan_session",
    name="files every fact that is needed again",
    hint="Does the next use save as much as the note costs, and is there a turn for it?",
)
def _(questions, notes, prices, turns):
    every = [fact for needed in questions for fact in needed]
    return best_plan(questions, notes, prices, turns, sets=[{fact for fact in every if every.count(fact) > 1}])


@misconception(
    "plan_session",
    name="recalls what it knows, whatever that costs",
    hint="A knowledge base can be dearer than a search. Compare the prices.",
)
def _(questions, notes, prices, turns):
    return best_plan(questions, notes, prices, turns, recalls=True)


@misconception(
    "plan_session",
    name="plans more commands than there are turns",
    hint="Count the commands of your plan: also ANSWER and NOTE take a turn.",
)
def _(questions, notes, prices, turns):
    return best_plan(questions, notes, prices, 1000)


@misconception(
    "plan_session",
    name="cuts the plan for many turns off where they end",
    hint="What is the use of searches for a question that is not answered?",
)
def _(questions, notes, prices, turns):
    return best_plan(questions, notes, prices, 1000)[:turns]


@misconception(
    "plan_session",
    name="ANSWER takes no turn",
    hint="Every command takes a turn.",
)
def _(questions, notes, prices, turns):
    plans = [best_plan(questions, notes, prices, turns + count, counts=[count]) for count in range(len(questions) + 1)]
    return max(plans, key=lambda plan: value_of(plan, prices))


@misconception(
    "plan_session",
    name="answers as many questions as the turns allow",
    hint="A question can cost more than it pays; nobody has to answer it.",
)
def _(questions, notes, prices, turns):
    for count in range(len(questions), 0, -1):
        plan = best_plan(questions, notes, prices, turns, counts=[count])
        if plan:
            return plan
    return []


@misconception(
    "plan_session",
    name="stops before the first question that costs more than it pays",
    hint="What a dear question finds can be what later ones need.",
)
def _(questions, notes, prices, turns):
    known, count = set(notes), 0
    for needed in questions:
        cost = sum(min(prices["RECALL"], prices["FIND"]) if fact in known else prices["FIND"] for fact in needed)
        if cost > 1:
            break
        known |= set(needed)
        count += 1
    return best_plan(questions, notes, prices, turns, counts=range(count + 1))


@misconception(
    "plan_session",
    name="a fact stays in the context",
    hint="Every question opens a fresh context: what was found before is gone, unless it was filed and is recalled.",
)
def _(questions, notes, prices, turns):
    return best_plan(questions, notes, prices, turns, fresh=False)


# ---- should_note


@misconception(
    "should_note",
    name="the chance of any use instead of the expected number of uses",
    hint="A fact that is needed twice saves twice.",
)
def _(p, left, find, recall, note):
    return (1 - (1 - p) ** left) * (find - recall) > note


@misconception(
    "should_note",
    name="recalling is taken to be free",
    hint="What does a use cost that is recalled?",
)
def _(p, left, find, recall, note):
    return p * left * find > note


@misconception(
    "should_note",
    name="files whatever may be needed again",
    hint="A note has a price of its own.",
)
def _(p, left, find, recall, note):
    return p * left * (find - recall) > 0


@misconception(
    "should_note",
    name="looks one question ahead",
    hint="How many more questions will come?",
)
def _(p, left, find, recall, note):
    return (p * (find - recall) > note) & (left > 0)


@misconception(
    "should_note",
    name="counts the present question as one of those that come",
    hint="The fact has been found for this question; only later ones can save something.",
)
def _(p, left, find, recall, note):
    return p * (left + 1) * (find - recall) > note


@misconception(
    "should_note",
    name="files also where nothing is gained",
    hint="More than the price was asked for.",
)
def _(p, left, find, recall, note):
    return p * left * (find - recall) >= note


# ---- find_the_bug


def first_and_last(log, name):
    """Means of the first and the last quarter."""
    return float(log[name][:6].mean()), float(log[name][-6:].mean())


def rise(log, name):
    """How much a column has risen."""
    first, last = first_and_last(log, name)
    return last - first


def diagnosis(log):
    """The right rules."""
    if bool((log["mask_share"] > log["written_share"] + 0.05).all()):
        return "observations in the loss"
    if float(log["log_ratio"].mean()) > 0.02 and float(log["weight_spread"].max()) < 1e-6:
        return "stale logs without ratio"
    if rise(log, "reward") < -0.15:
        return "wrong sign"
    if rise(log, "reward") < 0.15:
        return "groups without spread"
    return "nothing" if rise(log, "success") > 0.15 else "reward hacking"


@misconception(
    "find_the_bug",
    name="believes the reward that was trained on",
    hint="Which column says whether the task was done?",
)
def _(log):
    found = diagnosis(log)
    return "nothing" if found == "reward hacking" else found


@misconception(
    "find_the_bug",
    name="a run without spread at its end is taken for one that had none",
    hint="Who always succeeds has no spread either. When was it missing?",
)
def _(log):
    found = diagnosis(log)
    return "groups without spread" if found == "nothing" and first_and_last(log, "no_spread")[1] > 0.6 else found


@misconception(
    "find_the_bug",
    name="old episodes are taken for a mistake also where a ratio corrects them",
    hint="The name has a second half: without ratio.",
)
def _(log):
    found = diagnosis(log)
    return "stale logs without ratio" if found == "nothing" and float(log["log_ratio"].mean()) > 0.02 else found


@misconception(
    "find_the_bug",
    name="a ratio of 1 is taken for a missing one",
    hint="Fresh episodes have a ratio of 1. Which column tells how old they are?",
)
def _(log):
    found = diagnosis(log)
    return "stale logs without ratio" if found == "nothing" and float(log["weight_spread"].max()) < 1e-6 else found


@misconception(
    "find_the_bug",
    name="only a loss over all tokens is taken for one over observations",
    hint="Some of what the tools wrote is too much: what is the mask's share to be compared with?",
)
def _(log):
    if diagnosis(log) == "observations in the loss" and float(log["mask_share"].min()) < 0.99:
        return "nothing"
    return diagnosis(log)


@misconception(
    "find_the_bug",
    name="any difference between the two shares is taken for observations in the loss",
    hint="In which direction do they differ?",
)
def _(log):
    apart = float((log["mask_share"] - log["written_share"]).abs().mean()) > 0.02
    return "observations in the loss" if apart else diagnosis(log)


@misconception(
    "find_the_bug",
    name="any patched test is taken for reward hacking",
    hint="An agent may try it now and then. Is it what is being learned?",
)
def _(log):
    found = diagnosis(log)
    return "reward hacking" if found == "nothing" and float(log["patched"][:6].mean()) > 0.0 else found


@misconception(
    "find_the_bug",
    name="a reward that does not rise is taken for a wrong sign",
    hint="Moving the wrong way and not moving are different: does it fall?",
)
def _(log):
    return "wrong sign" if diagnosis(log) == "groups without spread" else diagnosis(log)


@misconception(
    "find_the_bug",
    name="a wrong sign is taken for a lack of spread",
    hint="Without spread nothing moves. Does something move here?",
)
def _(log):
    return "groups without spread" if diagnosis(log) == "wrong sign" else diagnosis(log)


# ---- importance_weights


def from_difference(difference, mask):
    """Ratios and weights."""
    difference = difference.masked_fill(~mask, 0.0)
    return difference.exp(), difference.sum(1).exp()


@misconception(
    "importance_weights",
    name="the recomputed log-probability instead of the logged one",
    hint="With which probability was the token sampled? The log was written at another temperature than it is read.",
)
def _(policy, logged, recomputed, mask):
    return from_difference(policy - recomputed, mask)


@misconception(
    "importance_weights",
    name="weights of 1, as if the log were fresh",
    hint="The episodes were played by another policy.",
)
def _(policy, logged, recomputed, mask):
    return from_difference(torch.zeros_like(policy), mask)


@misconception(
    "importance_weights",
    name="the old policy at temperature 1 over what was sampled",
    hint="The policy whose return is wanted must stand in the numerator.",
)
def _(policy, logged, recomputed, mask):
    return from_difference(recomputed - logged, mask)


@misconception(
    "importance_weights",
    name="the ratio the wrong way round",
    hint="What has become likelier counts more than once.",
)
def _(policy, logged, recomputed, mask):
    return from_difference(logged - policy, mask)


@misconception(
    "importance_weights",
    name="multiplied by the mask, so that NaN gets through",
    hint="NaN times zero is NaN: fill in a number.",
)
def _(policy, logged, recomputed, mask):
    difference = (policy - logged) * mask
    return difference.exp(), difference.sum(1).exp()


@misconception(
    "importance_weights",
    name="what the tools said counts in the weight",
    hint="What the world said has the same chance under both policies; only what the policy wrote is in the ratio.",
)
def _(policy, logged, recomputed, mask):
    difference = policy - logged
    return difference.masked_fill(~mask, 0.0).exp(), difference.sum(1).exp()


@misconception(
    "importance_weights",
    name="the mean over the tokens instead of their product",
    hint="The chance of an episode is a product; the root of it belongs to another method.",
)
def _(policy, logged, recomputed, mask):
    difference = (policy - logged).masked_fill(~mask, 0.0)
    return difference.exp(), (difference.sum(1) / mask.sum(1)).exp()


@misconception(
    "importance_weights",
    name="clipped ratios",
    hint="A clipped ratio is no longer the ratio: the weighted mean is then not the return.",
)
def _(policy, logged, recomputed, mask):
    ratio = (policy - logged).masked_fill(~mask, 0.0).exp().clamp(0.8, 1.2)
    return ratio, ratio.prod(1)


@misconception(
    "importance_weights",
    name="weights that are divided by their mean",
    hint="That is another estimator: it is not exact, and the weight of one episode then depends on the others.",
)
def _(policy, logged, recomputed, mask):
    ratio, weights = from_difference(policy - logged, mask)
    return ratio, weights / weights.mean()


# ---- effective_sample_size


def scaled(log_weights):
    """Weights up to a factor."""
    return (log_weights - log_weights.max()).exp()


@misconception(
    "effective_sample_size",
    name="the exponential of large log-weights",
    hint="e^1000 is too large for a number. What may you subtract first?",
)
def _(log_weights):
    weights = log_weights.exp()
    return weights.sum() ** 2 / (weights**2).sum()


@misconception(
    "effective_sample_size",
    name="a share of the episodes instead of their number",
    hint="Equal weights of four episodes give 4.",
)
def _(log_weights):
    weights = scaled(log_weights)
    return weights.sum() ** 2 / (weights**2).sum() / len(weights)


@misconception(
    "effective_sample_size",
    name="the inverse",
    hint="It should be between 1 and the number of episodes.",
)
def _(log_weights):
    weights = scaled(log_weights)
    return (weights**2).sum() / weights.sum() ** 2


@misconception(
    "effective_sample_size",
    name="the logarithms are taken for the weights",
    hint="You got logarithms.",
)
def _(log_weights):
    return log_weights.sum() ** 2 / (log_weights**2).sum()


@misconception(
    "effective_sample_size",
    name="the sum over the largest weight",
    hint="That is another measure of the same thing. Where does the square of every weight stand?",
)
def _(log_weights):
    return scaled(log_weights).sum()


@misconception(
    "effective_sample_size",
    name="the exponential of the entropy",
    hint="That is the perplexity of the weights, another measure. Sums of weights and of squares were asked for.",
)
def _(log_weights):
    shares = log_weights.softmax(0)
    return torch.special.entr(shares).sum().exp()


# ---- preference_pairs


def paired(rows, margin, chosen=lambda row: row["success"] and not row["unsafe"], rejected=lambda row: not row["success"],
           group="task", name="id", up=1, at_least=False):  # fmt: skip
    """Pairs by the rule, or by one that differs from it."""
    pairs = []
    for task in dict.fromkeys(row.get(group) for row in rows):
        mine = [row for row in rows if row.get(group) == task]
        winners = sorted((row for row in mine if chosen(row)), key=lambda row: (-row["reward"], row["id"]))
        losers = sorted((row for row in mine if rejected(row)), key=lambda row: (up * row["reward"], row["id"]))
        for winner, loser in zip(winners, losers, strict=False):
            gap = winner["reward"] - loser["reward"]
            if gap > margin or (at_least and gap == margin):
                pairs.append((winner[name], loser[name]))
    return pairs


@misconception(
    "preference_pairs",
    name="pairs across tasks",
    hint="A success at a light task says nothing about a failure at a hard one.",
)
def _(rows, margin):
    return paired(rows, margin, group="no such column")


@misconception(
    "preference_pairs",
    name="every success with every failure",
    hint="How often may an episode be used?",
)
def _(rows, margin):
    return [
        (one["id"], two["id"]) for one in rows for two in rows
        if one["task"] == two["task"] and one["success"] and not one["unsafe"] and not two["success"]
        and one["reward"] - two["reward"] > margin
    ]  # fmt: skip


@misconception(
    "preference_pairs",
    name="unsafe successes are chosen",
    hint="What would the trained agent do more often?",
)
def _(rows, margin):
    return paired(rows, margin, chosen=lambda row: row["success"])


@misconception(
    "preference_pairs",
    name="unsafe successes are rejected",
    hint="Only failures were to be rejected here.",
)
def _(rows, margin):
    return paired(rows, margin, rejected=lambda row: not row["success"] or row["unsafe"])


@misconception(
    "preference_pairs",
    name="unsafe failures are left out",
    hint="A failure may be rejected whether it was unsafe or not.",
)
def _(rows, margin):
    return paired(rows, margin, rejected=lambda row: not row["success"] and not row["unsafe"])


@misconception(
    "preference_pairs",
    name="the margin is not looked at",
    hint="A pair that differs by little teaches little.",
)
def _(rows, margin):
    return paired(rows, -1e9)


@misconception(
    "preference_pairs",
    name="a pair that just meets the margin is kept",
    hint="More than the margin was asked for.",
)
def _(rows, margin):
    return paired(rows, margin, at_least=True)


@misconception(
    "preference_pairs",
    name="the rejected one first",
    hint="Which of the two ids is to come first?",
)
def _(rows, margin):
    return [(loser, winner) for winner, loser in paired(rows, margin)]


@misconception(
    "preference_pairs",
    name="the best success with the best failure",
    hint="From which end are the failures taken?",
)
def _(rows, margin):
    return paired(rows, margin, up=-1)


@misconception(
    "preference_pairs",
    name="places in the list instead of ids",
    hint="Rows of a log may come in any order and with gaps; an episode is named by its id.",
)
def _(rows, margin):
    return paired([{**row, "place": place} for place, row in enumerate(rows)], margin, name="place")
