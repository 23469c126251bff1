"""Claims: their registry, the ledger, and that the ledger still tells the truth."""

import json
import math
import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from dtlib import claims, diagnostics, experiments
from dtlib.claims import arms, command, evidence, ledger, registry
from dtlib.claims import diagnostics as c_diagnostics
from dtlib.claims import initializers as c_initializers

OURS = ["C01", "C02", "C03", "C04"]
# Numbers are kept to 4 digits. Other processors sum in another order: the last of those
# digits may move, and with it a bootstrap end. A changed seed moves the second.
DIGITS = dict(rel=5e-3, abs=2e-3)


def agrees(stored, found):
    """The same verdicts on the same parts, and numbers equal to `DIGITS`."""
    assert stored["verdict"] == found.verdict
    assert stored["numbers"] == pytest.approx(found.numbers, **DIGITS)
    assert len(stored["rows"]) == len(found.rows)
    for old, new in zip(stored["rows"], found.rows, strict=True):
        numbers = {k for k, v in new.items() if isinstance(v, float)}
        assert {k: old[k] for k in old.keys() - numbers} == {
            k: new[k] for k in new.keys() - numbers
        }
        assert {k: old[k] for k in numbers} == pytest.approx(
            {k: new[k] for k in numbers}, **DIGITS
        )


# --- the ledger and what it says


def test_the_ledger_holds_every_claim_at_the_quick_scale():
    stored = claims.load()
    assert set(OURS) <= set(claims.identifiers()) == set(stored)
    for id, entry in stored.items():
        claim = claims.get(id)
        assert (entry["statement"], entry["source"], entry["chapter"]) == claim[1:4]
        assert entry["quick"]["seconds"] > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["quick"]["date"])
        assert set(entry["quick"]["versions"]) == set(claims.ledger.versions())


def test_a_ledgers_verdicts_follow_from_its_numbers():
    for id, entry in claims.load().items():
        for scale in entry.keys() & set(claims.SCALES):
            rows = entry[scale]["rows"]
            assert entry[scale]["verdict"] == claims.combine(rows), id
            for row in rows:
                low, high, least = row["low"], row["high"], row["min_effect"]
                if row["relation"] == "beats":
                    expected = (low > least) - (high < least)
                else:
                    inside = -least <= low and high <= least
                    expected = inside - (high < -least or low > least)
                outcome = ["inconclusive", "supported", "contradicted"][expected]
                assert row["outcome"] == outcome, (id, row["name"])


@pytest.mark.parametrize("id", ["C01", "C02"])
def test_the_ledgers_quick_entry_is_what_a_new_run_finds(id):
    agrees(claims.load()[id]["quick"], claims.get(id).evidence("quick"))


@pytest.mark.parametrize(
    ("id", "activation", "arm"),
    [("C03", "relu", "He 5"), ("C04", "selu", "LeCun 5")],
)
def test_the_ledgers_accuracy_is_what_a_new_run_of_one_arm_finds(id, activation, arm):
    """All of C03 and C04 takes a minute; one arm at its chosen rate, seconds.

    Same data, seeds, epochs and rate: what is left out is the tuning and other arms.
    """
    stored, setting = claims.load()[id]["quick"], dict(arms.SETTINGS["quick"])
    name, depth = arm.split()
    data = arms.training_data("quick")
    setting = {k: setting[k] for k in ("seeds", "epochs", "batch_size")} | {"jobs": 1}
    rate = stored["numbers"][f"{arm}: learning rate"]
    found = experiments.compare(
        {
            arm: lambda: c_initializers.build(
                name,
                activation,
                int(depth),
                arms.WIDTHS["quick"],
                data.x_train.shape[1:],
                learning_rate=rate,
            )
        },
        data,
        **setting,
    )
    # Rounding that differs between processors flips a few of 1,000 test examples.
    assert found.scores[arm].mean() == pytest.approx(
        stored["numbers"][f"{arm}: accuracy"], abs=0.005
    )


# --- the claims' own measurements


def test_a_slope_is_the_log_of_the_factor_a_layer():
    assert c_diagnostics.slope(3 * 1.7 ** np.arange(6)) == pytest.approx(np.log(1.7))


