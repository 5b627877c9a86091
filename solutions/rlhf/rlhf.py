# %% [markdown]
# # Reinforcement learning from human feedback
#
# This assignment goes with the chapter *RLHF*. You write the parts between preferences and PPO: the loss of the reward
# model, where its score is read, the reward of every token, best-of-n, and a test that finds the shortcut which the chapter's
# reward model took.
#
# Six exercises, 23 points, and a written answer of 3 points. About two hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 8 come from checks that run after you hand in, on other inputs.
#
# **Shapes.** B answers or pairs, L tokens, P prompts:
#
# | name | shape | meaning |
# |---|---|---|
# | `chosen_rewards`, `rejected_rewards` | (B,) | the reward model's scores of the two answers of each pair |
# | `mask` | (B, L) bool | true for the tokens of the answer; at least one, without gaps, padding behind |
# | `values` | (B, L) | a number at every token: of the reward model (exercise 2) or of the critic (exercise 4) |
# | `scores` | (B,) | the reward model's score of each answer; (P, N) in exercise 5, N samples of each prompt |
# | `rewards` | (B, L) | of every token |
# | `log_probabilities`, `reference_log_probabilities` | (B, L) | of the tokens, under the policy that sampled and the reference |
#
# All tensors are float64 unless said otherwise.

# %% locked=true
from autograder import exam

check = exam("rlhf")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 The loss of the reward model · 4 points · difficulty 2 · about 15 minutes
#
# Return the loss of each pair of answers to a prompt $x$, where $y^+$ was chosen and $y^-$ rejected:
#
# $$L = -\log \sigma\big( r(x, y^+) - r(x, y^-) \big)$$
#
# It must be right also for a difference of −1000: the loss is then 1000, and not infinite.
#
# By hand: equal rewards have the loss $\log 2$; rewards of $\log 3$ and 0 have $\log \tfrac43$.
#
# <details><summary>Hint 1</summary>Only the difference counts.</details>
# <details><summary>Hint 2</summary>σ(−1000) is 0 for a computer, and its logarithm minus infinity.</details>
# <details><summary>Hint 3</summary>`torch.nn.functional.logsigmoid`.</details>


# %% answer="bradley_terry_loss"
def bradley_terry_loss(chosen_rewards, rejected_rewards):
    """The loss of each pair, shape (B,)."""
    ### BEGIN SOLUTION
    return -torch.nn.functional.logsigmoid(chosen_rewards - rejected_rewards)
    ### END SOLUTION


# %% check="bradley_terry_loss" points=3
check("bradley_terry_loss", bradley_terry_loss)

# %% check="bradley_terry_loss" points=1 hidden=true
check("bradley_terry_loss", bradley_terry_loss, hidden=True)

# %% [markdown]
# ### 2 Where the score is read · 4 points · difficulty 2 · about 20 minutes
#
# A reward model gives a number at every token; the score of an answer is the one at its *last* token, which has read all of
# it. Answers have unequal lengths and padding behind.
#
# By hand: values $(1, 2, 3, 4)$ with the mask $(1, 1, 1, 0)$ have the score 3.
#
# <details><summary>Hint 1</summary>How long is each answer?</details>
# <details><summary>Hint 2</summary>The last place is one less than the length.</details>
# <details><summary>Hint 3</summary>`values[torch.arange(len(values)), places]`, or `gather`.</details>


# %% answer="score_of_answers"
def score_of_answers(values, mask):
    """The value at the last token of each answer, shape (B,)."""
    ### BEGIN SOLUTION
    return values[torch.arange(len(values)), mask.sum(dim=1) - 1]
    ### END SOLUTION


# %% check="score_of_answers" points=3
check("score_of_answers", score_of_answers)

# %% check="score_of_answers" points=1 hidden=true
check("score_of_answers", score_of_answers, hidden=True)

