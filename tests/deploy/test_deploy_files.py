"""The files of ``deploy``, by the validators of the programs that read them, and against our own options."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from qotgate.cli.main import app
from qotgate.model import QotGateError
from qotgate.serving.settings import OPTIONS, SECRETS_FOLDERS, read_settings
from tests.support.paths import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("qotgate*.[st]*[er]"))
SERVICES = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES = ("1.29", kubernetes_validate.latest_version())
EXPOSURE_MOST = 15
"""A tenth of it is systemd's exposure level, from 0 to 10; 1.5 is "OK"."""


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units in their own folder, with an existing program."""
    for unit in UNITS:
        text = unit.read_text().replace("/opt/qotgate/bin/qotgate", "/bin/true")
        (tmp_path / unit.name.replace("@", "@a")).write_text(text)
    return tmp_path


class TestSystemd:
    def verify(self, folder: Path) -> str:
        found = run("systemd-analyze", "verify", *folder.glob("qotgate*"))
        # It also reports on the machine's own units.
        return "".join(line for line in (found.stdout + found.stderr).splitlines(True) if "qotgate" in line)

    def test_units_are_as_systemd_knows_them(self, units: Path) -> None:
        assert [unit.name for unit in UNITS] == [
            "qotgate-fetch.service",
            "qotgate-fetch.timer",
            "qotgate@.service",
        ]
        assert self.verify(units) == ""

    def test_a_wrong_line_would_be_told(self, units: Path) -> None:
        service = units / "qotgate@a.service"
        service.write_text(service.read_text().replace("PrivateTmp=yes", "PrivateTemp=yes"))
        assert "PrivateTemp" in self.verify(units)

    def test_little_is_exposed(self, units: Path) -> None:
        analysed = ("systemd-analyze", "security", "--offline=true", "--no-pager")
        for service in units.glob("*.service"):
            found = run(*analysed, f"--threshold={EXPOSURE_MOST}", service)
            assert found.returncode == 0, found.stdout + found.stderr
            assert run(*analysed, "--threshold=1", service).returncode != 0

    def test_user_and_folders_are_made(self, tmp_path: Path) -> None:
        (tmp_path / "etc").mkdir()
        found = run("systemd-sysusers", f"--root={tmp_path}", DEPLOY / "systemd" / "qotgate.sysusers")
        assert found.returncode == 0, found.stderr
        assert "qotgate:" in (tmp_path / "etc" / "passwd").read_text()
        if os.geteuid() == 0:
            made = run(
                *("systemd-tmpfiles", "--create", f"--root={tmp_path}"),
                DEPLOY / "systemd" / "qotgate.tmpfiles",
            )
            assert made.returncode == 0, made.stderr
            secrets = tmp_path / "etc" / "qotgate" / "secrets"
            assert secrets.stat().st_mode & 0o777 == 0o700


class TestDocker:
    def test_hadolint_has_nothing_to_say(self, tmp_path: Path) -> None:
        hadolint = Path(sys.executable).with_name("hadolint")
        found = run(hadolint, "--no-color", DEPLOY / "Dockerfile")
        assert (found.returncode, found.stdout) == (0, "")
        careless = tmp_path / "Dockerfile"
        careless.write_text((DEPLOY / "Dockerfile").read_text() + "RUN cd /tmp && sudo ls\n")
        assert run(hadolint, careless).returncode != 0

    def test_its_extras_are_ours(self) -> None:
        named = re.search(r"\.whl\)\[(.*?)\]", (DEPLOY / "Dockerfile").read_text())
        assert named
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert set(named[1].split(",")) <= set(project["optional-dependencies"])

    def test_what_it_copies_is_not_ignored(self) -> None:
        copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.M)
        let_in = re.findall(r"^!(\S+?)/?$", (ROOT / ".dockerignore").read_text(), re.M)
        names = " ".join(copied).split()
        assert sorted(names) == sorted(let_in)
        assert all((ROOT / name).exists() for name in names)


def compose(name: str = "compose.yaml") -> str:
    """A compose file with its variables' defaults, as `docker compose config` puts them in."""
    text = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", (DEPLOY / name).read_text())
    # Those that have none have to be named.
    return re.sub(r"\$\{(\w+):\?[^}]+\}", r"a value of \1", text)


