"""The label model against crowd-kit and Snorkel, on the same votes.

Both come with the optional extra `oracles`:

    python -m pip install --constraint constraints.txt --editable '.[oracles]'
    python -m pytest -n 0 tests/text_labeler/test_label_model_oracles.py

Without them each test is skipped and says which package is missing.
"""

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.planted_votes import FIVE, GRADES, Design, plant
from text_labeler.label_model import LabelModelSettings, fit_label_model

HOW = "{} is missing: pip install '.[oracles]'"


def import_oracle(name):
    return pytest.importorskip(name, reason=HOW.format(name.split(".")[0]))


@pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword")  # crowd-kit 1.4.2 with pandas 3
@pytest.mark.parametrize("prior", [(0.7, 0.3), (0.5, 0.3, 0.2), GRADES])
def test_equals_crowd_kit(prior):
    aggregation = import_oracle("crowdkit.aggregation")
    pandas = pytest.importorskip("pandas")
    _, votes = plant(2, 500, Design(FIVE, prior))
    rows = [(s, w, int(v)) for s, row in enumerate(votes) for w, v in enumerate(row)]
    table = pandas.DataFrame(rows, columns=["task", "worker", "label"])
    theirs = aggregation.DawidSkene(n_iter=400, tol=1e-10).fit_predict_proba(table)
    settings = LabelModelSettings(
        len(prior), pseudo_count=0, restarts=1, tolerance=1e-12, max_iterations=2000
    )
    ours = fit_label_model(votes, settings).probabilities
    assert ours == pytest.approx(theirs.sort_index().sort_index(axis=1).to_numpy(), abs=1e-3)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # Snorkel 0.10
@pytest.mark.parametrize("seed", range(3))
def test_ranks_labelers_and_studies_as_snorkel(seed):
    model = import_oracle("snorkel.labeling.model").LabelModel(cardinality=2, verbose=False)
    order = np.random.default_rng(seed).permutation(5)
    design = Design(tuple(np.array([0.95, 0.88, 0.8, 0.72, 0.62])[order]), coverage=0.6)
    _, votes = plant(seed, 5000, design)
    heard = votes[(votes >= 0).any(axis=1)]
    model.fit(heard.astype(int), class_balance=[0.7, 0.3], n_epochs=500, seed=1, progress_bar=False)
    ours = fit_label_model(heard)
    assert (np.argsort(ours.accuracies) == np.argsort(model.get_weights())).all()
    theirs = model.predict_proba(heard.astype(int))[:, 1]
    assert spearmanr(theirs, ours.probabilities[:, 1]).statistic > 0.99