# %% [markdown]
# ### 3 The reward of every token · 5 points · difficulty 3 · about 25 minutes
#
# Return the reward of every token: a penalty on its distance from the reference, and at the last token of the answer the
# score of the whole:
#
# $$
# \begin{aligned}
# r_l ={}& \mathbf 1[l = \lvert y \rvert]\, r_\phi(x, y) \\
# & - \beta \big( \log \pi_{\text{old}}(y_l) - \log \pi_{\text{ref}}(y_l) \big)
# \end{aligned}
# $$
#
# Where the mask is false the reward is 0, whatever stands there, also NaN.
#
# By hand: three tokens, the score 2, $\beta = 0.1$ and log-ratios (policy minus reference) $(0.5, 0, -1)$: the rewards are
# $(-0.05, 0, 2.1)$.
#
# <details><summary>Hint 1</summary>A token that the policy likes more than the reference does pays.</details>
# <details><summary>Hint 2</summary>The last token of the answer, not the last place of the tensor.</details>
# <details><summary>Hint 3</summary>Fill in 0 where the mask is false, then add the score at the last token.</details>


# %% answer="shaped_rewards"
def shaped_rewards(scores, log_probabilities, reference_log_probabilities, mask, beta):
    """The reward of every token, shape (B, L)."""
    ### BEGIN SOLUTION
    rewards = -beta * (log_probabilities - reference_log_probabilities).masked_fill(~mask, 0.0)
    rewards[torch.arange(len(scores)), mask.sum(dim=1) - 1] += scores
    return rewards
    ### END SOLUTION


# %% check="shaped_rewards" points=3
check("shaped_rewards", shaped_rewards)

# %% check="shaped_rewards" points=2 hidden=true
check("shaped_rewards", shaped_rewards, hidden=True)

# %% [markdown]
# ### 4 Advantages of tokens · 4 points · difficulty 4 · about 30 minutes
#
# With a value for each token, $\delta_l = r_l + \gamma V_{l+1} - V_l$ and $\hat A_l = \delta_l + \gamma \lambda \hat A_{l+1}$ inside an
# answer. At its last token the answer is over: there is no next value and no next advantage. Behind it the advantage is 0.
#
# By hand, with $\gamma = 1$ and $\lambda = 0.5$: rewards $(0, 0, 1)$ and values $(0.5, 0.5, 0.5)$ give $\delta = (0, 0, 0.5)$ and
# $\hat A = (0.125, 0.25, 0.5)$.
#
# <details><summary>Hint 1</summary>A loop from the last place to the first, over all answers at once.</details>
# <details><summary>Hint 2</summary>Values behind the end mean nothing: make them 0 before you use them.</details>
# <details><summary>Hint 3</summary>Multiply the running advantage with the mask of its place.</details>


# %% answer="token_advantages"
def token_advantages(rewards, values, mask, discount, gae_lambda):
    """Advantages, shape (B, L)."""
    ### BEGIN SOLUTION
    kept, values = mask.to(values.dtype), values.masked_fill(~mask, 0.0)
    advantages = torch.zeros_like(values)
    following, next_value = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
    for place in reversed(range(values.shape[1])):
        error = rewards[:, place] + discount * next_value - values[:, place]
        following = kept[:, place] * (error + discount * gae_lambda * following)
        next_value = values[:, place]
        advantages[:, place] = following
    return advantages
    ### END SOLUTION


# %% check="token_advantages" points=2
check("token_advantages", token_advantages)

# %% check="token_advantages" points=2 hidden=true
check("token_advantages", token_advantages, hidden=True)

# %% [markdown]
# ### 5 Best of n · 3 points · difficulty 2 · about 15 minutes
#
# For each of P prompts there are samples with a score of the reward model and with the truth. Of the *first* n samples of
# each prompt the one with the largest score is kept (of several the first). Return the share of prompts whose kept sample
# is right.
#
# By hand: scores $(1, 3, 9)$, truth $(1, 0, 1)$: of one sample the first is kept, right; of two the second, wrong; of three
# the third, right.
#
# <details><summary>Hint 1</summary>The truth must not have a say in what is kept.</details>
# <details><summary>Hint 2</summary>Slice first.</details>
# <details><summary>Hint 3</summary>`argmax` over the samples, then look the truth up.</details>


