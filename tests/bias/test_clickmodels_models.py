"""Rival click models against enumeration of what users might have done."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from labelkit.bias.clickmodels import (
    Cascade,
    DependentClick,
    PageCounts,
    PageModel,
    Pages,
    PositionBased,
    PositionRate,
    SimplifiedDBN,
    UserBrowsing,
)
from labelkit.bias.clickmodels.examination import ExaminedCells, em_step, fit_examination
from labelkit.bias.clickmodels.reading import Tails
from labelkit.bias.clickmodels.smoothing import BetaPrior, fit_beta_prior
from labelkit.bias.clickmodels.squarem import cross_entropy

K = 4


def every_page() -> Pages:
    """All 2⁴ click patterns on one page of four results, examples 0 … 3."""
    patterns = np.array(list(itertools.product([False, True], repeat=K)))
    n = len(patterns)
    page = np.repeat(np.arange(n), K)
    return Pages(
        page,
        np.zeros(n * K, np.int64),
        np.tile(np.arange(K), n),
        np.tile(np.arange(1, K + 1), n),
        patterns.ravel(),
    )


def draw_pages(seed: int, n_pages: int = 400, rate: float = 0.35) -> Pages:
    """Pages with random orders of eight items, and clicks that depend on nothing."""
    rng = np.random.default_rng(seed)
    items = np.argsort(rng.random((n_pages, 8)), 1)[:, :K]
    page = np.repeat(np.arange(n_pages), K)
    attractive = np.linspace(0.1, 2 * rate - 0.1, 8)
    return Pages(
        page,
        page % 20,
        items.ravel(),
        np.tile(np.arange(1, K + 1), n_pages),
        rng.random(n_pages * K) < attractive[items.ravel()],
    )


def count(pages: Pages) -> PageCounts:
    """Counts of pages, page by page."""
    reached, last = np.zeros(len(pages), int), np.zeros(len(pages), int)
    for p in np.unique(pages.page):
        rows = np.flatnonzero(pages.page == p)
        clicks = rows[pages.clicked[rows]]
        reached[rows] = rows <= clicks[-1] if len(clicks) else 1
        if len(clicks):
            last[clicks[-1]] = 1
    one = np.ones(len(pages), int)
    return PageCounts.from_arrays(
        pages.example, pages.position, pages.previous, one, pages.clicked, reached, last
    )


def page_probability(model: PageModel, pages: Pages) -> np.ndarray:
    p = model.click_probability(pages)
    return np.multiply.reduceat(np.where(pages.clicked, p, 1 - p), np.flatnonzero(pages.first))


def enumerate_readers(a: np.ndarray, read_on: np.ndarray) -> np.ndarray:
    """P(clicks) of users who read on until they stop after a click: sum over where they stop."""
    result = []
    for clicks in itertools.product([False, True], repeat=K):
        total = 0.0
        for stop in range(K + 1):  # index of the click after which the user stopped; K: never
            if stop < K and not clicks[stop]:
                continue
            p = 1.0
            for k, clicked in enumerate(clicks):
                if k > stop:
                    p *= not clicked
                elif clicked:
                    p *= a[k] * ((1 - read_on[k]) if k == stop else read_on[k])
                else:
                    p *= 1 - a[k]
            total += p
        result.append(total)
    return np.array(result)


A = np.array([0.2, 0.5, 0.3, 0.6, 0.25])
ON = np.array([0.9, 0.3, 0.6, 0.4, 0.5])


def test_dcm_gives_pages_the_probability_that_enumeration_gives_them() -> None:
    model = DependentClick()
    model.attraction_, model.read_on_ = A, np.concatenate([[np.nan], ON[:K]])
    np.testing.assert_allclose(
        page_probability(model, every_page()), enumerate_readers(A, ON), rtol=1e-10
    )


def test_dbn_gives_pages_the_probability_that_enumeration_gives_them() -> None:
    model = SimplifiedDBN()
    model.attraction_, model.satisfaction_ = A, 1 - ON
    np.testing.assert_allclose(
        page_probability(model, every_page()), enumerate_readers(A, ON), rtol=1e-10
    )


def test_ubm_gives_pages_the_probability_that_enumeration_gives_them() -> None:
    rng = np.random.default_rng(0)
    model = UserBrowsing()
    model.theta_, model.gamma_ = rng.uniform(0.2, 0.9, (K + 1, K + 1)), A
    expected = []
    for clicks in itertools.product([False, True], repeat=K):
        p, previous = 1.0, 0
        for k in range(1, K + 1):
            q = model.theta_[k, previous] * A[k - 1]
            p *= q if clicks[k - 1] else 1 - q
            previous = k if clicks[k - 1] else previous
        expected.append(p)
    np.testing.assert_allclose(page_probability(model, every_page()), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "model",
    [PositionRate(), PositionBased(), Cascade(), DependentClick(), SimplifiedDBN(), UserBrowsing()],
    ids=lambda model: model.name,
)
def test_probabilities_of_all_pages_add_up_to_one(model: PageModel) -> None:
    pages = draw_pages(0)
    model.fit(count(pages), pages)
    assert page_probability(model, every_page()).sum() == pytest.approx(1.0)
    p = model.click_probability(every_page())
    assert ((p > 0) & (p < 1)).all()


def smoothed(prior: BetaPrior, successes: int, trials: int) -> float:
    return (prior.strength * prior.mean + successes) / (prior.strength + trials)


def test_closed_forms_equal_counts_made_page_by_page() -> None:
    pages = draw_pages(1, n_pages=120)
    counts = count(pages)
    cascade, dcm, dbn = Cascade().fit(counts), DependentClick().fit(counts), SimplifiedDBN()
    dbn.fit(counts)
    opened, above, clicks, last = np.zeros((4, 8), int)
    clicks_k, last_k = np.zeros((2, K + 1), int)
    first_clicks = np.zeros(8, int)
    for p in np.unique(pages.page):
        rows = np.flatnonzero(pages.page == p)
        hit = rows[pages.clicked[rows]]
        first, final = (hit[0], hit[-1]) if len(hit) else (rows[-1], rows[-1])
        for row in rows:
            e, k = pages.example[row], pages.position[row]
            opened[e] += row <= first
            first_clicks[e] += pages.clicked[row] and row == first
            above[e] += row <= final
            clicks[e] += pages.clicked[row]
            clicks_k[k] += pages.clicked[row]
            last[e] += pages.clicked[row] and row == final
            last_k[k] += pages.clicked[row] and row == final
    for e in range(8):
        assert cascade.attraction_[e] == smoothed(cascade.prior_, first_clicks[e], opened[e])
        assert dcm.attraction_[e] == smoothed(dcm.prior_, clicks[e], above[e])
        assert dbn.attraction_[e] == smoothed(dbn.prior_, clicks[e], above[e])
        went_on = smoothed(dbn.read_on_prior_, clicks[e] - last[e], clicks[e])
        assert dbn.satisfaction_[e] == pytest.approx(1 - went_on)
    overall = BetaPrior((clicks.sum() - last.sum() + 0.5) / (clicks.sum() + 1), 10.0)
    for k in range(1, K + 1):
        assert dcm.read_on_[k] == pytest.approx(
            smoothed(overall, clicks_k[k] - last_k[k], clicks_k[k])
        )
    assert cascade.attraction_[-1] == cascade.prior_.mean


def test_tails_are_the_rows_below_the_last_click() -> None:
    page = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 3])
    position = np.array([1, 2, 3, 1, 2, 1, 2, 3, 1, 2])
    clicked = np.array([1, 0, 0, 0, 0, 1, 1, 0, 0, 1], dtype=bool)
    tails = Tails.of(Pages(page, page, np.arange(10), position, clicked))
    assert tails.example.tolist() == [1, 2, 7]
    assert tails.tail.tolist() == [0, 0, 1]
    assert tails.position.tolist() == [1, 2]
    assert tails.clicked_example.tolist() == [0, 6]


@pytest.mark.parametrize("kind", [DependentClick, SimplifiedDBN, UserBrowsing, PositionBased])
def test_em_rises_to_a_maximum_of_the_likelihood_of_the_pages(
    kind: type[DependentClick | SimplifiedDBN | UserBrowsing | PositionBased],
) -> None:
    pages = draw_pages(3, n_pages=1_500)
    model = kind().fit(count(pages), pages)
    fit = model.fit_
    assert fit is not None
    assert fit.converged
    assert np.all(np.diff(fit.objective) >= -1e-9 * abs(fit.objective[0]))
    assert fit.score <= 1e-4 * pages.clicked.sum()
    # What rose is the likelihood of whole pages, computed row by row, and a prior.
    likelihood = np.log(page_probability(model, pages)).sum()
    rates, rest = fit.rates, fit.objective[-1] - likelihood
    assert rest < 0
    if isinstance(model, DependentClick):
        n = len(model.attraction_) - 1
        prior = model.prior_.strength * cross_entropy(rates[:n], model.prior_.mean).sum()
        on_a_curve = rest - prior
        assert -10 * (K + 1) * 5 < on_a_curve < 0


def test_no_small_change_of_a_parameter_raises_the_posterior() -> None:
    pages = draw_pages(4, n_pages=800)
    counts = count(pages)
    start = PositionBased().fit(counts)
    side = counts.depth + 1
    cells = ExaminedCells(
        counts.example,
        counts.position * side + counts.previous,
        counts.impressions.astype(float),
        counts.clicks.astype(float),
        np.repeat(start.theta_, side),
        10.0,
        start.prior_,
    )
    fit = fit_examination(cells, theta=cells.theta_prior, gamma=start.gamma_[:-1], tolerance=1e-6)
    size = len(cells.theta_prior)
    best = em_step(cells, fit.rates[:size], fit.rates[size:]).objective
    for i in range(len(fit.rates)):
        for nudge in (-0.02, 0.02):
            moved = fit.rates.copy()
            moved[i] = np.clip(moved[i] + nudge, 1e-6, 1 - 1e-6)
            assert em_step(cells, moved[:size], moved[size:]).objective <= best + 1e-6


def test_leaps_end_where_plain_em_ends() -> None:
    counts = count(draw_pages(5, n_pages=800))
    model = PositionBased().fit(counts)
    merged = PageCounts.from_arrays(
        counts.example, counts.position, 0 * counts.previous, *counts._arrays[3:]
    )
    cells = ExaminedCells(
        merged.example,
        merged.position,
        merged.impressions.astype(float),
        merged.clicks.astype(float),
        np.full(K + 1, 0.5),
        10.0,
        model.prior_,
    )
    rates = np.full(K + 1 + 8, 0.5)
    for _ in range(20_000):
        rates = em_step(cells, rates[: K + 1], rates[K + 1 :]).rates
    fit = fit_examination(cells, theta=np.full(K + 1, 0.5), gamma=np.full(8, 0.5), tolerance=1e-8)
    np.testing.assert_allclose(fit.rates, rates, atol=1e-4)
    assert len(fit.objective) < 1_000


def test_unseen_examples_get_the_mean_of_all() -> None:
    pages = draw_pages(6)
    counts = count(pages)
    unseen = Pages(*(np.array([v]) for v in (0, 0, -1, 1)), np.array([False]))
    for model in (PositionBased(), Cascade(), DependentClick(), SimplifiedDBN()):
        p = model.fit(counts, pages).click_probability(unseen)[0]
        scale = model.theta_[1] if isinstance(model, PositionBased) else 1.0
        assert p == pytest.approx(model.prior_.mean * scale)


def test_the_prior_finds_mean_and_strength_of_a_beta() -> None:
    rng = np.random.default_rng(0)
    trials = rng.integers(1, 60, 20_000)
    successes = rng.binomial(trials, rng.beta(2.0, 6.0, 20_000))
    prior = fit_beta_prior(successes.astype(float), trials.astype(float))
    assert prior.mean == pytest.approx(0.25, abs=0.01)
    assert prior.strength == pytest.approx(8.0, rel=0.1)


def test_the_prior_is_strong_where_rates_do_not_vary() -> None:
    rng = np.random.default_rng(0)
    successes = rng.binomial(30, 0.2, 5_000).astype(float)
    assert fit_beta_prior(successes, np.full(5_000, 30.0)).strength > 300
