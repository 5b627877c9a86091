"""The local server, asked over HTTP by OpenAI's own client."""

import json
import socket
import subprocess
import sys

import httpx
import openai
import pytest
import torch

from rlkit.agents.recipes import load_base
from rlkit.bridges.episodes import Episode
from rlkit.bridges.server import ServerError, reserve, serving
from rlkit.bridges.tools import ACT, with_tools
from rlkit.lm.chat import Chat
from rlkit.lm.checkpoints import SHIPPED, load_checkpoint
from rlkit.lm.scoring import score
from tests.bridges.scripted import DATA_AGENT

HELLO = [{"role": "user", "content": "stock pear"}]


@pytest.fixture(scope="module")
def base():
    return load_base("data_agent", "cpu")


@pytest.fixture(scope="module")
def address(base):
    with serving(*base) as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    return openai.OpenAI(base_url=address, api_key="none", max_retries=0)


def ask(client, messages=HELLO, **settings):
    return client.chat.completions.create(model="rlkit", messages=messages, **{"max_tokens": 6, **settings})


def test_the_list_of_models_has_the_one_that_is_served(client):
    assert [model.id for model in client.models.list()] == ["rlkit"]


def test_prompt_ids_are_those_of_the_chat_template_and_token_ids_those_of_the_answer(client, base):
    _, tokenizer = base
    answer = ask(client, seed=1)
    choice = answer.choices[0]
    assert tuple(answer.prompt_token_ids) == Chat(tokenizer).opening("stock pear")
    assert tokenizer.decode(choice.token_ids, skip_special_tokens=True) == choice.message.content != ""
    assert choice.token_ids[-1] == tokenizer.eos_token_id and choice.finish_reason == "stop"
    assert answer.usage.total_tokens == len(answer.prompt_token_ids) + len(choice.token_ids)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_log_probabilities_are_those_of_the_policy(client, base, temperature):
    model, tokenizer = base
    answer = ask(client, seed=2, logprobs=True, top_logprobs=3, temperature=temperature)
    choice, prompt = answer.choices[0], torch.tensor([answer.prompt_token_ids])
    ids = torch.tensor([choice.token_ids])
    every = torch.ones_like(ids, dtype=torch.bool)
    expected = score(model, prompt, torch.ones_like(prompt).bool(), ids, every, temperature).log_probabilities[0]
    content = choice.logprobs.content
    assert torch.tensor([token.logprob for token in content]) == pytest.approx(expected.detach(), abs=1e-5)
    assert [token.token for token in content] == [tokenizer.decode([one]) for one in choice.token_ids]
    assert all(bytes(token.bytes).decode() == token.token for token in content)
    for token in content:
        best = [one.logprob for one in token.top_logprobs]
        assert len(best) == 3 and best == sorted(best, reverse=True) and best[0] >= token.logprob - 1e-5


def test_tokens_are_written_as_ids_where_that_is_asked_for(client):
    choice = ask(client, logprobs=True, extra_body={"return_tokens_as_token_ids": True}).choices[0]
    assert [token.token for token in choice.logprobs.content] == [f"token_id:{one}" for one in choice.token_ids]


def test_a_seed_repeats_an_answer_and_without_one_answers_differ(client):
    texts = [[choice.message.content for choice in ask(client, seed=5, n=8).choices] for _ in range(2)]
    assert texts[0] == texts[1] and len(set(texts[0])) > 1
    assert len({ask(client).choices[0].message.content for _ in range(12)}) > 1


def test_temperature_0_takes_the_likeliest_token(client):
    choice = ask(client, temperature=0, logprobs=True, top_logprobs=1).choices[0]
    assert all(token.token == token.top_logprobs[0].token for token in choice.logprobs.content)


def test_an_answer_is_cut_at_its_limit_and_at_a_stop_text(client):
    whole = ask(client, temperature=0).choices[0]
    cut = ask(client, temperature=0, max_tokens=1).choices[0]
    assert cut.finish_reason == "length" and cut.token_ids == whole.token_ids[:1]
    second = whole.message.content.split()[1]
    stopped = ask(client, temperature=0, stop=[second], logprobs=True).choices[0]
    assert stopped.message.content.strip() == whole.message.content.split()[0] and stopped.finish_reason == "stop"
    assert stopped.token_ids == whole.token_ids[:2] and len(stopped.logprobs.content) == 2


