"""Schedules and the plateau callback beside those of PyTorch and Optax."""

import keras
import numpy as np
import optax
import pytest
import torch
from torch.optim import lr_scheduler

from dtlib import callbacks, schedules

STEPS = 60


def ours(schedule, steps=STEPS):
    return np.asarray(schedule(np.arange(steps, dtype="float64")))


def torch_rates(make, top=0.3, steps=STEPS, metrics=None):
    """The rate of each step of a PyTorch schedule that is asked after each step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=top)
    scheduler, rates = make(optimizer), []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if metrics is None else [metrics[step]]))
    return np.array(rates)


def optax_rates(schedule, steps=STEPS):
    return np.array([float(schedule(t)) for t in range(steps)])


TORCH = {
    "exponential, a step at a time": (
        schedules.ExponentialDecay(0.3, 1, 0.9),
        lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    ),
    "staircase": (
        schedules.ExponentialDecay(0.3, 7, 0.5, staircase=True),
        lambda o: lr_scheduler.StepLR(o, 7, 0.5),
    ),
    "inverse time": (
        schedules.InverseTimeDecay(0.3, 5, 2.0),
        lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + 2 * t / 5)),
    ),
    "power": (
        schedules.PowerDecay(0.3, 5, 0.5),
        lambda o: lr_scheduler.LambdaLR(o, lambda t: (1 + t / 5) ** -0.5),
    ),
    "polynomial": (
        schedules.PolynomialDecay(0.3, 40, 0.0, power=2.0),
        lambda o: lr_scheduler.PolynomialLR(o, 40, 2.0),
    ),
    "cosine": (
        schedules.CosineDecay(0.3, STEPS - 1, alpha=0.1),
        lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS - 1, 0.03),
    ),
    "restarts": (
        schedules.CosineDecayRestarts(0.3, 7, t_mul=2, alpha=0.1),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, 2, 0.03),
    ),
    "warm-up": (
        schedules.Warmup(0.3, 20, 0.03),
        lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 20),
    ),
}


@pytest.mark.parametrize("schedule, make", TORCH.values(), ids=TORCH)
def test_it_is_the_schedule_of_pytorch(schedule, make):
    # PyTorch multiplies from step to step, in float64: 60 roundings.
    np.testing.assert_allclose(
        ours(schedule), torch_rates(make), rtol=1e-12, atol=1e-16
    )


OPTAX = {
    "exponential": (
        schedules.ExponentialDecay(0.3, 7, 0.5),
        optax.exponential_decay(0.3, 7, 0.5),
    ),
    "staircase": (
        schedules.ExponentialDecay(0.3, 7, 0.5, staircase=True),
        optax.exponential_decay(0.3, 7, 0.5, staircase=True),
    ),
    "polynomial": (
        schedules.PolynomialDecay(0.3, 40, 0.1, power=2.0),
        optax.polynomial_schedule(0.3, 0.1, 2.0, 40),
    ),
    "cosine": (
        schedules.CosineDecay(0.3, 40, alpha=0.1),
        optax.cosine_decay_schedule(0.3, 40, 0.1),
    ),
    # Optax counts the warm-up among the steps of the decay, and takes the end itself.
    "warm-up and cosine": (
        schedules.CosineDecay(0.1, 30, alpha=0.1, warmup_target=0.3, warmup_steps=10),
        optax.warmup_cosine_decay_schedule(0.1, 0.3, 10, 40, 0.03),
    ),
    "one cycle": (
        schedules.OneCycle(0.3, 50, peak=0.4, div_factor=20, final_div_factor=100),
        optax.linear_onecycle_schedule(50, 0.3, 0.4, 0.8, 20, 100),
    ),
}


@pytest.mark.parametrize("schedule, theirs", OPTAX.values(), ids=OPTAX)
def test_it_is_the_schedule_of_optax(schedule, theirs):
    expected = optax_rates(theirs)  # in float32
    np.testing.assert_allclose(ours(schedule), expected, rtol=2e-6, atol=1e-8)


@pytest.mark.convention("One cycle")
@pytest.mark.parametrize("form", ["linear", "cos"])
def test_one_cycle_is_that_of_pytorch_in_three_phases_one_step_shorter(form):
    n, share = STEPS, 0.4
    theirs = torch_rates(
        lambda o: lr_scheduler.OneCycleLR(
            o,
            0.3,
            n,
            pct_start=share,
            anneal_strategy=form,
            cycle_momentum=False,
            div_factor=20,
            final_div_factor=100,
            three_phase=True,
        ),
        steps=n - 1,  # it raises when asked once more
    )
    # Its last update, the step n − 1, is the end, and its phases end one step early.
    annealing = {"cos": "cosine"}.get(form, form)
    schedule = schedules.OneCycle(
        0.3, n - 1, (share * n - 1) / (n - 1), 20, 100, annealing
    )
    np.testing.assert_allclose(ours(schedule, n - 1), theirs, rtol=1e-12)
    assert float(schedule(n - 1)) == pytest.approx(0.3 / 20 / 100)


@pytest.mark.convention("Momentum in one cycle")
def test_the_momentum_of_one_cycle_is_that_of_pytorch():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1, 0.9)
    cycle = lr_scheduler.OneCycleLR(
        optimizer, 0.3, 41, pct_start=0.4, anneal_strategy="linear", three_phase=True
    )
    theirs = []
    for _ in range(40):
        theirs.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        cycle.step()
    beta = schedules.one_cycle_momentum(
        np.arange(40.0),
        max_momentum=0.95,
        min_momentum=0.85,
        total_steps=40,
        peak=(0.4 * 41 - 1) / 40,
        annealing="linear",
    )
    np.testing.assert_allclose(beta, theirs, rtol=1e-12)


@pytest.mark.convention("Exponential decay between its steps")
def test_pytorch_decays_once_an_epoch_and_stands_still_between():
    batches = 5
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.3)
    scheduler, rates = lr_scheduler.ExponentialLR(optimizer, 0.5), []
    for _ in range(4):
        for _ in range(batches):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
        scheduler.step()  # where its documentation puts it
    stairs = schedules.ExponentialDecay(0.3, batches, 0.5, staircase=True)
    np.testing.assert_allclose(ours(stairs, 20), rates, rtol=1e-12)
    smooth = ours(schedules.ExponentialDecay(0.3, batches, 0.5), 20)
    assert rates[4] / smooth[4] == pytest.approx(0.5**-0.8)


@pytest.mark.convention("Step at a boundary")
def test_a_boundary_in_keras_is_the_milestone_of_pytorch_less_one():
    pieces = schedules.PiecewiseConstantDecay([9, 19], [0.3, 0.03, 0.003])
    theirs = torch_rates(lambda o: lr_scheduler.MultiStepLR(o, [10, 20], 0.1))
    np.testing.assert_allclose(ours(pieces), theirs, rtol=1e-12)
    optaxs = optax.piecewise_constant_schedule(0.3, {10: 0.1, 20: 0.1})
    np.testing.assert_allclose(ours(pieces), optax_rates(optaxs), rtol=1e-6)
    late = schedules.PiecewiseConstantDecay([10, 20], [0.3, 0.03, 0.003])
    assert (ours(late) != theirs).nonzero()[0].tolist() == [10, 20]


@pytest.mark.convention("Values of a piecewise rate")
def test_pytorch_and_optax_multiply_where_keras_sets():
    scales = {10: 0.5, 20: 0.1}
    products = [0.3, 0.3 * 0.5, 0.3 * 0.5 * 0.1]
    pieces = schedules.PiecewiseConstantDecay([9, 19], products)
    theirs = optax_rates(optax.piecewise_constant_schedule(0.3, scales))
    np.testing.assert_allclose(ours(pieces), theirs, rtol=1e-6)


@pytest.mark.convention("Floor of a cosine")
def test_pytorch_gives_the_floor_of_a_cosine_as_a_rate():
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 59, 0.1))
    share = schedules.CosineDecay(0.3, 59, alpha=0.1 / 0.3)
    np.testing.assert_allclose(ours(share), theirs, rtol=1e-12)
    same_number = ours(schedules.CosineDecay(0.3, 59, alpha=0.1))
    assert theirs[-1] / same_number[-1] == pytest.approx(1 / 0.3)


@pytest.mark.convention("Cosine after its end")
def test_a_cosine_climbs_again_in_pytorch_and_stays_in_keras():
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 20, 0.0))
    stays = ours(schedules.CosineDecay(0.3, 20))
    np.testing.assert_allclose(stays[:21], theirs[:21], rtol=1e-9, atol=1e-15)
    assert (stays[20:] == 0).all()
    np.testing.assert_allclose(theirs[20:41], theirs[20::-1], rtol=1e-6, atol=1e-12)


@pytest.mark.convention("Length of the runs between restarts")
def test_runs_double_in_keras_and_stay_in_pytorch():
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7))
    one = ours(schedules.CosineDecayRestarts(0.3, 7, t_mul=1.0))
    np.testing.assert_allclose(one, theirs, rtol=1e-12, atol=1e-16)
    two = ours(schedules.CosineDecayRestarts(0.3, 7))
    top = (two == 0.3).nonzero()[0].tolist(), (theirs == 0.3).nonzero()[0].tolist()
    assert top == ([0, 7, 21, 49], [0, 7, 14, 21, 28, 35, 42, 49, 56])


def plateau_rates(losses, **arguments):
    """The rate of each epoch under `plateau_update`."""
    state, rates = (None, 0, 0, 1.0), []
    for loss in losses:
        rates.append(state[-1])
        state = callbacks.plateau_update(loss, *state, mode="min", **arguments)
    return np.array(rates)


@pytest.mark.convention("Patience of a plateau", "Margin of a plateau")
def test_pytorch_waits_one_epoch_longer_and_asks_for_a_share_of_the_best():
    assert keras.callbacks.ReduceLROnPlateau().min_delta == 1e-4
    losses = np.random.default_rng(0).uniform(0.5, 1.0, 200).round(2)
    form = dict(factor=0.9, min_lr=0.0, cooldown=0)

    def theirs(**more):
        def make(optimizer):
            return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.9, eps=0, **more)

        return torch_rates(make, top=1.0, steps=200, metrics=losses)

    absolute = theirs(patience=2, threshold=0.01, threshold_mode="abs")
    longer = plateau_rates(losses, patience=3, min_delta=0.01, **form)
    np.testing.assert_allclose(longer, absolute, rtol=1e-12)
    same = plateau_rates(losses, patience=2, min_delta=0.01, **form)
    assert same[-1] < absolute[-1]
    # By default the margin is a share: at a loss of 0.1 a tenth of the number.
    slow = 0.1 - 0.0004 * np.arange(100)
    shares = torch_rates(
        lambda o: lr_scheduler.ReduceLROnPlateau(
            o, factor=0.9, patience=1, threshold=0.005
        ),
        top=1.0,
        steps=100,
        metrics=slow,
    )
    form["patience"] = 2
    assert (shares == 1).all()
    assert plateau_rates(slow, min_delta=0.005, **form)[-1] < 0.1
    assert (plateau_rates(slow, min_delta=0.005 * 0.1, **form) == 1).all()
