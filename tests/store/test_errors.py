"""Everything that can be wrong with a disk or a server is a sentence with a cure; each is really provoked."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from chatapp.store import Store, StoreError, erase
from chatapp.turn import Turn
from tests import postgres
from tests.turns import ME, asked, put_draft, turns_of

ROOT = Path(__file__).parents[2]


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_a_full_disk_says_so_and_the_store_goes_on_reading(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "chat.db"))
    first = asked(store, "one", reply="kept")
    store.database.engine.dispose()
    sa.event.listen(store.database.engine, "connect", lambda connection, record: connection.execute("PRAGMA max_page_count = 1"))
    big = Turn(ME, "c1", "x" * 500_000, parent_id=first.id)
    with pytest.raises(StoreError, match="is full, so nothing more can be saved") as caught:
        store.begin(big)
    assert (caught.value.kind, caught.value.status) == ("full", 507)
    said = str(caught.value)  # pages show it, to anybody: not where on this machine the file lies
    assert "(chat.db)" in said and str(tmp_path) not in said
    assert turns_of(store, ME, "c1") == [first]
    store.database.engine.dispose()


def test_a_reply_that_no_longer_fits_can_be_saved_once_there_is_space(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "chat.db"))
    turn = asked(store, "one", reply=None)
    turn.reply_text = "y" * 500_000
    with store.database.bare() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match="full"):
        store.progress(turn)
    with store.database.bare() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    store.progress(turn)
    assert store.turn(ME, turn.id).reply_text == turn.reply_text


LIMITED = """
import resource, sys
from chatapp.store import Store, StoreError
from chatapp.turn import Turn
store = Store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    for n in range(1000):
        store.begin(Turn("me", "c1", "x" * 10_000))
except StoreError as error:
    print(error.kind, len(store.conversations.whole("me", "c1").turns) == n, error)
"""


def test_a_file_size_limit_of_the_system_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, sqlite_url(tmp_path / "chat.db")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("io True The disk refused to read or write"), done


def test_a_database_locked_by_another_program_says_so(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "chat.db"), patience=0.2)
    asked(store, "one")
    other = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"busy for 0\.2 seconds") as caught:
        asked(store, "two")
    assert caught.value.kind == "locked"
    assert len(turns_of(store, ME, "c1")) == 1  # reading goes on beside a writer
    other.execute("ROLLBACK")
    asked(store, "two")


def test_a_lock_in_postgresql_says_so(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        store, other = Store(url, patience=0.5), Store(url)
        turn = asked(store, "one")
        with other.database.write() as connection:
            connection.execute(sa.text("LOCK TABLE turns IN EXCLUSIVE MODE"))
            with pytest.raises(StoreError, match=r"busy for 0\.5 seconds") as caught:
                asked(store, "two", turn)
        assert caught.value.kind == "locked"
        asked(store, "two", turn)


OPENED = """
import sys
from chatapp.store import Store, StoreError
from chatapp.turn import Turn
try:
    Store(sys.argv[1]).begin(Turn("me", "c", "x"))
except StoreError as error:
    print(error.kind, error)
