"""The inception score, of any classifier's logits."""

import numpy as np
from scipy.special import log_softmax


def inception_score(logits: np.ndarray, splits: int) -> float:
    """``exp(E KL(p(y|x) || p(y)))`` of logits ``[N, K]``, averaged over equal splits of consecutive samples; in [1, K].

    Generated labels repeat in order, so that every class falls evenly into each split.
    """
    log_p = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    scores, count = [], len(log_p)
    for split in range(splits):
        part = log_p[split * count // splits : (split + 1) * count // splits]
        p = np.exp(part)
        marginal = p.mean(0)
        log_marginal = np.log(marginal, where=marginal > 0, out=np.zeros_like(marginal))
        scores.append(np.exp((p * (part - log_marginal)).sum(1).mean()))
    return float(np.mean(scores))
