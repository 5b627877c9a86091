"""*Chain* from the supervised base on: DPO, GRPO and RLHF over several seeds, each with a base of its own."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from evidence import write_record
from tqdm import tqdm

from rlkit import dpo, grpo, reward_model, rlhf
from rlkit.lm import chain
from rlkit.lm.checkpoints import tiny_llama
from rlkit.lm.evaluation import accuracy, num_correct, pass_at_k
from rlkit.lm.make_shipped import make_chain_base
from rlkit.lm.preferences import sample_pairs
from rlkit.lm.sampling import decode, encode_prompts, sample
from rlkit.lm.scoring import score
from rlkit.lm.supervised import SupervisedConfig, encode_completions
from rlkit.lm.supervised import train as train_supervised
from rlkit.lm.tokens import sequence_log_probability
from rlkit.seeding import make_generator

FIRST_SEED = 200  # settings were tuned on seeds below
NUM_TEST_PROMPTS = 1_000
HELD_OUT = 0.15
WEAK_STEPS = 60  # of supervised training, where the base has 350
SOURCES = ["rlkit/dpo.py", "rlkit/grpo.py", "rlkit/group_objective.py", "rlkit/reward_model.py", "rlkit/rlhf.py",
           "rlkit/lm/chain.py", "rlkit/lm/evaluation.py", "rlkit/lm/make_shipped.py", "rlkit/lm/preferences.py",
           "rlkit/lm/sampling.py", "rlkit/lm/scoring.py", "rlkit/lm/supervised.py", "rlkit/lm/tokens.py",
           "benchmarks/chain_seeds.py"]  # fmt: skip
PACKAGES = ["torch", "transformers", "tokenizers", "numpy"]
Model = Any


def judge(model: Model, tokenizer: Any) -> dict[str, float]:
    """Mean reward on test prompts, greedy and sampled; of the samples, how many think first, and who is then right."""
    prompts = chain.prompts(NUM_TEST_PROMPTS, make_generator(0, "test"), "test")
    limit, generator = chain.MAX_NEW_TOKENS, make_generator(0, "test samples", model.device)
    texts = decode(tokenizer, sample(model, tokenizer, prompts, limit, generator))
    right = torch.tensor(chain.reward(prompts, texts))
    thinks = torch.tensor([not text.startswith("#") for text in texts])
    found = {
        "greedy": accuracy(model, tokenizer, chain.reward, prompts, limit),
        "sampled": right.mean().item(),
        "thinking": thinks.float().mean().item(),
    }
    kinds = {"right_thinking": thinks, "right_guessing": ~thinks}
    return found | {name: right[kind].mean().item() for name, kind in kinds.items() if kind.any()}


@torch.no_grad()
def changes(model: Model, base: Model, tokenizer: Any, pairs: list[tuple[str, str, str]]) -> dict[str, float]:
    """Change of the chosen answers' log-probability: of those with a scratchpad and of the lucky guesses."""
    prompts, chosen, rejected = (list(column) for column in zip(*pairs, strict=True))
    inputs = (*encode_prompts(tokenizer, prompts), *encode_completions(tokenizer, chosen))
    after, before = (
        sequence_log_probability(score(one, *inputs).log_probabilities, inputs[3]) for one in (model, base)
    )
    guesses = torch.tensor([text.startswith("#") for text in chosen])
    return {
        "share_guesses_chosen": guesses.float().mean().item(),
        "share_guesses_rejected": statistics.mean(text.startswith("#") for text in rejected),
        "change_thinking": (after - before)[~guesses].mean().item(),
        "change_guesses": (after - before)[guesses].mean().item(),
        "change_chosen": (after - before).mean().item(),
    }


