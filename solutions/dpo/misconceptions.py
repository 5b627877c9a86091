"""Wrong answers to *dpo* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception

logsigmoid = torch.nn.functional.logsigmoid

# ---- optimal_policy


@misconception(
    "optimal_policy",
    name="the rewards are multiplied by beta",
    hint="A small β goes further from the reference.",
)
def _(reference, rewards, beta):
    return (reference + rewards * beta).log_softmax(-1)


@misconception(
    "optimal_policy",
    name="the reference is left out",
    hint="What the reference never does, the best policy does not do either.",
)
def _(reference, rewards, beta):
    return (rewards / beta).log_softmax(-1)


@misconception(
    "optimal_policy",
    name="not normalised",
    hint="Do the probabilities add up to 1?",
)
def _(reference, rewards, beta):
    return reference + rewards / beta


@misconception(
    "optimal_policy",
    name="probabilities instead of log-probabilities",
    hint="The logarithm was asked for.",
)
def _(reference, rewards, beta):
    return (reference + rewards / beta).softmax(-1)


# ---- implicit_reward


@misconception(
    "implicit_reward",
    name="the mean over tokens instead of the sum",
    hint="What is the log-probability of a whole answer?",
)
def _(policy, reference, mask, beta):
    return beta * (policy - reference).masked_fill(~mask, 0.0).sum(-1) / mask.sum(-1)


@misconception(
    "implicit_reward",
    name="multiplied by the mask, so that NaN gets through",
    hint="NaN times zero is NaN.",
)
def _(policy, reference, mask, beta):
    return beta * ((policy - reference) * mask).sum(-1)


@misconception(
    "implicit_reward",
    name="the reference is left out",
    hint="The reward is what was gained over the reference.",
)
def _(policy, reference, mask, beta):
    return beta * policy.masked_fill(~mask, 0.0).sum(-1)


@misconception(
    "implicit_reward",
    name="divided by beta",
    hint="r = β log(π / π_ref) + ...: on which side is β?",
)
def _(policy, reference, mask, beta):
    return (policy - reference).masked_fill(~mask, 0.0).sum(-1) / beta


# ---- dpo_loss


def margin_of(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    """The margin."""
    return beta * ((chosen - fixed_chosen) - (rejected - fixed_rejected))


@misconception(
    "dpo_loss",
    name="the logarithm of the sigmoid in two steps",
    hint="σ(−1000) is 0 for a computer; what is its logarithm?",
)
def _(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    return -torch.log(torch.sigmoid(margin_of(chosen, rejected, fixed_chosen, fixed_rejected, beta)))


@misconception(
    "dpo_loss",
    name="chosen and rejected swapped",
    hint="Which answer should become likelier?",
)
def _(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    return -logsigmoid(-margin_of(chosen, rejected, fixed_chosen, fixed_rejected, beta))


@misconception(
    "dpo_loss",
    name="the reference is left out",
    hint="At the start, when the policy is the reference, every loss is log 2.",
)
def _(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    return -logsigmoid(beta * (chosen - rejected))


@misconception(
    "dpo_loss",
    name="an objective instead of a loss",
    hint="It is to be minimised, and a large margin is good.",
)
def _(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    return logsigmoid(margin_of(chosen, rejected, fixed_chosen, fixed_rejected, beta))


@misconception(
    "dpo_loss",
    name="beta is left out",
    hint="The price of distance must appear somewhere.",
)
def _(chosen, rejected, fixed_chosen, fixed_rejected, beta):
    return -logsigmoid(margin_of(chosen, rejected, fixed_chosen, fixed_rejected, 1.0))


# ---- margin_and_accuracy


@misconception(
    "margin_and_accuracy",
    name="a tie counts as wrong",
    hint="Before training every pair is a tie; what should the accuracy be?",
)
def _(chosen, rejected):
    return (chosen - rejected).mean(), (chosen > rejected).double().mean()


@misconception(
    "margin_and_accuracy",
    name="a tie counts as right",
    hint="Before training every pair is a tie; what should the accuracy be?",
)
def _(chosen, rejected):
    return (chosen - rejected).mean(), (chosen >= rejected).double().mean()


@misconception(
    "margin_and_accuracy",
    name="the margin without its sign",
    hint="A pair in the wrong order has a negative margin.",
)
def _(chosen, rejected):
    right = (chosen > rejected).double() + 0.5 * (chosen == rejected).double()
    return (chosen - rejected).abs().mean(), right.mean()


# ---- gradient_weight


@misconception(
    "gradient_weight",
    name="learned pairs pull most",
    hint="How much should a pair pull whose margin is already large?",
)
def _(margin, beta):
    return beta * torch.sigmoid(margin)


@misconception(
    "gradient_weight",
    name="beta is left out",
    hint="The margin depends on log π with the factor β.",
)
def _(margin, beta):
    return torch.sigmoid(-margin)


@misconception(
    "gradient_weight",
    name="the derivative of the sigmoid instead of that of its logarithm",
    hint="The loss has a logarithm; a pair that is very wrong still pulls with β.",
)
def _(margin, beta):
    return beta * torch.sigmoid(margin) * torch.sigmoid(-margin)


@misconception(
    "gradient_weight",
    name="beta counted twice",
    hint="The margin already contains β.",
)
def _(margin, beta):
    return beta * torch.sigmoid(-beta * margin)


# ---- smoothed_loss


@misconception(
    "smoothed_loss",
    name="the mixture inside the logarithm",
    hint="Two losses are mixed, not two probabilities.",
)
def _(margin, label_smoothing):
    return -torch.log((1 - label_smoothing) * torch.sigmoid(margin) + label_smoothing * torch.sigmoid(-margin))


@misconception(
    "smoothed_loss",
    name="the share on the wrong side",
    hint="Most labels are right: which term has the larger weight?",
)
def _(margin, label_smoothing):
    return -label_smoothing * logsigmoid(margin) - (1 - label_smoothing) * logsigmoid(-margin)


@misconception(
    "smoothed_loss",
    name="the swapped pairs are left out",
    hint="A share of the pairs has the other order, and its own term.",
)
def _(margin, label_smoothing):
    return -(1 - label_smoothing) * logsigmoid(margin)


# ---- train_chain


def trained(seed, num_prompts, loss):
    """The right training with a given loss."""
    from rlkit.dpo import DPOConfig, train
    from rlkit.lm import chain
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
    from rlkit.lm.preferences import sample_pairs

    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
    pairs = sample_pairs(model, tokenizer, chain.prompts, chain.reward, num_prompts=num_prompts, seed=seed)
    result = train(model, tokenizer, pairs, DPOConfig(seed=seed), loss=loss)
    return model, result


@misconception(
    "train_chain",
    name="chosen and rejected swapped",
    hint="Which answers become likelier during your training?",
)
def _(seed, num_prompts):
    def swapped(chosen, rejected, fixed_chosen, fixed_rejected, beta):
        return -logsigmoid(-margin_of(chosen, rejected, fixed_chosen, fixed_rejected, beta))

    return list(trained(seed, num_prompts, swapped)[0].parameters())


@misconception(
    "train_chain",
    name="returns the model as it came",
    hint="Which model did the training change?",
)
def _(seed, num_prompts):
    from rlkit.lm.checkpoints import SHIPPED, load_checkpoint

    return list(load_checkpoint(SHIPPED / "chain", "cpu")[0].parameters())


@misconception(
    "train_chain",
    name="reports the loss instead of the model",
    hint="The check lets the model add; it needs its parameters.",
)
def _(seed, num_prompts):
    right = trained(seed, num_prompts, lambda a, b, c, d, beta: -logsigmoid(margin_of(a, b, c, d, beta)))
    return float(right[1].history["loss"][-1])
