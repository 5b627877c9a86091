# %% [markdown]
# # Agents
#
# This assignment goes with the chapters *Agentic reinforcement learning* and *Tool agents*. You write what makes a loss over
# episodes of many turns right: which tokens count, how a context grows, which turn gets credit for what, what a turn
# costs, how hard unsafe actions are punished, and what to report from a log. Then you train an agent that works on a
# database with *your* advantage. What you hand in is judged by the agent that your training returns: the checks let it work.
#
# Eight exercises, 23 points, and a written answer of 3 points. About three hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 9 come from checks that run after you hand in, on other inputs.
#
# **Shapes.** B episodes of at most T turns:
#
# | name | shape | meaning |
# |---|---|---|
# | `rewards` | (B, T) | of turns |
# | `mask` | (B, T) bool | true for the turns that took place, the first ones of each row and at least one. Where it is false, the other tensors may hold anything, also NaN |
# | `group_ids` | (B,) integers | episodes of one task share an id; they need not stand together |
#
# Tensors of numbers are float64 unless said otherwise.

# %% locked=true
from autograder import exam

check = exam("agents")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 What the agent wrote · 3 points · difficulty 4 · about 30 minutes
#
# A conversation is one sequence of token ids. Every message begins with a token that says whose it is, the agent's with
# `agent_id`, and ends with `end_id`; after it the template may put more tokens, such as a line break. The agent sampled
# the tokens of its turns *and the end tokens that close them*. The rest was put there by others: the tokens that open a
# message, everything that the environment says with its end tokens, what stands between messages. A loss
# that counts such a token teaches the agent to talk like its environment.
#
# Return for **each token after the first** whether the agent sampled it: C conversations of at most L tokens give $(C, L - 1)$,
# in line with the log-probabilities of `ids[:, 1:]`. Row c has `lengths[c]` tokens; padding stands behind them, and **the padding
# id may be `end_id`**. The last turn of a row may have been cut, so that it has no end token.
#
# By hand: with agent 1, user 2, end 0, the row 2 7 0 9 **1** 5 6 **0** 9 2 8 0 9 **1** 4, which has 15 tokens, then padding 0 0.
# The agent sampled 5 6 0 and 4. The mask of the sixteen tokens after the first is
# 0 0 0 0 1 1 1 0 0 0 0 0 0 1 0 0: the 0 after 6 counts, the 0 after 7 and the 0 after 8 do not, and neither does padding.
#
# <details><summary>Hint 1</summary>Go through the tokens from left to right and remember one thing: is the agent writing?</details>
# <details><summary>Hint 2</summary>Whether a token counts is decided by what stood before it. An end token counts, and then
# nothing does until the next `agent_id`.</details>
# <details><summary>Hint 3</summary>A loop over columns with a (C,) tensor `writing`: note `writing`, then update it with this
# column. Mask positions from `lengths` on, and drop the first column at the end.</details>


# %% answer="observation_mask"
def observation_mask(ids, lengths, agent_id, end_id):
    """True for the tokens that the agent sampled, of `ids[:, 1:]`; bool, shape (C, L - 1)."""
    ### BEGIN SOLUTION
    sampled = torch.zeros(ids.shape, dtype=torch.bool)
    writing = torch.zeros(len(ids), dtype=torch.bool)
    for place in range(ids.shape[1]):
        sampled[:, place] = writing & (place < lengths)
        writing = (writing | (ids[:, place] == agent_id)) & (ids[:, place] != end_id)
    return sampled[:, 1:]
    ### END SOLUTION


# %% check="observation_mask" points=2
check("observation_mask", observation_mask)

# %% check="observation_mask" points=1 hidden=true
check("observation_mask", observation_mask, hidden=True)

