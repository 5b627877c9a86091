# %% [markdown]
# # Practices
#
# This assignment goes with the chapters *Three practices* and *The flywheel*. You write the reward of a coding agent, plan
# what a research agent searches and files, read the logs of training runs, and turn logged episodes into weights and pairs.
#
# Seven exercises, 23 points, and a written answer of 3 points. About three hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 10 come from checks that run after you hand in, on other inputs.
#
# **Shapes.** B episodes, L tokens, F facts, N episodes, T iterations:
#
# | name | shape | meaning |
# |---|---|---|
# | `policy`, `logged`, `recomputed` | (B, L) | three log-probabilities of the same tokens (exercise 5) |
# | `mask` | (B, L) bool | true for the tokens that the policy wrote. Where it is false the other tensors may hold anything, also infinity and NaN |
# | `probabilities` | (F,) | of being asked for |
# | `log_weights` | (N,) | logarithms of the episodes' weights |
# | a column of a training log | (T,) | one key figure, iteration by iteration; T is 24 |
#
# All tensors are float64 unless said otherwise. Where a result is a list of numbers or of true and false, a list, an array
# or a tensor will do.

# %% locked=true
from autograder import exam

check = exam("practices")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 A reward that cannot be talked round · 4 points · difficulty 2 · about 20 minutes
#
# A coding agent hands in files. If its reward runs the tests *as handed in*, then an empty test file is the shortest way to
# success. So nothing is executed here: a program is a table from inputs to outputs, `{1: 2, 5: 10}`, and a test file is a
# table from inputs to the outputs that are due. A program may have no entry for an input.
#
# You get `handed_in`, tables by file name, and `tests`, the task's own test files by name: all of them, those that the agent
# could see and those that it could not. The program is the file `"solution"`. Return a number:
#
# - 1 if the program gives what is due for every entry of every test file, *with the files as the task has them*, else 0;
# - less `price`, once, if a file with the name of one of the task's test files was handed in and is not equal to the task's.
#
# A test file that was not handed in counts as left alone. Without a program there is no success; without any file the
# reward is 0.
#
# By hand: the tests are `{"visible": {1: 2}, "hidden": {5: 10}}` and the price is 0.5. The program `{1: 2, 5: 6}` with an
# emptied file `"visible": {}` earns $0 - 0.5 = -0.5$. The program `{1: 2, 5: 10}` alone earns 1.
#
# <details><summary>Hint 1</summary>Which of the two dictionaries says what is tested? Is the other one needed for that at
# all?</details>
# <details><summary>Hint 2</summary>`program.get(given)` is None where there is no entry, and None equals no number.</details>
# <details><summary>Hint 3</summary>Two statements with `all` and `any`: `all` over the entries of all files in `tests`, `any`
# over the names in `tests`.</details>


# %% answer="submission_reward"
def submission_reward(handed_in, tests, price):
    """The reward of what was handed in, a number."""
    ### BEGIN SOLUTION
    program = handed_in.get("solution", {})
    solved = "solution" in handed_in and all(
        program.get(given) == due for cases in tests.values() for given, due in cases.items()
    )
    changed = any(handed_in.get(name, cases) != cases for name, cases in tests.items())
    return float(solved) - price * changed
    ### END SOLUTION


# %% check="submission_reward" points=3
check("submission_reward", submission_reward)

# %% check="submission_reward" points=1 hidden=true
check("submission_reward", submission_reward, hidden=True)