def run_seed(seed: int, tick: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Every method from the base of one seed: how well it ends, its curves, its CPU seconds."""
    found: dict[str, dict[str, Any]] = {}
    began = time.process_time()
    base, tokenizer = make_chain_base(seed)
    seconds = time.process_time() - began
    prompts = chain.prompts(200, make_generator(0, "test"), "test")
    right = num_correct(base, tokenizer, chain.reward, prompts, 16, chain.MAX_NEW_TOKENS, make_generator(seed, "pass"))
    found["base"] = {
        "seconds": seconds, **judge(base, tokenizer), "pass_at_8": pass_at_k(right, 16, 8).mean().item(),
    }  # fmt: skip
    tick("base")

    def record(name: str, train: Callable[[Model], Any], start: Model = base, **extra: Any) -> None:
        model = copy.deepcopy(start)
        began = time.process_time()
        result = train(model)
        seconds = time.process_time() - began
        curves = {key: [round(x, 4) for x in values.tolist()] for key, values in result.history.items()}
        found[name] = {"seconds": seconds, "ended": result.ended, **judge(model, tokenizer), "curves": curves, **extra}
        if name.startswith("dpo"):
            found[name] |= changes(model, base, tokenizer, pairs)
        tick(name)

    began = time.process_time()
    pairs = sample_pairs(base, tokenizer, chain.prompts, chain.reward, seed=seed)
    pair_seconds = time.process_time() - began
    for name, settings in (
        ("dpo", {}),
        ("dpo-supervised", {"supervised_coefficient": 0.2}),
        ("dpo-beta-2", {"beta": 2.0}),
    ):
        config = dpo.DPOConfig(seed=seed, **settings)
        record(
            name,
            lambda model, c=config: dpo.train(model, tokenizer, pairs, c),
            pairs=len(pairs),
            pair_seconds=pair_seconds,
        )

    def improve(model: Model, **settings: Any) -> grpo.GRPOResult:
        return grpo.train(model, tokenizer, chain.prompts, chain.reward, grpo.GRPOConfig(seed=seed, **settings))

    record("grpo", improve)
    # As many samples, one prompt a step; and a base that adds no better than it guesses.
    steps = grpo.GRPOConfig.num_steps * grpo.GRPOConfig.prompts_per_step
    record("grpo-one-prompt", lambda model: improve(model, prompts_per_step=1, num_steps=steps))
    weak = tiny_llama(tokenizer, seed=seed)
    examples = chain.demonstrations(128 * WEAK_STEPS, make_generator(seed, "demonstrations"))
    train_supervised(weak, tokenizer, examples, SupervisedConfig(num_steps=WEAK_STEPS, seed=seed))
    record("grpo-weak-base", improve, weak, before=judge(weak, tokenizer))

    cut = round(len(pairs) * (1 - HELD_OUT))
    settings = reward_model.RewardModelConfig(seed=seed)
    learned = reward_model.train(base, tokenizer, pairs[:cut], settings).reward_model
    balanced = reward_model.train(base, tokenizer, equal_lengths(pairs[:cut]), settings).reward_model
    arms = {
        "rlhf-reward-model": (learned, {}, preference_accuracies(learned, pairs[cut:])),
        "rlhf-larger-kl": (learned, {"kl_coefficient": 0.5}, {}),
        "rlhf-heavy-critic": (learned, {"value_coefficient": 0.5}, {}),
        "rlhf-balanced": (balanced, {}, preference_accuracies(balanced, pairs[cut:])),
        "rlhf-verifier": (chain.reward, {}, {}),
    }
    for name, (reward, settings_of_arm, more) in arms.items():
        config = rlhf.RLHFConfig(seed=seed, **settings_of_arm)

        def train(model: Model, reward: Any = reward, config: rlhf.RLHFConfig = config) -> Any:
            return rlhf.train(model, tokenizer, chain.prompts, reward, config, watch=chain.reward)

        record(name, train, **more)
    return found


def equal_lengths(pairs: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Pairs in which length tells nothing."""
    return [pair for pair in pairs if len(pair[1]) == len(pair[2])]


def preference_accuracies(learned: reward_model.RewardModel, pairs: list[tuple[str, str, str]]) -> dict[str, float]:
    """Accuracy of a reward model on pairs, on those of equal length, and of length alone."""

    def scores(column: int, some: list[tuple[str, str, str]]) -> torch.Tensor:
        return torch.tensor(learned([pair[0] for pair in some], [pair[column] for pair in some]))

    def lengths(column: int) -> torch.Tensor:
        return torch.tensor([float(len(pair[column])) for pair in pairs])

    same = equal_lengths(pairs)
    measure = reward_model.preference_accuracy
    # The same scratchpad with the right last digit and with a wrong one: what a judge of sums would tell apart.
    thought = [pair for pair in pairs if not pair[1].startswith("#")]
    spoiled = [(prompt, right, right[:-1] + str((int(right[-1]) + 3) % 10)) for prompt, right, _ in thought]
    return {
        "accuracy_wrong_digit": measure(scores(1, spoiled), scores(2, spoiled)).item(),
        "num_wrong_digit": len(spoiled),
        "accuracy": measure(scores(1, pairs), scores(2, pairs)).item(),
        "accuracy_same_length": measure(scores(1, same), scores(2, same)).item(),
        "num_same_length": len(same),
        "accuracy_of_length": measure(lengths(1), lengths(2)).item(),
    }


def measure(num_seeds: int) -> dict[int, dict[str, dict[str, Any]]]:
    """Run all seeds, with a progress bar."""
    with tqdm(total=12 * num_seeds, desc="Chain", unit="run") as bar:

        def tick(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        return {seed: run_seed(seed, tick) for seed in range(FIRST_SEED, FIRST_SEED + num_seeds)}


def show(found: dict[int, dict[str, dict[str, Any]]]) -> None:
    """Print one line a method."""
    for name in next(iter(found.values())):
        runs = [seed[name] for seed in found.values()]
        greedy, sampled, seconds = (
            statistics.mean(run[key] for run in runs) for key in ("greedy", "sampled", "seconds")
        )
        print(f"  {name:20s} greedy {greedy:.3f}  sampled {sampled:.3f}  {seconds:6.1f} CPU s a seed")


def write(found: dict[int, dict[str, dict[str, Any]]]) -> None:
    """Write one record a method."""
    for name in next(iter(found.values())):
        runs = {str(seed): parts[name] for seed, parts in found.items()}
        mean = {key: statistics.mean(run[key] for run in runs.values()) for key in ("greedy", "sampled", "seconds")}
        write_record(
            name=f"chain-{name}",
            claim=f"Chain, {name}: right on {mean['greedy']:.3f} of the test prompts greedily and on "
            f"{mean['sampled']:.3f} sampled, in {mean['seconds']:.3g} CPU seconds a seed (means of {len(runs)} seeds).",
            value=mean["greedy"], unit="share right, greedy", sources=SOURCES, packages=PACKAGES, seeds=len(runs),
            mean=mean, runs=runs,
        )  # fmt: skip
