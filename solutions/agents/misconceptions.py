"""Wrong answers to *agents* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception

# ---- observation_mask


def sampled_tokens(ids, lengths, agent_id, end_id, marker_counts=False, ends_count=True, until_next_message=None):
    """The right table for all tokens, or a variant."""
    sampled, writing = torch.zeros(ids.shape, dtype=torch.bool), torch.zeros(len(ids), dtype=torch.bool)
    for place in range(ids.shape[1]):
        token = ids[:, place]
        opens, ends = token == agent_id, token == end_id
        sampled[:, place] = writing & (place < lengths) & (ends_count | ~ends) | marker_counts & opens
        writing = (writing | opens) & ~(ends if until_next_message is None else token == until_next_message)
    return sampled


@misconception(
    "observation_mask",
    name="the agent's own end tokens are masked",
    hint="Who decided that the turn was over? An agent that gets no gradient there never learns to stop.",
)
def _(ids, lengths, agent_id, end_id):
    return sampled_tokens(ids, lengths, agent_id, end_id, ends_count=False)[:, 1:]


@misconception(
    "observation_mask",
    name="padding behind a cut turn counts as its end token",
    hint="Padding looks like an end token, so the ids cannot tell where a row ends. What can?",
)
def _(ids, lengths, agent_id, end_id):
    return sampled_tokens(ids, torch.full_like(lengths, ids.shape[1]), agent_id, end_id)[:, 1:]


@misconception(
    "observation_mask",
    name="the mask is not shifted: it stands beside the token that is read",
    hint="The first entry of the mask is about the second token, which is the first that has a log-probability.",
)
def _(ids, lengths, agent_id, end_id):
    return sampled_tokens(ids, lengths, agent_id, end_id)[:, :-1]


@misconception(
    "observation_mask",
    name="the token that opens the agent's message counts",
    hint="The template wrote it, so that the agent would begin.",
)
def _(ids, lengths, agent_id, end_id):
    return sampled_tokens(ids, lengths, agent_id, end_id, marker_counts=True)[:, 1:]


@misconception(
    "observation_mask",
    name="what the environment says after the agent's first turn counts",
    hint="A question and its answer are one turn each; here there are several. What closes the agent's?",
)
def _(ids, lengths, agent_id, end_id):
    started = (ids == agent_id).cumsum(dim=1) - (ids == agent_id).long() > 0
    return (started & (torch.arange(ids.shape[1]) < lengths[:, None]) & (ids != agent_id))[:, 1:]


@misconception(
    "observation_mask",
    name="only the last turn counts",
    hint="The agent wrote the earlier turns of the episode, too.",
)
def _(ids, lengths, agent_id, end_id):
    opened = (ids == agent_id).cumsum(dim=1)
    return (sampled_tokens(ids, lengths, agent_id, end_id) & (opened == opened[:, -1:]))[:, 1:]


@misconception(
    "observation_mask",
    name="every end token counts, also those of the environment",
    hint="The same id may have been sampled or put there. What stood before it?",
)
def _(ids, lengths, agent_id, end_id):
    real = torch.arange(ids.shape[1]) < lengths[:, None]
    return (sampled_tokens(ids, lengths, agent_id, end_id) | (ids == end_id) & real)[:, 1:]


# ---- append_turn


def encode(text, vocabulary):
    """The tokenizer of the notebook."""
    ids = []
    while text:
        piece = max((piece for piece in vocabulary if text.startswith(piece)), key=len)
        ids.append(vocabulary[piece])
        text = text[len(piece) :]
    return ids


def decode(ids, vocabulary):
    """The tokenizer's way back."""
    pieces = {number: piece for piece, number in vocabulary.items()}
    return "".join(pieces.get(number, "") for number in ids)


def joined(ids, mask, sampled, turn_mask, said):
    """Context, turn and what was said."""
    return ids + sampled + said, mask + turn_mask + [False] * len(said)


