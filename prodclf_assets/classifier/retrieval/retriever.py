# mypy: allow-untyped-defs
"""From a product's features to its candidates: the labels that are worth a close look.

The one-pass scorers choose the candidates, looking only at features that few labels share: the rest are most of the work
and tell labels apart least. Among the candidates all features count and the SVM has its say. Naive Bayes and SVM together
put them in order, and say how many of them the ranker has to see. An SVM over branches and the nearest neighbours then say
what they think of the candidates.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import kernel, map_blocks
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.retrieval.branch_scorer import BranchScorer
from prodclf_assets.classifier.retrieval.label_weights import Bitmaps, LabelWeights, add_long, add_short
from prodclf_assets.classifier.retrieval.linear_scorers import CENTROID, ONE_PASS, fit_one_pass
from prodclf_assets.classifier.retrieval.neighbours import VIEWS, Neighbours
from prodclf_assets.classifier.retrieval.svm import fit_svm
from prodclf_assets.classifier.text_features import SparseRows

SCORES = (*ONE_PASS, "svm", "branch", *VIEWS)
SVM = len(ONE_PASS)
BRANCH = SVM + 1
SHARPNESS = np.array([1 / 3, 3.0, 20.0, 20.0, 3.0, 3.0], np.float32)
"""What a scorer's values are multiplied by before a softmax: their scales differ, and mixing them needs a common one."""
PRIOR = 1.5
"""Of the logarithm of a label's products in naive Bayes, where it chooses candidates: of thousands of labels most are rare,
and together they would crowd a common one out."""
POOLED = np.array([0.15, 2.25], np.float32)
"""Weights of naive Bayes and SVM in the log-probability of a candidate, as a conditional logit fitted to held-out products
of real catalogues has them; the other scorers' weights were within noise of 0."""


@dataclass(frozen=True)
class RetrieverConfig:
    """How the scorers are fitted.

    Attributes:
        naive_bayes_alpha, complement_alpha: additive smoothing of the two naive Bayes scorers.
        telling: labels that a feature may have weights of and still count towards the shortlist.
        candidates: labels per product that the SVM learns to tell apart, and that are scored and handed on.
        least_share: probability, by naive Bayes and SVM, that a candidate needs for the ranker to look at it.
        svm_c: the SVM's penalty of errors, as in LIBLINEAR; where labels overlap 1 learns the noise, and where they do not 0.3
            learns too little.
        svm_passes: most passes of coordinate descent per label.
        svm_cut: weights smaller than this are dropped (Babbar & Schoelkopf 2017); accuracy does not notice.
        branch_c: the penalty of errors of the SVM over branches.
    """

    naive_bayes_alpha: float = 0.02
    complement_alpha: float = 0.3
    telling: int = 96
    candidates: int = 10
    least_share: float = 0.001
    svm_c: float = 0.5
    svm_passes: int = 7
    svm_cut: float = 0.02
    branch_c: float = 0.5


