"""The container file: what can be checked without building it (no image can be fetched here)."""

from __future__ import annotations

import json
import re
import tomllib

from tests.conftest import REPOSITORY

LINES = re.sub(r"\\\n\s*", " ", (REPOSITORY / "deploy" / "Containerfile").read_text("utf-8")).splitlines()
STEPS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]


def steps(name: str) -> list[str]:
    return [rest for step, rest in STEPS if step == name]


def copied() -> set[str]:
    return {source for rest in steps("COPY") if "--from" not in rest for source in rest.split()[:-1]}


def test_everything_it_copies_exists() -> None:
    assert [source for source in copied() if not (REPOSITORY / source).exists()] == []


def test_every_room_is_in_it() -> None:
    """A room that is added to the project and forgotten here would be missing at run time."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    rooms = {package.split(".")[0] for package in project["tool"]["setuptools"]["packages"]}
    assert rooms <= copied()


def test_it_runs_as_nobody_special_and_carries_no_secret() -> None:
    assert steps("USER") == ["10001:10001"]
    assert not any(
        word in "\n".join(LINES).lower() for word in ("password", "secret=", "token", "copy data", "copy . ")
    )


def test_it_is_built_in_two_steps_from_the_python_the_project_needs() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wanted = project["project"]["requires-python"].removeprefix(">=")
    stages = steps("FROM")
    assert len(stages) == 2
    assert all(stage.startswith(f"python:{wanted}-slim") for stage in stages)
    assert "--constraint constraints.txt" in " ".join(steps("RUN"))


def test_it_starts_the_gateway_and_says_when_it_is_well() -> None:
    assert json.loads(steps("ENTRYPOINT")[0]) == ["schoolgate"]
    assert json.loads(steps("CMD")[0]) == ["run"]
    command = json.loads(steps("HEALTHCHECK")[0].partition("CMD ")[2])
    compile(command[2], "healthcheck", "exec")
    assert steps("EXPOSE") == ["8080 8082"]