@misconception(
    "append_turn",
    name="the turn is written out and tokenised again",
    hint="The ids that come back may be others, and the log-probabilities that were noted belong to none of them.",
)
def _(ids, mask, sampled, observation, vocabulary, end_id):
    turn = encode(decode(sampled, vocabulary), vocabulary) + [end_id] * (sampled[-1] == end_id)
    missing = [] if sampled[-1] == end_id else [end_id]
    return joined(ids, mask, turn, [True] * len(turn), missing + encode(observation, vocabulary))


@misconception(
    "append_turn",
    name="the whole conversation is tokenised again",
    hint="What stands in the context has been read and sampled as it is: only add to it.",
)
def _(ids, mask, sampled, observation, vocabulary, end_id):
    before = encode(decode(ids, vocabulary), vocabulary)
    turn = encode(decode(sampled, vocabulary), vocabulary)
    return joined(before, [False] * len(before), turn, [True] * len(turn), [end_id, *encode(observation, vocabulary)])


@misconception(
    "append_turn",
    name="a turn that was cut gets no end token",
    hint="Without one the environment speaks in the middle of the agent's message.",
)
def _(ids, mask, sampled, observation, vocabulary, end_id):
    return joined(ids, mask, sampled, [True] * len(sampled), encode(observation, vocabulary))


@misconception(
    "append_turn",
    name="a second end token behind a turn that ended itself",
    hint="Is the last sampled token an end token already?",
)
def _(ids, mask, sampled, observation, vocabulary, end_id):
    return joined(ids, mask, sampled, [True] * len(sampled), [end_id, *encode(observation, vocabulary)])


@misconception(
    "append_turn",
    name="the end token that was added counts as sampled",
    hint="The agent did not choose it: it ran into its limit, and would be praised or blamed for stopping.",
)
def _(ids, mask, sampled, observation, vocabulary, end_id):
    turn = sampled + [end_id] * (sampled[-1] != end_id)
    return joined(ids, mask, turn, [True] * len(turn), encode(observation, vocabulary))


@misconception(
    "append_turn",
    name="the end token that the agent sampled does not count",
    hint="To stop is an action.",
)
def _(ids, mask, sampled, observation, vocabulary, end_id):
    missing = [] if sampled[-1] == end_id else [end_id]
    turn_mask = [token != end_id for token in sampled]
    return joined(ids, mask, sampled, turn_mask, missing + encode(observation, vocabulary))


@misconception(
    "append_turn",
    name="the observation counts as sampled",
    hint="Who wrote it?",
)
def _(ids, mask, sampled, observation, vocabulary, end_id):
    missing = [] if sampled[-1] == end_id else [end_id]
    said = encode(observation, vocabulary)
    return ids + sampled + missing + said, mask + [True] * len(sampled) + [False] * len(missing) + [True] * len(said)


# ---- trajectory_advantages


def returns_of(rewards, mask):
    """Sum of the rewards of the turns that there were."""
    return rewards.masked_fill(~mask, 0.0).sum(dim=1)


def centred(returns, group_ids, formula=None):
    """Differences from the group's mean, exactly 0 in a group without any; or a formula by group."""
    formula = formula or (lambda v: v - v.mean() if v.max() > v.min() else torch.zeros_like(v))
    result = torch.zeros_like(returns)
    for group in group_ids.unique():
        mine = group_ids == group
        result[mine] = formula(returns[mine])
    return result


def for_turns(differences, mask):
    """Divided by one deviation, for each turn."""
    return (differences / (differences.std() + 1e-4))[:, None] * mask


@misconception(
    "trajectory_advantages",
    name="a deviation for each group",
    hint="A group that differs by a price of 0.05 should not count as much as one that differs by success.",
)
def _(rewards, mask, group_ids):
    def formula(values):
        return (
            (values - values.mean()) / (values.std() + 1e-4)
            if values.max() > values.min()
            else torch.zeros_like(values)
        )

    return centred(returns_of(rewards, mask), group_ids, formula)[:, None] * mask


