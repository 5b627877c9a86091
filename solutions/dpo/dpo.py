# %% [markdown]
# # Direct preference optimisation
#
# This assignment goes with the chapter *DPO*. You go from the regularised objective to the loss, and then train a language
# model that adds digits with *your* loss. What you hand in is judged by the model that your training returns: the checks
# let it add.
#
# Seven exercises, 23 points, and a written answer of 3 points. About two and a half hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 8 come from checks that run after you hand in, on other inputs.
#
# **Shapes.** B pairs or answers, L tokens, N answers that can be listed:
#
# | name | shape | meaning |
# |---|---|---|
# | `policy_chosen`, `policy_rejected` | (B,) | log-probability of the whole answer under the policy |
# | `reference_chosen`, `reference_rejected` | (B,) | the same under the reference |
# | `log_probabilities`, `mask` | (B, L) | of each token, and whether the policy chose it (bool) |
# | `margin` | (B,) | implicit reward of the chosen answer minus that of the rejected one |
#
# All tensors are float64 unless said otherwise.

# %% locked=true
from autograder import exam

check = exam("dpo")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 The best policy · 4 points · difficulty 3 · about 25 minutes
#
# Answers that can be listed have the rewards r and the reference probabilities $\pi_{\text{ref}}$. The policy that maximises
# $\mathbb E_\pi[r] - \beta\, D_{\mathrm{KL}}(\pi \,\|\, \pi_{\text{ref}})$ is
#
# $$\pi^*(y) = \frac{\pi_{\text{ref}}(y)\, e^{r(y)/\beta}}{\sum_{y'} \pi_{\text{ref}}(y')\, e^{r(y')/\beta}}$$
#
# You get $\log \pi_{\text{ref}}$ and return $\log \pi^*$.
#
# By hand: $\pi_{\text{ref}} = (\tfrac12, \tfrac12)$, rewards $(0, \log 3)$, $\beta = 1$: the weights are $\tfrac12$ and
# $\tfrac32$, so $\pi^* = (\tfrac14, \tfrac34)$. With $\beta = \tfrac12$ the weights are $\tfrac12$ and $\tfrac92$, and
# $\pi^* = (\tfrac1{10}, \tfrac9{10})$.
#
# <details><summary>Hint 1</summary>A small β goes further from the reference.</details>
# <details><summary>Hint 2</summary>Add the logarithms; what is left is to normalise.</details>
# <details><summary>Hint 3</summary>`log_softmax` normalises log-weights, and does not mind large ones.</details>


# %% answer="optimal_policy"
def optimal_policy(reference_log_probabilities, rewards, beta):
    """Log-probabilities of the best policy, shape (N,)."""
    ### BEGIN SOLUTION
    return (reference_log_probabilities + rewards / beta).log_softmax(dim=-1)
    ### END SOLUTION


# %% check="optimal_policy" points=3
check("optimal_policy", optimal_policy)

# %% check="optimal_policy" points=1 hidden=true
check("optimal_policy", optimal_policy, hidden=True)

# %% [markdown]
# ### 2 The implicit reward, from tokens · 4 points · difficulty 3 · about 20 minutes
#
# $$\hat r_\theta(x, y) = \beta \big( \log \pi_\theta(y \mid x) - \log \pi_{\text{ref}}(y \mid x) \big)$$
#
# Here the log-probabilities are those of tokens, (B, L), and the mask says which of them belong to the answer. What the
# mask leaves out may be anything, also NaN. Answers have unequal lengths.
#
# By hand, with $\beta = 0.5$: an answer of two tokens with policy $(-1, -1)$ and reference $(-2, -3)$ has the reward
# $0.5 \cdot (-2 + 5) = 1.5$.
#
# <details><summary>Hint 1</summary>What is the log-probability of a whole answer?</details>
# <details><summary>Hint 2</summary>A longer answer has more terms; nothing divides by its length.</details>
# <details><summary>Hint 3</summary>Take the difference first, fill in 0 where the mask is false, then add up.</details>


# %% answer="implicit_reward"
def implicit_reward(log_probabilities, reference_log_probabilities, mask, beta):
    """The implicit reward of each answer, shape (B,)."""
    ### BEGIN SOLUTION
    difference = log_probabilities - reference_log_probabilities
    return beta * difference.masked_fill(~mask, 0.0).sum(dim=-1)
    ### END SOLUTION


# %% check="implicit_reward" points=3
check("implicit_reward", implicit_reward)

