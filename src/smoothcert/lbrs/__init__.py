"""Locally biased randomized smoothing (LBRS): a deterministic smoothed classifier.

Anderson and Sojoudi, "Certified Adversarial Robustness via Locally Biased Randomized
Smoothing". Instead of averaging over zero-mean noise, the mean of the noise at ``x`` is moved,
within a ball of radius ``bias``, in the direction in which the base classifier's score changes
fastest, towards the class that a few reserved training points vote for::

    g_mu(x) = g(x) + bias * y(x) * ||grad g(x)||_*          (Eq. 4 and 5)

The paper calls the bias alpha; here alpha is always a failure probability, and LBRS has none:
nothing is sampled, and its certificates hold with certainty.

``oracle`` is y(x) and how far it is from changing, ``certificate`` the closed forms of Theorems
6 and 8, ``lipschitz`` the constant L that Theorem 8 needs, ``multiclass`` the extension to any
number of classes, ``classifier`` the classifiers themselves, ``spiral`` and ``image`` the paper's
experiments with their ``settings``. Proofs are in docs/methods/lbrs.md.
"""