@misconception(
    "trajectory_advantages",
    name="one mean for the whole batch",
    hint="Episodes are compared with episodes of the same task; some tasks are harder than others.",
)
def _(rewards, mask, group_ids):
    return for_turns(centred(returns_of(rewards, mask), torch.zeros_like(group_ids)), mask)


@misconception(
    "trajectory_advantages",
    name="equal returns divide rounding errors",
    hint="Equal returns give exactly 0. How do you find out that they are equal?",
)
def _(rewards, mask, group_ids):
    return for_turns(centred(returns_of(rewards, mask), group_ids, lambda values: values - values.mean()), mask)


@misconception(
    "trajectory_advantages",
    name="an advantage where there was no turn",
    hint="What should stand where there was no turn?",
)
def _(rewards, mask, group_ids):
    return for_turns(centred(returns_of(rewards, mask), group_ids), torch.ones_like(mask))


@misconception(
    "trajectory_advantages",
    name="what stands where there was no turn is added up",
    hint="NaN was put there so that you would notice.",
)
def _(rewards, mask, group_ids):
    return for_turns(centred(rewards.sum(dim=1), group_ids), mask)


@misconception(
    "trajectory_advantages",
    name="the mean is taken over turns, so that long episodes count more often",
    hint="Each episode has one return, and it counts once.",
)
def _(rewards, mask, group_ids):
    returns, lengths = returns_of(rewards, mask), mask.sum(dim=1)
    differences = torch.zeros_like(returns)
    for group in group_ids.unique():
        mine = group_ids == group
        if returns[mine].max() > returns[mine].min():
            differences[mine] = returns[mine] - (returns * lengths)[mine].sum() / lengths[mine].sum()
    return for_turns(differences, mask)


@misconception(
    "trajectory_advantages",
    name="each turn gets its own reward's advantage instead of the episode's",
    hint="All turns of an episode have the same advantage here.",
)
def _(rewards, mask, group_ids):
    rewards = rewards.masked_fill(~mask, 0.0)
    differences = torch.stack([centred(column, group_ids) for column in rewards.T], dim=1)
    return differences / (differences[mask].std() + 1e-4) * mask


# ---- turn_advantages


def discounted(rewards, mask, discount):
    """Returns from each turn on."""
    rewards, following = rewards.masked_fill(~mask, 0.0), torch.zeros_like(rewards[:, 0])
    result = torch.zeros_like(rewards)
    for turn in reversed(range(rewards.shape[1])):
        following = rewards[:, turn] + discount * following
        result[:, turn] = following
    return result


def beside(returns, mask, keys, group_ids, counted=None):
    """Less the mean over the turns with the same group and key."""
    counted, result = mask if counted is None else counted, torch.zeros_like(returns)
    for episode, turn in mask.nonzero().tolist():
        same = counted & (keys == keys[episode, turn]) & (group_ids == group_ids[episode])[:, None]
        result[episode, turn] = returns[episode, turn] - returns[same].mean()
    return result


@misconception(
    "turn_advantages",
    name="compared across groups",
    hint="The same key in another group is another task.",
)
def _(rewards, mask, keys, group_ids, discount):
    return beside(discounted(rewards, mask, discount), mask, keys, torch.zeros_like(group_ids))


@misconception(
    "turn_advantages",
    name="places without a turn count in the mean",
    hint="Their keys mean nothing, even if they look like others.",
)
def _(rewards, mask, keys, group_ids, discount):
    return beside(discounted(rewards, mask, discount), mask, keys, group_ids, torch.ones_like(mask))


@misconception(
    "turn_advantages",
    name="forgets the discount",
    hint="A reward two turns later counts with the discount squared.",
)
def _(rewards, mask, keys, group_ids, discount):
    return beside(discounted(rewards, mask, 1.0), mask, keys, group_ids)


@misconception(
    "turn_advantages",
    name="only the turn's own reward",
    hint="What a turn is worth shows in what comes after it.",
)
def _(rewards, mask, keys, group_ids, discount):
    return beside(rewards.masked_fill(~mask, 0.0), mask, keys, group_ids)


