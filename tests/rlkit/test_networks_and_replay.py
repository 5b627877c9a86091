import pytest
import torch

from rlkit.environments import TableEnvironment
from rlkit.networks import MultiLayerPerceptron, apply_network, clip_gradients_per_seed, encode
from rlkit.replay import ReplayBuffer, Transitions
from rlkit.small_problems import stay_or_quit

CPU = torch.device("cpu")


def network(num_seeds=3, sizes=(4, 8, 2)):
    return MultiLayerPerceptron(num_seeds, sizes, torch.Generator().manual_seed(0)).double()


def test_each_seed_is_its_own_network_and_exports_as_plain_tensors():
    net, inputs = network(), torch.randn(3, 5, 4, dtype=torch.float64)
    outputs = net(inputs)
    for seed in range(3):
        assert torch.allclose(apply_network(net.export(seed), inputs[seed]), outputs[seed])
    assert not torch.allclose(outputs[0], net(inputs[0].expand(3, -1, -1))[1])
    assert [part.shape for part in net.export(0)] == [(4, 8), (8,), (8, 2), (2,)]


def test_the_summed_loss_trains_each_seed_as_if_it_were_alone():
    together, inputs = network(), torch.randn(3, 16, 4, dtype=torch.float64)
    goal = inputs.sum(-1, keepdim=True).expand(-1, -1, 2)
    alone = []
    for seed in range(3):
        copy = network()
        for layer in copy.layers:
            layer.weight = torch.nn.Parameter(layer.weight[seed : seed + 1].detach().clone())
            layer.bias = torch.nn.Parameter(layer.bias[seed : seed + 1].detach().clone())
        copy.num_seeds = 1
        alone.append(copy)

    def step(net, x, y, optimizer):
        optimizer.zero_grad()
        (net(x) - y).square().mean(dim=(1, 2)).sum().backward()
        clip_gradients_per_seed(net.parameters(), 0.1)
        optimizer.step()

    optimizer = torch.optim.Adam(together.parameters(), lr=0.01)
    others = [torch.optim.Adam(net.parameters(), lr=0.01) for net in alone]
    for _ in range(20):
        step(together, inputs, goal, optimizer)
        for seed in range(3):
            step(alone[seed], inputs[seed : seed + 1], goal[seed : seed + 1], others[seed])
    for seed in range(3):
        for ours, theirs in zip(together.export(seed), alone[seed].export(0), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-12)


def test_gradient_norms_are_limited_per_seed():
    net = network(2)
    scale = torch.tensor([1e-4, 1e4], dtype=torch.float64)
    (net(torch.ones(2, 3, 4, dtype=torch.float64)).square().sum(dim=(1, 2)) * scale).sum().backward()
    small = [parameter.grad[0].clone() for parameter in net.parameters()]
    norms = clip_gradients_per_seed(net.parameters(), 0.5)
    assert norms[0] < 0.5 < norms[1]
    after = torch.stack([parameter.grad.flatten(1).square().sum(1) for parameter in net.parameters()]).sum(0).sqrt()
    assert after[1].item() == pytest.approx(0.5, rel=1e-4)
    for parameter, before in zip(net.parameters(), small, strict=True):
        assert torch.equal(parameter.grad[0], before)


def test_observations_of_another_environment_are_refused():
    with pytest.raises(ValueError, match=r"inputs have shape \(3, 5, 6\), expected \(3 seeds, B, 4\)"):
        network()(torch.zeros(3, 5, 6, dtype=torch.float64))
    with pytest.raises(ValueError, match="seed 3 does not exist"):
        network().export(3)
    with pytest.raises(ValueError, match="sizes"):
        MultiLayerPerceptron(2, [4], torch.Generator())


def test_states_of_a_table_become_one_hot_vectors():
    environment = TableEnvironment(stay_or_quit(), (1, 2), seed=0)
    assert encode(environment, torch.tensor([[0, 1]])).tolist() == [[[1.0, 0.0], [0.0, 1.0]]]


def transitions(start, count, num_seeds=2):
    """Transitions whose every entry tells which one it is."""
    number = torch.arange(start, start + count, dtype=torch.float32).expand(num_seeds, -1)
    observation = torch.stack([number, number + 0.5], dim=-1)
    return Transitions(observation, number.long() % 3, number, number.long() % 2 == 0, observation + 100)


def check(batch):
    number = batch.reward
    assert torch.equal(batch.observation, torch.stack([number, number + 0.5], dim=-1))
    assert torch.equal(batch.final_observation, batch.observation + 100)
    assert torch.equal(batch.action, number.long() % 3) and batch.action.dtype == torch.int64
    assert torch.equal(batch.terminated, number.long() % 2 == 0)


def test_a_full_buffer_forgets_the_oldest_and_keeps_transitions_whole():
    buffer = ReplayBuffer(2, 10, 2, CPU)
    for start in range(0, 28, 4):
        buffer.add(transitions(start, 4))
    assert len(buffer) == 10
    batch = buffer.sample(2_000, torch.Generator().manual_seed(0))
    check(batch)
    assert batch.reward.unique().tolist() == list(range(18, 28))  # a kept one is missed with chance 10 * 0.9^4000
    assert not torch.equal(batch.reward[0], batch.reward[1])  # each seed draws its own
    check(buffer.latest(10))
    assert buffer.latest(6)[2][0].tolist() == list(range(22, 28))


def test_a_buffer_that_is_not_full_gives_only_what_was_written():
    buffer = ReplayBuffer(2, 1_000, 2, CPU)
    buffer.add(transitions(5, 3))
    assert buffer.sample(500, torch.Generator().manual_seed(0)).reward.unique().tolist() == [5, 6, 7]


def test_bad_use_is_refused():
    buffer = ReplayBuffer(1, 3, 2, CPU)
    with pytest.raises(ValueError, match="the replay buffer is empty"):
        buffer.sample(1, torch.Generator())
    with pytest.raises(ValueError, match="4 transitions at once, expected at most the capacity 3"):
        buffer.add(transitions(0, 4, 1))
    with pytest.raises(ValueError, match=r"latest 1 transitions asked for, expected 1\.\.0"):
        buffer.latest(1)