# %% [markdown]
# ### 2 The best session · 4 points · difficulty 4 · about 40 minutes
#
# A research agent answers questions in their order. Each is a list of the facts that it needs. Every question opens a fresh
# context; the knowledge base survives. The commands, each of which takes one turn:
#
# | command | what it does |
# |---|---|
# | `"FIND fact"` | brings a fact into the context, whatever is known |
# | `"RECALL fact"` | brings a fact into the context that is in the knowledge base |
# | `"NOTE"` | files the fact that was found last in this context |
# | `"ANSWER"` | answers the question, for which all its facts must be in the context; pays 1 |
#
# `prices` has the prices of FIND, RECALL and NOTE; ANSWER is free. `notes` is what the knowledge base holds at the start.
# The session ends after `turns` commands, or earlier if you stop. Here you know all the questions beforehand: return the
# list of commands with the largest value, answers less prices. It is what an agent that learns can reach at best. There
# are at most six different facts and six questions, and no question needs a fact twice.
#
# By hand: the questions need $ab$, $ac$ and $ab$, a search costs 0.30, a recall or a note 0.02. Without notes six searches
# and three answers take 9 turns and are worth $3 - 1.8 = 1.2$. Filing $a$ takes a turn and saves $2 \cdot 0.28 - 0.02 = 0.54$;
# filing $b$ saves 0.26. So with 11 turns the best session is worth 2.00, with 10 turns 1.74, and with 9 turns 1.20. With 8
# turns only two questions are answered; filing $a$ makes that worth $2 - 1.2 + 0.26 = 1.06$.
#
# <details><summary>Hint 1</summary>Once it is settled how many questions are answered and which facts are filed when they are
# first found, nothing is left to decide.</details>
# <details><summary>Hint 2</summary>With six facts there are 64 sets of facts to file and seven numbers of questions to answer:
# write out the commands of each, and keep the best that is short enough. Should nothing be worth it, the plan is empty.</details>
# <details><summary>Hint 3</summary>`itertools.product([False, True], repeat=len(facts))` gives the sets. For each fact of each
# question: RECALL if it is known and that is the cheaper way; else FIND, and NOTE if it is in the set and not yet known.</details>


# %% answer="plan_session"
def plan_session(questions, notes, prices, turns):
    """The commands of the best session, a list of strings."""
    ### BEGIN SOLUTION
    from itertools import product

    facts = sorted({fact for needed in questions for fact in needed})
    best, best_value = [], 0.0
    for count in range(1, len(questions) + 1):
        for choice in product([False, True], repeat=len(facts)):
            filed, known, plan = {fact for fact, yes in zip(facts, choice, strict=True) if yes}, set(notes), []
            for needed in questions[:count]:
                for fact in needed:
                    if fact in known and prices["RECALL"] < prices["FIND"]:
                        plan.append(f"RECALL {fact}")
                        continue
                    plan.append(f"FIND {fact}")
                    if fact in filed - known:
                        plan.append("NOTE")
                        known.add(fact)
                plan.append("ANSWER")
            value = count - sum(prices.get(command.split()[0], 0.0) for command in plan)
            if len(plan) <= turns and value > best_value:
                best, best_value = plan, value
    return best
    ### END SOLUTION


# %% check="plan_session" points=2
check("plan_session", plan_session)

# %% check="plan_session" points=2 hidden=true
check("plan_session", plan_session, hidden=True)

# %% [markdown]
# ### 3 What to file · 2 points · difficulty 2 · about 15 minutes
#
# An agent does not know the questions beforehand. It has found some facts, and `questions_left` more questions will come.
# Each of them needs a fact with that fact's probability, whatever the others need. A fact that is filed is recalled from
# then on; one that is not is searched for each time. File a fact if and only if the expected saving is *more* than the
# price of the note. (Waiting, to file it when it is next found, does not change the rule: what is left to save is then
# less, and the search was paid for.)
#
# By hand: 4 questions left, prices 0.30 (find), 0.02 (recall), 0.02 (note). A fact with probability 0.05 is expected to be
# needed 0.2 times and saves $0.2 \cdot 0.28 = 0.056 > 0.02$: file it. With probability 0.01 it saves 0.0112: do not.
#
# <details><summary>Hint 1</summary>What does one later use save, if the fact is filed?</details>
# <details><summary>Hint 2</summary>The expected number of uses is a sum of probabilities, one for each question. It can be more
# than 1.</details>
# <details><summary>Hint 3</summary>A product of three numbers, compared with a fourth.</details>


# %% answer="should_note"
def should_note(probabilities, questions_left, find_price, recall_price, note_price):
    """Which facts to file, true or false for each, shape (F,)."""
    ### BEGIN SOLUTION
    return probabilities * questions_left * (find_price - recall_price) > note_price
    ### END SOLUTION


# %% check="should_note" points=1
check("should_note", should_note)

# %% check="should_note" points=1 hidden=true
check("should_note", should_note, hidden=True)