@misconception(
    "turn_advantages",
    name="the return of the whole episode for each turn",
    hint="What happened before a turn is not to its credit.",
)
def _(rewards, mask, keys, group_ids, discount):
    returns = discounted(rewards, mask, discount)[:, :1].expand_as(rewards)
    return beside(returns, mask, keys, group_ids)


@misconception(
    "turn_advantages",
    name="discounted from the beginning of the episode instead of from the turn",
    hint="The discount counts the turns between this one and the reward, so a turn's own reward is not discounted.",
)
def _(rewards, mask, keys, group_ids, discount):
    returns = discounted(rewards, mask, discount) * discount ** torch.arange(rewards.shape[1])
    return beside(returns, mask, keys, group_ids)


@misconception(
    "turn_advantages",
    name="compared by the number of the turn instead of its key",
    hint="The same situation can come at another place of an episode.",
)
def _(rewards, mask, keys, group_ids, discount):
    places = torch.arange(rewards.shape[1]).expand_as(keys)
    return beside(discounted(rewards, mask, discount), mask, places, group_ids)


# ---- budgeted_rewards


def paid(gained, spent, unsafe, price, unsafe_price, max_turns):
    """The right formula."""
    played = torch.arange(gained.shape[1]) < max_turns
    return (gained * (1 - price * spent) - unsafe_price * unsafe) * played


@misconception(
    "budgeted_rewards",
    name="every turn is charged, also without success",
    hint="The price is paid out of a gain: what does a dear failure get?",
)
def _(gained, costs, unsafe, price, unsafe_price, max_turns):
    played = torch.arange(gained.shape[1]) < max_turns
    return (gained - price * costs - unsafe_price * unsafe) * played


@misconception(
    "budgeted_rewards",
    name="a gain pays for its own turn only",
    hint="It pays for all that was spent up to it.",
)
def _(gained, costs, unsafe, price, unsafe_price, max_turns):
    return paid(gained, costs, unsafe, price, unsafe_price, max_turns)


@misconception(
    "budgeted_rewards",
    name="a gain pays for what is spent later",
    hint="At the time of a gain nobody knows what the next turns will cost.",
)
def _(gained, costs, unsafe, price, unsafe_price, max_turns):
    return paid(gained, costs.sum(dim=1, keepdim=True), unsafe, price, unsafe_price, max_turns)


@misconception(
    "budgeted_rewards",
    name="a gain does not pay for its own turn",
    hint="Up to and including the turn.",
)
def _(gained, costs, unsafe, price, unsafe_price, max_turns):
    return paid(gained, costs.cumsum(dim=1) - costs, unsafe, price, unsafe_price, max_turns)


@misconception(
    "budgeted_rewards",
    name="one turn more than the limit is played",
    hint="Turns are numbered from 0. Which is the number of the last of max_turns turns?",
)
def _(gained, costs, unsafe, price, unsafe_price, max_turns):
    return paid(gained, costs.cumsum(dim=1), unsafe, price, unsafe_price, max_turns + 1)


@misconception(
    "budgeted_rewards",
    name="unsafe turns behind the limit are charged",
    hint="Nothing happens any more when the episode is over.",
)
def _(gained, costs, unsafe, price, unsafe_price, max_turns):
    played = torch.arange(gained.shape[1]) < max_turns
    return gained * (1 - price * costs.cumsum(dim=1)) * played - unsafe_price * unsafe


@misconception(
    "budgeted_rewards",
    name="unsafe turns are charged only out of success",
    hint="A failure that broke something is no harmless failure.",
)
def _(gained, costs, unsafe, price, unsafe_price, max_turns):
    spent = price * costs.cumsum(dim=1) + unsafe_price * unsafe.cumsum(dim=1)
    return paid(gained, spent, torch.zeros_like(unsafe), 1.0, 0.0, max_turns)