# %% check="implicit_reward" points=1 hidden=true
check("implicit_reward", implicit_reward, hidden=True)

# %% [markdown]
# ### 3 The loss · 4 points · difficulty 3 · about 20 minutes
#
# Return the loss of each pair, from the implicit rewards of its two answers:
#
# $$L = -\log \sigma\big( \hat r_\theta(x, y^+) - \hat r_\theta(x, y^-) \big)$$
#
# It must be right also where the margin is −1000: the loss is then 1000, and not infinite.
#
# By hand, with $\beta = 1$: policy $-2$ and $-1$, reference $-3$ and $-3$. The margin is $1 - 2 = -1$ and the loss
# $\log(1 + e) = 1.3133$.
#
# <details><summary>Hint 1</summary>Four log-probabilities, one margin.</details>
# <details><summary>Hint 2</summary>σ(−1000) is 0 for a computer, and its logarithm minus infinity.</details>
# <details><summary>Hint 3</summary>`torch.nn.functional.logsigmoid`.</details>


# %% answer="dpo_loss"
def dpo_loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """The loss of each pair, shape (B,)."""
    ### BEGIN SOLUTION
    margin = beta * ((policy_chosen - reference_chosen) - (policy_rejected - reference_rejected))
    return -torch.nn.functional.logsigmoid(margin)
    ### END SOLUTION


# %% check="dpo_loss" points=3
check("dpo_loss", dpo_loss)

# %% check="dpo_loss" points=1 hidden=true
check("dpo_loss", dpo_loss, hidden=True)

# %% [markdown]
# ### 4 What to watch · 2 points · difficulty 1 · about 10 minutes
#
# From the implicit rewards of chosen and rejected answers return the mean margin and the *accuracy*: the share of pairs in
# which the chosen answer has the larger reward, where a tie counts one half. A tuple of two numbers.
#
# By hand: chosen $(1, 0, 2)$ and rejected $(0, 0, 3)$ give the mean margin $0$ and the accuracy $(1 + \tfrac12 + 0)/3 = \tfrac12$.
#
# <details><summary>Hint 1</summary>Before training every pair is a tie.</details>
# <details><summary>Hint 2</summary>A comparison gives true and false; `double` makes ones and zeros of them.</details>
# <details><summary>Hint 3</summary>`(a > b)` plus half of `(a == b)`, and the mean.</details>


# %% answer="margin_and_accuracy"
def margin_and_accuracy(chosen_rewards, rejected_rewards):
    """The tuple (mean margin, accuracy)."""
    ### BEGIN SOLUTION
    margin = chosen_rewards - rejected_rewards
    return margin.mean(), ((margin > 0).double() + 0.5 * (margin == 0).double()).mean()
    ### END SOLUTION


# %% check="margin_and_accuracy" points=1
check("margin_and_accuracy", margin_and_accuracy)

# %% check="margin_and_accuracy" points=1 hidden=true
check("margin_and_accuracy", margin_and_accuracy, hidden=True)

# %% [markdown]
# ### 5 How hard each pair pulls · 3 points · difficulty 3 · about 20 minutes
#
# The derivative of the loss with respect to $\log \pi_\theta(y^+ \mid x)$ is $-w$, and with respect to
# $\log \pi_\theta(y^- \mid x)$ it is $+w$. Return $w$, as a function of the margin $u$ (which has β in it) and of β.
#
# By hand: at the start every margin is 0, and with $\beta = 0.1$ each pair pulls with $w = 0.05$. At $u = \log 3$ it is
# $0.1 \cdot \tfrac14 = 0.025$.
#
# <details><summary>Hint 1</summary>The derivative of −log σ(u) is σ(u) − 1.</details>
# <details><summary>Hint 2</summary>A pair that has been learned hardly pulls.</details>
# <details><summary>Hint 3</summary>The chain rule brings one more factor: how does u depend on log π?</details>


# %% answer="gradient_weight"
def gradient_weight(margin, beta):
    """The weight of each pair, shape (B,), at least 0."""
    ### BEGIN SOLUTION
    return beta * torch.sigmoid(-margin)
    ### END SOLUTION


# %% check="gradient_weight" points=2
check("gradient_weight", gradient_weight)

# %% check="gradient_weight" points=1 hidden=true
check("gradient_weight", gradient_weight, hidden=True)

