# %% [markdown]
# # A language model is a policy
#
# This assignment goes with the chapter *A language model is a policy*. You write the formulas on which the next three
# assignments stand: the log-probability of an answer with its shift and its mask, sampling with a temperature, and the
# three estimates of a divergence. Small tables stand in for the model, so everything can be worked by hand.
#
# Seven exercises, 23 points, and a written answer of 3 points. About two and a half hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 8 come from checks that run after you hand in, on other inputs.
#
# **Shapes.** B answers, L tokens, a vocabulary of V tokens:
#
# | name | shape | meaning |
# |---|---|---|
# | `logits` | (B, L, V) | what the model gives at each place |
# | `ids` | (B, L) integers | the tokens |
# | `log_probabilities` | (B, L) | of each token, given those before it |
# | `mask` | (B, L) bool | true for the tokens that the policy chose |
#
# All tensors are float64 unless said otherwise.

# %% locked=true
from autograder import exam

check = exam("language_model")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 Log-probabilities of tokens · 5 points · difficulty 3 · about 30 minutes
#
# The logits at place $t - 1$ are about the token at place $t$. So $L$ places give $L - 1$ log-probabilities:
#
# $$\log \pi(x_t \mid x_{<t}) = z_{t-1, x_t} - \log \sum_v e^{z_{t-1, v}}$$
#
# By hand, with a vocabulary of 3: the tokens are (0, 1, 2), the logits at the three places $(0, \log 2, 0)$,
# $(0, 0, 0)$ and $(5, 0, 0)$. Token 1 after token 0 has the probability $2/4$; token 2 after it $1/3$. The answer is
# $(\log \tfrac12, \log \tfrac13)$. The last logits are about a token that is not there.
#
# <details><summary>Hint 1</summary>Which logits are left out, and which token has no log-probability?</details>
# <details><summary>Hint 2</summary>`log_softmax` over the last axis, then `gather` with the tokens as index.</details>
# <details><summary>Hint 3</summary>`gather` wants an index with as many axes: `ids[..., None]`, and the last axis goes
# again with `squeeze(-1)`.</details>


# %% answer="token_log_probabilities"
def token_log_probabilities(logits, ids):
    """Log-probability of each token but the first, shape (B, L - 1)."""
    ### BEGIN SOLUTION
    log_probabilities = logits[:, :-1].log_softmax(dim=-1)
    return log_probabilities.gather(-1, ids[:, 1:, None]).squeeze(-1)
    ### END SOLUTION


# %% check="token_log_probabilities" points=3
check("token_log_probabilities", token_log_probabilities)

# %% check="token_log_probabilities" points=2 hidden=true
check("token_log_probabilities", token_log_probabilities, hidden=True)

# %% [markdown]
# ### 2 The mask of an answer · 4 points · difficulty 3 · about 25 minutes
#
# True for each token that the policy chose: all up to the *first* end token, and that one too. What stands behind it
# is padding. Here, as in many checkpoints, the padding token **is** the end token, so a mask of "all that is not padding"
# would lose an action.
#
# By hand, with the end token 2: `5 6 2 2 2` has the mask `1 1 1 0 0`; `5 6 7` without an end was cut off by the limit,
# and has `1 1 1`; `2 2 2` is an answer that says nothing, and has `1 0 0`.
#
# <details><summary>Hint 1</summary>How many end tokens stand *before* a place?</details>
# <details><summary>Hint 2</summary>A cumulative sum counts those up to and including the place.</details>
# <details><summary>Hint 3</summary>Take the token's own count off the cumulative sum, and compare with 0.</details>


# %% answer="completion_mask"
def completion_mask(ids, end_id):
    """True for the tokens that were chosen, bool, shape (B, L)."""
    ### BEGIN SOLUTION
    ends = (ids == end_id).long()
    return ends.cumsum(dim=-1) - ends == 0
    ### END SOLUTION


# %% check="completion_mask" points=3
check("completion_mask", completion_mask)

# %% check="completion_mask" points=1 hidden=true
check("completion_mask", completion_mask, hidden=True)

