# %% [markdown]
# # Group-relative policy optimisation
#
# This assignment goes with the chapter *GRPO*. You write the advantage of an answer in its group, the loss with its mask,
# the averages in use, and pass@k, and then train a language model that adds digits with *your* functions. What you hand in
# is judged by the model that your training returns: the checks let it add.
#
# Six exercises, 23 points, and a written answer of 3 points. About two and a half hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 9 come from checks that run after you hand in, on other inputs.
#
# **Shapes.** B answers, L tokens:
#
# | name | shape | meaning |
# |---|---|---|
# | `rewards`, `advantages` | (B,) | one number for each answer |
# | `group_ids` | (B,) integers | answers to one prompt share an id |
# | `log_probabilities`, `old_log_probabilities` | (B, L) | of the tokens, under the policy that is trained and the one that sampled |
# | `mask` | (B, L) bool | true for the tokens that the policy chose, at least one in each answer. Where it is false the other tensors may hold anything, also infinity and NaN |
#
# All tensors are float64 unless said otherwise.

# %% locked=true
from autograder import exam

check = exam("grpo")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 The advantage of an answer in its group · 5 points · difficulty 4 · about 35 minutes
#
# $$\hat A_i = \frac{r_i - \bar r}{s + 10^{-4}}$$
#
# with the mean $\bar r$ and the standard deviation $s$ (of a sample, so with $G - 1$ for a group of $G$) over the answers that
# share the group id. The answers of a group need not stand together, and groups may have different sizes. If all rewards of a group are equal, also in a group
# of one, the advantages are exactly 0.
#
# By hand: rewards $(1, 5, 0, 5, 2)$ with the groups $(0, 7, 0, 7, 0)$. Group 0 has the rewards 1, 0 and 2: mean 1, standard
# deviation 1. The advantages are $(0, 0, -1, 0, 1)$, up to a factor of $1/1.0001$.
#
# <details><summary>Hint 1</summary>Rounding: the float32 mean of seven rewards of 0.9 is not 0.9. What is certain about equal
# rewards?</details>
# <details><summary>Hint 2</summary>A loop over `group_ids.unique()` with a boolean mask is fine here.</details>
# <details><summary>Hint 3</summary>Compare the largest with the smallest reward of the group; start from zeros.</details>


# %% answer="group_advantages"
def group_advantages(rewards, group_ids):
    """Advantages, of the rewards' shape and dtype."""
    ### BEGIN SOLUTION
    advantages = torch.zeros_like(rewards)
    for group in group_ids.unique():
        mine = group_ids == group
        values = rewards[mine]
        if values.max() > values.min():
            advantages[mine] = (values - values.mean()) / (values.std() + 1e-4)
    return advantages
    ### END SOLUTION


# %% check="group_advantages" points=3
check("group_advantages", group_advantages)

# %% check="group_advantages" points=2 hidden=true
check("group_advantages", group_advantages, hidden=True)

# %% [markdown]
# ### 2 The loss · 5 points · difficulty 4 · about 35 minutes
#
# With the ratio $w_{i,l} = \pi_\theta(y_{i,l}) / \pi_{\text{old}}(y_{i,l})$ of each token, its loss is
#
# $$
# \begin{aligned}
# \ell_{i,l} = -\min\big( & w_{i,l} \hat A_i, \\
# & \mathrm{clip}(w_{i,l}, 1 - \varepsilon_{\text{low}}, 1 + \varepsilon_{\text{high}})\, \hat A_i \big),
# \end{aligned}
# $$
#
# and the loss is the mean of $\ell$ over *all tokens* of the batch that the mask keeps. A number. Where the mask is false
# anything may stand, also infinity, and neither the loss nor its gradient may notice.
#
# By hand: one answer of two tokens with the ratios 1.5 and 0.9, $\hat A = 2$, both clips 0.2: the tokens' losses are $-2.4$ and
# $-1.8$, and the loss is $-2.1$. With $\hat A = -2$ they are $3$ and $1.8$, and it is $2.4$.
#
# <details><summary>Hint 1</summary>The advantage belongs to the answer: give it an axis for the tokens.</details>
# <details><summary>Hint 2</summary>Fill in a harmless difference of log-probabilities *before* the exponential.</details>
# <details><summary>Hint 3</summary>Masked sum over number of tokens; `clamp` takes both limits at once.</details>