# %% [markdown]
# ### 2 The next context · 3 points · difficulty 3 · about 25 minutes
#
# In exercise 1 the tokens had to say who wrote them. It is safer to write it down when it happens. Here a context is two lists:
# `ids`, and `mask` with True for what was sampled. Append a turn and the answer of the environment:
#
# 1. the sampled ids as they are, with True;
# 2. if the turn ran into its length limit, so that its last id is not `end_id`: one `end_id`, with False, for the agent did not sample it;
# 3. the ids of the observation, with False.
#
# The next cell holds a tokeniser. It takes the longest piece that fits, and so writing ids out and reading the text again may
# give other ids:

# %%


def encode(text, vocabulary):
    """Ids of a text; `vocabulary` maps pieces to ids, and at each place the longest piece that fits is taken."""
    ids = []
    while text:
        piece = max((piece for piece in vocabulary if text.startswith(piece)), key=len)
        ids.append(vocabulary[piece])
        text = text[len(piece) :]
    return ids


def decode(ids, vocabulary):
    """Text of ids; ids without a piece, such as end tokens, have no text."""
    pieces = {number: piece for piece, number in vocabulary.items()}
    return "".join(pieces.get(number, "") for number in ids)


# %% [markdown]
# By hand: with the vocabulary `{"4": 1, "2": 2, "42": 3}` and end token 0, a context `[2, 0]` with the mask `[False, False]`, sampled ids
# `[1, 2]` and the observation `"42"`: the ids are `[2, 0, 1, 2, 0, 3]` and the mask is
# `[False, False, True, True, False, False]`. The agent's turn reads 42 as well, and as text it would become the single id 3, which was
# never sampled and has no log-probability.
#
# <details><summary>Hint 1</summary>You need one of the two functions above, once.</details>
# <details><summary>Hint 2</summary>Look at the last sampled id before you decide whether an end token is missing.</details>
# <details><summary>Hint 3</summary>Three pieces of ids, added with `+`, and three pieces of flags of the same lengths.</details>


# %% answer="append_turn"
def append_turn(ids, mask, sampled, observation, vocabulary, end_id):
    """The tuple (ids, mask) of the next context, two lists; what was given stays unchanged."""
    ### BEGIN SOLUTION
    missing = [] if sampled[-1] == end_id else [end_id]
    said = missing + encode(observation, vocabulary)
    return ids + sampled + said, mask + [True] * len(sampled) + [False] * len(said)
    ### END SOLUTION


# %% check="append_turn" points=2
check("append_turn", append_turn)

# %% check="append_turn" points=1 hidden=true
check("append_turn", append_turn, hidden=True)

# %% [markdown]
# ### 3 The advantage of an episode · 3 points · difficulty 3 · about 30 minutes
#
# The return $G_i$ of an episode is the sum of its turns' rewards. Give every turn of the episode
#
# $$\hat A_{i,t} = \frac{G_i - \bar G_{g(i)}}{s + 10^{-4}},$$
#
# with the mean $\bar G_{g(i)}$ over the *episodes* of its group, and **one** $s$ for the whole batch: the standard deviation (of a sample, so
# with $B - 1$) of the $B$ differences $G_i - \bar G_{g(i)}$, whose mean is 0. If each group had a deviation of its own, a group whose episodes differ by a
# price of 0.05 would count as much as one whose episodes differ by success and failure.
#
# Turns that did not take place get 0. A group whose returns are all equal, also a group of one, gets exactly 0. There are at least two
# episodes.
#
# By hand: three episodes with the rewards $(1, 2)$, $(1)$ and $(5)$, the first two in one group. The returns are 3, 1 and 5, the differences 1, $-1$
# and 0, and $s = \sqrt{2 / 2} = 1$. The advantages are $(1, 1)$, $(-1, 0)$ and $(0, 0)$, up to a factor of $1 / 1.0001$.
#
# <details><summary>Hint 1</summary>First one number for each episode, and only at the end an axis for the turns.</details>
# <details><summary>Hint 2</summary>NaN times 0 is NaN: fill in zeros before you add up. The mean of seven float32 numbers 0.9 is not 0.9.</details>
# <details><summary>Hint 3</summary>Start from zeros of shape (B,), loop over `group_ids.unique()`, and write into a group only if its
# largest return is larger than its smallest.</details>