def test_c01_measures_what_numpy_finds():
    """The forward pass again, in NumPy, with draws of its own."""

    def again(seed):
        rng = np.random.default_rng([seed, 9])
        a, z = rng.standard_normal((200, 100)), []
        for _ in range(10):
            z.append(a @ rng.standard_normal((100, 100)))
            a = 1 / (1 + np.exp(-z[-1]))
        variances = np.var(z, axis=(1, 2))
        return c_diagnostics.slope(variances), variances[0], variances[-1]

    found = [
        c_diagnostics.measure("sigmoid", "N(0, 1)", 100, s, "quick") for s in range(8)
    ]
    found = np.array([(f["z"], f["z first"], f["z last"]) for f in found])
    expected = np.array([again(seed) for seed in range(200)])
    # Four standard errors of the eight draws: 10 % of the first variance, 40 % of the
    # last, 0.03 of a slope. A row too many or too few would move the slope by 0.1.
    error = expected.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - expected.mean(0)) < 4 * error).all()


def test_c02_measures_the_gains_that_theory_gives():
    """E[φ²]·fan_in·Var[w] and E[φ'²]·fan_out·Var[w]: 1/2 each for ReLU, square."""
    draws = [
        c_initializers.gains("relu", (100, 100), 1.0, s, "quick") for s in range(20)
    ]
    # A gain's mean over 20 draws of 100 × 100 weights is within 1.5 %: 4 of that.
    np.testing.assert_allclose(np.mean(draws, 0), [0.5, 0.5], rtol=0.06)
    draws = [
        c_initializers.gains("linear", (100, 300), 1.0, s, "quick") for s in range(20)
    ]
    np.testing.assert_allclose(np.mean(draws, 0), [0.5, 1.5], rtol=0.06)


@pytest.mark.parametrize("act", c_initializers.ACTIVATIONS)
def test_c02_uses_the_slope_of_its_activation(act):
    phi, slope = c_initializers.ACTIVATIONS[act]
    z, h = np.array([-2.3, -0.4, 0.7, 1.9]), 1e-6
    expected = (phi(z + h) - phi(z - h)) / (2 * h)
    np.testing.assert_allclose(slope(z, phi(z)), expected, atol=1e-8)


def test_c03_and_c04_pair_each_network_with_one_that_differs_in_its_draw_alone():
    setting = ("relu", 5, 8, (40,))
    he, glorot = (
        c_initializers.build(name, *setting, learning_rate=0.1)
        for name in ("He", "Glorot")
    )
    plan = [experiments.store.blueprint(m, without_start=True) for m in (he, glorot)]
    assert plan[0] == plan[1]
    assert experiments.store.blueprint(he) != experiments.store.blueprint(glorot)
    assert len(diagnostics.kernels(he)) == 6


def test_c03_reads_the_interaction_deep_minus_shallow(monkeypatch):
    scores = {"He 5": 0.5, "Glorot 5": 0.48, "He 20": 0.4, "Glorot 20": 0.1}

    def compare(arms, data, **settings):
        return experiments.Comparison(
            [
                {
                    "arm": arm,
                    "seed": seed,
                    "history": {"loss": [1.0]},
                    "test": {},
                    "score": scores[arm] + seed / 10,
                    "diverged": False,
                }
                for arm in arms
                for seed in settings["seeds"]
            ],
            arms=arms,
            seeds=settings["seeds"],
            metric="accuracy",
            mode="max",
            tuned=dict.fromkeys(arms, {"learning_rate": 0.1}),
            tuning=[],
        )

    monkeypatch.setattr(experiments, "compare", compare)
    found = claims.get("C03").evidence("quick")
    estimates = {row["name"]: row["estimate"] for row in found.rows}
    assert estimates["He − Glorot, depth 5"] == 0.02
    assert estimates["He − Glorot, depth 20"] == 0.3
    assert estimates["C03b: gain at depth 20 − gain at depth 5"] == 0.28
    assert found.verdict == "supported"


# --- the machinery


def part(values, **settings):
    return claims.row("a part", values, min_effect=0.1, **settings)