# %% answer="grpo_loss"
def grpo_loss(log_probabilities, old_log_probabilities, advantages, mask, clip_low, clip_high):
    """The loss of the batch, a scalar."""
    ### BEGIN SOLUTION
    ratio = (log_probabilities - old_log_probabilities).masked_fill(~mask, 0.0).exp()
    advantages = advantages[:, None]
    losses = -torch.minimum(ratio * advantages, ratio.clamp(1 - clip_low, 1 + clip_high) * advantages)
    return losses.masked_fill(~mask, 0.0).sum() / mask.sum()
    ### END SOLUTION


# %% check="grpo_loss" points=3
check("grpo_loss", grpo_loss)

# %% check="grpo_loss" points=2 hidden=true
check("grpo_loss", grpo_loss, hidden=True)

# %% [markdown]
# ### 3 Three averages · 3 points · difficulty 2 · about 15 minutes
#
# Return the tuple of the averages of GRPO, DAPO and Dr. GRPO: the mean over each answer's tokens and then over answers; the
# mean over all tokens; the sum over all tokens divided by $B \cdot L$, whatever the mask is.
#
# By hand: losses $(1, 1, 1)$ and $(5, 0, 0)$ with masks $(1, 1, 1)$ and $(1, 0, 0)$: $(1 + 5)/2 = 3$, then $8/4 = 2$, then
# $8/6 = 1.333$.
#
# <details><summary>Hint 1</summary>All three have masked sums; they differ in what divides them.</details>
# <details><summary>Hint 2</summary>The first divides twice.</details>
# <details><summary>Hint 3</summary>`mask.sum(dim=1)` counts the tokens of each answer, `mask.numel()` is $B \cdot L$.</details>


# %% answer="three_averages"
def three_averages(losses, mask):
    """The tuple (over answers, over tokens, over a fixed length), three scalars."""
    ### BEGIN SOLUTION
    losses = losses.masked_fill(~mask, 0.0)
    answers = (losses.sum(dim=1) / mask.sum(dim=1)).mean()
    return answers, losses.sum() / mask.sum(), losses.sum() / mask.numel()
    ### END SOLUTION


# %% check="three_averages" points=2
check("three_averages", three_averages)

# %% check="three_averages" points=1 hidden=true
check("three_averages", three_averages, hidden=True)

# %% [markdown]
# ### 4 One ratio for an answer · 3 points · difficulty 2 · about 15 minutes
#
# GSPO clips one ratio for each answer: the product of its tokens' ratios, to the power of one over its length,
#
# $$w_i = \Big( \prod_l \frac{\pi_\theta(y_{i,l})}{\pi_{\text{old}}(y_{i,l})} \Big)^{1 / \lvert y_i \rvert}.$$
#
# By hand: tokens with the ratios 2 and 8 give $\sqrt{16} = 4$.
#
# <details><summary>Hint 1</summary>The logarithm of a product is a sum.</details>
# <details><summary>Hint 2</summary>The length is the number of tokens that the mask keeps.</details>
# <details><summary>Hint 3</summary>The exponential of a masked mean.</details>


# %% answer="sequence_ratio"
def sequence_ratio(log_probabilities, old_log_probabilities, mask):
    """The ratio of each answer, shape (B,)."""
    ### BEGIN SOLUTION
    difference = (log_probabilities - old_log_probabilities).masked_fill(~mask, 0.0)
    return (difference.sum(dim=1) / mask.sum(dim=1)).exp()
    ### END SOLUTION


# %% check="sequence_ratio" points=2
check("sequence_ratio", sequence_ratio)

# %% check="sequence_ratio" points=1 hidden=true
check("sequence_ratio", sequence_ratio, hidden=True)

# %% [markdown]
# ### 5 pass@k · 3 points · difficulty 3 · about 20 minutes
#
# Of $n$ samples $c$ were right. The chance that $k$ of them, drawn without replacement, hold a right one is
#
# $$1 - \binom{n - c}{k} \Big/ \binom{n}{k}$$
#
# `num_correct` is a tensor of integers, one for each prompt; $n$ and $k$ are numbers with $k \le n$.
#
# By hand: $n = 4$, $k = 2$ and $c = (0, 1, 3, 4)$ give $(0, \tfrac12, 1, 1)$.
#
# <details><summary>Hint 1</summary>With fewer than k wrong samples every choice holds a right one.</details>
# <details><summary>Hint 2</summary>`math.comb(2, 3)` is 0, so the formula is right there as well.</details>
# <details><summary>Hint 3</summary>A loop over `num_correct.tolist()`.</details>