def test_plain_completions_answer_chain():
    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")
    with serving(model, tokenizer) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
        answer = client.completions.create(model="rlkit", prompt="77941=", max_tokens=13, seed=0, logprobs=0)
        again = client.completions.create(
            model="rlkit", prompt=answer.prompt_token_ids, max_tokens=13, seed=0, logprobs=0
        )
        with pytest.raises(openai.BadRequestError, match="no chat template: use /v1/completions"):
            ask(client)
    choice = answer.choices[0]
    assert "#" in choice.text and len(choice.logprobs.token_logprobs) == len(choice.token_ids)
    assert again.choices[0] == choice


HERMES_TEMPLATE = (
    "{% for m in messages %}<user> {{ m['content'] }}"
    "{% for call in m.tool_calls or [] %} calls {{ call.function.name }} {{ call.function.arguments.item }}{% endfor %}"
    " {% endfor %}<agent>"
)
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def test_calls_of_tools_come_apart_from_the_text_and_go_back_into_the_conversation():
    model, tokenizer = load_checkpoint(SHIPPED / "chain", "cpu")  # one token a character
    tokenizer.add_tokens(["<tool_call>", "</tool_call>", *'{}":, abcdefgiklmnoprstu'])
    model.resize_token_embeddings(len(tokenizer))
    tokenizer.chat_template = HERMES_TEMPLATE
    call = '<tool_call>{"name": "look", "arguments": {"item": 3}}</tool_call>'
    with serving(model, tokenizer, script=lambda messages: call) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
        choice = ask(client, tools=[LOOK], max_tokens=90).choices[0]
        (made,) = choice.message.tool_calls
        assert choice.finish_reason == "tool_calls" and choice.message.content is None
        assert made.function.name == "look" and json.loads(made.function.arguments) == {"item": 3}
        more = [*HELLO, choice.message.model_dump(), {"role": "tool", "tool_call_id": made.id, "content": "5"}]
        asked = ask(client, more, tools=[LOOK], max_tokens=1)
        plain = ask(client, tools=[LOOK], tool_choice="none", max_tokens=90).choices[0].message
    assert "calls look 3" in tokenizer.decode(asked.prompt_token_ids)
    assert plain.tool_calls is None and plain.content == call


def test_a_tiny_agent_acts_through_a_call_of_a_tool():
    model, tokenizer = load_base("data_agent", "cpu")
    episode = Episode(DATA_AGENT, 3)
    with serving(model, with_tools(tokenizer), script=lambda messages: episode.scripted("expert", None)) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
        messages, chat = list(episode.messages), Chat(tokenizer)
        expected = list(chat.opening(episode.opening))
        while not episode.ended:
            answer = ask(client, messages, tools=[ACT])
            assert answer.prompt_token_ids == expected
            (call,) = answer.choices[0].message.tool_calls
            observation = episode.reply(json.loads(call.function.arguments)["command"]).observation
            messages += [answer.choices[0].message.model_dump()]
            messages += [{"role": "tool", "tool_call_id": call.id, "content": observation}]
            expected += [*answer.choices[0].token_ids, *chat.reply(observation)]
    assert episode.info["success"] == 1 and len(episode.actions) > 2


def test_a_scripted_policy_plays_a_whole_episode_and_the_model_scores_it(base):
    model, tokenizer = base
    episode, chat, seen = Episode(DATA_AGENT, 3), Chat(tokenizer), []
    with serving(model, tokenizer, script=lambda messages: episode.scripted("expert", None)) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
        expected = list(chat.opening(episode.opening))
        while not episode.ended:
            answer = ask(client, episode.messages, logprobs=True)
            assert answer.prompt_token_ids == expected  # the turns so far, as ids, are what was written
            seen.append(answer.choices[0])
            reply = episode.reply(seen[-1].message.content)
            expected += [*seen[-1].token_ids, *chat.reply(reply.observation)]
    assert episode.info["success"] == 1 and len(seen) == len(episode.actions) > 2
    assert all(token.logprob < 0 for choice in seen for token in choice.logprobs.content)


