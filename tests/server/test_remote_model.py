"""/v1 and /healthz over a model of another server: its words and its counts are handed on."""

from pathlib import Path

import httpx2

from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.remotes import remote
from tests.serving import serve

KEY = {"Authorization": "Bearer ours"}


def test_what_the_server_wrote_and_counted_is_handed_on(tmp_path: Path) -> None:
    with remote() as fake:
        models = ModelManager(Settings(model=fake.url, data_dir=tmp_path))
        models.start()
        with serve(None, models=models, api_key="ours") as site:
            site.on_loop(models.first.wait_ready())
            client = httpx2.Client(base_url=site.url, headers=KEY, trust_env=False)
            health, (listed,) = client.get("/healthz").json(), client.get("/v1/models").json()["data"]
            body = {"messages": [{"role": "user", "content": "Where?"}], "top_k": 3}
            answer = client.post("/v1/chat/completions", json=body).json()
            streamed = client.post("/v1/chat/completions", json=body | {"stream": True}).text
        models.close()
    assert (health["status"], health["engine"], "memory" in health) == ("ready", "remote", False)
    assert (listed["id"], listed["status"], listed["max_model_len"]) == (fake.url, "ready", 2000)
    assert answer["choices"][0]["message"]["content"] == "Hello world" and answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 40 and answer["usage"]["completion_tokens"] == 3
    assert streamed.endswith("data: [DONE]\n\n") and fake.asked[-1]["top_k"] == 3 and "Bearer ours" not in fake.keys