# %% answer="trajectory_advantages"
def trajectory_advantages(rewards, mask, group_ids):
    """Advantages of turns, shape (B, T), 0 where the mask is false."""
    ### BEGIN SOLUTION
    returns = rewards.masked_fill(~mask, 0.0).sum(dim=1)
    differences = torch.zeros_like(returns)
    for group in group_ids.unique():
        mine = group_ids == group
        if returns[mine].max() > returns[mine].min():
            differences[mine] = returns[mine] - returns[mine].mean()
    advantages = differences / (differences.std() + 1e-4)
    return advantages[:, None] * mask
    ### END SOLUTION


# %% check="trajectory_advantages" points=2
check("trajectory_advantages", trajectory_advantages)

# %% check="trajectory_advantages" points=1 hidden=true
check("trajectory_advantages", trajectory_advantages, hidden=True)

# %% [markdown]
# ### 4 The advantage of a turn · 3 points · difficulty 4 · about 30 minutes
#
# In a long episode its return says little about one turn. Compare each turn with others in the same situation instead. `keys`, integers of
# shape (B, T), name situations: turns with the same key *in the same group* are comparable, at whatever place of their episodes they are.
#
# $$G_{i,t} = \sum_{k \ge t} \gamma^{k - t}\, r_{i,k}$$
#
# $$\hat A_{i,t} = G_{i,t} - \bar G_{i,t},$$
#
# where $\bar G_{i,t}$ is the mean of $G$ over the turns with the group and the key of $(i, t)$. Turns that did not take place get 0 and count in no mean, whatever their key is. Nothing is divided by a deviation here.
#
# By hand: $\gamma = 0.5$, two episodes of one group. The first has the rewards $(0, 4)$ and the keys $(7, 3)$, the second the reward $1$ and the key $7$. The
# returns are $(0 + 0.5 \cdot 4,\; 4) = (2, 4)$ and $1$. Key 7 has the mean 1.5 and key 3 the mean 4: the advantages are $(0.5, 0)$ and $-0.5$.
#
# <details><summary>Hint 1</summary>Two steps: the returns, from the last turn backwards; then one mean for each pair of group and key.</details>
# <details><summary>Hint 2</summary>After `returns = ... ` from zeros for what was no turn, `mask & (keys == ...) & ...` names the turns of one mean.</details>
# <details><summary>Hint 3</summary>A loop over the turns is fine: for each, the boolean table of its companions, and
# `returns[companions].mean()`.</details>


# %% answer="turn_advantages"
def turn_advantages(rewards, mask, keys, group_ids, discount):
    """Advantages of turns, shape (B, T), 0 where the mask is false."""
    ### BEGIN SOLUTION
    returns, following = torch.zeros_like(rewards), torch.zeros_like(rewards[:, 0])
    for turn in reversed(range(rewards.shape[1])):
        following = torch.where(mask[:, turn], rewards[:, turn], 0.0) + discount * following
        returns[:, turn] = following
    advantages = torch.zeros_like(returns)
    for episode, turn in mask.nonzero().tolist():
        companions = mask & (keys == keys[episode, turn]) & (group_ids == group_ids[episode])[:, None]
        advantages[episode, turn] = returns[episode, turn] - returns[companions].mean()
    return advantages
    ### END SOLUTION


# %% check="turn_advantages" points=2
check("turn_advantages", turn_advantages)

# %% check="turn_advantages" points=1 hidden=true
check("turn_advantages", turn_advantages, hidden=True)