BAD = [
    ({"messages": []}, "messages", "at least one message"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0]", "'nobody'"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0]", "expected text"),
    ({"temperature": -1}, "temperature", "from 0 to 10"),
    ({"max_tokens": 0}, "max_tokens", "from 1 to"),
    ({"max_tokens": 1.5}, "max_tokens", "an integer"),
    ({"max_tokens": 5000}, "messages", "context has 512 tokens"),
    ({"stream": True}, "stream", "supports only False"),
    ({"top_p": 0.5}, "top_p", "supports only 1"),
    ({"stop": [""]}, "stop", "list of texts"),
    ({"seed": -1}, "seed", "from 0"),
    ({"n": 0}, "n", "from 1"),
    ({"top_logprobs": 99}, "top_logprobs", "from 0 to 20"),
    ({"tools": [{"name": "look"}]}, "tools", "functions with a name"),
]


@pytest.mark.parametrize(
    ("change", "param", "message"), BAD, ids=[str(list(change)) + param for change, param, _ in BAD]
)
def test_a_bad_request_is_told_which_field_and_why(address, change, param, message):
    body = {"model": "rlkit", "messages": HELLO, **change}
    answer = httpx.post(f"{address}/chat/completions", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["type"] == "invalid_request_error"
    assert error["param"] == param and message in error["message"]


def test_openais_client_raises_its_own_errors(client):
    with pytest.raises(openai.BadRequestError, match="temperature is 11"):
        ask(client, temperature=11)
    with pytest.raises(openai.NotFoundError, match="this server has 'rlkit'"):
        client.chat.completions.create(model="other", messages=HELLO)


@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"'])
def test_what_is_no_json_object_is_refused(address, content):
    answer = httpx.post(f"{address}/chat/completions", content=content)
    assert answer.status_code == 400 and "the body is" in answer.json()["error"]["message"]


def test_unknown_paths_and_methods_are_errors_of_the_same_format(address):
    for answer in (httpx.get(f"{address}/nothing"), httpx.get(f"{address}/chat/completions")):
        assert answer.status_code in (404, 405) and "POST /v1/chat/completions" in answer.json()["error"]["message"]


def test_a_page_under_another_name_does_not_reach_the_server(address):
    answer = httpx.get(f"{address}/models", headers={"host": "example.org"})
    assert answer.status_code == 400 and "Invalid host" in answer.text


def test_a_policy_that_fails_is_a_server_error_and_the_server_goes_on(base):
    with serving(*base, script=lambda messages: 1 / 0) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
        for _ in range(2):
            with pytest.raises(openai.InternalServerError, match="ZeroDivisionError: division by zero"):
                ask(client)
        assert [model.id for model in client.models.list()] == ["rlkit"]


def test_a_port_in_use_is_named_with_a_way_out():
    with reserve(0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} cannot be used .* --port 0"):
            reserve(port)
        command = [sys.executable, "-m", "rlkit.bridges.server", "--model", SHIPPED / "data_agent", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "Traceback" not in done.stderr and f"port {port}" in done.stderr


def test_a_server_that_dies_in_mid_rollout_is_an_error_of_connection():
    command = [sys.executable, "-m", "rlkit.bridges.server", "--model", SHIPPED / "data_agent", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().split(" at ")[1].split()[0]
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
        episode = Episode(DATA_AGENT, 0)
        episode.reply(ask(client, episode.messages).choices[0].message.content)
        process.kill()
        process.wait()
        with pytest.raises(openai.APIConnectionError):
            ask(client, episode.messages)
    assert len(episode.actions) == 1


def test_the_server_listens_on_loopback_alone(address):
    port = int(address.rsplit(":", 1)[1].removesuffix("/v1"))
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for other in others - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError):
            socket.create_connection((other, port), timeout=2).close()


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    command = [sys.executable, "-m", "rlkit.bridges.server", "--model", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "holds no config.json" in done.stderr and "Traceback" not in done.stderr
