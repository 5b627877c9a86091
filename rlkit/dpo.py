r"""Direct preference optimisation: learn from pairs, without a reward model and without sampling.

The policy that maximises :math:`\mathbb E[r] - \beta\, \mathrm{KL}(\pi \,\|\, \pi_\text{ref})` is
:math:`\pi^*(y \mid x) \propto \pi_\text{ref}(y \mid x)\, e^{r(x, y) / \beta}`, so a policy *is* a reward,
:math:`\hat r(x, y) = \beta \log \frac{\pi_\theta(y \mid x)}{\pi_\text{ref}(y \mid x)}`, up to a function of the prompt.
Put into the Bradley–Terry likelihood of a preference this is the loss

.. math:: L = -\log \sigma\big( \hat r(x, y^+) - \hat r(x, y^-) \big).

References
----------
Rafailov, Sharma, Mitchell, Ermon, Manning and Finn (2023), "Direct Preference Optimization: Your Language Model is
Secretly a Reward Model", equation 7. Azar et al. (2024), "A General Theoretical Paradigm to Understand Learning from
Human Preferences", equation 17, for IPO. Label smoothing after Mitchell (2023), "A note on DPO with noisy preferences".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rlkit.lm.resume import Resumable
from rlkit.lm.sampling import encode_prompts, require_room
from rlkit.lm.scoring import score
from rlkit.lm.supervised import encode_completions
from rlkit.lm.tokens import sequence_log_probability
from rlkit.lm.updates import LastGood, take_step
from rlkit.seeding import make_generator
from rlkit.training import Run, require_converging, stack_history
from rlkit.validation import require_shapes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def optimal_policy(reference_log_probabilities: Tensor, rewards: Tensor, beta: float) -> Tensor:
    r"""Log-probabilities of the policy that maximises reward minus :math:`\beta` times the divergence.

    :math:`\log \pi^*(y) = \log \pi_\text{ref}(y) + r(y) / \beta - \log Z` (equation 4 of the paper), for outcomes that
    can be listed.

    Parameters
    ----------
    reference_log_probabilities, rewards : Tensor, shape (..., N)
    beta : float
        Above 0.

    Returns
    -------
    Tensor, shape (..., N)
    """
    require_shapes(reference_log_probabilities="... N", rewards="... N", given=locals())
    _require_beta(beta)
    return (reference_log_probabilities + rewards / beta).log_softmax(-1)


def implicit_reward(log_probability: Tensor, reference_log_probability: Tensor, beta: float) -> Tensor:
    r""":math:`\beta (\log \pi_\theta(y \mid x) - \log \pi_\text{ref}(y \mid x))` of whole completions, shape (...)."""
    require_shapes(log_probability="...", reference_log_probability="...", given=locals())
    _require_beta(beta)
    return beta * (log_probability - reference_log_probability)


def dpo_loss(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Loss of each pair (equation 7), to be minimised.

    Parameters
    ----------
    policy_chosen, policy_rejected, reference_chosen, reference_rejected : Tensor, shape (...)
        Log-probabilities of whole completions: *sums* over their tokens.
    beta : float
        Above 0; a small one lets the policy go far from the reference.
    label_smoothing : float
        Share of the pairs, in [0, 0.5), whose labels are taken to be swapped.

    Returns
    -------
    Tensor, shape (...)
    """
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta)
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(f"label_smoothing is {label_smoothing!r}, expected a number in [0, 0.5)")
    # logsigmoid is exact where log(sigmoid(x)) would be log(0).
    return -(1 - label_smoothing) * logsigmoid(margin) - label_smoothing * logsigmoid(-margin)


def ipo_loss(
    policy_chosen: Tensor, policy_rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, beta: float
) -> Tensor:
    r"""Identity preference optimisation, :math:`(h - 1 / (2 \beta))^2`, h the difference of log-ratios; shape (...).

    Where :math:`-\log \sigma` always asks for a larger margin, this asks for :math:`1 / (2 \beta)` and no more.
    """
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta)
    return (margin / beta - 1 / (2 * beta)).square()


def supervised_term(log_probability: Tensor, lengths: Tensor) -> Tensor:
    r"""Mean over answers of :math:`-\log \pi_\theta(y^+ \mid x) / \lvert y^+ \rvert`, a scalar that holds them up.

    Each answer counts alike, as in the paper; TRL's ``"sft"`` lets each token count alike, which is the same where all
    answers are of one length.

    Parameters
    ----------
    log_probability : Tensor, shape (...)
        Of whole chosen completions.
    lengths : Tensor, shape (...)
        Their tokens.

    References
    ----------
    Pang et al. (2024), "Iterative Reasoning Preference Optimization".
    """
    require_shapes(log_probability="...", lengths="...", given=locals())
    return -(log_probability / lengths).mean()


