"""The command line: every setting reachable, clean JSON, one sentence for what cannot be done."""

from __future__ import annotations

import _thread
import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlmviz import cli, decoding, metrics, store
from dlmviz.types import InputError, RunSpec
from tests import small_models
from tests.traces import THE, three_steps

TINY = Path(__file__).parents[1] / "assets" / "tiny-llada"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small random checkpoint with a tokenizer, long enough to be interrupted."""
    folder = tmp_path_factory.mktemp("model")
    small_models.write(folder, max_sequence_length=2048)
    return str(small_models.write_tokenizer(folder))


def settings(*flags: str) -> RunSpec:
    return cli.spec(cli.parser().parse_args(["decode", *flags]))


def test_no_flags_mean_the_defaults_of_the_settings() -> None:
    assert settings() == RunSpec()


OTHER = {
    "prompt": (["--prompt", "a b"], "a b"),
    "model": (["--model", "folder"], "folder"),
    "adapter": (["--adapter", "lora"], "lora"),
    "gen_length": (["--gen-length", "64"], 64),
    "block_length": (["--block-length", "16"], 16),
    "sampler": (["--sampler", "fast_dllm"], "fast_dllm"),
    "params": (["--sampler", "fast_dllm", "--param", "tau=0.7"], {"tau": 0.7}),
    "temperature": (["--temperature", "0.5"], 0.5),
    "draw": (["--draw", "categorical"], "categorical"),
    "top_p": (["--top-p", "0.9"], 0.9),
    "top_k": (["--top-k", "40"], 40),
    "cfg_scale": (["--cfg-scale", "1.5"], 1.5),
    "logits_eos_inf": (["--logits-eos-inf"], True),
    "confidence_eos_eot_inf": (["--confidence-eos-eot-inf"], True),
    "score_dtype": (["--score-dtype", "float64"], "float64"),
    "forbid_mask": (["--no-forbid-mask"], False),
    "forward": (["--forward", "dual"], "dual"),
    "cache_revision": (["--cache-revision", "june2025"], "june2025"),
    "stop": (["--stop", "eos"], "eos"),
    "chat": (["--no-chat"], False),
    "seed": (["--seed", "7"], 7),
    "record": (["--record", "kl", "--record", "jsd"], ("kl", "jsd")),
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(RunSpec)])
def test_every_setting_has_a_flag_and_a_sentence(name: str) -> None:
    flags, value = OTHER[name]
    given = getattr(settings(*flags), name)
    assert given == value
    assert type(given) is type(value)
    assert cli.HELP[name]


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["decode", "--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert all(flags[-2 if name == "params" else 0] in shown for name, (flags, _) in OTHER.items())
    assert "default: 128" in shown


WRONG = [
    ([], "arguments are required"),
    (["paint"], "invalid choice: 'paint'"),
    (["decode", "--gen-length", "x"], "invalid int value: 'x'"),
    (["decode", "--stop", "END"], "invalid choice: 'END'"),
    (["decode", "--gen", "64"], "unrecognized arguments"),
    (["decode", "--gen-length", "256", "--block-length", "96"], "got 96 and 256; try 64 or 128"),
    (["decode", "--temperature", "-1"], "temperature must be a number >= 0"),
    (["decode", "--sampler", "fast_dlm"], "did you mean fast_dllm?"),
    (["decode", "--sampler", "fast_dllm", "--param", "tua=1"], "did you mean tau?"),
    (["decode", "--sampler", "fast_dllm", "--param", "tau=2"], "must lie in"),
    (["decode", "--sampler", "fast_dllm", "--param", "tau=high"], "must be a number: got 'high'"),
    (["decode", "--param", "tau"], "must be NAME=VALUE: got 'tau'"),
    (["decode", "--out", "/nowhere/run.npz"], "cannot write /nowhere/run.npz"),
    (["decode", "--prompt", "a", "--model", "/nowhere/model"], "/nowhere/model"),
    (["show", "/nowhere/run.npz"], "there is no such file"),
]


@pytest.mark.parametrize(("argv", "sentence"), WRONG)
def test_what_cannot_be_done_is_one_sentence_and_status_two(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dlmviz: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_a_place_that_cannot_be_written_is_refused_before_the_model_is_sought(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["decode", "--prompt", "a", "--model", "/nowhere/model", "--out", "/nowhere/run.npz"]
    assert cli.main(argv) == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--prompt", "  "], "the prompt is empty"),
        (["--prompt", "a " * 2000], "the prompt is too long"),
        (["--prompt", "a", "--device", "abacus"], "device must be"),
        (["--prompt", "a", "--dtype", "float7"], "dtype must be"),
        (["--prompt", "a", "--adapter", "/nowhere/lora"], "/nowhere/lora"),
    ],
)
def test_what_the_model_refuses_is_one_sentence_too_and_saves_nothing(
    flags: list[str],
    sentence: str,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["decode", "--model", model, *flags, "--out", str(tmp_path / "run.npz"), "--json"]
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.rstrip("\n").count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_object_with_the_numbers_of_the_saved_run(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.npz"
    flags = ["--gen-length", "16", "--block-length", "8", "--sampler", "fast_dllm"]
    flags += ["--param", "tau=0.2", "--out", str(path), "--json"]
    assert cli.main(["decode", "--model", model, "--prompt", "hi a", *flags]) == 0
    row = json.loads(capsys.readouterr().out)
    trace = store.open_trace(path)
    assert row == metrics.row(trace)
    assert {"text", "nfe", "steps", "tpf", "afp", "kendall_tau_b", "seconds"} <= {*row}
    assert trace.spec.params == {"tau": 0.2}
    assert cli.main(["show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == row


def test_without_json_the_text_comes_first_and_numbers_have_names(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--gen-length", "8", "--block-length", "8", "--seed", "3"]
    assert cli.main(["decode", "--model", model, "--prompt", "hi a", *flags]) == 0
    *_, numbers = capsys.readouterr().out.rstrip("\n").split("\n")
    assert numbers.startswith("nfe 8, sequence_forwards 8, steps 8, tokens ")
    assert "kendall_tau_b " in numbers


def test_an_interrupt_ends_with_130_and_leaves_no_file(
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, steps = decoding.advance, []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background

    def fifth_is_interrupted(*args: Any) -> Any:
        steps.append(args)
        if len(steps) == 5:
            _thread.interrupt_main()
        return real(*args)

    monkeypatch.setattr(decoding, "advance", fifth_is_interrupted)
    flags = ["--gen-length", "64", "--block-length", "64", "--out", str(tmp_path / "run.npz")]
    try:
        assert cli.main(["decode", "--model", model, "--prompt", "hi", *flags]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert 5 <= len(steps) < 64
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_show_prints_text_numbers_and_a_line_a_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(three_steps(), tmp_path / "run.npz")
    assert cli.main(["show", str(tmp_path / "run.npz")]) == 0
    out = capsys.readouterr().out.split("\n")
    assert "sampler 'fast_dllm', params {'tau': 0.9}" in out[0]
    assert out[2] == "the cat sat"
    assert out[4] == (
        "nfe 3, sequence_forwards 3, steps 3, tokens 4, masks_left 0, tpf 1.333, afp 1.333, "
        "kendall_tau_b -0.1826, segments_max 2, segments_mean 1.667, probes 0, seconds 0.75"
    )
    assert out[6:10] == [
        "step  nfe  block  committed  remasked  segments  position:token",
        "   0    1      0          2         0         2  1:' cat' 3:'<eos>'",
        "   1    1      0          1         0         2  0:'the'",
        "   2    1      0          1         0         1  2:' sat'",
    ]


def test_a_trace_cannot_send_control_codes_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = three_steps()
    evil = dataclasses.replace(
        trace,
        text="a\x1b[2Jb\nc",
        pieces={**trace.pieces, THE: "\x1b[31m"},
        spec=dataclasses.replace(trace.spec, prompt="\x07"),
    )
    store.save(evil, tmp_path / "run.npz")
    assert cli.main(["show", str(tmp_path / "run.npz")]) == 0
    out = capsys.readouterr().out
    assert "a\\x1b[2Jb\nc" in out
    assert not {"\x1b", "\x07"} & {*out}


def test_undefined_numbers_are_null_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(dataclasses.replace(three_steps(), steps=()), tmp_path / "run.npz")
    assert cli.main(["show", str(tmp_path / "run.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["afp"] is None
    assert cli.main(["show", str(tmp_path / "run.npz")]) == 0
    assert "afp undefined" in capsys.readouterr().out


def test_tasks_are_listed_with_a_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    from dlmviz.tasks import TASKS

    assert cli.main(["tasks"]) == 0
    out = capsys.readouterr().out
    for task in TASKS.values():
        assert f"{task.name}: {task.title}" in out
        assert task.examples(1, 0)[0].prompt.split("\n")[0] in out


def test_a_reader_that_stops_early_is_no_error_and_show_needs_no_torch(tmp_path: Path) -> None:
    store.save(three_steps(), tmp_path / "run.npz")
    code = (
        "import sys; from dlmviz.cli import main; status = main(['show', sys.argv[1]]); "
        "print(status, 'torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run.npz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read().decode().strip() == "1 False"


def test_a_narrow_terminal_gets_escapes_instead_of_a_crash(tmp_path: Path) -> None:
    store.save(dataclasses.replace(three_steps(), text="café"), tmp_path / "run.npz")
    done = subprocess.run(
        [sys.executable, "-m", "dlmviz.cli", "show", str(tmp_path / "run.npz")],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert b"caf\\xe9" in done.stdout


def test_the_parser_refuses_instead_of_leaving() -> None:
    with pytest.raises(InputError, match="see dlmviz decode --help"):
        cli.parser().parse_args(["decode", "--seed", "one"])


@pytest.mark.slow
@pytest.mark.skipif(not TINY.exists(), reason="the built-in model is not in assets yet")
def test_the_built_in_model_answers_a_trivia_question(capsys: pytest.CaptureFixture[str]) -> None:
    from dlmviz.tasks import TASKS

    example = next(e for e in TASKS["trivia"].examples(50, 1) if "[1]" not in e.prompt)
    flags = ["--gen-length", "32", "--sampler", "fast_dllm", "--param", "tau=0.9", "--json"]
    assert cli.main(["decode", "--prompt", example.prompt, *flags]) == 0
    row = json.loads(capsys.readouterr().out)
    assert TASKS["trivia"].score(example, row["text"])
    assert 1 <= row["nfe"] <= 32


def test_knobs_of_the_sampler_below_another_keep_their_types() -> None:
    asked = settings("--sampler", "edit", "--param", "base.tau=0.5", "--param", "rounds=2")
    assert asked.params == {"base.tau": 0.5, "rounds": 2}
    with pytest.raises(InputError, match=r"unknown parameter of fast_dllm: got 'tua'.*mean tau"):
        settings("--sampler", "edit", "--param", "base.tua=0.5")
    with pytest.raises(InputError, match=r"edit.base must be another sampler: got 'edit'"):
        settings("--sampler", "edit", "--param", "base=edit")
    with pytest.raises(InputError, match="unknown sampler: got 'fast'"):
        settings("--sampler", "edit", "--param", "base=fast")
    with pytest.raises(InputError, match="unknown parameter of llada"):
        settings("--param", "base.tau=0.5")