# %% answer="pass_at_k"
def pass_at_k(num_correct, n, k):
    """pass@k of each prompt, shape (B,)."""
    ### BEGIN SOLUTION
    from math import comb

    return torch.tensor([1 - comb(n - c, k) / comb(n, k) for c in num_correct.tolist()], dtype=torch.float64)
    ### END SOLUTION


# %% check="pass_at_k" points=2
check("pass_at_k", pass_at_k)

# %% check="pass_at_k" points=1 hidden=true
check("pass_at_k", pass_at_k, hidden=True)

# %% [markdown]
# ### 6 Teach a model to think before it answers · 4 points · difficulty 3 · about 25 minutes
#
# Train the model of the chapter with *your* advantage and *your* loss, and return its parameters:
#
# ```python
# from rlkit.grpo import GRPOConfig, train
# from rlkit.lm import chain
# from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
#
# model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
# config = GRPOConfig(seed=..., num_steps=..., kl_coefficient=0.0)
# train(model, tokenizer, chain.prompts, chain.reward, config, advantages=..., loss=...)   # changes the model in place
# ```
#
# `train` calls `advantages(rewards, group_ids)` and `loss(log_probabilities, old_log_probabilities, advantages, mask,
# **options)`; take the options `clip_low` and `clip_high` and let the others go.
#
# Return `list(model.parameters())`. The check puts them into a model of its own and lets it answer 300 sums greedily, and
# asks for 75 of 100 right; the model as it comes has fewer than 20. It also runs two steps with two seeds, whose models must
# differ. It judges the model and cannot see whose loss trained it: that it is yours is for you. Training is
# random: up to three seeds are tried, with 16 steps. One takes about 6 seconds, and the first a few more.
#
# <details><summary>Hint 1</summary>A function of your own between `train` and your loss takes `**options`.</details>
# <details><summary>Hint 2</summary>The number of steps is an argument, and so is the seed.</details>
# <details><summary>Hint 3</summary>If it does not learn: is every check above green?</details>


# %% answer="train_chain"
def train_chain(seed, num_steps):
    """The parameters of the trained model, a list of tensors as `model.parameters()` gives them."""
    ### BEGIN SOLUTION
    from rlkit.grpo import GRPOConfig, train
    from rlkit.lm import chain
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint

    def loss(log_probabilities, old_log_probabilities, advantages, mask, clip_low, clip_high, **options):
        return grpo_loss(log_probabilities, old_log_probabilities, advantages, mask, clip_low, clip_high)

    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
    config = GRPOConfig(seed=seed, num_steps=num_steps, kl_coefficient=0.0)
    train(model, tokenizer, chain.prompts, chain.reward, config, advantages=group_advantages, loss=loss)
    return list(model.parameters())
    ### END SOLUTION


# %% check="train_chain" points=2
check("train_chain", train_chain)

# %% check="train_chain" points=2 hidden=true
check("train_chain", train_chain, hidden=True)

# %% [markdown]
# ### 7 In your own words · 3 points · about 20 minutes
#
# A model solves 30 of 100 problems with one sample and 95 with sixteen. After training it solves 90 with one sample, and 93
# with sixteen. A colleague says that it has learned to solve three times as many problems. Say what pass@1 and pass@16 each
# measure here, explain how the second can fall while the first rises, and name one thing that should be shown beside
# pass@16 before anyone is impressed by it.
#
# *Graded by hand:* 1 point for what the two measure; 1 point for how one can fall; 1 point for what should stand beside it.

# %% [markdown] written="sharpened" points=3
# ### BEGIN SOLUTION
# pass@1 is the mean probability of a right answer; pass@16 nearly counts the problems that the model can solve by any of its
# ways. The training raised the first from 30 to 90, mostly for problems that it could already solve now and then.
#
# A trained policy tries the same way sixteen times. Where this way fails, the earlier policy with its variety was sometimes
# right, so for a few problems the chance of at least one success has fallen.
#
# The pass@16 of guessing: with ten possible answers sixteen guesses are right in 81 of 100 cases.
# ### END SOLUTION