"""


def opened_without_privileges(url: str) -> str:
    """What an ordinary account is told; root is held to file modes by taking its capabilities away."""
    ordinary = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
    done = subprocess.run([*ordinary, sys.executable, "-c", OPENED, url], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_a_read_only_folder_says_so(tmp_path: Path) -> None:
    Store(sqlite_url(tmp_path / "chat.db")).close()
    (tmp_path / "chat.db").chmod(0o444)
    tmp_path.chmod(0o555)
    told = opened_without_privileges(sqlite_url(tmp_path / "chat.db"))
    assert told.startswith("read-only ") and "--data-dir" in told, told


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    told = opened_without_privileges(sqlite_url(tmp_path / "new" / "chat.db"))
    assert told.startswith("read-only ") and "Permission denied" in told, told


def test_a_database_opened_read_only_says_so(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "chat.db"))
    with store.database.bare() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        asked(store, "one")
    assert caught.value.kind == "read-only"


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be looked at" * 20, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "chat.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"chat\.db is damaged or is no chat database") as caught:
        Store(sqlite_url(tmp_path / "chat.db"))
    assert caught.value.kind == "corrupt"
    assert (tmp_path / "chat.db").read_bytes() == content


@pytest.mark.parametrize("migrated", [False, True], ids=["plain", "with Alembic's table"])
def test_the_database_of_another_program_is_told_and_left_alone(tmp_path: Path, migrated: bool) -> None:
    path = tmp_path / "chat.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
        if migrated:
            other.execute("CREATE TABLE alembic_version (version_num TEXT)")
        other.commit()
    content = path.read_bytes()
    with pytest.raises(
        StoreError, match=r"chat\.db is the database of another program.*recipes.*Nothing was changed.*--data-dir"
    ) as caught:
        Store(sqlite_url(path))
    assert caught.value.kind == "foreign"
    assert path.read_bytes() == content and [p.name for p in tmp_path.iterdir()] == ["chat.db"]


def test_an_empty_file_becomes_the_database(tmp_path: Path) -> None:
    (tmp_path / "chat.db").touch()
    asked(Store(sqlite_url(tmp_path / "chat.db")), "one")


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = Store(sqlite_url(path))
    for n in range(50):
        asked(store, "x" * 5000, conversation=f"c{n}")
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xaa" * (len(whole) - 8192))
    with pytest.raises(StoreError) as caught:
        asked(Store(sqlite_url(path)), "one")
    assert caught.value.kind == "corrupt"


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(StoreError, match="does not answer") as caught:
        Store(f"postgresql://me:geheim@127.0.0.1:{postgres.free_port()}/chats", patience=1)
    assert "geheim" not in str(caught.value) and caught.value.kind == "unreachable"


@pytest.mark.parametrize(("change", "says"), [(("chat:chat", "chat:geheim"), "authentication"), (("", ""), "does not exist")])
def test_a_wrong_password_or_database_name_is_told_without_the_password(postgres_server: str, change: tuple[str, str], says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        Store(postgres_server.replace(*change) + "nowhere")
    assert "geheim" not in str(caught.value)


def test_a_server_that_restarts_is_used_again() -> None:
    with postgres.server() as server, postgres.database(server) as url:
        store = Store(url)
        turn = asked(store, "one")
        with sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:")).connect() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            connection.execute(sa.text(others))
        assert store.turn(ME, turn.id) == turn
        store.close()


def test_addresses_that_are_none_are_told() -> None:
    with pytest.raises(StoreError, match="mysql databases are not supported"):
        Store("mysql://x/y")
    with pytest.raises(StoreError, match="no database address"):
        Store("chat.db")


def test_without_the_driver_the_command_that_installs_it_is_told() -> None:
    code = "import sys; sys.modules['psycopg'] = None\n" + OPENED
    told = subprocess.run([sys.executable, "-c", code, "postgresql://x/y"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "pip install 'psycopg[binary]" in told.stdout, told


def test_the_file_and_its_new_folder_are_private(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "data" / "chat.db"))
    asked(store, "secret")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert modes.pop("chat.db") == 0o600 and set(modes.values()) == {0o600}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_what_was_erased_is_in_none_of_the_files(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "chat.db"))
    for n in range(30):
        turn = asked(store, f"Geheimnis{n} " + "x" * 3000, conversation=f"c{n}", reply=None)
        for length in range(0, 9000, 3000):
            turn.reply_text = "Verschluss" * length
            store.progress(turn)
        turn.finish_reason = "end"
        store.finish(turn)
    put_draft(store, ME, "Geheimentwurf")
    store.conversations.rename(ME, "c1", "Geheimtitel")
    asked(store, "Bleibt", conversation="other", owner="other")

    def on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir()).lower()

    assert b"geheim" in on_disk() and b"verschluss" in on_disk()
    erase.everything(store.database, ME)
    assert b"geheim" not in on_disk() and b"verschluss" not in on_disk()
    assert b"bleibt" in on_disk()
    assert len(store.conversations.listed("other", "bleibt")) == 1