# %% [markdown]
# ### 5 Rewards with prices · 3 points · difficulty 3 · about 25 minutes
#
# An agent that pays for every call, also when it fails, may learn to give up at once. Here the price is *paid out of success*. With
# what turn $t$ gained at the task, $g_t$ (mostly 0, and 1 for success; half of it where a task has two parts), what it cost, $c_t$, and whether it was unsafe,
# $u_t$:
#
# $$r_t = g_t \Big( 1 - \lambda \sum_{k \le t} c_k \Big) - \nu\, u_t \qquad (t < \texttt{max\_turns}).$$
#
# A gain pays for all that was spent up to and including its turn. Unsafe turns are charged each time and always, with success or without. The limit of turns belongs to the
# task and ends it: `max_turns` turns are played, and every turn after them has reward 0, whatever it would have gained or broken.
#
# All tensors are (B, T); `price` is $\lambda$ and `unsafe_price` is $\nu$. There is no mask: turns that did not take place gain, cost and break nothing.
#
# By hand: $\lambda = 0.5$, $\nu = 2$, gains $(0, 0, 1)$, costs $(0.1, 0.3, 0)$, and the second turn is unsafe. The rewards are $(0, -2, 1 - 0.5 \cdot 0.4) = (0, -2, 0.8)$.
# With `max_turns=2` they are $(0, -2, 0)$.
#
# <details><summary>Hint 1</summary>What was spent up to each turn is a running sum along an axis.</details>
# <details><summary>Hint 2</summary>Turns are numbered from 0: with `max_turns=2` the turns 0 and 1 are played.</details>
# <details><summary>Hint 3</summary>`cumsum(dim=1)`, the formula, then zeros from the column `max_turns` on.</details>


# %% answer="budgeted_rewards"
def budgeted_rewards(gained, costs, unsafe, price, unsafe_price, max_turns):
    """Rewards of turns, shape (B, T); `unsafe` is a bool tensor."""
    ### BEGIN SOLUTION
    rewards = gained * (1 - price * costs.cumsum(dim=1)) - unsafe_price * unsafe
    rewards[:, max_turns:] = 0.0
    return rewards
    ### END SOLUTION


# %% check="budgeted_rewards" points=2
check("budgeted_rewards", budgeted_rewards)

# %% check="budgeted_rewards" points=1 hidden=true
check("budgeted_rewards", budgeted_rewards, hidden=True)

# %% [markdown]
# ### 6 A price that finds itself · 2 points · difficulty 2 · about 15 minutes
#
# Which $\nu$ keeps the share of unsafe episodes under a limit? One that rises while there are too many, and falls while there are fewer:
# after each iteration of training
#
# $$\nu \leftarrow \max\big(0,\; \nu + \alpha\, (\hat u - C)\big),$$
#
# with the share $\hat u$ of unsafe episodes in the iteration and the limit $C$. `unsafe` is a bool tensor of shape (N, B): N iterations
# of B episodes. Return the N multipliers, each after the step of its iteration.
#
# By hand: from $\nu = 0$ with $C = 0.1$ and $\alpha = 2$, shares of 0.3, 0, 0, 0 and 0.3 give 0.4, 0.2, 0, 0 and 0.4. Without the maximum the fourth would be
# $-0.2$, a reward for unsafe actions.
#
# <details><summary>Hint 1</summary>More unsafe episodes than allowed: should it cost more or less?</details>
# <details><summary>Hint 2</summary>Each step begins where the one before ended, after the maximum.</details>
# <details><summary>Hint 3</summary>A loop over `unsafe.double().mean(dim=1)`, and a list.</details>


# %% answer="dual_steps"
def dual_steps(unsafe, limit, step_size, start):
    """The multiplier after each iteration, shape (N,)."""
    ### BEGIN SOLUTION
    multiplier, multipliers = start, []
    for share in unsafe.double().mean(dim=1).tolist():
        multiplier = max(0.0, multiplier + step_size * (share - limit))
        multipliers.append(multiplier)
    return torch.tensor(multipliers, dtype=torch.float64)
    ### END SOLUTION


# %% check="dual_steps" points=1
check("dual_steps", dual_steps)