# %% [markdown]
# ### 3 The log-probability of an answer · 3 points · difficulty 2 · about 15 minutes
#
# The sum over the tokens that the mask keeps. Where the mask is false anything may stand, also $-\infty$ or NaN, and
# none of it may get into the result.
#
# By hand: log-probabilities $(-1, -2, \text{NaN})$ with the mask $(1, 1, 0)$ give $-3$.
#
# A property that your function must have: over all strings of L tokens, none of which ends
# early, the probabilities add up to 1.
#
# <details><summary>Hint 1</summary>Probabilities of successive tokens multiply.</details>
# <details><summary>Hint 2</summary>NaN times 0 is NaN.</details>
# <details><summary>Hint 3</summary>`masked_fill` or `torch.where` put a 0 where the mask is false.</details>


# %% answer="sequence_log_probability"
def sequence_log_probability(log_probabilities, mask):
    """Log-probability of each answer, shape (B,)."""
    ### BEGIN SOLUTION
    return log_probabilities.masked_fill(~mask, 0.0).sum(dim=-1)
    ### END SOLUTION


# %% check="sequence_log_probability" points=2
check("sequence_log_probability", sequence_log_probability)

# %% check="sequence_log_probability" points=1 hidden=true
check("sequence_log_probability", sequence_log_probability, hidden=True)

# %% [markdown]
# ### 4 Temperature · 3 points · difficulty 2 · about 20 minutes
#
# Return the probabilities from which the next token is drawn: the softmax of the logits divided by the temperature. At
# temperature 0 the likeliest token has probability 1; of several that are equally likely the first.
#
# By hand: logits $(0, \log 3)$ have the probabilities $(\tfrac14, \tfrac34)$ at temperature 1, and at temperature
# $\tfrac12$ they are those of $(0, 2 \log 3)$: $(\tfrac1{10}, \tfrac9{10})$.
#
# <details><summary>Hint 1</summary>A low temperature makes the distribution steeper.</details>
# <details><summary>Hint 2</summary>The division comes before the softmax. Zero is a case of its own.</details>
# <details><summary>Hint 3</summary>`torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1])`.</details>


# %% answer="sampling_probabilities"
def sampling_probabilities(logits, temperature):
    """Probabilities of the next token, shape (..., V)."""
    ### BEGIN SOLUTION
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    return (logits / temperature).softmax(dim=-1)
    ### END SOLUTION


# %% check="sampling_probabilities" points=2
check("sampling_probabilities", sampling_probabilities)

# %% check="sampling_probabilities" points=1 hidden=true
check("sampling_probabilities", sampling_probabilities, hidden=True)

# %% [markdown]
# ### 5 The loss of supervised fine-tuning · 3 points · difficulty 2 · about 15 minutes
#
# Minus the mean log-probability over all tokens of the batch that the mask keeps. Every *token* counts the same, so a
# long answer counts more than a short one. One number.
#
# By hand: two answers, log-probabilities $(-1, -1, -1)$ and $(-5, 0, 0)$, masks $(1, 1, 1)$ and $(1, 0, 0)$. Four tokens
# count, and the loss is $8 / 4 = 2$. (The mean of the two answers' means would be 3.) Where the mask is false anything may
# stand, also $-\infty$. The result is a torch scalar that can be differentiated: it is to train a model.
#
# <details><summary>Hint 1</summary>Two sums: what is the second one of?</details>
# <details><summary>Hint 2</summary>The number of tokens that count is the sum of the mask.</details>
# <details><summary>Hint 3</summary>Likely demonstrations are to have a small loss: mind the sign.</details>


# %% answer="supervised_loss"
def supervised_loss(log_probabilities, mask):
    """The loss of a batch, a scalar."""
    ### BEGIN SOLUTION
    return -log_probabilities[mask].mean()
    ### END SOLUTION


# %% check="supervised_loss" points=2
check("supervised_loss", supervised_loss)

# %% check="supervised_loss" points=1 hidden=true
check("supervised_loss", supervised_loss, hidden=True)

# %% [markdown]
# ### 6 Three estimates of a divergence · 3 points · difficulty 2 · about 20 minutes
#
# For samples of $\pi$, with $\ell = \log \pi_{\text{ref}} - \log \pi$:
#
# $$k_1 = -\ell, \qquad k_2 = \tfrac12 \ell^2, \qquad k_3 = e^\ell - 1 - \ell$$
#
# Return the three as a tuple, each with one value per sample.
#
# By hand: a sample with $\pi = \tfrac12$ and $\pi_{\text{ref}} = \tfrac14$ has $\ell = -\log 2$ and
# $(k_1, k_2, k_3) = (0.6931, 0.2402, 0.1931)$.
#
# <details><summary>Hint 1</summary>Which of the two policies was sampled from?</details>
# <details><summary>Hint 2</summary>k₃ is never negative, whatever the sign of ℓ. If yours is, look at the order of the
# subtraction.</details>
# <details><summary>Hint 3</summary>Compute ℓ once and write the three from it.</details>