def _margin(
    policy_chosen: Tensor, policy_rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, beta: float
) -> Tensor:
    """Difference of implicit rewards, with the arguments checked."""
    names = ("policy_chosen", "policy_rejected", "reference_chosen", "reference_rejected")
    require_shapes(**dict.fromkeys(names, "..."), given=locals())
    return implicit_reward(policy_chosen, reference_chosen, beta) - implicit_reward(
        policy_rejected, reference_rejected, beta
    )


def _require_beta(beta: float) -> None:
    if not beta > 0:
        raise ValueError(f"beta is {beta!r}, expected a number above 0")


@dataclass(frozen=True)
class DPOConfig:
    """Settings; the defaults were tuned here for *Chain* and the tiny model.

    A run with a ``checkpoint_folder`` that was interrupted goes on when it is called again with the same arguments.
    """

    beta: float = 0.1
    learning_rate: float = 3e-4
    num_epochs: int = 4
    batch_size: int = 64
    supervised_coefficient: float = 0.0
    largest_gradient_norm: float = 1.0
    checkpoint_folder: str | None = None
    checkpoint_every: int = 50
    seed: int = 0


@dataclass(frozen=True, eq=False)
class DPOResult:
    """What the run recorded, and how it ended. The model was trained in place.

    ``history`` has ``step``, ``loss``, ``margin`` (of implicit rewards), ``accuracy`` (share of pairs with a positive
    margin), ``chosen_change`` and ``rejected_change`` (log-probability minus the reference's), one row an update.
    """

    history: dict[str, Tensor]
    ended: str


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str, str]],
    config: DPOConfig = DPOConfig(),
    loss: Callable[..., Tensor] = dpo_loss,
    progress: bool = False,
) -> DPOResult:
    """Train a model in place on (prompt, chosen, rejected); the reference is the model as it comes.

    Parameters
    ----------
    model, tokenizer
    pairs : sequence of (str, str, str)
    config : DPOConfig
    loss : callable
        With the first five arguments of :func:`dpo_loss`, positionally.
    progress : bool
    """
    if not pairs:
        raise ValueError("pairs is empty, expected (prompt, chosen, rejected) with at least one entry")
    prompts, chosen, rejected = (list(column) for column in zip(*pairs, strict=True))
    asked, asked_mask = encode_prompts(tokenizer, prompts, model.device)
    answers, answers_mask = encode_completions(tokenizer, [*chosen, *rejected], model.device)
    require_room(model, prompts, asked_mask, answers_mask.sum(1).reshape(2, -1).amax(0))
    count = len(pairs)

    def log_probabilities(rows: Tensor) -> Tensor:
        """Of the chosen and the rejected completions of some pairs, (2, B), in one pass."""
        both = torch.cat([rows, rows + count])
        prompts, prompt_mask = asked[rows].repeat(2, 1), asked_mask[rows].repeat(2, 1)
        scored = score(model, prompts, prompt_mask, answers[both], answers_mask[both]).log_probabilities
        return sequence_log_probability(scored, answers_mask[both]).reshape(2, len(rows))

    everything = torch.arange(count, device=model.device)
    with torch.no_grad():
        reference = torch.cat([log_probabilities(rows) for rows in everything.split(256)], dim=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0, fused=True)
    shuffling = make_generator(config.seed, "minibatches")
    batches = [
        rows.to(model.device)
        for _ in range(config.num_epochs)
        for rows in torch.randperm(count, generator=shuffling).split(config.batch_size)
    ]
    keeper = Resumable(config.checkpoint_folder, config.checkpoint_every, model, tokenizer, optimizer, {})
    done, records = keeper.start(f"{config!r}, {count} pairs")
    run, last_good = Run(len(batches), "dpo", progress), LastGood(model)
    model.train()
    with run, last_good:
        for step in run:
            if step < done:
                continue
            rows = batches[step]
            policy, fixed = log_probabilities(rows), reference[:, rows]
            losses = loss(policy[0], policy[1], fixed[0], fixed[1], config.beta)
            lengths = answers_mask[rows].sum(1)
            total = losses.mean() + config.supervised_coefficient * supervised_term(policy[0], lengths)
            require_converging("loss", total.detach().reshape(1), step)
            take_step(optimizer, total, config.largest_gradient_norm, step)
            last_good.keep()
            change = (policy - fixed).detach()
            margin = config.beta * (change[0] - change[1])
            record = {"loss": losses.mean(), "margin": margin.mean(), "accuracy": (margin > 0).float().mean()}
            record |= {"chosen_change": change[0].mean(), "rejected_change": change[1].mean()}
            records.append({"step": torch.tensor(step + 1), **{name: v.detach().cpu() for name, v in record.items()}})
            keeper.finished(step + 1, records, last=step + 1 == len(batches))
            run.show(loss=losses.mean().item()) if progress else None
    model.eval()
    return DPOResult(stack_history(records), run.ended)