@dataclass(frozen=True)
class Candidates:
    """The likeliest labels of n products.

    Attributes:
        labels: int32[n, k], the likeliest first.
        scores: float32[n, k, len(SCORES)].
        ranked: int32[n], how many of them, from the first, the ranker has to look at: two at least where there are two.
    """

    labels: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    ranked: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Retriever:
    """The scorers, fitted.

    Attributes:
        config: how they were fitted.
        weights: those of the one-pass scorers and the SVM.
        mass_bias: float32[labels, 2]; what a product's summed features are multiplied by in the naive Bayes scorers.
        prior: float32[labels], what naive Bayes adds for how common a label is when it chooses candidates.
        svm_bias: float32[labels].
        branches: the SVM over branches.
        neighbours: the training products, to look for those most alike.
    """

    config: RetrieverConfig
    weights: LabelWeights
    mass_bias: npt.NDArray[np.float32]
    prior: npt.NDArray[np.float32]
    svm_bias: npt.NDArray[np.float32]
    branches: BranchScorer
    neighbours: Neighbours

    @classmethod
    def fit(
        cls,
        rows: SparseRows,
        truth: LabelSets,
        names: SparseRows,
        parent: npt.NDArray[np.int32],
        features: int,
        config: RetrieverConfig,
        threads: int = 1,
    ) -> "Retriever":
        """Fit all scorers.

        Args:
            rows: features of the training products.
            truth: the labels of each product.
            names: features of each label's name; its length is the number of labels.
            parent: int32[labels], a number from 0 on shared by the labels of one branch.
            features: how many features there are.
            config: how to fit.
            threads: how many may run at once.
        """
        one_pass, mass_bias = fit_one_pass(
            rows, truth, names, features,
            alpha=config.naive_bayes_alpha, complement_alpha=config.complement_alpha,
        )  # fmt: skip
        counts = np.bincount(truth.codes[truth.taught], minlength=len(names))
        prior = (PRIOR * np.log(counts + 0.5)).astype(np.float32)
        size = min(config.candidates, len(names))
        if size == len(names):
            shortlists = np.tile(np.arange(size, dtype=np.int32), (len(rows), 1))
        else:
            found = map_blocks(
                lambda a, b: _shortlists(
                    rows.indptr[a : b + 1], rows.ids, rows.values, one_pass.indptr, one_pass.labels,
                    one_pass.weights, mass_bias, prior, SHARPNESS, config.telling, size,
                ),
                len(rows), threads,
            )  # fmt: skip
            shortlists = np.concatenate([np.empty((0, size), np.int32), *found])
        svm, svm_bias = fit_svm(
            rows, truth, shortlists, len(names), features, threads,
            c=config.svm_c, passes=config.svm_passes, cut=config.svm_cut,
        )  # fmt: skip
        branches = BranchScorer.fit(rows, truth, shortlists, parent, features, threads, config.branch_c)
        neighbours = Neighbours.fit(rows, truth, features)
        return cls(config, one_pass.beside(svm), mass_bias, prior, svm_bias, branches, neighbours)

    def retrieve(self, rows: SparseRows, threads: int = 1) -> Candidates:
        """The likeliest labels of each row, with the scores of all scorers."""
        size = min(self.config.candidates, len(self.svm_bias))

        def work(start: int, stop: int) -> tuple[npt.NDArray[np.generic], ...]:
            found: tuple[npt.NDArray[np.generic], ...] = _retrieve(
                rows.indptr[start : stop + 1], rows.ids, rows.values,
                self.weights.indptr, self.weights.labels, self.weights.weights, *self._bitmaps,
                self.mass_bias, self.prior, self.svm_bias,
                SHARPNESS, POOLED, self.config.telling, size, self.config.least_share,
            )  # fmt: skip
            return found

        # At least one block, since it has the shapes and dtypes of the answer.
        parts = map_blocks(work, len(rows), threads) or [work(0, 0)]
        labels, linear, ranked = (np.concatenate(part) for part in zip(*parts, strict=True))
        scores = np.empty((*labels.shape, len(SCORES)), np.float32)
        scores[:, :, :BRANCH] = linear
        scores[:, :, BRANCH] = self.branches.scores(rows, labels, threads)
        scores[:, :, BRANCH + 1 :] = self.neighbours.views(rows, labels, threads)
        return Candidates(labels, scores, ranked)

    @cached_property
    def _bitmaps(self) -> Bitmaps:
        return self.weights.bitmaps(self.config.telling, len(self.svm_bias))


@kernel
def _mix(scores, labels, mass, mass_bias, prior, sharpness, mixed, powers, bits):
    """Sum of the softmaxes of naive Bayes, complement naive Bayes and centroid, over some labels, into `mixed`.

    Exponentials of many labels are much of what grows with their number, so they are computed as the processor computes
    several at once: two to the whole part is put together from its bits, to the rest a polynomial (error below 2e-5).

    Args:
        scores: float32[all labels, scorers].
        labels: int32[some].
        mass, mass_bias: of the naive Bayes scorers.
        prior: of each label; naive Bayes alone knows how common it is.
        sharpness: of each scorer.
        mixed, powers, bits: float32, float32 and int32[some], overwritten.
    """
    mixed[:] = 0
    whole = bits.view(np.float32)
    for scorer in range(3):
        largest = np.float32(-np.inf)
        for i in range(len(labels)):
            score = scores[labels[i], scorer]
            if scorer < 2:
                score += mass * mass_bias[labels[i], scorer]
            if scorer == 0:
                score += prior[labels[i]]
            powers[i] = score
            if score > largest:
                largest = score
        scale = sharpness[scorer] * np.float32(1.442695)
        for i in range(len(labels)):
            power = max((powers[i] - largest) * scale, np.float32(-126)) + np.float32(127)
            bits[i] = np.int32(power)
            f = power - np.float32(bits[i])
            bits[i] <<= 23
            p = np.float32(0.00015403530) * f + np.float32(0.0013333558)
            p = (p * f + np.float32(0.0096181291)) * f + np.float32(0.055504109)
            p = (p * f + np.float32(0.24022651)) * f + np.float32(0.69314718)
            powers[i] = p * f + np.float32(1)
        for i in range(len(labels)):
            powers[i] *= whole[i]
        total = _sum(powers)
        for i in range(len(labels)):
            mixed[i] += powers[i] / total


@kernel
def _sum(values):
    """float32: in four sums side by side, or each addition would wait for the one before."""
    a = b = c = d = np.float32(0)
    i = 0
    while i + 4 <= len(values):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        i += 4
    while i < len(values):
        a += values[i]
        i += 1
    return (a + b) + (c + d)