# %% answer="kl_estimates"
def kl_estimates(log_probabilities, reference_log_probabilities):
    """The tuple (k1, k2, k3), each of the arguments' shape."""
    ### BEGIN SOLUTION
    log_ratio = reference_log_probabilities - log_probabilities
    return -log_ratio, log_ratio**2 / 2, log_ratio.exp() - 1 - log_ratio
    ### END SOLUTION


# %% check="kl_estimates" points=2
check("kl_estimates", kl_estimates)

# %% check="kl_estimates" points=1 hidden=true
check("kl_estimates", kl_estimates, hidden=True)

# %% [markdown]
# ### 7 How good is an estimate? · 2 points · difficulty 3 · about 25 minutes
#
# The outcomes can be listed: `policy` and `reference` are log-probabilities of all N of them, and `estimate` is the
# value that an estimator gives for each. One outcome is drawn from the policy. Return the *bias* of the estimate (its
# mean minus the exact divergence $D_{\mathrm{KL}}(\pi \,\|\, \pi_{\text{ref}})$) and its *standard deviation*, as a tuple, both exact.
#
# By hand: $\pi = (\tfrac12, \tfrac12)$, $\pi_{\text{ref}} = (\tfrac14, \tfrac34)$, and the estimate is $(1, 0)$. The
# divergence is $\tfrac12 \log 2 + \tfrac12 \log \tfrac23 = 0.1438$, the mean of the estimate $0.5$, so the bias is $0.3562$;
# the standard deviation is $0.5$.
#
# <details><summary>Hint 1</summary>Which probabilities weigh the mean?</details>
# <details><summary>Hint 2</summary>The variance is the weighted mean of the squared distance from the weighted mean.</details>
# <details><summary>Hint 3</summary>Nothing is drawn here: with all outcomes listed, means are sums.</details>


# %% answer="bias_and_deviation"
def bias_and_deviation(policy, reference, estimate):
    """The tuple (bias, standard deviation) for one sample; log-probabilities `policy`, `reference` and `estimate` (N,)."""
    ### BEGIN SOLUTION
    chances = policy.exp()
    divergence = (chances * (policy - reference)).sum()
    mean = (chances * estimate).sum()
    return mean - divergence, (chances * (estimate - mean) ** 2).sum().sqrt()
    ### END SOLUTION


# %% check="bias_and_deviation" points=1
check("bias_and_deviation", bias_and_deviation)

# %% check="bias_and_deviation" points=1 hidden=true
check("bias_and_deviation", bias_and_deviation, hidden=True)

# %% [markdown]
# ### 8 In your own words · 3 points · about 20 minutes
#
# A colleague adds `0.1 * (log_probabilities - reference_log_probabilities).mean()` to the loss of a policy gradient,
# "because its mean is the divergence". The samples come from the policy itself. The divergence that the program prints
# grows all the same. Explain what the gradient of that term is on average and why, say what differentiating a sample
# leaves out, and name one change that would pull the policy back.
#
# *Graded by hand:* 1 point for the mean gradient with its reason; 1 point for what is left out; 1 point for a change that
# works.

# %% [markdown] written="nothing_pulls" points=3
# ### BEGIN SOLUTION
# The reference has no parameters, so the gradient of the term is the mean of the gradient of log π over samples of π.
# The mean of that is the gradient of the sum of all probabilities, which is 1: so it is zero, and only noise remains.
#
# The divergence depends on the policy in two ways: through the logarithm, and through which samples come. The program
# differentiates the first and takes the samples as given. The second way is the one that would have pulled.
#
# Any of these works: k₂ in the place of k₁, whose gradient is that of the reverse divergence; k₃, which pulls towards the
# reference by the forward divergence; or the log-ratio as a part of the reward, where the policy gradient multiplies it
# with the gradient of log π.
# ### END SOLUTION
