"""What every test may ask for: the real lists, origins, gateways and a name of its own."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from logstore.db import upgrade
from logstore.place import Database
from tests.rig.certificates import Authority
from tests.rig.gateway import Gateway
from tests.rig.origin import Origin
from tests.rig.postgres import Postgres

REPOSITORY = Path(__file__).resolve().parent.parent

settings.register_profile("schoolgate", deadline=None)  # a busy machine is no counterexample
settings.load_profile("schoolgate")


def pytest_configure(config: pytest.Config) -> None:
    """Nobody tests what was compiled before it was changed; what is started here can be stopped with Ctrl-C.

    Whoever runs the tests in the background of a shell has SIGINT ignored, and so would every gateway of theirs.
    Whoever asks Python to keep no bytecode has every process of every gateway compile all modules anew: half of what
    a gateway costs from start to stop. So what is started here keeps it, where `make clean` finds it.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        words = [sys.executable, str(REPOSITORY / ".ci" / "compile"), "--check"]
        checked = subprocess.run(words, capture_output=True, text=True)
        if checked.returncode:
            pytest.exit(checked.stderr.strip(), returncode=4)
        elif checked.stderr:
            print(checked.stderr.strip(), file=sys.stderr)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: one that begins last is waited for with the other cores idle."""
    price: dict[Path, float] = {}
    for item in items:
        price[item.path] = price.get(item.path, 0) + _price(item)
    items.sort(key=lambda item: -price[item.path])


def _price(item: pytest.Item) -> float:
    """About how long a test takes, in seconds: what it starts and what it waits for."""
    if item.get_closest_marker("slow") is not None:
        return 15
    if "make_gateway" in getattr(item, "fixturenames", ()):
        return 8
    if item.get_closest_marker("e2e") is not None or item.get_closest_marker("browser") is not None:
        return 1
    return 0.01


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are called by their length: a time or a random number in them would give each process of a run other
    names, and then none of its tests are run."""
    return f"{argname}{len(val)}" if isinstance(val, bytes) and len(val) > 32 else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real third-party lists; skips, saying so, when it is not beside the clone."""
    folder = Path(os.environ.get("SCHOOLGATE_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "ut1").is_dir():
        pytest.skip(f"real lists are not at {folder}; set SCHOOLGATE_REAL_DATA to test against them")
    return folder


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs for the origins of this session."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def shared_origin(authority: Authority) -> Iterator[Origin]:
    """The origins of this session: every host name answers. Tests ask for `origin`."""
    with Origin(authority) as origin:
        yield origin


@pytest.fixture(scope="module")
def origin(shared_origin: Origin) -> Origin:
    """The session's origins, with no memory of what other files sent: which file ran before must not matter."""
    shared_origin.forget()
    return shared_origin


_numbers = itertools.count(1)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A host name no other test uses, so that rows and arrivals can be told apart."""
    words = "".join(letter if letter.isalnum() else "-" for letter in request.node.originalname.lower())
    return f"{words.removeprefix('test-')[:50].strip('-')}-{next(_numbers)}.example"


@pytest.fixture
def seat() -> str:
    """The address of a staff-room machine no other test sits at."""
    number = next(_numbers)
    return f"127.2.{number // 250}.{number % 250 + 1}"


def _show_on_failure(request: pytest.FixtureRequest, gateway: Gateway) -> None:
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        print(f"\n--- the gateway's log ({gateway.log}) ---\n{gateway.output[-6000:]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report


@pytest.fixture(scope="session")
def shared_gateway(
    tmp_path_factory: pytest.TempPathFactory, shared_origin: Origin, authority: Authority
) -> Iterator[Gateway]:
    """One gateway for every test that does it no harm; ask for `gateway` instead."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), origin=shared_origin.address, trust=authority.pem)
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def gateway(request: pytest.FixtureRequest, shared_gateway: Gateway) -> Iterator[Gateway]:
    """The shared gateway; its log is shown when the test fails."""
    yield shared_gateway
    _show_on_failure(request, shared_gateway)


@pytest.fixture
def make_gateway(
    request: pytest.FixtureRequest, tmp_path: Path, origin: Origin, authority: Authority
) -> Iterator[Callable[..., Gateway]]:
    """Make gateways of the test's own, not started; whatever is left of them is killed at the end."""
    made: list[Gateway] = []

    def make(settings: dict[str, Any] | None = None, **more: Any) -> Gateway:
        folder = tmp_path / f"gateway-{len(made) + 1}"
        more = {"origin": origin.address, "trust": authority.pem, **more}
        made.append(Gateway(folder, settings=settings or {}, **more))
        return made[-1]

    yield make
    for gateway in made:
        _show_on_failure(request, gateway)
        gateway.kill()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL of this session, with a database `ready` that has the newest schema."""
    server = Postgres()
    try:
        server.start()
        with server.connect("postgres") as connection:
            connection.execute("CREATE DATABASE ready")
        upgrade(server.address("ready"))
        yield server
    finally:
        server.remove()


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """An empty record in PostgreSQL, with the newest schema."""
    made = postgres.database("ready")
    yield made
    postgres.drop(made)
