"""What `--help` shows: commands in the order of use, options with their types."""

from __future__ import annotations

import re

import pytest

from automl_vision.serving.command import main as predictor_alone
from command_line import Done, run_command


def automl_vision(*arguments: str) -> Done:
    return run_command(*arguments, environment={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("group", "commands"),
    [
        (
            (),
            "plan train predict score leaderboard evaluate report slices calibration thresholds mistakes figures "
            "compare explain export deploy serve endpoints drift pipeline studio runs watch resume cancel data label "
            "models demo history env clean schema version",
        ),
        (("models",), "list register versions show compare promote rollback log"),
        (("endpoints",), "list show traffic remove renew-key limit-key"),
        (
            ("pipeline",),
            "run status history rollback data check train evaluate register compare promote deploy labels watch dev "
            "schema",
        ),
        (("history",), "show export import clear on off"),
        (("data",), "check show advise convert register versions compare what-if plan"),
    ],
)
def test_commands_are_listed_in_the_order_of_use(group: tuple[str, ...], commands: str) -> None:
    listed = automl_vision(*group, "--help").stdout.partition("Commands")[2]
    assert re.findall(r"^│ ([\w-]+)", listed, re.MULTILINE) == commands.split()


@pytest.fixture(scope="module")
def options_of_train() -> dict[str, str]:
    """The line of each option in the help."""
    return dict(re.findall(r"^│ (--[\w-]+) +(.*)│$", automl_vision("train", "--help").stdout, re.MULTILINE))


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("--training-data", "<path>"),
        ("--validation-data", "<path>"),
        ("--validation-data-size", "<float>"),
        ("--iterations", "<int>"),
        ("--max-concurrent-iterations", "<int>"),
        ("--experiment-timeout-hours", "<float>"),
        ("--seed", "<int>"),
        ("--max-bad-share", "<float>"),
        ("--threads", "<int>"),
        ("--processes-per-trial", "<int>"),
        ("--model-name", "<name>"),
        ("--compute-target", "<target>"),
        ("--task", "<task>"),
        ("--primary-metric", "<metric>"),
    ],
)
def test_options_of_train_have_their_types(options_of_train: dict[str, str], option: str, kind: str) -> None:
    assert options_of_train[option].startswith(kind), options_of_train[option]


def test_flags_of_the_config_are_options_without_a_value(options_of_train: dict[str, str]) -> None:
    assert "follow links and paths that lead out of the data's folder" in options_of_train["--allow-outside"]


@pytest.mark.parametrize("command", ["check", "show", "advise", "convert", "register"])
def test_data_commands_say_how_data_is_read(command: str) -> None:
    options = automl_vision("data", command, "--help").stdout
    assert "--allow-outside" in options and "--read" in options and "NAME=VALUE" in options
    assert ("--notes" in options) == (command == "check")


def test_help_shows_ranges_values_and_defaults(options_of_train: dict[str, str]) -> None:
    assert "(accuracy, iou, mean_average_precision)" in options_of_train["--primary-metric"]
    assert "`image-object-detection`" in options_of_train["--task"]
    assert "(at least 1, at most 1,000, default: 1)" in options_of_train["--iterations"]
    assert "(at least 0, at most 1, default: 0.2)" in options_of_train["--max-bad-share"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--iterations", "three", 'Invalid value for --iterations: "three" is not a whole number'),
        ("--seed", "1.5", 'Invalid value for --seed: "1.5" is not a whole number'),
        ("--validation-data-size", "half", 'Invalid value for --validation-data-size: "half" is not a number'),
        ("--iterations", "0", "iterations"),
        ("--max-bad-share", "2", "max_bad_share"),
    ],
)
def test_a_wrong_number_is_refused(option: str, value: str, message: str) -> None:
    done = automl_vision("train", "--task", "image-classification", "--training-data", ".", option, value)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert message in " ".join(done.stderr.replace("'", "").replace("│", "").split())


def test_predict_has_the_same_options_where_only_the_predictor_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        predictor_alone(["--help"])
    alone = re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE)
    whole = re.findall(r"^│ (--[\w-]+)", automl_vision("predict", "--help").stdout, re.MULTILINE)
    assert {"--fps", "--watch", "--reconnect", "--draw", "--out"} <= set(alone)
    assert set(whole) - {"--workspace", "--help"} == set(alone)