# %% [markdown]
# ### 6 Labels that may be swapped · 2 points · difficulty 2 · about 15 minutes
#
# If a share $\varepsilon$ of the labels is swapped, the loss of a pair with margin $u$ is
#
# $$-(1 - \varepsilon) \log \sigma(u) - \varepsilon \log \sigma(-u)$$
#
# By hand: $u = 0$ gives $\log 2$ for every $\varepsilon$; $u = \log 3$ and $\varepsilon = 0.25$ give
# $0.75 \log \tfrac43 + 0.25 \log 4 = 0.5623$.
#
# <details><summary>Hint 1</summary>A swapped pair has the margin −u.</details>
# <details><summary>Hint 2</summary>Two losses, weighted; the logarithm stays outside of the mixture.</details>
# <details><summary>Hint 3</summary>`logsigmoid` twice.</details>


# %% answer="smoothed_loss"
def smoothed_loss(margin, label_smoothing):
    """The loss of each pair, shape (B,)."""
    ### BEGIN SOLUTION
    logsigmoid = torch.nn.functional.logsigmoid
    return -(1 - label_smoothing) * logsigmoid(margin) - label_smoothing * logsigmoid(-margin)
    ### END SOLUTION


# %% check="smoothed_loss" points=1
check("smoothed_loss", smoothed_loss)

# %% check="smoothed_loss" points=1 hidden=true
check("smoothed_loss", smoothed_loss, hidden=True)

# %% [markdown]
# ### 7 Teach a model to think before it answers · 4 points · difficulty 3 · about 25 minutes
#
# Train the model of the chapter with *your* loss and return its parameters. `rlkit` has the parts:
#
# ```python
# from rlkit.dpo import DPOConfig, train
# from rlkit.lm import chain
# from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
# from rlkit.lm.preferences import sample_pairs
#
# model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
# pairs = sample_pairs(model, tokenizer, chain.prompts, chain.reward, num_prompts=..., seed=...)
# train(model, tokenizer, pairs, DPOConfig(seed=...), loss=...)   # changes the model in place
# ```
#
# Return `list(model.parameters())`. The check puts them into a model of its own and lets it answer 300 sums greedily, and
# asks for 75 of 100 right; the model as it comes has fewer than 20. It also trains with few prompts and two seeds, whose
# models must differ. It judges the model and cannot see whose loss trained it: that it is yours is for you. Training
# is random: up to three seeds are tried, with 512 prompts. One takes about 6 seconds, and the first a few more.
#
# <details><summary>Hint 1</summary>Both the pairs and the training take the seed.</details>
# <details><summary>Hint 2</summary>Your loss has the arguments that `train` expects, in their order.</details>
# <details><summary>Hint 3</summary>If it does not learn: is every check above green?</details>


# %% answer="train_chain"
def train_chain(seed, num_prompts):
    """The parameters of the trained model, a list of tensors as `model.parameters()` gives them."""
    ### BEGIN SOLUTION
    from rlkit.dpo import DPOConfig, train
    from rlkit.lm import chain
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
    from rlkit.lm.preferences import sample_pairs

    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
    pairs = sample_pairs(model, tokenizer, chain.prompts, chain.reward, num_prompts=num_prompts, seed=seed)
    train(model, tokenizer, pairs, DPOConfig(seed=seed), loss=dpo_loss)
    return list(model.parameters())
    ### END SOLUTION


# %% check="train_chain" points=2
check("train_chain", train_chain)

# %% check="train_chain" points=2 hidden=true
check("train_chain", train_chain, hidden=True)

# %% [markdown]
# ### 8 In your own words · 3 points · about 20 minutes
#
# After some epochs of DPO the log-probability of the *chosen* answers is 3 lower than at the start, that of the rejected ones
# 15 lower. A colleague concludes that the training has broken the model. Explain how the loss could fall while both fall,
# name one measurement that would tell whether there is harm, and name one change that lets the chosen answers fall less, with
# its price.
#
# *Graded by hand:* 1 point for how the loss can fall; 1 point for a measurement that can tell; 1 point for a change with
# its price.

# %% [markdown] written="displacement" points=3
# ### BEGIN SOLUTION
# The loss depends on the two log-probabilities only through their difference (with the reference's taken off). Here the
# margin has grown by 12 β on average, and with it the loss has fallen, although both went down.
#
# The chosen answers are samples from before; there may be other right answers that took their place. Fresh samples tell:
# their mean reward is the probability of all right answers together. (The accuracy on the pairs cannot tell.)
#
# A term of supervised fine-tuning on the chosen answers lets them fall less; its price is another weight to choose, and a pull
# towards exactly these answers. Or a larger β, which moves the policy less, also where it should move.
# ### END SOLUTION