# %% [markdown]
# ### 4 Find the bug · 4 points · difficulty 4 · about 35 minutes
#
# A training run of a coding agent left a log: a dictionary of columns, tensors of 24 numbers, one for each iteration. Say
# what went wrong:
#
# | name | what it means |
# |---|---|
# | `"nothing"` | the run is in order |
# | `"observations in the loss"` | tokens that the tools wrote were trained on, some or all of them |
# | `"reward hacking"` | the agent learned to earn the reward and not to do the task |
# | `"groups without spread"` | from the beginning hardly any group had two different rewards, so there was nothing to learn from |
# | `"wrong sign"` | the policy was moved away from what was rewarded |
# | `"stale logs without ratio"` | an older policy's episodes were trained on as if the present policy had just played them |
#
# The columns:
#
# | column | meaning |
# |---|---|
# | `reward` | mean reward of the episodes that were trained on |
# | `success`, `visible`, `patched` | of new episodes of the present policy: shares that pass the hidden tests, that pass the visible tests as handed in, that overwrote these |
# | `kl` | divergence from the policy before training |
# | `no_spread` | share of groups in which all rewards are equal |
# | `written_share`, `mask_share` | share of all tokens that the policy wrote, and share that is in the loss. A token that the policy wrote may be left out of the loss for other reasons, such as an answer that was cut |
# | `log_ratio` | mean distance, without sign, of the tokens' log-probabilities from those noted when they were sampled |
# | `weight_spread` | standard deviation of the ratios that the loss multiplies the tokens by; 0 if it has none, or if all are 1 |
# | `tokens` | tokens of an episode |
#
# The logs come from short runs of 96 episodes an iteration, with a small agent that has a table in place of a language model.
# Each has one fault or none, and is clear:
#
# - what a fault or learning makes rise or fall differs by more than 0.2 between the mean of the first six iterations and that
#   of the last six, and what stays differs by less than 0.1;
# - `mask_share` is nowhere above `written_share`, or everywhere by more than 0.1;
# - `log_ratio` is 0 throughout, or its mean over the run is above 0.05;
# - where groups have no spread from the beginning, `no_spread` is above 0.8 in every iteration; elsewhere its mean over the
#   first six is below 0.8.
#
# Curves that look good prove little: with the tools' tokens in the loss, or with stale logs, this small agent still learns.
#
# Six logs, each as the mean of the first six iterations → that of the last six. Their `weight_spread` is 0.
#
# | name | `reward` | `success` | `no_spread` | `patched` | `kl` |
# |---|---|---|---|---|---|
# | nothing | 0.52 → 0.98 | 0.52 → 0.98 | 0.06 → 0.86 | 0.09 → 0.01 | 0.42 → 1.66 |
# | observations in the loss | 0.51 → 0.97 | 0.51 → 0.97 | 0.11 → 0.75 | 0.05 → 0.00 | 0.53 → 1.96 |
# | reward hacking | 0.58 → 0.98 | 0.07 → 0.07 | 0.08 → 0.89 | 0.55 → 0.98 | 0.47 → 1.61 |
# | groups without spread | 0.00 → 0.00 | 0.00 → 0.00 | 0.99 → 0.99 | 0.12 → 0.12 | 0.00 → 0.00 |
# | wrong sign | 0.41 → 0.10 | 0.41 → 0.10 | 0.00 → 0.42 | 0.15 → 0.24 | 0.05 → 0.67 |
# | stale logs without ratio | 0.32 → 0.99 | 0.44 → 0.98 | 0.19 → 0.89 | 0.10 → 0.00 | 0.30 → 1.85 |
#
# | name | `written_share` | `mask_share` | `log_ratio` |
# |---|---|---|---|
# | nothing | 0.44 → 0.46 | 0.44 → 0.46 | 0.00 → 0.00 |
# | observations in the loss | 0.44 → 0.46 | 1.00 → 1.00 | 0.00 → 0.00 |
# | reward hacking | 0.41 → 0.40 | 0.41 → 0.40 | 0.00 → 0.00 |
# | groups without spread | 0.42 → 0.42 | 0.42 → 0.42 | 0.00 → 0.00 |
# | wrong sign | 0.44 → 0.41 | 0.44 → 0.41 | 0.00 → 0.00 |
# | stale logs without ratio | 0.43 → 0.46 | 0.43 → 0.46 | 0.19 → 0.00 |
#
# By hand: in the third line of the first table the reward rises by 0.40 and success by 0.00. What was learned is the
# reward, and not the task. In the first line both rise by 0.46. A check that fails prints its log in this way; `print(log)` in your function shows all of it.
#
# <details><summary>Hint 1</summary>Two of the five faults say nothing about the curves: they can be seen by comparing two
# columns with each other.</details>
# <details><summary>Hint 2</summary>A divergence that grows is no fault: learning moves a policy. Groups without spread at the end
# are none either: who always succeeds has none.</details>
# <details><summary>Hint 3</summary>First the two comparisons. Then: does the reward fall, stay, or rise? If it rises, does success
# rise with it?</details>