@misconception(
    "budgeted_rewards",
    name="only the first unsafe turn of an episode is charged",
    hint="Each time, said the text.",
)
def _(gained, costs, unsafe, price, unsafe_price, max_turns):
    first = unsafe & (unsafe.cumsum(dim=1) == 1)
    return paid(gained, costs.cumsum(dim=1), first, price, unsafe_price, max_turns)


# ---- dual_steps


def multipliers(unsafe, start, step):
    """A rule applied to the shares one after another."""
    result = []
    for share in unsafe.double().mean(dim=1).tolist():
        start = step(start, share)
        result.append(start)
    return result


@misconception(
    "dual_steps",
    name="the sign is turned: unsafe actions make themselves cheaper",
    hint="With more unsafe episodes than allowed the multiplier must grow.",
)
def _(unsafe, limit, step_size, start):
    return multipliers(unsafe, start, lambda nu, share: max(0.0, nu + step_size * (limit - share)))


@misconception(
    "dual_steps",
    name="the multiplier may become negative",
    hint="A negative price is a reward for unsafe actions.",
)
def _(unsafe, limit, step_size, start):
    return multipliers(unsafe, start, lambda nu, share: nu + step_size * (share - limit))


@misconception(
    "dual_steps",
    name="the maximum is taken of the finished sequence and not in each step",
    hint="Iterations without an unsafe episode must not build up a credit that later ones use.",
)
def _(unsafe, limit, step_size, start):
    raw = multipliers(unsafe, start, lambda nu, share: nu + step_size * (share - limit))
    return [max(0.0, nu) for nu in raw]


@misconception(
    "dual_steps",
    name="the multiplier before each step instead of after it",
    hint="The first number has seen the first iteration.",
)
def _(unsafe, limit, step_size, start):
    after = multipliers(unsafe, start, lambda nu, share: max(0.0, nu + step_size * (share - limit)))
    return [start, *after[:-1]]


@misconception(
    "dual_steps",
    name="the number of unsafe episodes instead of their share",
    hint="The limit is a share.",
)
def _(unsafe, limit, step_size, start):
    return multipliers(unsafe * unsafe.shape[1], start, lambda nu, share: max(0.0, nu + step_size * (share - limit)))


@misconception(
    "dual_steps",
    name="the limit is forgotten, so that the multiplier never falls",
    hint="What should it do when there are fewer unsafe episodes than allowed?",
)
def _(unsafe, limit, step_size, start):
    return multipliers(unsafe, start, lambda nu, share: nu + step_size * share)


# ---- key_figures


def wilson(count, total, z=1.96):
    """Share and limits."""
    p, square = count / total, z**2 / total
    half = z * (p * (1 - p) / total + square / (4 * total)) ** 0.5
    return p, (p + square / 2 - half) / (1 + square), (p + square / 2 + half) / (1 + square)


def by_episode(rows):
    """Sums and flags of each episode."""
    found = {}
    for row in rows:
        one = found.setdefault(row["episode"], {"cost": 0.0, "seconds": 0.0, "unsafe": False, "success": False})
        for name in one:
            one[name] = one[name] + row[name] if name in ("cost", "seconds") else one[name] or row[name]
    return list(found.values())


def figures(rows, interval=wilson, **changed):
    """The right figures, with some changed."""
    episodes = by_episode(rows)
    n, cost = len(episodes), sum(one["cost"] for one in episodes)
    successes, unsafe = (sum(one[name] for one in episodes) for name in ("success", "unsafe"))
    right = {
        "success": interval(successes, n),
        "unsafe": interval(unsafe, n),
        "cost_per_success": cost / successes if successes else float("inf"),
        "seconds": sum(one["seconds"] for one in episodes) / n,
    }
    return right | changed


@misconception(
    "key_figures",
    name="unsafe turns among turns instead of unsafe episodes among episodes",
    hint="Many harmless calls make an agent look safer without making it so.",
)
def _(rows):
    return figures(rows, unsafe=wilson(sum(row["unsafe"] for row in rows), len(rows)))


