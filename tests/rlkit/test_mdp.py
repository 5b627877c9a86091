import pytest
import torch

from rlkit.mdp import FiniteMDP
from tests.rlkit.problems import puterman_two_states, random_mdp

STAY = torch.eye(2, dtype=torch.float64)[:, None, :].repeat(1, 2, 1)  # two states, two actions, nothing moves
REWARDS = torch.ones(2, 2, dtype=torch.float64)


def changed(place, value):
    probabilities = STAY.clone()
    probabilities[place] = value
    return probabilities


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transition_probabilities": STAY[0]}, r"has shape \(2, 2\), expected \(S, A, S\) or \(S, A, K\)"),
        ({"transition_probabilities": STAY[..., :1]}, r"shape \(2, 2, 1\), expected \(S, A, S\).*next_states"),
        ({"transition_probabilities": STAY.tolist()}, "transition_probabilities is list, expected a floating point"),
        ({"transition_probabilities": STAY.long()}, "torch.int64, expected a floating point tensor"),
        ({"transition_probabilities": changed((1, 0, 1), 0.98)}, "state 1, action 0 sum to 0.98, expected 1"),
        ({"transition_probabilities": changed((0, 1, 0), torch.nan)}, "state 0, action 1 contain nan"),
        ({"transition_probabilities": changed((0, 1), torch.tensor([1.5, -0.5]))}, "state 0, action 1 contain -0.5"),
        ({"rewards": REWARDS[0]}, r"rewards has shape \(2,\), expected \(2, 2\) or \(2, 2, 2\)"),
        ({"rewards": REWARDS.float()}, "rewards is torch.float32 and transition_probabilities torch.float64; use one"),
        ({"rewards": REWARDS * torch.nan}, r"rewards\[0, 0\] is nan, expected finite numbers"),
        ({"discount": 1.5}, r"discount is 1.5, expected a number in \[0, 1\]"),
        ({"discount": -0.1}, "discount is -0.1"),
        ({"discount": "0.9"}, "discount is '0.9'"),
        ({"discount": float("nan")}, "discount is nan"),
        ({"discount": 1.0}, "discount is 1, but from state 0 no terminal state can be reached"),
        ({"next_states": torch.zeros(2, 2, 1, dtype=torch.int64)}, r"next_states has shape \(2, 2, 1\)"),
        ({"next_states": torch.full((2, 2, 2), 2)}, r"next_states ranges over 2..2, expected 0..1"),
        ({"initial_distribution": torch.tensor([0.5, 0.4])}, "initial probabilities sum to 0.9, expected 1"),
        ({"initial_distribution": torch.ones(3) / 3}, r"initial_distribution has shape \(3,\), expected \(2,\)"),
        ({"admissible": torch.ones(2, 2)}, "dtype torch.float32, expected .* torch.bool"),
        ({"admissible": torch.tensor([[True, True], [False, False]])}, "state 1 has no admissible action"),
        ({"state_names": ("one",)}, "state_names has 1 entries, expected 2"),
    ],
)
def test_a_malformed_mdp_is_refused_with_what_was_given_and_expected(arguments, message):
    good = {"transition_probabilities": STAY, "rewards": REWARDS, "discount": 0.9}
    with pytest.raises(ValueError, match=message):
        FiniteMDP(**{**good, **arguments})


def test_probabilities_of_float32_may_round():
    thirds = torch.full((3, 1, 3), 1 / 3)
    assert FiniteMDP(thirds, torch.zeros(3, 1), 0.9).num_states == 3


def test_rows_of_actions_that_do_not_exist_are_ignored():
    assert puterman_two_states().expected_rewards.tolist() == [[5, 10], [-1, 0]]


def test_rewards_of_transitions_are_averaged_over_next_states():
    mdp = random_mdp(seed=0)
    by_loop = sum(mdp.transition_probabilities[3, 1, s] * mdp.rewards[3, 1, s] for s in range(mdp.num_states))
    assert mdp.expected_rewards[3, 1].item() == pytest.approx(by_loop.item(), abs=1e-14)


def test_a_state_is_terminal_only_if_it_stays_for_ever_at_reward_zero():
    stay_free = FiniteMDP(STAY, torch.tensor([[0.0, 0.0], [0.0, 1.0]], dtype=torch.float64), 0.9)
    assert stay_free.terminal.tolist() == [True, False]
    assert stay_free.initial_distribution.tolist() == [0, 1]  # episodes do not start at their end


def test_discount_one_is_accepted_where_an_end_can_be_reached():
    leave = torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]])
    assert FiniteMDP(leave, torch.tensor([[1.0], [0.0]]), 1.0).terminal.tolist() == [False, True]


def test_neighbour_lists_and_dense_probabilities_are_the_same_mdp():
    dense = random_mdp(seed=1)
    everywhere = torch.arange(dense.num_states).expand_as(dense.transition_probabilities).contiguous()
    # A state may be listed twice: its chances add up.
    lists = FiniteMDP(
        torch.cat([dense.transition_probabilities / 2] * 2, dim=2),
        torch.cat([dense.rewards] * 2, dim=2),
        dense.discount,
        torch.cat([everywhere] * 2, dim=2),
    )
    values = torch.randn(dense.num_states, dtype=torch.float64)
    torch.testing.assert_close(lists.dense(), dense.dense(), atol=1e-15, rtol=0)
    torch.testing.assert_close(lists.expected_next_values(values), dense.expected_next_values(values))
    torch.testing.assert_close(lists.expected_rewards, dense.expected_rewards)


def test_values_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"state_values has shape \(3,\), expected \(12,\)"):
        random_mdp(seed=0).expected_next_values(torch.zeros(3, dtype=torch.float64))


def test_copies_keep_everything_else():
    mdp = puterman_two_states()
    assert mdp.with_discount(0.5).discount == 0.5
    assert mdp.with_discount(0.5).admissible.equal(mdp.admissible)
    assert mdp.to(dtype=torch.float32).rewards.dtype == torch.float32
    assert mdp.to(dtype=torch.float32).admissible.dtype == torch.bool