# %% answer="find_the_bug"
def find_the_bug(log):
    """The name of what went wrong, one of the six."""
    ### BEGIN SOLUTION
    rise = {name: float(column[-6:].mean() - column[:6].mean()) for name, column in log.items()}
    if (log["mask_share"] > log["written_share"] + 0.05).all():
        return "observations in the loss"
    if log["log_ratio"].mean() > 0.02 and log["weight_spread"].max() < 1e-6:
        return "stale logs without ratio"
    if rise["reward"] < -0.15:
        return "wrong sign"
    if rise["reward"] < 0.15:
        return "groups without spread"
    return "nothing" if rise["success"] > 0.15 else "reward hacking"
    ### END SOLUTION


# %% check="find_the_bug" points=2
check("find_the_bug", find_the_bug)

# %% check="find_the_bug" points=2 hidden=true
check("find_the_bug", find_the_bug, hidden=True)

# %% [markdown]
# ### 5 Weights for stale logs · 4 points · difficulty 3 · about 25 minutes
#
# An older policy, at temperature 2, left a log. We want the return of another policy from it. Three numbers are there
# for each token:
#
# | name | log-probability of the token |
# |---|---|
# | `policy` | under the policy whose return we want |
# | `logged` | noted while the token was sampled |
# | `recomputed` | what the old policy's weights say when they read the log again today, at temperature 1 |
#
# An episode that the log holds with the chance $\mu(\tau)$ and that the other policy would play with $\pi(\tau)$ counts
# $\pi(\tau) / \mu(\tau)$ times:
#
# $$\mathbb E_\mu\!\left[ \frac{\pi(\tau)}{\mu(\tau)}\, R(\tau) \right] = \sum_\tau \pi(\tau)\, R(\tau) = \mathbb E_\pi[R(\tau)],$$
#
# and as what the world said has the same chance under both, only the tokens that the policy wrote remain in the ratio.
# Return a tuple: the ratio of each token, (B, L), which is 1 where the mask is false, and the weight of each episode, (B,).
#
# Nothing is clipped here: clipping belongs to a loss, and the mean with clipped weights is not the return. The estimate has
# to be exact: the checks list every episode of a game of two decisions, with its chance, and compare.
#
# By hand: an episode of two tokens was sampled with the probabilities $\tfrac12$ and $\tfrac14$. The other policy gives them
# $\tfrac34$ and $\tfrac12$. The ratios are $1.5$ and $2$, the weight is 3.
#
# <details><summary>Hint 1</summary>How likely was the episode *then*? One of the three numbers is not needed.</details>
# <details><summary>Hint 2</summary>The logarithm of a product is a sum. Of thousands of ratios the product can be too large for
# a number on the way, though it is 1 at the end.</details>
# <details><summary>Hint 3</summary>One difference, filled with 0 where the mask is false; then its exponential, and the exponential
# of its sum.</details>


# %% answer="importance_weights"
def importance_weights(policy, logged, recomputed, mask):
    """The tuple (ratio of each token, (B, L); weight of each episode, (B,))."""
    ### BEGIN SOLUTION
    difference = (policy - logged).masked_fill(~mask, 0.0)
    return difference.exp(), difference.sum(dim=1).exp()
    ### END SOLUTION


# %% check="importance_weights" points=2
check("importance_weights", importance_weights)

# %% check="importance_weights" points=2 hidden=true
check("importance_weights", importance_weights, hidden=True)

# %% [markdown]
# ### 6 How many episodes are left · 2 points · difficulty 2 · about 10 minutes
#
# N weighted episodes are worth at most N equally weighted ones. The effective sample size of the weights $w_i$ is
#
# $$\Big( \sum_i w_i \Big)^2 \Big/ \sum_i w_i^2,$$
#
# a number from 1 (one weight outweighs all) to N (all are equal). You get the logarithms of the weights, which can be in
# the hundreds; minus infinity is the logarithm of a weight of 0. At least one is finite.
#
# By hand: the weights 1, 2 and 3 give $6^2 / 14 = 2.57$ of 3 episodes.
#
# <details><summary>Hint 1</summary>What happens to the size if all weights are doubled?</details>
# <details><summary>Hint 2</summary>Subtract the largest log-weight from all before the exponential.</details>
# <details><summary>Hint 3</summary>Two sums and a square. `softmax` also divides all weights by the same number.</details>


# %% answer="effective_sample_size"
def effective_sample_size(log_weights):
    """The effective number of episodes, a scalar."""
    ### BEGIN SOLUTION
    weights = (log_weights - log_weights.max()).exp()
    return weights.sum() ** 2 / (weights**2).sum()
    ### END SOLUTION