# %% check="dual_steps" points=1 hidden=true
check("dual_steps", dual_steps, hidden=True)

# %% [markdown]
# ### 7 What to report · 3 points · difficulty 3 · about 35 minutes
#
# A log holds one row for each turn, in the order in which they happened; many episodes ran at once, so their rows are mixed:
#
# ```python
# {"episode": 12, "cost": 0.05, "seconds": 2.0, "unsafe": False, "success": False}
# ```
#
# `success` is True in the turn that finished the task, and nowhere else. Return a dictionary about *episodes*:
#
# | key | value |
# |---|---|
# | `success` | tuple (share of episodes that succeeded, low, high) |
# | `unsafe` | tuple (share of episodes with at least one unsafe turn, low, high) |
# | `cost_per_success` | what all episodes cost together, also those that failed, over the number of successes; infinity without one |
# | `seconds` | mean over episodes of the seconds that an episode took |
#
# The limits are Wilson's: with a share $p$ of $n$ episodes and $z = 1.96$,
#
# $$\frac{p + \frac{z^2}{2n} \pm z \sqrt{\frac{p (1 - p)}{n} + \frac{z^2}{4 n^2}}}{1 + \frac{z^2}{n}}.$$
#
# By hand: one success in four episodes. $p = 0.25$, $z^2 = 3.8416$; the middle is $(0.25 + 0.4802) / 1.9604 = 0.3725$, the half width
# $1.96 \sqrt{0.046875 + 0.060025} / 1.9604 = 0.3269$: from 0.0456 to 0.6994. If the four cost 0.1, 0.3, 0.2 and 0.2, a success costs 0.8.
#
# <details><summary>Hint 1</summary>Before any share: what are the sums and flags of each episode? How many episodes are there?</details>
# <details><summary>Hint 2</summary>A dictionary from the episode to what is known of it; `dictionary.setdefault(...)` makes a new entry.</details>
# <details><summary>Hint 3</summary>A function inside yours takes a count and n, and returns the tuple; `float("inf")` is infinity.</details>


# %% answer="key_figures"
def key_figures(rows):
    """The dictionary of key figures; `rows` is a list with at least one row."""
    ### BEGIN SOLUTION
    episodes = {}
    for row in rows:
        one = episodes.setdefault(row["episode"], {"cost": 0.0, "seconds": 0.0, "unsafe": False, "success": False})
        for name in one:
            one[name] = one[name] + row[name] if name in ("cost", "seconds") else one[name] or row[name]
    n, z = len(episodes), 1.96

    def share(name):
        p = sum(one[name] for one in episodes.values()) / n
        half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
        return p, (p + z**2 / (2 * n) - half) / (1 + z**2 / n), (p + z**2 / (2 * n) + half) / (1 + z**2 / n)

    successes = sum(one["success"] for one in episodes.values())
    cost = sum(one["cost"] for one in episodes.values())
    return {
        "success": share("success"),
        "unsafe": share("unsafe"),
        "cost_per_success": cost / successes if successes else float("inf"),
        "seconds": sum(one["seconds"] for one in episodes.values()) / n,
    }
    ### END SOLUTION


# %% check="key_figures" points=2
check("key_figures", key_figures)

# %% check="key_figures" points=1 hidden=true
check("key_figures", key_figures, hidden=True)