def test_one_failing_part_contradicts_and_one_open_part_leaves_it_open():
    good, open_, bad = (
        part(np.array([0.9, 1.0, 1.1]) * k + s) for k, s in ((1, 0), (1, -0.9), (-1, 0))
    )
    outcomes = [p["outcome"] for p in (good, open_, bad)]
    assert outcomes == ["supported", "inconclusive", "contradicted"]
    assert claims.combine([good, good]) == "supported"
    assert claims.combine([good, open_]) == "inconclusive"
    assert claims.combine([good, open_, bad]) == "contradicted"
    assert claims.combine([good, bad | {"decides": False}]) == "supported"
    with pytest.raises(ValueError, match="that decides"):
        claims.combine([good | {"decides": False}])


def test_evidence_is_rounded_and_plain():
    found = claims.Evidence(
        "supported", {"x": np.float32(1 / 3), "n": np.int64(7)}, [part([1.0, 1.23456])]
    )
    assert found.numbers == {"x": 0.3333, "n": 7}
    assert type(found.numbers["x"]) is float and type(found.numbers["n"]) is int
    assert found.rows[0]["estimate"] == 1.117
    json.dumps(found.rows)
    with pytest.raises(ValueError, match="`verdict`.*supported"):
        claims.Evidence("true")


@pytest.fixture
def pretended(monkeypatch):
    """Two claims that cost nothing, and a counter of how often they are tested."""
    count = {"C98": 0, "C99": 0}

    def make(id, value):
        def function(scale):
            count[id] += 1
            return claims.Evidence(
                "supported", {"x": value}, [part([1, 1, 1.5])], scale
            )

        return registry.Claim(id, f"statement of {id}", "source", "losses", function)

    monkeypatch.setattr(registry, "_claims", {id: make(id, 0.5) for id in count})
    return count


def test_the_ledger_keeps_scales_apart_and_adds_claims(tmp_path, pretended):
    path = tmp_path / "new" / "ledger.json"
    assert claims.load(path) == {}
    claims.run(["C99"], "standard", ledger=path)
    claims.run(ledger=path)
    stored = claims.load(path)
    assert list(stored) == ["C98", "C99"]
    assert list(stored["C99"]) == [
        "chapter",
        "statement",
        "source",
        "quick",
        "standard",
    ]
    assert stored["C99"]["standard"]["text"] == "standard"
    assert stored["C98"]["quick"]["numbers"] == {"x": 0.5}


def test_a_second_run_changes_no_byte_and_new_numbers_do(
    tmp_path, pretended, monkeypatch
):
    path = tmp_path / "ledger.json"
    claims.run(ledger=path)
    text, when = path.read_text(), path.stat().st_mtime_ns
    old = json.loads(text)
    old["claims"]["C98"]["quick"] |= {"date": "1999-12-31", "seconds": 77}
    path.write_text(json.dumps(old, indent=1, ensure_ascii=False) + "\n")
    text, when = path.read_text(), path.stat().st_mtime_ns
    claims.run(ledger=path)
    assert pretended == {"C98": 2, "C99": 2}
    assert path.read_text() == text and path.stat().st_mtime_ns == when
    monkeypatch.setattr(ledger, "versions", lambda: {"python": "4"})
    claims.run(ledger=path)
    assert claims.load(path)["C98"]["quick"]["versions"] == {"python": "4"}
    assert claims.load(path)["C98"]["quick"]["date"] != "1999-12-31"


def test_an_interrupt_keeps_the_claims_that_were_finished(
    tmp_path, pretended, monkeypatch
):
    def stop(scale):
        raise KeyboardInterrupt

    later = registry._claims["C99"]._replace(function=stop)
    monkeypatch.setitem(registry._claims, "C99", later)
    path = tmp_path / "ledger.json"
    with pytest.raises(KeyboardInterrupt):
        claims.run(ledger=path)
    assert list(claims.load(path)) == ["C98"]
    assert os.listdir(tmp_path) == ["ledger.json"]


@pytest.mark.parametrize("text", ["", "{}", '{"format": 9, "claims": {}}', "[1]"])
def test_a_broken_ledger_is_named_and_not_overwritten(tmp_path, pretended, text):
    path = tmp_path / "ledger.json"
    path.write_text(text)
    for call in (lambda: claims.load(path), lambda: claims.run(ledger=path)):
        with pytest.raises(ValueError, match="`path` must hold a ledger.*ledger.json"):
            call()
    assert path.read_text() == text