@kernel
def _best(values, size, out):
    """Positions of the `size` largest values into `out`, the largest first; ties to the lower position."""
    filled = 0
    for position in range(len(values)):
        if filled == size and values[position] <= values[out[size - 1]]:
            continue
        place = filled if filled < size else size - 1
        while place > 0 and values[out[place - 1]] < values[position]:
            out[place] = out[place - 1]
            place -= 1
        out[place] = position
        if filled < size:
            filled += 1


@kernel
def _room(count):
    """What `_shortlist` overwrites: the labels that are compared, and what `_mix` needs."""
    return (
        np.empty(count, np.int32),
        np.empty(count, np.float32),
        np.empty(count, np.float32),
        np.empty(count, np.int32),
    )


@kernel
def _alike(scores, least, labels):
    """The labels that have a feature of the row in common with it into `labels`; all of them when these are too few.

    Of thousands of labels most have none, and one of those is hardly ever the right one.

    Returns:
        how many they are.
    """
    found = 0
    for label in range(len(scores)):
        labels[found] = label
        found += scores[label, CENTROID] != 0
    if found < least:
        labels[:] = np.arange(len(scores))
        found = len(scores)
    return found


@kernel
def _shortlist(
    ids, values, start, stop, by_feature, labels, weights, mass_bias, prior, sharpness, telling, scores, room, out
):  # fmt: skip
    """The likeliest labels of one row by the one-pass scorers into `out`, the likeliest first; returns the limit used."""
    scores[:] = 0
    mass = add_short(ids, values, start, stop, telling, by_feature, labels, weights, scores)
    if mass == 0:  # a text of commonplaces: they have to do
        telling = len(mass_bias)
        mass = add_short(ids, values, start, stop, telling, by_feature, labels, weights, scores)
    compared, mixed, powers, bits = room
    few = _alike(scores, len(out), compared)
    _mix(scores, compared[:few], mass, mass_bias, prior, sharpness, mixed[:few], powers[:few], bits[:few])
    _best(mixed[:few], len(out), out)
    for place in range(len(out)):
        out[place] = compared[out[place]]
    return telling


@kernel
def _shortlists(indptr, ids, values, by_feature, labels, weights, mass_bias, prior, sharpness, telling, size):
    """int32[n, size]: the shortlist of each row."""
    n = len(indptr) - 1
    out = np.empty((n, size), np.int32)
    scores = np.empty((len(mass_bias), weights.shape[1]), np.float32)
    room = _room(len(mass_bias))
    for row in range(n):
        _shortlist(
            ids, values, indptr[row], indptr[row + 1], by_feature, labels, weights, mass_bias, prior, sharpness,
            telling, scores, room, out[row],
        )  # fmt: skip
    return out


@kernel
def _retrieve(
    indptr, ids, values, by_feature, labels, weights, bitmap_of, words, before, mass_bias, prior, svm_bias,
    sharpness, pooled, telling, size, least_share,
):  # fmt: skip
    """Labels, scores and number to rank of the candidates of each row."""
    n = len(indptr) - 1
    count = len(svm_bias)
    out = np.empty((n, size), np.int32)
    out_scores = np.empty((n, size, 5), np.float32)
    ranked = np.empty(n, np.int32)
    scores = np.empty((count, 5), np.float32)
    room = _room(count)
    short = np.empty(size, np.int32)
    log_share = np.empty(size, np.float32)
    order = np.empty(size, np.int32)
    longest = 0
    for row in range(n):
        longest = max(longest, indptr[row + 1] - indptr[row])
    at = np.empty(longest * size + 1, np.int64)
    to = np.empty(longest * size + 1, np.int32)
    times = np.empty(longest * size + 1, np.float32)
    for row in range(n):
        start, stop = indptr[row], indptr[row + 1]
        counted = _shortlist(
            ids, values, start, stop, by_feature, labels, weights, mass_bias, prior, sharpness, telling,
            scores, room, short,
        )  # fmt: skip
        add_long(
            ids, values, start, stop, counted, by_feature, weights, bitmap_of, words, before, short, scores,
            at, to, times,
        )  # fmt: skip
        mass = np.float32(0)
        for i in range(start, stop):
            mass += values[i]
        largest = np.float32(-np.inf)
        for place in range(size):
            label = short[place]
            scores[label, 0] += mass * mass_bias[label, 0]
            scores[label, 1] += mass * mass_bias[label, 1]
            scores[label, 4] += svm_bias[label]
            log_share[place] = pooled[0] * scores[label, 0] + pooled[1] * scores[label, 4]
            largest = max(largest, log_share[place])
        total = np.float32(0)
        for place in range(size):
            total += np.exp(log_share[place] - largest)
        _best(log_share, size, order)
        needed = largest + np.log(least_share * total)
        ranked[row] = min(2, size)
        for place in range(size):
            label = short[order[place]]
            out[row, place] = label
            for scorer in range(5):
                out_scores[row, place, scorer] = scores[label, scorer]
            if place >= 2 and log_share[order[place]] >= needed:
                ranked[row] = place + 1
    return out, out_scores, ranked
