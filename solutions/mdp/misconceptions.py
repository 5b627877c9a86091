"""Wrong answers to *mdp* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception


def build_map(rows, slip, walls_are_states=False, ends=True, turns=(1, -1), share=0.5, wrap=False, swap=False):
    """Build a map with one rule changed."""
    moves = [(-1, 0), (0, 1), (1, 0), (0, -1)]
    if swap:
        moves = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    cells = [(i, j) for i, row in enumerate(rows) for j, x in enumerate(row) if x != "#" or walls_are_states]
    number = {cell: s for s, cell in enumerate(cells)}
    P = torch.zeros(len(cells), 4, len(cells), dtype=torch.float64)
    for (i, j), s in number.items():
        for a in range(4):
            if ends and rows[i][j] in "GP":
                P[s, a, s] = 1
                continue
            for turn, chance in ((0, 1 - slip), *((turn, slip * share) for turn in turns)):
                di, dj = moves[(a + turn) % 4]
                there = (i + di, j + dj)
                if wrap:
                    there = (there[0] % len(rows), there[1] % len(rows[0]))
                blocked = there not in number or rows[there[0]][there[1]] == "#"
                P[s, a, s if blocked else number[there]] += chance
    return P


@misconception(
    "slippery_transitions",
    name="slips to every direction",
    hint="Which two directions are perpendicular to the intended one?",
)
def _(rows, slip):
    return build_map(rows, slip, turns=(1, 2, 3), share=1 / 3)


@misconception(
    "slippery_transitions", name="each side gets the whole slip", hint="What do the probabilities of one action sum to?"
)
def _(rows, slip):
    return build_map(rows, slip, share=1.0)


@misconception(
    "slippery_transitions",
    name="goals and pits can be left",
    hint="Where does a step lead after the end of the episode?",
)
def _(rows, slip):
    return build_map(rows, slip, ends=False)


@misconception("slippery_transitions", name="walls counted as states", hint="How many cells are not walls?")
def _(rows, slip):
    return build_map(rows, slip, walls_are_states=True)


@misconception("slippery_transitions", name="up and down exchanged", hint="Row 0 is the top of the map.")
def _(rows, slip):
    return build_map(rows, slip, swap=True)


@misconception(
    "slippery_transitions", name="the edges are joined", hint="A step over the edge leaves the agent where it is."
)
def _(rows, slip):
    return build_map(rows, slip, wrap=True)


@misconception("slippery_transitions", name="never slips", hint="What happens with probability σ?")
def _(rows, slip):
    return build_map(rows, 0.0)


# ---- expected_rewards


@misconception(
    "expected_rewards",
    name="the mean over next states, whatever their probability",
    hint="How likely is each transition?",
)
def _(P, R):
    return R.mean(dim=2)


@misconception("expected_rewards", name="the sum of all rewards", hint="How likely is each transition?")
def _(P, R):
    return R.sum(dim=2)


@misconception(
    "expected_rewards",
    name="sums over the state that is left",
    hint="Which axis is the state in which the step arrives?",
)
def _(P, R):
    return (P * R).sum(dim=0).T


@misconception(
    "expected_rewards",
    name="the reward of the likeliest transition",
    hint="Less likely transitions earn something too.",
)
def _(P, R):
    return R.gather(2, P.argmax(dim=2, keepdim=True)).squeeze(2)


# ---- validate_mdp


def validate(
    P, r, discount, sums=True, signs=True, nan=True, reward=True, gamma=True, tolerance=1e-6, place=True, axis=2
):
    """Validate with some tests left out."""
    if P.ndim != 3 or P.shape[0] != P.shape[2] or r.shape != P.shape[:2]:
        raise ValueError("shapes")
    if signs and (P < 0).any():
        raise ValueError("negative probability")
    if nan and P.isnan().any():
        raise ValueError("not a number")
    total = P.sum(dim=axis)
    wrong = (total - 1).abs() > tolerance
    if sums and wrong.any():
        s, a = wrong.nonzero()[0].tolist()
        raise ValueError(f"state {s}, action {a}: sum {total[s, a].item():.6g}" if place else "rows must sum to 1")
    if reward and not r.isfinite().all():
        raise ValueError("reward")
    if gamma and not 0 <= discount <= 1:
        raise ValueError("discount")


@misconception(
    "validate_mdp", name="sums are checked, signs are not", hint="Can a row sum to 1 and hold a negative number?"
)
def _(P, r, discount):
    validate(P, r, discount, signs=False)


@misconception("validate_mdp", name="NaN slips through", hint="Every comparison with NaN is false.")
def _(P, r, discount):
    validate(P, r, discount, nan=False, reward=False)


@misconception(
    "validate_mdp", name="sums must be exact", hint="Three times one third is not always 1 in floating point."
)
def _(P, r, discount):
    validate(P, r, discount, tolerance=0.0)


@misconception("validate_mdp", name="sums over the wrong axis", hint="Which axis of P is a probability distribution?")
def _(P, r, discount):
    total = P.sum(dim=0)
    if ((total - 1).abs() > 1e-6).any():
        raise ValueError("sum")
    validate(P, r, discount, sums=False)


@misconception(
    "validate_mdp",
    name="returns False instead of raising",
    hint="A caller who forgets to look at the result notices nothing.",
)
def _(P, r, discount):
    try:
        validate(P, r, discount)
    except ValueError:
        return False
    return True


@misconception("validate_mdp", name="the discount is not checked", hint="What would a discount of 1.5 mean?")
def _(P, r, discount):
    validate(P, r, discount, gamma=False)


# ---- make_absorbing


def absorbing(P, r, terminal, stay=True, reward=True):
    """Make states absorbing, perhaps by half."""
    P, r = P.clone(), r.clone()
    for s in terminal.nonzero().flatten().tolist():
        P[s] = 0
        if stay:
            P[s, :, s] = 1
        if reward:
            r[s] = 0
    return P, r


@misconception(
    "make_absorbing", name="a terminal state that keeps earning", hint="What does staying after the end earn?"
)
def _(P, r, terminal):
    return absorbing(P, r, terminal, reward=False)


@misconception("make_absorbing", name="rows of zeros", hint="Is a row of zeros a probability distribution?")
def _(P, r, terminal):
    return absorbing(P, r, terminal, stay=False)


@misconception(
    "make_absorbing",
    name="arriving earns nothing any more",
    hint="Only rewards of actions taken in a terminal state disappear.",
)
def _(P, r, terminal):
    P, r = absorbing(P, r, terminal)
    return P, r * (1 - P[:, :, terminal].sum(dim=2))


@misconception("make_absorbing", name="the other states become terminal", hint="What does the mask mark?")
def _(P, r, terminal):
    return absorbing(P, r, ~terminal)


@misconception(
    "make_absorbing", name="the way in is closed instead of the way out", hint="Which axis is the state that is left?"
)
def _(P, r, terminal):
    P, r = P.clone(), r.clone()
    P[:, :, terminal] = 0
    r[terminal] = 0
    return P, r


# ---- induced_chain


@misconception(
    "induced_chain", name="the mean over actions, whatever the policy", hint="How likely is each action in this state?"
)
def _(P, r, policy):
    return P.mean(dim=1), r.mean(dim=1)


@misconception("induced_chain", name="only the likeliest action", hint="The policy takes the other actions too.")
def _(P, r, policy):
    states, actions = torch.arange(len(r)), policy.argmax(dim=1)
    return P[states, actions], r[states, actions]


@misconception("induced_chain", name="the transposed chain", hint="Rows or columns: which should sum to 1?")
def _(P, r, policy):
    return (policy[:, :, None] * P).sum(dim=1).T, (policy * r).sum(dim=1)


@misconception(
    "induced_chain", name="the policy of the next state", hint="The action is chosen in the state that is left."
)
def _(P, r, policy):
    return torch.einsum("ta,sat->st", policy, P), (policy * r).sum(dim=1)


# ---- occupancy


def chain_of(P, policy):
    """Return P_pi, right."""
    return (policy[:, :, None] * P).sum(dim=1)


@misconception(
    "occupancy", name="the transpose forgotten", hint="Mass flows into a state: which index of P_π is summed?"
)
def _(P, policy, start, discount):
    chain = chain_of(P, policy)
    return torch.linalg.solve(torch.eye(len(chain), dtype=P.dtype) - discount * chain, start)


@misconception("occupancy", name="normalised to one", hint="What is 1 + γ + γ² + ...?")
def _(P, policy, start, discount):
    chain = chain_of(P, policy)
    return (1 - discount) * torch.linalg.solve(torch.eye(len(chain), dtype=P.dtype) - discount * chain.T, start)


@misconception("occupancy", name="the first state is not counted", hint="At time 0 the discount is γ⁰ = 1.")
def _(P, policy, start, discount):
    chain = chain_of(P, policy)
    return torch.linalg.solve(torch.eye(len(chain), dtype=P.dtype) - discount * chain.T, start) - start


@misconception("occupancy", name="visits are not discounted", hint="A visit at time t counts γᵗ.")
def _(P, policy, start, discount):
    chain, where, total = chain_of(P, policy), start, torch.zeros_like(start)
    for _ in range(100):
        total = total + where
        where = where @ chain
    return total


@misconception(
    "occupancy", name="uniform actions, whatever the policy", hint="How likely is each action under this policy?"
)
def _(P, policy, start, discount):
    return torch.linalg.solve(torch.eye(len(start), dtype=P.dtype) - discount * P.mean(dim=1).T, start)


# ---- sample_trajectories


def sample(P, policy, start, length, count, generator, first=None, act=None, move=None):
    """Sample with one part changed."""

    def draw(probabilities):
        return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)

    state = first(draw) if first else draw(start.expand(count, -1))
    states, actions = [], []
    for _ in range(length):
        action = act(state, draw) if act else draw(policy[state])
        states.append(state)
        actions.append(action)
        state = move(state, action, draw) if move else draw(P[state, action])
    return torch.stack(states, 1), torch.stack(actions, 1)


@misconception("sample_trajectories", name="always starts in state 0", hint="Where do the first states come from?")
def _(P, policy, start, length, count, generator):
    return sample(P, policy, start, length, count, generator, first=lambda draw: torch.zeros(count, dtype=torch.int64))


@misconception(
    "sample_trajectories", name="the likeliest action instead of a draw", hint="A policy gives probabilities."
)
def _(P, policy, start, length, count, generator):
    return sample(P, policy, start, length, count, generator, act=lambda state, draw: policy[state].argmax(dim=1))


@misconception(
    "sample_trajectories", name="the likeliest next state instead of a draw", hint="The world is random, too."
)
def _(P, policy, start, length, count, generator):
    return sample(P, policy, start, length, count, generator, move=lambda s, a, draw: P[s, a].argmax(dim=1))


@misconception(
    "sample_trajectories",
    name="stores the state after the step",
    hint="Which state was the action taken in? Store before moving.",
)
def _(P, policy, start, length, count, generator):
    states, actions = sample(P, policy, start, length + 1, count, generator)
    return states[:, 1:], actions[:, :-1]


@misconception(
    "sample_trajectories",
    name="uniform actions, whatever the policy",
    hint="How likely is each action under this policy?",
)
def _(P, policy, start, length, count, generator):
    def act(state, draw):
        return draw(torch.full((count, policy.shape[1]), 1.0))

    return sample(P, policy, start, length, count, generator, act=act)


@misconception("sample_trajectories", name="time and trajectories exchanged", hint="What is the shape of the result?")
def _(P, policy, start, length, count, generator):
    states, actions = sample(P, policy, start, length, count, generator)
    return states.T, actions.T