# %% check="effective_sample_size" points=1
check("effective_sample_size", effective_sample_size)

# %% check="effective_sample_size" points=1 hidden=true
check("effective_sample_size", effective_sample_size, hidden=True)

# %% [markdown]
# ### 7 Pairs from a log · 3 points · difficulty 3 · about 25 minutes
#
# DPO needs pairs. A log has rows, dictionaries with `id` and `task` (integers), `reward` (a number), `success` and `unsafe`
# (true or false). For each task on its own:
#
# - to be *chosen*: its episodes that succeeded and were not unsafe, from the largest reward down;
# - to be *rejected*: its episodes that failed, unsafe or not, from the smallest reward up;
# - among equal rewards the smaller id comes first, in both;
# - the first is paired with the first, the second with the second, and so on; a pair is kept if the chosen reward is *more* than
#   `margin` above the rejected one.
#
# What is left over stands in no pair, and neither do unsafe successes. Return a list of pairs (id of the chosen, id of the
# rejected), in any order. (The chapter's own function differs: it also takes a lesser success for the worse of two.)
#
# By hand: task 5 has the successes 11 (reward 0.75) and 13 (0.875), the unsafe success 15 (1.0) and the failures 12 (−0.25)
# and 14 (0.0). With a margin of 0.5 the pairs are (13, 12), with 1.125 between them, and (11, 14), with 0.75. With a
# margin of 0.75 only the first is left.
#
# <details><summary>Hint 1</summary>Make the two lists of one task first, and look at them.</details>
# <details><summary>Hint 2</summary>Python sorts tuples by their first entry and then by their second; a minus turns the order
# round.</details>
# <details><summary>Hint 3</summary>`zip` stops at the end of the shorter list.</details>


# %% answer="preference_pairs"
def preference_pairs(episodes, margin):
    """The pairs (id of the chosen episode, id of the rejected one), a list."""
    ### BEGIN SOLUTION
    pairs = []
    for task in {row["task"] for row in episodes}:
        mine = [row for row in episodes if row["task"] == task]
        chosen = sorted((-row["reward"], row["id"]) for row in mine if row["success"] and not row["unsafe"])
        rejected = sorted((row["reward"], row["id"]) for row in mine if not row["success"])
        for (minus_reward, winner), (reward, loser) in zip(chosen, rejected, strict=False):
            if -minus_reward - reward > margin:
                pairs.append((winner, loser))
    return pairs
    ### END SOLUTION


# %% check="preference_pairs" points=2
check("preference_pairs", preference_pairs)

# %% check="preference_pairs" points=1 hidden=true
check("preference_pairs", preference_pairs, hidden=True)

# %% [markdown]
# ### 8 In your own words · 3 points · about 20 minutes
#
# An agent succeeds in 36 of 100 tasks, and acts unsafely in 9 of 100. Its successful episodes are logged, and a copy of the
# agent is trained to imitate them. The copy succeeds in 95 of 100 tasks and acts unsafely in 18. Nobody rewarded unsafe
# actions. Explain how imitating successes can double their share. Say what leaving unsafe episodes out of the imitated ones
# would cure, and what it could not. And name what the log must hold of every token if the episodes are later to be used with
# importance weights, and why it cannot be computed afterwards.
#
# *Graded by hand:* 1 point for how the share can double; 1 point for what the filter cures and what it does not; 1 point for
# what to log and why.

# %% [markdown] written="imitated_habits" points=3
# ### BEGIN SOLUTION
# Who chooses by success also chooses what goes with success. Where the unsafe action is a way to succeed, such as forcing a
# lock instead of waiting for it, unsafe episodes are more frequent among the successes than among all: if 6 or 7 of the 9
# unsafe episodes are among the 36 successes, then about 18 of 100 imitated episodes are unsafe. The copy reproduces the share of what
# it imitates.
#
# Without the unsafe episodes there is no unsafe way left to imitate. But the copy is not told that the action is bad, as a log
# of good examples holds no bad ones: in situations that the log does not cover it can still do what it did before, and tasks
# that were only solved unsafely are lost with their episodes. A price on unsafe actions, or pairs in which the unsafe episode
# is the rejected one, would push against it.
#
# The log-probability with which the token was sampled. It depends on the weights of that day, on the temperature and on the
# engine that sampled. Other weights, or the same ones read at another temperature, give another number, and the weighted mean
# is then not the return of the new policy.
# ### END SOLUTION
