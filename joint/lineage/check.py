"""Whether the things of a lineage still are what they were.

What reads a thing is imported where one of its kind is met: a label table needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from configs.files import hash_file
from data_cards.lineage import LineageNode
from data_cards.lineage_tables import AS_IT_WAS, CHANGED, NOT_FOUND, find_change
from joint.lineage.found import Found


def check_lineage(found: Found, *, whole: bool = False) -> dict[str, str]:
    """Give AS_IT_WAS, CHANGED or NOT_FOUND by hash, for every node.

    Corpora are listed anew and files hashed. Of caches only manifest and index are read, unless
    they are to be read whole.
    """
    return {
        node.hash: _check(node, found.places.get(node.hash), whole=whole)
        for node in found.lineage.nodes
    }


def _check(node: LineageNode, place: Path | None, *, whole: bool) -> str:
    if node.kind == "rules":
        return _check_rules(node, place)
    if node.kind == "transition" and place is None:
        return _check_prior(node)
    if place is None or not place.exists():
        return NOT_FOUND
    if node.kind == "image cache":
        return _check_cache(node, place, whole=whole)
    if node.kind == "mask cache":
        return _check_masks(node, place, whole=whole)
    return CHECKS.get(node.kind, find_change)(node, place)


def _check_rules(node: LineageNode, place: Path | None) -> str:
    from text_labeler.labelers import KerleyLabeler, KeywordLabeler, make_labeler
    from text_labeler.rule_files import RuleError
    from text_labeler.rulebook import RULES_FOLDER

    if place is not None and not place.is_dir():
        return NOT_FOUND
    try:
        if node.name == KerleyLabeler().kind:
            now = make_labeler(KerleyLabeler(rules=place or RULES_FOLDER)).rules_hash
        elif node.name == KeywordLabeler().kind:
            now = make_labeler(KeywordLabeler()).rules_hash
        else:  # another's labeler
            return NOT_FOUND
    except RuleError:
        return CHANGED
    return AS_IT_WAS if now == node.hash else CHANGED


def _check_cache(node: LineageNode, place: Path, *, whole: bool) -> str:
    from vision.cache import CacheError, ImageCache
    from vision.cache_verify import verify_cache

    try:
        is_same = ImageCache.open(place).content_hash == node.hash
    except CacheError:
        return CHANGED
    if is_same and whole:
        is_same = not verify_cache(place).problems
    return AS_IT_WAS if is_same else CHANGED


def _check_masks(node: LineageNode, place: Path, *, whole: bool) -> str:
    from vision.segmentation.mask_cache import MASKS_NAME, MaskCache

    try:
        is_same = MaskCache(place).content_hash == node.hash
    except (OSError, ValueError, KeyError):  # a part is gone, or is no JSON or array any more
        return CHANGED
    if is_same and whole:
        is_same = hash_file(place / MASKS_NAME) == node.hash
    return AS_IT_WAS if is_same else CHANGED


def _check_run(node: LineageNode, place: Path) -> str:
    from joint.image_runs.folder import read_any_settings
    from joint.run_folder import RunFolder
    from joint.training.settings import hash_training

    folder = RunFolder(place)
    if not folder.settings_file.is_file():
        return NOT_FOUND
    is_same = hash_training(read_any_settings(folder)) == node.facts.get("settings")
    return AS_IT_WAS if is_same else CHANGED


def _check_transition(node: LineageNode, place: Path) -> str:
    from data_cards.transition import TransitionError, read_transition

    try:
        is_same = read_transition(place).content_hash == node.hash
    except TransitionError:
        return CHANGED
    return AS_IT_WAS if is_same else CHANGED


def _check_prior(node: LineageNode) -> str:
    from data_cards.transition_estimate import named_transition
    from data_cards.transition_priors import TRANSITION_PRIORS

    if node.name not in TRANSITION_PRIORS:
        return NOT_FOUND
    return AS_IT_WAS if named_transition(node.name).content_hash == node.hash else CHANGED


def _check_grader(node: LineageNode, place: Path) -> str:
    from vision.grader_card import WEIGHTS_NAME, GraderError, read_card

    try:
        read_card(place)
    except GraderError:
        return CHANGED
    return AS_IT_WAS if hash_file(place / WEIGHTS_NAME) == node.hash else CHANGED


def _check_model(node: LineageNode, place: Path) -> str:
    from joint.image_runs.model_cards import read_any_card
    from vision.model_folder import ModelFolderError

    try:
        is_same = read_any_card(place).weights_sha256 == node.hash
    except ModelFolderError:
        return CHANGED
    return AS_IT_WAS if is_same else CHANGED


CHECKS: Mapping[str, Callable[[LineageNode, Path], str]] = {
    "run": _check_run,
    "transition": _check_transition,
    "grader": _check_grader,
    "model": _check_model,
}