def test_the_machine_is_described_without_its_name():
    said = json.dumps([ledger.machine(), ledger.versions()])
    assert ledger.machine()["cores"] >= 1 and ledger.machine()["processor"]
    assert socket.gethostname() not in said


def test_a_claim_is_registered_once_under_a_proper_id(monkeypatch):
    monkeypatch.setattr(registry, "_claims", dict(registry._claims))
    about = dict(statement="s", source="s", chapter="losses")
    for id, words in ("7", "C and two digits"), ("C01", "must be new"):
        claims.identifiers()
        with pytest.raises(ValueError, match=words):
            claims.claim(id, **about)(lambda scale: None)
    claims.claim("C97", **about)(lambda scale: None)
    with pytest.raises(TypeError, match="C97 must return an Evidence"):
        claims.get("C97").evidence("quick")
    with pytest.raises(ValueError, match="`scale` must be one of"):
        claims.get("C97").evidence("slow")
    with pytest.raises(ValueError, match=r"`id` must be one of \['C01'"):
        claims.get("C00")


def test_a_claim_that_trains_is_handed_how_to_run(monkeypatch):
    got = {}

    def function(scale, **running):
        got.update(running)
        return evidence.Evidence("supported")

    one = registry.Claim("C98", "s", "s", "losses", function)
    monkeypatch.setattr(registry, "_claims", {"C98": one})
    claims.run(jobs=3, cache="folder")
    assert got == {"jobs": 3, "cache": "folder", "progress": False}


def test_every_claim_lives_in_the_file_of_its_chapter():
    for id in claims.identifiers():
        claim = claims.get(id)
        assert claim.function.__module__ == f"dtlib.claims.{claim.chapter}"


# --- the command line


def test_the_command_runs_lists_and_shows(tmp_path, pretended, capsys):
    where = ["--ledger", str(tmp_path / "ledger.json")]
    assert command.main(["claims", "list", *where]) == 0
    assert capsys.readouterr().out.count("not run yet") == 2
    assert command.main(["claims", "run", "C98", "--scale", "quick", *where]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 claims, scale quick. Ledger: ")
    assert re.search(r"^C98 +supported +\+1.17 \[\+1, \+1.5\]", out, re.M)
    assert command.main(["claims", "list", *where]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == "id chapter scale verdict estimate date statement".split()
    assert first.startswith("C98  losses   quick  supported")
    assert first.endswith("statement of C98") and "not run yet" in second
    assert command.main(["claims", "show", "C98", *where]) == 0
    assert "supported     +1.17 [+1, +1.5]  a part" in capsys.readouterr().out


def test_the_command_names_an_unknown_claim_and_survives_ctrl_c(
    tmp_path, pretended, monkeypatch, capsys
):
    assert command.main(["claims", "show", "C00"]) == 2
    assert "`id` must be one of ['C98', 'C99']" in capsys.readouterr().err

    def stop(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger, "run", stop)
    where = ["--ledger", str(tmp_path / "ledger.json")]
    assert command.main(["claims", "run", *where]) == 130
    assert "Interrupted." in capsys.readouterr().out


def test_python_m_dtlib_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "dtlib", "claims", "list"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(re.search(f"^{id} ", done.stdout, re.M) for id in OURS)


def test_a_result_is_remembered_as_it_was_until_what_made_it_changes(tmp_path):
    calls, code = [], tmp_path / "code.py"

    def run():
        calls.append(1)
        return [math.inf, {"a": math.nan}, 0.1]

    def found(*key, cache=tmp_path / "kept"):
        return arms.remembered(run, cache, "name", *key, code=[code])

    code.write_text("one")
    assert repr(found(1)) == repr(found(1)) == repr(run()) and len(calls) == 2
    found(2)
    code.write_text("two")
    found(1)
    assert len(calls) == 4 and len(list((tmp_path / "kept").iterdir())) == 3
    found(1, cache=None)
    assert len(calls) == 5