# %% [markdown]
# ### 8 Train an agent · 3 points · difficulty 3 · about 25 minutes
#
# Train the agent of the chapter with *your* advantage of exercise 3, and return its parameters:
#
# ```python
# from rlkit.agents.batches import turn_rewards
# from rlkit.agents.data_agent import DataAgent
# from rlkit.agents.recipes import load_base
# from rlkit.agents.training import AgentConfig, train
#
# model, tokenizer = load_base("data_agent", "cpu")
# config = AgentConfig(seed=..., num_iterations=..., kl_coefficient=0.0)
# train(model, tokenizer, DataAgent, config, advantages=...)   # changes the model in place
# ```
#
# `train` calls `advantages(trajectories)` with the episodes of an iteration, and expects (B, T). `turn_rewards(trajectories)` gives you
# `rewards` (float32) and `mask`, and every trajectory has a number `group`.
#
# Return `list(model.parameters())`. The check puts them into a model of its own and lets it work greedily on 200 tasks that you have not seen: it asks for
# 65 successes in 100, and the agent as it comes has about 40. It also trains for one iteration with two seeds, whose models must differ. It judges the agent
# and cannot see whose advantage trained it: that it is yours is for you. Training is random: up to three seeds are tried, with 15
# iterations. One takes about five seconds, and the first a few more.
#
# <details><summary>Hint 1</summary>`train` has one argument for its advantages and your function has three: write a function between them.</details>
# <details><summary>Hint 2</summary>The group ids are a tensor: `torch.tensor([one.group for one in trajectories])`.</details>
# <details><summary>Hint 3</summary>If it does not learn: is exercise 3 green, and what is the sign of an advantage of a good episode?</details>


# %% answer="train_data_agent"
def train_data_agent(seed, num_iterations):
    """The parameters of the trained model, a list of tensors as `model.parameters()` gives them."""
    ### BEGIN SOLUTION
    from rlkit.agents.batches import turn_rewards
    from rlkit.agents.data_agent import DataAgent
    from rlkit.agents.recipes import load_base
    from rlkit.agents.training import AgentConfig, train

    def advantages(trajectories):
        rewards, mask = turn_rewards(trajectories)
        return trajectory_advantages(rewards, mask, torch.tensor([one.group for one in trajectories]))

    model, tokenizer = load_base("data_agent", "cpu")
    config = AgentConfig(seed=seed, num_iterations=num_iterations, kl_coefficient=0.0)
    train(model, tokenizer, DataAgent, config, advantages=advantages)
    return list(model.parameters())
    ### END SOLUTION


# %% check="train_data_agent" points=1
check("train_data_agent", train_data_agent)

# %% check="train_data_agent" points=2 hidden=true
check("train_data_agent", train_data_agent, hidden=True)

# %% [markdown]
# ### 9 In your own words · 3 points · about 20 minutes
#
# Before training an agent succeeds in 30 of 100 episodes, at a mean cost of 0.10 per episode. After training it succeeds in 90, at a mean cost of 0.16. Of its
# 1,000 tool calls 20 were unsafe; they lie in 18 of the 100 episodes, and the rules of the house allow 5 unsafe episodes in 100. A colleague reports: "Costs are up by 60 percent, and the
# agent is 98 percent safe." Say what is wrong with each half of the sentence, with the figures that belong there, and how you would bring the agent under the limit without guessing a price.
#
# *Graded by hand:* 1 point for the cost with its figures before and after; 1 point for the share of unsafe episodes and why the share of calls misleads; 1 point for
# a multiplier that rises while the limit is exceeded, and for saying when it stops rising.

# %% [markdown] written="misreported" points=3
# ### BEGIN SOLUTION
# An agent that gives up early is cheap. What counts is what a success costs, with the failures paid for: $0.10 / 0.30 = 0.33$ before and
# $0.16 / 0.90 = 0.18$ after. The agent has become cheaper by almost a half.
#
# An episode with one unsafe call is an unsafe episode, and the limit is about episodes: 18 of 100 are, against 5 allowed. The share of calls
# is diluted by harmless ones; an agent that makes more of them looks safer without being so.
#
# Add the price of unsafe turns to the reward as a multiplier that starts at 0 and after each iteration moves by a step times (share of unsafe episodes minus
# 0.05), never below 0. At 18 in 100 it rises, unsafe actions pay less and less, and it stops rising where the share
# stays at the limit. If the share is lower at no price at all, it goes to 0 and costs nothing.
# ### END SOLUTION