class TestCompose:
    def parse(self, text: str) -> PyCompose:
        # PyYAML resolves `<<` merges.
        found = PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(text)))
        found.validate()
        return found

    def test_it_is_as_the_specification_says(self) -> None:
        assert sorted(self.parse(compose()).service_names()) == [
            *("gateway-1", "gateway-2", "haproxy", "load", "postgres", "valkey"),
        ]

    @pytest.mark.parametrize("wrong", [("cap_drop:", "cap_dropp:"), ("[edge, inside]", "[elsewhere]")])
    def test_a_wrong_line_would_be_told(self, wrong: tuple[str, str]) -> None:
        with pytest.raises(ValueError, match=r"cap_dropp|elsewhere"):
            self.parse(compose().replace(*wrong))

    def test_every_service_is_confined_and_haproxy_alone_is_published_on_loopback(self) -> None:
        for name, service in yaml.safe_load(compose())["services"].items():
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
            published = service.get("ports", [])
            assert bool(published) == (name == "haproxy")
            assert all(port.startswith("127.0.0.1:") for port in published)
            assert not re.search("PASSWORD(?!_FILE)|TOKEN", str(service.get("environment", {}))), name

    def test_one_gateway_alone_is_confined_and_published_on_loopback(self) -> None:
        text = compose("compose.alone.yaml")
        assert sorted(self.parse(text).service_names()) == ["fetch", "gateway"]
        for name, service in yaml.safe_load(text)["services"].items():
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            published = service.get("ports", [])
            assert bool(published) == (name == "gateway")
            assert all(port.startswith("127.0.0.1:") for port in published)
            with_options = service["environment"]
            assert {name.removeprefix("QOTGATE_").lower() for name in with_options} <= set(OPTIONS)

    def test_secrets_are_made_and_are_options(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "secrets"
        made = run(DEPLOY / "make-secrets", folder)
        assert made.returncode == 0, made.stderr
        assert folder.stat().st_mode & 0o777 == 0o700
        named = {Path(secret["file"]).name for secret in yaml.safe_load(compose())["secrets"].values()}
        assert {path.name for path in folder.iterdir()} == named
        token = (folder / "qotgate_http_token").read_text().strip()
        monkeypatch.setenv("QOTGATE_SECRETS", str(folder))
        settings = read_settings()
        assert settings.http_token is not None
        assert settings.http_token.value == token
        assert settings.db == (folder / "qotgate_db").read_text().strip()
        assert (folder / "postgres_password").read_text().strip() in settings.db
        # A second run would lock the gateways out of the database, which has the first password.
        assert run(DEPLOY / "make-secrets", folder).returncode != 0
        assert (folder / "qotgate_http_token").read_text().strip() == token


class TestKubernetes:
    def manifests(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in MANIFESTS:
            if path.name != "kustomization.yaml":
                for manifest in yaml.safe_load_all(path.read_text()):
                    yield path.name, manifest

    @pytest.mark.parametrize("version", KUBERNETES)
    def test_manifests_are_as_their_schemas_say(self, version: str) -> None:
        kinds = set()
        for name, manifest in self.manifests():
            kubernetes_validate.validate(manifest, version, strict=True)
            kinds.add(manifest["kind"])
            if manifest["kind"] == "Deployment":
                manifest["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
                with pytest.raises(kubernetes_validate.ValidationError):
                    kubernetes_validate.validate(manifest, version, strict=True)
            assert name
        assert {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "CronJob"} <= kinds

    def test_the_kustomization_takes_all_but_the_example(self) -> None:
        kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
        files = {path.name for path in MANIFESTS} - {"kustomization.yaml", "secret.example.yaml"}
        assert set(kustomization["resources"]) == files

    def test_pods_are_restricted(self) -> None:
        """The requirements of the Pod Security Standard "restricted"."""
        pods = 0
        for _, manifest in self.manifests():
            spec = manifest.get("spec", {})
            spec = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec")
            if spec is None:
                continue
            pods += 1
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            for container in spec["containers"]:
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }
        assert pods == 2


def settings_named() -> set[str]:
    """Every option that a file of ``deploy`` names as a variable or as a secret."""
    named = set()
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name != "haproxy.cfg":
            named |= {name.lower() for name in re.findall(r"\bqotgate_[a-z_]+\b", path.read_text(), re.I)}
    return named - {name.lower() for name in SECRETS_FOLDERS}


class TestOptions:
    def test_they_exist(self) -> None:
        named = settings_named()
        metrics = {name for name in named if (DEPLOY / "prometheus").exists() and in_alerts(name)}
        assert {"qotgate_db", "qotgate_http_token", "qotgate_max_connections"} <= named
        assert named - metrics <= {f"qotgate_{name}" for name in OPTIONS}

    def test_their_values_are_taken(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        environments = [
            yaml.safe_load(compose())["services"]["gateway-1"]["environment"],
            yaml.safe_load((DEPLOY / "kubernetes" / "configmap.yaml").read_text())["data"],
        ]
        for environment in environments:
            with monkeypatch.context() as set_:
                for name, value in environment.items():
                    set_.setenv(name, value)
                assert read_settings().max_connections == int(environment["QOTGATE_MAX_CONNECTIONS"])
                set_.setenv("QOTGATE_MAX_CONNECTIONS", "many")
                with pytest.raises(QotGateError, match="--max-connections"):
                    read_settings()

    def test_commands_are_ours(self) -> None:
        commands = [
            re.findall(r'"(.*?)"', line)
            for line in re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.M)
        ]
        for service in SERVICES:
            commands += [
                line.split()
                for line in re.findall(r"ExecStart=/opt/qotgate/bin/qotgate (.*)", service.read_text())
            ]
        commands.append(yaml.safe_load(compose())["services"]["load"]["command"])
        commands.append(yaml.safe_load(compose("compose.alone.yaml"))["services"]["fetch"]["command"])
        for name in ("deployment", "fetch"):
            text = (DEPLOY / "kubernetes" / f"{name}.yaml").read_text()
            commands += [line.split(", ") for line in re.findall(r"args: \[(.*)\]", text)]
        assert len(commands) == 8
        for command in commands:
            parse_command(list(command))
        with pytest.raises(click.ClickException):
            parse_command(["serve", "--no-such-flag"])


def in_alerts(name: str) -> bool:
    return any(name in path.read_text() for path in (DEPLOY / "prometheus").iterdir())


def parse_command(arguments: list[str]) -> None:
    """Parse a command line as for a run, without running it."""
    command: Any = app
    context = command.make_context("qotgate", list(arguments))
    while hasattr(command, "resolve_command"):
        # The arguments after a command's name are its own.
        name, command, arguments = command.resolve_command(context, arguments)
        if hasattr(command, "resolve_command"):
            context = command.make_context(name, list(arguments), parent=context)
    command.make_context("qotgate", list(arguments), parent=context)
