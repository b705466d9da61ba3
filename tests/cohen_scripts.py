"""The certify and predict scripts of the field (Cohen et al. 2019), written from their description.

They know a smoothed classifier by its three calls alone.
"""

import time
from datetime import timedelta


def certify_script(base_classifier, dataset, n_classes, sigma, out, smooth,
                   skip=1, most=-1, n0=100, n=100_000, alpha=0.001, batch=400):  # fmt: skip
    smoothed_classifier = smooth(base_classifier, n_classes, sigma)
    with out.open("w") as f:
        print("idx\tlabel\tpredict\tradius\tcorrect\ttime", file=f, flush=True)
        for i in range(len(dataset)):
            if i % skip != 0:
                continue
            if i == most:
                break
            x, label = dataset[i]
            before = time.time()
            prediction, radius = smoothed_classifier.certify(x, n0, n, alpha, batch)
            correct = int(prediction == label)
            took = timedelta(seconds=time.time() - before)
            print(f"{i}\t{label}\t{prediction}\t{radius!r}\t{correct}\t{took}", file=f, flush=True)


def predict_script(base_classifier, dataset, n_classes, sigma, out, smooth,
                   n=1000, alpha=0.001, batch=400):  # fmt: skip
    smoothed_classifier = smooth(base_classifier, n_classes, sigma)
    with out.open("w") as f:
        print("idx\tlabel\tpredict\tcorrect", file=f, flush=True)
        for i in range(len(dataset)):
            x, label = dataset[i]
            prediction = smoothed_classifier.predict(x, n, alpha, batch)
            print(f"{i}\t{label}\t{prediction}\t{int(prediction == label)}", file=f, flush=True)