@misconception(
    "key_figures",
    name="unsafe turns are counted, not unsafe episodes",
    hint="An episode with two unsafe turns is one unsafe episode.",
)
def _(rows):
    count, n = sum(row["unsafe"] for row in rows), len(by_episode(rows))
    return figures(rows, unsafe=wilson(min(count, n), n))


@misconception(
    "key_figures",
    name="every row counts as an episode",
    hint="How many different episodes does the log hold?",
)
def _(rows):
    return figures([{**row, "episode": number} for number, row in enumerate(rows)])


@misconception(
    "key_figures",
    name="the cost of the successful episodes only",
    hint="The failures have been paid for as well.",
)
def _(rows):
    episodes = [one for one in by_episode(rows) if one["success"]]
    return figures(
        rows, cost_per_success=sum(one["cost"] for one in episodes) / len(episodes) if episodes else float("inf")
    )


@misconception(
    "key_figures",
    name="the cost of an episode instead of the cost of a success",
    hint="An agent that gives up at once is cheap by the episode.",
)
def _(rows):
    episodes = by_episode(rows)
    return figures(rows, cost_per_success=sum(one["cost"] for one in episodes) / len(episodes))


@misconception(
    "key_figures",
    name="a success costs 0 if there is none",
    hint="As the successes become fewer, does the cost of each rise or fall?",
)
def _(rows):
    right = figures(rows)
    return right if right["cost_per_success"] < float("inf") else right | {"cost_per_success": 0.0}


@misconception(
    "key_figures",
    name="the interval p plus and minus z deviations",
    hint="With 0 of 4 it says that nothing but 0 is possible.",
)
def _(rows):
    def interval(count, total):
        p = count / total
        half = 1.96 * (p * (1 - p) / total) ** 0.5
        return p, p - half, p + half

    return figures(rows, interval)


@misconception(
    "key_figures",
    name="seconds of a turn instead of an episode",
    hint="Add up the seconds of an episode before you take the mean.",
)
def _(rows):
    return figures(rows, seconds=sum(row["seconds"] for row in rows) / len(rows))


# ---- train_data_agent


def trained(seed, num_iterations, sign=1.0, keep=True):
    """The right training, or one whose advantages have the wrong sign, or one without the seed."""
    from rlkit.agents.batches import turn_rewards
    from rlkit.agents.data_agent import DataAgent
    from rlkit.agents.recipes import load_base
    from rlkit.agents.training import AgentConfig, train

    def advantages(trajectories):
        rewards, mask = turn_rewards(trajectories)
        groups = torch.tensor([one.group for one in trajectories])
        return sign * for_turns(centred(returns_of(rewards, mask), groups), mask)

    model, tokenizer = load_base("data_agent", "cpu")
    config = AgentConfig(seed=seed if keep else 0, num_iterations=num_iterations, kl_coefficient=0.0)
    result = train(model, tokenizer, DataAgent, config, advantages=advantages)
    return list(model.parameters()), result


@misconception(
    "train_data_agent",
    name="makes bad episodes likelier",
    hint="Does the share of successes rise during your training? Look at the sign of your advantages.",
)
def _(seed, num_iterations):
    return trained(seed, num_iterations, -1.0)[0]


@misconception(
    "train_data_agent",
    name="returns the agent as it came",
    hint="Which model did the training change?",
)
def _(seed, num_iterations):
    from rlkit.agents.recipes import load_base

    return list(load_base("data_agent", "cpu")[0].parameters())


@misconception(
    "train_data_agent",
    name="trains with the same seed each time",
    hint="The seed is an argument, and the configuration has a place for it.",
)
def _(seed, num_iterations):
    return trained(seed, num_iterations, keep=False)[0]


@misconception(
    "train_data_agent",
    name="reports the successes instead of the agent",
    hint="The check lets the agent work; it needs its parameters.",
)
def _(seed, num_iterations):
    return float(trained(seed, num_iterations)[1].history["success"][-1])