# %% answer="best_of_n"
def best_of_n(scores, right, n):
    """Share of the prompts whose kept sample is right, in [0, 1]; scores (P, N), and right (P, N) with ones and zeros."""
    ### BEGIN SOLUTION
    kept = scores[:, :n].argmax(dim=1)
    return right[torch.arange(len(right)), kept].mean()
    ### END SOLUTION


# %% check="best_of_n" points=2
check("best_of_n", best_of_n)

# %% check="best_of_n" points=1 hidden=true
check("best_of_n", best_of_n, hidden=True)

# %% [markdown]
# ### 6 Find the shortcut · 3 points · difficulty 2 · about 20 minutes
#
# From the scores and the lengths of the two answers of each pair return three accuracies as a tuple: that of the reward model
# on all pairs; that of *length alone* (the longer answer is taken to be better); that of the reward model on the pairs of
# equal length. A tie counts one half. If no pair has equal lengths the third is NaN.
#
# By hand: chosen scores $(2, 1, 0)$, rejected $(1, 0, 1)$; chosen lengths $(12, 12, 3)$, rejected $(3, 3, 3)$. The reward model
# is right in 2 of 3 pairs; length is right in two and ties in one, 2.5 of 3; on the one pair of equal length the reward
# model is wrong, 0.
#
# <details><summary>Hint 1</summary>One helper that compares two tensors serves three times.</details>
# <details><summary>Hint 2</summary>Before anything is learned every pair is a tie.</details>
# <details><summary>Hint 3</summary>The mean of an empty tensor is NaN.</details>


# %% answer="shortcut_report"
def shortcut_report(chosen_scores, rejected_scores, chosen_lengths, rejected_lengths):
    """The tuple (accuracy, accuracy of length alone, accuracy on pairs of equal length); the four arguments are (B,)."""

    ### BEGIN SOLUTION
    def accuracy(first, second):
        return ((first > second).double() + 0.5 * (first == second).double()).mean()

    same = chosen_lengths == rejected_lengths
    return (
        accuracy(chosen_scores, rejected_scores),
        accuracy(chosen_lengths, rejected_lengths),
        accuracy(chosen_scores[same], rejected_scores[same]),
    )
    ### END SOLUTION


# %% check="shortcut_report" points=2
check("shortcut_report", shortcut_report)

# %% check="shortcut_report" points=1 hidden=true
check("shortcut_report", shortcut_report, hidden=True)

# %% [markdown]
# ### 7 In your own words · 3 points · about 20 minutes
#
# A reward model is right on 93 of 100 held-out pairs. Best-of-16 with it raises the share of right answers from 40 to 95 of
# 100. In a run of PPO against it the score rises from step to step. Explain why best-of-16 was safe and PPO may not be,
# name one measurement that you would have made before the training, and one that you would watch during it.
#
# *Graded by hand:* 1 point for the difference between the two uses; 1 point for a measurement before; 1 point for one during.

# %% [markdown] written="over_optimisation" points=3
# ### BEGIN SOLUTION
# Best-of-16 only chooses among the base model's own answers, which are like those of the pairs: there the scores can be
# trusted about as far as the 93 say. PPO changes the policy until it writes answers unlike any pair, where the scores are
# extrapolation, and it goes where the extrapolation is too high.
#
# Before: whether the score sees what matters where nothing easy goes with it, such as on the same answer with a wrong last
# digit; or the accuracy on pairs that no easy feature decides.
#
# During: a judge that was not trained on the same pairs (here the verifier), or samples read by people, and the divergence
# from the reference as a warning.
# ### END SOLUTION
