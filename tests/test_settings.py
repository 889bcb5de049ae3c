"""Settings: flag beats environment beats default; anything unknown is said, with the closest known name."""

from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.settings import EMBEDDED_MODEL, Settings, env, flag, parse


def test_defaults_need_no_flag() -> None:
    settings = parse([])
    assert (settings.model, settings.host, settings.port, settings.engine) == (EMBEDDED_MODEL, "127.0.0.1", 7860, "auto")


def test_a_flag_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATAPP_PORT", "8000")
    assert parse([]).port == 8000
    assert parse(["--port", "9000"]).port == 9000


def test_concurrency_is_also_known_by_its_former_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(["--people", "7"]).concurrency == parse(["--concurrency", "7"]).concurrency == 7
    monkeypatch.setenv("CHATAPP_PEOPLE", "5")
    assert parse([]).concurrency == 5 and parse(["--concurrency", "3"]).concurrency == 3
    monkeypatch.setenv("CHATAPP_CONCURRENCY", "6")
    assert parse([]).concurrency == 6


def test_an_empty_model_means_the_embedded_one() -> None:
    assert parse(["--model", ""]).model == EMBEDDED_MODEL


def test_a_misspelt_environment_variable_is_said_with_the_closest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATAPP_MODLE", "x")
    with pytest.raises(ChatError, match="CHATAPP_MODEL"):
        parse([])


def test_a_value_out_of_range_names_flag_variable_and_value() -> None:
    with pytest.raises(ChatError, match=r"--port \(CHATAPP_PORT\) is '99999'"):
        parse(["--port", "99999"])


def test_the_data_folder_is_absolute_and_its_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHATAPP_DATA_DIR", "~/chats")
    assert parse([]).data_dir == tmp_path / "chats"
    monkeypatch.chdir(tmp_path)
    assert parse(["--data-dir", "here"]).data_dir == tmp_path / "here"
    monkeypatch.delenv("CHATAPP_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", "~/share")
    assert parse([]).data_dir == tmp_path / "share" / "chatapp"


@pytest.mark.parametrize("folder", ["", "  "])
def test_an_empty_data_folder_is_refused(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ChatError, match=r"--data-dir \(CHATAPP_DATA_DIR\) is '.*': a folder is needed"):
        parse(["--data-dir", folder])
    monkeypatch.setenv("CHATAPP_DATA_DIR", folder)
    with pytest.raises(ChatError, match="a folder is needed"):
        parse([])


def test_a_tilde_of_nobody_is_refused() -> None:
    with pytest.raises(ChatError, match="no user of that name"):
        parse(["--data-dir", "~nobody-of-that-name/chats"])


def test_sharing_needs_a_login_or_public() -> None:
    with pytest.raises(ChatError, match="--auth"):
        parse(["--share"])
    assert parse(["--share", "--public"]).share
    assert parse(["--share", "--auth", "ann:pw"]).auth == ("ann:pw",)


def test_auth_is_repeatable() -> None:
    assert parse(["--auth", "a:1", "--auth", "b:2"]).auth == ("a:1", "b:2")


def test_auth_from_the_environment_is_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATAPP_AUTH", "a:1,b:2")
    assert parse([]).auth == ("a:1", "b:2")


def test_secrets_do_not_show_in_the_settings_text() -> None:
    assert "s3cret" not in repr(parse(["--api-key", "s3cret", "--database-url", "postgresql://a:s3cret@h/d"]))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_help_a_flag_and_a_variable(name: str) -> None:
    assert Settings.model_fields[name].description
    assert flag(name).startswith("--") and env(name).startswith("CHATAPP_")


def test_a_space_listens_where_its_proxy_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "ann/chat")
    assert parse([]).host == "0.0.0.0"


def test_a_context_in_which_nothing_fits_is_refused() -> None:
    with pytest.raises(ChatError, match="--context 10 leaves no room"):
        parse(["--context", "10"])
    assert parse(["--context", "128"]).context == 128


@pytest.mark.parametrize(
    "given", [{"host": "0.0.0.0"}, {"host": "192.168.1.2"}, {"share": True}, {"public": True}, {"allowed_hosts": ("chat.example.org",)}]
)
def test_only_loopback_under_no_other_name_is_this_machine_alone(given: dict) -> None:
    assert not Settings(**given).local_only and (Settings(**given).waiting_each, Settings(**given).running_each) == (8, 2)
    assert not Settings(**given, auth=("ann:pw",)).local_only, "a login is given to others, too"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]"])
def test_at_home_one_may_wait_with_half_of_the_queue(host: str) -> None:
    assert Settings(host=host).local_only and Settings(host=host).waiting_each == 32
    assert (
        Settings().running_each,
        Settings(concurrency=1, public=True).running_each,
        Settings(max_running_each=3, public=True).running_each,
    ) == (4, 1, 3)
    assert (Settings(max_waiting=1).waiting_each, Settings(max_waiting_each=5, public=True).waiting_each) == (1, 5)


def test_a_space_is_open_to_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "ann/chat")
    assert not Settings(host="127.0.0.1").local_only


@pytest.mark.parametrize("name", ["http://ann:s3cret@host/v1", "https://host/v1?key=s3cret#model", "http://s3cret@host"])
def test_an_address_with_a_secret_in_it_is_refused_before_it_is_shown(name: str) -> None:
    for argv in (["--model", name], ["--model", "smollm2", "--model", name]):
        with pytest.raises(ChatError, match="CHATAPP_REMOTE_KEYS") as why:
            parse(argv)
        assert "s3cret" not in str(why.value)
    assert parse(["--model", "http://host:1/v1#org/name@1?"]).model == "http://host:1/v1#org/name@1?"


def test_keys_for_addresses_do_not_show() -> None:
    assert "s3cret" not in repr(parse(["--remote-keys", "https://host=s3cret"]))
