"""All checks of the trust report that look at images, in the order in which they are shown."""

from __future__ import annotations

from joint.trust.check import TrustCheck
from joint.trust.inputs import TrustInputs
from joint.trust.leaks import check_files, check_patients


def check_image_run(inputs: TrustInputs) -> tuple[TrustCheck, ...]:
    """Look for leaks between splits and for shortcuts in the images of a run.

    Nothing in what is found names a patient or a study; files are named under `inputs.root`.
    """
    return (check_patients(inputs.rows), check_files(inputs.rows))
