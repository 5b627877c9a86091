import pytest
import torch

from rlkit.exploration import action_probabilities, epsilon_greedy, sample
from rlkit.returns import discounted_return
from rlkit.validation import require_boolean, require_shapes
from tests.rlkit import references


def test_a_return_by_hand():
    assert discounted_return(torch.tensor([1.0, 0.0, 4.0]), 0.5).item() == 2.0  # 1 + 0/2 + 4/4


@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_the_return_is_the_sum_of_discounted_rewards_on_every_axis(discount):
    rewards = torch.randn(7, 3, dtype=torch.float64)
    by_loops = [references.warm_up.reference_returns(row, discount)[0] for row in rewards.T]
    torch.testing.assert_close(discounted_return(rewards, discount), torch.tensor(by_loops, dtype=torch.float64))


def test_no_rewards_return_zero():
    assert discounted_return(torch.zeros(0), 0.9).item() == 0


def test_a_return_needs_a_time_axis_and_a_discount():
    with pytest.raises(ValueError, match=r"expected \(T, \.\.\.\) with time first"):
        discounted_return(torch.tensor(1.0), 0.9)
    with pytest.raises(ValueError, match=r"discount is 1\.1"):
        discounted_return(torch.ones(2), 1.1)


def test_the_greedy_action_is_also_drawn_by_exploration():
    chances = action_probabilities(torch.tensor([0.0, 3.0, 1.0, 2.0]), 0.2)
    assert chances.tolist() == pytest.approx([0.05, 0.85, 0.05, 0.05])


def test_ties_share_the_greedy_part():
    assert action_probabilities(torch.tensor([[1.0, 1.0], [0.0, 2.0]]), 0.1).tolist() == [
        pytest.approx([0.5, 0.5]),
        pytest.approx([0.05, 0.95]),
    ]


def test_epsilon_outside_its_range_is_refused():
    with pytest.raises(ValueError, match=r"epsilon is 1.5, expected a probability in \[0, 1\]"):
        action_probabilities(torch.zeros(2), 1.5)


def test_draws_have_the_stated_frequencies():
    generator = torch.Generator().manual_seed(0)
    values = torch.tensor([0.0, 3.0, 1.0]).expand(200_000, 3)
    counts = torch.bincount(epsilon_greedy(values, 0.3, generator), minlength=3) / 200_000
    # Five standard errors of a frequency of at most 0.8 are 0.0045.
    assert counts.tolist() == pytest.approx([0.1, 0.8, 0.1], abs=0.0056)


def test_an_impossible_outcome_is_never_drawn():
    generator = torch.Generator().manual_seed(0)
    drawn = sample(torch.tensor([0.0, 0.7, 0.0, 0.3, 0.0]).expand(100_000, 5), generator)
    assert set(drawn.tolist()) == {1, 3}


def test_shape_errors_name_all_shapes():
    def formula(reward, next_action_values):
        require_shapes(reward="...", next_action_values="... A", given=locals())

    formula(torch.zeros(2, 3), torch.zeros(2, 3, 4))
    formula(torch.zeros(()), torch.zeros(4))
    with pytest.raises(ValueError, match=r"disagree on '...': reward \(3,\) for \(...\), next_action_values \(2, 4\)"):
        formula(torch.zeros(3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="reward is a list, expected a tensor"):
        formula([0.0], torch.zeros(1, 4))


def test_flags_must_be_boolean():
    with pytest.raises(ValueError, match=r"terminated has dtype torch\.float32, expected torch.bool"):
        require_boolean(terminated=torch.zeros(2))
